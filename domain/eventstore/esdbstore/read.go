package esdbstore

import (
	"context"
	"fmt"
	"iter"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// pageEvents is how many events are read at once.
const pageEvents = 128

// ReadStream implements eventstore.Store.
func (s *Store) ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error] {
	return func(yield func(eventstore.Recorded, error) bool) {
		native, err := s.layout.native(stream)
		if err != nil {
			yield(eventstore.Recorded{}, err)
			return
		}
		next := max(after, eventstore.NoStream) + 1
		for {
			recs, err := s.page(ctx, stream, native, next)
			if err != nil {
				yield(eventstore.Recorded{}, err)
				return
			}
			for _, r := range recs {
				if !yield(r, nil) {
					return
				}
			}
			if len(recs) < pageEvents {
				return
			}
			next += pageEvents
		}
	}
}

// page reads the events of a stream from a revision on. Fewer than a page: the stream ends there.
func (s *Store) page(ctx context.Context, stream, native string, next eventstore.Revision) ([]eventstore.Recorded, error) {
	done, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	recs, err := patiently(limited, func(ctx context.Context) ([]eventstore.Recorded, error) {
		recs, _, err := s.read(ctx, stream, native, esdb.ReadStreamOptions{From: esdb.Revision(uint64(next))}, pageEvents)
		return recs, err
	})
	if err == nil {
		for i, r := range recs {
			if want := next + eventstore.Revision(i); r.Revision != want {
				recs, err = recs[:i], missing(stream, want)
				break
			}
		}
	}
	if err != nil {
		return nil, explain(ctx, err)
	}
	if len(recs) > 0 {
		s.end.saw(recs[len(recs)-1].Position)
	}
	return recs, nil
}

func missing(stream string, rev eventstore.Revision) error {
	return fmt.Errorf("%w: %s misses %s", eventstore.ErrGap, stream, rev)
}

// read reads up to so many events of a stream. False: it has none. One that the server was told to forget is not like one that
// never was.
func (s *Store) read(ctx context.Context, stream, native string, o esdb.ReadStreamOptions, count uint64) ([]eventstore.Recorded, bool, error) {
	events, err := s.readNative(ctx, native, o, count)
	switch {
	case is(err, esdb.ErrorCodeStreamDeleted):
		return nil, false, wasDeleted(stream, err)
	case noStream(err):
		_, err := s.readNative(ctx, "$$"+native, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
		switch {
		case err == nil:
			return nil, false, fmt.Errorf("%w: %s has no events, but metadata on the server that hide them", eventstore.ErrGap, stream)
		case noStream(err):
			return nil, false, nil
		}
		return nil, false, err
	case err != nil:
		return nil, false, err
	}
	recs := make([]eventstore.Recorded, len(events))
	for i, e := range events {
		if recs[i], err = s.layout.decode(e); err != nil {
			return nil, false, err
		}
	}
	return recs, true, nil
}

// noStream says that the server answered that a stream has no events. A call that failed as "not found" is no such answer: so a
// node fails, too, that is not the leader.
func noStream(err error) bool {
	return is(err, esdb.ErrorCodeResourceNotFound) && status.Code(err) != codes.NotFound
}

func (s *Store) readNative(ctx context.Context, native string, o esdb.ReadStreamOptions, count uint64) ([]*esdb.RecordedEvent, error) {
	return call(ctx, s.link, func(ctx context.Context, c *esdb.Client) ([]*esdb.RecordedEvent, error) {
		r, err := c.ReadStream(ctx, native, o, count)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return receive(r, count, whole)
	})
}

// tail reads the last event of a stream. False: it has none.
func (s *Store) tail(ctx context.Context, stream, native string) (eventstore.Recorded, bool, error) {
	recs, _, err := s.read(ctx, stream, native, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
	if err != nil || len(recs) == 0 {
		return eventstore.Recorded{}, false, err
	}
	return recs[0], true, nil
}

// byRevision reads one event of a stream, which must be there.
func (s *Store) byRevision(ctx context.Context, stream, native string, rev eventstore.Revision) (eventstore.Recorded, error) {
	recs, _, err := s.read(ctx, stream, native, esdb.ReadStreamOptions{From: esdb.Revision(uint64(rev))}, 1)
	switch {
	case err != nil:
		return eventstore.Recorded{}, err
	case len(recs) == 0 || recs[0].Revision != rev:
		return eventstore.Recorded{}, missing(stream, rev)
	}
	return recs[0], nil
}
