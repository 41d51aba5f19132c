package domain

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Evolve is the order after one more event. It is total: every event on every order gives an order, so a log can always be
// folded; whether the event should have happened is for Decide and the audit to say.
func Evolve(o Order, e Event, s Stamp) Order {
	o.Version++
	at := s.At
	switch e := e.(type) {
	case Placed:
		o = place(o, e, s)
	case Accepted:
		o.AcceptedAt = &at
	case ConfirmationMissed:
		o.ConfirmationMissed = true
	case CaptureRequested:
		o.CaptureFailed = false
		o.Pending = Pending{Act: ActCapture, Request: s.ID, Since: at}
	case ShipRequested:
		o.CaptureFailed = false
		o.Pending = Pending{Act: ActShip, Request: s.ID, Since: at, Tracking: e.Tracking}
	case PaymentCaptured:
		o.CapturedAt, o.CaptureFailed, o.HoldExpired = &at, false, false
		o.Charge, o.Taken, o.Entry = e.Charge, e.Amount, e.ExternalReference
		o = settledBy(o, e.Answer)
		o.TakenElsewhere = e.Source == FromElsewhere
		if o.Pending.Act == ActCapture {
			o.Pending = Pending{}
		}
	case CaptureFailed:
		o.CaptureFailed, o.Pending = true, Pending{}
	case AuthorizationExpired:
		o.HoldExpired, o.CaptureFailed, o.Pending = true, false, Pending{}
	case Reauthorized:
		o.Hold, o.HoldExpired, o.CaptureFailed, o.CancelFailed = e.Authorization, false, false, false
	case Shipped:
		o.ShippedAt, o.Tracking, o.Pending = &at, e.Tracking, Pending{}
	case TrackingCorrected:
		o.Tracking = e.Tracking
	case ReversalRecorded:
		o.Reverse, o.ReversedAt = e.ExternalReference, &at
	case DisputeOpened:
		o.Disputes = append(slices.Clip(o.Disputes), Dispute{ID: e.Dispute, Amount: e.Amount})
	case DisputeClosed:
		o.Disputes = closeDispute(o.Disputes, e)
	case ExternalChangeSeen:
		o.External = append(slices.Clip(o.External), ExternalChange{Object: e.Object, Change: e.Change, Amount: e.Amount, At: at})
	case Archived:
		o.ArchivedAt = &at
	case Unarchived:
		o.ArchivedAt = nil
	case NoteAdded:
		o.Notes = append(slices.Clip(o.Notes), Note{ID: e.NoteID, Text: e.Personal.Text, By: s.Actor.ID, At: at})
	default:
		o = letGo(o, e, s)
	}
	return o
}

// letGo folds the events by which money is given back and orders are called off, and the decisions about parked effects.
func letGo(o Order, e Event, s Stamp) Order {
	at := s.At
	switch e := e.(type) {
	case RefundRequested:
		o.RefundFailed = false
		o.Pending = Pending{Act: ActRefund, Request: s.ID, Since: at, Reason: e.Reason}
	case RefundPending:
		o.RefundPending, o.Refund = true, e.Refund
	case Refunded:
		o.RefundedAt = &at
		o.RefundPending, o.RefundFailed, o.CancelFailed, o.Pending = false, false, false, Pending{}
		o = givenBackBy(o, e.Refund, e.Answer)
	case RefundFailed:
		// The money is still, or again, with the dealer: whatever the refund had closed is open again, and is not left in the
		// archive, where nobody would see it.
		o = refundFailed(o, e.Refund)
		if o.Settled == ChargeRefunded {
			o.CancelledAt, o.Settled = nil, ""
		}
		o.RefundedAt, o.ArchivedAt = nil, nil
		o.RefundPending, o.RefundFailed, o.Pending = false, true, Pending{}
	case CancelRequested:
		o.CancelFailed, o.RefundFailed = false, false
		o.Pending = Pending{Act: ActCancel, Request: s.ID, Since: at, How: e.How, Reason: e.Reason}
	case Cancelled:
		o.CancelledAt, o.Settled = &at, e.How
		o.RefundPending, o.RefundFailed, o.CancelFailed, o.Pending = false, false, false, Pending{}
		o = givenBackBy(o, e.Refund, e.Answer)
	case CancelFailed:
		o = refundFailed(o, "")
		o.RefundPending, o.CancelFailed, o.Pending = false, true, Pending{}
	case Parked:
		o.Pending.Parked, o.Pending.ParkedAt, o.Pending.Why = true, at, e.Reason
		o.Pending.Attempts, o.Pending.Requests = e.Attempts, e.StripeRequests
	case Resumed:
		o.Pending.Parked, o.Pending.ParkedAt, o.Pending.Why = false, time.Time{}, ""
		o.Pending.Attempts, o.Pending.Requests = 0, nil
		o.Pending.Decision, o.Pending.Reference = e.Decision, e.Reference
		if o.Pending.Act != "" && s.ID != uuid.Nil {
			o.Pending.Request = s.ID
		}
	}
	return o
}

// settledBy keeps by which reference a person settled money outside Stripe.
func settledBy(o Order, a Answer) Order {
	if a.Source == FromElsewhere {
		o.Reference = a.Reference
	}
	return o
}

// givenBackBy keeps by which refund the money went back: this one, the one that was under way when the answer names none, and
// none of Stripe's when a person has settled it elsewhere, so that one that succeeds there too is seen.
func givenBackBy(o Order, refund string, a Answer) Order {
	switch {
	case a.Source == FromElsewhere:
		o.Refund = ""
	case refund != "":
		o.Refund = refund
	}
	return settledBy(o, a)
}

// refundFailed keeps which refund failed: this one, or the one that was under way.
func refundFailed(o Order, refund string) Order {
	switch {
	case refund != "":
		o.Refund = refund
	case o.RefundPending:
		refund = o.Refund
	}
	if refund != "" && !slices.Contains(o.FailedRefunds, refund) {
		o.FailedRefunds = append(slices.Clip(o.FailedRefunds), refund)
	}
	return o
}

func place(o Order, e Placed, s Stamp) Order {
	return Order{
		ID: OrderID(e.Manufacturer, e.OrderNumber), Version: o.Version,
		OrderNumber: e.OrderNumber, Manufacturer: e.Manufacturer, PlacedBy: s.Actor.ID,
		PlacedAt: e.PlacedAt, ReceivedAt: s.At, ShippingMethod: e.ShippingMethod,
		Lines: e.Lines, Currency: e.Currency, Subtotal: e.Subtotal, Freight: e.Freight, Tax: e.Tax, Total: e.Total,
		ContentHash: e.ContentHash, Personal: e.Personal, Confirm: e.Confirm,
		Method: e.Method, Hold: e.Authorization,
	}
}

func closeDispute(disputes []Dispute, e DisputeClosed) []Dispute {
	closed := slices.Clone(disputes)
	for i := range closed {
		if closed[i].ID == e.Dispute {
			closed[i].Outcome = e.Outcome
			return closed
		}
	}
	return append(closed, Dispute{ID: e.Dispute, Outcome: e.Outcome})
}
