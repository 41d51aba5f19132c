package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// ReadModel is what a Projector keeps up to date. Only the projector's goroutine calls Apply and CaughtUp.
type ReadModel interface {
	// Checkpoint is the position of the last event that was applied; zero for an empty model.
	Checkpoint(ctx context.Context) (eventstore.Position, error)
	// Last is the last event that was applied; the zero Last for an empty model.
	Last(ctx context.Context) (Last, error)
	// Reset empties the model.
	Reset(ctx context.Context) error
	// Apply takes in events, oldest first, together with the checkpoint: all or nothing. Events up to the checkpoint are
	// ignored. It returns what changed, one Change for each event of an order. An event that it can't read is an error,
	// and nothing of the batch is applied.
	Apply(ctx context.Context, batch []eventstore.Recorded) ([]Change, error)
	// CaughtUp tells the model, once in each run, that it has reached what the log held when the run began. It may take
	// long (building indexes); the projector is ready afterwards.
	CaughtUp(ctx context.Context) error
}

// Last is an event of the log, and the position before it: reading on from there shows whether a log is the one that a read model
// was built from.
type Last struct {
	Before, Position eventstore.Position
	Event            uuid.UUID
}

// rebuilding is what a ReadModel has that can be rebuilt while it serves.
type rebuilding interface {
	Rebuilding() (bool, eventstore.Position)
}

// Limits of a Projector.
const (
	maxApply   = 4000 // events of one transaction
	minBackoff = 50 * time.Millisecond
	maxBackoff = 5 * time.Second
)

var (
	// ErrStopped means that the projector met an event that it can't read, or its read model failed. Status says where.
	ErrStopped = errors.New("the projector has stopped")
	// ErrCatchingUp means that the read model has not reached yet what the log held when the projector began.
	ErrCatchingUp = errors.New("the read model is catching up")
)

// Projector follows the log and applies it to a read model. It never skips an event: one that can't be read stops it.
type Projector struct {
	name  string
	store eventstore.Store
	model ReadModel
	known bool // that the model is one of this log; run's own

	mu         sync.Mutex
	checkpoint eventstore.Position
	ring       ring
	moved      chan struct{} // closed, and replaced, when anything below mu changes
	ready      bool
	trouble    error // why the log can't be followed now
	stopped    error // why Run ended; nil while it runs
}

// NewProjector makes a projector; name is for people. Run starts it.
func NewProjector(name string, store eventstore.Store, model ReadModel) *Projector {
	return &Projector{name: name, store: store, model: model, moved: make(chan struct{})}
}

// Run follows the log until ctx ends, and then returns nil. It resubscribes while the log is unavailable. Any other error
// stops it for good: an unreadable event, a gap, a failing read model. Call it once.
func (p *Projector) Run(ctx context.Context) error {
	err := p.run(ctx)
	if ctx.Err() != nil {
		err = nil
	}
	p.update(func() {
		p.ready = false
		if p.stopped = ErrStopped; err != nil {
			p.stopped = fmt.Errorf("%w: %w", ErrStopped, err)
		}
	})
	return err
}

func (p *Projector) run(ctx context.Context) error {
	at, err := p.model.Checkpoint(ctx)
	if err != nil {
		return fmt.Errorf("%s: checkpoint: %w", p.name, err)
	}
	p.update(func() { p.checkpoint = at; p.ring.start(at) })
	for backoff := minBackoff; ; backoff = min(2*backoff, maxBackoff) {
		before := p.position()
		err := p.follow(ctx)
		if ctx.Err() != nil || !errors.Is(err, eventstore.ErrUnavailable) {
			return err
		}
		p.update(func() { p.trouble = err })
		if p.position() > before {
			backoff = minBackoff
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(backoff):
		}
	}
}

// follow applies one subscription until it ends.
func (p *Projector) follow(ctx context.Context) error {
	target, err := p.store.Head(ctx)
	if err != nil {
		return err
	}
	if err := p.recognise(ctx, target); err != nil {
		return err
	}
	sub, err := p.store.Subscribe(ctx, p.position())
	if err != nil {
		return err
	}
	p.update(func() { p.trouble = nil })
	ctx, cancel := context.WithCancel(ctx)
	f := &fetcher{sub: sub, batches: make(chan []eventstore.Recorded, 1), done: make(chan struct{})}
	go f.run(ctx)
	defer func() {
		cancel()
		<-f.done
		_ = sub.Close() // nothing was written through it
	}()
	for {
		if err := p.catchUp(ctx, target); err != nil {
			return err
		}
		batch, ok := <-f.batches
		if !ok {
			return f.err
		}
		if err := p.apply(ctx, batch); err != nil {
			return err
		}
	}
}

// recognise empties a model that was built from another log: one that was copied has positions of its own, one that was restored
// may have another history. A log that ends before the model does has lost events, and that is not for the model to settle.
func (p *Projector) recognise(ctx context.Context, head eventstore.Position) error {
	last, err := p.model.Last(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, fault{err})
	}
	if p.known || last.Position == 0 || last.Position > head {
		return nil
	}
	sub, err := p.store.Subscribe(ctx, last.Before)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }() // nothing was written through it
	there, err := sub.Next(ctx, 1)
	if err != nil {
		return err
	}
	if p.known = there[0].Position == last.Position && there[0].ID == last.Event; p.known {
		return nil
	}
	if err := p.model.Reset(ctx); err != nil {
		return fmt.Errorf("%s: %w", p.name, fault{err})
	}
	p.known = true
	p.update(func() { p.checkpoint = 0; p.ring.start(0) })
	return nil
}

// catchUp makes the projector ready once it has reached target.
func (p *Projector) catchUp(ctx context.Context, target eventstore.Position) error {
	p.mu.Lock()
	due := !p.ready && p.checkpoint >= target
	p.mu.Unlock()
	if !due {
		return nil
	}
	if err := p.model.CaughtUp(ctx); err != nil {
		return fmt.Errorf("%s: catching up: %w", p.name, fault{err})
	}
	p.update(func() { p.ready = true })
	return nil
}

func (p *Projector) apply(ctx context.Context, batch []eventstore.Recorded) error {
	changes, err := p.model.Apply(ctx, batch)
	last := batch[len(batch)-1].Position
	if err != nil {
		return fmt.Errorf("%s: positions %d to %d: %w", p.name, batch[0].Position, last, fault{err})
	}
	p.update(func() {
		p.checkpoint = last
		p.ring.add(changes, last)
	})
	return nil
}

// fault is a read model's error: never taken for one of the log, whatever it wraps.
type fault struct{ err error }

func (f fault) Error() string { return f.err.Error() }
func (f fault) Unwrap() error { return f.err }
func (f fault) Is(target error) bool {
	return target != eventstore.ErrUnavailable && errors.Is(f.err, target)
}

// fetcher reads the next batch while the last one is being applied. It never waits for a batch to fill.
type fetcher struct {
	sub     eventstore.Subscription
	batches chan []eventstore.Recorded
	done    chan struct{}
	err     error // to be read after batches is closed
}

func (f *fetcher) run(ctx context.Context) {
	defer close(f.done)
	defer close(f.batches)
	for {
		batch, err := f.sub.Next(ctx, maxApply)
		if err != nil {
			f.err = err
			return
		}
		select {
		case f.batches <- batch:
		case <-ctx.Done():
			f.err = ctx.Err()
			return
		}
	}
}

// WaitFor returns when the read model has handled the position, at once when it has already. It fails with ErrStopped when
// the projector has stopped before that, and with the context's error when that ends first.
func (p *Projector) WaitFor(ctx context.Context, position eventstore.Position) error {
	return p.wait(ctx, func() bool { return p.checkpoint >= position })
}

// WaitReady returns when the projector has caught up with the log. Errors as WaitFor.
func (p *Projector) WaitReady(ctx context.Context) error {
	return p.wait(ctx, func() bool { return p.ready })
}

// wait returns when a condition, looked at under mu, is met.
func (p *Projector) wait(ctx context.Context, met func() bool) error {
	for {
		p.mu.Lock()
		done, stopped, moved := met(), p.stopped, p.moved
		p.mu.Unlock()
		switch {
		case done:
			return nil
		case stopped != nil:
			return stopped
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Status says how far the projector is. Head is the checkpoint when the log can't be asked.
func (p *Projector) Status(ctx context.Context) Status {
	head, err := p.store.Head(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{Name: p.name, Checkpoint: p.checkpoint, Head: max(head, p.checkpoint)}
	s.Lag = uint64(s.Head - s.Checkpoint)
	for _, e := range []error{p.stopped, p.trouble, err} {
		if e != nil {
			s.Error = e.Error()
			break
		}
	}
	if m, ok := p.model.(rebuilding); ok {
		s.Rebuilding, s.Rebuilt = m.Rebuilding()
	}
	return s
}

// Ready is nil when the read model has caught up with the log and follows it. Errors: ErrStopped, ErrCatchingUp,
// eventstore.ErrUnavailable.
func (p *Projector) Ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.stopped != nil:
		return p.stopped
	case p.trouble != nil:
		return p.trouble
	case !p.ready:
		return fmt.Errorf("%s: %w", p.name, ErrCatchingUp)
	}
	return nil
}

func (p *Projector) position() eventstore.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.checkpoint
}

// update changes the projector's state and wakes all who wait for it.
func (p *Projector) update(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.moved)
	p.moved = make(chan struct{})
}
