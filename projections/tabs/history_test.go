package tabs_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/projections/tabs"
)

func wantHistory(t *testing.T, db *tabs.DB, id uuid.UUID, limit int, want []eventstore.Recorded, at eventstore.Position) {
	t.Helper()
	h, err := db.History(t.Context(), id, limit)
	if err != nil {
		t.Fatal(err)
	}
	if h.Position != at || h.Order.Exists() == (len(want) == 0) {
		t.Errorf("the history is up to %d, want %d; the order is there: %v", h.Position, at, h.Order.Exists())
	}
	if !slices.EqualFunc(h.Events, want, func(a, b eventstore.Recorded) bool {
		return a.ID == b.ID && a.Type == b.Type && a.Stream == b.Stream && a.Revision == b.Revision && a.Position == b.Position &&
			bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Meta, b.Meta)
	}) {
		t.Errorf("the history is\n%+v, want\n%+v", h.Events, want)
	}
}

// A history is what the log holds of an order and its notices, byte for byte, in the log's order, as far as the model is.
func TestHistory(t *testing.T) {
	var log []eventstore.Recorded
	next := map[string]eventstore.Revision{}
	add := func(stream string, e eventstore.Event) {
		e.ID = uuid.NewSHA1(uuid.Nil, fmt.Append(nil, len(log)))
		log = append(log, eventstore.Recorded{Event: e, Stream: stream, Revision: next[stream], Position: eventstore.Position(10 * (len(log) + 1))})
		next[stream]++
	}
	a, b := domain.OrderID("acme", "1"), domain.OrderID("acme", "2")
	notices := eventstore.NoticeStream(a)
	for _, id := range []uuid.UUID{a, b} {
		stream := eventstore.OrderStream(id)
		placed := domain.Placed{OrderNumber: map[uuid.UUID]string{a: "1", b: "2"}[id], Manufacturer: "acme", Total: 1, Currency: "USD"}
		add(stream, record(t, stream, 0, placed))
	}
	add(notices, record(t, notices, 0, eventstore.NotificationRequested{Notice: uuid.New()}))
	add(eventstore.OrderStream(b), record(t, eventstore.OrderStream(b), 1, domain.Accepted{}))
	add(eventstore.OrderStream(a), record(t, eventstore.OrderStream(a), 1, domain.Accepted{}))
	add(notices, record(t, notices, 1, eventstore.NotificationSent{Notice: uuid.New()}))
	odd := record(t, eventstore.OrderStream(a), 2, domain.NoteAdded{Personal: domain.NoteText{Text: "\n\"prev\":\"\u2028"}})
	odd.Meta = append(bytes.TrimSuffix(odd.Meta, []byte("}")), `,"prev":"","hash":"AB"}`...)
	add(eventstore.OrderStream(a), odd)
	add("payment-pi_1", record(t, "payment-pi_1", 0, eventstore.PaymentClaimed{}))
	ofA := func(end int) (list []eventstore.Recorded) {
		for _, r := range log[:end] {
			if r.Stream == notices || r.Stream == eventstore.OrderStream(a) {
				list = append(list, r)
			}
		}
		return list
	}

	db, err := tabs.Open(t.TempDir(), tabs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Apply(t.Context(), log[:4]); err != nil {
		t.Fatal(err)
	}
	h, err := db.History(t.Context(), a, 99)
	if err != nil || h.Position != 0 || len(h.Events) != 0 || h.Order.Version != 1 {
		t.Errorf("before the file is whole: %+v, %v", h, err)
	}
	if err := db.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantHistory(t, db, a, 99, ofA(4), 40)
	for n := 5; n <= len(log); n++ {
		if _, err := db.Apply(t.Context(), log[n-1:n]); err != nil {
			t.Fatal(err)
		}
		wantHistory(t, db, a, 99, ofA(n), log[n-1].Position)
	}
	wantHistory(t, db, a, 3, ofA(len(log))[:3], 80)
	wantHistory(t, db, domain.OrderID("acme", "3"), 99, nil, 80)
}

// Notices that came before their order, which nothing sends, are not in the model, so all of the history is left to the log.
func TestHistoryWithHoles(t *testing.T) {
	db, err := tabs.Open(t.TempDir(), tabs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h := newHistory(t)
	id := domain.OrderID("acme", "1")
	h.add(eventstore.NoticeStream(id), eventstore.NotificationRequested{Notice: uuid.New()})
	h.add(eventstore.OrderStream(id), domain.Placed{OrderNumber: "1", Manufacturer: "acme", Total: 1, Currency: "USD"})
	h.add(eventstore.NoticeStream(id), eventstore.NotificationSent{Notice: uuid.New()})
	for i := range h.events {
		if _, err := db.Apply(t.Context(), h.events[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := db.History(t.Context(), id, 99)
	if err != nil || got.Position != 0 || len(got.Events) != 0 || !got.Order.Exists() {
		t.Errorf("%+v, %v", got, err)
	}
}

// Batches of any size give the same history, and a rebuilt file is the same as one that followed.
func TestHistoryOfManyOrders(t *testing.T) {
	store := memstore.New()
	fill(t, store, 300)
	db, err := tabs.Open(t.TempDir(), tabs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	catchUp(t, store, db)
	head, err := store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		for i := range 300 {
			stream, _ := sample(i)
			var want []eventstore.Recorded
			for r, err := range store.ReadStream(t.Context(), stream, eventstore.NoStream) {
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, r)
			}
			id, _ := eventstore.OrderOf(stream)
			wantHistory(t, db, id, 99, want, head)
		}
	}
	check()
	report, err := db.Rebuild(t.Context(), store)
	if err != nil || report.Different != 0 || report.Orders != 300 {
		t.Fatalf("%+v, %v", report, err)
	}
	check()
}
