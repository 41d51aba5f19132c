package logcopy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// tries bounds how often an append is repeated while the target is unavailable: for about a quarter of a minute, and what the
// store itself takes each time.
const tries = 8

// write brings batches into the target, one behind the other: none begins before the one before it stands. What the target held
// from the beginning is compared, and not appended.
func (c *copier) write(ctx context.Context, in <-chan batch, out chan<- batch) error {
	for b := range in {
		old, err := c.compare(ctx, b, func() bool { return c.result.To < c.held })
		if err != nil {
			return err
		}
		if b = b[old:]; len(b) > 0 {
			return c.add(ctx, b, in, out)
		}
	}
	return nil
}

// add appends a first batch and then all others. From here on reading back is another goroutine's.
func (c *copier) add(ctx context.Context, b batch, in <-chan batch, out chan<- batch) error {
	for open := true; open; b, open = <-in {
		if err := c.append(ctx, b); err != nil {
			return err
		}
		select {
		case out <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// append adds a batch. A store that may apply any part of one gets its events one by one: each must stand before the next.
func (c *copier) append(ctx context.Context, b batch) error {
	if c.atomic || c.ordered != nil || len(b) == 1 {
		return c.appendWhole(ctx, b)
	}
	for i := range b {
		if err := c.appendWhole(ctx, b[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// appendWhole adds a batch of which nothing stands, or a first part, or the whole. While the target is unavailable it is tried again, which finds
// out whether it stands.
func (c *copier) appendWhole(ctx context.Context, b batch) error {
	for attempt := 0; ; attempt++ {
		err := c.try(ctx, b)
		var conflict *eventstore.ConflictError
		switch {
		case err == nil, ctx.Err() != nil:
			return err
		case errors.As(err, &conflict):
			return taken(b, conflict)
		case errors.Is(err, eventstore.ErrOrder):
			return &DivergedError{Why: fmt.Sprintf("%v; begin again with an empty target", err)}
		case !errors.Is(err, eventstore.ErrUnavailable) || attempt == tries:
			return fmt.Errorf("the target, for the events from %s, %s on, position %d in the source: %w", b[0].Stream, b[0].Revision, b[0].Position, err)
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

func (c *copier) try(ctx context.Context, b batch) error {
	if len(b) == 1 {
		_, err := c.to.Append(ctx, b[0].Stream, b[0].Revision-1, b[0].Event)
		return err
	}
	ps := make([]eventstore.Proposed, len(b))
	for i, r := range b {
		ps[i] = eventstore.Proposed{Stream: r.Stream, Expected: r.Revision - 1, Event: r.Event}
	}
	if !c.atomic {
		return c.ordered.AppendInOrder(ctx, ps)
	}
	_, err := c.to.AppendMany(ctx, ps)
	return err
}

// taken says that an event's place in the target is another one's, who must have written there meanwhile.
func taken(b batch, conflict *eventstore.ConflictError) error {
	e := &DivergedError{
		Stream: conflict.Stream, Revision: conflict.Expected + 1,
		Why: fmt.Sprintf("the stream must be at %s there and is at %s: somebody else writes to the target", conflict.Expected, conflict.Actual),
	}
	for _, r := range b {
		if r.Stream == e.Stream {
			e.Position = r.Position
		}
	}
	return e
}

// pause waits before a repetition: not at all before the first, since an answer may just have been lost, and up to 5 s later.
func pause(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return nil
	}
	t := time.NewTimer(min(100*time.Millisecond<<attempt, 5*time.Second))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
