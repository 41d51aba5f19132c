package reconcile_test

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
	"github.com/orderledger/orderledger/commands/reconcile"
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
	day   = 24 * time.Hour
)

// transport is a RoundTripper made of a function.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// world is a ledger and a Stripe, in a time of their own.
type world struct {
	t      testing.TB
	ctx    context.Context
	log    *memstore.Store
	clerk  *commands.Handler
	sim    *stripesim.Sim
	stripe *stripepay.Client // the ledger's
	reader *stripepay.Client // the comparison's
	on     func(*http.Request)
	placer *commands.Placer
	config reconcile.Config
	orders int
}

// inWorld runs a test in a world.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer func() {
			if err := w.sim.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(w)
	})
}

func newWorld(t testing.TB) *world {
	sim, err := stripesim.New(stripesim.WithLogger(slog.New(slog.DiscardHandler)), stripesim.WithTimes(stripesim.Times{
		Refund: day, DisputeOpens: day, DisputeStep: 2 * day,
	}))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, ctx: context.Background(), log: memstore.New(), sim: sim}
	w.stripe = w.client(sim.Transport())
	w.reader = w.client(transport(func(r *http.Request) (*http.Response, error) {
		if w.on != nil {
			w.on(r)
		}
		return sim.Transport().RoundTrip(r)
	}))
	w.clerk = commands.NewHandler(w.log, eventstore.Codec{}, time.Now)
	w.placer = &commands.Placer{Handler: w.clerk, Payments: w.stripe, Calendar: commands.DefaultCalendar(), Authorize: true}
	w.config = reconcile.Config{Log: w.log, Payments: w.reader, Lists: w.reader}
	return w
}

func (w *world) client(t http.RoundTripper) *stripepay.Client {
	c, err := stripepay.New(stripepay.Config{Mode: stripepay.Sandbox, Key: simtest.Key, URL: "http://stripe.invalid", Transport: t})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// pass lets the world's time pass.
func pass(d time.Duration) { <-time.After(d) }

// compare runs a comparison that comes to its end.
func (w *world) compare(since time.Time) (reconcile.Figures, []reconcile.Difference) {
	w.t.Helper()
	f, found, err := w.tryCompare(w.ctx, since)
	if err != nil {
		w.t.Fatal(err)
	}
	if f.Differences != len(found) {
		w.t.Errorf("%d differences counted, %d found", f.Differences, len(found))
	}
	return f, found
}

func (w *world) tryCompare(ctx context.Context, since time.Time) (reconcile.Figures, []reconcile.Difference, error) {
	run, err := reconcile.New(w.config).Begin()
	if err != nil {
		w.t.Fatal(err)
	}
	defer run.End()
	var found []reconcile.Difference
	f, err := run.Compare(ctx, since, func(reconcile.Progress) {}, func(d reconcile.Difference) error {
		found = append(found, d)
		return nil
	})
	return f, found, err
}

// agree says that the ledger and Stripe do.
func (w *world) agree() reconcile.Figures {
	w.t.Helper()
	f, found := w.compare(time.Time{})
	for _, d := range found {
		w.t.Errorf("a difference: %+v", d)
	}
	return f
}

func intake(n int) domain.Intake {
	return domain.Intake{
		OrderNumber: fmt.Sprint(10248 + n), Manufacturer: "northwind", PlacedAt: time.Date(1996, 7, 4, 9, 0, 0, 0, time.UTC),
		Customer: domain.Customer{Name: "Paul Henriot"},
		Lines:    []domain.Line{{SKU: "NW-11", Quantity: 12, UnitPrice: 3667, Amount: 44000}},
		Currency: "USD", Subtotal: 44000, Freight: 3238, Total: total, Payment: domain.Terms{Method: domain.Card},
	}
}

// authorize holds funds for an order at Stripe.
func (w *world) authorize(order uuid.UUID, card string, amount int64, currency string) commands.PaymentIntent {
	w.t.Helper()
	pi, err := w.stripe.Authorize(w.ctx, commands.PaymentRequest{
		Key: uuid.NewString(), OrderID: order.String(), Amount: amount, Currency: currency,
	}, card)
	if err != nil {
		w.t.Fatal(err)
	}
	return pi
}

// foreign is a payment request of somebody who shares the account.
func (w *world) foreign(order string) commands.PaymentRequest {
	return commands.PaymentRequest{Key: uuid.NewString(), OrderID: order, Amount: total, Currency: "USD"}
}

// enter brings a card order in that is accepted, with a payment that the ledger believes to be good.
func (w *world) enter(pi func(order uuid.UUID) string) uuid.UUID {
	w.t.Helper()
	w.orders++
	in := intake(w.orders)
	in.Payment.PaymentIntent = pi(in.ID())
	w.do(in.ID(), domain.Place{Intake: in, Authorization: good(in.Payment.PaymentIntent, in.ID())})
	w.do(in.ID(), domain.Accept{})
	return in.ID()
}

// good is what the ledger wants to see of a hold.
func good(paymentIntent string, order uuid.UUID) domain.Authorization {
	return domain.Authorization{
		PaymentIntent: paymentIntent, Status: "requires_capture", Amount: total, Currency: "USD", OrderID: order.String(),
	}
}

func (w *world) place(card string) uuid.UUID {
	w.t.Helper()
	return w.enter(func(order uuid.UUID) string { return w.authorize(order, card, total, "USD").ID })
}

func (w *world) do(id uuid.UUID, c domain.Command) {
	w.t.Helper()
	if err := w.try(id, c); err != nil {
		w.t.Fatalf("%s: %v", c.CommandName(), err)
	}
}

func (w *world) try(id uuid.UUID, c domain.Command) error {
	_, err := w.clerk.Handle(w.ctx, commands.Request{
		OrderID: id, Command: c, CommandID: uuid.New(), Actor: domain.Actor{ID: "erika", Role: domain.Manager, Via: domain.ViaAPI},
	})
	return err
}

func (w *world) reauthorize(id uuid.UUID) error {
	_, err := w.placer.Reauthorize(w.ctx, commands.ReauthorizeRequest{Request: commands.Request{
		OrderID: id, CommandID: uuid.New(), Actor: domain.Actor{ID: "erika", Role: domain.Manager, Via: domain.ViaAPI},
	}})
	return err
}

func (w *world) order(id uuid.UUID) domain.Order {
	w.t.Helper()
	o, _, err := w.clerk.Load(w.ctx, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *world) hold(id uuid.UUID) string { return w.order(id).Hold.PaymentIntent }

// atStripe is an act at Stripe that must succeed.
func (w *world) atStripe(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// fromStripe is where facts come from that nobody in the ledger asked for.
var fromStripe = domain.Answer{Source: domain.FromStripe}

// recordCaptured makes the ledger believe that it has the money.
func (w *world) recordCaptured(id uuid.UUID) {
	w.t.Helper()
	w.do(id, domain.RecordCaptured{
		PaymentIntent: w.hold(id), Charge: "ch_1", Amount: total, Currency: "USD", Answer: fromStripe,
	})
}

func (w *world) captured(id uuid.UUID) {
	w.t.Helper()
	w.atStripe(w.sim.Dashboard().Capture(w.ctx, w.hold(id), 0))
	w.recordCaptured(id)
}

func (w *world) recordRefunded(id uuid.UUID, refund string) {
	w.t.Helper()
	w.do(id, domain.RecordRefunded{Refund: refund, Amount: total, Currency: "USD", Answer: fromStripe})
}

func (w *world) refund(id uuid.UUID, amount int64) string {
	w.t.Helper()
	refund, err := w.sim.Dashboard().Refund(w.ctx, w.hold(id), amount)
	w.atStripe(err)
	return refund
}

// recordReleased makes the ledger believe that it has let the hold go.
func (w *world) recordReleased(id uuid.UUID) {
	w.t.Helper()
	w.do(id, domain.Cancel{})
	w.do(id, domain.RecordCancelled{How: domain.HoldReleased, Answer: domain.Answer{Request: w.order(id).Pending.Request}})
}

// failCapture makes the ledger believe that a capture failed.
func (w *world) failCapture(id uuid.UUID) {
	w.t.Helper()
	w.do(id, domain.Capture{})
	w.do(id, domain.RecordCaptureFailed{
		Failure: domain.Failure{Code: "card_declined"}, Answer: domain.Answer{Request: w.order(id).Pending.Request},
	})
}

// settle parks the act in flight, decides that it was settled elsewhere, and gives that answer.
func (w *world) settle(id uuid.UUID) domain.Answer {
	w.t.Helper()
	w.do(id, domain.Park{Request: w.order(id).Pending.Request, Reason: "?"})
	w.do(id, domain.Resume{Decision: domain.Settle, Reference: "wire 4711"})
	return domain.Answer{Request: w.order(id).Pending.Request, Source: domain.FromElsewhere, Reference: "wire 4711"}
}

// process is a saga that runs.
type process struct {
	*saga.Saga
	w    *world
	end  context.CancelFunc
	done chan error
}

func (w *world) start() *process {
	w.t.Helper()
	s, err := saga.New(saga.Config{
		Log: w.log, Handler: commands.NewHandler(w.log, eventstore.Codec{}, time.Now), Payments: w.stripe, Lists: w.stripe,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, end := context.WithCancel(w.ctx)
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
