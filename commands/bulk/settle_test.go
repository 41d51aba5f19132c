package bulk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/bulk"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// cards brings accepted card orders in.
func (w *world) cards(n int) []eventstore.JobItem {
	w.t.Helper()
	items := make([]eventstore.JobItem, n)
	for i := range items {
		intent := fmt.Sprintf("pi_%d", i)
		in := domain.Intake{
			OrderNumber: fmt.Sprintf("K-%d", i), Manufacturer: "acme", PlacedAt: start, Currency: "USD", Subtotal: 100, Total: 100,
			Customer: domain.Customer{ID: "C", Name: "Ada", Email: "ada@example.com"},
			Lines:    []domain.Line{{SKU: "A", Description: "A", Quantity: 1, UnitPrice: 100, Amount: 100}},
			Payment:  domain.Terms{Method: domain.Card, PaymentIntent: intent},
		}
		hold := domain.Authorization{PaymentIntent: intent, Status: "requires_capture", Amount: 100, Currency: "USD", CaptureBefore: start.Add(7 * 24 * time.Hour)}
		w.do(in.ID(), domain.Place{Intake: in, Authorization: hold, Confirm: domain.Confirmation{By: start.Add(time.Hour), Zone: "UTC"}})
		items[i] = eventstore.JobItem{OrderID: in.ID(), Number: in.OrderNumber, Version: w.do(in.ID(), domain.Accept{}).Version}
	}
	return items
}

// do carries one command out, as whoever may.
func (w *world) do(order uuid.UUID, c domain.Command) domain.Order {
	w.t.Helper()
	res, err := w.handler.Handle(w.t.Context(), commands.Request{
		OrderID: order, Command: c, CommandID: uuid.New(), Actor: domain.Actor{ID: "stripe", Role: domain.System, Via: domain.ViaSaga},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Order
}

func (w *world) request(it eventstore.JobItem) domain.Answer {
	w.t.Helper()
	o, _, err := w.handler.Load(w.t.Context(), it.OrderID)
	if err != nil || o.Pending.Act != domain.ActShip {
		w.t.Fatalf("%s: %v, %+v", it.Number, err, o.Pending)
	}
	return domain.Answer{Request: o.Pending.Request}
}

func (w *world) ship(it eventstore.JobItem, i int) {
	w.t.Helper()
	asked := w.request(it)
	w.do(it.OrderID, domain.RecordCaptured{PaymentIntent: fmt.Sprintf("pi_%d", i), Charge: "ch", Amount: 100, Currency: "USD", Answer: asked})
	w.do(it.OrderID, domain.CompleteShipment{Request: asked.Request})
}

func (w *world) decline(it eventstore.JobItem) {
	w.t.Helper()
	failure := domain.Failure{Code: "card_declined", Message: "Your card was declined."}
	w.do(it.OrderID, domain.RecordCaptureFailed{Failure: failure, Answer: w.request(it)})
}

// What Stripe answers after a job was through is what came of it: declined orders are refused, and can be tried again. It counts all
// the same when nobody was there to hear it.
func TestWhatStripeAnswersSettlesTheJob(t *testing.T) {
	w := newWorld(t)
	items := w.cards(5)
	j := w.make("k", bulk.Plan{Verb: domain.VerbShip, Items: items})
	stop := w.run(bulk.Config{})
	j = w.until(j.ID, over)
	if j.Asked() != 5 || len(j.Undone()) != 0 || j.State() != bulk.Finished {
		t.Fatalf("%v, %s", j.Counts(), j.State())
	}
	w.decline(items[0])
	w.ship(items[1], 1)
	j = w.until(j.ID, func(j bulk.Job) bool { return j.Asked() == 3 })
	stop()

	w.do(items[2].OrderID, domain.RecordAuthorizationExpired{PaymentIntent: "pi_2", Answer: w.request(items[2])})
	w.decline(items[3])
	// A person had more luck afterwards; the job's own attempt failed all the same.
	w.do(items[3].OrderID, domain.Ship{})
	w.ship(items[3], 3)

	w.jobs = bulk.NewJobs(w.log, eventstore.Codec{}, w.clock, w.open) // another process
	w.run(bulk.Config{})
	j = w.until(j.ID, func(j bulk.Job) bool { return j.Asked() == 1 })
	for i, want := range []eventstore.JobResult{
		{Outcome: eventstore.JobRefused, Code: "card_declined", Message: "The payment could not be captured, so it is not shipped. Your card was declined."},
		{Outcome: eventstore.JobDone},
		{Outcome: eventstore.JobRefused, Code: "authorization_expired", Message: "The hold on the card is gone, so nothing was captured or shipped."},
		{Outcome: eventstore.JobRefused, Code: "card_declined", Message: "The payment could not be captured, so it is not shipped. Your card was declined."},
		{Outcome: eventstore.JobAsked},
	} {
		if want.Item = i; j.Results[i] != want {
			t.Errorf("%s: %+v, want %+v", items[i].Number, j.Results[i], want)
		}
	}
	if undone := j.Undone(); len(undone) != 3 || j.Done != 5 {
		t.Errorf("to be tried again: %+v; %d dealt with", undone, j.Done)
	}
}

// Two processes that hear of an answer record it once.
func TestTwoProcessesSettleOnce(t *testing.T) {
	w := newWorld(t)
	items := w.cards(20)
	j := w.make("k", bulk.Plan{Verb: domain.VerbShip, Items: items})
	w.run(bulk.Config{})
	w.run(bulk.Config{})
	w.until(j.ID, over)
	for i, it := range items {
		if i%2 == 0 {
			w.decline(it)
		} else {
			w.ship(it, i)
		}
	}
	w.until(j.ID, func(j bulk.Job) bool { return j.Asked() == 0 })
	settled := map[int]int{}
	for r, err := range w.log.ReadStream(t.Context(), eventstore.JobStream(j.ID), eventstore.NoStream) {
		if err != nil {
			t.Fatal(err)
		}
		e, _, err := eventstore.Codec{}.Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := e.(eventstore.JobSettled); ok {
			for _, one := range e.Results {
				settled[one.Item]++
			}
		}
	}
	for i := range items {
		if settled[i] != 1 {
			t.Errorf("%s was settled %d times", items[i].Number, settled[i])
		}
	}
}
