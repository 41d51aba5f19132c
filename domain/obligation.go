package domain

import "time"

// ObligationKind says what an order owes the dealer's external business system.
type ObligationKind string

// The kinds of obligations: an entry of what was shipped on account, and the reversal of what was entered on account, or paid
// outside Stripe, for an order that was then refunded or cancelled.
const (
	OwesEntry    ObligationKind = "entry"
	OwesReversal ObligationKind = "reversal"
)

// ObligationKinds lists all kinds.
var ObligationKinds = []ObligationKind{OwesEntry, OwesReversal}

// Verb is the command by which it is recorded that an obligation is met.
func (k ObligationKind) Verb() Verb {
	if k == OwesReversal {
		return VerbReversal
	}
	return VerbCapture
}

// Badge is the mark of orders that have such an obligation.
func (k ObligationKind) Badge() Badge {
	if k == OwesReversal {
		return BadgeReversalOwed
	}
	return BadgeEntryOwed
}

// Obligation is what an order owes the business system since when, and over how much (minor units).
type Obligation struct {
	Kind   ObligationKind
	Since  time.Time
	Amount int64
}

// AgeDays is how many whole days old the obligation is; never below zero, whatever the clocks say.
func (ob Obligation) AgeDays(now time.Time) int {
	return max(0, int(now.Sub(ob.Since)/(24*time.Hour)))
}

// Owes is the order's obligation, if it has one; it has never two, since what was not entered needs no reversal.
func (o Order) Owes() (Obligation, bool) {
	switch {
	case o.EntryIsOwed():
		return Obligation{Kind: OwesEntry, Since: *o.ShippedAt, Amount: o.Total}, true
	case o.ReversalIsOwed() && o.RefundedAt != nil:
		return Obligation{Kind: OwesReversal, Since: *o.RefundedAt, Amount: o.Taken}, true
	case o.ReversalIsOwed():
		return Obligation{Kind: OwesReversal, Since: *o.CancelledAt, Amount: o.Taken}, true
	}
	return Obligation{}, false
}

// Recording is what was recorded of the business system: its reference there, when it was recorded, and over how much.
type Recording struct {
	Kind      ObligationKind
	Reference string
	At        time.Time
	Amount    int64
}

// Recordings are what was recorded of the order, the entry first.
func (o Order) Recordings() []Recording {
	var rs []Recording
	if o.Entry != "" && o.CapturedAt != nil {
		rs = append(rs, Recording{Kind: OwesEntry, Reference: o.Entry, At: *o.CapturedAt, Amount: o.Taken})
	}
	if o.Reverse != "" && o.ReversedAt != nil {
		rs = append(rs, Recording{Kind: OwesReversal, Reference: o.Reverse, At: *o.ReversedAt, Amount: o.Taken})
	}
	return rs
}

// RecordedBy is what an event records of the business system, if it does: the kind, and the reference there.
func RecordedBy(e Event) (kind ObligationKind, reference string, ok bool) {
	switch e := e.(type) {
	case PaymentCaptured:
		return OwesEntry, e.ExternalReference, e.ExternalReference != ""
	case ReversalRecorded:
		return OwesReversal, e.ExternalReference, e.ExternalReference != ""
	}
	return "", "", false
}
