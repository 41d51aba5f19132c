package dashboard

import (
	"strings"

	"github.com/orderledger/orderledger/domain"
)

// describe says an event in a few words for the timeline, and what more there is to know of it.
func describe(e domain.Event, c domain.Currency) (title, detail string) {
	switch e := e.(type) {
	case domain.Placed:
		return "Order placed", c.Format(e.Total)
	case domain.Accepted:
		return "Accepted", ""
	case domain.ConfirmationMissed:
		return "Confirmation missed", "It was due " + when(e.ConfirmBy)
	case domain.CaptureRequested:
		return "Capture asked of Stripe", c.Format(e.Amount)
	case domain.ShipRequested:
		return "Shipment asked for; the payment is captured first", join(c.Format(e.Amount), tracking(e.Tracking))
	case domain.PaymentCaptured:
		if e.ExternalReference != "" {
			return "Entry recorded", join(c.Format(e.Amount), e.ExternalReference)
		}
		return "Payment captured", join(c.Format(e.Amount), e.Charge)
	case domain.CaptureFailed:
		return "Capture failed", failure(e.Failure)
	case domain.AuthorizationExpired:
		return "The hold on the card is gone", e.Reason
	case domain.Reauthorized:
		return "Payment authorized anew", e.Authorization.PaymentIntent
	case domain.Shipped:
		return "Shipped", tracking(e.Tracking)
	case domain.TrackingCorrected:
		return "Tracking corrected", tracking(e.Tracking)
	case domain.NoteAdded:
		return "Note added", e.Personal.Text
	case domain.Archived:
		return "Archived", ""
	case domain.Unarchived:
		return "Unarchived", ""
	}
	return describeMoney(e, c)
}

func describeMoney(e domain.Event, c domain.Currency) (title, detail string) {
	switch e := e.(type) {
	case domain.RefundRequested:
		return "Refund asked of Stripe", join(c.Format(e.Amount), e.Reason)
	case domain.RefundPending:
		return "Refund under way at Stripe", join(c.Format(e.Amount), e.Refund)
	case domain.Refunded:
		return "Refunded", join(c.Format(e.Amount), e.Refund, e.Reason)
	case domain.RefundFailed:
		return "Refund failed", failure(e.Failure)
	case domain.ReversalRecorded:
		return "Reversal recorded", e.ExternalReference
	case domain.CancelRequested:
		return "Cancellation asked for", join(c.Format(e.Amount), e.Reason)
	case domain.Cancelled:
		return "Cancelled", join(words(e.How), e.Reason)
	case domain.CancelFailed:
		return "Cancelling failed", failure(e.Failure)
	case domain.DisputeOpened:
		return "The customer disputes the charge", join(c.Format(e.Amount), e.Reason)
	case domain.DisputeClosed:
		return "Dispute closed", words(e.Outcome)
	case domain.ExternalChangeSeen:
		return "Seen at Stripe, not asked for here", join(e.Object, words(e.Change))
	case domain.Parked:
		return "Waits for a person", e.Reason
	case domain.Resumed:
		return "Decided: " + string(e.Decision), e.Evidence
	}
	return e.EventType(), ""
}

func failure(f domain.Failure) string { return join(f.Message, f.DeclineCode) }

func tracking(ts []domain.Tracking) string {
	parts := make([]string, len(ts))
	for i, t := range ts {
		parts[i] = strings.TrimSpace(t.Carrier + " " + t.Number)
	}
	return strings.Join(parts, ", ")
}

// join joins what is not empty.
func join(parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, " · ")
}
