package domain

import "time"

// Tab is where a clerk finds an order. Every order is in exactly one.
type Tab string

// The tabs, in the order in which they are shown.
const (
	TabNew       Tab = "new"
	TabPaid      Tab = "paid"
	TabShipped   Tab = "shipped"
	TabRefunded  Tab = "refunded"
	TabCancelled Tab = "cancelled"
	TabArchived  Tab = "archived"
)

// Tabs lists all tabs as they are shown.
var Tabs = []Tab{TabNew, TabPaid, TabShipped, TabRefunded, TabCancelled, TabArchived}

// Tab is the order's tab; the first that fits. A money act in flight or failed never moves it.
func (o Order) Tab() Tab {
	switch {
	case o.ArchivedAt != nil:
		return TabArchived
	case o.CancelledAt != nil:
		return TabCancelled
	case o.RefundedAt != nil:
		return TabRefunded
	case o.ShippedAt != nil:
		return TabShipped
	case o.Captured():
		return TabPaid
	}
	return TabNew
}

// Status is how far an order has come, archived or not.
type Status string

// The statuses.
const (
	StatusPlaced    Status = "placed"
	StatusAccepted  Status = "accepted"
	StatusPaid      Status = "paid"
	StatusShipped   Status = "shipped"
	StatusRefunded  Status = "refunded"
	StatusCancelled Status = "cancelled"
)

// Statuses lists all statuses.
var Statuses = []Status{StatusPlaced, StatusAccepted, StatusPaid, StatusShipped, StatusRefunded, StatusCancelled}

// Status is the order's status; the first that fits.
func (o Order) Status() Status {
	switch {
	case o.CancelledAt != nil:
		return StatusCancelled
	case o.RefundedAt != nil:
		return StatusRefunded
	case o.ShippedAt != nil:
		return StatusShipped
	case o.Captured():
		return StatusPaid
	case o.AcceptedAt != nil:
		return StatusAccepted
	}
	return StatusPlaced
}

// PaymentState is what is known of the money.
type PaymentState string

// The payment states of card orders, then those of orders on account.
const (
	Authorized PaymentState = "authorized"
	Captured   PaymentState = "captured"
	Released   PaymentState = "released"
	WasRefund  PaymentState = "refunded"
	Expired    PaymentState = "expired"
	Failed     PaymentState = "failed"

	Open        PaymentState = "open"
	Owed        PaymentState = "owed"
	EntryMade   PaymentState = "recorded"
	OwesReverse PaymentState = "reversal_owed"
	Reversed    PaymentState = "reversed"
)

// PaymentStates lists all payment states.
var PaymentStates = []PaymentState{Authorized, Captured, Released, WasRefund, Expired, Failed, Open, Owed, EntryMade, OwesReverse, Reversed}

// PaymentState is the state of the order's payment.
func (o Order) PaymentState() PaymentState {
	if o.Method == Account {
		switch {
		case o.Reverse != "":
			return Reversed
		case o.ReversalIsOwed():
			return OwesReverse
		case o.Captured():
			return EntryMade
		case o.EntryIsOwed():
			return Owed
		}
		return Open
	}
	switch {
	case o.RefundedAt != nil, o.CancelledAt != nil && o.Captured() && !o.keptAfterAll():
		return WasRefund
	case o.CancelledAt != nil && (o.Settled == HoldReleased || o.Settled == SettledElsewhere):
		return Released
	case o.Captured():
		return Captured
	case o.HoldExpired, o.CancelledAt != nil:
		return Expired
	case o.CaptureFailed:
		return Failed
	}
	return Authorized
}

// Badge is a mark on an order that a clerk should see.
type Badge string

// The badges.
const (
	BadgeCaptureFailed         Badge = "capture_failed"
	BadgeAuthorizationExpiring Badge = "authorization_expiring"
	BadgeAuthorizationExpired  Badge = "authorization_expired"
	BadgeConfirmationDue       Badge = "confirmation_due"
	BadgeConfirmationMissed    Badge = "confirmation_missed"
	BadgeEntryOwed             Badge = "entry_owed"
	BadgeReversalOwed          Badge = "reversal_owed"
	BadgeRefundPending         Badge = "refund_pending"
	BadgeRefundFailed          Badge = "refund_failed"
	BadgeCancelFailed          Badge = "cancel_failed"
	BadgeDisputed              Badge = "disputed"
	BadgeParked                Badge = "parked"
	BadgeNotificationFailed    Badge = "notification_failed"
)

// Badges lists all badges, in the order in which they are shown. AuthorizationExpiring and ConfirmationDue come with the clock, the
// others with events.
var Badges = []Badge{
	BadgeCaptureFailed, BadgeAuthorizationExpiring, BadgeAuthorizationExpired, BadgeConfirmationDue, BadgeConfirmationMissed,
	BadgeEntryOwed, BadgeReversalOwed, BadgeRefundPending, BadgeRefundFailed, BadgeCancelFailed, BadgeDisputed, BadgeParked,
	BadgeNotificationFailed,
}

// ExpiryWarning is how long before its end a hold is badged as expiring.
const ExpiryWarning = 48 * time.Hour

// AwaitsCapture says whether a living hold still waits to be taken, so that its end matters.
func (o Order) AwaitsCapture() bool {
	return o.Method == Card && !o.Captured() && !o.HoldExpired && o.CancelledAt == nil
}

// AwaitsConfirmation says whether the manufacturer's clock runs.
func (o Order) AwaitsConfirmation() bool {
	return o.AcceptedAt == nil && o.CancelledAt == nil && !o.ConfirmationMissed
}

// Due is until when the order is to be accepted, which may be over; the zero time when that is not awaited.
func (o Order) Due() time.Time {
	if o.AcceptedAt != nil || o.CancelledAt != nil {
		return time.Time{}
	}
	return o.Confirm.By
}

// ConfirmedLate says whether the order was accepted when its time for that was over.
func (o Order) ConfirmedLate() bool {
	return o.AcceptedAt != nil && (o.ConfirmationMissed || !o.Confirm.By.IsZero() && o.AcceptedAt.After(o.Confirm.By))
}

// Badges are the order's badges at an instant.
func (o Order) Badges(now time.Time) []Badge {
	end := o.Hold.CaptureBefore
	applies := map[Badge]bool{
		BadgeCaptureFailed:         o.CaptureFailed && !o.Captured() && o.CancelledAt == nil,
		BadgeAuthorizationExpiring: o.AwaitsCapture() && !end.IsZero() && !now.Before(end.Add(-ExpiryWarning)),
		BadgeAuthorizationExpired:  o.HoldExpired && o.CancelledAt == nil,
		BadgeConfirmationDue:       o.AwaitsConfirmation() && o.Confirm.Due(now),
		BadgeConfirmationMissed:    o.ConfirmationMissed,
		BadgeEntryOwed:             o.EntryIsOwed(),
		BadgeReversalOwed:          o.ReversalIsOwed(),
		BadgeRefundPending:         o.RefundPending,
		BadgeRefundFailed:          o.RefundFailed,
		BadgeCancelFailed:          o.CancelFailed,
		BadgeDisputed:              o.Disputed(),
		BadgeParked:                o.Pending.Parked,
		BadgeNotificationFailed:    len(o.Untold) > 0,
	}
	badges := []Badge{}
	for _, b := range Badges {
		if applies[b] {
			badges = append(badges, b)
		}
	}
	return badges
}
