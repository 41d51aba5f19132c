package saga

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Kind is what is wanted from outside.
type Kind string

// The kinds of effects.
const (
	Capture Kind = "capture"        // take the held funds
	Ship    Kind = "ship"           // take the held funds, then complete the shipment
	Refund  Kind = "refund"         // give the taken funds back
	Release Kind = "cancel-release" // let the hold go, so that the order is cancelled
	Return  Kind = "cancel-refund"  // give the taken funds back, so that the order is cancelled
)

// Effect is something that an order asked for and that has no answer yet.
type Effect struct {
	Order uuid.UUID `json:"order"`
	Kind  Kind      `json:"kind"`
	// Request is the event whose answer is awaited, and Since when it happened: the first request, or a person's decision to
	// try again. It is the order's Pending.Request.
	Request       uuid.UUID       `json:"request"`
	Since         time.Time       `json:"since"`
	Correlation   string          `json:"correlation,omitempty"`
	PaymentIntent string          `json:"payment_intent"`
	Charge        string          `json:"charge,omitempty"`
	Amount        int64           `json:"amount"` // minor units
	Currency      domain.Currency `json:"currency"`
	Captured      bool            `json:"captured,omitempty"` // Ship: the money is in, the shipment is to be completed
	Refund        string          `json:"refund,omitempty"`   // Refund, Return: Stripe works on this one
	Parked        bool            `json:"parked,omitempty"`
	Decision      domain.Decision `json:"decision,omitempty"`  // of the person who resumed it
	Reference     string          `json:"reference,omitempty"` // Decision Settle: where it was settled
}

// State is the set of effects that were asked for and not answered: at most one for each order. The zero State is that of an
// empty log.
type State map[uuid.UUID]Effect

// Fact is one event of an order, or of what Stripe told, with what the saga needs of its envelope.
type Fact struct {
	Order       uuid.UUID // zero for what Stripe told
	StripeEvent string    // Stripe's id of what it told; empty for an order's event
	ID          uuid.UUID // the event's
	At          time.Time
	Correlation string
	Event       domain.Event
}

// factOf is what a recorded event tells the saga; false when it tells it nothing. Errors as Codec.Decode.
func factOf(codec eventstore.Codec, r eventstore.Recorded) (Fact, bool, error) {
	order, ok := eventstore.OrderOf(r.Stream)
	told, webhook := strings.CutPrefix(r.Stream, eventstore.WebhookStream(""))
	if !ok && !webhook || beside[r.Type] {
		return Fact{}, false, nil
	}
	e, env, err := codec.Decode(r)
	f := Fact{Order: order, ID: r.ID, At: env.OccurredAt, Correlation: env.CorrelationID, Event: e}
	if webhook {
		f.StripeEvent = told
	}
	return f, err == nil, err
}

// beside are the events that never change an effect, nor what is watched. They are most of a log, and are not even decoded.
var beside = map[string]bool{
	"TrackingCorrected": true,
	"ReversalRecorded":  true, "DisputeOpened": true, "DisputeClosed": true, "ExternalChangeSeen": true,
	"Archived": true, "Unarchived": true, "NoteAdded": true,
}

// React is the state after one more fact, and the effects that are to be carried out because of it. It takes s over: only the
// returned state is used from then on. It is deterministic and total: any sequence of facts gives a state.
func React(s State, f Fact) (State, []Effect) {
	if f.StripeEvent != "" {
		return s, nil
	}
	before, open := s[f.Order]
	after, open := next(before, open, f)
	if s == nil {
		s = State{}
	}
	if !open {
		delete(s, f.Order)
		return s, nil
	}
	s[f.Order] = after
	if after.Parked || after == before {
		return s, nil
	}
	return s, []Effect{after}
}

// next is one order's effect after a fact, and whether it is open. It follows domain.Evolve: an effect is open while the
// order's Pending is.
func next(e Effect, open bool, f Fact) (Effect, bool) {
	asked := Effect{Order: f.Order, Request: f.ID, Since: f.At, Correlation: f.Correlation}
	switch ev := f.Event.(type) {
	case domain.CaptureRequested:
		asked.Kind, asked.PaymentIntent, asked.Amount, asked.Currency = Capture, ev.PaymentIntent, ev.Amount, ev.Currency
		return asked, true
	case domain.ShipRequested:
		asked.Kind, asked.PaymentIntent, asked.Amount, asked.Currency = Ship, ev.PaymentIntent, ev.Amount, ev.Currency
		return asked, true
	case domain.RefundRequested:
		asked.Kind, asked.PaymentIntent, asked.Amount, asked.Currency = Refund, ev.PaymentIntent, ev.Amount, ev.Currency
		asked.Charge = ev.Charge
		return asked, true
	case domain.CancelRequested:
		asked.Kind, asked.PaymentIntent, asked.Amount, asked.Currency = Release, ev.PaymentIntent, ev.Amount, ev.Currency
		if ev.How == domain.ChargeRefunded {
			asked.Kind, asked.Charge = Return, ev.Charge
		}
		return asked, true
	}
	if !open {
		return Effect{}, false
	}
	switch ev := f.Event.(type) {
	case domain.PaymentCaptured:
		if e.Kind == Capture {
			return Effect{}, false
		}
		e.Captured = e.Captured || e.Kind == Ship
	case domain.RefundPending:
		if e.Kind == Refund || e.Kind == Return {
			e.Refund = ev.Refund
		}
	case domain.Parked:
		e.Parked = true
	case domain.Resumed:
		e.Parked, e.Request, e.Since, e.Decision, e.Reference = false, f.ID, f.At, ev.Decision, ev.Reference
		e.Correlation = f.Correlation
	case domain.CaptureFailed, domain.AuthorizationExpired, domain.Shipped, domain.Refunded, domain.RefundFailed,
		domain.Cancelled, domain.CancelFailed:
		return Effect{}, false
	}
	return e, true
}
