package esdbstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// end is what is known of the end of the log.
type end struct {
	mu   sync.Mutex
	head eventstore.Position // of the ledger's last event
	// seen is a position in $all up to which head was looked for.
	seen uint64
}

// saw notes an event that is in the log.
func (e *end) saw(p eventstore.Position) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.head = max(e.head, p)
}

func (e *end) known() (eventstore.Position, uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.head, e.seen
}

// looked notes that the ledger's last event up to a position in $all is at head, or at none that is known.
func (e *end) looked(head eventstore.Position, seen uint64) eventstore.Position {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.head, e.seen = max(e.head, head), max(e.seen, seen)
	return e.head
}

// findHead reads $all backwards until it meets one of the ledger's events, or what was read before.
func (s *Store) findHead(ctx context.Context) (eventstore.Position, error) {
	known, seen := s.end.known()
	found, last, err := s.lookBack(ctx, seen)
	if err != nil {
		return 0, err
	}
	if found == 0 && last >= seen {
		found = known
	}
	if found < known { // it was appended meanwhile, or the log is not the one that it was
		if _, err := s.at(ctx, known); err != nil {
			return 0, err
		}
	}
	return s.end.looked(found, last), nil
}

// lookBack returns the position of the ledger's last event behind a position in $all, 0 when there is none, and that of the last
// event of all.
func (s *Store) lookBack(ctx context.Context, seen uint64) (found eventstore.Position, last uint64, err error) {
	var from esdb.AllPosition = esdb.End{}
	for count := uint64(16); ; count = 1024 {
		events, err := s.readAll(ctx, esdb.ReadAllOptions{Direction: esdb.Backwards, From: from}, count)
		if err != nil {
			return 0, 0, err
		}
		for _, e := range events {
			last = max(last, e.Position.Commit)
			if s.layout.owns(e.StreamID) {
				return eventstore.Position(e.Position.Commit), last, nil
			}
			if e.Position.Commit <= seen {
				return 0, last, nil
			}
		}
		if len(events) < int(count) {
			return 0, last, nil
		}
		from = events[len(events)-1].Position
	}
}

// at reads the ledger's event at a position, which must be there.
func (s *Store) at(ctx context.Context, p eventstore.Position) (eventstore.Recorded, error) {
	events, err := s.readAll(ctx, esdb.ReadAllOptions{From: esdb.Position{Commit: uint64(p)}}, 1)
	if err != nil {
		return eventstore.Recorded{}, err
	}
	if len(events) == 0 || events[0].Position.Commit != uint64(p) || !s.layout.owns(events[0].StreamID) {
		return eventstore.Recorded{}, fmt.Errorf("%w: no event of the ledger is at position %d", eventstore.ErrGap, p)
	}
	return s.layout.decode(events[0])
}

// readAll reads up to so many events of $all.
func (s *Store) readAll(ctx context.Context, o esdb.ReadAllOptions, count uint64) ([]*esdb.RecordedEvent, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return patiently(limited, func(ctx context.Context) ([]*esdb.RecordedEvent, error) {
		return call(ctx, s.link, func(ctx context.Context, c *esdb.Client) ([]*esdb.RecordedEvent, error) {
			r, err := c.ReadAll(ctx, o, count)
			if err != nil {
				return nil, err
			}
			defer r.Close()
			return receive(r, count)
		})
	})
}

// receive takes what a read gives: all of it, or an error.
func receive(r *esdb.ReadStream, count uint64) ([]*esdb.RecordedEvent, error) {
	events := make([]*esdb.RecordedEvent, 0, min(count, 256))
	for {
		e, err := r.Recv()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		if e.Event != nil {
			events = append(events, e.Event)
		}
	}
}
