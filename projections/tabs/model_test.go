package tabs_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
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

// everything lists a query through all its pages.
func everything(tb rapid.TB, db *tabs.DB, q projections.Query) []domain.Order {
	tb.Helper()
	var all []domain.Order
	for {
		page, err := db.List(context.Background(), q)
		if err != nil {
			tb.Fatalf("%+v: %v", q, err)
		}
		if len(page.Orders) > q.Limit {
			tb.Fatalf("%+v: a page of %d", q, len(page.Orders))
		}
		all = append(all, page.Orders...)
		if page.Next == "" {
			return all
		}
		q.Cursor = page.Next
	}
}

// naive answers a query from orders as they came in, the plainest way.
func naive(orders []domain.Order, q projections.Query, now time.Time) []uuid.UUID {
	var left []domain.Order
	for _, o := range orders {
		badged := slices.ContainsFunc(q.Badge, func(b domain.Badge) bool { return slices.Contains(o.Badges(now), b) })
		if (q.Tab == "" || q.Tab == o.Tab()) && (q.Method == "" || q.Method == o.Method) && anyOf(q.Status, o.Status()) &&
			anyOf(q.Payment, o.PaymentState()) && (len(q.Badge) == 0 || badged) && anyOf(q.Manufacturer, o.Manufacturer) &&
			(q.PlacedBy == "" || q.PlacedBy == o.PlacedBy) && (q.Customer == "" || q.Customer == o.Personal.Customer.ID) &&
			(q.Currency == "" || q.Currency == o.Currency) && o.Total >= q.TotalFrom && (q.TotalTo == 0 || o.Total <= q.TotalTo) &&
			(q.PlacedFrom.IsZero() || !o.PlacedAt.Before(q.PlacedFrom)) && (q.PlacedTo.IsZero() || o.PlacedAt.Before(q.PlacedTo)) &&
			(q.Text == "" || isNamed(o, q.Text) || strings.Contains(strings.ToLower(o.Personal.Customer.Name), q.Text)) {
			left = append(left, o)
		}
	}
	column, descending := strings.CutPrefix(cmp.Or(q.Sort, "-placed_at"), "-")
	if descending {
		slices.Reverse(left)
	}
	slices.SortStableFunc(left, func(a, b domain.Order) int {
		if descending {
			a, b = b, a
		}
		switch column {
		case "order_number":
			return cmp.Compare(a.OrderNumber, b.OrderNumber)
		case "customer":
			return cmp.Compare(strings.ToLower(a.Personal.Customer.Company), strings.ToLower(b.Personal.Customer.Company))
		case "placed_at":
			return a.PlacedAt.Compare(b.PlacedAt)
		case "manufacturer":
			return cmp.Compare(a.Manufacturer, b.Manufacturer)
		case "total":
			return cmp.Compare(a.Total, b.Total)
		case "payment":
			return cmp.Compare(slices.Index(domain.PaymentStates, a.PaymentState()), slices.Index(domain.PaymentStates, b.PaymentState()))
		case "status":
			return cmp.Compare(slices.Index(domain.Statuses, a.Status()), slices.Index(domain.Statuses, b.Status()))
		}
		if a.Due().IsZero() != b.Due().IsZero() {
			return cmp.Compare(b.Due().Unix(), a.Due().Unix()) // the zero time is the last one
		}
		return a.Due().Compare(b.Due())
	})
	ids := make([]uuid.UUID, len(left))
	for i, o := range left {
		ids[i] = o.ID
	}
	return ids
}

func anyOf[T comparable](wanted []T, v T) bool { return len(wanted) == 0 || slices.Contains(wanted, v) }

// isNamed says whether a text names an order.
func isNamed(o domain.Order, text string) bool {
	names := []string{o.OrderNumber, o.Personal.Customer.Email, o.Hold.PaymentIntent, o.Charge, o.Refund}
	for _, t := range o.Tracking {
		names = append(names, t.Number)
	}
	return slices.Contains(names, text)
}

func idsOf(orders []domain.Order) []uuid.UUID {
	ids := make([]uuid.UUID, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	return ids
}

var midYear = time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC)

// random is a read model of a random history in random batches, and the orders as the rules alone fold them.
func random(rt *rapid.T, db *tabs.DB) []domain.Order {
	kinds := []domain.Event{
		domain.Accepted{},
		domain.CaptureRequested{},
		domain.PaymentCaptured{Charge: "ch_1"},
		domain.PaymentCaptured{ExternalReference: "INV-1"},
		domain.PaymentCaptured{Answer: domain.Answer{Source: domain.FromElsewhere}},
		domain.ReversalRecorded{ExternalReference: "CN-1"},
		domain.CaptureFailed{},
		domain.Shipped{},
		domain.Shipped{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z-A"}}},
		domain.TrackingCorrected{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z-B"}, {Number: "1Z-A"}}},
		domain.TrackingCorrected{},
		domain.Refunded{Refund: "re_1"},
		domain.RefundFailed{},
		domain.CancelFailed{},
		domain.Cancelled{How: domain.HoldReleased},
		domain.Archived{},
		domain.Unarchived{},
		domain.ConfirmationMissed{},
		domain.AuthorizationExpired{},
		domain.DisputeOpened{Dispute: "dp_1"},
		domain.Parked{},
	}
	type one struct {
		stream string
		order  domain.Order
	}
	var orders []*one
	var batch []eventstore.Recorded
	position := eventstore.Position(0)
	add := func(o *one, e domain.Event) {
		position++
		ev := record(rt, o.stream, o.order.Version, e)
		batch = append(batch, eventstore.Recorded{Event: ev, Stream: o.stream, Revision: eventstore.Revision(o.order.Version), Position: position})
		env, err := eventstore.ReadEnvelope(ev)
		if err != nil {
			rt.Fatal(err)
		}
		o.order = domain.Evolve(o.order, e, eventstore.Stamp(ev, env))
	}
	for range rapid.IntRange(10, 120).Draw(rt, "events") {
		if i := rapid.IntRange(0, 30).Draw(rt, "order"); i < len(orders) {
			add(orders[i], rapid.SampledFrom(kinds).Draw(rt, "event"))
		} else {
			stream, events := sample(len(orders) * 13)
			o := &one{stream: stream}
			orders = append(orders, o)
			placed := events[0].(domain.Placed)
			if len(orders)%2 == 0 {
				placed.Method, placed.Currency = domain.Account, "EUR"
			}
			add(o, placed)
		}
		if rapid.IntRange(0, 9).Draw(rt, "cut") == 0 {
			if _, err := db.Apply(context.Background(), batch); err != nil {
				rt.Fatal(err)
			}
			if rapid.Bool().Draw(rt, "again") { // delivered twice, counted once
				if _, err := db.Apply(context.Background(), batch); err != nil {
					rt.Fatal(err)
				}
			}
			batch = nil
			if rapid.IntRange(0, 3).Draw(rt, "caught up") == 0 {
				if err := db.CaughtUp(context.Background()); err != nil {
					rt.Fatal(err)
				}
			}
		}
	}
	if _, err := db.Apply(context.Background(), batch); err != nil {
		rt.Fatal(err)
	}
	all := make([]domain.Order, len(orders))
	for i, o := range orders {
		all[i] = o.order
	}
	return all
}

func TestRandomHistoriesAgainstThePlainestModel(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); underRace && checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("15"); err != nil { // there is one goroutine: what is random is looked for without the detector
			t.Fatal(err)
		}
		defer func() { _ = checks.Value.Set(checks.DefValue) }()
	}
	rapid.Check(t, func(rt *rapid.T) {
		db, err := tabs.Open(t.TempDir(), tabs.Options{Now: func() time.Time { return midYear }})
		if err != nil {
			rt.Fatal(err)
		}
		defer db.Close()
		orders := random(rt, db)
		want := map[domain.Tab]int64{}
		for _, o := range orders {
			want[o.Tab()]++
		}
		counts, err := db.Counts(context.Background())
		if err != nil {
			rt.Fatal(err)
		}
		for _, tab := range domain.Tabs {
			if counts.Tabs[tab] != want[tab] {
				rt.Errorf("%s: %d orders, want %d", tab, counts.Tabs[tab], want[tab])
			}
		}
		parked := slices.DeleteFunc(slices.Clone(orders), func(o domain.Order) bool { return !o.Pending.Parked })
		slices.SortStableFunc(parked, func(a, b domain.Order) int { return a.Pending.ParkedAt.Compare(b.Pending.ParkedAt) })
		if page, err := db.Parked(context.Background(), "", 200); err != nil || counts.Parked != int64(len(parked)) ||
			!slices.Equal(idsOf(page.Orders), idsOf(parked)) {
			rt.Errorf("%d are parked, %v; want %v, %v", counts.Parked, idsOf(page.Orders), idsOf(parked), err)
		}
		for range 3 {
			obligationsAgree(rt, db, orders)
		}
		for _, name := range []string{"1Z-A", "1Z-B", "ch_1", "re_1", "pi_00000013", "buyer26@example.com", "100039", "nothing"} {
			namedAgree(rt, db, orders, name)
		}
		due, missed, unreviewed := int64(0), int64(0), int64(0)
		for _, o := range orders {
			if slices.Contains(o.Badges(midYear), domain.BadgeConfirmationDue) {
				due++
			}
			if o.ConfirmationMissed && o.Status() == domain.StatusPlaced {
				missed++
			}
			if o.Tab() == domain.TabNew && o.Status() == domain.StatusPlaced {
				unreviewed++
			}
		}
		if counts.Due != due || counts.Missed != missed || counts.Unreviewed != unreviewed {
			rt.Errorf("%d are due, %d were missed, %d nobody looked at; want %d, %d, %d",
				counts.Due, counts.Missed, counts.Unreviewed, due, missed, unreviewed)
		}
		db.SetFew(rapid.SampledFrom([]int{1, 4000}).Draw(rt, "few"))
		for range 20 {
			q := projections.Query{Limit: rapid.IntRange(1, 9).Draw(rt, "limit")}
			q.Sort = rapid.SampledFrom([]string{"", "-"}).Draw(rt, "way") + rapid.SampledFrom(projections.SortColumns).Draw(rt, "sort")
			q.Tab = rapid.SampledFrom(append(domain.Tabs, "", "", "")).Draw(rt, "tab")
			switch rapid.IntRange(0, 11).Draw(rt, "filter") {
			case 0:
				q.Badge = draw(rt, "badge", domain.Badges)
			case 1:
				q.Status = draw(rt, "status", domain.Statuses)
			case 2:
				q.Payment = draw(rt, "payment", domain.PaymentStates)
			case 3:
				q.Manufacturer = draw(rt, "manufacturer", makers)
			case 4:
				q.PlacedFrom, q.PlacedTo = midYear.Add(-time.Hour), midYear.Add(2*time.Hour)
			case 5:
				q.Text = rapid.SampledFrom([]string{"joseph", "jos", "k", "1Z-A", "ch_1", "100013", "nobody"}).Draw(rt, "text")
			case 6:
				q.TotalFrom = int64(rapid.IntRange(0, 280_000).Draw(rt, "from"))
				q.Badge = draw(rt, "badge", domain.Badges)
			case 7:
				q.TotalTo = int64(rapid.IntRange(1, 280_000).Draw(rt, "to"))
			case 8:
				q.Customer = rapid.SampledFrom([]string{"C00013", "C00026", "nobody"}).Draw(rt, "customer")
			case 9:
				q.Currency = rapid.SampledFrom([]domain.Currency{"EUR", "USD", "JPY"}).Draw(rt, "currency")
			}
			want := naive(orders, q, midYear)
			if got := idsOf(everything(rt, db, q)); !slices.Equal(got, want) {
				rt.Fatalf("%+v: %v, want %v", q, got, want)
			}
			page, err := db.List(context.Background(), q)
			if err != nil || page.Count != projections.Uncounted && page.Count != int64(len(want)) {
				rt.Fatalf("%+v: %d are counted, want %d, %v", q, page.Count, len(want), err)
			}
			for _, o := range orders {
				if fits := q.Fits(o, midYear); q.Text == "" && fits != slices.Contains(want, o.ID) {
					rt.Fatalf("%+v: order %s fits: %v", q, o.OrderNumber, fits)
				}
			}
		}
	})
}

// draw is a filter by up to three values.
func draw[T any](rt *rapid.T, name string, all []T) []T {
	return rapid.SliceOfN(rapid.SampledFrom(all), 1, 3).Draw(rt, name)
}

// namedAgree compares what a text names with the plainest answer, once the read model has its indexes.
func namedAgree(rt *rapid.T, db *tabs.DB, orders []domain.Order, text string) {
	rt.Helper()
	if err := db.CaughtUp(context.Background()); err != nil {
		rt.Fatal(err)
	}
	got, err := db.Named(context.Background(), " "+text)
	if err != nil {
		rt.Fatal(err)
	}
	var want []uuid.UUID
	for _, o := range orders {
		if isNamed(o, text) {
			want = append([]uuid.UUID{o.ID}, want...)
		}
	}
	if !slices.Equal(idsOf(got), want) {
		rt.Errorf("%s names %v, want %v", text, idsOf(got), want)
	}
}

func TestABatchThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	stream, events := sample(9)
	var log []eventstore.Recorded
	for i, e := range events {
		log = append(log, eventstore.Recorded{
			Event: record(t, stream, i, e), Stream: stream, Revision: eventstore.Revision(i), Position: eventstore.Position(i + 1),
		})
	}
	apply(t, db, log[:2])
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Apply(dead, log[2:]); err == nil {
		t.Fatal("a dead context applied a batch")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir)
	if at, err := db.Checkpoint(t.Context()); at != 2 || err != nil {
		t.Fatalf("begun again at %d, %v; want 2", at, err)
	}
	apply(t, db, log)
	c, err := db.Counts(t.Context())
	if err != nil || c.Tabs[domain.TabShipped] != 1 || c.Tabs[domain.TabNew] != 0 || c.Position != eventstore.Position(len(log)) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestCursorsWhileOtherOrdersCome(t *testing.T) {
	h := newHistory(t)
	want := h.place()
	db := open(t, t.TempDir())
	apply(t, db, h.events)
	q := projections.Query{Sort: "total", Limit: 7}
	seen := map[uuid.UUID]int{}
	for i := 0; ; i++ {
		page, err := db.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Orders {
			seen[o.ID]++
		}
		stream, events := sample(i)
		h.add(stream, events[0])
		apply(t, db, h.events)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	for _, in := range want {
		if seen[in.ID()] != 1 {
			t.Errorf("order %s was shown %d times", in.OrderNumber, seen[in.ID()])
		}
	}
}

func TestTokens(t *testing.T) {
	h := newHistory(t)
	created := h.add("access-t1", eventstore.TokenCreated{Name: "shop", Role: domain.Shop, Secret: "00"})
	h.add("access-t2", eventstore.TokenCreated{Name: "clerk", Role: domain.Clerk, Secret: "01"})
	h.add("access-t1", eventstore.TokenRevoked{})
	db := open(t, t.TempDir())
	apply(t, db, h.events)
	list, err := db.Tokens(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "shop" || list[0].Revoked == nil || list[1].Role != domain.Clerk || list[1].Revoked != nil {
		t.Errorf("%+v, %v", list, err)
	}
	if env, err := eventstore.ReadEnvelope(created.Event); err != nil || !list[0].Created.Equal(env.OccurredAt) {
		t.Errorf("created %v, want %v (%v)", list[0].Created, env.OccurredAt, err)
	}
}

// TestRebuildWhileServing rebuilds while orders come in and readers read.
func TestRebuildWhileServing(t *testing.T) {
	placed := 1000
	if underRace {
		placed = 200
	}
	store := memstore.New()
	fill(t, store, placed)
	db := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	p := projections.NewProjector("tabs", store, db)
	done := make(chan error, 2)
	go func() { done <- p.Run(ctx) }()
	if err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	go func() { // a reader that never may fail
		var err error
		for err == nil && ctx.Err() == nil {
			_, err = db.List(context.Background(), projections.Query{Tab: domain.TabShipped})
		}
		done <- err
	}()
	type outcome struct {
		report tabs.Report
		err    error
	}
	rebuilt := make(chan outcome, 1)
	go func() {
		r, err := db.Rebuild(ctx, store)
		rebuilt <- outcome{r, err}
	}()
	var o outcome
	var last eventstore.Recorded
	for i, busy := placed, true; busy; i++ {
		stream, events := sample(i)
		var err error
		if last, err = store.Append(ctx, stream, eventstore.NoStream, record(t, stream, 0, events[0])); err != nil {
			t.Fatal(err)
		}
		if err := p.WaitFor(ctx, last.Position); err != nil {
			t.Fatal(err)
		}
		select {
		case o = <-rebuilt:
			busy = false
		default:
		}
	}
	if o.err != nil || o.report.Different != 0 || o.report.Orders < int64(placed) {
		t.Errorf("%+v, %v", o.report, o.err)
	}
	c, err := db.Counts(ctx)
	var sum int64
	for _, n := range c.Tabs {
		sum += n
	}
	if err != nil || c.Position != last.Position || int(sum) != placed+int(last.Position)-int(firstFree(t, store, last, placed)) {
		t.Errorf("%d orders at %d, last event at %d: %v", sum, c.Position, last.Position, err)
	}
	cancel()
	if err := errors.Join(<-done, <-done); err != nil {
		t.Error(err)
	}
}

// firstFree is how many events the log held before single orders came behind those that were placed, each with one event.
func firstFree(t *testing.T, store eventstore.Store, last eventstore.Recorded, placed int) eventstore.Position {
	t.Helper()
	stream, _ := sample(placed)
	for r, err := range store.ReadStream(t.Context(), stream, eventstore.NoStream) {
		if err != nil || r.Position > last.Position {
			t.Fatal(fmt.Errorf("%v: %w", r.Position, err))
		}
		return r.Position - 1
	}
	t.Fatal("no single order")
	return 0
}
