package notify

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// State is what the log says of notices: of what people are told, and what is wanted and not answered. The zero State is that
// of an empty log.
type State struct {
	On      map[string]bool // kinds that are told
	History time.Duration   // see NotificationsBegan; 0: nothing is history
	Orders  map[uuid.UUID][]Notice
	Batches map[uuid.UUID][]Notice // all members, while one is not answered
	Open    int                    // notices in Orders
}

// Change is what one fact changes.
type Change struct {
	Wanted  []Notice // new, or asked for anew
	Gone    []Notice // answered, or needless
	Batched uuid.UUID
}

// React is the state after one more fact, and what changes by it. It takes s over: only the returned state is used from then
// on. It is deterministic and total: any sequence of facts gives a state.
func React(s State, kinds []Kind, f Fact) (State, Change) {
	if s.Orders == nil {
		s.On, s.Orders, s.Batches = map[string]bool{}, map[uuid.UUID][]Notice{}, map[uuid.UUID][]Notice{}
	}
	r := &reaction{State: s}
	switch e := f.Event.(type) {
	case eventstore.NotificationsBegan:
		r.begin(e)
	case eventstore.NotificationRequested:
		if r.On[e.Kind] {
			r.want(Notice{
				ID: e.Notice, Kind: e.Kind, Order: f.Order, Event: e.Event, Request: f.ID, AsOf: f.Position, At: f.At, Due: f.At,
			})
		}
	case eventstore.NotificationSent:
		r.answered(f.Order, e.Notice, e.Request)
	case eventstore.NotificationFailed:
		r.answered(f.Order, e.Notice, e.Request)
	case eventstore.NotificationsBatched:
		r.batch(e)
	default:
		r.order(kinds, f)
	}
	return r.State, r.change
}

type reaction struct {
	State
	change Change
}

func (r *reaction) begin(e eventstore.NotificationsBegan) {
	r.On, r.History = map[string]bool{}, time.Duration(e.HistoryHours)*time.Hour
	for _, k := range e.Kinds {
		r.On[k] = true
	}
	for order := range r.Orders {
		r.drop(order, func(n Notice) bool { return !r.On[n.Kind] })
	}
	slices.SortFunc(r.change.Gone, func(a, b Notice) int { return slices.Compare(a.ID[:], b.ID[:]) })
}

func (r *reaction) order(kinds []Kind, f Fact) {
	if p, ok := f.Event.(domain.Placed); ok {
		f.History = r.History > 0 && f.At.Sub(p.PlacedAt) >= r.History
	}
	for _, k := range kinds {
		rule := k.When[f.Event.EventType()]
		if rule == nil || !r.On[k.Name] {
			continue
		}
		w := rule(f)
		if w.Drop {
			r.drop(f.Order, func(n Notice) bool { return n.Kind == k.Name && n.Request == uuid.Nil })
		}
		if w.Tell {
			if w.At.IsZero() {
				w.At = f.At
			}
			r.want(Notice{
				ID: eventstore.NoticeID(f.ID, k.Name, string(k.Role)), Kind: k.Name, Order: f.Order, Event: f.ID,
				AsOf: f.Position, At: f.At, Due: w.At,
			})
		}
	}
}

// want adds a notice, in the place of one with the same id.
func (r *reaction) want(n Notice) {
	r.take(n.Order, func(o Notice) bool { return o.ID == n.ID })
	r.Orders[n.Order] = append(r.Orders[n.Order], n)
	r.Open++
	r.change.Wanted = append(r.change.Wanted, n)
}

func (r *reaction) answered(order, notice, request uuid.UUID) {
	r.drop(order, func(n Notice) bool { return n.ID == notice && n.Request == request })
}

func (r *reaction) drop(order uuid.UUID, which func(Notice) bool) {
	r.change.Gone = append(r.change.Gone, r.take(order, which)...)
}

// take takes notices out, and batches whose last one that was open it takes.
func (r *reaction) take(order uuid.UUID, which func(Notice) bool) (taken []Notice) {
	var left []Notice
	for _, n := range r.Orders[order] {
		if which(n) {
			taken = append(taken, n)
		} else {
			left = append(left, n)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	r.Open -= len(taken)
	if r.Orders[order] = left; len(left) == 0 {
		delete(r.Orders, order)
	}
	for _, n := range taken {
		if n.Batch != uuid.Nil && !slices.ContainsFunc(r.Batches[n.Batch], r.open) {
			delete(r.Batches, n.Batch)
		}
	}
	return taken
}

// open says whether a member of a batch has no answer yet.
func (r *reaction) open(m Notice) bool {
	return slices.ContainsFunc(r.Orders[m.Order], func(n Notice) bool { return n.ID == m.ID && n.Request == m.Request && n.Batch == m.Batch })
}

func (r *reaction) batch(e eventstore.NotificationsBatched) {
	var members []Notice
	for _, m := range e.Members {
		list := r.Orders[m.Order]
		i := slices.IndexFunc(list, func(n Notice) bool { return n.ID == m.Notice && n.Request == m.Request && n.Batch == uuid.Nil })
		if i < 0 {
			continue // somebody else's batch has it
		}
		list = slices.Clone(list) // what was handed out is not changed
		list[i].Batch = e.Batch
		r.Orders[m.Order] = list
		members = append(members, list[i])
	}
	if len(members) > 0 {
		r.Batches[e.Batch] = members
		r.change.Batched = e.Batch
	}
}

// factOf is what a recorded event tells; false when it tells nothing. Errors as Codec.Decode.
func factOf(codec eventstore.Codec, kinds map[string]bool, r eventstore.Recorded) (Fact, bool, error) {
	order, ok := eventstore.OrderOf(r.Stream)
	switch {
	case ok && !kinds[r.Type]:
		return Fact{}, false, nil
	case !ok:
		notices, ofOrder := eventstore.NoticesOf(r.Stream)
		_, batch := eventstore.BatchOf(r.Stream)
		if !ofOrder && !batch && r.Stream != eventstore.NoticeKindsStream {
			return Fact{}, false, nil
		}
		order = notices
	}
	e, env, err := codec.Decode(r)
	if err != nil {
		return Fact{}, false, err
	}
	return Fact{Order: order, ID: r.ID, Position: r.Position, At: env.OccurredAt, Event: e}, true, nil
}
