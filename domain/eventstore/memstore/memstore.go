package memstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// Store is a log in memory. The zero value is not usable; see New.
type Store struct {
	eventstore.LocalLease

	mu      sync.Mutex
	log     []*eventstore.Recorded // log[i] is at position i+1; nil where Drop made a gap
	streams map[string][]eventstore.Position
	bytes   uint64
	grown   chan struct{} // closed, and replaced, when the log grows or the store closes
	closed  bool

	loseAnswer bool
	failRead   error
}

var (
	_ eventstore.Store  = (*Store)(nil)
	_ eventstore.Leaser = (*Store)(nil)
)

// New returns a store with an empty log.
func New() *Store {
	return &Store{streams: map[string][]eventstore.Position{}, grown: make(chan struct{})}
}

// Append implements eventstore.Store.
func (s *Store) Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	recs, err := s.AppendMany(ctx, []eventstore.Proposed{{Stream: stream, Expected: expected, Event: e}})
	if err != nil {
		return eventstore.Recorded{}, err
	}
	return recs[0], nil
}

// AppendMany implements eventstore.Store.
func (s *Store) AppendMany(ctx context.Context, batch []eventstore.Proposed) ([]eventstore.Recorded, error) {
	if err := eventstore.CheckBatch(batch); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	fresh := map[string]int{} // events of this batch that are not there yet
	for _, p := range batch {
		if err := s.check(p, fresh); err != nil {
			return nil, err
		}
	}
	recs := make([]eventstore.Recorded, len(batch))
	for i, p := range batch {
		recs[i] = s.add(p)
	}
	if s.loseAnswer && len(batch) > 0 {
		s.loseAnswer = false
		return nil, fmt.Errorf("%w: the answer was lost", eventstore.ErrUnavailable)
	}
	return recs, nil
}

// usable says whether the store may be used now. The lock is held.
func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed {
		return fmt.Errorf("%w: the store is closed", eventstore.ErrUnavailable)
	}
	return nil
}

// standing returns the event that already stands where p would go, if it is p's own. The lock is held.
func (s *Store) standing(p eventstore.Proposed) (eventstore.Recorded, bool) {
	at := s.streams[p.Stream]
	if i := int(p.Expected) + 1; i < len(at) {
		if r := s.log[at[i]-1]; r != nil && r.ID == p.Event.ID {
			return clone(*r), true
		}
	}
	return eventstore.Recorded{}, false
}

// check says whether p can be added behind the fresh events of its stream, or is there already. The lock is held.
func (s *Store) check(p eventstore.Proposed, fresh map[string]int) error {
	if _, ok := s.standing(p); ok {
		return nil
	}
	if actual := eventstore.Revision(len(s.streams[p.Stream]) + fresh[p.Stream] - 1); actual != p.Expected {
		return &eventstore.ConflictError{Stream: p.Stream, Expected: p.Expected, Actual: actual}
	}
	fresh[p.Stream]++
	return nil
}

// add adds a checked event. The lock is held.
func (s *Store) add(p eventstore.Proposed) eventstore.Recorded {
	if r, ok := s.standing(p); ok {
		return r
	}
	r := clone(eventstore.Recorded{
		Event: p.Event, Stream: p.Stream, Revision: p.Expected + 1, Position: eventstore.Position(len(s.log) + 1),
	})
	s.log = append(s.log, &r)
	s.streams[p.Stream] = append(s.streams[p.Stream], r.Position)
	s.bytes += uint64(len(r.Data) + len(r.Meta))
	s.wake()
	return clone(r)
}

// wake releases those who wait for the log to grow. The lock is held.
func (s *Store) wake() {
	close(s.grown)
	s.grown = make(chan struct{})
}

// ReadStream implements eventstore.Store.
func (s *Store) ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error] {
	return func(yield func(eventstore.Recorded, error) bool) {
		if _, _, err := eventstore.CheckStream(stream); err != nil {
			yield(eventstore.Recorded{}, err)
			return
		}
		for next := max(after, eventstore.NoStream) + 1; ; next++ {
			r, ok, err := s.at(ctx, stream, next)
			if err != nil {
				yield(eventstore.Recorded{}, err)
				return
			}
			if !ok || !yield(r, nil) {
				return
			}
		}
	}
}

// at returns the event of a stream at a revision, false past the stream's end.
func (s *Store) at(ctx context.Context, stream string, rev eventstore.Revision) (eventstore.Recorded, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readable(ctx); err != nil {
		return eventstore.Recorded{}, false, err
	}
	places := s.streams[stream]
	if int(rev) >= len(places) {
		return eventstore.Recorded{}, false, nil
	}
	r := s.log[places[rev]-1]
	if r == nil {
		return eventstore.Recorded{}, false, fmt.Errorf("%w: %s misses %s", eventstore.ErrGap, stream, rev)
	}
	return clone(*r), true, nil
}

// readable is usable, with the fault of FailNextRead. The lock is held.
func (s *Store) readable(ctx context.Context) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	err := s.failRead
	s.failRead = nil
	return err
}

// Head implements eventstore.Store.
func (s *Store) Head(ctx context.Context) (eventstore.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return eventstore.Position(len(s.log)), s.usable(ctx)
}

// Status implements eventstore.Store.
func (s *Store) Status(ctx context.Context) (eventstore.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return eventstore.Status{}, err
	}
	return eventstore.Status{
		Backend: "memory", Location: "memory", Ledger: "memory", Durability: eventstore.Memory,
		Note: "the log is gone when the program ends", AtomicBatches: true,
		Head: eventstore.Position(len(s.log)), Events: uint64(len(s.log)), Bytes: s.bytes,
	}, nil
}

// Close implements eventstore.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.wake()
	}
	return nil
}

// Subscribe implements eventstore.Store.
func (s *Store) Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if head := eventstore.Position(len(s.log)); after > head {
		return nil, fmt.Errorf("%w: it ends at position %d, before %d", eventstore.ErrGap, head, after)
	}
	return &subscription{store: s, last: after}, nil
}

type subscription struct {
	store *Store
	last  eventstore.Position // of the last event handed out
	over  error
}

var errSubscriptionClosed = errors.New("the subscription is closed")

// Next implements eventstore.Subscription.
func (sub *subscription) Next(ctx context.Context, max int) ([]eventstore.Recorded, error) {
	for sub.over == nil {
		recs, grown, err := sub.hand(ctx, max)
		if len(recs) > 0 {
			return recs, nil
		}
		if err != nil {
			sub.over = err
			break
		}
		select {
		case <-grown:
		case <-ctx.Done():
			sub.over = ctx.Err()
		}
	}
	return nil, sub.over
}

// hand returns what is at hand, and otherwise what to wait for. What lies before a gap is handed out before the gap is.
func (sub *subscription) hand(ctx context.Context, max int) ([]eventstore.Recorded, <-chan struct{}, error) {
	s := sub.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readable(ctx); err != nil {
		return nil, nil, err
	}
	var recs []eventstore.Recorded
	for len(recs) < max && int(sub.last) < len(s.log) {
		r := s.log[sub.last]
		if r == nil {
			return recs, nil, fmt.Errorf("%w: position %d is missing", eventstore.ErrGap, sub.last+1)
		}
		recs = append(recs, clone(*r))
		sub.last++
	}
	return recs, s.grown, nil
}

// Close implements eventstore.Subscription.
func (sub *subscription) Close() error {
	if sub.over == nil {
		sub.over = errSubscriptionClosed
	}
	return nil
}

// clone keeps a caller's bytes and the log's apart.
func clone(r eventstore.Recorded) eventstore.Recorded {
	r.Data, r.Meta = bytes.Clone(r.Data), bytes.Clone(r.Meta)
	return r
}
