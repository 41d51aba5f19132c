package natsstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// patience bounds every exchange with the server, with all its repetitions. Then the log is unavailable.
const patience = 10 * time.Second

// Store is a log in NATS JetStream. Open one with OpenEmbedded or Connect.
type Store struct {
	layout  layout
	nc      *nats.Conn
	js      jetstream.JetStream
	stream  jetstream.Stream
	replies *replies
	tails   *tails
	barrier *barrier // nil when what the server acknowledges is all that is promised
	leaser  eventstore.Leaser
	// external says that the server is one of its own, or several: any may be behind the one that takes appends.
	external bool
	asking   contact           // by questions
	telling  contact           // by appends
	about    eventstore.Status // what doesn't change
	log      *slog.Logger
	url      string // with options, how to reach the server; see Dial
	options  []nats.Option
	below    func() error    // closes what lies below the connection
	life     context.Context // until Close
	end      context.CancelFunc

	mu          sync.Mutex
	closed      bool
	lost        error         // set once, when the server has lost events that it once gave
	lastSeen    witness       // the highest event that this process knows to be in the log
	reconnected chan struct{} // closed, and replaced, when the connection is back
	underway    sync.WaitGroup
}

var (
	_ eventstore.Store = (*Store)(nil)

	errClosed = fmt.Errorf("%w: the store is closed", eventstore.ErrUnavailable)
)

// setup says how to build a store on a server.
type setup struct {
	layout   layout
	replicas int
	existing bool // the log is not made when there is none
	external bool
	alone    bool // nobody else's log may be there
	about    eventstore.Status
	log      *slog.Logger
	options  []nats.Option
	url      string
}

// newStore connects and opens the ledger's stream, or makes it.
func newStore(ctx context.Context, c setup) (*Store, error) {
	ts, err := newTails()
	if err != nil {
		return nil, err
	}
	told := rate.Sometimes{First: 10, Interval: 10 * time.Second} // credentials that are refused are tried four times a second
	options := append(slices.Clip(c.options),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // credentials that have expired are renewed
		nats.ReconnectBufSize(-1),   // an append waits for its own answer; nothing is sent behind its back later
		nats.ErrorHandler(func(nc *nats.Conn, _ *nats.Subscription, err error) {
			told.Do(func() { c.log.Warn("nats", "connection", nc.Opts.Name, "error", err) })
		}),
	)
	s := &Store{
		layout: c.layout, tails: ts, external: c.external, about: c.about, log: c.log, url: c.url, options: options,
		reconnected: make(chan struct{}), below: func() error { return nil },
	}
	s.leaser = &eventstore.LocalLease{} // no other process can reach the server
	if c.external {
		s.leaser = &lease{bucket: c.layout.ledger + "-lease", store: s}
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.nc, err = nats.Connect(c.url, append(slices.Clip(options),
		nats.Name("orderledger "+c.layout.ledger),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { s.onDisconnect(err) }),
		nats.ReconnectHandler(func(*nats.Conn) { s.onReconnect() }),
	)...)
	if errors.Is(err, nats.ErrNoServers) {
		err = fmt.Errorf("nothing there answers as NATS: see that it runs: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: connect to %s: %w", eventstore.ErrUnavailable, c.about.Location, err)
	}
	if err := s.attach(ctx, c); err != nil {
		s.nc.Close()
		return nil, err
	}
	if err := explain(ctx, s.checkLast(ctx)); err != nil {
		s.nc.Close()
		return nil, err
	}
	return s, nil
}

// checkLast reads the log's last event, which the server may only believe to have.
func (s *Store) checkLast(ctx context.Context) error {
	last := s.stream.CachedInfo().State.LastSeq
	if last == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for attempt := 0; ; attempt++ {
		_, found, err := s.one(ctx, directRequest{Seq: last})
		if err == nil && !found {
			err = s.absent(ctx, last)
		}
		if err == nil || !open(err) || pause(ctx, attempt) != nil {
			return err
		}
	}
}

// attach prepares the connected store.
func (s *Store) attach(ctx context.Context, c setup) error {
	var err error
	if s.js, err = jetstream.New(s.nc); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replies, err = newReplies(s.nc); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	s.stream, err = openStream(ctx, s.js, c)
	return err
}

// begin lets one exchange with the server start; its end must be told. It fails when the store can't be used.
func (s *Store) begin(ctx context.Context) (end func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.lost != nil {
		return nil, s.lost
	}
	s.underway.Add(1)
	return s.underway.Done, nil
}

// durable returns when everything up to seq, which the server has told us of, is durable.
func (s *Store) durable(ctx context.Context, seq uint64) error {
	if s.barrier == nil {
		return nil
	}
	return s.barrier.wait(ctx, seq)
}

// explain makes an error one of the port's: the caller's own end of patience, a known fault, or ErrUnavailable.
func explain(ctx context.Context, err error) error {
	var conflict *eventstore.ConflictError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &conflict),
		errors.Is(err, eventstore.ErrUnavailable), errors.Is(err, eventstore.ErrGap),
		errors.Is(err, eventstore.ErrTooLarge), errors.Is(err, errForeign):
		return err
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", eventstore.ErrTooLarge, err)
	}
	return fmt.Errorf("%w: %w", eventstore.ErrUnavailable, err)
}

// Head implements eventstore.Store.
func (s *Store) Head(ctx context.Context) (eventstore.Position, error) {
	end, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	if s.barrier != nil {
		return eventstore.Position(s.barrier.durable.Load()), nil
	}
	info, err := s.patientInfo(ctx)
	if err != nil {
		return 0, err
	}
	return eventstore.Position(info.State.LastSeq), nil
}

// patientInfo is info, asked until there is an answer.
func (s *Store) patientInfo(ctx context.Context) (*jetstream.StreamInfo, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for attempt := 0; ; attempt++ {
		info, err := s.info(limited)
		if err == nil || !open(err) || pause(limited, attempt) != nil {
			return info, explain(ctx, err)
		}
	}
}

// Status implements eventstore.Store.
func (s *Store) Status(ctx context.Context) (eventstore.Status, error) {
	end, err := s.begin(ctx)
	if err != nil {
		return eventstore.Status{}, err
	}
	defer end()
	info, err := s.patientInfo(ctx)
	if err != nil {
		return eventstore.Status{}, err
	}
	st := s.about
	st.AtomicBatches = true
	st.Head = eventstore.Position(info.State.LastSeq)
	if s.barrier != nil {
		st.Head = eventstore.Position(s.barrier.durable.Load())
	}
	st.Events, st.Bytes = info.State.Msgs, info.State.Bytes
	return st, nil
}

// Close implements eventstore.Store. It waits until appends and reads that are under way have ended.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.end()
	s.mu.Unlock()
	s.underway.Wait()
	if s.barrier != nil {
		s.barrier.stop()
	}
	s.nc.Close()
	return s.below()
}
