package saga_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

const (
	total = 47238
	visa  = "pm_card_visa"
)

// world is a ledger, a Stripe, and the time of their own.
type world struct {
	t      testing.TB
	log    eventstore.Store
	clerk  *commands.Handler
	sim    *stripesim.Sim
	stripe *stripepay.Client
	orders int
}

// inWorld runs a test in a world.
func inWorld(t *testing.T, test func(w *world), options ...stripesim.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sim, err := stripesim.New(append(options, stripesim.WithLogger(slog.New(slog.DiscardHandler)))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := sim.Close(); err != nil {
				t.Error(err)
			}
		})
		test(newWorld(t, sim, newClient(t, sim.Transport())))
	})
}

func newClient(t testing.TB, carrier http.RoundTripper) *stripepay.Client {
	t.Helper()
	client, err := stripepay.New(stripepay.Config{
		Mode: stripepay.Sandbox, Key: simtest.Key, URL: "http://stripe.invalid", Transport: carrier,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func newWorld(t testing.TB, sim *stripesim.Sim, client *stripepay.Client) *world {
	log := memstore.New()
	return &world{t: t, log: log, sim: sim, stripe: client, clerk: commands.NewHandler(log, eventstore.Codec{}, time.Now)}
}

// process is a saga that runs.
type process struct {
	*saga.Saga
	w    *world
	end  context.CancelFunc
	done chan error
}

func (w *world) config() saga.Config {
	return saga.Config{
		Log: w.log, Handler: commands.NewHandler(w.log, eventstore.Codec{}, time.Now), Payments: w.stripe,
		Logger: slog.New(slog.DiscardHandler),
	}
}

func (w *world) start(change ...func(*saga.Config)) *process {
	w.t.Helper()
	c := w.config()
	for _, f := range change {
		f(&c)
	}
	s, err := saga.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	p := &process{Saga: s, w: w, end: end, done: make(chan error, 1)}
	go func() { p.done <- s.Run(ctx) }()
	return p
}

func (p *process) stop() {
	p.w.t.Helper()
	p.end()
	if err := <-p.done; err != nil {
		p.w.t.Errorf("the saga ended with %v", err)
	}
}

// settle waits until all of the log is known and nothing is open that is not parked, however long that takes in the world's
// time.
func (p *process) settle() {
	p.w.t.Helper()
	for range 500 {
		synctest.Wait()
		head, err := p.w.log.Head(context.Background())
		if err != nil {
			p.w.t.Fatal(err)
		}
		if st := p.Status(); st.Ready && st.Open == st.Parked && st.Checkpoint == head {
			return
		}
		pass(5 * time.Minute)
	}
	p.w.t.Fatalf("it does not come to rest: %+v", p.Status())
}

// pass lets the world's time pass.
func pass(d time.Duration) { <-time.After(d) }

func intake(n int) domain.Intake {
	return domain.Intake{
		OrderNumber: fmt.Sprint(10248 + n), Manufacturer: "northwind", PlacedAt: time.Date(1996, 7, 4, 9, 0, 0, 0, time.UTC),
		Customer: domain.Customer{Name: "Paul Henriot"},
		Lines:    []domain.Line{{SKU: "NW-11", Quantity: 12, UnitPrice: 3667, Amount: 44000}},
		Currency: "USD", Subtotal: 44000, Freight: 3238, Total: total, Payment: domain.Terms{Method: domain.Card},
	}
}

// place brings a card order in that is accepted.
func (w *world) place(card string) uuid.UUID {
	w.t.Helper()
	w.orders++
	in := intake(w.orders)
	pi, err := w.stripe.Authorize(context.Background(), commands.PaymentRequest{
		Key: "authorize-" + in.ID().String(), OrderID: in.ID().String(), Amount: in.Total, Currency: string(in.Currency),
	}, card)
	if err != nil {
		w.t.Fatal(err)
	}
	in.Payment.PaymentIntent = pi.ID
	w.do(in.ID(), domain.Place{Intake: in, Authorization: domain.Authorization{
		PaymentIntent: pi.ID, Status: pi.Status, Amount: pi.Capturable, Currency: domain.Currency(pi.Currency), OrderID: pi.OrderID,
		CaptureBefore: pi.CaptureBefore,
	}})
	w.do(in.ID(), domain.Accept{})
	return in.ID()
}

func (w *world) do(id uuid.UUID, c domain.Command) {
	w.t.Helper()
	_, err := w.clerk.Handle(context.Background(), commands.Request{
		OrderID: id, Command: c, CommandID: uuid.New(), Actor: domain.Actor{ID: "erika", Role: domain.Manager, Via: domain.ViaAPI},
	})
	if err != nil {
		w.t.Fatalf("%s: %v", c.CommandName(), err)
	}
}

func (w *world) order(id uuid.UUID) domain.Order {
	w.t.Helper()
	o, _, err := w.clerk.Load(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

// events are an order's events by name, from the first that a test's act made.
func (w *world) events(id uuid.UUID) (events []domain.Event, names []string) {
	w.t.Helper()
	for r, err := range w.log.ReadStream(context.Background(), eventstore.OrderStream(id), eventstore.NoStream) {
		if err != nil {
			w.t.Fatal(err)
		}
		e, _, err := eventstore.Codec{}.Decode(r)
		if err != nil {
			w.t.Fatal(err)
		}
		events, names = append(events, e), append(names, e.EventType())
	}
	return events, names
}

func (w *world) totals(id uuid.UUID) stripesim.Totals {
	w.t.Helper()
	sums, err := w.sim.Totals(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return sums[w.order(id).Hold.PaymentIntent]
}

// agree compares an order with Stripe's journal, to the cent.
func (w *world) agree(id uuid.UUID) {
	w.t.Helper()
	o, got := w.order(id), w.totals(id)
	want := stripesim.Totals{OrderID: id.String(), Currency: "usd", Authorized: total}
	if o.Captured() {
		want.Captured, want.Captures = total, 1
	}
	if o.RefundedAt != nil || o.Settled == domain.ChargeRefunded {
		want.Refunded, want.Refunds = total, 1
	}
	switch {
	case o.Settled == domain.HoldReleased:
		want.Released = total
	case o.Settled == domain.NothingToRelease, o.HoldExpired:
		want.Expired = total
	}
	if got != want {
		w.t.Errorf("the ledger says %+v, Stripe's journal %+v", want, got)
	}
	if o.ShippedAt != nil && !o.Captured() {
		w.t.Error("shipped without the money")
	}
}

// elsewhere is a request for an order's payment that the ledger knows nothing of.
func (w *world) elsewhere(id uuid.UUID, amount int64) commands.PaymentRequest {
	return commands.PaymentRequest{
		Key: uuid.NewString(), OrderID: id.String(), PaymentIntent: w.order(id).Hold.PaymentIntent, Amount: amount, Currency: "USD",
	}
}
