package tabs

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// parking makes the events of orders, each placed, captured in part and parked; those decided about are resumed.
func parking(t *testing.T, numbers, decided []string) (batch []eventstore.Recorded) {
	t.Helper()
	revisions := map[string]eventstore.Revision{}
	add := func(number string, e domain.Event) {
		stream := eventstore.OrderStream(domain.OrderID("acme", number))
		encoded, err := eventstore.Codec{}.Encode(stream, e)
		if err != nil {
			t.Fatal(err)
		}
		encoded.ID = uuid.NewSHA1(uuid.Nil, []byte(number+e.EventType()))
		sealed, _, err := eventstore.Seal(stream, revisions[stream], encoded, eventstore.Envelope{
			Schema: 1, OccurredAt: time.Unix(int64(1000+len(batch)/2), 0), // some at the same instant
		})
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, eventstore.Recorded{
			Event: sealed, Stream: stream, Revision: revisions[stream], Position: eventstore.Position(len(batch) + 1),
		})
		revisions[stream]++
	}
	for _, n := range numbers {
		add(n, domain.Placed{OrderNumber: n, Manufacturer: "acme", Method: domain.Card, Total: 100})
		add(n, domain.CaptureRequested{Amount: 100})
	}
	for i := range numbers { // the last one first
		add(numbers[len(numbers)-1-i], domain.Parked{Reason: "Stripe is silent", Attempts: 3})
	}
	for _, n := range decided {
		add(n, domain.Resumed{Decision: domain.Retry})
	}
	return batch
}

func TestParkedIsListedOldestFirst(t *testing.T) {
	db, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Apply(t.Context(), parking(t, []string{"1", "2", "3", "4", "5", "6"}, []string{"3"})); err != nil {
		t.Fatal(err)
	}
	list := func(limit int) (numbers string) {
		t.Helper()
		for cursor := ""; ; {
			page, err := db.Parked(t.Context(), cursor, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Orders {
				numbers += o.OrderNumber
			}
			if cursor = page.Next; cursor == "" {
				return numbers
			}
		}
	}
	for _, filling := range []bool{true, false} {
		if !filling {
			if err := db.CaughtUp(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, limit := range []int{0, 1, 2, 5} {
			// Of those parked at one instant, the one that arrived first stands first.
			if got := list(limit); got != "56412" {
				t.Errorf("by %d: %s", limit, got)
			}
		}
	}
	if c, err := db.Counts(t.Context()); err != nil || c.Parked != 5 {
		t.Errorf("%d are parked: %v", c.Parked, err)
	}
	for _, bad := range []struct {
		cursor string
		limit  int
	}{{"x", 1}, {"", -1}, {"", 201}, {"e30", 1}} {
		if _, err := db.Parked(t.Context(), bad.cursor, bad.limit); err == nil {
			t.Errorf("%+v was answered", bad)
		}
	}
}

// However many orders there are, only those that are parked, or to be confirmed, are looked at.
func TestParkedAndDueAreIndexed(t *testing.T) {
	planned(t, parkedQuery, "USING COVERING INDEX by_parked", 0, 0, 1)
	planned(t, due, "USING COVERING INDEX by_due (due_from<?)", 0, 0)
}

func planned(t *testing.T, query, by string, args ...any) {
	t.Helper()
	db, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := db.f.read.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var plan string
		if err := rows.Scan(&id, &parent, &unused, &plan); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan, by) {
			t.Errorf("the plan is %s", plan)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
