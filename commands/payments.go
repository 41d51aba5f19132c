package commands

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// PaymentIntent is what the payment provider says of one PaymentIntent at one moment: read, never guessed. Amounts are in
// the ledger's minor units (ISO 4217), whatever the provider counts in.
type PaymentIntent struct {
	ID     string
	Status string // Stripe's: requires_payment_method, requires_capture, processing, succeeded, canceled …
	// Amount is what was asked for, Capturable what is held and can be taken now, Received what was taken.
	Amount, Capturable, Received int64
	Currency                     string // ISO 4217, upper case
	Charge                       string // the latest charge, or empty
	Brand, Last4                 string
	CaptureBefore                time.Time // when the hold ends, as the provider said it; zero when it did not say
	CancellationReason           string    // Stripe's, such as "automatic" when a hold ran out; empty unless canceled
	OrderID                      string    // metadata order_id: the ledger's order that this payment belongs to, or empty
	Refunds                      []PaymentRefund
	Livemode                     bool
	RequestID                    string // the provider's id of the request that read this
}

// PaymentRefund is one refund of a PaymentIntent.
type PaymentRefund struct {
	ID            string
	Status        string // Stripe's: pending, requires_action, succeeded, failed, canceled
	Amount        int64
	FailureReason string // Stripe's, when failed
	Request       string // metadata request: the id of the ledger's event that asked for it, or empty
	RequestID     string // the provider's id of the request that answered
}

// PaymentRequest asks the provider for one act. Key and all parameters stay the same for ever for one request event, so
// that asking again can't act twice.
type PaymentRequest struct {
	Key           string // the idempotency key
	OrderID       string
	Request       string // the id of the event that asked, kept at the provider as metadata
	PaymentIntent string
	Amount        int64
	Currency      string
}

// PaymentRefusal is the provider's definite no: nothing was moved and asking again changes nothing.
type PaymentRefusal struct {
	Status      int    // HTTP status
	Type        string // Stripe's error type: card_error, invalid_request_error, idempotency_error …
	Code        string // Stripe's error code, such as payment_intent_unexpected_state or card_declined
	DeclineCode string
	Message     string
	RequestID   string
}

func (e *PaymentRefusal) Error() string {
	return fmt.Sprintf("payment refused: %s (%d %s/%s, request %s)", e.Message, e.Status, e.Type, e.Code, e.RequestID)
}

// ErrPaymentUnknown means that the provider gave no definite answer: a time-out, a cut connection, a 5xx, a 409 in flight,
// a rate limit, rejected credentials, a body that can't be read. The act may have happened or not: read before repeating it.
var ErrPaymentUnknown = errors.New("the payment provider gave no definite answer")

// Payments is the payment provider as the ledger needs it. Every method may be called from many goroutines. Errors:
// *PaymentRefusal, or one that wraps ErrPaymentUnknown.
type Payments interface {
	// Read says what is true of a PaymentIntent now, its refunds included (all pages).
	Read(ctx context.Context, paymentIntent string) (PaymentIntent, error)
	// Authorize holds funds for an order with a test payment method; sandbox and test mode only (else a refusal with code
	// "live_mode"). Amount and Currency as in the request; PaymentIntent is ignored. The intent's metadata carries order_id.
	Authorize(ctx context.Context, r PaymentRequest, paymentMethod string) (PaymentIntent, error)
	// Capture takes the held funds, all of them.
	Capture(ctx context.Context, r PaymentRequest) (PaymentIntent, error)
	// Release lets the hold go (cancels the PaymentIntent).
	Release(ctx context.Context, r PaymentRequest) (PaymentIntent, error)
	// Refund gives the taken funds back, the whole amount. The refund's metadata carries order_id and request.
	Refund(ctx context.Context, r PaymentRequest) (PaymentRefund, error)
}
