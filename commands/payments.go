package commands

import (
	"context"
	"errors"
	"fmt"
	"iter"
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
	Created                      time.Time
	// Refunds and Disputes are complete when it was read by its id; lists leave them out.
	Refunds   []PaymentRefund
	Disputes  []PaymentDispute
	Livemode  bool
	RequestID string // the provider's id of the request that read this
}

// PaymentRefund is one refund of a PaymentIntent.
type PaymentRefund struct {
	ID            string
	Status        string // Stripe's: pending, requires_action, succeeded, failed, canceled
	Amount        int64
	FailureReason string // Stripe's, when failed
	Request       string // metadata request: the id of the ledger's event that asked for it, or empty
	PaymentIntent string
	Currency      string // ISO 4217, upper case
	Created       time.Time
	RequestID     string // the provider's id of the request that answered
}

// PaymentDispute is a charge that the customer disputes at the bank.
type PaymentDispute struct {
	ID            string
	Status        string // Stripe's: needs_response, under_review, won, lost, warning_closed …
	Reason        string
	Amount        int64
	PaymentIntent string
	Currency      string // ISO 4217, upper case
	Created       time.Time
}

// Closed says whether the dispute has ended, so that its Status is its outcome.
func (d PaymentDispute) Closed() bool {
	return d.Status == "won" || d.Status == "lost" || d.Status == "warning_closed" || d.Status == "charge_refunded"
}

// PaymentEvent is what the provider tells of by itself (a webhook), as far as the ledger keeps it: which object to look at,
// never what the object was.
type PaymentEvent struct {
	ID            string // evt_…
	Type          string // such as charge.refunded
	Object        string // id of the object that it is about
	PaymentIntent string // that the object is or belongs to; empty when the event does not say
	OrderID       string // metadata order_id of the object, or empty
	APIVersion    string
	Livemode      bool
	Created       time.Time
	SHA256        string // of the body as it came, hex
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

// UnknownReason says why there is no definite answer.
type UnknownReason string

// The reasons.
const (
	UnknownTimeout     UnknownReason = "timeout"     // the request's time was over
	UnknownCancelled   UnknownReason = "cancelled"   // the caller gave up
	UnknownNetwork     UnknownReason = "network"     // no connection, or it was cut
	UnknownServer      UnknownReason = "server"      // 5xx
	UnknownRateLimit   UnknownReason = "rate_limit"  // 429: nothing was done; RetryAfter says when to ask again
	UnknownCredentials UnknownReason = "credentials" // 401 or 403: nothing will work until a person acts
	UnknownInFlight    UnknownReason = "in_flight"   // 409: the same key is being worked on
	UnknownUnreadable  UnknownReason = "unreadable"  // an answer that makes no sense
)

// PaymentUnknown is a request without a definite answer. It wraps ErrPaymentUnknown, and the cause if there is one.
type PaymentUnknown struct {
	Reason     UnknownReason
	Status     int // HTTP status, 0 when there was none
	Code       string
	RequestID  string
	RetryAfter time.Duration // before which asking again is no use; 0 when that is not known
	Cause      error         // may be nil; never holds a body
}

func (e *PaymentUnknown) Error() string {
	s := fmt.Sprintf("%v: %s", ErrPaymentUnknown, e.Reason)
	if e.Status != 0 {
		s += fmt.Sprintf(" (%d %s, request %s)", e.Status, e.Code, e.RequestID)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives ErrPaymentUnknown and the cause.
func (e *PaymentUnknown) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrPaymentUnknown}
	}
	return []error{ErrPaymentUnknown, e.Cause}
}

// ErrPaymentUnknown means that the provider gave no definite answer: a time-out, a cut connection, a 5xx, a 409 in flight,
// a rate limit, rejected credentials, a body that can't be read. The act may have happened or not: read before repeating it.
var ErrPaymentUnknown = errors.New("the payment provider gave no definite answer")

// Payments is the payment provider as the ledger needs it. Every method may be called from many goroutines. Errors:
// *PaymentRefusal, or *PaymentUnknown, which wraps ErrPaymentUnknown.
type Payments interface {
	// Read says what is true of a PaymentIntent now, its refunds and disputes included (all pages).
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

// PaymentLists reads what the provider has, newest first, page by page, from an instant on. A sequence ends after its first
// error, which is of the same two kinds as those of Payments.
type PaymentLists interface {
	// Intents lists PaymentIntents, without their refunds and disputes.
	Intents(ctx context.Context, since time.Time) iter.Seq2[PaymentIntent, error]
	// Refunds lists refunds of all PaymentIntents.
	Refunds(ctx context.Context, since time.Time) iter.Seq2[PaymentRefund, error]
	// Disputes lists disputes of all PaymentIntents.
	Disputes(ctx context.Context, since time.Time) iter.Seq2[PaymentDispute, error]
	// Undelivered lists the events of the types that the ledger listens to and that no webhook endpoint took.
	Undelivered(ctx context.Context, since time.Time) iter.Seq2[PaymentEvent, error]
}
