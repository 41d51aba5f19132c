package audit_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/audit"
)

// streams is a tape of which single streams can be read, as a store that hands out the same bytes each time.
type streams struct{ tape }

func (s streams) ReadStream(_ context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error] {
	return func(yield func(eventstore.Recorded, error) bool) {
		for _, r := range s.tape {
			if r.Stream == stream && r.Revision > after && !yield(r, nil) {
				return
			}
		}
	}
}

// With no memory for streams Walk still finds what Verify finds in chains, at the same place, and makes the same digest.
func TestWalkNeedsNoMemoryOfStreams(t *testing.T) {
	whole := record(t, small(t).store)
	report, err := audit.Verify(t.Context(), whole, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var seen []eventstore.Recorded
	walked, err := audit.WalkKeeping(t.Context(), 1, streams{whole}, func(r eventstore.Recorded) error { seen = append(seen, r); return nil })
	if err != nil || walked.Digest != report.Digest || walked.Events != report.Events || int(walked.Streams) != report.Streams ||
		walked.Position != report.Position || len(seen) != len(whole) {
		t.Errorf("%+v, %v; verified %+v", walked, err, report)
	}
	for name, spoil := range map[string]func(tape) tape{
		"other bytes": func(l tape) tape {
			replace(t, &l[l.find(t, "paid", "PaymentCaptured")].Data, "ch_1", "ch_2")
			return l
		},
		"an event is missing": func(l tape) tape {
			i := l.find(t, "paid", "CaptureRequested")
			return append(l[:i:i], l[i+1:]...)
		},
		"an event is there twice": func(l tape) tape {
			again := l[l.find(t, "shipped", "Accepted")]
			again.Position = l[len(l)-1].Position + 1
			return append(l, again)
		},
		"a stream begins late": func(l tape) tape {
			i := l.find(t, "refunded", "Placed")
			return append(l[:i:i], l[i+1:]...)
		},
		"positions fall": func(l tape) tape {
			l[3].Position, l[4].Position = l[4].Position, l[3].Position
			return l
		},
		"a chain was written anew from one event on": func(l tape) tape {
			i := l.find(t, "archived", "Archived")
			env, err := eventstore.ReadEnvelope(l[i].Event)
			if err != nil {
				t.Fatal(err)
			}
			env.Prev = strings.Repeat("0", 64)
			l[i].Event, _, err = eventstore.Seal(l[i].Stream, l[i].Revision, l[i].Event, env)
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
	} {
		spoilt := spoil(record(t, small(t).store))
		var want, got *audit.Difference
		if _, err := audit.Verify(t.Context(), spoilt, audit.Options{}); !errors.As(err, &want) {
			t.Fatalf("%s: %v", name, err)
		}
		var last eventstore.Position
		_, err := audit.WalkKeeping(t.Context(), 1, streams{spoilt}, func(r eventstore.Recorded) error { last = r.Position; return nil })
		if !errors.As(err, &got) || got.Position != want.Position || got.Stream != want.Stream || got.Kind != want.Kind {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if last >= want.Position && want.Kind != audit.BadPosition {
			t.Errorf("%s: position %d was handed over, behind %v", name, last, want)
		}
	}
}

// What was verified and has changed when it is read again is found, too.
func TestWalkNoticesBytesThatChangeMeanwhile(t *testing.T) {
	b := newBook()
	id := b.place(t, "1", domain.Account)
	b.place(t, "2", domain.Account)
	b.must(t, id, domain.Accept{})
	l := record(t, b.store)
	_, err := audit.WalkKeeping(t.Context(), 1, streams{l}, func(r eventstore.Recorded) error {
		if r.Position == 2 {
			replace(t, &l[0].Data, "BP-1", "BP-2")
		}
		return nil
	})
	if d := (*audit.Difference)(nil); !errors.As(err, &d) || d.Kind != audit.BadChain || d.Position != 1 {
		t.Errorf("%v", err)
	}
}
