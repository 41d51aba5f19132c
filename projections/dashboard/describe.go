package dashboard

import (
	"fmt"
	"strings"

	"github.com/orderledger/orderledger/domain"
)

// describe says an event in a few words for the timeline, and what more there is to know of it.
func describe(e domain.Event, c voice) (title, detail string) {
	switch e := e.(type) {
	case domain.Placed:
		return "Order placed", c.Format(e.Total)
	case domain.Accepted:
		return "Accepted", ""
	case domain.ConfirmationMissed:
		return "Confirmation missed", "It was due " + c.in.Moment(e.ConfirmBy)
	case domain.CaptureRequested:
		return "Capture asked of Stripe", c.Format(e.Amount)
	case domain.ShipRequested:
		return "Shipment asked for; the payment is captured first", join(c.Format(e.Amount), tracking(e.Tracking))
	case domain.PaymentCaptured:
		switch {
		case e.ExternalReference != "":
			return "Entry recorded", join(c.Format(e.Amount), e.ExternalReference)
		case e.Source == domain.FromElsewhere:
			return "Paid outside Stripe", join(c.Format(e.Amount), e.Reference)
		}
		return "Payment captured" + byWhom(e.Answer), c.Format(e.Amount)
	case domain.CaptureFailed:
		return "Capture failed", failure(e.Failure)
	case domain.AuthorizationExpired:
		return "The hold on the card is gone", holdEnded(e.Reason)
	case domain.Reauthorized:
		return "Payment authorized anew", c.Format(e.Authorization.Amount)
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

func describeMoney(e domain.Event, c voice) (title, detail string) {
	switch e := e.(type) {
	case domain.RefundRequested:
		return "Refund asked of Stripe", join(c.Format(e.Amount), e.Reason)
	case domain.RefundPending:
		return "Refund under way at Stripe" + byWhom(e.Answer), c.Format(e.Amount)
	case domain.Refunded:
		if e.Source == domain.FromElsewhere {
			return "Refunded outside Stripe", join(c.Format(e.Amount), e.Reference, e.Reason)
		}
		return "Refunded" + byWhom(e.Answer), join(c.Format(e.Amount), e.Reason)
	case domain.RefundFailed:
		return "Refund failed: the money is with you", failure(e.Failure)
	case domain.ReversalRecorded:
		return "Reversal recorded", e.ExternalReference
	case domain.CancelRequested:
		return "Cancellation asked for", join(c.Format(e.Amount), e.Reason)
	case domain.Cancelled:
		return "Cancelled", join(words(e.How), e.Reference, e.Reason)
	case domain.CancelFailed:
		return "Cancelling failed", failure(e.Failure)
	case domain.DisputeOpened:
		return "The customer disputes the charge at the bank", join(c.Format(e.Amount), words(e.Reason))
	case domain.DisputeClosed:
		return disputeEnded(e.Outcome), ""
	case domain.ExternalChangeSeen:
		amount := ""
		if e.Amount != 0 {
			amount = c.Format(e.Amount)
		}
		return "Seen at Stripe: " + lower(meaning(e.Change)), amount
	case domain.Parked:
		return "Stopped, and waits for a decision", join(e.Reason, times(e.Attempts))
	case domain.Resumed:
		return "Decided: " + lower(decisionLabels[e.Decision]), join(e.Reference, e.Evidence)
	}
	return describeNotice(e)
}

// byWhom says of a fact about money that nobody asked for here who did it.
func byWhom(a domain.Answer) string {
	if a.Source == domain.FromStripe {
		return " at Stripe, not by us"
	}
	return ""
}

// holdEnded says why a hold is gone, by Stripe's reason.
func holdEnded(reason string) string {
	switch reason {
	case "":
		return ""
	case "automatic", "expired":
		return "It ran out"
	}
	return "Let go at Stripe: " + lower(words(reason))
}

func disputeEnded(outcome string) string {
	switch outcome {
	case "won":
		return "Dispute won: the money stays with you"
	case "lost":
		return "Dispute lost: the bank gave the money back to the customer"
	case "warning_closed":
		return "The bank's inquiry is closed: the money stays with you"
	}
	return "Dispute closed: " + lower(words(outcome))
}

func times(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "tried once"
	}
	return fmt.Sprintf("tried %d times", n)
}

// lower makes a sentence the second half of another.
func lower(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + strings.TrimSuffix(s[1:], ".")
}

func failure(f domain.Failure) string { return join(f.Message, f.DeclineCode) }

func tracking(ts []domain.Tracking) string {
	parts := make([]string, len(ts))
	for i, t := range ts {
		parts[i] = strings.TrimSpace(apart(t.Carrier) + " " + apart(t.Number))
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
