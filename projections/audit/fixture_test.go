package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

var (
	begin = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	clerk = domain.Actor{ID: "clerk-1", Role: domain.Manager, Via: domain.ViaUI}
)

// book writes a ledger by the rules, one event a minute, into a real store.
type book struct {
	store  *memstore.Store
	now    time.Time
	orders map[uuid.UUID]domain.Order
	tails  map[string]string // the last hash of each stream
	revs   map[string]eventstore.Revision

	command uuid.UUID // of the events that are written now; without it each has its own
}

func newBook() *book {
	return &book{
		store: memstore.New(), now: begin, orders: map[uuid.UUID]domain.Order{}, tails: map[string]string{},
		revs: map[string]eventstore.Revision{},
	}
}

// write appends an event as it is, whatever the rules say.
func (b *book) write(t rapid.TB, stream string, e domain.Event) eventstore.Recorded {
	t.Helper()
	var codec eventstore.Codec
	stored, err := codec.Encode(stream, e)
	if err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Minute)
	command := uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "%s %s", stream, b.now))
	if b.command != uuid.Nil {
		command = b.command
	}
	stored.ID = uuid.NewSHA1(command, []byte(stream))
	last, begun := b.revs[stream]
	if !begun {
		last = eventstore.NoStream
	}
	sealed, hash, err := eventstore.Seal(stream, last+1, stored, eventstore.Envelope{
		Schema: codec.Schema(e), OccurredAt: b.now, Actor: clerk, CommandID: command, Prev: b.tails[stream],
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.store.Append(context.Background(), stream, last, sealed)
	if err != nil {
		t.Fatal(err)
	}
	b.tails[stream], b.revs[stream] = hash, r.Revision
	return r
}

// add appends an event to an order and folds it.
func (b *book) add(t rapid.TB, id uuid.UUID, e domain.Event) eventstore.Recorded {
	t.Helper()
	r := b.write(t, eventstore.OrderStream(id), e)
	b.orders[id] = domain.Evolve(b.orders[id], e, domain.Stamp{ID: r.ID, At: b.now, Actor: clerk})
	return r
}

// do gives a command; what the rules reject or find done appends nothing.
func (b *book) do(t rapid.TB, id uuid.UUID, c domain.Command) error {
	t.Helper()
	e, err := domain.Decide(b.orders[id], c)
	if err == nil && e != nil {
		b.add(t, id, e)
	}
	return err
}

// must gives commands that have to be taken.
func (b *book) must(t rapid.TB, id uuid.UUID, commands ...domain.Command) {
	t.Helper()
	for _, c := range commands {
		if err := b.do(t, id, c); err != nil {
			t.Fatalf("%s: %v", c.CommandName(), err)
		}
	}
}

// answer is the answer to the money act that is in flight.
func (b *book) answer(id uuid.UUID) domain.Answer {
	return domain.Answer{Request: b.orders[id].Pending.Request, StripeRequest: "req_1"}
}

func intake(number string, m domain.Method) domain.Intake {
	in := domain.Intake{
		OrderNumber: number, PlacedAt: begin.Add(-time.Hour), Manufacturer: "acme",
		Customer: domain.Customer{Name: "Test Garage", Email: "garage@example.com", AccountNumber: "A-1"},
		Lines:    []domain.Line{{SKU: "BP-1", Description: "Brake pads", Quantity: 2, UnitPrice: 4500, Amount: 9000}},
		Currency: "USD", Subtotal: 9000, Freight: 500, Total: 9500,
		Payment: domain.Terms{Method: m},
	}
	return in
}

// place places an order; a card order is authorized on the way in.
func (b *book) place(t rapid.TB, number string, m domain.Method) uuid.UUID {
	t.Helper()
	in := intake(number, m)
	p := domain.Place{Intake: in, Confirm: domain.Confirmation{By: begin.Add(24 * time.Hour), Zone: "UTC", Calendar: "weekdays"}}
	if m == domain.Card {
		p.Authorization = hold("pi_" + number)
	}
	b.must(t, in.ID(), p)
	return in.ID()
}

func hold(intent string) domain.Authorization {
	return domain.Authorization{PaymentIntent: intent, Status: "requires_capture", Amount: 9500, Currency: "USD"}
}

// captured is Stripe's yes to a capture.
func (b *book) captured(id uuid.UUID) domain.RecordCaptured {
	return domain.RecordCaptured{
		PaymentIntent: b.orders[id].Hold.PaymentIntent, Charge: "ch_1", Amount: 9500, Currency: "USD", Answer: b.answer(id),
	}
}

// small is a ledger with an order in each tab, and companions.
func small(t testing.TB) *book {
	t.Helper()
	b := newBook()
	b.place(t, "new", domain.Card)
	paid := b.place(t, "paid", domain.Card)
	b.must(t, paid, domain.Accept{}, domain.Capture{})
	b.must(t, paid, b.captured(paid), domain.AddNote{NoteID: uuid.NewSHA1(uuid.Nil, []byte("n")), Text: "call first"})
	shipped := b.place(t, "shipped", domain.Account)
	b.must(t, shipped, domain.Accept{}, domain.Ship{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z"}}})
	refunded := b.place(t, "refunded", domain.Account)
	b.must(t, refunded, domain.Accept{}, domain.Capture{ExternalReference: "INV-1"}, domain.Refund{Reason: "broken"})
	cancelled := b.place(t, "cancelled", domain.Card)
	b.must(t, cancelled, domain.Cancel{Reason: "no stock"})
	b.must(t, cancelled, domain.RecordCancelled{How: domain.HoldReleased, Answer: b.answer(cancelled)})
	archived := b.place(t, "archived", domain.Account)
	b.must(t, archived, domain.Cancel{}, domain.Archive{})
	b.write(t, "access-t1", eventstore.TokenCreated{Name: "anna", Role: domain.Clerk, Secret: "00"})
	b.write(t, "access-t1", eventstore.TokenRevoked{})
	b.write(t, "payment-pi_new", eventstore.PaymentClaimed{OrderID: archived})
	added := b.write(t, "endpoint-e1", eventstore.EndpointAdded{URL: "https://hooks.example.com", Types: []string{"*"}, Key: "00"})
	b.write(t, "endpoint-e1", eventstore.EndpointDelivered{Last: eventstore.Ref(added), Count: 1})
	return b
}

// tape is a log that a test can tamper with.
type tape []eventstore.Recorded

func record(t testing.TB, s *memstore.Store) tape {
	t.Helper()
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	all, err := sub.Next(t.Context(), int(head))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (l tape) Head(context.Context) (eventstore.Position, error) {
	if len(l) == 0 {
		return 0, nil
	}
	return slices.MaxFunc(l, func(a, b eventstore.Recorded) int { return int(a.Position) - int(b.Position) }).Position, nil
}

func (l tape) Subscribe(context.Context, eventstore.Position) (eventstore.Subscription, error) {
	return &reel{left: l}, nil
}

type reel struct{ left tape }

func (r *reel) Next(ctx context.Context, most int) ([]eventstore.Recorded, error) {
	if len(r.left) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	n := min(most, len(r.left))
	page := r.left[:n]
	r.left = r.left[n:]
	return page, nil
}

func (r *reel) Close() error { return nil }

// find is the index of the first event of a type in an order's stream.
func (l tape) find(t testing.TB, number, typ string) int {
	t.Helper()
	i := slices.IndexFunc(l, func(r eventstore.Recorded) bool {
		return r.Type == typ && r.Stream == eventstore.OrderStream(domain.OrderID("acme", number))
	})
	if i < 0 {
		t.Fatalf("order %s has no %s", number, typ)
	}
	return i
}

// replace changes stored bytes of an event.
func replace(t testing.TB, stored *[]byte, old, with string) {
	t.Helper()
	changed := bytes.Replace(*stored, []byte(old), []byte(with), 1)
	if bytes.Equal(changed, *stored) {
		t.Fatalf("%s does not hold %q", *stored, old)
	}
	*stored = changed
}
