package audit

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// clockStep is how far a clock may have been set back between a timer and the record of what it did.
const clockStep = time.Second

// possible says whether the rules make this event of the order as it was: the command that it answers is given to
// domain.Decide again, and the event that comes of it must be the recorded one, field by field.
func possible(codec eventstore.Codec, o domain.Order, e domain.Event, env eventstore.Envelope) error {
	c, err := commandOf(o, e, env)
	if err != nil {
		return err
	}
	made, err := domain.Decide(o, c)
	if err != nil {
		return fmt.Errorf("the rules refuse it: %w", err)
	}
	if made == nil {
		return errors.New("what it says was so already")
	}
	if made.EventType() != e.EventType() {
		return fmt.Errorf("the rules make it %s", made.EventType())
	}
	want, err := codec.Encode("", made)
	if err != nil {
		return err
	}
	got, err := codec.Encode("", e)
	if err != nil {
		return err
	}
	if !bytes.Equal(want.Data, got.Data) {
		return fmt.Errorf("the rules make another %s of this order", e.EventType())
	}
	return nil
}

// commandOf is the command that led to an event.
func commandOf(o domain.Order, e domain.Event, env eventstore.Envelope) (domain.Command, error) {
	switch e := e.(type) {
	case domain.Placed:
		return placeOf(e)
	case domain.Accepted:
		return domain.Accept{}, nil
	case domain.ConfirmationMissed:
		return domain.RecordConfirmationMissed{Now: env.OccurredAt.Add(clockStep)}, nil
	case domain.Reauthorized:
		return domain.Reauthorize{Authorization: e.Authorization}, nil
	case domain.Shipped:
		if o.Pending.Act == domain.ActShip {
			return domain.CompleteShipment{Request: e.Request}, nil
		}
		return domain.Ship{Tracking: e.Tracking}, nil
	case domain.TrackingCorrected:
		return domain.CorrectTracking(e), nil
	case domain.ReversalRecorded:
		return domain.RecordReversal(e), nil
	case domain.DisputeOpened:
		return domain.RecordDisputeOpened{Dispute: e.Dispute, Reason: e.Reason, Amount: e.Amount}, nil
	case domain.DisputeClosed:
		return domain.RecordDisputeClosed(e), nil
	case domain.ExternalChangeSeen:
		return domain.RecordExternalChange(e), nil
	case domain.Parked:
		return domain.Park(e), nil
	case domain.Resumed:
		return domain.Resume{Decision: e.Decision, Evidence: e.Evidence, Reference: e.Reference}, nil
	case domain.Archived:
		return domain.Archive{}, nil
	case domain.Unarchived:
		return domain.Unarchive{}, nil
	case domain.NoteAdded:
		return domain.AddNote{NoteID: e.NoteID, Text: e.Personal.Text}, nil
	}
	return moneyCommandOf(o, e)
}

// moneyCommandOf is the command that led to an event about money.
func moneyCommandOf(o domain.Order, e domain.Event) (domain.Command, error) {
	switch e := e.(type) {
	case domain.CaptureRequested:
		return domain.Capture{}, nil
	case domain.ShipRequested:
		return domain.Ship{Tracking: e.Tracking}, nil
	case domain.PaymentCaptured:
		if o.Method == domain.Account {
			return domain.Capture{ExternalReference: e.ExternalReference}, nil
		}
		return domain.RecordCaptured{
			PaymentIntent: e.PaymentIntent, Charge: e.Charge, Amount: e.Amount, Currency: e.Currency, Answer: e.Answer,
		}, nil
	case domain.CaptureFailed:
		return domain.RecordCaptureFailed(e), nil
	case domain.AuthorizationExpired:
		return domain.RecordAuthorizationExpired(e), nil
	case domain.RefundRequested:
		return domain.Refund{Reason: e.Reason}, nil
	case domain.RefundPending:
		return domain.RecordRefundPending(e), nil
	case domain.Refunded:
		if e.Answer == (domain.Answer{}) { // on account, or paid outside Stripe: nobody had to be asked
			return domain.Refund{Reason: e.Reason}, nil
		}
		return domain.RecordRefunded{Refund: e.Refund, Amount: e.Amount, Currency: e.Currency, Answer: e.Answer}, nil
	case domain.RefundFailed:
		return domain.RecordRefundFailed(e), nil
	case domain.CancelRequested:
		return domain.Cancel{Reason: e.Reason}, nil
	case domain.Cancelled:
		if o.Pending.Act != domain.ActCancel {
			return domain.Cancel{Reason: e.Reason}, nil
		}
		c := domain.RecordCancelled{How: e.How, Refund: e.Refund, Answer: e.Answer}
		if e.How == domain.ChargeRefunded {
			c.Amount = o.Taken
		}
		return c, nil
	case domain.CancelFailed:
		return domain.RecordCancelFailed(e), nil
	}
	return nil, fmt.Errorf("%s is no event of an order", e.EventType())
}

// placeOf is the order as the store handed it over. The content hash tells whether it named its PaymentIntent itself or was
// authorized on the way in.
func placeOf(e domain.Placed) (domain.Command, error) {
	in := domain.Intake{
		OrderNumber: e.OrderNumber, PlacedAt: e.PlacedAt, Manufacturer: e.Manufacturer,
		Customer: e.Personal.Customer, BillingAddress: e.Personal.BillingAddress, ShippingAddress: e.Personal.ShippingAddress,
		ShippingMethod: e.ShippingMethod, Lines: e.Lines, Currency: e.Currency,
		Subtotal: e.Subtotal, Freight: e.Freight, Tax: e.Tax, Total: e.Total, Payment: domain.Terms{Method: e.Method},
	}
	if in.Hash() != e.ContentHash {
		in.Payment.PaymentIntent = e.Authorization.PaymentIntent
	}
	if in.Hash() != e.ContentHash {
		return nil, errors.New("its content is not what its content hash says")
	}
	return domain.Place{Intake: in, Authorization: e.Authorization, Confirm: e.Confirm}, nil
}

// companion says why an event has no place in a companion stream; empty when it has.
func companion(r eventstore.Recorded, e domain.Event, env eventstore.Envelope) string {
	category, _, err := eventstore.CheckStream(r.Stream)
	if err != nil {
		return err.Error()
	}
	var home string
	first := true
	switch e.(type) {
	case eventstore.TokenCreated:
		home = "access"
	case eventstore.TokenRevoked:
		home, first = "access", false
	case eventstore.PaymentClaimed, eventstore.ReferenceClaimed:
		home = "payment"
	case eventstore.KeyReserved:
		home = "command"
	case eventstore.StripeEventReceived:
		home = "webhook"
	case eventstore.StripeEventHandled:
		home, first = "webhook", false
	case eventstore.NotificationsBegan, eventstore.NotificationRequested, eventstore.NotificationSent, eventstore.NotificationFailed,
		eventstore.NotificationsBatched:
		if category != "notice" {
			return r.Type + " belongs in a stream notice-…"
		}
		return notice(r, e)
	case eventstore.EndpointAdded:
		home = "endpoint"
	case eventstore.EndpointSecretRotated, eventstore.EndpointDisabled, eventstore.EndpointEnabled, eventstore.EndpointRemoved,
		eventstore.EndpointDelivered, eventstore.DeliveryParked, eventstore.DeliveryResumed:
		home, first = "endpoint", false
	case eventstore.JobMade:
		home = "job"
	case eventstore.JobPlanned, eventstore.JobProgressed, eventstore.JobSettled, eventstore.JobEnded:
		home, first = "job", false
	case eventstore.ViewSaved, eventstore.HomeViewChosen: // first, and again
		home, first = "view", r.Revision == 0
	case eventstore.ViewRemoved:
		home, first = "view", false
	}
	if _, chosen := e.(eventstore.HomeViewChosen); home == "view" && chosen != eventstore.IsHomeView(r.Stream) {
		return r.Type + " belongs in another stream view-…"
	}
	switch {
	case home == category && first == (r.Revision == 0):
		switch e := e.(type) {
		case eventstore.KeyReserved:
			return reserved(r.Stream, e, env)
		case eventstore.ReferenceClaimed:
			return misplaced(r.Stream, e)
		}
		return ""
	case home == category && first:
		return "it can only be the first of its stream"
	case home == category:
		return "it can't be the first of its stream"
	case home != "":
		return fmt.Sprintf("%s belongs in a stream %s-…", r.Type, home)
	case isOrderEvent(e):
		return fmt.Sprintf("%s belongs in a stream order-…", r.Type)
	}
	return ""
}

// reserved says why a key is not kept as its request would have it; empty when it is.
func reserved(stream string, e eventstore.KeyReserved, env eventstore.Envelope) string {
	switch {
	case stream != eventstore.PlacementKeyStream(env.CommandID) && stream != eventstore.KeyStream(env.CommandID, e.OrderID):
		return fmt.Sprintf("it keeps the key of command %s, which has a stream of its own", env.CommandID)
	case e.RequestHash != env.RequestHash:
		return "it keeps its key for another request than its own"
	case e.Version < 1:
		return "it was answered with no version of its order"
	}
	return ""
}

// isOrderEvent says whether a type is declared beside the rules.
func isOrderEvent(e domain.Event) bool {
	return strings.HasPrefix(fmt.Sprintf("%T", e), "domain.")
}
