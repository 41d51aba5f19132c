package tabs_test

import (
	"bufio"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/tabs"
)

// history writes events as the log would hold them.
type history struct {
	t      *testing.T
	at     time.Time
	events []eventstore.Recorded
	next   map[string]eventstore.Revision
}

func newHistory(t *testing.T) *history {
	return &history{t: t, at: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), next: map[string]eventstore.Revision{}}
}

func (h *history) add(stream string, e domain.Event) eventstore.Recorded {
	h.t.Helper()
	encoded, err := eventstore.Codec{}.Encode(stream, e)
	if err != nil {
		h.t.Fatal(err)
	}
	revision := h.next[stream]
	h.next[stream]++
	h.at = h.at.Add(time.Second)
	encoded.ID = uuid.NewSHA1(uuid.Nil, []byte(stream+e.EventType()+h.at.String()))
	sealed, _, err := eventstore.Seal(stream, revision, encoded, eventstore.Envelope{
		Schema: 1, OccurredAt: h.at, Actor: domain.Actor{ID: "shop", Role: domain.Shop, Via: domain.ViaAPI},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	r := eventstore.Recorded{Event: sealed, Stream: stream, Revision: revision, Position: eventstore.Position(len(h.events) + 1)}
	h.events = append(h.events, r)
	return r
}

// place adds the orders of the sample and returns them.
func (h *history) place() []domain.Intake {
	h.t.Helper()
	f, err := os.Open(filepath.Join("testdata", "orders.jsonl"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	var all []domain.Intake
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var in domain.Intake
		if err := domain.DecodeJSON(lines.Bytes(), &in); err != nil {
			h.t.Fatal(err)
		}
		h.add(eventstore.OrderStream(in.ID()), domain.Placed{
			OrderNumber: in.OrderNumber, Manufacturer: in.Manufacturer, PlacedAt: in.PlacedAt, Lines: in.Lines,
			Currency: in.Currency, Subtotal: in.Subtotal, Freight: in.Freight, Tax: in.Tax, Total: in.Total, Method: in.Payment.Method,
			Confirm:  domain.Confirmation{By: h.at.AddDate(0, 0, 1), DueFrom: h.at},
			Personal: domain.PersonalData{Customer: in.Customer, ShippingAddress: in.ShippingAddress},
		})
		all = append(all, in)
	}
	return all
}

func open(t *testing.T, dir string) *tabs.DB {
	t.Helper()
	db, err := tabs.Open(dir, tabs.Options{Now: func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func apply(t *testing.T, db *tabs.DB, events []eventstore.Recorded) {
	t.Helper()
	if len(events) == 0 {
		t.Fatal("nothing to apply")
	}
	if _, err := db.Apply(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if err := db.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestEventsAtOrBeforeTheCheckpointCountOnce(t *testing.T) {
	h := newHistory(t)
	all := h.place()
	dir := t.TempDir()
	db := open(t, dir)
	apply(t, db, h.events)
	apply(t, db, h.events)
	h.add(eventstore.OrderStream(all[0].ID()), domain.Cancelled{How: domain.NothingToRelease})
	apply(t, db, h.events)
	check := func(db *tabs.DB) {
		t.Helper()
		c, err := db.Counts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.Tabs[domain.TabNew] != int64(len(all)-1) || c.Tabs[domain.TabCancelled] != 1 || int(c.Position) != len(h.events) {
			t.Errorf("counts %v at %d", c.Tabs, c.Position)
		}
	}
	check(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	check(open(t, dir))
}

func TestListPagesThroughEverythingOnceInEveryOrder(t *testing.T) {
	h := newHistory(t)
	all := h.place()
	db := open(t, t.TempDir())
	apply(t, db, h.events)
	for _, column := range projections.SortColumns {
		for _, sign := range []string{"", "-"} {
			seen := map[uuid.UUID]bool{}
			q := projections.Query{Tab: domain.TabNew, Sort: sign + column, Limit: 7}
			for {
				page, err := db.List(t.Context(), q)
				if err != nil {
					t.Fatalf("%s: %v", q.Sort, err)
				}
				for _, o := range page.Orders {
					if seen[o.ID] {
						t.Fatalf("%s: %s shown twice", q.Sort, o.OrderNumber)
					}
					seen[o.ID] = true
				}
				if page.Next == "" {
					break
				}
				q.Cursor = page.Next
			}
			if len(seen) != len(all) {
				t.Errorf("sorted by %s: %d of %d orders", q.Sort, len(seen), len(all))
			}
		}
	}
}

func TestSearchFindsByWordsWithoutAccents(t *testing.T) {
	h := newHistory(t)
	all := h.place()
	stream := eventstore.OrderStream(all[0].ID())
	h.add(stream, domain.Accepted{})
	h.add(stream, domain.Shipped{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z999AA10123456784"}}})
	db := open(t, t.TempDir())
	apply(t, db, h.events)
	for _, tt := range []struct {
		text string
		want string // an order number among the results
	}{
		{"10248", "10248"},
		{"Spezialitäten", "10249"},
		{"spezialitaten toms", "10249"},
		{"SUPREMES DELICES", "10252"},
		{"vinet@example.com", "10248"},
		{"1z999aa10123456784", "10248"},
		{"karin jos", "10249"},
	} {
		page, err := db.List(t.Context(), projections.Query{Text: tt.text})
		if err != nil {
			t.Fatalf("%q: %v", tt.text, err)
		}
		found := false
		for _, o := range page.Orders {
			found = found || o.OrderNumber == tt.want
		}
		if !found || len(page.Orders) == len(all) {
			t.Errorf("%q: %d orders, %s among them: %v", tt.text, len(page.Orders), tt.want, found)
		}
	}
	for _, hostile := range []string{`"`, `" OR 1`, `NEAR(a b)`, `text:*`, `'; DROP TABLE orders; --`, `a* AND`, "\x00", "(", "^", "-", "%_"} {
		if _, err := db.List(t.Context(), projections.Query{Text: hostile}); err != nil {
			t.Errorf("%q: %v", hostile, err)
		}
	}
}

func TestFiltersAndBadQueries(t *testing.T) {
	h := newHistory(t)
	all := h.place()
	db := open(t, t.TempDir())
	apply(t, db, h.events)
	count := func(q projections.Query) int {
		t.Helper()
		page, err := db.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Orders)
	}
	accounts := 0
	for _, in := range all {
		if in.Payment.Method == domain.Account {
			accounts++
		}
	}
	if n := count(projections.Query{Payment: []domain.PaymentState{domain.Open}}); n != accounts || n == 0 {
		t.Errorf("%d orders on account, want %d", n, accounts)
	}
	if n := count(projections.Query{Badge: []domain.Badge{domain.BadgeConfirmationDue}}); n != len(all) {
		t.Errorf("%d orders due, want %d", n, len(all))
	}
	if n := count(projections.Query{Badge: []domain.Badge{domain.BadgeParked}}); n != 0 {
		t.Errorf("%d parked", n)
	}
	first, err := db.List(t.Context(), projections.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []projections.Query{
		{Sort: "doc"},
		{Limit: 1000},
		{Limit: -1},
		{Cursor: "x"},
		{Tab: "paid", Cursor: first.Next},
		{Tab: "none"},
		{Badge: []domain.Badge{domain.BadgeParked, "none"}},
		{Status: []domain.Status{"none"}},
		{TotalFrom: -1},
		{TotalFrom: 5, TotalTo: 4},
		{Manufacturer: make([]string, projections.MaxValues+1)},
		{Status: make([]domain.Status, projections.MaxValues+1)},
	} {
		if _, err := db.List(t.Context(), bad); err == nil {
			t.Errorf("%+v was answered", bad)
		}
	}
}

func TestAnEventThatCantBeReadChangesNothing(t *testing.T) {
	h := newHistory(t)
	h.place()
	db := open(t, t.TempDir())
	apply(t, db, h.events)
	strange := h.events[0]
	strange.Position, strange.Revision, strange.Type = eventstore.Position(len(h.events)+1), 1, "Teleported"
	if _, err := db.Apply(t.Context(), []eventstore.Recorded{strange}); err == nil {
		t.Fatal("an unknown event was taken in")
	}
	at, err := db.Checkpoint(t.Context())
	if err != nil || int(at) != len(h.events) {
		t.Errorf("checkpoint %d, %v", at, err)
	}
}
