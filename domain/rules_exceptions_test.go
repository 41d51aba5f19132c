package domain_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

func TestParking(t *testing.T) {
	capturing := steps(card, domain.Accept{}, domain.Capture{})
	waiting := append(capturing[:3:3], parked)
	retry := domain.Resume{Decision: domain.Retry, Evidence: "Stripe is up again"}
	abandon := domain.Resume{Decision: domain.Abandon, Evidence: "the bank says no"}
	long := strings.Repeat("x", 501)
	run(t, []scenario{
		{
			name: "an order on account has nothing to resume", given: steps(account, domain.Accept{}), when: retry,
			code: domain.NotParked, tab: domain.TabNew,
		},
		{
			name: "nor anything to park", given: steps(account, domain.Accept{}), when: parked, code: domain.NotInFlight, tab: domain.TabNew,
		},
		{
			name: "adopting rests on evidence", given: waiting, when: domain.Resume{Decision: domain.Adopt, Evidence: " "},
			code: domain.EvidenceRequired, tab: domain.TabNew, badges: badges(domain.BadgeParked),
		},
		{
			name: "settling names a reference", given: waiting, when: domain.Resume{Decision: domain.Settle, Evidence: "paid in cash"},
			code: domain.ReferenceRequired, tab: domain.TabNew, badges: badges(domain.BadgeParked),
		},
		{
			name: "only settling names one", given: waiting, when: domain.Resume{Decision: domain.Retry, Reference: "wire 4711"},
			code: domain.BadValue, tab: domain.TabNew, badges: badges(domain.BadgeParked),
		},
		{
			name: "evidence has an end", given: waiting, when: domain.Resume{Decision: domain.Retry, Evidence: long},
			code: domain.TooLong, tab: domain.TabNew, badges: badges(domain.BadgeParked),
		},
		{
			name: "a reference has an end", given: waiting, when: domain.Resume{Decision: domain.Settle, Reference: long[:201]},
			code: domain.TooLong, tab: domain.TabNew, badges: badges(domain.BadgeParked),
		},
		{
			name: "evidence is no place for card numbers", given: waiting,
			when: domain.Resume{Decision: domain.Adopt, Evidence: "4242 4242 4242 4242"},
			code: domain.CardNumberRefused, tab: domain.TabNew, badges: badges(domain.BadgeParked),
		},
		{
			name: "the shipment of a captured order can only go on", tab: domain.TabPaid, badges: badges(domain.BadgeParked),
			given: steps(card, domain.Accept{}, domain.Ship{}, captured, parked), when: abandon, code: domain.BadValue,
		},
		{
			name: "a parked refund is not tried again while it is disputed", tab: domain.TabPaid,
			given: append(paid[:4:4], domain.Refund{}, parked, domain.RecordDisputeOpened{Dispute: "dp_1", Amount: 47238}),
			when:  retry, code: domain.Disputed, badges: badges(domain.BadgeDisputed, domain.BadgeParked),
		},
		{
			name: "an effect that can't go on waits for a person", given: capturing, when: parked,
			event: domain.Parked{Request: eventID(2), Reason: "Stripe is silent", Attempts: 12}, tab: domain.TabNew, badges: badges(domain.BadgeParked),
		},
		{name: "parking twice is once", given: waiting, when: parked, tab: domain.TabNew, badges: badges(domain.BadgeParked)},
		{name: "nothing to park", given: paid, when: domain.Park{Request: eventID(2)}, code: domain.NotInFlight, tab: domain.TabPaid},
		{name: "parked is still in flight", given: waiting, when: domain.Cancel{}, code: domain.OperationInFlight, tab: domain.TabNew, badges: badges(domain.BadgeParked)},
		{
			name: "retried, as a new request", given: waiting, when: retry,
			event: domain.Resumed{Request: eventID(2), Decision: domain.Retry, Evidence: "Stripe is up again"}, tab: domain.TabNew,
		},
		{
			name: "the answer belongs to the retry", given: append(waiting[:4:4], retry), when: captureRefused,
			event: domain.CaptureFailed{Failure: declined, Answer: domain.Answer{Request: eventID(4), StripeRequest: "req_1"}},
			tab:   domain.TabNew, badges: badges(domain.BadgeCaptureFailed),
		},
		{
			name: "the old request's refusal is late", given: append(waiting[:4:4], retry),
			when: domain.RecordCaptureFailed{Failure: declined, Answer: domain.Answer{Request: eventID(2)}}, code: domain.NotInFlight, tab: domain.TabNew,
		},
		{
			name: "abandoned", given: waiting, when: abandon,
			event: domain.Resumed{Request: eventID(2), Decision: domain.Abandon, Evidence: "the bank says no"}, tab: domain.TabNew,
		},
		{
			name: "what was abandoned is recorded as failed", given: append(waiting[:4:4], abandon), when: captureRefused,
			event: domain.CaptureFailed{Failure: declined, Answer: domain.Answer{Request: eventID(4), StripeRequest: "req_1"}},
			tab:   domain.TabNew, badges: badges(domain.BadgeCaptureFailed),
		},
		{name: "nothing to resume", given: capturing, when: retry, code: domain.NotParked, tab: domain.TabNew},
		{
			name: "no such decision", given: waiting, when: domain.Resume{Decision: "pray"},
			code: domain.BadValue, tab: domain.TabNew, badges: badges(domain.BadgeParked),
		},
	})
}

func TestAdopting(t *testing.T) {
	adopt := decide(domain.Adopt)
	waiting := steps(card, domain.Accept{}, domain.Capture{}, parked)
	adopting := append(waiting[:4:4], adopt)
	part := append(adopting[:5:5], partCaptured)
	answer := domain.Answer{Request: eventID(4), StripeRequest: "req_1"}
	of := func(amount int64, a domain.Answer) domain.RecordCaptured {
		return domain.RecordCaptured{PaymentIntent: "pi_1", Charge: "ch_1", Amount: amount, Currency: "USD", Answer: a}
	}
	run(t, []scenario{
		{
			name: "on evidence", given: waiting, when: adopt,
			event: domain.Resumed{Request: eventID(2), Decision: domain.Adopt, Evidence: adopt.Evidence}, tab: domain.TabNew,
		},
		{
			name: "what Stripe took, though it was less", given: adopting, when: partCaptured,
			event: domain.PaymentCaptured{Amount: 40000, Currency: "USD", PaymentIntent: "pi_1", Charge: "ch_1", Answer: answer},
			tab:   domain.TabPaid,
		},
		{name: "never more than the total", given: adopting, when: of(47239, answer), code: domain.AmountMismatch, tab: domain.TabNew},
		{name: "never nothing", given: adopting, when: of(0, answer), code: domain.AmountMismatch, tab: domain.TabNew},
		{name: "only as the answer to what was adopted", given: adopting, when: of(40000, unasked), code: domain.AmountMismatch, tab: domain.TabNew},
		{
			name: "not without the decision", given: append(waiting[:4:4], decide(domain.Retry)), when: partCaptured,
			code: domain.AmountMismatch, tab: domain.TabNew,
		},
		{name: "heard again", given: part, when: of(40000, unasked), tab: domain.TabPaid},
		{name: "another capture is not the one that is known", given: part, when: of(47238, unasked), code: domain.AlreadyCaptured, tab: domain.TabPaid},
		{
			name: "what was taken is what is refunded", given: part, when: domain.Refund{},
			event: domain.RefundRequested{PaymentIntent: "pi_1", Charge: "ch_1", Amount: 40000, Currency: "USD"}, tab: domain.TabPaid,
		},
		{
			name: "and nothing else", given: append(part[:6:6], domain.Refund{}), tab: domain.TabPaid, code: domain.AmountMismatch,
			when: domain.RecordRefunded{Refund: "re_1", Amount: 47238, Currency: "USD", Answer: domain.Answer{Request: eventID(6)}},
		},
		{
			name: "or what is given back when the order is cancelled", given: part, when: domain.Cancel{},
			event: domain.CancelRequested{
				How: domain.ChargeRefunded, PaymentIntent: "pi_1", Charge: "ch_1", Amount: 40000, Currency: "USD",
			},
			tab: domain.TabPaid,
		},
	})
}

func TestSettlingOutsideStripe(t *testing.T) {
	settle := decide(domain.Settle)
	held := steps(card, domain.Accept{})
	settling := func(before []any, act domain.Command) []any {
		return append(before[:len(before):len(before)], act, parked, settle)
	}
	settled := func(before []any, act domain.Command) []any { return append(settling(before, act), settledElsewhere) }
	outside := func(revision int) domain.Answer {
		return domain.Answer{Request: eventID(revision), Source: domain.FromElsewhere, Reference: "wire 4711"}
	}
	taken := settled(held, domain.Capture{})
	atStripe := domain.RecordCaptured{PaymentIntent: "pi_1", Charge: "ch_1", Amount: 47238, Currency: "USD", Answer: unasked}
	back := domain.RecordRefunded{Refund: "re_1", Amount: 47238, Currency: "USD", Answer: unasked}
	run(t, []scenario{
		{
			name: "by a reference", given: append(held[:2:2], domain.Capture{}, parked), when: settle,
			event: domain.Resumed{Request: eventID(2), Decision: domain.Settle, Reference: "wire 4711"}, tab: domain.TabNew,
		},
		{
			name: "a payment", given: settling(held, domain.Capture{}), when: settledElsewhere, tab: domain.TabPaid,
			event: domain.PaymentCaptured{Amount: 47238, Currency: "USD", PaymentIntent: "pi_1", Answer: outside(4)},
		},
		{name: "a payment, said twice", given: taken, when: domain.RecordCaptured{
			PaymentIntent: "pi_1", Amount: 47238, Currency: "USD", Answer: outside(4),
		}, tab: domain.TabPaid},
		{
			name: "not by another reference", given: settling(held, domain.Capture{}), tab: domain.TabNew, code: domain.NotInFlight,
			when: domain.RecordCaptured{PaymentIntent: "pi_1", Amount: 47238, Currency: "USD", Answer: domain.Answer{
				Request: eventID(4), Source: domain.FromElsewhere, Reference: "wire 4712",
			}},
		},
		{
			name: "not without the decision", given: append(held[:2:2], domain.Capture{}, parked, decide(domain.Retry)),
			when: settledElsewhere, code: domain.NotInFlight, tab: domain.TabNew,
		},
		{
			name: "when Stripe takes the money too, that is no news but a second payment", given: taken, when: atStripe,
			code: domain.AlreadyCaptured, tab: domain.TabPaid,
		},
		{name: "Stripe has nothing to give back", given: taken, when: back, code: domain.NotCaptured, tab: domain.TabPaid},
		{
			name: "nor is there a charge to dispute", given: taken, when: domain.RecordDisputeOpened{Dispute: "dp_1", Amount: 47238},
			code: domain.NotCaptured, tab: domain.TabPaid,
		},
		{
			name: "so a refund is owed where it was paid", given: taken, when: domain.Refund{Reason: "damaged"},
			event: domain.Refunded{Amount: 47238, Currency: "USD", Reason: "damaged"},
			tab:   domain.TabRefunded, badges: badges(domain.BadgeReversalOwed),
		},
		{
			name: "and its reversal is recorded", given: append(taken[:6:6], domain.Refund{}), when: domain.RecordReversal{ExternalReference: "wire 4800"},
			event: domain.ReversalRecorded{ExternalReference: "wire 4800"}, tab: domain.TabRefunded,
		},
		{
			name: "cancelling lets the hold go that was never taken", given: taken, when: domain.Cancel{},
			event: domain.CancelRequested{How: domain.HoldReleased, PaymentIntent: "pi_1", Amount: 47238, Currency: "USD"}, tab: domain.TabPaid,
		},
		{
			name: "and owes what was paid", given: append(taken[:6:6], domain.Cancel{}), when: holdReleased,
			event: domain.Cancelled{How: domain.HoldReleased, Answer: domain.Answer{Request: eventID(6), StripeRequest: "req_1"}},
			tab:   domain.TabCancelled, badges: badges(domain.BadgeReversalOwed),
		},
		{
			name: "before it is recorded, what Stripe takes is a second payment", given: settling(held, domain.Capture{}), when: atStripe,
			code: domain.OperationInFlight, tab: domain.TabNew,
		},
		{
			name: "and the end of the hold does not undo the decision", given: settling(held, domain.Ship{}), tab: domain.TabNew,
			when: domain.RecordAuthorizationExpired{PaymentIntent: "pi_1", Answer: unasked}, code: domain.OperationInFlight,
		},
		{
			name: "before it is recorded, what Stripe gives back is a second refund", given: settling(paid, domain.Refund{}), when: back,
			code: domain.OperationInFlight, tab: domain.TabPaid,
		},
		{
			name: "parked again, it waits for whoever tells first", tab: domain.TabPaid,
			given: append(settling(held, domain.Capture{}), parked), when: atStripe,
			event: domain.PaymentCaptured{Amount: 47238, Currency: "USD", PaymentIntent: "pi_1", Charge: "ch_1", Answer: unasked},
		},
		{
			name: "a shipment goes on", given: settled(held, domain.Ship{Tracking: parcel}), when: shipmentCompleted,
			event: domain.Shipped{Tracking: parcel, Request: eventID(4)}, tab: domain.TabShipped,
		},
		{
			name: "a refund", given: settling(paid, domain.Refund{Reason: "damaged"}), when: settledElsewhere, tab: domain.TabRefunded,
			event: domain.Refunded{Amount: 47238, Currency: "USD", Reason: "damaged", Answer: outside(6)},
		},
		{
			name: "when Stripe gives the money back too, that is a second refund", given: settled(paid, domain.Refund{}), when: back,
			code: domain.AlreadyRefunded, tab: domain.TabRefunded,
		},
		{
			name: "and when Stripe's fails, what was settled stands", given: append(settling(paid, domain.Refund{})[:5:5], refundTaken, parked, settle, settledElsewhere),
			when: domain.RecordRefundFailed{Refund: "re_1", Failure: declined, Answer: unasked}, code: domain.NotInFlight, tab: domain.TabRefunded,
		},
		{
			name: "a cancellation", given: settling(paid, domain.Cancel{Reason: "sold out"}), when: settledElsewhere, tab: domain.TabCancelled,
			event: domain.Cancelled{How: domain.SettledElsewhere, Reason: "sold out", Answer: outside(6)},
		},
		{
			name: "a failure can't be settled", given: settling(paid, domain.Refund{}), tab: domain.TabPaid, code: domain.NotInFlight,
			when: domain.RecordRefundFailed{Failure: declined, Answer: outside(6)},
		},
	})
}

// A refund that failed has failed for ever: news of its success, or of its failure again, changes nothing.
func TestRefundsAfterFailedOnes(t *testing.T) {
	back := domain.RecordRefundFailed{Refund: "re_1", Failure: declined, Answer: unasked}
	failed := append(paid[:4:4], domain.Refund{}, refunded, back)
	again := append(failed[:7:7], domain.Refund{})
	run(t, []scenario{
		{
			name: "late news of its success", given: failed, tab: domain.TabPaid, badges: badges(domain.BadgeRefundFailed),
			when: domain.RecordRefunded{Refund: "re_1", Amount: 47238, Currency: "USD", Answer: unasked}, code: domain.NotInFlight,
		},
		{
			name: "the same while another is asked for", given: again, tab: domain.TabPaid,
			when: domain.RecordRefunded{Refund: "re_1", Amount: 47238, Currency: "USD", Answer: unasked}, code: domain.NotInFlight,
		},
		{name: "its failure again, while another is asked for", given: again, when: back, tab: domain.TabPaid},
		{
			name: "its failure again, after another succeeded", given: append(again[:8:8], refunded), when: back, tab: domain.TabRefunded,
		},
		{
			name: "another succeeds", given: again, when: refunded, tab: domain.TabRefunded,
			event: domain.Refunded{Refund: "re_2", Amount: 47238, Currency: "USD", Answer: domain.Answer{Request: eventID(7), StripeRequest: "req_1"}},
		},
		{
			name: "that of a cancellation, which may not end it later", tab: domain.TabPaid,
			given: append(paid[:4:4], domain.Cancel{}, refundTaken, cancelRefused, domain.Cancel{}), code: domain.NotInFlight,
			when: domain.RecordCancelled{How: domain.ChargeRefunded, Refund: "re_1", Amount: 47238, Answer: domain.Answer{Request: eventID(7)}},
		},
		{
			name: "one that is under way fails, and Stripe's webhook says so first", given: append(paid[:4:4], domain.Refund{}, refundTaken), when: back,
			event: domain.RefundFailed(back), tab: domain.TabPaid, badges: badges(domain.BadgeRefundFailed),
		},
	})
}

func TestExternalChanges(t *testing.T) {
	partly := domain.RecordExternalChange{Object: "re_9", Change: "refunded_partly", Amount: 100, Answer: unasked}
	run(t, []scenario{
		{
			name: "a person's word is no change at Stripe", given: paid, tab: domain.TabPaid, code: domain.NotInFlight,
			when: domain.RecordExternalChange{Object: "re_9", Change: "refunded", Answer: domain.Answer{Source: domain.FromElsewhere}},
		},
		{name: "noted", given: paid, when: partly, event: domain.ExternalChangeSeen(partly), tab: domain.TabPaid},
		{name: "twice is once", given: append(paid[:4:4], partly), when: partly, tab: domain.TabPaid},
		{name: "accounts have none", given: steps(account), when: partly, code: domain.NotACardOrder, tab: domain.TabNew},
	})
}

func TestNotes(t *testing.T) {
	note := domain.AddNote{NoteID: eventID(99), Text: "Call before noon."}
	added := domain.NoteAdded{NoteID: eventID(99), Personal: domain.NoteText{Text: "Call before noon."}}
	full := steps(card)
	for i := range domain.MaxNotes {
		full = append(full, domain.AddNote{NoteID: eventID(1000 + i), Text: "again"})
	}
	run(t, []scenario{
		{name: "always", given: steps(card, domain.Cancel{}, holdReleased, domain.Archive{}), when: note, event: added, tab: domain.TabArchived},
		{name: "twice is once", given: steps(card, note), when: note, tab: domain.TabNew},
		{name: "empty", given: steps(card), when: domain.AddNote{NoteID: eventID(99), Text: " \n"}, code: domain.TextRequired, tab: domain.TabNew},
		{name: "full", given: full, when: note, code: domain.TooLong, tab: domain.TabNew},
	})
}

func TestPlacing(t *testing.T) {
	with := func(change func(*domain.Place)) domain.Place {
		p := place(domain.Card)
		change(&p)
		return p
	}
	run(t, []scenario{
		{name: "the same order again", given: steps(card, domain.Accept{}), when: card, tab: domain.TabNew},
		{
			name: "the same instant in another zone is the same order", given: steps(card), tab: domain.TabNew,
			when: with(func(p *domain.Place) {
				p.Intake.PlacedAt = p.Intake.PlacedAt.In(time.FixedZone("", 3600))
			}),
		},
		{
			name: "the same number with other content", given: steps(card), code: domain.OrderExists, tab: domain.TabNew,
			when: with(func(p *domain.Place) { p.Intake.ShippingMethod = "by air" }),
		},
		{
			name: "no hold", code: domain.PaymentIntentRequired, tab: domain.TabNew,
			when: with(func(p *domain.Place) { p.Authorization = domain.Authorization{} }),
		},
		{
			name: "a hold that is taken already", code: domain.NotAuthorized, tab: domain.TabNew,
			when: with(func(p *domain.Place) { p.Authorization.Status = "succeeded" }),
		},
		{
			name: "a hold of less", code: domain.AmountMismatch, tab: domain.TabNew,
			when: with(func(p *domain.Place) { p.Authorization.Amount-- }),
		},
		{
			name: "a hold in another currency", code: domain.AmountMismatch, tab: domain.TabNew,
			when: with(func(p *domain.Place) { p.Authorization.Currency = "EUR" }),
		},
		{
			name: "a hold of another order", code: domain.PaymentInUse, tab: domain.TabNew,
			when: with(func(p *domain.Place) { p.Authorization.OrderID = uuid.NewString() }),
		},
		{
			name: "totals that don't add up", code: domain.TotalsMismatch, tab: domain.TabNew,
			when: with(func(p *domain.Place) { p.Intake.Total++ }),
		},
	})
}

func TestPlacedOrderIsWhatTheStoreSaid(t *testing.T) {
	o, in := given(t, card), goodIntake(domain.Card)
	if o.ID != in.ID() || o.Version != 1 || o.Total != in.Total || o.Method != domain.Card || o.Hold.PaymentIntent != "pi_1" ||
		o.ReceivedAt != begin || o.PlacedBy != "clerk-1" || o.ContentHash != in.Hash() || o.Confirm != confirm ||
		!reflect.DeepEqual(o.Lines, in.Lines) || o.Personal.Customer != in.Customer || o.Personal.BillingAddress != in.BillingAddress {
		t.Errorf("the order differs from what was placed: %+v", o)
	}
}

func TestBadgesThatComeWithTheClock(t *testing.T) {
	end := begin.Add(7 * 24 * time.Hour)
	for _, tt := range []struct {
		name  string
		given []any
		at    time.Time
		want  []domain.Badge
	}{
		{"before the day it is due", steps(card), confirm.DueFrom.Add(-1), nil},
		{"on the day it is due", steps(card), confirm.DueFrom, badges(domain.BadgeConfirmationDue)},
		{"when it has passed", steps(card), confirm.By, nil},
		{"accepted", steps(card, domain.Accept{}), confirm.DueFrom, nil},
		{"a hold with time left", steps(card, domain.Accept{}), end.Add(-domain.ExpiryWarning - 1), nil},
		{"a hold that ends soon", steps(card, domain.Accept{}), end.Add(-domain.ExpiryWarning), badges(domain.BadgeAuthorizationExpiring)},
		{"a hold that was taken", paid, end, nil},
	} {
		if got := given(t, tt.given...).Badges(tt.at); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
