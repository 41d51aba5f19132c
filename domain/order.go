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
	Reverse string // the external reference of the reversal of what was taken outside Stripe

	TakenElsewhere bool     // card orders: the payment was settled outside Stripe, which has nothing to give back
	Reference      string   // of the last settlement outside Stripe
	FailedRefunds  []string // Stripe's refunds that failed; they never come back to life

	// When the order became what it is now; nil while it isn't.
	AcceptedAt, CapturedAt, ShippedAt, RefundedAt, CancelledAt, ReversedAt, ArchivedAt *time.Time

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
	External []ExternalChange

	// Untold are the notices that could not be delivered. They are no events of the order, so Evolve never sets them: read models
	// do, which know the notices too.
	Untold []uuid.UUID `json:",omitempty"`
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
	ParkedAt time.Time
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

// Dispute is a charge, or a part of one, that the customer disputes at the bank. Outcome is empty while it is open.
type Dispute struct {
	ID, Outcome string
	Amount      int64 // 0 when the ledger heard of its end alone
}

// ExternalChange is what Stripe said that the ledger did not ask for and could not adopt.
type ExternalChange struct {
	Object string    `json:"object" doc:"Stripe's id"`
	Change string    `json:"change" doc:"Such as captured, refunded_partly, canceled"`
	Amount int64     `json:"amount" doc:"Minor units; 0 where no money is named"`
	At     time.Time `json:"at"`
}

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

// outsideStripe says whether the order's money moves outside Stripe: entered on account, or settled by a person.
func (o Order) outsideStripe() bool { return o.Method == Account || o.TakenElsewhere }

// ReversalIsOwed says whether money was taken outside Stripe for an order that was then refunded or cancelled, and nobody has
// recorded that it was given back there.
func (o Order) ReversalIsOwed() bool {
	return o.outsideStripe() && o.Captured() && (o.RefundedAt != nil || o.CancelledAt != nil) && o.Reverse == ""
}

// frozen is why the money that Stripe took must not be asked back now; nil when it may.
func (o Order) frozen() error {
	switch {
	case o.Disputed():
		return Reject(Disputed)
	case o.lost():
		return Reject(DisputeLost)
	}
	return nil
}

// lost says whether the bank has given all that was taken back to the customer. Of a part, Stripe knows what is left.
func (o Order) lost() bool {
	return slices.ContainsFunc(o.Disputes, func(d Dispute) bool { return d.Outcome == "lost" && d.Amount >= o.Taken })
}

// keptAfterAll says of a cancelled order whose money Stripe had taken whether it was cancelled without giving that back, because the
// bank had done so, and the dispute was won afterwards.
func (o Order) keptAfterAll() bool {
	return o.Settled == NothingToRelease && !o.TakenElsewhere && !o.lost()
}

// returns says whether the act in flight gives taken money back.
func (p Pending) returns() bool {
	return p.Act == ActRefund || p.Act == ActCancel && p.How == ChargeRefunded
}

// Decisions are those that a person can take about the order's parked effect; none when nothing is parked. Taken money is not
// asked back while a dispute freezes it, and where only the shipment is left there is no money to decide about.
func (o Order) Decisions() []Decision {
	switch p := o.Pending; {
	case !p.Parked:
		return nil
	case p.Act == ActShip && o.Captured():
		return []Decision{Retry}
	case p.returns() && o.frozen() != nil:
		return []Decision{Adopt, Settle, Abandon}
	}
	return []Decision{Retry, Adopt, Settle, Abandon}
}
