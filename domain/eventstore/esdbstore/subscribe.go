package esdbstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

const (
	// silence is how long nothing may be heard before the log's head is asked for: something may have been lost on the way.
	silence = 10 * time.Second
	// ahead is the room for events that the server has sent.
	ahead = 256
	// checkpointEvery is after how many events of others the server says how far it is.
	checkpointEvery = 1024
)

var (
	errSubscriptionClosed = errors.New("the subscription is closed")
	errStartOver          = errors.New("the server's subscription is of no use any more")
)

// Subscribe implements eventstore.Store.
func (s *Store) Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error) {
	done, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	sub := &subscription{store: s, revisions: newRevisions()}
	if after > 0 {
		if sub.last, err = s.at(ctx, after); err != nil {
			return nil, explain(ctx, err)
		}
	}
	return sub, nil
}

// subscription follows the log through a subscription to $all on the server. It alone knows where it is: whenever that one ends, it
// starts over with another behind the last event that it has.
type subscription struct {
	store     *Store
	last      eventstore.Recorded // the last event taken; position 0: none
	revisions *revisions
	over      error
	feed      *feed // nil before the first, and between two
}

// feed is a subscription on the server, and the goroutine that reads it.
type feed struct {
	events chan *esdb.RecordedEvent
	stop   context.CancelFunc
	done   chan struct{} // closed when nothing more comes
}

// Next implements eventstore.Subscription.
func (s *subscription) Next(ctx context.Context, max int) ([]eventstore.Recorded, error) {
	if s.over != nil {
		return nil, s.over
	}
	recs, err := s.next(ctx, max)
	if err != nil {
		s.over = explain(ctx, err)
		s.drop()
		if len(recs) == 0 {
			return nil, s.over
		}
	}
	return recs, nil
}

// next waits for one event and adds what is at hand. Events before an error are given before it is.
func (s *subscription) next(ctx context.Context, max int) (recs []eventstore.Recorded, err error) {
	if max < 1 {
		return nil, fmt.Errorf("next %d events", max)
	}
	for attempt := 0; len(recs) == 0; attempt++ {
		r, err := s.receive(ctx)
		switch {
		case err == nil:
			recs = append(recs, r)
		case ctx.Err() != nil || (!open(err) && !errors.Is(err, errStartOver)):
			return nil, err
		default:
			s.drop()
			if err := pause(ctx, attempt); err != nil {
				return nil, err
			}
		}
	}
	for len(recs) < max {
		select {
		case e := <-s.feed.events:
			r, fresh, err := s.take(ctx, e)
			if err != nil && open(err) {
				s.drop() // it is asked for again
				return recs, nil
			}
			if err != nil {
				return recs, err
			}
			if fresh {
				recs = append(recs, r)
			}
		default:
			return recs, nil
		}
	}
	return recs, nil
}

// receive waits for one event.
func (s *subscription) receive(ctx context.Context) (eventstore.Recorded, error) {
	if err := ctx.Err(); err != nil {
		return eventstore.Recorded{}, err
	}
	if s.feed == nil {
		if err := s.start(ctx); err != nil {
			return eventstore.Recorded{}, err
		}
	}
	quiet := time.NewTimer(s.store.silence)
	defer quiet.Stop()
	for {
		select {
		case e := <-s.feed.events:
			if r, fresh, err := s.take(ctx, e); fresh || err != nil {
				return r, err
			}
		case <-s.feed.done:
			return eventstore.Recorded{}, errStartOver
		case <-quiet.C:
			head, err := s.store.Head(ctx)
			if err != nil {
				return eventstore.Recorded{}, err
			}
			if head > s.last.Position && len(s.feed.events) == 0 {
				return eventstore.Recorded{}, errStartOver
			}
			quiet.Reset(s.store.silence)
		case <-s.store.closing:
			return eventstore.Recorded{}, errClosed
		case <-ctx.Done():
			return eventstore.Recorded{}, ctx.Err()
		}
	}
}

// take takes an event as the next one; false when it was taken before.
func (s *subscription) take(ctx context.Context, e *esdb.RecordedEvent) (eventstore.Recorded, bool, error) {
	r, err := s.store.layout.decode(e)
	if err != nil {
		return r, false, err
	}
	if r.Position <= s.last.Position {
		return r, false, nil
	}
	before, known := s.revisions.get(r.Stream)
	switch {
	case known && r.Revision != before+1:
		return r, false, missing(r.Stream, before+1)
	case !known && r.Revision > 0:
		limited, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		if _, err := s.store.byRevision(limited, r.Stream, e.StreamID, r.Revision-1); err != nil {
			return r, false, err
		}
	}
	s.revisions.set(r.Stream, r.Revision)
	s.last = r
	s.store.end.saw(r.Position)
	return r, true, nil
}

// start subscribes behind the last event, which must still be the same: a server that was restored may hold another one there.
func (s *subscription) start(ctx context.Context) error {
	done, err := s.store.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	limited, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	var from esdb.AllPosition = esdb.Start{}
	if p := s.last.Position; p > 0 {
		there, err := s.store.at(limited, p)
		if err != nil {
			return err
		}
		if s.last.ID != uuid.Nil && there.ID != s.last.ID {
			return fmt.Errorf("%w: position %d is not what it was", eventstore.ErrGap, p)
		}
		from = esdb.Position{Commit: uint64(p), Prepare: uint64(p)}
	}
	living, stop := context.WithCancel(context.WithoutCancel(ctx))
	sub, err := call(limited, s.store.link, func(_ context.Context, c *esdb.Client) (*esdb.Subscription, error) {
		return c.SubscribeToAll(atLeader(living), esdb.SubscribeToAllOptions{
			From: from, MaxSearchWindow: checkpointEvery, CheckpointInterval: 1,
			Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: s.store.layout.prefixes},
		})
	})
	if err != nil {
		stop()
		return err
	}
	s.feed = &feed{events: make(chan *esdb.RecordedEvent, ahead), stop: stop, done: make(chan struct{})}
	go s.feed.read(living, sub)
	return nil
}

// read passes on what the server sends until that ends. How far the server says that it is where it sends no events is not heeded: the
// look for the log's end must find what this subscription misses.
func (f *feed) read(ctx context.Context, sub *esdb.Subscription) {
	defer close(f.done)
	defer f.stop()
	for {
		e := sub.Recv()
		switch {
		case e.SubscriptionDropped != nil:
			return
		case e.EventAppeared != nil && e.EventAppeared.Event != nil:
			select {
			case f.events <- e.EventAppeared.Event:
			case <-ctx.Done():
				return
			}
		}
	}
}

// drop gives the present feed up.
func (s *subscription) drop() {
	if s.feed != nil {
		s.feed.stop()
		<-s.feed.done
		s.feed = nil
	}
}

// Close implements eventstore.Subscription.
func (s *subscription) Close() error {
	if s.over == nil {
		s.over = errSubscriptionClosed
	}
	s.drop()
	return nil
}
