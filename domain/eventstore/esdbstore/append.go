package esdbstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// atOnce bounds how many events of a batch are under way.
const atOnce = 16

// proposal is a checked event on its way to the log.
type proposal struct {
	eventstore.Proposed
	native string // its stream on the server
	event  esdb.EventData
}

// propose checks events that are appended at once, or in any order: one of a stream.
func (s *Store) propose(batch []eventstore.Proposed) ([]proposal, error) {
	seen := make(map[string]bool, len(batch))
	for _, p := range batch {
		if seen[p.Stream] {
			return nil, fmt.Errorf("stream %s is in the batch twice: this store's batches are not atomic, and hold one event of a stream", p.Stream)
		}
		seen[p.Stream] = true
	}
	return s.proposals(batch)
}

func (s *Store) proposals(batch []eventstore.Proposed) ([]proposal, error) {
	if err := eventstore.CheckBatch(batch); err != nil {
		return nil, err
	}
	ps := make([]proposal, len(batch))
	for i, p := range batch {
		native, err := s.layout.native(p.Stream)
		if err != nil {
			return nil, err
		}
		event, err := encode(p.Event)
		if err != nil {
			return nil, fmt.Errorf("event %s: %w", p.Event.ID, err)
		}
		ps[i] = proposal{p, native, event}
	}
	return ps, nil
}

// Append implements eventstore.Store.
func (s *Store) Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	ps, err := s.propose([]eventstore.Proposed{{Stream: stream, Expected: expected, Event: e}})
	if err != nil {
		return eventstore.Recorded{}, err
	}
	done, err := s.begin(ctx)
	if err != nil {
		return eventstore.Recorded{}, err
	}
	defer done()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := s.append(limited, ps[0])
	return r, explain(ctx, err)
}

// append writes an event behind the revision that it expects. Whatever the server answers, what stands at its place decides.
func (s *Store) append(ctx context.Context, p proposal) (eventstore.Recorded, error) {
	for attempt := 0; ; attempt++ {
		writeErr := s.write(ctx, p)
		if writeErr != nil && !open(writeErr) && !is(writeErr, esdb.ErrorCodeWrongExpectedVersion) {
			return eventstore.Recorded{}, writeErr
		}
		r, stands, err := s.standing(ctx, p)
		switch {
		case err == nil && stands:
			return r, nil
		case err != nil && !open(err):
			return eventstore.Recorded{}, err
		case err == nil:
			err = writeErr
		}
		if pause(ctx, attempt) != nil {
			return eventstore.Recorded{}, fmt.Errorf("%w: append to %s: %w", eventstore.ErrUnavailable, p.Stream, orTime(ctx, err))
		}
	}
}

// orTime is the error, or that the time is over.
func orTime(ctx context.Context, err error) error {
	if err == nil {
		return ctx.Err()
	}
	return err
}

// write sends one event.
func (s *Store) write(ctx context.Context, p proposal) error {
	o := esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}
	if p.Expected != eventstore.NoStream {
		o.ExpectedRevision = esdb.Revision(uint64(p.Expected))
	}
	limited, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	_, err := call(limited, s.link, func(ctx context.Context, c *esdb.Client) (*esdb.WriteResult, error) {
		return c.AppendToStream(ctx, p.native, o, p.event)
	})
	switch {
	case err == nil:
		return nil
	case status.Code(err) == codes.InvalidArgument: // nothing but its size is left that the server could find wrong
		return tooLarge(p, err)
	case is(err, esdb.ErrorCodeStreamDeleted):
		return wasDeleted(p.Stream, err)
	}
	return err
}

func tooLarge(p proposal, err error) error {
	return fmt.Errorf("%w: %s of %d bytes; the server's MaxAppendSize must be above %d: %w", eventstore.ErrTooLarge, p.Event.Type,
		len(p.event.Data)+len(p.event.Metadata), eventstore.MaxEventSize, err)
}

func wasDeleted(stream string, err error) error {
	return fmt.Errorf("%w: %s was deleted on the server: %w", eventstore.ErrGap, stream, err)
}

// standing says whether an event stands at its place. If another one does, or the place can't be the next, that is a conflict.
func (s *Store) standing(ctx context.Context, p proposal) (eventstore.Recorded, bool, error) {
	tail, found, err := s.tail(ctx, p.Stream, p.native)
	if err != nil {
		return eventstore.Recorded{}, false, err
	}
	actual := eventstore.NoStream
	if found {
		actual = tail.Revision
	}
	conflict := &eventstore.ConflictError{Stream: p.Stream, Expected: p.Expected, Actual: actual}
	switch {
	case actual == p.Expected:
		return eventstore.Recorded{}, false, nil
	case actual < p.Expected:
		return eventstore.Recorded{}, false, conflict
	case actual > p.Expected+1:
		if tail, err = s.byRevision(ctx, p.Stream, p.native, p.Expected+1); err != nil {
			return eventstore.Recorded{}, false, err
		}
	}
	if tail.ID != p.Event.ID {
		return eventstore.Recorded{}, false, conflict
	}
	s.end.saw(tail.Position)
	return tail, true, nil
}

// AppendMany implements eventstore.Store. It is not atomic; the last event is added when all others stand.
func (s *Store) AppendMany(ctx context.Context, batch []eventstore.Proposed) ([]eventstore.Recorded, error) {
	ps, err := s.propose(batch)
	if err != nil {
		return nil, err
	}
	done, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if len(ps) == 0 {
		return nil, nil
	}
	limited, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	recs, err := s.appendMany(limited, ps)
	if err != nil {
		return nil, explain(ctx, err)
	}
	return recs, nil
}

func (s *Store) appendMany(ctx context.Context, ps []proposal) ([]eventstore.Recorded, error) {
	recs, stands := make([]eventstore.Recorded, len(ps)), make([]bool, len(ps))
	err := each(len(ps), func(i int) error {
		_, err := patiently(ctx, func(ctx context.Context) (_ any, err error) {
			recs[i], stands[i], err = s.standing(ctx, ps[i])
			return nil, err
		})
		return err
	})
	if err != nil {
		return nil, err // nothing was added
	}
	add := func(i int) (err error) {
		if !stands[i] {
			recs[i], err = s.append(ctx, ps[i])
		}
		return err
	}
	last := len(ps) - 1
	if err := each(last, add); err != nil {
		return nil, err
	}
	return recs, add(last)
}

// each does something for 0 to n-1, some at once. After an error nothing more is begun. The error is that of the lowest number.
func each(n int, do func(int) error) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	var failed atomic.Bool
	var mu sync.Mutex
	var first error
	lowest := n
	for i := 0; i < n && !failed.Load(); i++ {
		g.Go(func() error {
			if err := do(i); err != nil {
				failed.Store(true)
				mu.Lock()
				defer mu.Unlock()
				if i < lowest {
					first, lowest = err, i
				}
			}
			return nil
		})
	}
	_ = g.Wait() // first holds the error
	return first
}
