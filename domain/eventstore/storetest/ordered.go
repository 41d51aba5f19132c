package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// RunOrdered proves the contract of eventstore.OrderedAppender for one store. The harness is that of Run, whose stores must have it.
func RunOrdered(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"in the order given", ordered},
		{"a first part is there", orderedRepeats},
		{"conflict", orderedConflicts},
		{"limits", orderedLimits},
		{"lost answer", orderedLostAnswer},
		{"cancelled and closed", orderedEnds},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, h) })
	}
}

// mingled proposes n events of many streams, which have up to four each, one stream's last just before its next, or far from it.
func mingled(prefix string, n int) []eventstore.Proposed {
	ps := make([]eventstore.Proposed, n)
	next := map[string]eventstore.Revision{}
	for i := range ps {
		stream := fmt.Sprintf("order-%s-%d", prefix, i/8*2+i%2)
		if i%50 > 46 {
			stream = "notice-" + prefix
		}
		ps[i] = eventstore.Proposed{Stream: stream, Expected: next[stream] - 1, Event: event(fmt.Sprintf("%s/%d", stream, next[stream]))}
		next[stream]++
	}
	return ps
}

func mustAppendInOrder(t *testing.T, s eventstore.Store, ps []eventstore.Proposed) {
	t.Helper()
	if err := appendInOrder(t.Context(), t, s, ps); err != nil {
		t.Fatalf("append %d in order: %v", len(ps), err)
	}
}

func appendInOrder(ctx context.Context, t *testing.T, s eventstore.Store, ps []eventstore.Proposed) error {
	t.Helper()
	o, ok := s.(eventstore.OrderedAppender)
	if !ok {
		t.Fatalf("a %T appends nothing in order", s)
	}
	return o.AppendInOrder(ctx, ps)
}

// wantInOrder says that these are what follows a position in the log, in this order, and all.
func wantInOrder(t *testing.T, s eventstore.Store, after eventstore.Position, ps []eventstore.Proposed) {
	t.Helper()
	recs := follow(t, s, after, len(ps))
	for i, r := range recs {
		if p := ps[i]; r.Stream != p.Stream || r.Revision != p.Expected+1 || !r.Holds(p.Event) || r.ID != p.Event.ID {
			t.Fatalf("event %d: %s, want %s of %s", i, show(r), p.Event.ID, p.Stream)
		}
	}
	if h := head(t, s); h != recs[len(recs)-1].Position {
		t.Errorf("the head is %d, the last of them at %d", h, recs[len(recs)-1].Position)
	}
}

func ordered(t *testing.T, h Harness) {
	s := h.open(t)
	ps := mingled("a", eventstore.MaxBatch)
	mustAppendInOrder(t, s, ps)
	wantInOrder(t, s, 0, ps)
	at := head(t, s)
	more := mingled("b", 10)
	mustAppendInOrder(t, s, more[:1])
	mustAppendInOrder(t, s, more[1:])
	mustAppendInOrder(t, s, nil)
	wantInOrder(t, s, at, more)
}

func orderedRepeats(t *testing.T, h Harness) {
	s := h.open(t)
	ps := mingled("a", 100)
	mustAppendInOrder(t, s, ps[:40])
	mustAppendInOrder(t, s, ps)
	mustAppendInOrder(t, s, ps)
	mustAppendInOrder(t, s, ps[20:])
	mustAppend(t, s, ps[7].Stream, ps[7].Expected, ps[7].Event)
	wantInOrder(t, s, 0, ps)
}

func orderedConflicts(t *testing.T, h Harness) {
	s := h.open(t)
	mustAppend(t, s, "order-taken", eventstore.NoStream, event("somebody else's"))
	ps := mingled("a", 20)
	ps[9] = eventstore.Proposed{Stream: "order-taken", Expected: eventstore.NoStream, Event: event("mine")}
	wantConflict(t, appendInOrder(t.Context(), t, s, ps), "order-taken", eventstore.NoStream, 0)
	ahead := []eventstore.Proposed{{Stream: "order-ahead", Expected: 3, Event: event("ahead")}}
	wantConflict(t, appendInOrder(t.Context(), t, s, ahead), "order-ahead", 3, eventstore.NoStream)
	if got := readAll(t, s, "order-taken", eventstore.NoStream); len(got) != 1 || got[0].ID != event("somebody else's").ID {
		t.Errorf("the stream holds %v", got)
	}
}

func orderedLimits(t *testing.T, h Harness) {
	s := h.open(t)
	gap := mingled("gap", 3)
	gap[2] = eventstore.Proposed{Stream: gap[0].Stream, Expected: 1, Event: event("not behind the first")}
	var conflict *eventstore.ConflictError
	for name, ps := range map[string][]eventstore.Proposed{
		"too many": mingled("many", eventstore.MaxBatch+1), "not behind each other": gap,
		"a bad name": {{Stream: "order", Expected: eventstore.NoStream, Event: event("x")}},
	} {
		if err := appendInOrder(t.Context(), t, s, ps); err == nil || errors.As(err, &conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p := head(t, s); p != 0 {
		t.Errorf("refused, and the head is at %d", p)
	}
}

func orderedLostAnswer(t *testing.T, h Harness) {
	h.need(t, "LoseAnswer", h.LoseAnswer != nil)
	s := h.open(t)
	ps := mingled("a", 200)
	mustAppendInOrder(t, s, ps[:50])
	h.LoseAnswer(t, s)
	mustAppendInOrder(t, s, ps[50:])
	wantInOrder(t, s, 0, ps)
}

func orderedEnds(t *testing.T, h Harness) {
	s := h.Open(t)
	ps := mingled("a", 5)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, appendInOrder(ctx, t, s, ps), context.Canceled)
	mustAppendInOrder(t, s, ps)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantError(t, appendInOrder(t.Context(), t, s, mingled("b", 5)), eventstore.ErrUnavailable)
}
