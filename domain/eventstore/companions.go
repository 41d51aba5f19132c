package eventstore

import (
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

// KeyReserved: an Idempotency-Key was used to place this order; stream command-<command id>.
type KeyReserved struct {
	OrderID     uuid.UUID `json:"order_id"`
	RequestHash string    `json:"request_hash"`
}

// EventType is the event's name in the log.
func (TokenCreated) EventType() string   { return "TokenCreated" }
func (TokenRevoked) EventType() string   { return "TokenRevoked" }
func (PaymentClaimed) EventType() string { return "PaymentClaimed" }
func (KeyReserved) EventType() string    { return "KeyReserved" }

// Categories are the categories of streams that the log holds: orders, notices to people, webhooks, tokens, claims of
// PaymentIntents, and keys of placements.
var Categories = []string{"order", "notice", "webhook", "access", "payment", "command"}

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
