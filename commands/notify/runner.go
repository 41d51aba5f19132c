package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Config says what a Runner works with. Log, Notices' Handler and, to be of use, Kinds are required.
type Config struct {
	Log     eventstore.Store
	Codec   eventstore.Codec
	Notices commands.Notices
	Kinds   []Kind
	// History is from when on an order is history as it comes in; see Fact.History. Whole hours; 0: none is.
	History time.Duration
	Now     func() time.Time // default time.Now; the clock of the events' envelopes
	Logger  *slog.Logger     // default slog.Default
	// SnapshotPath is a file that saves reading the whole log at the next start; empty for none. It may be deleted at any time.
	SnapshotPath  string
	SnapshotEvery time.Duration // default 1 min, and when Run ends
	// MinBackoff and MaxBackoff bound the time after which a message that was refused for now is sent again; default 15 s and 1 h.
	// It doubles with every attempt, and a random part of it is waited.
	MinBackoff, MaxBackoff time.Duration
	GiveUp                 time.Duration // after how long a notice that is refused for now is failed; default 72 h
	Timeout                time.Duration // of one attempt; default 2 min
	Grace                  time.Duration // that an attempt has to end when Run's context has ended; default 10 s
	// MaxReady bounds how many messages wait to be sent; while there are more, the log is not read on. Default 10,000.
	MaxReady int
	// Turn says when it is this process that sends, of several on one log; default: always. In between, the runner only learns.
	Turn follow.Turn
	Rand func() float64 // in [0, 1); default math/rand's
}

func (c Config) withDefaults() Config {
	c.SnapshotEvery = cmp.Or(c.SnapshotEvery, time.Minute)
	c.MinBackoff = cmp.Or(c.MinBackoff, 15*time.Second)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, time.Hour)
	c.GiveUp = cmp.Or(c.GiveUp, 72*time.Hour)
	c.Timeout = cmp.Or(c.Timeout, 2*time.Minute)
	c.Grace = cmp.Or(c.Grace, 10*time.Second)
	c.MaxReady = cmp.Or(c.MaxReady, 10_000)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Turn == nil {
		c.Turn = follow.Always{}
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	return c
}

func (c Config) check() error {
	switch {
	case c.Log == nil || c.Notices.Handler == nil:
		return errors.New("notify: a log and a handler are required")
	case c.MinBackoff < 0 || c.MaxBackoff < c.MinBackoff || c.GiveUp < 0 || c.SnapshotEvery < 0 || c.Timeout < 0 || c.Grace < 0 || c.MaxReady < 0:
		return errors.New("notify: a time or a limit is negative, or a backoff's end lies before its beginning")
	case c.History < 0 || c.History%time.Hour != 0:
		return errors.New("notify: an order becomes history after whole hours")
	}
	return checkKinds(c.Kinds)
}

// Runner tells people what the log says that they are to be told. See Begin and Run.
type Runner struct {
	cfg   Config
	kinds map[string]Kind
	types map[string]bool // of orders' events that some kind knows
	rules []string

	mu       sync.Mutex // guards what Status tells
	open     int
	retrying int
	at       snapshot // its checkpoint; what is folded is not used
	knows    bool     // the log as it was when Run began
	caughtUp bool     // and sends
	running  bool
	err      error // why it stopped, or does not go on now
}

// New returns a Runner that does nothing until Run.
func New(cfg Config) (*Runner, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &Runner{cfg: cfg, kinds: map[string]Kind{}, types: map[string]bool{}, rules: rulesOf(cfg.Kinds)}
	for _, k := range cfg.Kinds {
		r.kinds[k.Name] = k
		for t := range k.When {
			r.types[t] = true
		}
	}
	return r, nil
}

// Begin says in the log of which kinds people are told from here on, if that is a change. Call it before anything else can be
// appended: what is in the log before it is the past, and never told. Without it Run tells what the log says that people are told. Errors: those of the log.
func (r *Runner) Begin(ctx context.Context) error {
	names := make([]string, 0, len(r.kinds))
	for name := range r.kinds {
		names = append(names, name)
	}
	if err := r.cfg.Notices.Begin(ctx, names, int(r.cfg.History/time.Hour)); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// Status is how the runner stands.
type Status struct {
	// Ready is as Runner.Ready says.
	Ready bool `json:"ready"`
	// Open counts the notices without an answer, those whose time has not come among them; Retrying the messages that were refused
	// for now.
	Open       int                 `json:"open"`
	Retrying   int                 `json:"retrying"`
	Checkpoint eventstore.Position `json:"checkpoint"`
	// Error is why it stopped or can't read the log now.
	Error string `json:"error,omitempty"`
}

// Status says how the runner stands. It may be called from any goroutine, at any time.
func (r *Runner) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Status{Ready: r.ready(), Open: r.open, Retrying: r.retrying, Checkpoint: r.at.Checkpoint}
	if r.err != nil {
		s.Error = r.err.Error()
	}
	return s
}

// Ready says whether the runner runs, and has caught up with the log: as it was when its turn began, or, standing by, when Run did.
func (r *Runner) Ready() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready()
}

func (r *Runner) ready() bool {
	return r.running && (r.caughtUp || r.knows && !r.cfg.Turn.Mine())
}

// Run follows the log and, in turn, sends until the context ends, which is no error; it returns when all that it started has ended: a
// message that is on its way has a moment to arrive, so that its receipt is kept. It stops with an error that says where, when
// the log misses an event or holds one that can't be read. Run is called once at a time.
func (r *Runner) Run(ctx context.Context) error {
	at, err := loadSnapshot(r.cfg.SnapshotPath, r.rules)
	if err != nil {
		r.cfg.Logger.Warn("notify: the snapshot can't be used, the log is read from its beginning", "error", err)
	}
	err = r.run(ctx, at)
	if errors.Is(err, follow.ErrForeignSnapshot) {
		r.cfg.Logger.Warn("notify: the log does not hold what the snapshot has seen: it is read from its beginning")
		err = r.run(ctx, snapshot{})
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running, r.err = false, err
	return err
}

func (r *Runner) run(ctx context.Context, at snapshot) error {
	r.mu.Lock()
	r.at, r.knows, r.caughtUp, r.running, r.err, r.open, r.retrying = at, false, false, true, nil, at.State.Open, 0
	r.at.State, r.at.Rules = State{}, r.rules
	r.mu.Unlock()
	head, err := r.follower().Head(ctx)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	if at.Checkpoint > head {
		return follow.ErrForeignSnapshot
	}
	l := newLoop(r, head, at)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.follower().Follow(ctx, at.Before, l.batches) })
	g.Go(func() error { return l.run(ctx) })
	g.Go(func() error { return l.takeTurns(ctx) })
	err = g.Wait()
	if !errors.Is(err, follow.ErrForeignSnapshot) {
		l.save()
	}
	return err
}

func (r *Runner) follower() follow.Follower {
	return follow.Follower{Name: "notify", Log: r.cfg.Log, Wait: r.backoff, Stands: r.stands, Logger: r.cfg.Logger}
}

// stands tells Status whether the log can be read.
func (r *Runner) stands(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// backoff is a random time that grows with the number of attempts: full jitter between the least and a doubling end.
func (r *Runner) backoff(n int) time.Duration {
	return follow.Backoff(r.cfg.MinBackoff, r.cfg.MaxBackoff, n, r.cfg.Rand())
}

// receiptCommand is the id of the command that keeps what came of a notice: one answer for each request.
func receiptCommand(n Notice, what string) uuid.UUID {
	return commands.NoticeCommand(n.ID.String() + " " + n.Request.String() + " " + what)
}
