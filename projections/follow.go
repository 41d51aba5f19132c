package projections

import (
	"context"
	"sort"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Change says that an event of an order is in the read model now.
type Change struct {
	Position   eventstore.Position `json:"position"`
	Stream     string              `json:"stream"`
	OrderID    uuid.UUID           `json:"order_id"`
	Type       string              `json:"type"`
	Version    int                 `json:"version"` // the order's, after the event
	OccurredAt time.Time           `json:"occurred_at"`
	// Tab is the order's tab after the batch that held the event; empty for changes that were read from the log because
	// the follower was far behind.
	Tab domain.Tab `json:"tab,omitempty"`
}

// ringSize bounds how many changes are kept for followers; who is further behind reads the log.
const ringSize = 4096

// ring holds the latest changes: all with positions in (from, to].
type ring struct {
	from, to eventstore.Position
	changes  []Change
}

func (r *ring) start(at eventstore.Position) { *r = ring{from: at, to: at} }

func (r *ring) add(changes []Change, to eventstore.Position) {
	r.changes, r.to = append(r.changes, changes...), to
	if over := len(r.changes) - ringSize; over > ringSize { // seldom, so that moving them costs little
		r.from = r.changes[over-1].Position
		r.changes = append([]Change(nil), r.changes[over:]...)
	}
}

// after returns changes behind a position, at most limit, and the position that they reach; false when the ring doesn't go
// back that far.
func (r *ring) after(p eventstore.Position, limit int) ([]Change, eventstore.Position, bool) {
	if p < r.from {
		return nil, p, false
	}
	i := sort.Search(len(r.changes), func(i int) bool { return r.changes[i].Position > p })
	found := r.changes[i:]
	if len(found) > limit {
		return append([]Change(nil), found[:limit]...), found[limit-1].Position, true
	}
	return append([]Change(nil), found...), max(p, r.to), true
}

// Follower reads the changes of a read model in order, each once. It holds nothing while nobody calls Next, so a slow one
// harms nobody. Used by one goroutine.
type Follower struct {
	p    *Projector
	last eventstore.Position
	sub  eventstore.Subscription // while behind the ring
}

// Follow returns a follower of the changes after a position: older ones are read from the log.
func (p *Projector) Follow(after eventstore.Position) *Follower {
	return &Follower{p: p, last: after}
}

// Position is how far the follower is: Follow(Position()) goes on from there.
func (f *Follower) Position() eventstore.Position { return f.last }

// Next blocks until at least one change is visible in the read model and returns those at hand, at most limit. Errors: the
// context's; ErrStopped when the projector has stopped and nothing is left; those of the log.
func (f *Follower) Next(ctx context.Context, limit int) ([]Change, error) {
	for {
		f.p.mu.Lock()
		changes, to, ok := f.p.ring.after(f.last, limit)
		begin, stopped, moved := f.p.ring.from, f.p.stopped, f.p.moved
		f.p.mu.Unlock()
		if !ok {
			caught, err := f.fromLog(ctx, begin, limit)
			if err != nil || len(caught) > 0 {
				return caught, err
			}
			continue
		}
		f.Close()
		f.last = to
		switch {
		case len(changes) > 0:
			return changes, nil
		case stopped != nil:
			return nil, stopped
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// fromLog reads changes from the log, none behind until: what the read model has not handled is not reported.
func (f *Follower) fromLog(ctx context.Context, until eventstore.Position, limit int) ([]Change, error) {
	if f.sub == nil {
		sub, err := f.p.store.Subscribe(ctx, f.last)
		if err != nil {
			return nil, err
		}
		f.sub = sub
	}
	batch, err := f.sub.Next(ctx, limit)
	if err != nil {
		f.Close()
		return nil, err
	}
	var changes []Change
	for _, r := range batch {
		if r.Position > until {
			f.Close()
			f.last = until
			break
		}
		f.last = r.Position
		id, ok := eventstore.OrderOf(r.Stream)
		if !ok {
			continue
		}
		env, err := eventstore.ReadEnvelope(r.Event)
		if err != nil {
			return nil, err
		}
		changes = append(changes, Change{
			Position: r.Position, Stream: r.Stream, OrderID: id, Type: r.Type,
			Version: int(r.Revision) + 1, OccurredAt: env.OccurredAt,
		})
	}
	return changes, nil
}

// Close releases what the follower holds of the log. It may be used again.
func (f *Follower) Close() {
	if f.sub != nil {
		_ = f.sub.Close() // nothing was written through it
		f.sub = nil
	}
}
