package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
)

func readAfter(t *testing.T, h Harness) {
	s := h.open(t)
	want := fill(t, s, "order-a", 5)
	fill(t, s, "order-b", 5)
	for after := eventstore.NoStream; after < 5; after++ {
		wantSame(t, readAll(t, s, "order-a", after), want[after+1:])
	}
	wantSame(t, readAll(t, s, "order-a", 99), nil)
	for range s.ReadStream(t.Context(), "order-a", eventstore.NoStream) {
		break // a reader may leave early
	}

	long := fill(t, s, "order-long", 700)
	wantSame(t, readAll(t, s, "order-long", eventstore.NoStream), long)
	wantSame(t, readAll(t, s, "order-long", 650), long[651:])
}

func readLater(t *testing.T, h Harness) {
	s := h.open(t)
	later := func(stream string, after eventstore.Revision, beyond eventstore.Position, want []eventstore.Recorded) {
		t.Helper()
		var got []eventstore.Recorded
		for r, err := range eventstore.ReadLater(t.Context(), s, stream, after, beyond) {
			if err != nil {
				t.Fatalf("read %s after %s, beyond %d: %v", stream, after, beyond, err)
			}
			got = append(got, r)
		}
		wantSame(t, got, want)
	}
	later("order-a", eventstore.NoStream, 0, nil)
	a := fill(t, s, "order-a", 300)
	b := fill(t, s, "order-b", 3)
	for _, n := range []int{0, 1, 40, 299} {
		later("order-a", eventstore.Revision(n), a[n].Position, a[n+1:])
	}
	later("order-a", 299, b[2].Position, nil)
	later("order-b", eventstore.NoStream, a[299].Position, b)
	later("order-c", eventstore.NoStream, b[0].Position, nil)

	a = append(a, mustAppend(t, s, "order-a", 299, event("order-a/300")))
	later("order-a", 299, b[2].Position, a[300:])
	later("order-a", 300, a[300].Position, nil)
	later("order-a", 299, a[299].Position, a[300:])
	wantSame(t, readAll(t, s, "order-a", 250), a[251:])
	mustAppend(t, s, "order-a", 300, event("order-a/301")) // what was read does not mislead who appends
}

func headAndStatus(t *testing.T, h Harness) {
	s := h.open(t)
	if p := head(t, s); p != 0 {
		t.Errorf("the head of an empty log is %d", p)
	}
	recs := fill(t, s, "order-a", 7)
	if p := head(t, s); p != recs[6].Position {
		t.Errorf("head is %d, want %d", p, recs[6].Position)
	}
	st, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.Backend == "" || st.Location == "" || st.Ledger == "" || st.Durability == "" {
		t.Errorf("status %+v leaves something out", st)
	}
	events := uint64(7)
	if h.Lacks["Events"] != "" {
		events = 0
	}
	if st.Head != recs[6].Position || st.Events != events || (st.Bytes == 0) != (events == 0) {
		t.Errorf("status %+v, want head %d and %d events", st, recs[6].Position, events)
	}
}

func cancelled(t *testing.T, h Harness) {
	s := h.open(t)
	fill(t, s, "order-a", 3)
	before := head(t, s)
	ctx, cancel := context.WithCancel(t.Context())

	sub, err := s.Subscribe(ctx, before)
	if err != nil {
		t.Fatal(err)
	}
	defer closeSubscription(t, sub)
	waited := make(chan error, 1)
	go func() {
		_, err := sub.Next(ctx, 10)
		waited <- err
	}()
	cancel()
	wantError(t, <-waited, context.Canceled)
	_, err = sub.Next(Soon(t), 10)
	if err == nil {
		t.Error("a subscription went on after its error")
	}

	_, err = s.Append(ctx, "order-a", 2, event("never"))
	wantError(t, err, context.Canceled)
	_, err = s.AppendMany(ctx, batch("never", 3))
	wantError(t, err, context.Canceled)
	_, err = s.Subscribe(ctx, 0)
	wantError(t, err, context.Canceled)
	_, err = s.Head(ctx)
	wantError(t, err, context.Canceled)
	err = nil
	for _, err = range s.ReadStream(ctx, "order-a", eventstore.NoStream) {
	}
	wantError(t, err, context.Canceled)
	if after := head(t, s); after != before {
		t.Errorf("cancelled appends moved the head from %d to %d", before, after)
	}
}

func closedStore(t *testing.T, h Harness) {
	s := h.open(t)
	recs := fill(t, s, "order-a", 3)
	sub, err := s.Subscribe(t.Context(), recs[2].Position)
	if err != nil {
		t.Fatal(err)
	}
	defer closeSubscription(t, sub)
	waited := make(chan error, 1)
	go func() {
		_, err := sub.Next(Soon(t), 10)
		waited <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	wantError(t, <-waited, eventstore.ErrUnavailable)

	ctx := t.Context()
	_, err = s.Append(ctx, "order-a", 2, event("late"))
	wantError(t, err, eventstore.ErrUnavailable)
	_, err = s.AppendMany(ctx, batch("late", 2))
	wantError(t, err, eventstore.ErrUnavailable)
	_, err = s.Subscribe(ctx, 0)
	wantError(t, err, eventstore.ErrUnavailable)
	_, err = s.Head(ctx)
	wantError(t, err, eventstore.ErrUnavailable)
	_, err = s.Status(ctx)
	wantError(t, err, eventstore.ErrUnavailable)
	err = nil
	for _, err = range s.ReadStream(ctx, "order-a", eventstore.NoStream) {
	}
	wantError(t, err, eventstore.ErrUnavailable)
	if err := s.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}

func reopened(t *testing.T, h Harness) {
	h.need(t, "Reopen", h.Reopen != nil)
	s := h.Open(t)
	a := fill(t, s, "order-a", 5)
	b := mustAppendMany(t, s, batch("b", 50))
	all := append(a, follow(t, s, a[4].Position, 50)...)
	for round := range 3 {
		s = h.Reopen(t, s)
		if p := head(t, s); p != all[len(all)-1].Position {
			t.Fatalf("head is %d, want %d", p, all[len(all)-1].Position)
		}
		wantSame(t, follow(t, s, 0, len(all)), all)
		wantSame(t, follow(t, s, all[20].Position, len(all)-21), all[21:])
		wantSame(t, mustAppendMany(t, s, batch("b", 50)), b)
		wantSame(t, []eventstore.Recorded{mustAppend(t, s, "order-a", 1, event("order-a/2"))}, a[2:3])
		_, err := s.Append(t.Context(), "order-a", 1, event("stale"))
		wantConflict(t, err, "order-a", 1, eventstore.Revision(4+round))
		all = append(all, mustAppend(t, s, "order-a", eventstore.Revision(4+round), event(fmt.Sprint("round ", round))))
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func readError(t *testing.T, h Harness) {
	h.need(t, "FailRead", h.FailRead != nil)
	s := h.open(t)
	want := fill(t, s, "order-a", 40)
	h.FailRead(t, s)
	var got []eventstore.Recorded
	var failed error
	for r, err := range s.ReadStream(t.Context(), "order-a", eventstore.NoStream) {
		if failed != nil {
			t.Fatal("the sequence went on after an error")
		}
		if failed = err; err == nil {
			got = append(got, r)
		}
	}
	if failed == nil && len(got) < len(want) {
		t.Errorf("the stream ended after %d of %d events without an error", len(got), len(want))
	}
	wantSame(t, got, want[:len(got)])
	wantSame(t, readAll(t, s, "order-a", eventstore.NoStream), want)
}
