package tabs_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/tabs"
)

// day sums up what a Pace says of a day.
func day(d projections.Day, c domain.Currency) [4]int64 {
	return [4]int64{d.Orders, d.Totals[c], d.Captured[c], d.Refunded[c]}
}

func TestPace(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	h := newHistory(t)
	place := func(number string, at time.Time, m domain.Method, c domain.Currency, then ...domain.Event) string {
		h.at = at
		stream := eventstore.OrderStream(domain.OrderID("acme", number))
		h.add(stream, domain.Placed{OrderNumber: number, Manufacturer: "acme", PlacedAt: at.AddDate(0, 0, -40), Currency: c, Total: 1000, Method: m})
		for _, e := range then {
			h.at = h.at.Add(time.Hour)
			h.add(stream, e)
		}
		return stream
	}
	midnight := time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC) // in Berlin the 24th begins
	capture := domain.PaymentCaptured{Amount: 1000, Currency: "EUR", Charge: "ch_1"}
	place("before", midnight.Add(-time.Minute), domain.Card, "EUR")
	stream := place("paid", midnight, domain.Card, "EUR", domain.Accepted{}, capture, domain.Shipped{}, domain.Refunded{Refund: "re_1"})
	h.at = time.Date(2026, 11, 24, 23, 30, 0, 0, time.UTC)
	h.add(stream, domain.RefundFailed{Refund: "re_1"}) // in Berlin, the 25th: the money is back
	morning := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	place("dollars", morning, domain.Account, "USD", domain.Accepted{}, domain.PaymentCaptured{Amount: 1000, ExternalReference: "I1"}, domain.Cancelled{How: domain.NothingToRelease})
	place("nothing taken", morning, domain.Account, "USD", domain.Accepted{}, domain.Shipped{}, domain.Refunded{})

	whole := open(t, t.TempDir())
	apply(t, whole, h.events)
	oneByOne := open(t, t.TempDir())
	for _, e := range h.events {
		apply(t, oneByOne, []eventstore.Recorded{e})
	}
	for name, db := range map[string]interface {
		Pace(context.Context, projections.PaceQuery) (projections.Pace, error)
	}{"in one batch": whole, "one by one": oneByOne} {
		p, err := db.Pace(t.Context(), projections.PaceQuery{Last: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), Days: 3, Zone: berlin})
		if err != nil || len(p.Days) != 3 {
			t.Fatalf("%s: %d days, %v", name, len(p.Days), err)
		}
		for i, want := range []struct{ eur, usd [4]int64 }{
			{eur: [4]int64{1, 1000, 0, 0}, usd: [4]int64{1}},
			{eur: [4]int64{1, 1000, 1000, 1000}, usd: [4]int64{1}},
			{eur: [4]int64{2, 0, 0, -1000}, usd: [4]int64{2, 2000, 1000, 1000}},
		} {
			if eur, usd := day(p.Days[i], "EUR"), day(p.Days[i], "USD"); eur != want.eur || usd != want.usd {
				t.Errorf("%s, day %d (%s): EUR %v, USD %v, want %+v", name, i, p.Days[i].Begin, eur, usd, want)
			}
		}
		if p.Accept.Count != 3 || p.Ship.Count != 2 || !about(p.Accept.Median, time.Hour) || !about(p.Ship.P90, 3*time.Hour) {
			t.Errorf("%s: accepted %+v, shipped %+v", name, p.Accept, p.Ship)
		}
	}
	if _, err := whole.Pace(t.Context(), projections.PaceQuery{Days: 401, Zone: time.UTC}); err == nil {
		t.Error("more than 400 days")
	}
	report, err := whole.Rebuild(t.Context(), logOf(t, h))
	if err != nil || report.Different != 0 {
		t.Errorf("rebuilt: %+v, %v", report, err)
	}
}

// about allows for the steps in which durations are kept.
func about(got, want time.Duration) bool {
	return float64(got) > .94*float64(want) && float64(got) < 1.06*float64(want)
}

// logOf is a log that holds a history.
func logOf(t *testing.T, h *history) eventstore.Store {
	t.Helper()
	store := memstore.New()
	for _, r := range h.events {
		if _, err := store.Append(t.Context(), r.Stream, r.Revision-1, r.Event); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// The days of a clock change are 23 and 25 hours long.
func TestPaceWhenTheClocksChange(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	db := open(t, t.TempDir())
	p, err := db.Pace(t.Context(), projections.PaceQuery{Last: time.Date(2026, 10, 26, 12, 0, 0, 0, berlin), Days: 3, Zone: berlin})
	if err != nil {
		t.Fatal(err)
	}
	if long := p.Days[2].Begin.Sub(p.Days[1].Begin); long != 25*time.Hour || p.Days[1].Begin.Hour() != 0 || p.Accept.Count != 0 {
		t.Errorf("%s, from %s: %+v", long, p.Days[1].Begin, p.Accept)
	}
}

func TestBadgeCounts(t *testing.T) {
	h := newHistory(t)
	add := func(number string, p domain.Placed, then ...domain.Event) {
		p.OrderNumber, p.Manufacturer, p.Currency, p.Total = number, "acme", "USD", 100
		stream := eventstore.OrderStream(domain.OrderID("acme", number))
		for _, e := range append([]domain.Event{p}, then...) {
			h.add(stream, e)
		}
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	hold := domain.Placed{Method: domain.Card, Authorization: domain.Authorization{PaymentIntent: "pi", CaptureBefore: now.Add(24 * time.Hour)}}
	due := domain.Placed{Method: domain.Account, Confirm: domain.Confirmation{DueFrom: now.Add(-time.Hour), By: now.Add(time.Hour)}}
	add("ends soon", hold, domain.Accepted{})
	add("ends later", domain.Placed{Method: domain.Card, Authorization: domain.Authorization{PaymentIntent: "pi", CaptureBefore: now.Add(100 * time.Hour)}})
	add("due", due)
	add("due, accepted", due, domain.Accepted{})
	paid := []domain.Event{domain.Accepted{}, domain.PaymentCaptured{Amount: 100, Charge: "ch"}}
	add("paid", hold, append(paid, domain.RefundFailed{Refund: "re"})...)
	add("shipped", hold, append(paid, domain.Shipped{}, domain.RefundFailed{Refund: "re"})...)
	db := open(t, t.TempDir())
	apply(t, db, h.events)
	c, err := db.BadgeCounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c[domain.BadgeAuthorizationExpiring][domain.TabNew] != 1 || c.Of(domain.BadgeAuthorizationExpiring) != 1 || c.Of(domain.BadgeConfirmationDue) != 1 ||
		c[domain.BadgeRefundFailed][domain.TabPaid] != 1 || c[domain.BadgeRefundFailed][domain.TabShipped] != 1 || c.Of(domain.BadgeRefundFailed) != 2 ||
		c.Of(domain.BadgeParked) != 0 {
		t.Errorf("%v", c)
	}
}

// benchPace reads what the overview shows.
func benchPace(b *testing.B, db *tabs.DB, now time.Time) {
	for _, days := range []int{30, 90, 365} {
		b.Run("pace days="+strconv.Itoa(days), func(b *testing.B) {
			for b.Loop() {
				if _, err := db.Pace(b.Context(), projections.PaceQuery{Last: now, Days: days, Zone: time.UTC}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("badges", func(b *testing.B) {
		for b.Loop() {
			if _, err := db.BadgeCounts(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
