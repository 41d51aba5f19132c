package tabs_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/tabs"
)

// obligationsAgree asks for some of what is owed and recorded, and holds it against the orders, which stand as they came in.
func obligationsAgree(rt *rapid.T, db *tabs.DB, orders []domain.Order) {
	kind := rapid.SampledFrom(append(domain.ObligationKinds, "")).Draw(rt, "kind")
	maker := rapid.SampledFrom(append(makers[:len(makers):len(makers)], "", "", "nobody")).Draw(rt, "maker")
	limit := rapid.IntRange(1, 9).Draw(rt, "limit")

	var owed []domain.Order
	for _, o := range orders {
		if owes, ok := o.Owes(); ok && (kind == "" || kind == owes.Kind) && (maker == "" || maker == o.Manufacturer) {
			owed = append(owed, o)
		}
	}
	slices.SortStableFunc(owed, func(a, b domain.Order) int {
		x, _ := a.Owes()
		y, _ := b.Owes()
		return x.Since.Compare(y.Since)
	})
	got := allOwed(rt, db, projections.ObligationQuery{Kind: kind, Manufacturer: maker, Limit: limit}, len(owed))
	if !slices.Equal(idsOf(got), idsOf(owed)) {
		rt.Errorf("owed %s of %s: %v, want %v", kind, maker, idsOf(got), idsOf(owed))
	}
	counts, err := db.Counts(context.Background())
	if err != nil {
		rt.Fatal(err)
	}
	if all := int64(len(allOwed(rt, db, projections.ObligationQuery{}, -1))); counts.Owed != all {
		rt.Errorf("%d are counted, %d listed", counts.Owed, all)
	}

	q := projections.RecordedQuery{Kind: kind, Manufacturer: maker, Limit: limit}
	if rapid.Bool().Draw(rt, "period") {
		q.From, q.To = clock(1), clock(3)
	}
	if got, want := recordings(rt, db, q), recordedOf(orders, q); !slices.Equal(got, want) {
		rt.Errorf("%+v: recorded %v, want %v", q, got, want)
	}
}

// allOwed reads a query through all its pages, each of which must count what there is.
func allOwed(tb rapid.TB, db *tabs.DB, q projections.ObligationQuery, count int) (all []domain.Order) {
	tb.Helper()
	for {
		page, err := db.Obligations(context.Background(), q)
		if err != nil {
			tb.Fatalf("%+v: %v", q, err)
		}
		if count >= 0 && page.Count != int64(count) {
			tb.Errorf("%+v: counted %d, want %d", q, page.Count, count)
		}
		all = append(all, page.Orders...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
	}
}

// recordings are what a query finds, in words.
func recordings(tb rapid.TB, db *tabs.DB, q projections.RecordedQuery) (all []string) {
	tb.Helper()
	for {
		page, err := db.Recorded(context.Background(), q)
		if err != nil {
			tb.Fatalf("%+v: %v", q, err)
		}
		if len(page.Recorded) > q.Limit {
			tb.Fatalf("%+v: a page of %d", q, len(page.Recorded))
		}
		for _, r := range page.Recorded {
			all = append(all, inWords(r))
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
	}
}

func inWords(r projections.Recorded) string {
	return fmt.Sprint(r.Order.ID, r.Kind, r.Reference, r.At.UTC(), r.Amount)
}

// recordedOf answers a query from the orders themselves.
func recordedOf(orders []domain.Order, q projections.RecordedQuery) (all []string) {
	var left []projections.Recorded
	for _, o := range orders {
		for _, r := range o.Recordings() {
			if (q.Kind == "" || q.Kind == r.Kind) && (q.Manufacturer == "" || q.Manufacturer == o.Manufacturer) &&
				(q.From.IsZero() || !r.At.Before(q.From)) && (q.To.IsZero() || r.At.Before(q.To)) {
				left = append(left, projections.Recorded{Order: o, Recording: r})
			}
		}
	}
	slices.SortStableFunc(left, func(a, b projections.Recorded) int { return a.At.Compare(b.At) })
	for _, r := range left {
		all = append(all, inWords(r))
	}
	return all
}

func TestBadQueriesForObligations(t *testing.T) {
	db := open(t, t.TempDir())
	h := newHistory(t)
	for _, in := range h.place()[:3] {
		stream := eventstore.OrderStream(in.ID())
		h.add(stream, domain.Accepted{})
		h.add(stream, domain.Shipped{})
		h.add(stream, domain.PaymentCaptured{Amount: in.Total, ExternalReference: "INV-" + in.OrderNumber})
		h.add(stream, domain.Refunded{Amount: in.Total})
		h.add(stream, domain.ReversalRecorded{ExternalReference: "CN-" + in.OrderNumber})
	}
	apply(t, db, h.events)
	first, err := db.Recorded(t.Context(), projections.RecordedQuery{Limit: 1})
	if err != nil || first.Next == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	for _, q := range []projections.ObligationQuery{{Limit: -1}, {Limit: 201}, {Kind: "debt"}, {Cursor: "x"}, {Cursor: first.Next}} {
		if _, err := db.Obligations(t.Context(), q); err == nil {
			t.Errorf("%+v was answered", q)
		}
	}
	for _, q := range []projections.RecordedQuery{
		{Limit: -1}, {Limit: 201}, {Kind: "debt"}, {Cursor: "x"}, {Cursor: first.Next, Kind: domain.OwesReversal}, {Cursor: first.Next, From: h.at},
	} {
		if _, err := db.Recorded(t.Context(), q); err == nil {
			t.Errorf("%+v was answered", q)
		}
	}
}

// clock is when the n-th event of an order happened, as record has it.
func clock(n int) time.Time { return time.Date(2026, 11, 2, 9, n, 0, 0, time.UTC) }
