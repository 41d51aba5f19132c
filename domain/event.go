package domain

import (
	"time"

	"github.com/google/uuid"
)

// Event is a fact about one order, past tense. The JSON of these structs is the stored form, which the codec's golden files
// freeze: a change is a new schema version with an upcaster, never an edit.
type Event interface {
	// EventType is the event's name in the log.
	EventType() string
}

// Stamp is what an event's envelope says that the order keeps.
type Stamp struct {
	ID    uuid.UUID // the event's id
	At    time.Time // UTC
	Actor Actor
}

// Placed: the order as it arrived.
type Placed struct {
	OrderNumber    string        `json:"order_number"`
	Manufacturer   string        `json:"manufacturer"`
	PlacedAt       time.Time     `json:"placed_at"`
	ShippingMethod string        `json:"shipping_method,omitempty"`
	Lines          []Line        `json:"lines"`
	Currency       Currency      `json:"currency"`
	Subtotal       int64         `json:"subtotal"`
	Freight        int64         `json:"freight"`
	Tax            int64         `json:"tax"`
	Total          int64         `json:"total"`
	Method         Method        `json:"method"`
	Authorization  Authorization `json:"authorization,omitzero"` // card orders
	Confirm        Confirmation  `json:"confirm"`
	ContentHash    string        `json:"content_hash"` // Intake.Hash
	Personal       PersonalData  `json:"personal"`
}

// PersonalData is all that an order knows of a person. The codec keeps it behind one seam, so that it can be sealed.
type PersonalData struct {
	Customer        Customer `json:"customer"`
	BillingAddress  Address  `json:"billing_address,omitzero"`
	ShippingAddress Address  `json:"shipping_address,omitzero"`
}

// Authorization is a hold on a card, as Stripe described it when the ledger saw it.
type Authorization struct {
	PaymentIntent string    `json:"payment_intent"`
	Status        string    `json:"status"` // Stripe's; must be requires_capture
	Amount        int64     `json:"amount"`
	Currency      Currency  `json:"currency"`
	Brand         string    `json:"brand,omitempty"`
	Last4         string    `json:"last4,omitempty"`
	CaptureBefore time.Time `json:"capture_before,omitzero"` // as Stripe said it; zero when it didn't
	OrderID       string    `json:"order_id,omitempty"`      // the order that Stripe's metadata names
}

// Accepted: a clerk reviewed and confirmed the order; the manufacturer's clock stops.
type Accepted struct{}

// ConfirmationMissed: confirm_by passed, neither accepted nor cancelled.
type ConfirmationMissed struct {
	ConfirmBy time.Time `json:"confirm_by"`
}

// CaptureRequested: a clerk pressed Capture Payment on a card order. It carries all that Stripe is asked.
type CaptureRequested struct {
	PaymentIntent string   `json:"payment_intent"`
	Amount        int64    `json:"amount"`
	Currency      Currency `json:"currency"`
}

// ShipRequested: a clerk pressed Ship on a card order that is not captured yet. The capture comes first.
type ShipRequested struct {
	PaymentIntent string     `json:"payment_intent"`
	Amount        int64      `json:"amount"`
	Currency      Currency   `json:"currency"`
	Tracking      []Tracking `json:"tracking,omitempty"`
}

// PaymentCaptured: Stripe took the money; or, on account, the entry was made in the business system.
type PaymentCaptured struct {
	Amount            int64    `json:"amount"`
	Currency          Currency `json:"currency"`
	PaymentIntent     string   `json:"payment_intent,omitempty"`
	Charge            string   `json:"charge,omitempty"`
	ExternalReference string   `json:"external_reference,omitempty"` // on account
	Answer
}

// Answer says where a fact about money comes from.
type Answer struct {
	Request       uuid.UUID `json:"request,omitzero"`         // the event that asked; zero when nobody in the ledger did
	Source        string    `json:"source,omitempty"`         // see Sources; empty when the ledger asked and Stripe answered
	Reference     string    `json:"reference,omitempty"`      // FromElsewhere: where a person settled it
	StripeRequest string    `json:"stripe_request,omitempty"` // Stripe's request id
}

// The sources of facts about money that nobody in the ledger asked Stripe for.
const (
	FromStripe    = "stripe"      // done at Stripe by somebody else, or by Stripe itself
	FromElsewhere = "out_of_band" // settled by a person outside Stripe
)

// Failure is Stripe's definite no.
type Failure struct {
	Code        string `json:"code"`
	Message     string `json:"message"`
	DeclineCode string `json:"decline_code,omitempty"`
}

// CaptureFailed: Stripe refused for good. A shipment that waited for it is withdrawn.
type CaptureFailed struct {
	Failure
	Answer
}

// AuthorizationExpired: the hold is gone, uncaptured.
type AuthorizationExpired struct {
	PaymentIntent string `json:"payment_intent"`
	Reason        string `json:"reason,omitempty"` // Stripe's cancellation reason
	Answer
}

// Reauthorized: a new PaymentIntent for the same amount.
type Reauthorized struct {
	Authorization Authorization `json:"authorization"`
	Replaces      string        `json:"replaces"` // the PaymentIntent before
}

// Tracking is a parcel's number at a carrier.
type Tracking struct {
	Carrier string `json:"carrier" doc:"Carrier's short name, such as ups" maxLength:"40"`
	Number  string `json:"number" maxLength:"64"`
}

// Shipped: it left the house.
type Shipped struct {
	Tracking []Tracking `json:"tracking,omitempty"`
	Request  uuid.UUID  `json:"request,omitzero"` // the ShipRequested that it fulfils
}

// TrackingCorrected: the tracking numbers were changed after shipping.
type TrackingCorrected struct {
	Tracking []Tracking `json:"tracking"`
}

// RefundRequested: a manager pressed Refund on a card order. The whole charge, always.
type RefundRequested struct {
	PaymentIntent string   `json:"payment_intent"`
	Charge        string   `json:"charge"`
	Amount        int64    `json:"amount"`
	Currency      Currency `json:"currency"`
	Reason        string   `json:"reason,omitempty"`
}

// RefundPending: Stripe took the refund on and has not finished it.
type RefundPending struct {
	Refund string `json:"refund"`
	Amount int64  `json:"amount"`
	Answer
}

// Refunded: the money is back with the customer; or, on account, the order was refunded.
type Refunded struct {
	Refund   string   `json:"refund,omitempty"`
	Amount   int64    `json:"amount"`
	Currency Currency `json:"currency"`
	Reason   string   `json:"reason,omitempty"`
	Answer
}

// RefundFailed: the refund did not happen, or was taken back after it had. The order is open again.
type RefundFailed struct {
	Refund string `json:"refund,omitempty"`
	Failure
	Answer
}

// ReversalRecorded: the business system shows the reversal of a refunded or cancelled order on account.
type ReversalRecorded struct {
	ExternalReference string `json:"external_reference"`
}

// Settlement says how a cancelled order's money is let go.
type Settlement string

// The settlements.
const (
	HoldReleased     Settlement = "hold_released"
	ChargeRefunded   Settlement = "charge_refunded"
	NothingToRelease Settlement = "nothing_to_release"
	SettledElsewhere Settlement = "settled_elsewhere" // by a person, outside Stripe
)

// CancelRequested: a manager cancelled a card order whose hold or charge must be let go first.
type CancelRequested struct {
	How           Settlement `json:"how"` // HoldReleased or ChargeRefunded
	PaymentIntent string     `json:"payment_intent"`
	Charge        string     `json:"charge,omitempty"`
	Amount        int64      `json:"amount"`
	Currency      Currency   `json:"currency"`
	Reason        string     `json:"reason,omitempty"`
}

// Cancelled: the order is off, and how the money was let go.
type Cancelled struct {
	How    Settlement `json:"how"`
	Refund string     `json:"refund,omitempty"`
	Reason string     `json:"reason,omitempty"`
	Answer
}

// CancelFailed: the money could not be let go, so the order stands.
type CancelFailed struct {
	Failure
	Answer
}

// DisputeOpened: the customer disputes the charge. A flag: the tab stays.
type DisputeOpened struct {
	Dispute string `json:"dispute"`
	Amount  int64  `json:"amount"`
	Reason  string `json:"reason,omitempty"`
}

// DisputeClosed: the dispute ended; Outcome is Stripe's (won, lost, warning_closed …).
type DisputeClosed struct {
	Dispute string `json:"dispute"`
	Outcome string `json:"outcome"`
}

// ExternalChangeSeen: Stripe says something that the ledger did not ask for and can't adopt.
type ExternalChangeSeen struct {
	Object string `json:"object"` // Stripe's id: pi_…, re_…, ch_…
	Change string `json:"change"` // such as "captured", "refunded_partly", "canceled"
	Amount int64  `json:"amount,omitempty"`
	Answer
}

// Parked: an effect can't go on by itself and waits for a person.
type Parked struct {
	Request        uuid.UUID `json:"request"`
	Reason         string    `json:"reason"`
	Attempts       int       `json:"attempts"`
	StripeRequests []string  `json:"stripe_requests,omitempty"`
}

// Decision is what a person decided about a parked effect.
type Decision string

// The decisions: try it again as a new request; take what Stripe shows as the answer, and ask for nothing; record that it was
// settled outside Stripe; or give it up, which records the failure of what was asked.
const (
	Retry   Decision = "retry"
	Adopt   Decision = "adopt"
	Settle  Decision = "settle"
	Abandon Decision = "abandon"
)

// Resumed: a person decided how a parked effect goes on, and on what evidence.
type Resumed struct {
	Request  uuid.UUID `json:"request"`
	Decision Decision  `json:"decision"`
	Evidence string    `json:"evidence,omitempty"`
	// Reference is Settle's: the entry, transfer or receipt by which it was settled.
	Reference string `json:"reference,omitempty"`
}

// Archived: out of the way.
type Archived struct{}

// Unarchived: back in its tab.
type Unarchived struct{}

// NoteAdded: a private note.
type NoteAdded struct {
	NoteID   uuid.UUID `json:"note_id"`
	Personal NoteText  `json:"personal"`
}

// NoteText is a note's text, which may speak of a person.
type NoteText struct {
	Text string `json:"text"`
}

func (Placed) EventType() string               { return "Placed" }
func (Accepted) EventType() string             { return "Accepted" }
func (ConfirmationMissed) EventType() string   { return "ConfirmationMissed" }
func (CaptureRequested) EventType() string     { return "CaptureRequested" }
func (ShipRequested) EventType() string        { return "ShipRequested" }
func (PaymentCaptured) EventType() string      { return "PaymentCaptured" }
func (CaptureFailed) EventType() string        { return "CaptureFailed" }
func (AuthorizationExpired) EventType() string { return "AuthorizationExpired" }
func (Reauthorized) EventType() string         { return "Reauthorized" }
func (Shipped) EventType() string              { return "Shipped" }
func (TrackingCorrected) EventType() string    { return "TrackingCorrected" }
func (RefundRequested) EventType() string      { return "RefundRequested" }
func (RefundPending) EventType() string        { return "RefundPending" }
func (Refunded) EventType() string             { return "Refunded" }
func (RefundFailed) EventType() string         { return "RefundFailed" }
func (ReversalRecorded) EventType() string     { return "ReversalRecorded" }
func (CancelRequested) EventType() string      { return "CancelRequested" }
func (Cancelled) EventType() string            { return "Cancelled" }
func (CancelFailed) EventType() string         { return "CancelFailed" }
func (DisputeOpened) EventType() string        { return "DisputeOpened" }
func (DisputeClosed) EventType() string        { return "DisputeClosed" }
func (ExternalChangeSeen) EventType() string   { return "ExternalChangeSeen" }
func (Parked) EventType() string               { return "Parked" }
func (Resumed) EventType() string              { return "Resumed" }
func (Archived) EventType() string             { return "Archived" }
func (Unarchived) EventType() string           { return "Unarchived" }
func (NoteAdded) EventType() string            { return "NoteAdded" }
