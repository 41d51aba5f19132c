package domain

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Order is one order as its events tell it. The zero Order is the order that was never placed. It is a value: Evolve
// returns a new one and never changes what an old one refers to.
type Order struct {
	ID      uuid.UUID
	Version int // number of events

	OrderNumber    string
	Manufacturer   string
	PlacedBy       string // the actor who placed it
	PlacedAt       time.Time
	ReceivedAt     time.Time // when the ledger took it in
	ShippingMethod string
	Lines          []Line
	Currency       Currency
	Subtotal       int64
	Freight        int64
	Tax            int64
	Total          int64
	ContentHash    string
	Personal       PersonalData
	Confirm        Confirmation

	Method  Method
	Hold    Authorization // card orders: the current one
	Charge  string
	Taken   int64  // what was captured, or entered on account; the total, unless a person adopted another amount
	Refund  string // Stripe's refund, once there is one
	Entry   string // account orders: the entry's external reference
	Reverse string // account orders: the reversal's external reference

	// When the order became what it is now; nil while it isn't.
	AcceptedAt, CapturedAt, ShippedAt, RefundedAt, CancelledAt, ArchivedAt *time.Time

	Settled            Settlement // how a cancelled order's money was let go
	HoldExpired        bool
	ConfirmationMissed bool
	CaptureFailed      bool
	RefundPending      bool
	RefundFailed       bool
	CancelFailed       bool

	Pending  Pending
	Tracking []Tracking
	Notes    []Note
	Disputes []Dispute
	External []ExternalChangeSeen
}

// Act is a money act in flight.
type Act string

// The acts that can be in flight.
const (
	ActCapture Act = "capture"
	ActShip    Act = "ship"
	ActRefund  Act = "refund"
	ActCancel  Act = "cancel"
)

// Pending is the one money act in flight; the zero Pending is none.
type Pending struct {
	Act      Act
	Request  uuid.UUID // the event whose answer is awaited: the request, or the decision to retry it
	Since    time.Time
	How      Settlement // for cancel
	Tracking []Tracking // for ship
	Reason   string     // for refund and cancel
	Parked   bool
	Why      string   // why it is parked
	Attempts int      // how often it was tried before it was parked
	Requests []string // Stripe's ids of those requests, the last few
	// What a person decided when it was parked, and by which reference it was settled elsewhere.
	Decision  Decision
	Reference string
}

// Note is a private note.
type Note struct {
	ID   uuid.UUID `json:"id"`
	Text string    `json:"text"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`
}

// Dispute is a charge that the customer disputes at the bank. Outcome is empty while it is open.
type Dispute struct{ ID, Outcome string }

// Exists says whether the order was ever placed.
func (o Order) Exists() bool { return o.Version > 0 }

// Captured says whether the money is in: taken at Stripe, or entered in the business system.
func (o Order) Captured() bool { return o.CapturedAt != nil }

// Disputed says whether a dispute is open.
func (o Order) Disputed() bool {
	return slices.ContainsFunc(o.Disputes, func(d Dispute) bool { return d.Outcome == "" })
}

// EntryIsOwed says whether the order was shipped on account and its entry in the business system is not recorded.
func (o Order) EntryIsOwed() bool {
	return o.Method == Account && o.ShippedAt != nil && !o.Captured() && o.RefundedAt == nil
}

// ReversalIsOwed says whether an entry was recorded of an order on account that was then refunded or cancelled.
func (o Order) ReversalIsOwed() bool {
	return o.Method == Account && o.Captured() && (o.RefundedAt != nil || o.CancelledAt != nil) && o.Reverse == ""
}
