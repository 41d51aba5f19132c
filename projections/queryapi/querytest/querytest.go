// Package querytest is a small ledger in memory for the tests of what reads one: events go in as they are given, and the read
// model is folded from them on the spot. It is exact and slow; no program uses it.
package querytest

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/projections"
)

// Start is when a Ledger's clock begins; each event is a minute after the one before.
var Start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// Ledger is a log with a read model. It is a projections.Reader and a queryapi.Waiter.
type Ledger struct {
	*memstore.Store
	Codec  eventstore.Codec
	Issued []projections.Token

	Working []projections.Job
	Saved   projections.Views

	events int
}

// New returns an empty ledger.
func New() *Ledger { return &Ledger{Store: memstore.New()} }

// Now is the instant of the next event.
func (l *Ledger) Now() time.Time { return Start.Add(time.Duration(l.events) * time.Minute) }

// Add appends events to a stream and returns the position of the last.
func (l *Ledger) Add(t testing.TB, stream string, actor domain.Actor, events ...domain.Event) eventstore.Position {
	t.Helper()
	var position eventstore.Position
	for _, fact := range events {
		last, prev := eventstore.NoStream, ""
		for r, err := range l.ReadStream(t.Context(), stream, eventstore.NoStream) {
			if err != nil {
				t.Fatal(err)
			}
			env, err := eventstore.ReadEnvelope(r.Event)
			if err != nil {
				t.Fatal(err)
			}
			last, prev = r.Revision, env.Hash
		}
		e, err := l.Codec.Encode(stream, fact)
		if err != nil {
			t.Fatal(err)
		}
		e.ID = uuid.NewSHA1(uuid.Nil, []byte(stream+strconv.Itoa(l.events)))
		sealed, _, err := eventstore.Seal(stream, last+1, e, eventstore.Envelope{
			Schema: l.Codec.Schema(fact), OccurredAt: l.Now(), Actor: actor, CommandID: e.ID, Prev: prev,
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := l.Append(t.Context(), stream, last, sealed)
		if err != nil {
			t.Fatal(err)
		}
		l.events++
		position = r.Position
	}
	return position
}

// Place appends an order's Placed and what follows, and returns its id.
func (l *Ledger) Place(t testing.TB, actor domain.Actor, p domain.Placed, then ...domain.Event) uuid.UUID {
	t.Helper()
	id := domain.OrderID(p.Manufacturer, p.OrderNumber)
	l.Add(t, eventstore.OrderStream(id), actor, append([]domain.Event{p}, then...)...)
	return id
}

// Placed is an order of the manufacturer northwind over 472.38 USD.
func Placed(number string, m domain.Method) domain.Placed {
	p := domain.Placed{
		OrderNumber: number, Manufacturer: "northwind", PlacedAt: Start.Add(-time.Hour), ShippingMethod: "Federal Shipping",
		Lines:    []domain.Line{{SKU: "NW-11", Description: "Queso Cabrales", Quantity: 12, UnitPrice: 4000, DiscountPercent: 8.5, Amount: 44000}},
		Currency: "USD", Subtotal: 44000, Freight: 3238, Total: 47238, Method: m, ContentHash: "hash",
		Confirm: domain.Confirmation{By: Start.Add(24 * time.Hour), DueFrom: Start.Add(15 * time.Hour), Zone: "America/New_York", Calendar: "us"},
		Personal: domain.PersonalData{
			Customer: domain.Customer{ID: "VINET", Name: "Paul Henriot", Company: "Vins et alcools Chevalier", Email: "vinet@example.com", Phone: "26.47.15.10"},
			BillingAddress: domain.Address{
				Name: "Vins et alcools Chevalier", Line1: "59 rue de l'Abbaye", City: "Reims", PostalCode: "51100", Country: "FR",
			},
		},
	}
	p.Personal.ShippingAddress = p.Personal.BillingAddress
	if m == domain.Account {
		p.Personal.Customer.AccountNumber = "A-77"
		return p
	}
	p.Authorization = domain.Authorization{
		PaymentIntent: "pi_" + number, Status: "requires_capture", Amount: p.Total, Currency: p.Currency,
		Brand: "visa", Last4: "4242", CaptureBefore: Start.Add(6 * 24 * time.Hour),
	}
	return p
}

// Captured is the capture of an order that Placed made.
func Captured(number string) domain.PaymentCaptured {
	return domain.PaymentCaptured{Amount: 47238, Currency: "USD", PaymentIntent: "pi_" + number, Charge: "ch_" + number}
}

func (l *Ledger) orders(ctx context.Context) ([]domain.Order, eventstore.Position, error) {
	head, err := l.Head(ctx)
	if err != nil || head == 0 {
		return nil, 0, err
	}
	sub, err := l.Subscribe(ctx, 0)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = sub.Close() }()
	recs, err := sub.Next(ctx, int(head))
	if err != nil {
		return nil, 0, err
	}
	folded := map[uuid.UUID]domain.Order{}
	for _, r := range recs {
		id, ok := eventstore.OrderOf(r.Stream)
		if !ok {
			continue
		}
		e, env, err := l.Codec.Decode(r)
		if err != nil {
			return nil, 0, err
		}
		folded[id] = domain.Evolve(folded[id], e, eventstore.Stamp(r.Event, env))
	}
	var all []domain.Order
	for _, o := range folded {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b domain.Order) int { return cmp.Compare(a.OrderNumber, b.OrderNumber) })
	return all, head, nil
}

// List implements projections.Reader: by tab, status, badge, total, a part of the order number and who placed; sorted by order
// number; a cursor is a number of rows.
func (l *Ledger) List(ctx context.Context, q projections.Query) (projections.Page, error) {
	all, _, err := l.orders(ctx)
	if err != nil {
		return projections.Page{}, err
	}
	if by := q.Sort; by != "" && !slices.Contains(projections.SortColumns, by) && !slices.Contains(projections.SortColumns, by[1:]) {
		return projections.Page{}, projections.BadQuery("sort", "is no column: %s", by)
	}
	all = slices.DeleteFunc(all, func(o domain.Order) bool {
		return q.Tab != "" && o.Tab() != q.Tab || len(q.Status) > 0 && !slices.Contains(q.Status, o.Status()) ||
			q.PlacedBy != "" && o.PlacedBy != q.PlacedBy || !q.PlacedTo.IsZero() && !o.PlacedAt.Before(q.PlacedTo) ||
			len(q.Badge) > 0 && !slices.ContainsFunc(q.Badge, func(b domain.Badge) bool { return slices.Contains(o.Badges(l.Now()), b) }) ||
			q.TotalFrom > o.Total || q.TotalTo != 0 && q.TotalTo < o.Total || q.Text != "" && !strings.Contains(o.OrderNumber, q.Text)
	})
	out := projections.Page{Count: int64(len(all))}
	out.Orders, out.Next, err = cut(all, q.Cursor, q.Limit)
	return out, err
}

// Parked implements projections.Reader; a cursor is a number of rows.
func (l *Ledger) Parked(ctx context.Context, cursor string, limit int) (projections.Page, error) {
	all, _, err := l.orders(ctx)
	if err != nil {
		return projections.Page{}, err
	}
	all = slices.DeleteFunc(all, func(o domain.Order) bool { return !o.Pending.Parked })
	slices.SortStableFunc(all, func(a, b domain.Order) int { return a.Pending.ParkedAt.Compare(b.Pending.ParkedAt) })
	from := 0
	if cursor != "" {
		if from, err = strconv.Atoi(cursor); err != nil {
			return projections.Page{}, projections.BadQuery("cursor", "is no cursor")
		}
	}
	limit = cmp.Or(limit, projections.DefaultLimit)
	all = all[min(from, len(all)):]
	if len(all) > limit {
		return projections.Page{Orders: all[:limit], Next: strconv.Itoa(from + limit)}, nil
	}
	return projections.Page{Orders: all}, nil
}

// Obligations implements projections.Reader; a cursor is a number of rows.
func (l *Ledger) Obligations(ctx context.Context, q projections.ObligationQuery) (projections.ObligationPage, error) {
	all, _, err := l.orders(ctx)
	if err != nil {
		return projections.ObligationPage{}, err
	}
	since := func(o domain.Order) time.Time { owes, _ := o.Owes(); return owes.Since }
	all = slices.DeleteFunc(all, func(o domain.Order) bool {
		owes, ok := o.Owes()
		return !ok || q.Kind != "" && q.Kind != owes.Kind || q.Manufacturer != "" && q.Manufacturer != o.Manufacturer
	})
	slices.SortStableFunc(all, func(a, b domain.Order) int { return since(a).Compare(since(b)) })
	out := projections.ObligationPage{Page: projections.Page{Count: int64(len(all))}}
	out.Orders, out.Next, err = cut(all, q.Cursor, q.Limit)
	return out, err
}

// Recorded implements projections.Reader; a cursor is a number of rows.
func (l *Ledger) Recorded(ctx context.Context, q projections.RecordedQuery) (projections.RecordedPage, error) {
	orders, _, err := l.orders(ctx)
	if err != nil {
		return projections.RecordedPage{}, err
	}
	var all []projections.Recorded
	for _, o := range orders {
		for _, r := range o.Recordings() {
			if (q.Kind == "" || q.Kind == r.Kind) && (q.Manufacturer == "" || q.Manufacturer == o.Manufacturer) &&
				!r.At.Before(q.From) && (q.To.IsZero() || r.At.Before(q.To)) {
				all = append(all, projections.Recorded{Order: o, Recording: r})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b projections.Recorded) int { return a.At.Compare(b.At) })
	var out projections.RecordedPage
	out.Recorded, out.Next, err = cut(all, q.Cursor, q.Limit)
	return out, err
}

// cut is the page of a list at a cursor.
func cut[T any](all []T, cursor string, limit int) (page []T, next string, err error) {
	from := 0
	if cursor != "" {
		if from, err = strconv.Atoi(cursor); err != nil {
			return nil, "", projections.BadQuery("cursor", "is no cursor")
		}
	}
	limit = cmp.Or(limit, projections.DefaultLimit)
	if all = all[min(from, len(all)):]; len(all) > limit {
		return all[:limit], strconv.Itoa(from + limit), nil
	}
	return all, "", nil
}

// Counts implements projections.Reader.
func (l *Ledger) Counts(ctx context.Context) (projections.Counts, error) {
	all, head, err := l.orders(ctx)
	c := projections.Counts{Tabs: map[domain.Tab]int64{}, Position: head}
	now := Start.Add(time.Duration(head) * time.Minute) // Now, while events may be added
	for _, o := range all {
		c.Tabs[o.Tab()]++
		if o.Pending.Parked {
			c.Parked++
		}
		if _, owes := o.Owes(); owes {
			c.Owed++
		}
		if slices.Contains(o.Badges(now), domain.BadgeConfirmationDue) {
			c.Due++
		}
		if o.ConfirmationMissed && o.Status() == domain.StatusPlaced {
			c.Missed++
		}
		if o.Tab() == domain.TabNew && o.Status() == domain.StatusPlaced {
			c.Unreviewed++
		}
	}
	return c, err
}

// Named implements projections.Reader: by order number, PaymentIntent and e-mail address.
func (l *Ledger) Named(ctx context.Context, text string) ([]domain.Order, error) {
	all, _, err := l.orders(ctx)
	return slices.DeleteFunc(all, func(o domain.Order) bool {
		return !slices.Contains([]string{o.OrderNumber, o.Hold.PaymentIntent, o.Personal.Customer.Email}, text)
	}), err
}

// Choices implements projections.Reader.
func (l *Ledger) Choices(ctx context.Context) (c projections.Choices, err error) {
	all, _, err := l.orders(ctx)
	for _, o := range all {
		c.Manufacturers, c.Currencies = append(c.Manufacturers, o.Manufacturer), append(c.Currencies, o.Currency)
	}
	slices.Sort(c.Manufacturers)
	slices.Sort(c.Currencies)
	c.Manufacturers, c.Currencies = slices.Compact(c.Manufacturers), slices.Compact(c.Currencies)
	return c, err
}

// Order implements projections.Reader.
func (l *Ledger) Order(ctx context.Context, id uuid.UUID) (domain.Order, error) {
	all, _, err := l.orders(ctx)
	if err != nil {
		return domain.Order{}, err
	}
	i := slices.IndexFunc(all, func(o domain.Order) bool { return o.ID == id })
	if i < 0 {
		return domain.Order{}, domain.Reject(domain.OrderNotFound)
	}
	return all[i], nil
}

// History implements projections.Reader.
func (l *Ledger) History(ctx context.Context, id uuid.UUID, limit int) (projections.History, error) {
	all, head, err := l.orders(ctx)
	h := projections.History{Position: head}
	for _, o := range all {
		if o.ID == id {
			h.Order = o
		}
	}
	for _, stream := range []string{eventstore.OrderStream(id), eventstore.NoticeStream(id)} {
		for r, readErr := range l.ReadStream(ctx, stream, eventstore.NoStream) {
			if readErr != nil {
				return h, readErr
			}
			h.Events = append(h.Events, r)
		}
	}
	slices.SortFunc(h.Events, func(a, b eventstore.Recorded) int { return cmp.Compare(a.Position, b.Position) })
	h.Events = h.Events[:min(limit, len(h.Events))]
	return h, err
}

// Tokens implements projections.Reader.
func (l *Ledger) Tokens(context.Context) ([]projections.Token, error) { return l.Issued, nil }

// Jobs implements projections.Reader: those that the test has set.
func (l *Ledger) Jobs(context.Context, projections.JobQuery) ([]projections.Job, error) {
	return l.Working, nil
}

// Views implements projections.Reader: those that the test has set.
func (l *Ledger) Views(context.Context, string) (projections.Views, error) { return l.Saved, nil }

// WaitFor waits until the log holds the position: the read model is never behind it.
func (l *Ledger) WaitFor(ctx context.Context, p eventstore.Position) error {
	if p == 0 {
		return nil
	}
	sub, err := l.Subscribe(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }()
	for {
		recs, err := sub.Next(ctx, 100)
		if err != nil || recs[len(recs)-1].Position >= p {
			return err
		}
	}
}

// Follow reports the changes after a position as they are appended; of the orders' events alone.
func (l *Ledger) Follow(after eventstore.Position) *Follower { return &Follower{l: l, last: after} }

// Follower is a queryapi.Follower over a Ledger.
type Follower struct {
	l    *Ledger
	last eventstore.Position
	sub  eventstore.Subscription
}

// Next returns the next changes.
func (f *Follower) Next(ctx context.Context, limit int) (changes []projections.Change, err error) {
	if f.sub == nil {
		if f.sub, err = f.l.Subscribe(ctx, f.last); err != nil {
			return nil, err
		}
	}
	for len(changes) == 0 {
		recs, err := f.sub.Next(ctx, limit)
		if err != nil {
			return nil, err
		}
		for _, r := range recs {
			if id, ok := eventstore.OrderOf(r.Stream); ok {
				changes = append(changes, projections.Change{
					Position: r.Position, Stream: r.Stream, OrderID: id, Type: r.Type, Version: int(r.Revision) + 1,
				})
			}
		}
	}
	return changes, nil
}

// Close ends the subscription.
func (f *Follower) Close() {
	if f.sub != nil {
		_ = f.sub.Close()
	}
}
