package logcopy

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// pageSize is how many events are asked for at once.
const pageSize = 1000

// reader reads the target from its beginning.
type reader struct {
	sub  eventstore.Subscription
	page []eventstore.Recorded
	last eventstore.Position
}

func (r *reader) next(ctx context.Context) (eventstore.Recorded, error) {
	for len(r.page) == 0 {
		var err error
		if r.page, err = r.sub.Next(ctx, pageSize); err != nil {
			if errors.Is(err, eventstore.ErrGap) {
				return eventstore.Recorded{}, &DivergedError{Why: fmt.Sprintf("after position %d: %v", r.last, err)}
			}
			return eventstore.Recorded{}, targetError(err)
		}
	}
	e := r.page[0]
	r.page, r.last = r.page[1:], e.Position
	return e, nil
}

// readBack reads what was appended and compares it.
func (c *copier) readBack(ctx context.Context, in <-chan batch) error {
	for b := range in {
		if _, err := c.compare(ctx, b, func() bool { return true }); err != nil {
			return err
		}
		c.result.Copied += int64(len(b))
	}
	return nil
}

// compare reads an event of the target for each of the source's, while more says so, and returns for how many of them.
func (c *copier) compare(ctx context.Context, b batch, more func() bool) (int, error) {
	for i, r := range b {
		if !more() {
			return i, nil
		}
		got, err := c.back.next(ctx)
		if err != nil {
			return i, err
		}
		if why := difference(r, got); why != "" {
			return i, &DivergedError{Stream: got.Stream, Revision: got.Revision, Position: got.Position, Why: why}
		}
		c.result.Events++
		if r.Revision == 0 {
			c.result.Streams++
		}
		c.result.From, c.result.To = r.Position, got.Position
	}
	c.progress(c.result.From, c.end)
	return len(b), nil
}

// difference says in what an event of the target is not the source's; empty when it is the same.
func difference(want, got eventstore.Recorded) string {
	place := fmt.Sprintf("%s, %s, position %d of the source", want.Stream, want.Revision, want.Position)
	switch {
	case got.Stream != want.Stream || got.Revision != want.Revision:
		return "there belongs " + place
	case got.ID != want.ID:
		return fmt.Sprintf("its id is %s, and %s at %s", got.ID, want.ID, place)
	case got.Type != want.Type:
		return fmt.Sprintf("its type is %s, and %s at %s", got.Type, want.Type, place)
	case !bytes.Equal(got.Data, want.Data):
		return "its data are not those of " + place
	case !bytes.Equal(got.Meta, want.Meta):
		return "its meta is not that of " + place
	}
	return ""
}
