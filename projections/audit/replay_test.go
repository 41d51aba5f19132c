package audit_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/audit"
)

// history is a ledger of two orders, and the positions and instants of its moments.
func history(t *testing.T) (b *book, log tape) {
	b = newBook()
	one := b.place(t, "1", domain.Account)
	b.must(t, one, domain.Accept{}, domain.Capture{ExternalReference: "INV-1"})
	b.place(t, "2", domain.Card)
	b.must(t, one, domain.Ship{}, domain.Archive{})
	return b, record(t, b.store)
}

func TestReplayShowsTheTabsAsTheyStood(t *testing.T) {
	b, log := history(t)
	for i, want := range []map[domain.Tab]int64{
		{domain.TabNew: 1},
		{domain.TabNew: 1},
		{domain.TabPaid: 1},
		{domain.TabPaid: 1, domain.TabNew: 1},
		{domain.TabShipped: 1, domain.TabNew: 1},
		{domain.TabArchived: 1, domain.TabNew: 1},
	} {
		at := begin.Add(time.Duration(i+1) * time.Minute)
		for name, m := range map[string]audit.Moment{"position": {Position: log[i].Position}, "instant": {AsOf: at}} {
			s, err := audit.Replay(t.Context(), b.store, eventstore.Codec{}, m)
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(s.Tabs, want) || s.Position != log[i].Position || s.Events != int64(i+1) {
				t.Errorf("%s of event %d: %+v, want tabs %v", name, i, s, want)
			}
		}
	}
}

func TestReplayNamesTheOrders(t *testing.T) {
	b, _ := history(t)
	s, err := audit.Replay(t.Context(), b.store, eventstore.Codec{}, audit.Moment{})
	if err != nil {
		t.Fatal(err)
	}
	numbers := make([]string, 0, len(s.Orders))
	for _, o := range s.Orders {
		numbers = append(numbers, o.OrderNumber+" "+string(o.Tab)+" "+o.Currency.Format(o.Total))
	}
	if want := []string{"1 archived 95.00 USD", "2 new 95.00 USD"}; !slices.Equal(numbers, want) {
		t.Errorf("orders %q, want %q", numbers, want)
	}
}

// An event that a slow clock dated before its predecessor doesn't count without it.
func TestReplayNeverSkipsWithinAnOrder(t *testing.T) {
	b := newBook()
	id := b.place(t, "1", domain.Account)
	b.must(t, id, domain.Accept{}, domain.Capture{ExternalReference: "INV-1"})
	asOf := b.now
	b.now = b.now.Add(time.Hour)
	b.must(t, id, domain.Ship{})
	b.now = begin
	b.must(t, id, domain.AddNote{NoteID: uuid.Max, Text: "late"}, domain.Archive{})
	s, err := audit.Replay(t.Context(), b.store, eventstore.Codec{}, audit.Moment{AsOf: asOf})
	if err != nil || s.Tabs[domain.TabPaid] != 1 || s.Events != 3 {
		t.Errorf("%+v, %v; want the order in paid after 3 events", s, err)
	}
}

func TestReplayStopsAtAnEventThatItCannotRead(t *testing.T) {
	_, log := history(t)
	log[2].Type = "Unheard"
	_, err := audit.Replay(t.Context(), log, eventstore.Codec{}, audit.Moment{})
	d := (*audit.Difference)(nil)
	if !errors.As(err, &d) || d.Kind != audit.Unreadable || d.Position != log[2].Position {
		t.Errorf("error %v, want a difference at position %d", err, log[2].Position)
	}
}

func TestTimelineIsTheSameFromAStoreAndFromAStreamOfTheLog(t *testing.T) {
	b, log := history(t)
	id := domain.OrderID("acme", "1")
	for name, l := range map[string]audit.Log{"store": b.store, "log": log} {
		entries, err := audit.Timeline(t.Context(), l, eventstore.Codec{}, id)
		if err != nil {
			t.Fatal(err)
		}
		var types []string
		for i, e := range entries {
			types = append(types, e.Type)
			if e.Actor != clerk || e.Hash == "" || e.Revision != eventstore.Revision(i) {
				t.Errorf("%s: entry %d is %+v", name, i, e)
			}
		}
		if want := []string{"Placed", "Accepted", "PaymentCaptured", "Shipped", "Archived"}; !slices.Equal(types, want) {
			t.Errorf("%s: %q, want %q", name, types, want)
		}
		if last := entries[len(entries)-1]; last.Tab != domain.TabArchived || last.Status != domain.StatusShipped {
			t.Errorf("%s: it ends in tab %s, status %s", name, last.Tab, last.Status)
		}
	}
}

func TestTimelineOfNoOrder(t *testing.T) {
	b, _ := history(t)
	_, err := audit.Timeline(t.Context(), b.store, eventstore.Codec{}, uuid.Max)
	var r *domain.Rejection
	if !errors.As(err, &r) || r.Code != domain.OrderNotFound {
		t.Errorf("error %v, want order_not_found", err)
	}
}
