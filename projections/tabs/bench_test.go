package tabs_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/tabs"
)

var (
	companies = []string{"Vins et alcools Chevalier", "Toms Spezialitäten", "Hanari Carnes", "Suprêmes délices", "Ernst Handel", "Müller & Söhne GmbH"}
	people    = []string{"Paul Henriot", "Karin Josephs", "Mario Pontes", "Pascale Cartrain", "João Câmara", "Ann Devon", "Zoë Øster"}
	makers    = []string{"northwind", "acme", "contoso"}
)

// sample is the i-th of many orders: its events, in the order in which they happen.
func sample(i int) (stream string, events []domain.Event) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i%400_000) * time.Minute)
	number, maker := strconv.Itoa(100_000+i), makers[i%7%len(makers)]
	amount := int64(1000 + (i*7919)%90_000)
	total := 3*amount + 995
	placed := domain.Placed{
		OrderNumber: number, Manufacturer: maker, PlacedAt: begin, ShippingMethod: "Federal Shipping", Currency: "USD",
		Lines: []domain.Line{
			{SKU: "NW-11", Description: "Queso Cabrales", Quantity: 12, UnitPrice: 1400, Amount: amount},
			{SKU: "NW-42", Description: "Singaporean Hokkien Fried Mee", Quantity: 10, UnitPrice: 980, Amount: amount},
			{SKU: "NW-72", Description: "Mozzarella di Giovanni", Quantity: 5, UnitPrice: 3480, Amount: amount},
		},
		Subtotal: 3 * amount, Freight: 995, Total: total, Method: domain.Card,
		Authorization: domain.Authorization{
			PaymentIntent: fmt.Sprintf("pi_%08d", i), Status: "requires_capture", Amount: total, Currency: "USD", Brand: "visa",
			Last4: "4242", CaptureBefore: begin.Add(7 * 24 * time.Hour),
		},
		Confirm:     domain.Confirmation{By: begin.Add(24 * time.Hour), DueFrom: begin.Add(15 * time.Hour), Zone: "UTC", Calendar: "weekdays"},
		ContentHash: "4ec9599fc203d176a301536c2e091a19bc852759b255bd6818810a42c5fed14a",
		Personal: domain.PersonalData{
			Customer: domain.Customer{
				ID: fmt.Sprintf("C%05d", i%50_000), Name: people[i%len(people)], Company: fmt.Sprint(companies[i%11%len(companies)], " ", i%50_000),
				Email: fmt.Sprintf("buyer%d@example.com", i%50_000),
			},
			BillingAddress:  domain.Address{Line1: "59 rue de l'Abbaye", City: "Reims", PostalCode: "51100", Country: "FR"},
			ShippingAddress: domain.Address{Line1: "59 rue de l'Abbaye", City: "Reims", PostalCode: "51100", Country: "FR"},
		},
	}
	all := []domain.Event{
		placed,
		domain.Accepted{},
		domain.CaptureRequested{PaymentIntent: placed.Authorization.PaymentIntent, Amount: total, Currency: "USD"},
		domain.PaymentCaptured{Amount: total, Currency: "USD", PaymentIntent: placed.Authorization.PaymentIntent, Charge: fmt.Sprintf("ch_%08d", i)},
		domain.Shipped{Tracking: []domain.Tracking{{Carrier: "ups", Number: fmt.Sprintf("1Z999AA1%010d", i)}}},
		domain.Refunded{Refund: fmt.Sprintf("re_%08d", i), Amount: total, Currency: "USD"},
		domain.Archived{},
	}
	length := 5 // most are shipped
	switch i % 20 {
	case 0, 1, 2:
		length = 1
	case 3:
		length = 2
	case 4, 5, 6:
		length = 4
	case 7:
		length = 6
	case 8:
		length = 7
	}
	return eventstore.OrderStream(domain.OrderID(maker, number)), all[:length]
}

// record seals an event at a place, with a fixed clock.
func record(tb rapid.TB, stream string, revision int, e domain.Event) eventstore.Event {
	tb.Helper()
	encoded, err := eventstore.Codec{}.Encode(stream, e)
	if err != nil {
		tb.Fatal(err)
	}
	encoded.ID = uuid.NewSHA1(uuid.Nil, fmt.Append(nil, stream, revision))
	sealed, _, err := eventstore.Seal(stream, eventstore.Revision(revision), encoded, eventstore.Envelope{
		Schema: 1, OccurredAt: time.Date(2026, 11, 2, 9, revision, 0, 0, time.UTC),
		Actor: domain.Actor{ID: "clerk-1", Role: domain.Manager, Via: domain.ViaUI}, CommandID: encoded.ID,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return sealed
}

// fill writes orders into a log, their events side by side as in a busy ledger: 500 orders are worked on at a time.
func fill(tb testing.TB, store eventstore.Store, orders int) (events int) {
	tb.Helper()
	const together = 500
	for first := 0; first < orders; first += together {
		for revision := range 7 {
			var batch []eventstore.Proposed
			for i := first; i < min(first+together, orders); i++ {
				if stream, all := sample(i); revision < len(all) {
					batch = append(batch, eventstore.Proposed{
						Stream: stream, Expected: eventstore.Revision(revision - 1), Event: record(tb, stream, revision, all[revision]),
					})
				}
			}
			if _, err := store.AppendMany(context.Background(), batch); err != nil {
				tb.Fatal(err)
			}
			events += len(batch)
		}
	}
	return events
}

// catchUp runs a projector until the read model holds the log and has its indexes.
func catchUp(tb testing.TB, store eventstore.Store, db *tabs.DB) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := projections.NewProjector("tabs", store, db)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	}()
	if err := p.WaitReady(ctx); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkProject projects a log into an empty read model, to the end, indexes and all.
func BenchmarkProject(b *testing.B) {
	store := memstore.New()
	events := fill(b, store, 50_000)
	for b.Loop() {
		db, err := tabs.Open(b.TempDir(), tabs.Options{})
		if err != nil {
			b.Fatal(err)
		}
		catchUp(b, store, db)
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkList reads pages of 50 from ORDERLEDGER_BENCH_ORDERS orders (50,000 when not set; 1,000,000 is what counts).
// With ORDERLEDGER_BENCH_DIR the read model is kept there and used again.
func BenchmarkList(b *testing.B) {
	orders := 50_000
	if s := os.Getenv("ORDERLEDGER_BENCH_ORDERS"); s != "" {
		var err error
		if orders, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	dir := os.Getenv("ORDERLEDGER_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	db, err := tabs.Open(dir, tabs.Options{Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if at, err := db.Checkpoint(b.Context()); err != nil {
		b.Fatal(err)
	} else if at == 0 {
		stream(b, db, orders)
	}
	lists := []projections.Query{
		{Text: "1Z999AA10000012345"},
		{Text: "muller 4711"},
		{Text: "joao"},
		{Text: "buyer77"},
		{Text: "pi_0001"},
		{Text: "e", Tab: domain.TabNew},
		{Badge: []domain.Badge{domain.BadgeConfirmationDue}, Sort: "total"},
		{Badge: []domain.Badge{domain.BadgeAuthorizationExpiring}, Sort: "customer"},
		{PlacedFrom: now, PlacedTo: now.AddDate(0, 0, 1), Sort: "total"},
		{PlacedFrom: now, PlacedTo: now.AddDate(0, 3, 0), Sort: "total"},
		{Status: []domain.Status{domain.StatusAccepted}, Sort: "-total"},
		{Manufacturer: []string{"acme"}, Sort: "customer"},
		{Payment: []domain.PaymentState{domain.WasRefund}, Sort: "confirm_by"},
	}
	for _, tab := range append([]domain.Tab{""}, domain.Tabs...) {
		for _, column := range projections.SortColumns {
			lists = append(lists, projections.Query{Tab: tab, Sort: column}, projections.Query{Tab: tab, Sort: "-" + column})
		}
	}
	benchPace(b, db, now)
	for _, q := range lists {
		name := fmt.Sprintf("tab=%s sort=%s text=%s badge=%s status=%s payment=%s by=%s dated=%v", q.Tab, q.Sort, q.Text, q.Badge, q.Status,
			q.Payment, q.Manufacturer, !q.PlacedFrom.IsZero())
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := db.List(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// stream applies many orders without keeping their log.
func stream(b *testing.B, db *tabs.DB, orders int) {
	var position eventstore.Position
	var batch []eventstore.Recorded
	flush := func() {
		if _, err := db.Apply(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		batch = batch[:0]
	}
	for i := range orders {
		name, events := sample(i)
		for revision, e := range events {
			position++
			batch = append(batch, eventstore.Recorded{
				Event: record(b, name, revision, e), Stream: name, Revision: eventstore.Revision(revision), Position: position,
			})
		}
		if len(batch) > 4000 || i == orders-1 {
			flush()
		}
	}
	if err := db.CaughtUp(b.Context()); err != nil {
		b.Fatal(err)
	}
}
