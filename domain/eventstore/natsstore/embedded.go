package natsstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/folder"
)

// maxPending bounds what the server holds for our one connection before it cuts it. JetStream sends up to 32 MB ahead to each
// subscription that is behind; the server's own 64 MB would be exceeded by three.
const maxPending = 1 << 30

// EmbeddedConfig says how to keep a log in a server inside this process. Dir and Ledger are required.
type EmbeddedConfig struct {
	// Dir is the data folder, made when missing. One process may use it at a time.
	Dir string
	// Ledger names the log: 1 to 128 letters, digits, dashes and underscores.
	Ledger string
	// Categories of streams that the log keeps; DefaultCategories when empty. A log that was made with
	// fewer of them is widened when it is opened; none can be taken away.
	Categories []string
	// Durability is eventstore.Group or eventstore.Strict. Empty is for tools: what the folder was last opened with by name, and
	// eventstore.Group when it never was.
	Durability eventstore.Durability
	// NATSListen is host:port where NATS clients may connect, as guests. Empty: nowhere.
	NATSListen string
	// Admit says who is let in with a secret (a NATS token, or a password) or, when it is empty, without any; an error keeps them
	// out. Required with NATSListen. It is called as soon as the server runs, before OpenEmbedded returns.
	Admit func(ctx context.Context, from net.Addr, secret string) (Guest, error)
	// Stays says every ten seconds whether an account's guests are still welcome; the others are cut off. Nil: they are.
	Stays func(ctx context.Context, account string) bool
	// MaxStore bounds the log on disk, in bytes; 1 TiB when zero. At the bound appends are refused, nothing is dropped.
	MaxStore int64
	// Logger takes what the server says; slog.Default when nil.
	Logger *slog.Logger
	// OnFatal is called once when durability can't be promised any more. The program should stop; the store answers
	// ErrUnavailable from then on. It must not call the store's Close, which waits for it.
	OnFatal func(error)

	barrier  func(run func() error) func() error                         // for tests: wraps the barrier
	provider func(nats.InProcessConnProvider) nats.InProcessConnProvider // for tests: wraps the connection
	round    time.Duration                                               // for tests: between two questions of Stays
}

// Limits of the server inside the process.
const (
	defaultMaxStore = 1 << 40
	maxMemory       = 64 << 20 // for the state of consumers
	maxPayload      = eventstore.MaxEventSize + 64<<10
	startPatience   = 2 * time.Minute // a log that was not stopped cleanly is read through
)

// withDefaults returns the configuration with its defaults, or what is wrong with it.
func (c EmbeddedConfig) withDefaults() (EmbeddedConfig, error) {
	if c.Dir == "" {
		return c, errors.New("the embedded store needs a data folder")
	}
	switch c.Durability {
	case "", eventstore.Group, eventstore.Strict:
	default:
		return c, fmt.Errorf("the embedded store knows the durabilities group and strict, not %q", c.Durability)
	}
	if c.MaxStore == 0 {
		c.MaxStore = defaultMaxStore
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.OnFatal == nil {
		c.OnFatal = func(error) {}
	}
	return c, nil
}

// OpenEmbedded starts a NATS server inside this process on a data folder and opens the ledger's log in it. Errors:
// eventstore.ErrLocked when another process uses the folder, eventstore.ErrGap when the log has lost events, ErrListen when NATSListen
// is taken, others when the folder or the configuration is unusable, or the folder holds another ledger's log.
func OpenEmbedded(ctx context.Context, c EmbeddedConfig) (*Store, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	l, err := newLayout(c.Ledger, c.Categories)
	if err != nil {
		return nil, err
	}
	e := &embedded{config: c, layout: l}
	s, err := e.open(ctx)
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	return s, nil
}

// embedded is what lies below the connection of an embedded store: folder, lock, mark, barrier and server.
type embedded struct {
	config  EmbeddedConfig
	layout  layout
	server  *server.Server
	guests  *guests
	closers []func() error // in the order of opening
}

func (e *embedded) open(ctx context.Context) (*Store, error) {
	c := e.config
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := folder.Lock(dir)
	if err != nil {
		return nil, err
	}
	e.closers = append(e.closers, lock.Close)
	remember, err := e.lastDurability(dir)
	if err != nil {
		return nil, err
	}
	run, note, err := e.openBarrier(dir)
	if err != nil {
		return nil, err
	}
	m, marked, err := openMark(filepath.Join(dir, "mark"))
	if err != nil {
		return nil, err
	}
	e.closers = append(e.closers, m.close)
	if err := e.startServer(ctx, dir); err != nil {
		return nil, err
	}
	about := eventstore.Status{
		Backend: "nats-embedded", Location: dir, Ledger: e.layout.ledger, Durability: e.config.Durability, Note: note,
	}
	s, err := newStore(ctx, setup{
		layout: e.layout, alone: true, about: about, log: c.Logger, options: e.connection(),
	})
	if err != nil {
		return nil, err
	}
	if err := e.guard(s, m, marked, run); err != nil {
		s.nc.Close()
		return nil, err
	}
	if err := remember(); err != nil {
		c.Logger.Warn("the durability of the log can't be noted beside it", "error", err)
	}
	s.below = e.close
	return s, nil
}

// openBarrier opens the barrier of the durability group. Where there is none, the durability becomes strict.
func (e *embedded) openBarrier(dir string) (run func() error, note string, err error) {
	if e.config.Durability != eventstore.Group {
		return nil, "", nil
	}
	run, closeDir, err := openBarrier(dir)
	if err != nil {
		return nil, "", err
	}
	if run == nil {
		e.config.Durability = eventstore.Strict
		return nil, barrierNote, nil
	}
	e.closers = append(e.closers, closeDir)
	if e.config.barrier != nil {
		run = e.config.barrier(run)
	}
	return run, "", nil
}

// startServer starts the server and waits until it has read its files.
func (e *embedded) startServer(ctx context.Context, dir string) error {
	opts := &server.Options{
		ServerName:             "orderledger-" + e.layout.ledger,
		DontListen:             e.config.NATSListen == "",
		JetStream:              true,
		StoreDir:               dir,
		JetStreamMaxStore:      e.config.MaxStore,
		JetStreamMaxMemory:     maxMemory,
		SyncAlways:             e.config.Durability == eventstore.Strict,
		MaxPayload:             maxPayload,
		MaxPending:             maxPending,
		NoSigs:                 true,
		NoLog:                  true,
		DisableJetStreamBanner: true,
	}
	if e.config.NATSListen != "" {
		if err := canListen(ctx, e.config.NATSListen); err != nil {
			return err
		}
		e.guests = newGuests(e.config, e.layout)
		if err := e.guests.listen(opts, e.config.NATSListen); err != nil {
			return err
		}
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	e.server = srv
	if e.guests != nil {
		if err := e.guests.open(srv); err != nil {
			return fmt.Errorf("let guests reach the server: %w", err)
		}
	}
	said := serverLog{to: e.config.Logger, fatal: make(chan string, 1)}
	srv.SetLoggerV2(said, false, false, false)
	e.closers = append(e.closers, func() error {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil
	})
	srv.Start()
	select {
	case why := <-said.fatal: // it would never become ready
		return fmt.Errorf("start the server on %s: %s", dir, why)
	default:
	}
	if !srv.ReadyForConnections(startPatience) {
		return fmt.Errorf("%w: the server on %s does not become ready", eventstore.ErrUnavailable, dir)
	}
	if e.guests != nil {
		var watch sync.WaitGroup
		watching, stop := context.WithCancel(context.WithoutCancel(ctx))
		watch.Go(func() { e.guests.watch(watching) })
		e.closers = append(e.closers, func() error { stop(); watch.Wait(); return nil })
	}
	return ctx.Err()
}

// ErrListen is why NATS clients can't connect where they should: the address is taken, or none of this machine's.
var ErrListen = errors.New("where NATS should listen")

// canListen says at once what the server would only log, after it has read all its files.
func canListen(ctx context.Context, address string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrListen, err)
	}
	return l.Close()
}

// connection is how the store reaches its server.
func (e *embedded) connection() []nats.Option {
	var provider nats.InProcessConnProvider = e.server
	if e.config.provider != nil {
		provider = e.config.provider(provider)
	}
	options := []nats.Option{nats.InProcessServer(provider), nats.ReconnectWait(10 * time.Millisecond)}
	if e.guests != nil {
		options = append(options, nats.UserInfo(owner, e.guests.secret))
	}
	return options
}

// guard compares the log with its mark and starts the barrier: nothing is served before everything there is durable.
func (e *embedded) guard(s *Store, m mark, marked uint64, run func() error) error {
	last := s.stream.CachedInfo().State.LastSeq
	if last < marked {
		return fmt.Errorf("%w: it ends at position %d and had %d durable events", eventstore.ErrGap, last, marked)
	}
	note := func(seq uint64) {
		if err := m.write(seq); err != nil {
			e.config.Logger.Warn("the mark of the log can't be written", "error", err)
		}
	}
	if run == nil {
		// Without a barrier nothing tells of each event; the mark is written when the store closes.
		e.closers = append(e.closers, func() error { return m.write(max(last, s.highest())) })
		note(last)
		return nil
	}
	var err error
	s.barrier, err = startBarrier(last, run, note, func(err error) {
		e.config.Logger.Error("the log can't be made durable; the program must stop", "error", err)
		e.config.OnFatal(err)
	})
	return err
}

// close gives everything back, last opened first.
func (e *embedded) close() error {
	var errs []error
	for i := len(e.closers) - 1; i >= 0; i-- {
		errs = append(errs, e.closers[i]())
	}
	e.closers = nil
	return errors.Join(errs...)
}

// serverLog hands what the server says to a logger, and the first reason why it can't go on to who starts it.
type serverLog struct {
	to    *slog.Logger
	fatal chan string
}

func (l serverLog) Noticef(format string, v ...any) { l.to.Debug("nats: " + fmt.Sprintf(format, v...)) }

func (l serverLog) Warnf(format string, v ...any) { l.to.Warn("nats: " + fmt.Sprintf(format, v...)) }

func (l serverLog) Errorf(format string, v ...any) {
	text := "nats: " + fmt.Sprintf(format, v...)
	const refused = "authentication error"
	switch i := strings.Index(text, refused); {
	case i >= 0:
		l.to.Warn(text[:i+len(refused)]) // what stands behind it was said by a stranger, and may be a secret in the wrong place
	case strings.Contains(text, " Violation - "): // a guest has tried what guests may not
		l.to.Warn(text)
	default:
		l.to.Error(text)
	}
}

func (l serverLog) Fatalf(format string, v ...any) {
	why := fmt.Sprintf(format, v...)
	select {
	case l.fatal <- why:
	default:
	}
	l.to.Error("nats: " + why)
}

func (l serverLog) Debugf(string, ...any) {}
func (l serverLog) Tracef(string, ...any) {}
