package reconcile

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

// account is what the events of one order say of its money, and no more of the order than a difference names.
type account struct {
	order                uuid.UUID
	number, manufacturer string
	received             time.Time
	events               int
	currency             domain.Currency
	total                int64

	hold     string   // the current PaymentIntent; empty for an order on account
	replaced []string // those before it
	taken    int64
	given    int64
	refund   string // Stripe's id of the last refund that the ledger knows
	settled  domain.Settlement
	disputes []domain.Dispute

	pending domain.Act
	since   time.Time
	how     domain.Settlement // the pending cancellation's

	expired, captureFailed, captured, refundPending, refunded, cancelled, shipped, parked bool
	takenElsewhere, givenElsewhere                                                        bool
}

// aside are events of orders that say nothing of money: they are not even decoded.
var aside = map[string]bool{
	"Accepted": true, "ConfirmationMissed": true, "TrackingCorrected": true, "ReversalRecorded": true, "ExternalChangeSeen": true,
	"Archived": true, "Unarchived": true, "NoteAdded": true,
}

// see folds one more event of the order. What is in aside need not be shown.
func (a *account) see(e domain.Event, at time.Time) {
	switch e := e.(type) {
	case domain.Placed:
		a.number, a.manufacturer, a.received, a.currency, a.total = e.OrderNumber, e.Manufacturer, at, e.Currency, e.Total
		a.hold = e.Authorization.PaymentIntent
	case domain.CaptureRequested:
		a.ask(domain.ActCapture, at)
		a.captureFailed = false
	case domain.ShipRequested:
		a.ask(domain.ActShip, at)
		a.captureFailed = false
	case domain.PaymentCaptured:
		a.captured, a.taken, a.takenElsewhere = true, e.Amount, e.Source == domain.FromElsewhere
		a.expired, a.captureFailed = false, false
		if a.pending == domain.ActCapture {
			a.answered()
		}
	case domain.CaptureFailed:
		a.captureFailed = true
		a.answered()
	case domain.AuthorizationExpired:
		a.expired, a.captureFailed = true, false
		a.answered()
	case domain.Reauthorized:
		a.replaced = append(slices.Clip(a.replaced), a.hold)
		a.hold, a.expired, a.captureFailed = e.Authorization.PaymentIntent, false, false
	case domain.Shipped:
		a.shipped = true
		a.answered()
	case domain.DisputeOpened:
		a.disputes = append(slices.Clip(a.disputes), domain.Dispute{ID: e.Dispute})
	case domain.DisputeClosed:
		a.closeDispute(e)
	case domain.Parked:
		a.parked = true
	case domain.Resumed:
		a.parked = false
	default:
		a.giveBack(e, at)
	}
}

// giveBack folds the events by which money is given back or let go.
func (a *account) giveBack(e domain.Event, at time.Time) {
	switch e := e.(type) {
	case domain.RefundRequested:
		a.ask(domain.ActRefund, at)
	case domain.RefundPending:
		a.refundPending, a.refund = true, e.Refund
	case domain.Refunded:
		a.refunded, a.given, a.givenElsewhere = true, e.Amount, e.Source == domain.FromElsewhere
		a.refund = cmp.Or(e.Refund, a.refund)
		a.answered()
	case domain.RefundFailed:
		if a.settled == domain.ChargeRefunded {
			a.cancelled, a.settled = false, ""
		}
		a.refunded, a.given, a.givenElsewhere = false, 0, false
		a.refund = cmp.Or(e.Refund, a.refund)
		a.answered()
	case domain.CancelRequested:
		a.ask(domain.ActCancel, at)
		a.how = e.How
	case domain.Cancelled:
		a.cancelled, a.settled = true, e.How
		a.refund = cmp.Or(e.Refund, a.refund)
		if e.How == domain.ChargeRefunded {
			a.given = a.taken
		}
		a.givenElsewhere = e.How == domain.SettledElsewhere && a.captured
		a.answered()
	case domain.CancelFailed:
		a.answered()
	}
}

func (a *account) ask(act domain.Act, at time.Time) {
	a.pending, a.since, a.how, a.parked = act, at, "", false
}

func (a *account) answered() {
	a.pending, a.since, a.how, a.parked, a.refundPending = "", time.Time{}, "", false, false
}

func (a *account) closeDispute(e domain.DisputeClosed) {
	a.disputes = slices.Clone(a.disputes)
	for i := range a.disputes {
		if a.disputes[i].ID == e.Dispute {
			a.disputes[i].Outcome = e.Outcome
			return
		}
	}
	a.disputes = append(a.disputes, domain.Dispute{ID: e.Dispute, Outcome: e.Outcome})
}

func (a *account) exists() bool { return a.events > 0 }

// open says whether the order's money may still move by the ledger's own doing, or a dispute is undecided.
func (a *account) open() bool {
	return a.pending != "" || !(a.cancelled || a.refunded || a.shipped) ||
		slices.ContainsFunc(a.disputes, func(d domain.Dispute) bool { return d.Outcome == "" })
}

// moving says whether it is not known what Stripe has made of the last request. A shipment whose payment is captured asks nothing.
func (a *account) moving() bool {
	return a.pending != "" && !(a.pending == domain.ActShip && a.captured)
}

// payments are the PaymentIntents that the order has, or had.
func (a *account) payments() []string {
	if a.hold == "" {
		return nil
	}
	return append([]string{a.hold}, a.replaced...)
}
