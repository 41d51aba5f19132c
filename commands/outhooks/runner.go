package outhooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"

	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Poster is the port by which messages leave; *sender.Client is one.
type Poster interface {
	// Post sends a message once. Without an error there was an answer, which may be any.
	Post(ctx context.Context, url string, m sender.Message, secrets ...sender.Secret) (sender.Answer, error)
}

// Config says what a Runner works with. Log, Endpoints, Poster and Source are required.
type Config struct {
	Log       eventstore.Store
	Codec     eventstore.Codec
	Endpoints *Endpoints
	Poster    Poster
	// Source names the ledger in messages; a URI.
	Source string
	// Dir is the folder of the checkpoints, and of what endpoints there are; empty for none. Files in it may be deleted.
	Dir    string
	Now    func() time.Time // default time.Now; the clock of the events' envelopes
	Logger *slog.Logger     // default slog.Default
	// MinBackoff and MaxBackoff bound the time before a failed delivery is tried again; default 1 s and 1 h. It doubles with every
	// attempt, and a random part of it is waited.
	MinBackoff, MaxBackoff time.Duration
	// GiveUp is how long after its first attempt a delivery is parked; default three days.
	GiveUp time.Duration
	// RecordEvery is after how many deliveries the log is told of them; default 100.
	RecordEvery int64
	// RecordAfter is after how long the log is told of a delivery in any case: where another process may go on without this one's files,
	// it repeats no more than that. Zero: never.
	RecordAfter time.Duration
	// SaveEvery is how often it is saved what endpoints there are; default 1 min, and when Run ends.
	SaveEvery time.Duration
	// Turn says when it is this process that delivers, of several on one log; default: always. In between, the runner only learns.
	Turn follow.Turn
	Rand func() float64 // in [0, 1); default math/rand's
}

func (c Config) withDefaults() Config {
	c.MinBackoff, c.MaxBackoff = cmp.Or(c.MinBackoff, time.Second), cmp.Or(c.MaxBackoff, time.Hour)
	c.GiveUp = cmp.Or(c.GiveUp, 72*time.Hour)
	c.RecordEvery = cmp.Or(c.RecordEvery, 100)
	c.SaveEvery = cmp.Or(c.SaveEvery, time.Minute)
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
	case c.Log == nil || c.Endpoints == nil || c.Poster == nil || c.Source == "":
		return errors.New("webhooks: a log, endpoints, a poster and a source are required")
	case c.MinBackoff < 0 || c.MaxBackoff < c.MinBackoff || c.GiveUp < 0 || c.RecordEvery < 0 || c.RecordAfter < 0 || c.SaveEvery < 0:
		return errors.New("webhooks: a limit is negative, or a backoff's end lies before its beginning")
	}
	return nil
}

const (
	batchSize     = 500    // events that are taken from the log at once
	manufacturers = 10_000 // orders whose manufacturer is remembered
	stopPatience  = 5 * time.Second
)

// Runner delivers. See Run.
type Runner struct {
	cfg           Config
	manufacturers *lru.Cache[string, string] // by the order's stream
	form          *Form

	delivered, undelivered atomic.Int64 // attempts

	mu       sync.Mutex
	turn     *turn // nil: it stands by
	workers  map[string]*worker
	at       eventstore.Position // up to where it is known what endpoints there are
	last     eventstore.EventRef
	saved    eventstore.EventRef // last, as the file has it
	caughtUp bool                // with the log as it was when Run began
	stopped  bool
	err      error         // why it stopped, or does not go on now
	moved    chan struct{} // closed, and replaced, when what is above changes
}

// turn is a time in which this process delivers, of all that work on the log.
type turn struct {
	held context.Context
	head eventstore.Position // of the log when it began: what was removed or disabled by then is told of nothing
	g    *errgroup.Group     // of the workers
	live bool                // they have been started
}

// New returns a Runner that does nothing until Run.
func New(cfg Config) (*Runner, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cache, err := lru.New[string, string](manufacturers)
	if err != nil {
		return nil, err
	}
	form, err := NewForm(cfg.Log, cfg.Codec, cfg.Source)
	if err != nil {
		return nil, err
	}
	return &Runner{cfg: cfg, manufacturers: cache, form: form, workers: map[string]*worker{}, moved: make(chan struct{})}, nil
}

// Run follows the log and, in turn, delivers until the context ends, which is no error; it returns when all that it started has ended. It
// delivers only after it has caught up with the log as it was when it began: what was removed or disabled meanwhile is told of nothing.
// It stops with an error that says where, when the log misses an event or holds one that can't be read: nothing is skipped. Run is
// called once.
func (r *Runner) Run(ctx context.Context) error {
	err := r.run(ctx)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	r.saveRegistry()
	r.update(func() { r.stopped, r.err = true, err })
	return err
}

func (r *Runner) run(ctx context.Context) error {
	var head eventstore.Position
	err := r.whileAway(ctx, func() (bool, error) {
		var err error
		if head, err = r.cfg.Log.Head(ctx); err == nil {
			err = r.loadRegistry(ctx)
		}
		return false, err
	})
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := r.whileAway(ctx, func() (bool, error) {
			from := r.position()
			err := r.follow(ctx, head)
			return r.position() != from, err
		})
		return fmt.Errorf("webhooks: after position %d: %w", r.position(), err)
	})
	g.Go(func() error { return r.takeTurns(ctx) })
	g.Go(func() error { return r.saveNowAndThen(ctx) })
	return g.Wait()
}

// takeTurns delivers whenever it is this process's turn, until the context ends.
func (r *Runner) takeTurns(ctx context.Context) error {
	return follow.InTurn(ctx, r.cfg.Turn, func(held context.Context) error {
		t := &turn{}
		err := r.whileAway(held, func() (bool, error) {
			var err error
			t.head, err = r.cfg.Log.Head(held)
			return false, err
		})
		if err != nil {
			return err
		}
		t.g, t.held = errgroup.WithContext(held)
		r.mu.Lock()
		r.turn = t
		r.startAll()
		r.mu.Unlock()
		<-t.held.Done()
		r.mu.Lock()
		r.turn = nil // no more are started
		r.mu.Unlock()
		err = t.g.Wait()
		r.update(func() { clear(r.workers) })
		return cmp.Or(err, held.Err())
	})
}

// follow learns what endpoints there are, and wakes those that change.
func (r *Runner) follow(ctx context.Context, head eventstore.Position) error {
	r.catchUp(head)
	sub, err := r.cfg.Log.Subscribe(ctx, r.position())
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }() // nothing is lost with it
	r.stands(nil)
	for {
		batch, err := sub.Next(ctx, batchSize)
		if err != nil {
			return err
		}
		for _, rec := range batch {
			if err := r.learn(ctx, rec); err != nil {
				return err
			}
		}
		r.catchUp(head)
	}
}

func (r *Runner) learn(ctx context.Context, rec eventstore.Recorded) error {
	category, id, err := eventstore.CheckStream(rec.Stream)
	if err != nil {
		return err
	}
	if category == "endpoint" {
		if r.cfg.Endpoints.seen(id).revision < rec.Revision {
			if _, err := r.cfg.Endpoints.read(ctx, id); err != nil {
				return err
			}
		}
		r.changed(id)
	}
	r.update(func() { r.at, r.last = rec.Position, eventstore.Ref(rec) })
	return nil
}

// changed starts an endpoint's worker, or wakes it.
func (r *Runner) changed(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.turn == nil || !r.turn.live {
		return
	}
	if w := r.workers[id]; w != nil {
		w.wake()
	} else {
		r.start(id)
	}
}

// catchUp is told of all that was learned.
func (r *Runner) catchUp(head eventstore.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.caughtUp = r.caughtUp || r.at >= head
	r.startAll()
}

// startAll begins to deliver when the endpoints are known as they were when the turn began. The lock is held.
func (r *Runner) startAll() {
	if r.turn == nil || r.turn.live || !r.caughtUp || r.at < r.turn.head {
		return
	}
	r.turn.live = true
	for _, e := range r.cfg.Endpoints.alive() {
		r.start(e.ID)
	}
}

// start starts an endpoint's worker, which lives until the endpoint is removed or the turn ends. The lock is held.
func (r *Runner) start(id string) {
	if e := r.cfg.Endpoints.seen(id); r.workers[id] != nil || e.Removed || !e.exists() {
		return
	}
	w, held := &worker{Runner: r, id: id}, r.turn.held
	r.workers[id] = w
	r.turn.g.Go(func() error {
		err := w.run(held)
		if held.Err() != nil {
			w.stop(held)
		}
		return err
	})
}

// whileAway does something again and again while the log is away; see follow.Follower.
func (r *Runner) whileAway(ctx context.Context, do func() (gotOn bool, err error)) error {
	f := follow.Follower{
		Name: "webhooks", Log: r.cfg.Log, Logger: r.cfg.Logger,
		Wait: func(n int) time.Duration { return r.backoff(time.Second, time.Minute, n) },
		Stands: func(err error) {
			if err != nil {
				err = fmt.Errorf("webhooks: %w", err)
			}
			r.stands(err)
		},
	}
	err := f.WhileAway(ctx, do)
	return cmp.Or(ctx.Err(), err)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// backoff is a random time that grows with the number of attempts: full jitter between least and a doubling end.
func (r *Runner) backoff(least, most time.Duration, n int) time.Duration {
	return follow.Backoff(least, most, n, r.cfg.Rand())
}

func (r *Runner) position() eventstore.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

func (r *Runner) stands(err error) { r.update(func() { r.err = err }) }

// update changes the runner's state and wakes all who wait for it.
func (r *Runner) update(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	close(r.moved)
	r.moved = make(chan struct{})
}

// resolve finds where in the log an event stands; false when the log does not hold it.
func (r *Runner) resolve(ctx context.Context, ref eventstore.EventRef) (eventstore.Position, bool, error) {
	if _, _, err := eventstore.CheckStream(ref.Stream); err != nil {
		return 0, false, nil
	}
	for rec, err := range r.cfg.Log.ReadStream(ctx, ref.Stream, ref.Revision-1) {
		if err != nil {
			return 0, false, err
		}
		return rec.Position, rec.ID == ref.ID && rec.Revision == ref.Revision, nil
	}
	return 0, false, nil
}

// manufacturer is that of the order of a stream.
func (r *Runner) manufacturer(ctx context.Context, stream string) (string, error) {
	if m, ok := r.manufacturers.Get(stream); ok {
		return m, nil
	}
	for rec, err := range r.cfg.Log.ReadStream(ctx, stream, eventstore.NoStream) {
		if err != nil {
			return "", err
		}
		e, _, err := r.cfg.Codec.Decode(rec)
		if err != nil {
			return "", err
		}
		placed, ok := e.(domain.Placed)
		if !ok {
			return "", fmt.Errorf("%w: %s begins with %s", eventstore.ErrBroken, stream, rec.Type)
		}
		r.manufacturers.Add(stream, placed.Manufacturer)
		return placed.Manufacturer, nil
	}
	return "", fmt.Errorf("%w: %s has lost its events", eventstore.ErrGap, stream)
}

func (r *Runner) registryPath() string { return filepath.Join(r.cfg.Dir, "endpoints.json") }

// loadRegistry reads what endpoints there were, and each of them from the log. A registry of another log is not used.
func (r *Runner) loadRegistry(ctx context.Context) error {
	if r.cfg.Dir == "" {
		return nil
	}
	known, err := follow.Load[registry](r.registryPath(), fileVersion)
	if err != nil {
		r.cfg.Logger.Warn("webhooks: what endpoints there are is read from the log's beginning", "error", err)
	}
	if known.Version == 0 {
		return nil
	}
	at, ours, err := r.resolve(ctx, known.Last)
	if err != nil || !ours {
		return err
	}
	for _, id := range known.Endpoints {
		e, err := r.cfg.Endpoints.read(ctx, id)
		if err != nil {
			return err
		}
		if !e.exists() {
			return nil
		}
	}
	r.update(func() { r.at, r.last, r.saved = at, known.Last, known.Last })
	return nil
}

func (r *Runner) saveNowAndThen(ctx context.Context) error {
	t := time.NewTicker(r.cfg.SaveEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			r.saveRegistry()
		}
	}
}

// saveRegistry only saves time, so a failure is no more than logged.
func (r *Runner) saveRegistry() {
	r.mu.Lock()
	last, saved := r.last, r.saved
	r.mu.Unlock()
	if r.cfg.Dir == "" || last == saved {
		return
	}
	known := registry{Version: fileVersion, Last: last}
	for _, e := range r.cfg.Endpoints.alive() {
		known.Endpoints = append(known.Endpoints, e.ID)
	}
	slices.Sort(known.Endpoints)
	if err := follow.Save(r.registryPath(), known); err != nil {
		r.cfg.Logger.Warn("webhooks: what endpoints there are can't be saved", "error", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saved = last
}
