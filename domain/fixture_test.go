package domain_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

// begin is when the orders of these tests arrive; every later event comes one minute after the one before.
var begin = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

var confirm = domain.Confirmation{
	By: begin.Add(24 * time.Hour), DueFrom: begin.Add(15 * time.Hour), Zone: "UTC", Calendar: "weekdays",
}

// goodIntake is an acceptable order of 472.38 USD.
func goodIntake(m domain.Method) domain.Intake {
	in := domain.Intake{
		OrderNumber: "10248", PlacedAt: begin.Add(-time.Hour), Manufacturer: "northwind",
		Customer:       domain.Customer{ID: "VINET", Name: "Paul Henriot", Company: "Vins et alcools", AccountNumber: "ACC-7"},
		BillingAddress: domain.Address{Line1: "59 rue de l'Abbaye", City: "Reims", PostalCode: "51100", Country: "FR"},
		Lines: []domain.Line{
			{SKU: "NW-11", Description: "Queso Cabrales", Quantity: 12, UnitPrice: 1400, Amount: 16800},
			{SKU: "NW-42", Quantity: 10, UnitPrice: 2720, Amount: 27200},
		},
		Currency: "USD", Subtotal: 44000, Freight: 3238, Total: 47238,
		Payment: domain.Terms{Method: m},
	}
	if m == domain.Card {
		in.Payment.PaymentIntent = "pi_1"
	}
	return in
}

func hold(intent string) domain.Authorization {
	return domain.Authorization{
		PaymentIntent: intent, Status: "requires_capture", Amount: 47238, Currency: "USD", Brand: "visa", Last4: "4242",
		CaptureBefore: begin.Add(7 * 24 * time.Hour),
	}
}

func place(m domain.Method) domain.Place {
	p := domain.Place{Intake: goodIntake(m), Confirm: confirm}
	if m == domain.Card {
		p.Authorization = hold("pi_1")
	}
	return p
}

// stamp is the envelope of an order's next event.
func stamp(o domain.Order) domain.Stamp {
	return domain.Stamp{
		ID: eventID(o.Version), At: begin.Add(time.Duration(o.Version) * time.Minute),
		Actor: domain.Actor{ID: "clerk-1", Role: domain.Manager, Via: domain.ViaUI},
	}
}

// eventID is the id of an order's event at a revision.
func eventID(revision int) uuid.UUID {
	return uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "event %d", revision))
}

// asking makes a command that depends on the order: an answer names the request that it answers.
type asking func(domain.Order) domain.Command

func resolve(o domain.Order, c any) domain.Command {
	if f, ok := c.(asking); ok {
		return f(o)
	}
	return c.(domain.Command)
}

// given is the order after commands that must each lead to an event.
func given(t *testing.T, commands ...any) domain.Order {
	t.Helper()
	var o domain.Order
	for i, c := range commands {
		cmd := resolve(o, c)
		e, err := domain.Decide(o, cmd)
		if err != nil || e == nil {
			t.Fatalf("given %d, %s: %v, %v; want an event", i, cmd.CommandName(), e, err)
		}
		o = domain.Evolve(o, e, stamp(o))
	}
	return o
}

// code is an error's rejection code; "" without an error.
func code(err error) domain.Code {
	var r *domain.Rejection
	switch {
	case err == nil:
		return ""
	case errors.As(err, &r):
		return r.Code
	}
	return domain.Code("not a rejection: " + err.Error())
}

func asked(o domain.Order) domain.Answer {
	return domain.Answer{Request: o.Pending.Request, StripeRequest: "req_1"}
}

var (
	unasked  = domain.Answer{Source: "stripe", StripeRequest: "req_2"}
	declined = domain.Failure{Code: "card_declined", Message: "Your card was declined.", DeclineCode: "generic_decline"}
	parcel   = []domain.Tracking{{Carrier: "ups", Number: "1Z999AA10123456784"}}
	parcel2  = []domain.Tracking{{Carrier: "dhl", Number: "JD014600003SE"}}
)

// refundOf is the refund that Stripe would speak of: the one it works on or has done, else a new one.
func refundOf(o domain.Order) string {
	if o.Refund != "" && !slices.Contains(o.FailedRefunds, o.Refund) {
		return o.Refund
	}
	return fmt.Sprint("re_", len(o.FailedRefunds)+1)
}

// failedRefundOf is the refund whose failure Stripe would tell: where one has just failed, that one again.
func failedRefundOf(o domain.Order) string {
	if o.RefundFailed {
		return o.Refund
	}
	return refundOf(o)
}

// decide is a person's decision about what is parked, with all that it needs.
func decide(d domain.Decision) domain.Resume {
	r := domain.Resume{Decision: d}
	switch d {
	case domain.Adopt:
		r.Evidence = "ch_1 in Stripe's dashboard"
	case domain.Settle:
		r.Reference = "wire 4711"
	}
	return r
}

// settledElsewhere is what is recorded when a person has decided that the act in flight was settled outside Stripe.
var settledElsewhere asking = func(o domain.Order) domain.Command {
	a := domain.Answer{Request: o.Pending.Request, Source: domain.FromElsewhere, Reference: o.Pending.Reference}
	switch o.Pending.Act {
	case domain.ActRefund:
		return domain.RecordRefunded{Amount: o.Taken, Currency: o.Currency, Answer: a}
	case domain.ActCancel:
		return domain.RecordCancelled{How: domain.SettledElsewhere, Answer: a}
	}
	return domain.RecordCaptured{PaymentIntent: o.Hold.PaymentIntent, Amount: o.Total, Currency: o.Currency, Answer: a}
}

// partCaptured is Stripe's answer that it took less than was asked for.
var partCaptured asking = func(o domain.Order) domain.Command {
	c := captured(o).(domain.RecordCaptured)
	c.Amount = 40000
	return c
}

// The answers of Stripe to what is in flight.
var (
	captured asking = func(o domain.Order) domain.Command {
		return domain.RecordCaptured{
			PaymentIntent: o.Hold.PaymentIntent, Charge: "ch_1", Amount: o.Total, Currency: o.Currency, Answer: asked(o),
		}
	}
	captureRefused asking = func(o domain.Order) domain.Command {
		return domain.RecordCaptureFailed{Failure: declined, Answer: asked(o)}
	}
	expired asking = func(o domain.Order) domain.Command {
		return domain.RecordAuthorizationExpired{PaymentIntent: o.Hold.PaymentIntent, Reason: "automatic", Answer: asked(o)}
	}
	shipmentCompleted asking = func(o domain.Order) domain.Command {
		return domain.CompleteShipment{Request: o.Pending.Request}
	}
	refundTaken asking = func(o domain.Order) domain.Command {
		return domain.RecordRefundPending{Refund: refundOf(o), Amount: o.Taken, Answer: asked(o)}
	}
	refunded asking = func(o domain.Order) domain.Command {
		return domain.RecordRefunded{Refund: refundOf(o), Amount: o.Taken, Currency: o.Currency, Answer: asked(o)}
	}
	refundFailed asking = func(o domain.Order) domain.Command {
		return domain.RecordRefundFailed{Refund: failedRefundOf(o), Failure: declined, Answer: asked(o)}
	}
	holdReleased asking = func(o domain.Order) domain.Command {
		return domain.RecordCancelled{How: domain.HoldReleased, Answer: asked(o)}
	}
	chargeRefunded asking = func(o domain.Order) domain.Command {
		return domain.RecordCancelled{How: domain.ChargeRefunded, Refund: refundOf(o), Amount: o.Taken, Answer: asked(o)}
	}
	nothingToRelease asking = func(o domain.Order) domain.Command {
		return domain.RecordCancelled{How: domain.NothingToRelease, Answer: asked(o)}
	}
	cancelRefused asking = func(o domain.Order) domain.Command {
		return domain.RecordCancelFailed{Failure: declined, Answer: asked(o)}
	}
	parked asking = func(o domain.Order) domain.Command {
		return domain.Park{Request: o.Pending.Request, Reason: "Stripe is silent", Attempts: 12}
	}
)
