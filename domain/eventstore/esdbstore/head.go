package esdbstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// end is what is known of the end of the log.
type end struct {
	mu   sync.Mutex
	head eventstore.Position // of the ledger's last event
	// seen is the event of $all up to which head was looked for.
	seen   place
	marked uint64 // seen's position, as the last mark says it
	// unfinished is what a look that did not come to its end has passed.
	unfinished stretch
}

// place is an event's in $all. A log that was taken back and has grown again has another event there.
type place struct {
	commit uint64
	id     uuid.UUID
}

// stretch is a part of $all in which none of the ledger's events is: behind its bottom, up to its top.
type stretch struct {
	top    place
	bottom esdb.Position
}

// saw notes an event that is in the log.
func (e *end) saw(p eventstore.Position) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.head = max(e.head, p)
}

// begin is a new look.
func (e *end) begin() look {
	e.mu.Lock()
	defer e.mu.Unlock()
	return look{known: e.head, head: e.head, seen: e.seen, skip: e.unfinished}
}

// stop notes what a look has passed that came to no end.
func (e *end) stop(l look) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l.from != nil && (l.skipped || e.unfinished == stretch{}) {
		e.unfinished = stretch{top: l.last, bottom: *l.from}
	}
}

// finish notes what a look has found, and says whether the next one deserves a mark.
func (e *end) finish(l look) (head eventstore.Position, mark bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unfinished = stretch{}
	e.head = max(e.head, l.found)
	if l.other || l.last.commit > e.seen.commit {
		e.seen = l.last
	}
	if l.other {
		e.marked = 0
	}
	e.marked = max(e.marked, l.marked)
	if passed := max(uint64(e.head), e.marked); e.seen.commit > passed && e.seen.commit-passed > markEvery {
		e.marked = e.seen.commit
		mark = true
	}
	return e.head, mark
}

// look is one look for the ledger's last event, from the end of $all backwards.
type look struct {
	known  eventstore.Position // the last event that this store has met
	head   eventstore.Position // the last event up to seen
	seen   place               // without an id: a mark says so
	marked uint64              // seen's position in the latest mark
	skip   stretch

	found   eventstore.Position
	last    place          // where $all ends
	from    *esdb.Position // how far it has come
	skipped bool
	other   bool // the log is not the one that was seen
}

// findHead reads $all backwards until it meets one of the ledger's events, or what was read before by this store or, as a mark says, by
// another one. It takes as long as there is something to read.
func (s *Store) findHead(ctx context.Context) (eventstore.Position, error) {
	l := s.end.begin()
	if err := s.lookBack(ctx, &l); err != nil {
		s.end.stop(l)
		return 0, err
	}
	if l.found < l.known { // the log is not the one that it was, or else it was appended meanwhile
		if _, err := s.at(ctx, l.known); err != nil {
			return 0, err
		}
	}
	head, mark := s.end.finish(l)
	if mark {
		s.mark(ctx, head, l.last.commit)
	}
	return head, nil
}

// passing is what a look must know of an event.
type passing struct {
	at   esdb.Position
	id   uuid.UUID
	own  bool
	mark *mark
}

func (s *Store) lookBack(ctx context.Context, l *look) error {
	for count, read := uint64(16), 0; ; count = min(4*count, 1024) {
		o := esdb.ReadAllOptions{Direction: esdb.Backwards, From: esdb.End{}}
		if l.from != nil {
			o.From = *l.from
		}
		events, err := readAll(ctx, s, o, count, func(e *esdb.RecordedEvent) passing {
			return passing{at: e.Position, id: e.EventID, own: s.layout.owns(e.StreamID), mark: s.layout.readMark(e)}
		})
		if err != nil {
			return err
		}
		if len(events) == 0 { // nothing is before
			return nil
		}
		if l.pass(events) {
			return nil
		}
		if read += len(events); read/progressEvery > (read-len(events))/progressEvery {
			s.link.log.Info("the ledger's end is looked for behind other events of the server", "read", read, "position", l.from.Commit)
		}
	}
}

// progressEvery is after how many events of others a look says how far it is.
const progressEvery = 100_000

// pass takes events on the way back, and says whether the look is at its end.
func (l *look) pass(events []passing) bool {
	for _, e := range events {
		here := place{e.at.Commit, e.id}
		if l.from == nil {
			l.last = here
		}
		if l.seen.id != uuid.Nil && here.commit <= l.seen.commit && here != l.seen {
			l.seen, l.head, l.other = place{}, 0, true
		}
		switch {
		case e.own:
			l.found = eventstore.Position(here.commit)
			return true
		case here.commit <= l.seen.commit:
			l.found = l.head
			return true
		case e.mark != nil && e.mark.Seen > l.seen.commit && e.mark.Seen < here.commit:
			l.seen, l.head = place{commit: e.mark.Seen}, e.mark.Head
			l.marked = max(l.marked, e.mark.Seen)
		}
		l.from = &e.at
		if here == l.skip.top {
			l.from, l.skipped = &l.skip.bottom, true
			return false
		}
	}
	return false
}

// at reads the ledger's event at a position, which must be there.
func (s *Store) at(ctx context.Context, p eventstore.Position) (eventstore.Recorded, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	o := esdb.ReadAllOptions{From: esdb.Position{Commit: uint64(p)}}
	for attempt := 0; ; attempt++ {
		events, err := askAll(limited, s, o, 1, whole)
		switch said, ok := status.FromError(err); {
		case err == nil && (len(events) == 0 || events[0].Position.Commit != uint64(p) || !s.layout.owns(events[0].StreamID)),
			ok && said.Code() == codes.InvalidArgument:
			return eventstore.Recorded{}, noneAt(p)
		case err == nil:
			return s.layout.decode(events[0])
		case ok && said.Code() == codes.Unknown && attempt == 2: // so do older servers answer where no event begins, but not elsewhere
			if _, err := readAll(limited, s, esdb.ReadAllOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1, whole); err != nil {
				return eventstore.Recorded{}, err
			}
			return eventstore.Recorded{}, noneAt(p)
		case !open(err) || pause(limited, attempt) != nil:
			return eventstore.Recorded{}, err
		}
	}
}

func noneAt(p eventstore.Position) error {
	return fmt.Errorf("%w: no event of the ledger is at position %d; whoever was there followed another log, or this one was restored", eventstore.ErrGap, p)
}

// readAll reads up to so many events of $all, and what is to be known of each.
func readAll[T any](ctx context.Context, s *Store, o esdb.ReadAllOptions, count uint64, keep func(*esdb.RecordedEvent) T) ([]T, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return patiently(limited, func(ctx context.Context) ([]T, error) { return once(ctx, s, o, count, keep) })
}

// askAll is readAll without repetitions.
func askAll[T any](ctx context.Context, s *Store, o esdb.ReadAllOptions, count uint64, keep func(*esdb.RecordedEvent) T) ([]T, error) {
	limited, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	return once(limited, s, o, count, keep)
}

func once[T any](ctx context.Context, s *Store, o esdb.ReadAllOptions, count uint64, keep func(*esdb.RecordedEvent) T) ([]T, error) {
	return call(ctx, s.link, func(ctx context.Context, c *esdb.Client) ([]T, error) {
		r, err := c.ReadAll(ctx, o, count)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return receive(r, count, keep)
	})
}

func whole(e *esdb.RecordedEvent) *esdb.RecordedEvent { return e }

// receive takes what a read gives: all of it, or an error.
func receive[T any](r *esdb.ReadStream, count uint64, keep func(*esdb.RecordedEvent) T) ([]T, error) {
	events := make([]T, 0, min(count, 256))
	for {
		e, err := r.Recv()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		if e.Event != nil {
			events = append(events, keep(e.Event))
		}
	}
}
