package saga

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

// Config says what a Saga works with. Log, Handler and Payments are required.
type Config struct {
	Log      eventstore.Store
	Codec    eventstore.Codec
	Handler  *commands.Handler
	Payments commands.Payments
	// Lists lets it look for what no webhook told; nil: it doesn't.
	Lists  commands.PaymentLists
	Now    func() time.Time // default time.Now; the clock of the events' envelopes
	Logger *slog.Logger     // default slog.Default
	// SnapshotPath is a file that saves reading the whole log at the next start; empty for none. It may be deleted at any time.
	SnapshotPath  string
	SnapshotEvery time.Duration // default 1 min, and when Run ends
	Workers       int           // effects of so many orders are carried out side by side; default 8
	// MaxReady bounds how many effects wait for a worker; while there are more, the log is not read on. Default 1,024.
	MaxReady int
	// MinBackoff and MaxBackoff bound the time after which an effect without an answer is looked at again; default 1 s and
	// 15 min. It doubles with every attempt, and a random part of it is waited.
	MinBackoff, MaxBackoff time.Duration
	// MinPoll and MaxPoll are the same for a refund that Stripe has taken on; default 10 s and 1 h.
	MinPoll, MaxPoll time.Duration
	// KeyLife is how long after its request a key may be sent; default 23 h, since Stripe forgets keys after 24 h.
	KeyLife time.Duration
	// EventsEvery is how often undelivered events are looked for (default 1 h), SweepEvery how often everything that is not final
	// (default 24 h), and SweepSpan how far that looks back (default 35 days, longer than any hold).
	EventsEvery, SweepEvery, SweepSpan time.Duration
	// ReconcileSpan is how far reconciling looks back; default 180 days, for which Stripe lets charges be disputed.
	ReconcileSpan time.Duration
	// ReconcileFirst compares everything with Stripe before anything is asked of it: for a log that was restored, and may not
	// know what it has asked for. It is done unasked when the log is older than the snapshot.
	ReconcileFirst bool
	// Turn says when it is this process that acts, of several on one log; default: always. In between, the saga only learns.
	Turn follow.Turn
	Rand func() float64 // in [0, 1); default math/rand's
}

func (c Config) withDefaults() Config {
	c.SnapshotEvery = cmp.Or(c.SnapshotEvery, time.Minute)
	c.EventsEvery = cmp.Or(c.EventsEvery, time.Hour)
	c.SweepEvery = cmp.Or(c.SweepEvery, 24*time.Hour)
	c.SweepSpan = cmp.Or(c.SweepSpan, 35*24*time.Hour)
	c.ReconcileSpan = cmp.Or(c.ReconcileSpan, 180*24*time.Hour)
	c.MinBackoff = cmp.Or(c.MinBackoff, time.Second)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, 15*time.Minute)
	c.MinPoll = cmp.Or(c.MinPoll, 10*time.Second)
	c.MaxPoll = cmp.Or(c.MaxPoll, time.Hour)
	c.KeyLife = cmp.Or(c.KeyLife, 23*time.Hour)
	c.Workers = cmp.Or(c.Workers, 8)
	c.MaxReady = cmp.Or(c.MaxReady, 1024)
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
	case c.Log == nil || c.Handler == nil || c.Payments == nil:
		return errors.New("saga: a log, a handler and payments are required")
	case c.ReconcileFirst && c.Lists == nil:
		return errors.New("saga: to reconcile first, lists are required")
	case c.Workers < 0 || c.MaxReady < 0:
		return errors.New("saga: a limit is negative")
	case c.MinBackoff < 0 || c.MaxBackoff < c.MinBackoff || c.MinPoll < 0 || c.MaxPoll < c.MinPoll || c.SnapshotEvery < 0:
		return errors.New("saga: a backoff's end lies before its beginning")
	case c.EventsEvery < 0 || c.SweepEvery < 0 || c.SweepSpan < 0:
		return errors.New("saga: a sweep's time is negative")
	case c.KeyLife < 0 || c.KeyLife >= 24*time.Hour:
		return errors.New("saga: keys must be younger than the 24 h after which Stripe forgets them")
	}
	return nil
}

// Saga carries out what orders ask of Stripe. See Run.
type Saga struct {
	cfg Config

	mu       sync.Mutex // guards what Status tells
	state    State
	watched  Watched
	at       snapshot // its checkpoint; what is folded is not used
	knows    bool     // the log as it was when Run began
	caughtUp bool     // and acts
	running  bool
	// reconcile says that everything is to be compared with Stripe before anything is asked. Set before the run's goroutines start.
	reconcile bool
	err       error            // why it stopped, or does not go on now
	troubles  map[string]error // why jobs' last attempts came to nothing, by their keys
	waits     map[string]Wait  // when jobs are looked at again, likewise
}

// New returns a Saga that does nothing until Run.
func New(cfg Config) (*Saga, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Saga{cfg: cfg, state: State{}, watched: newWatched()}, nil
}

// Status is how the saga stands.
type Status struct {
	// Ready is as Saga.Ready says.
	Ready bool `json:"ready"`
	// Open counts the effects without an answer, the Parked ones among them; Oldest is when the oldest that is not parked was
	// asked for, nil when there is none.
	Open   int `json:"open"`
	Parked int `json:"parked"`
	// Hints counts what Stripe told of and nobody has looked at yet, Holds the holds that are watched, Clocks the manufacturers'
	// that run.
	Hints      int                 `json:"hints"`
	Holds      int                 `json:"holds"`
	Clocks     int                 `json:"clocks"`
	Oldest     *time.Time          `json:"oldest"`
	Checkpoint eventstore.Position `json:"checkpoint"`
	// Error is why it stopped or can't read the log now; else why the last attempt failed at the oldest effect whose did.
	Error string `json:"error,omitempty"`
}

// Status says how the saga stands. It may be called from any goroutine, at any time.
func (s *Saga) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{
		Ready: s.ready(), Open: len(s.state), Checkpoint: s.at.Checkpoint,
		Hints: len(s.watched.Hints), Holds: len(s.watched.Holds), Clocks: len(s.watched.Clocks),
	}
	err := s.err
	var since time.Time
	for _, e := range s.state {
		if e.Parked {
			st.Parked++
			continue
		}
		if st.Oldest == nil || e.Since.Before(*st.Oldest) {
			st.Oldest = &e.Since
		}
		if trouble := s.troubles[effectKey(e.Order)]; trouble != nil && s.err == nil && (err == nil || e.Since.Before(since)) {
			err, since = trouble, e.Since
		}
	}
	if err != nil {
		st.Error = err.Error()
	}
	return st
}

// Ready says whether the saga runs, and has caught up with the log: as it was when its turn began, or, standing by, when Run did.
func (s *Saga) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready()
}

func (s *Saga) ready() bool {
	return s.running && (s.caughtUp || s.knows && !s.cfg.Turn.Mine())
}

// Run follows the log and, in turn, carries effects out until the context ends, which is no error; it returns when all that it started
// has ended. It stops with an error that says where, when the log misses an event or holds one that can't be read: effects
// are never carried out on a part of the story. Run is called once at a time.
func (s *Saga) Run(ctx context.Context) error {
	at, err := follow.Load[snapshot](s.cfg.SnapshotPath, snapshotVersion)
	if err != nil {
		s.cfg.Logger.Warn("saga: the snapshot can't be used, the log is read from its beginning", "error", err)
	}
	s.begin(at)
	s.reconcile = s.cfg.ReconcileFirst
	err = s.run(ctx)
	if errors.Is(err, follow.ErrForeignSnapshot) {
		s.cfg.Logger.Warn("saga: the log does not hold what the snapshot has seen, so it may have been restored: it is read from its " +
			"beginning, and compared with Stripe before anything is asked")
		s.begin(snapshot{})
		s.reconcile = s.cfg.Lists != nil
		err = s.run(ctx)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
	s.err = err
	return err
}

// errReconciling is why the saga is not ready meanwhile.
var errReconciling = errors.New("comparing the ledger with Stripe before anything is asked")

func (s *Saga) begin(at snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.knows, s.caughtUp, s.running, s.err = at, false, false, true, nil
	s.troubles, s.waits = map[string]error{}, map[string]Wait{}
	s.state, s.watched = at.folded()
	s.at.Open, s.at.Holds, s.at.Clocks, s.at.Hints = nil, nil, nil, nil
}

func (s *Saga) run(ctx context.Context) error {
	head, err := s.follower().Head(ctx)
	if err != nil {
		return fmt.Errorf("saga: %w", err)
	}
	if s.at.Checkpoint > head {
		return follow.ErrForeignSnapshot
	}
	l := newLoop(s, head)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.follower().Follow(ctx, s.at.Before, l.batches) })
	g.Go(func() error { return l.run(ctx) })
	g.Go(func() error { return l.takeTurns(ctx) })
	err = g.Wait()
	if !errors.Is(err, follow.ErrForeignSnapshot) {
		l.save()
	}
	return err
}

func (s *Saga) follower() follow.Follower {
	return follow.Follower{
		Name: "saga", Log: s.cfg.Log, Stands: s.stands, Logger: s.cfg.Logger,
		Wait: func(n int) time.Duration { return s.backoff(s.cfg.MinBackoff, s.cfg.MaxBackoff, n) },
	}
}

// stands tells Status whether the log can be read.
func (s *Saga) stands(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// trouble tells Status why a job's last attempt came to nothing; nil when it did not, or when that is past.
func (s *Saga) trouble(key string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.troubles, key)
	} else {
		s.troubles[key] = err
	}
}

// Wait is how long an order's effect waits until it is looked at again.
type Wait struct {
	Tries int // how often Stripe was asked since it was asked for, or decided about
	Next  time.Time
	// TakenOn says that Stripe has taken it on, and needs its time; else it gave no answer.
	TakenOn bool
}

// Waiting says for how long an order's effect waits; false when it doesn't, be it that there is none or that it is worked on now.
// What it waits for is not in the log, so another process's saga knows nothing of it.
func (s *Saga) Waiting(order uuid.UUID) (Wait, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.waits[effectKey(order)]
	return w, ok && s.running
}

// noteWait notes that a job waits, or with the zero Wait that it doesn't any longer.
func (s *Saga) noteWait(key string, w Wait) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w == (Wait{}) {
		delete(s.waits, key)
	} else {
		s.waits[key] = w
	}
}
