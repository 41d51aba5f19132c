package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/orderledger/orderledger/domain/eventstore"
)

func subscribeAnywhere(t *testing.T, h Harness) {
	s := h.open(t)
	fill(t, s, "order-a", 40)
	mustAppendMany(t, s, batch("many", 40))
	all := follow(t, s, 0, 80)
	wantSame(t, follow(t, s, 0, len(all)), all)
	for i, r := range all[:len(all)-1] {
		wantSame(t, follow(t, s, r.Position, len(all)-i-1), all[i+1:])
	}

	// However small the bites are, nothing is missed or repeated.
	sub, err := s.Subscribe(t.Context(), all[9].Position)
	if err != nil {
		t.Fatal(err)
	}
	defer closeSubscription(t, sub)
	var got []eventstore.Recorded
	ctx := Soon(t)
	for bite := 1; len(got) < len(all)-10; bite = bite%7 + 1 {
		recs, err := sub.Next(ctx, bite)
		if err != nil {
			t.Fatal(err)
		}
		if len(recs) == 0 || len(recs) > bite {
			t.Fatalf("Next(%d) gave %d events", bite, len(recs))
		}
		got = append(got, recs...)
	}
	wantSame(t, got, all[10:])
}

// subscribeLive starts readers at several checkpoints while writers write, and compares what each of them saw.
func subscribeLive(t *testing.T, h Harness) {
	const history, writers, each = 300, 8, 100
	s := h.open(t)
	mustAppendMany(t, s, batch("old", history))
	old := follow(t, s, 0, history)
	g, ctx := errgroup.WithContext(Soon(t))
	after := []eventstore.Position{0, old[0].Position, old[history/2].Position, old[history-2].Position, old[history-1].Position}
	seen := make([][]eventstore.Recorded, len(after))
	for i, p := range after {
		sub, err := s.Subscribe(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		defer closeSubscription(t, sub)
		want := history + writers*each
		if p > 0 {
			want -= indexOf(t, old, p) + 1
		}
		g.Go(func() error {
			for len(seen[i]) < want {
				recs, err := sub.Next(ctx, 64)
				if err != nil {
					return fmt.Errorf("reader after %d, %d of %d events: %w", p, len(seen[i]), want, err)
				}
				seen[i] = append(seen[i], recs...)
			}
			return nil
		})
	}
	for w := range writers {
		g.Go(func() error { return write(ctx, s, fmt.Sprintf("order-writer-%d", w), each) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	wantDense(t, seen[0])
	for i := range seen {
		wantSame(t, seen[i], seen[0][len(seen[0])-len(seen[i]):])
	}
	if p := head(t, s); p != seen[0][len(seen[0])-1].Position {
		t.Errorf("head is %d, the last event seen is at %d", p, seen[0][len(seen[0])-1].Position)
	}
}

func indexOf(t *testing.T, recs []eventstore.Recorded, p eventstore.Position) int {
	t.Helper()
	for i, r := range recs {
		if r.Position == p {
			return i
		}
	}
	t.Fatalf("no event at position %d", p)
	return 0
}

func write(ctx context.Context, s eventstore.Store, stream string, n int) error {
	for i := range n {
		if _, err := s.Append(ctx, stream, eventstore.Revision(i-1), event(fmt.Sprintf("%s/%d", stream, i))); err != nil {
			return err
		}
	}
	return nil
}

func subscribeBeyond(t *testing.T, h Harness) {
	s := h.open(t)
	recs := fill(t, s, "order-a", 2)
	// A checkpoint that the log does not reach any more means that the log lost events.
	_, err := s.Subscribe(t.Context(), recs[1].Position+1)
	wantError(t, err, eventstore.ErrGap)
}

func closedSubscription(t *testing.T, h Harness) {
	s := h.open(t)
	fill(t, s, "order-a", 2)
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		closeSubscription(t, sub)
	}
	if _, err := sub.Next(Soon(t), 10); err == nil {
		t.Error("a closed subscription gave events")
	}
	mustAppend(t, s, "order-a", 1, event("unaffected"))
}

func gapStops(t *testing.T, h Harness) {
	h.need(t, "Gap", h.Gap != nil)
	s := h.Open(t)
	recs := fill(t, s, "order-a", 9)
	s = h.Gap(t, s, recs[4].Position)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	sub, err := s.Subscribe(t.Context(), 0)
	var got []eventstore.Recorded
	for ctx := Soon(t); err == nil; {
		var more []eventstore.Recorded
		more, err = sub.Next(ctx, 2)
		got = append(got, more...)
	}
	wantError(t, err, eventstore.ErrGap)
	wantSame(t, got, recs[:len(got)])
	if len(got) > 4 {
		t.Errorf("%d events were seen, the gap comes after 4", len(got))
	}
	if sub != nil {
		closeSubscription(t, sub)
	}
	var readErr error
	for _, err := range s.ReadStream(t.Context(), "order-a", eventstore.NoStream) {
		readErr = err
	}
	if !errors.Is(readErr, eventstore.ErrGap) {
		t.Errorf("a stream with a gap was read: %v", readErr)
	}
}
