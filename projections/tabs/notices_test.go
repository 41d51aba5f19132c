package tabs_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/tabs"
)

// An order is marked while somebody could not be told of it; that there was nobody to tell is no failure. Neither moves its version.
func TestFailedNoticesMarkTheirOrder(t *testing.T) {
	h := newHistory(t)
	order := domain.OrderID("acme", "1")
	h.add(eventstore.OrderStream(order), domain.Placed{OrderNumber: "1", Manufacturer: "acme", Method: domain.Account, Total: 1, Currency: "USD"})
	db, err := tabs.Open(t.TempDir(), tabs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	notice, other := uuid.New(), uuid.New()
	stream := eventstore.NoticeStream(order)
	done := 0
	for _, step := range []struct {
		event domain.Event
		marks int
	}{
		{eventstore.NotificationSent{Notice: other}, 0},
		{eventstore.NotificationFailed{Notice: other, Code: eventstore.NoticeNoAddress}, 0},
		{eventstore.NotificationFailed{Notice: notice, Code: eventstore.NoticeRefused}, 1},
		{eventstore.NotificationFailed{Notice: notice, Code: eventstore.NoticeGivenUp}, 1},
		{eventstore.NotificationRequested{Notice: notice}, 1},
		{eventstore.NotificationSent{Notice: other}, 1},
		{eventstore.NotificationSent{Notice: notice}, 0},
	} {
		h.add(stream, step.event)
		changes, err := db.Apply(t.Context(), h.events[done:])
		if err != nil {
			t.Fatal(err)
		}
		if want := 1 - min(done, 1); len(changes) != want {
			t.Errorf("%d changes of the order, want %d", len(changes), want)
		}
		done = len(h.events)
		o, err := db.Order(t.Context(), order)
		if err != nil || o.Version != 1 || len(o.Untold) != step.marks {
			t.Errorf("after %+v: version %d, %v, %v", step.event, o.Version, o.Untold, err)
		}
		page, err := db.List(t.Context(), projections.Query{Badge: []domain.Badge{domain.BadgeNotificationFailed}})
		if err != nil || len(page.Orders) != step.marks {
			t.Errorf("after %+v: %d orders are marked, %v", step.event, len(page.Orders), err)
		}
	}
	h.add(eventstore.NoticeStream(uuid.New()), eventstore.NotificationFailed{Notice: notice, Code: eventstore.NoticeRefused})
	if _, err := db.Apply(t.Context(), h.events[done:]); err != nil {
		t.Errorf("a notice of no order: %v", err)
	}
}
