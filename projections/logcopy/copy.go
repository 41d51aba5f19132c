package logcopy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/audit"
)

// Bounds of what is on its way between the stores: so many batches wait for the target, and as many to be read back.
const (
	batchBytes = 4 << 20
	waiting    = 4
)

// Options say how to copy. The zero Options are ready.
type Options struct {
	// Progress is told, now and then, up to which position of the source the copy is done. It must not block.
	Progress func(done, end eventstore.Position)
	// Batch is how many events are appended at once, at most eventstore.MaxBatch; that many when zero.
	Batch int
}

// Result is what was copied.
type Result struct {
	Events  int64 `json:"events"` // that the copy holds
	Streams int64 `json:"streams"`
	Copied  int64 `json:"copied"` // of the events, by this call; the others were there
	// From and To are where the copied events end, in the source and in the copy: positions are each store's own.
	From eventstore.Position `json:"from_position"`
	To   eventstore.Position `json:"to_position"`
	// Digest is that of audit.Report, for both stores.
	Digest  string  `json:"digest"`
	Seconds float64 `json:"seconds"`
}

// DivergedError says that the target is not the beginning of a copy of the source: the first place where it isn't, and why.
type DivergedError struct {
	Stream   string              // of the target's event, or of the source's where the target has none
	Revision eventstore.Revision // of it
	Position eventstore.Position // of it, in its store
	Why      string
}

func (e *DivergedError) Error() string {
	if e.Stream == "" {
		return "the target is no copy of the source: " + e.Why
	}
	return fmt.Sprintf("the target is no copy of the source: %s, %s, position %d: %s", e.Stream, e.Revision, e.Position, e.Why)
}

// Copy brings the target to hold what the source holds as Copy begins, and nothing else. The target may be empty or hold the
// beginning of the same log. Every event's place and chain are verified on the way (see audit.Walk), and every event of the
// target, old or new, is read back and compared byte by byte. Nobody else may write to the target meanwhile; to the source
// anybody may.
//
// Copy may be stopped at any point, and called again it goes on: what the target holds is the beginning of the source at any time. Errors:
// *audit.Difference when the source is not as it was written, and then nothing behind that place is copied; *DivergedError when
// the target holds other events, or its server has taken some out of their order; those of the stores. The result counts what was read back before that.
func Copy(ctx context.Context, from, to eventstore.Store, o Options) (Result, error) {
	began := time.Now()
	c, err := begin(ctx, from, to, o)
	if err == nil {
		err = c.run(ctx)
	}
	if err == nil {
		err = c.settle(ctx)
	}
	if c.back != nil {
		_ = c.back.sub.Close() // only read from: closing it has nothing to lose
	}
	c.result.Seconds = time.Since(began).Seconds()
	return c.result, err
}

// copier is one copy under way.
type copier struct {
	from, to eventstore.Store
	end      eventstore.Position // of the source, as it began
	held     eventstore.Position // of the target, as it began
	atomic   bool
	ordered  eventstore.OrderedAppender // nil: the target is none
	back     *reader
	progress func(done, end eventstore.Position)
	most     int // events of a batch

	result Result // of whoever compares: the writing, and then the reading back
}

// batch are events that follow each other in the log.
type batch []eventstore.Recorded

func begin(ctx context.Context, from, to eventstore.Store, o Options) (c *copier, err error) {
	c = &copier{from: from, to: to, progress: o.Progress, most: eventstore.MaxBatch}
	if o.Batch > 0 {
		c.most = min(o.Batch, c.most)
	}
	if c.progress == nil {
		c.progress = func(_, _ eventstore.Position) {}
	}
	if c.end, err = from.Head(ctx); err != nil {
		return c, fmt.Errorf("the source: %w", err)
	}
	st, err := to.Status(ctx)
	if err != nil {
		return c, targetError(err)
	}
	c.held, c.atomic = st.Head, st.AtomicBatches
	c.ordered, _ = to.(eventstore.OrderedAppender)
	sub, err := to.Subscribe(ctx, 0)
	if err != nil {
		return c, targetError(err)
	}
	c.back = &reader{sub: sub}
	return c, nil
}

// run lets events flow: read and verified from the source, appended to the target, read back from there. What precedes a place
// at which the source is not as it was written is copied to the end.
func (c *copier) run(ctx context.Context) error {
	var walked audit.Walked
	var broken error
	g, ctx := errgroup.WithContext(ctx)
	read, written := make(chan batch, waiting), make(chan batch, waiting)
	g.Go(func() error {
		defer close(read)
		walked, broken = c.read(ctx, read)
		return ctx.Err()
	})
	g.Go(func() error {
		defer close(written)
		return c.write(ctx, read, written)
	})
	g.Go(func() error { return c.readBack(ctx, written) })
	if err := g.Wait(); err != nil {
		return err
	}
	c.result.Digest = walked.Digest
	return broken
}

// read cuts the source into batches as AppendMany takes them.
func (c *copier) read(ctx context.Context, out chan<- batch) (audit.Walked, error) {
	var next batch
	var size int
	flush := func() error {
		if len(next) == 0 {
			return nil
		}
		select {
		case out <- next:
			next, size = nil, 0
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	walked, err := audit.Walk(ctx, c.from, c.end, func(r eventstore.Recorded) error {
		n := len(r.Data) + len(r.Meta)
		if len(next) == c.most || size+n > batchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		next, size = append(next, r), size+n
		return nil
	})
	if d := (*audit.Difference)(nil); err != nil && !errors.As(err, &d) {
		err = fmt.Errorf("the source: %w", err)
	}
	return walked, errors.Join(err, flush())
}

func targetError(err error) error { return fmt.Errorf("the target: %w", err) }

// settle compares the two ends, when all is read back.
func (c *copier) settle(ctx context.Context) error {
	st, err := c.to.Status(ctx)
	if err != nil {
		return targetError(err)
	}
	if st.Head > c.result.To {
		r, err := c.back.next(ctx)
		if err != nil {
			return err
		}
		return further(r)
	}
	if st.Events > 0 && st.Events != uint64(c.result.Events) {
		return &DivergedError{Why: fmt.Sprintf("it says that it holds %d events, and gave %d", st.Events, c.result.Events)}
	}
	return nil
}

// further says that the target goes on where the source ends.
func further(r eventstore.Recorded) error {
	return &DivergedError{Stream: r.Stream, Revision: r.Revision, Position: r.Position, Why: fmt.Sprintf("the source has no such %s: it ends before", r.Type)}
}
