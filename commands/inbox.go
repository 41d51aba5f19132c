package commands

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Stripe is who acts when something happened at Stripe that the ledger did not ask for.
func Stripe(via domain.Via) domain.Actor {
	return domain.Actor{ID: "stripe", Role: domain.System, Via: via}
}

var (
	inboxNamespace = uuid.MustParse("4d0c6a35-6c0b-5d0e-9a57-0c1f3e2b7a64")
	stripeEventID  = regexp.MustCompile(`^evt_[A-Za-z0-9_]{1,120}$`)
)

// ErrBadEventID means that something calls itself an event of Stripe's and has no such id.
var ErrBadEventID = errors.New("not the id of an event of Stripe's (evt_…)")

// Inbox keeps what Stripe tells of: each event once, for ever, however often and in whatever order it is told.
type Inbox struct{ Handler *Handler }

// Receive records that Stripe told of something; when it returns without an error, that is durable. It returns false when
// it was known before. Errors: ErrBadEventID, eventstore.ErrUnavailable, a context's end.
func (i Inbox) Receive(ctx context.Context, e PaymentEvent, via domain.Via) (bool, error) {
	if !stripeEventID.MatchString(e.ID) {
		return false, ErrBadEventID
	}
	received := eventstore.StripeEventReceived{
		Type: e.Type, Object: e.Object, PaymentIntent: e.PaymentIntent, OrderID: e.OrderID, APIVersion: e.APIVersion,
		Livemode: e.Livemode, Created: e.Created.UTC(), SHA256: e.SHA256,
	}
	stream := eventstore.WebhookStream(e.ID)
	_, _, err := i.Handler.appender().Append(ctx, stream, eventstore.NoStream, received, eventstore.Envelope{
		CommandID: uuid.NewSHA1(inboxNamespace, []byte(e.ID)), Actor: Stripe(via),
	})
	if conflict := (*eventstore.ConflictError)(nil); errors.As(err, &conflict) {
		return false, nil
	}
	return err == nil, err
}

// Handled records what came of an event that was received; recording it again changes nothing.
func (i Inbox) Handled(ctx context.Context, eventID, outcome string, order uuid.UUID) error {
	stream := eventstore.WebhookStream(eventID)
	last := eventstore.Recorded{Revision: eventstore.NoStream}
	for r, err := range i.Handler.log.ReadStream(ctx, stream, eventstore.NoStream) {
		if err != nil {
			return err
		}
		last = r
	}
	if last.Revision != 0 {
		if last.Revision == eventstore.NoStream {
			return fmt.Errorf("%s was never received", eventID)
		}
		return nil
	}
	env, err := eventstore.ReadEnvelope(last.Event)
	if err != nil {
		return err
	}
	handled := eventstore.StripeEventHandled{Outcome: outcome, OrderID: order}
	_, _, err = i.Handler.appender().Append(ctx, stream, 0, handled, eventstore.Envelope{
		CommandID: uuid.NewSHA1(inboxNamespace, []byte(eventID+" handled")), Actor: Stripe(domain.ViaSaga),
		CorrelationID: env.CorrelationID, CausationID: last.ID, Prev: env.Hash,
	})
	if conflict := (*eventstore.ConflictError)(nil); errors.As(err, &conflict) {
		return nil // another process was faster
	}
	return err
}

// OrderOf is the order that has claimed a PaymentIntent; false when none has.
func (i Inbox) OrderOf(ctx context.Context, paymentIntent string) (uuid.UUID, bool, error) {
	for r, err := range i.Handler.log.ReadStream(ctx, eventstore.PaymentStream(paymentIntent), eventstore.NoStream) {
		if err != nil {
			return uuid.Nil, false, err
		}
		e, _, err := i.Handler.codec.Decode(r)
		if err != nil {
			return uuid.Nil, false, err
		}
		if claimed, ok := e.(eventstore.PaymentClaimed); ok {
			return claimed.OrderID, true, nil
		}
	}
	return uuid.Nil, false, nil
}
