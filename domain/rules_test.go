package domain_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

// scenario: given what happened, when a command comes, then one event, or nothing because it is done, or a rejection.
type scenario struct {
	name  string
	given []any
	when  any

	event  domain.Event // what must be decided; nil with no code means done already
	code   domain.Code
	tab    domain.Tab     // afterwards
	badges []domain.Badge // afterwards, one hour after the order's arrival
}

func run(t *testing.T, scenarios []scenario) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			o := given(t, s.given...)
			e, err := domain.Decide(o, resolve(o, s.when))
			if code(err) != s.code {
				t.Fatalf("error %v, want code %q", err, s.code)
			}
			if !reflect.DeepEqual(e, s.event) {
				t.Fatalf("event %T %+v\nwant  %T %+v", e, e, s.event, s.event)
			}
			if e != nil {
				o = domain.Evolve(o, e, stamp(o))
			}
			if o.Tab() != s.tab {
				t.Errorf("tab %s, want %s", o.Tab(), s.tab)
			}
			if got := o.Badges(begin.Add(time.Hour)); !slices.Equal(got, s.badges) {
				t.Errorf("badges %v, want %v", got, s.badges)
			}
		})
	}
}

var (
	card    = place(domain.Card)
	account = place(domain.Account)
	entry   = domain.Capture{ExternalReference: "INV-1"}
	badges  = func(b ...domain.Badge) []domain.Badge { return b }
)

func steps(s ...any) []any { return s }

func TestReviewing(t *testing.T) {
	run(t, []scenario{
		{
			name: "a new order is accepted", given: steps(card), when: domain.Accept{},
			event: domain.Accepted{}, tab: domain.TabNew,
		},
		{name: "accepting twice is once", given: steps(card, domain.Accept{}), when: domain.Accept{}, tab: domain.TabNew},
		{name: "nothing is captured before it is accepted", given: steps(card), when: domain.Capture{}, code: domain.NotAccepted, tab: domain.TabNew},
		{name: "nothing is shipped before it is accepted", given: steps(account), when: domain.Ship{}, code: domain.NotAccepted, tab: domain.TabNew},
		{
			name: "an un-accepted order is declined by cancelling it", given: steps(card), when: domain.Cancel{Reason: "sold out"},
			event: domain.CancelRequested{
				How: domain.HoldReleased, PaymentIntent: "pi_1", Amount: 47238, Currency: "USD", Reason: "sold out",
			},
			tab: domain.TabNew,
		},
		{
			name: "a missed confirmation", given: steps(card), when: domain.RecordConfirmationMissed{Now: confirm.By},
			event: domain.ConfirmationMissed{ConfirmBy: confirm.By}, tab: domain.TabNew, badges: badges(domain.BadgeConfirmationMissed),
		},
		{
			name: "the clock is not over yet", given: steps(card), when: domain.RecordConfirmationMissed{Now: confirm.By.Add(-1)},
			code: domain.NotDue, tab: domain.TabNew,
		},
		{
			name: "an accepted order misses nothing", given: steps(card, domain.Accept{}), when: domain.RecordConfirmationMissed{Now: confirm.By},
			code: domain.AlreadyAccepted, tab: domain.TabNew,
		},
		{
			name: "a missed confirmation does not forbid accepting", given: steps(card, domain.RecordConfirmationMissed{Now: confirm.By}),
			when: domain.Accept{}, event: domain.Accepted{}, tab: domain.TabNew, badges: badges(domain.BadgeConfirmationMissed),
		},
		{name: "an order that nobody placed", when: domain.Accept{}, code: domain.OrderNotFound, tab: domain.TabNew},
	})
}

func TestCardPayment(t *testing.T) {
	accepted := steps(card, domain.Accept{})
	shipping := append(accepted[:2:2], domain.Ship{Tracking: parcel})
	capturing := append(accepted[:2:2], domain.Capture{})
	request := func(revision int) domain.Answer {
		return domain.Answer{Request: eventID(revision), StripeRequest: "req_1"}
	}
	taken := domain.PaymentCaptured{Amount: 47238, Currency: "USD", PaymentIntent: "pi_1", Charge: "ch_1", Answer: request(2)}
	run(t, []scenario{
		{
			name: "capturing asks Stripe and moves nothing yet", given: accepted, when: domain.Capture{},
			event: domain.CaptureRequested{PaymentIntent: "pi_1", Amount: 47238, Currency: "USD"}, tab: domain.TabNew,
		},
		{name: "Stripe took it: paid", given: capturing, when: captured, event: taken, tab: domain.TabPaid},
		{name: "the same answer twice is once", given: append(capturing[:3:3], captured), when: captured, tab: domain.TabPaid},
		{name: "one money act at a time", given: capturing, when: domain.Cancel{}, code: domain.OperationInFlight, tab: domain.TabNew},
		{
			name: "Stripe refused: still new, with a badge", given: capturing, when: captureRefused,
			event: domain.CaptureFailed{Failure: declined, Answer: request(2)}, tab: domain.TabNew, badges: badges(domain.BadgeCaptureFailed),
		},
		{
			name: "a refused capture may be asked for again", given: append(capturing[:3:3], captureRefused), when: domain.Capture{},
			event: domain.CaptureRequested{PaymentIntent: "pi_1", Amount: 47238, Currency: "USD"}, tab: domain.TabNew,
		},
		{
			name: "the hold is gone", given: capturing, when: expired,
			event: domain.AuthorizationExpired{PaymentIntent: "pi_1", Reason: "automatic", Answer: request(2)},
			tab:   domain.TabNew, badges: badges(domain.BadgeAuthorizationExpired),
		},
		{
			name: "nothing to capture without a hold", given: append(capturing[:3:3], expired), when: domain.Capture{},
			code: domain.AuthorizationGone, tab: domain.TabNew, badges: badges(domain.BadgeAuthorizationExpired),
		},
		{
			name: "shipping a held order captures first", given: accepted, when: domain.Ship{Tracking: parcel},
			event: domain.ShipRequested{PaymentIntent: "pi_1", Amount: 47238, Currency: "USD", Tracking: parcel}, tab: domain.TabNew,
		},
		{name: "never shipped without the money", given: shipping, when: shipmentCompleted, code: domain.NotInFlight, tab: domain.TabNew},
		{name: "the capture that a shipment waits for", given: shipping, when: captured, event: taken, tab: domain.TabPaid},
		{
			name: "shipped once the money is in", given: append(shipping[:3:3], captured), when: shipmentCompleted,
			event: domain.Shipped{Tracking: parcel, Request: eventID(2)}, tab: domain.TabShipped,
		},
		{
			name: "a refused capture withdraws the shipment", given: append(shipping[:3:3], captureRefused), when: shipmentCompleted,
			code: domain.NotInFlight, tab: domain.TabNew, badges: badges(domain.BadgeCaptureFailed),
		},
		{
			name: "a captured order is shipped at once", given: append(capturing[:3:3], captured), when: domain.Ship{},
			event: domain.Shipped{}, tab: domain.TabShipped,
		},
		{
			name: "an answer of another amount", given: capturing,
			when: domain.RecordCaptured{PaymentIntent: "pi_1", Amount: 47237, Currency: "USD", Answer: request(2)},
			code: domain.AmountMismatch, tab: domain.TabNew,
		},
		{
			name: "captured by somebody at Stripe", given: accepted,
			when:  domain.RecordCaptured{PaymentIntent: "pi_1", Charge: "ch_9", Amount: 47238, Currency: "USD", Answer: unasked},
			event: domain.PaymentCaptured{Amount: 47238, Currency: "USD", PaymentIntent: "pi_1", Charge: "ch_9", Answer: unasked},
			tab:   domain.TabPaid,
		},
	})
}

func TestReauthorizing(t *testing.T) {
	accepted := steps(card, domain.Accept{})
	gone := append(accepted[:2:2], expired)
	anew := domain.Reauthorize{Authorization: hold("pi_2")}
	smaller := hold("pi_2")
	smaller.Amount--
	foreign := hold("pi_2")
	foreign.OrderID = uuid.NewString()
	run(t, []scenario{
		{name: "a living hold needs no other", given: accepted, when: anew, code: domain.AuthorizationAlive, tab: domain.TabNew},
		{
			name: "a new hold for one that is gone", given: gone, when: anew,
			event: domain.Reauthorized{Authorization: hold("pi_2"), Replaces: "pi_1"}, tab: domain.TabNew,
		},
		{name: "twice is once", given: append(gone[:3:3], anew), when: anew, tab: domain.TabNew},
		{
			name: "the new hold is what is captured", given: append(gone[:3:3], anew), when: domain.Capture{},
			event: domain.CaptureRequested{PaymentIntent: "pi_2", Amount: 47238, Currency: "USD"}, tab: domain.TabNew,
		},
		{
			name: "the old hold's end is no news", given: append(gone[:3:3], anew),
			when: domain.RecordAuthorizationExpired{PaymentIntent: "pi_1"}, code: domain.NotInFlight, tab: domain.TabNew,
		},
		{
			name: "a hold of another amount", given: gone, when: domain.Reauthorize{Authorization: smaller},
			code: domain.AmountMismatch, tab: domain.TabNew, badges: badges(domain.BadgeAuthorizationExpired),
		},
		{
			name: "a hold of another order", given: gone, when: domain.Reauthorize{Authorization: foreign},
			code: domain.PaymentInUse, tab: domain.TabNew, badges: badges(domain.BadgeAuthorizationExpired),
		},
		{
			name: "a new hold after a refused capture", given: append(accepted[:2:2], domain.Capture{}, captureRefused), when: anew,
			event: domain.Reauthorized{Authorization: hold("pi_2"), Replaces: "pi_1"}, tab: domain.TabNew,
		},
		{
			name: "nothing of the old hold is left", when: domain.Cancel{}, tab: domain.TabNew,
			given: append(accepted[:2:2], domain.Cancel{}, cancelRefused, expired, anew),
			event: domain.CancelRequested{How: domain.HoldReleased, PaymentIntent: "pi_2", Amount: 47238, Currency: "USD"},
		},
		{name: "an account has no hold", given: steps(account, domain.Accept{}), when: anew, code: domain.NotACardOrder, tab: domain.TabNew},
	})
}

// Whoever means an entry in the business system must not take money.
func TestAReferenceIsForOrdersOnAccount(t *testing.T) {
	run(t, []scenario{{name: "paid by card", given: steps(card, domain.Accept{}), when: entry, code: domain.BadValue, tab: domain.TabNew}})
	_, err := domain.Decide(domain.Order{Version: 1, Method: domain.Card}, entry)
	var r *domain.Rejection
	if !errors.As(err, &r) || r.Kind != domain.Invalid || len(r.Violations) != 1 || r.Violations[0].Field != "/external_reference" {
		t.Errorf("%+v", r)
	}
}

func TestAccountPayment(t *testing.T) {
	accepted := steps(account, domain.Accept{})
	shipped := append(accepted[:2:2], domain.Ship{})
	entered := domain.PaymentCaptured{Amount: 47238, Currency: "USD", ExternalReference: "INV-1"}
	refunded := append(shipped[:3:3], entry, domain.Refund{Reason: "damaged"})
	run(t, []scenario{
		{name: "an entry needs its reference", given: accepted, when: domain.Capture{ExternalReference: " "}, code: domain.ReferenceRequired, tab: domain.TabNew},
		{name: "the entry is recorded: paid", given: accepted, when: entry, event: entered, tab: domain.TabPaid},
		{name: "the same entry twice is once", given: append(accepted[:2:2], entry), when: entry, tab: domain.TabPaid},
		{
			name: "another entry is refused", given: append(accepted[:2:2], entry), when: domain.Capture{ExternalReference: "INV-2"},
			code: domain.AlreadyCaptured, tab: domain.TabPaid,
		},
		{
			name: "shipping owes the entry", given: accepted, when: domain.Ship{Tracking: parcel},
			event: domain.Shipped{Tracking: parcel}, tab: domain.TabShipped, badges: badges(domain.BadgeEntryOwed),
		},
		{
			name: "not archived while the entry is owed", given: shipped, when: domain.Archive{},
			code: domain.EntryOwed, tab: domain.TabShipped, badges: badges(domain.BadgeEntryOwed),
		},
		{name: "recorded after shipping", given: shipped, when: entry, event: entered, tab: domain.TabShipped},
		{
			name: "refunded without an entry owes nothing", given: shipped, when: domain.Refund{Reason: "damaged"},
			event: domain.Refunded{Amount: 47238, Currency: "USD", Reason: "damaged"}, tab: domain.TabRefunded,
		},
		{
			name: "refunded with an entry owes its reversal", given: append(shipped[:3:3], entry), when: domain.Refund{},
			event: domain.Refunded{Amount: 47238, Currency: "USD"}, tab: domain.TabRefunded, badges: badges(domain.BadgeReversalOwed),
		},
		{
			name: "not archived while the reversal is owed", given: refunded, when: domain.Archive{},
			code: domain.ReversalOwed, tab: domain.TabRefunded, badges: badges(domain.BadgeReversalOwed),
		},
		{
			name: "the reversal is recorded", given: refunded, when: domain.RecordReversal{ExternalReference: " CN-1 "},
			event: domain.ReversalRecorded{ExternalReference: "CN-1"}, tab: domain.TabRefunded,
		},
		{
			name: "a reversal needs its reference", given: refunded, when: domain.RecordReversal{},
			code: domain.ReferenceRequired, tab: domain.TabRefunded, badges: badges(domain.BadgeReversalOwed),
		},
		{name: "no reversal of nothing", given: accepted, when: domain.RecordReversal{ExternalReference: "CN-1"}, code: domain.NoReversalOwed, tab: domain.TabNew},
		{
			name: "cancelled at once", given: accepted, when: domain.Cancel{Reason: "changed mind"},
			event: domain.Cancelled{How: domain.NothingToRelease, Reason: "changed mind"}, tab: domain.TabCancelled,
		},
		{
			name: "cancelled with an entry owes its reversal", given: append(accepted[:2:2], entry), when: domain.Cancel{},
			event: domain.Cancelled{How: domain.NothingToRelease}, tab: domain.TabCancelled, badges: badges(domain.BadgeReversalOwed),
		},
	})
}

// paid is a card order that is captured; its capture was requested by event 2.
var paid = steps(card, domain.Accept{}, domain.Capture{}, captured)

func TestRefunding(t *testing.T) {
	refunding := append(paid[:4:4], domain.Refund{Reason: "damaged"})
	shipped := append(paid[:4:4], domain.Ship{})
	answer := func(revision int) domain.Answer {
		return domain.Answer{Request: eventID(revision), StripeRequest: "req_1"}
	}
	failed := domain.RefundFailed{Refund: "re_1", Failure: declined, Answer: answer(4)}
	back := domain.RecordRefundFailed{Refund: "re_1", Failure: declined, Answer: unasked}
	run(t, []scenario{
		{name: "nothing to refund", given: paid[:2], when: domain.Refund{}, code: domain.NotCaptured, tab: domain.TabNew},
		{
			name: "refunding asks Stripe and moves nothing yet", given: paid, when: domain.Refund{Reason: "damaged"},
			event: domain.RefundRequested{PaymentIntent: "pi_1", Charge: "ch_1", Amount: 47238, Currency: "USD", Reason: "damaged"},
			tab:   domain.TabPaid,
		},
		{name: "one refund at a time", given: refunding, when: domain.Refund{}, code: domain.OperationInFlight, tab: domain.TabPaid},
		{
			name: "Stripe took it on", given: refunding, when: refundTaken,
			event: domain.RefundPending{Refund: "re_1", Amount: 47238, Answer: answer(4)}, tab: domain.TabPaid, badges: badges(domain.BadgeRefundPending),
		},
		{
			name: "the money is back: refunded", given: append(refunding[:5:5], refundTaken), when: refunded,
			event: domain.Refunded{Refund: "re_1", Amount: 47238, Currency: "USD", Reason: "damaged", Answer: answer(4)}, tab: domain.TabRefunded,
		},
		{
			name: "Stripe refused", given: refunding, when: refundFailed,
			event: failed, tab: domain.TabPaid, badges: badges(domain.BadgeRefundFailed),
		},
		{
			name: "the same refusal twice is once", given: append(refunding[:5:5], refundFailed), when: back,
			tab: domain.TabPaid, badges: badges(domain.BadgeRefundFailed),
		},
		{name: "only the whole amount", given: refunding, when: domain.RecordRefunded{Refund: "re_1", Amount: 1, Currency: "USD", Answer: answer(4)}, code: domain.AmountMismatch, tab: domain.TabPaid},
		{name: "refunding twice is once", given: append(refunding[:5:5], refunded), when: domain.Refund{}, tab: domain.TabRefunded},
		{
			name: "a refund that fails later reopens a paid order", given: append(refunding[:5:5], refunded), when: back,
			event: domain.RefundFailed(back), tab: domain.TabPaid, badges: badges(domain.BadgeRefundFailed),
		},
		{
			name:  "a refund that fails later reopens a shipped order, even an archived one",
			given: append(shipped[:5:5], domain.Refund{}, refunded, domain.Archive{}), when: back,
			event: domain.RefundFailed(back), tab: domain.TabShipped, badges: badges(domain.BadgeRefundFailed),
		},
		{
			name:  "the end of another refund is not this one's",
			given: append(refunding[:5:5], refunded), when: domain.RecordRefundFailed{Refund: "re_2", Answer: unasked},
			code: domain.NotInFlight, tab: domain.TabRefunded,
		},
		{
			name: "refunded by somebody at Stripe", given: shipped,
			when:  domain.RecordRefunded{Refund: "re_9", Amount: 47238, Currency: "USD", Answer: unasked},
			event: domain.Refunded{Refund: "re_9", Amount: 47238, Currency: "USD", Answer: unasked}, tab: domain.TabRefunded,
		},
	})
}

func TestCancelling(t *testing.T) {
	accepted := steps(card, domain.Accept{})
	releasing := append(accepted[:2:2], domain.Cancel{Reason: "sold out"})
	giveBack := append(paid[:4:4], domain.Cancel{Reason: "sold out"})
	answer := func(revision int) domain.Answer {
		return domain.Answer{Request: eventID(revision), StripeRequest: "req_1"}
	}
	later := domain.RecordRefundFailed{Refund: "re_1", Failure: declined, Answer: unasked}
	run(t, []scenario{
		{
			name: "the hold is released: cancelled", given: releasing, when: holdReleased,
			event: domain.Cancelled{How: domain.HoldReleased, Reason: "sold out", Answer: answer(2)}, tab: domain.TabCancelled,
		},
		{
			name: "the hold was gone by itself", given: releasing, when: nothingToRelease,
			event: domain.Cancelled{How: domain.NothingToRelease, Reason: "sold out", Answer: answer(2)}, tab: domain.TabCancelled,
		},
		{name: "a hold is not refunded", given: releasing, when: chargeRefunded, code: domain.AmountMismatch, tab: domain.TabNew},
		{
			name: "nobody says how", given: releasing, when: domain.RecordCancelled{Answer: answer(2)},
			code: domain.AmountMismatch, tab: domain.TabNew,
		},
		{
			name: "the hold could not be released", given: releasing, when: cancelRefused,
			event: domain.CancelFailed{Failure: declined, Answer: answer(2)}, tab: domain.TabNew, badges: badges(domain.BadgeCancelFailed),
		},
		{
			name: "an expired hold needs no release", given: append(accepted[:2:2], expired), when: domain.Cancel{},
			event: domain.Cancelled{How: domain.NothingToRelease}, tab: domain.TabCancelled,
		},
		{
			name: "a captured order is cancelled by a refund", given: paid, when: domain.Cancel{Reason: "sold out"},
			event: domain.CancelRequested{
				How: domain.ChargeRefunded, PaymentIntent: "pi_1", Charge: "ch_1", Amount: 47238, Currency: "USD", Reason: "sold out",
			},
			tab: domain.TabPaid,
		},
		{
			name: "that refund may take its time", given: giveBack, when: refundTaken,
			event: domain.RefundPending{Refund: "re_1", Amount: 47238, Answer: answer(4)}, tab: domain.TabPaid, badges: badges(domain.BadgeRefundPending),
		},
		{
			name: "the charge is refunded: cancelled", given: append(giveBack[:5:5], refundTaken), when: chargeRefunded,
			event: domain.Cancelled{How: domain.ChargeRefunded, Refund: "re_1", Reason: "sold out", Answer: answer(4)}, tab: domain.TabCancelled,
		},
		{name: "a taken charge is no hold", given: giveBack, when: holdReleased, code: domain.AmountMismatch, tab: domain.TabPaid},
		{
			name: "when that refund fails later, the order is open again", given: append(giveBack[:5:5], chargeRefunded, domain.Archive{}), when: later,
			event: domain.RefundFailed(later), tab: domain.TabPaid, badges: badges(domain.BadgeRefundFailed),
		},
		{
			name: "an answer that names no refund is about the one under way, which can fail later", when: later,
			given: append(giveBack[:5:5], refundTaken, domain.RecordCancelled{How: domain.ChargeRefunded, Amount: 47238, Answer: answer(4)}),
			event: domain.RefundFailed(later), tab: domain.TabPaid, badges: badges(domain.BadgeRefundFailed),
		},
		{
			name: "hearing of that refund again is no news", given: append(giveBack[:5:5], chargeRefunded),
			when: domain.RecordRefunded{Refund: "re_1", Amount: 47238, Currency: "USD", Answer: unasked}, tab: domain.TabCancelled,
		},
		{name: "too late: shipped", given: append(paid[:4:4], domain.Ship{}), when: domain.Cancel{}, code: domain.CannotCancelShipped, tab: domain.TabShipped},
		{name: "too late: refunded", given: append(paid[:4:4], domain.Refund{}, refunded), when: domain.Cancel{}, code: domain.AlreadyRefunded, tab: domain.TabRefunded},
		{name: "cancelling twice is once", given: append(releasing[:3:3], holdReleased), when: domain.Cancel{}, tab: domain.TabCancelled},
		{name: "a cancelled order is not accepted", given: steps(card, domain.Cancel{}, holdReleased), when: domain.Accept{}, code: domain.AlreadyCancelled, tab: domain.TabCancelled},
		{
			name: "Stripe captured it meanwhile", given: releasing,
			when: domain.RecordCaptured{PaymentIntent: "pi_1", Amount: 47238, Currency: "USD", Answer: unasked},
			code: domain.OperationInFlight, tab: domain.TabNew,
		},
	})
}

func TestShippedOrders(t *testing.T) {
	shipped := append(paid[:4:4], domain.Ship{Tracking: parcel})
	run(t, []scenario{
		{name: "shipping twice is once", given: shipped, when: domain.Ship{Tracking: parcel}, tab: domain.TabShipped},
		{name: "shipping again with other parcels", given: shipped, when: domain.Ship{Tracking: parcel2}, code: domain.AlreadyShipped, tab: domain.TabShipped},
		{
			name: "tracking is corrected", given: shipped, when: domain.CorrectTracking{Tracking: parcel2},
			event: domain.TrackingCorrected{Tracking: parcel2}, tab: domain.TabShipped,
		},
		{name: "the same tracking", given: shipped, when: domain.CorrectTracking{Tracking: parcel}, tab: domain.TabShipped},
		{
			name: "tracking may be taken away", given: shipped, when: domain.CorrectTracking{},
			event: domain.TrackingCorrected{}, tab: domain.TabShipped,
		},
		{
			name: "a parcel needs its number", given: shipped, when: domain.CorrectTracking{Tracking: []domain.Tracking{{Carrier: "ups"}}},
			code: domain.RequiredField, tab: domain.TabShipped,
		},
		{name: "no tracking before shipping", given: paid, when: domain.CorrectTracking{Tracking: parcel}, code: domain.NotShipped, tab: domain.TabPaid},
		{name: "archived", given: shipped, when: domain.Archive{}, event: domain.Archived{}, tab: domain.TabArchived},
		{name: "archiving twice is once", given: append(shipped[:5:5], domain.Archive{}), when: domain.Archive{}, tab: domain.TabArchived},
		{name: "back from the archive", given: append(shipped[:5:5], domain.Archive{}), when: domain.Unarchive{}, event: domain.Unarchived{}, tab: domain.TabShipped},
		{name: "an archived order rests", given: append(shipped[:5:5], domain.Archive{}), when: domain.Refund{}, code: domain.IsArchived, tab: domain.TabArchived},
		{name: "nothing unfinished is archived", given: paid, when: domain.Archive{}, code: domain.NotFinished, tab: domain.TabPaid},
		{name: "nothing in flight is archived", given: append(shipped[:5:5], domain.Refund{}), when: domain.Archive{}, code: domain.OperationInFlight, tab: domain.TabShipped},
	})
}

func TestDisputes(t *testing.T) {
	open := domain.RecordDisputeOpened{Dispute: "dp_1", Amount: 47238, Reason: "fraudulent"}
	won := domain.RecordDisputeClosed{Dispute: "dp_1", Outcome: "won"}
	lost := domain.RecordDisputeClosed{Dispute: "dp_1", Outcome: "lost"}
	disputed := append(paid[:4:4], open)
	run(t, []scenario{
		{
			name: "a flag, not a tab", given: paid, when: open,
			event: domain.DisputeOpened(open2event(open)), tab: domain.TabPaid, badges: badges(domain.BadgeDisputed),
		},
		{name: "nothing to dispute", given: paid[:2], when: open, code: domain.NotCaptured, tab: domain.TabNew},
		{name: "twice is once", given: disputed, when: open, tab: domain.TabPaid, badges: badges(domain.BadgeDisputed)},
		{name: "no refund while disputed", given: disputed, when: domain.Refund{}, code: domain.Disputed, tab: domain.TabPaid, badges: badges(domain.BadgeDisputed)},
		{name: "no refunding cancel while disputed", given: disputed, when: domain.Cancel{}, code: domain.Disputed, tab: domain.TabPaid, badges: badges(domain.BadgeDisputed)},
		{
			name: "shipping goes on", given: disputed, when: domain.Ship{},
			event: domain.Shipped{}, tab: domain.TabShipped, badges: badges(domain.BadgeDisputed),
		},
		{name: "closed", given: disputed, when: won, event: domain.DisputeClosed(won), tab: domain.TabPaid},
		{name: "closing twice is once", given: append(disputed[:5:5], won), when: won, tab: domain.TabPaid},
		{
			name: "closed before the ledger heard that it was open", given: append(paid[:4:4], won), when: open, tab: domain.TabPaid,
		},
		{
			name: "refundable again", given: append(disputed[:5:5], won), when: domain.Refund{},
			event: domain.RefundRequested{PaymentIntent: "pi_1", Charge: "ch_1", Amount: 47238, Currency: "USD"}, tab: domain.TabPaid,
		},
		{
			name: "the bank has given the money back: no refund gives it twice", code: domain.DisputeLost, tab: domain.TabPaid,
			given: append(disputed[:5:5], lost), when: domain.Refund{},
		},
		{
			name: "lost, and then won after all: the money is with the dealer again", given: append(disputed[:5:5], lost, won), when: domain.Refund{},
			event: domain.RefundRequested{PaymentIntent: "pi_1", Charge: "ch_1", Amount: 47238, Currency: "USD"}, tab: domain.TabPaid,
		},
		{
			name: "won, and then lost after all", code: domain.DisputeLost, tab: domain.TabPaid,
			given: append(disputed[:5:5], won, lost), when: domain.Refund{},
		},
		{
			name: "and cancelling moves none", given: append(disputed[:5:5], lost), when: domain.Cancel{Reason: "sold out"},
			event: domain.Cancelled{How: domain.NothingToRelease, Reason: "sold out"}, tab: domain.TabCancelled,
		},
		{
			name: "of a part, Stripe knows what is left", when: domain.Refund{}, tab: domain.TabPaid,
			given: append(paid[:4:4], domain.RecordDisputeOpened{Dispute: "dp_1", Amount: 100}, lost),
			event: domain.RefundRequested{PaymentIntent: "pi_1", Charge: "ch_1", Amount: 47238, Currency: "USD"},
		},
		{name: "accounts have none", given: steps(account), when: open, code: domain.NotACardOrder, tab: domain.TabNew},
	})
}

func open2event(c domain.RecordDisputeOpened) domain.DisputeOpened {
	return domain.DisputeOpened{Dispute: c.Dispute, Amount: c.Amount, Reason: c.Reason}
}

// A cancelled order whose money the bank gave back, and then took from the customer again, says that the dealer has it.
func TestDisputeWonAfterCancelling(t *testing.T) {
	opened := domain.RecordDisputeOpened{Dispute: "dp_1", Amount: 47238}
	closed := func(outcome string) any { return domain.RecordDisputeClosed{Dispute: "dp_1", Outcome: outcome} }
	commands := append(paid[:4:4], opened, closed("lost"), domain.Cancel{Reason: "sold out"})
	if state := given(t, commands...).PaymentState(); state != domain.WasRefund {
		t.Errorf("given back by the bank, the payment is %s", state)
	}
	if state := given(t, append(commands, closed("won"))...).PaymentState(); state != domain.Captured {
		t.Errorf("won after all, the payment is %s", state)
	}
}
