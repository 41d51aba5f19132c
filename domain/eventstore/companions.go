package eventstore

import (
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

// Events of the companion streams: what the ledger must never forget and is no act on an order.

// TokenCreated: an API token was made; stream access-<token id>. The secret itself is nowhere.
type TokenCreated struct {
	Name   string      `json:"name"`
	Role   domain.Role `json:"role"`
	Secret string      `json:"secret_sha256"` // hex
}

// TokenRevoked: a token is worth nothing from now on.
type TokenRevoked struct{}

// PaymentClaimed: a PaymentIntent belongs to this order and to no other; stream payment-<PaymentIntent>.
type PaymentClaimed struct {
	OrderID uuid.UUID `json:"order_id"`
}

// KeyReserved: an Idempotency-Key was used to place this order, or for an act that was done already and so left no event with
// the order; see KeyStream.
type KeyReserved struct {
	OrderID     uuid.UUID `json:"order_id"`
	RequestHash string    `json:"request_hash"`
	Version     int       `json:"version"` // of the order as it was answered
}

// StripeEventReceived: Stripe told of something; the first event of stream webhook-<Stripe's event id>, which is never made
// twice. It says where to look, not what is true. The body is not kept: it can hold personal data.
type StripeEventReceived struct {
	Type          string    `json:"type"`
	Object        string    `json:"object"`
	PaymentIntent string    `json:"payment_intent,omitempty"`
	OrderID       string    `json:"order_id,omitempty"` // as the object's metadata say
	APIVersion    string    `json:"api_version"`
	Livemode      bool      `json:"livemode"`
	Created       time.Time `json:"created"`
	SHA256        string    `json:"sha256"` // of the body, hex
}

// StripeEventHandled: the object was looked at and what follows from it is recorded; the last event of stream webhook-<id>.
type StripeEventHandled struct {
	Outcome string    `json:"outcome"` // what came of it, such as "recorded", "nothing new", "not ours"
	OrderID uuid.UUID `json:"order_id,omitzero"`
}

// EventType is the event's name in the log.
func (StripeEventReceived) EventType() string { return "StripeEventReceived" }
func (StripeEventHandled) EventType() string  { return "StripeEventHandled" }
func (TokenCreated) EventType() string        { return "TokenCreated" }
func (TokenRevoked) EventType() string        { return "TokenRevoked" }
func (PaymentClaimed) EventType() string      { return "PaymentClaimed" }
func (KeyReserved) EventType() string         { return "KeyReserved" }

// Categories are the categories of streams that the log holds: orders, notices to people, webhooks, tokens, claims of
// PaymentIntents and of references in the business system, keys of requests that left no event with an order, endpoints of others
// that events are sent to, acts on many orders at once, and lists that people saved.
var Categories = []string{"order", "notice", "webhook", "access", "payment", "command", "endpoint", "job", "view"}

// OrderStream is the name of an order's stream.
func OrderStream(id uuid.UUID) string { return "order-" + id.String() }

// OrderOf is the order that a stream belongs to, if it is an order's.
func OrderOf(stream string) (uuid.UUID, bool) {
	const prefix = "order-"
	if len(stream) != len(prefix)+36 || stream[:len(prefix)] != prefix {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(stream[len(prefix):])
	return id, err == nil
}

// WebhookStream is the name of the stream of one of Stripe's events.
func WebhookStream(eventID string) string { return "webhook-" + eventID }

// PaymentStream is the name of the stream by which a PaymentIntent is claimed.
func PaymentStream(paymentIntent string) string { return "payment-" + paymentIntent }

// PlacementKeyStream is the name of the stream by which the key of a placement is reserved: an actor's key places one order.
func PlacementKeyStream(command uuid.UUID) string { return "command-" + command.String() }

// KeyStream is the name of the stream by which the key of an act on an order is reserved. Another order's act may have the
// same key, so the id is that of the event which the command would have made there.
func KeyStream(command, order uuid.UUID) string {
	return "command-" + uuid.NewSHA1(command, []byte(OrderStream(order))).String()
}
