package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// batch proposes the first event of n new streams.
func batch(prefix string, n int) []eventstore.Proposed {
	ps := make([]eventstore.Proposed, n)
	for i := range ps {
		stream := fmt.Sprintf("order-%s-%d", prefix, i)
		ps[i] = eventstore.Proposed{Stream: stream, Expected: eventstore.NoStream, Event: event(stream + "/0")}
	}
	return ps
}

func mustAppendMany(t *testing.T, s eventstore.Store, ps []eventstore.Proposed) []eventstore.Recorded {
	t.Helper()
	recs, err := s.AppendMany(t.Context(), ps)
	if err != nil {
		t.Fatalf("append %d: %v", len(ps), err)
	}
	if len(recs) != len(ps) {
		t.Fatalf("%d recorded, %d proposed", len(recs), len(ps))
	}
	for i, r := range recs {
		if r.Stream != ps[i].Stream || r.ID != ps[i].Event.ID || r.Revision != ps[i].Expected+1 {
			t.Fatalf("%d: recorded %s, proposed %v", i, show(r), ps[i])
		}
	}
	return recs
}

func batchConflicts(t *testing.T, h Harness) {
	s := h.open(t)
	old := fill(t, s, "order-old", 3)
	ps := batch("mixed", 5)
	ps = append(ps, eventstore.Proposed{Stream: "order-old", Expected: 2, Event: event("order-old/3")})
	recs := mustAppendMany(t, s, ps)
	wantLogged(t, h, s, old[2].Position, recs)

	before := head(t, s)
	bad := batch("none", 5)
	bad[3] = eventstore.Proposed{Stream: "order-old", Expected: 1, Event: event("stale")}
	bad[4] = eventstore.Proposed{Stream: "order-mixed-0", Expected: eventstore.NoStream, Event: event("stale too")}
	_, err := s.AppendMany(t.Context(), bad)
	wantConflict(t, err, "order-old", 1, 3)
	if after := head(t, s); after != before {
		t.Errorf("a refused batch moved the head from %d to %d", before, after)
	}
	wantSame(t, readAll(t, s, bad[0].Stream, eventstore.NoStream), nil)

	ahead := batch("ahead", 2)
	ahead[1].Expected = 4
	_, err = s.AppendMany(t.Context(), ahead)
	wantConflict(t, err, ahead[1].Stream, 4, eventstore.NoStream)
	mustAppendMany(t, s, bad[:3])
}

// wantLogged says that exactly the events of a batch follow a position: in its order where it is atomic, else the last one last.
func wantLogged(t *testing.T, h Harness, s eventstore.Store, after eventstore.Position, recs []eventstore.Recorded) {
	t.Helper()
	logged := slices.Clone(recs)
	if !h.atomic() {
		slices.SortFunc(logged, func(a, b eventstore.Recorded) int { return cmp.Compare(a.Position, b.Position) })
	}
	wantSame(t, follow(t, s, after, len(recs)), logged)
	if last := recs[len(recs)-1].Position; head(t, s) != last {
		t.Errorf("head is %d, want %d, where the last of the batch is", head(t, s), last)
	}
}

// Two batches that want the same stream, which is neither's last: one has it, and of the other what it is promised holds.
func batchesRace(t *testing.T, h Harness) {
	atomic := h.atomic()
	s := h.open(t)
	if st, err := s.Status(t.Context()); err != nil || st.AtomicBatches != atomic {
		t.Fatalf("the status says %v of atomic batches (%v), the harness %v", st.AtomicBatches, err, atomic)
	}
	for round := range 30 {
		shared := eventstore.Proposed{Stream: fmt.Sprintf("order-shared-%d", round), Expected: eventstore.NoStream}
		var ps [2][]eventstore.Proposed
		var errs [2]error
		var wg sync.WaitGroup
		for w := range ps {
			name := fmt.Sprintf("race-%d-%d", round, w)
			ps[w] = batch(name, 5)
			ps[w][2] = shared
			ps[w][2].Event = event(name)
			wg.Go(func() { _, errs[w] = s.AppendMany(t.Context(), ps[w]) })
		}
		wg.Wait()
		lost := 0
		if errs[0] == nil {
			lost = 1
		}
		if errs[1-lost] != nil {
			t.Fatalf("round %d: nobody won: %v; %v", round, errs[0], errs[1])
		}
		wantConflict(t, errs[lost], shared.Stream, eventstore.NoStream, 0)
		for i, p := range ps[lost] {
			got := readAll(t, s, p.Stream, eventstore.NoStream)
			switch {
			case i == 2:
				wantSame(t, got, []eventstore.Recorded{{Event: ps[1-lost][2].Event, Stream: p.Stream, Position: got[0].Position}})
			case len(got) > 0 && (atomic || i == 4):
				t.Fatalf("round %d: event %d of a batch that lost was added", round, i)
			case len(got) > 0:
				wantSame(t, got, []eventstore.Recorded{{Event: p.Event, Stream: p.Stream, Position: got[0].Position}})
			}
		}
		mustAppendMany(t, s, slices.Delete(ps[lost], 2, 3))
		mustAppendMany(t, s, ps[1-lost])
	}
	wantDense(t, follow(t, s, 0, 30*9))
}

func batchRepeats(t *testing.T, h Harness) {
	s := h.open(t)
	ps := batch("twice", 20)
	first := mustAppendMany(t, s, ps)
	mustAppend(t, s, ps[7].Stream, 0, event("life goes on"))
	before := head(t, s)
	wantSame(t, mustAppendMany(t, s, ps), first)
	if after := head(t, s); after != before {
		t.Errorf("a repeated batch moved the head from %d to %d", before, after)
	}
	// Events that are there already do not keep the others out.
	more := append(ps[10:20:20], batch("fresh", 3)...)
	recs := mustAppendMany(t, s, more)
	wantSame(t, recs[:10], first[10:])
	if recs[10].Position <= before {
		t.Errorf("a new event at position %d, the head was %d", recs[10].Position, before)
	}
	// A single append and a batch are the same act.
	r := mustAppend(t, s, ps[0].Stream, eventstore.NoStream, ps[0].Event)
	wantSame(t, []eventstore.Recorded{r}, first[:1])
}

// Events of one stream may be in one atomic batch, if they follow each other.
func batchFollows(t *testing.T, h Harness) {
	s := h.open(t)
	st, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.need(t, "AtomicBatches", st.AtomicBatches)
	fill(t, s, "order-old", 2)
	of := func(stream string, revision int) eventstore.Proposed {
		return eventstore.Proposed{Stream: stream, Expected: eventstore.Revision(revision - 1), Event: event(fmt.Sprintf("%s/%d", stream, revision))}
	}
	ps := []eventstore.Proposed{
		of("order-new", 0), of("order-old", 2), of("order-new", 1), of("order-old", 3), of("order-other", 0), of("order-new", 2),
	}
	first := mustAppendMany(t, s, ps)
	wantSame(t, follow(t, s, first[0].Position-1, len(ps)), first)
	wantDense(t, follow(t, s, 0, 2+len(ps)))
	before := head(t, s)
	wantSame(t, mustAppendMany(t, s, ps), first)
	if after := head(t, s); after != before {
		t.Errorf("a repeated batch moved the head from %d to %d", before, after)
	}
	// Where some are there already, the others follow them.
	more := []eventstore.Proposed{of("order-new", 1), of("order-new", 2), of("order-new", 3), of("order-new", 4)}
	recs := mustAppendMany(t, s, more)
	wantSame(t, recs[:2], []eventstore.Recorded{first[2], first[5]})
	wantSame(t, follow(t, s, before, 2), recs[2:])

	before = head(t, s)
	stale := []eventstore.Proposed{of("order-fresh", 0), of("order-fresh", 1), of("order-old", 3), of("order-old", 4)}
	stale[2].Event, stale[3].Event = event("stale"), event("stale too")
	_, err = s.AppendMany(t.Context(), stale)
	wantConflict(t, err, "order-old", 2, 3)
	_, err = s.AppendMany(t.Context(), []eventstore.Proposed{of("order-fresh", 0), of("order-ahead", 1), of("order-ahead", 2)})
	wantConflict(t, err, "order-ahead", 0, eventstore.NoStream)
	_, err = s.AppendMany(t.Context(), []eventstore.Proposed{of("order-fresh", 0), of("order-fresh", 2)})
	var conflict *eventstore.ConflictError
	if err == nil || errors.As(err, &conflict) {
		t.Errorf("a batch whose events don't follow each other: %v", err)
	}
	if after := head(t, s); after != before {
		t.Errorf("refused batches moved the head from %d to %d", before, after)
	}
}

func batchLimits(t *testing.T, h Harness) {
	s := h.open(t)
	if recs, err := s.AppendMany(t.Context(), nil); err != nil || len(recs) != 0 {
		t.Errorf("an empty batch: %d events, %v", len(recs), err)
	}
	recs := mustAppendMany(t, s, batch("full", eventstore.MaxBatch))
	wantLogged(t, h, s, 0, recs)
	before := head(t, s)
	if _, err := s.AppendMany(t.Context(), batch("over", eventstore.MaxBatch+1)); err == nil {
		t.Error("a batch over the limit was taken")
	}
	double := batch("double", 2)
	double[1].Stream = double[0].Stream
	var conflict *eventstore.ConflictError
	if _, err := s.AppendMany(t.Context(), double); err == nil || errors.As(err, &conflict) {
		t.Errorf("a batch with a stream twice: %v", err)
	}
	if after := head(t, s); after != before {
		t.Errorf("refused batches moved the head from %d to %d", before, after)
	}
}
