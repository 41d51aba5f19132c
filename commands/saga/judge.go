package saga

import (
	"fmt"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

// Verdict is what an effect has come to. The zero Verdict is that it has not been done and may be asked for.
type Verdict struct {
	// Stuck says why a person must look; empty when nobody must. The effect is parked before anything is recorded, so that
	// nothing follows from that.
	Stuck string
	// Record is to be recorded, in this order.
	Record []domain.Command
	// Wait says that Stripe works on it: look again later.
	Wait bool
	// Lost says that Stripe shows nothing of what it had taken on, so that a person may give it up.
	Lost bool
}

// Open says whether the effect has not been done and may be asked for.
func (v Verdict) Open() bool { return len(v.Record) == 0 && !v.Wait && v.Stuck == "" }

// Judge says what an effect has come to, from what Stripe says is true.
func Judge(e Effect, pi commands.PaymentIntent) Verdict {
	if pi.Status == "processing" {
		return Verdict{Wait: true}
	}
	switch e.Kind {
	case Refund, Return:
		return judgeRefunds(e, pi.Refunds)
	case Release:
		return judgeRelease(e, pi)
	}
	return judgeCapture(e, pi)
}

func judgeCapture(e Effect, pi commands.PaymentIntent) Verdict {
	answer := e.answer(pi.RequestID)
	switch {
	case pi.Status == "canceled":
		return Verdict{Record: []domain.Command{domain.RecordAuthorizationExpired{
			PaymentIntent: pi.ID, Reason: pi.CancellationReason, Answer: answer,
		}}}
	case pi.Status != "succeeded":
		return Verdict{}
	case (pi.Received != e.Amount && !e.adopts(pi.Received)) || pi.Currency != string(e.Currency):
		return Verdict{
			Record: []domain.Command{domain.RecordExternalChange{
				Object: pi.ID, Change: "captured_other_amount", Amount: pi.Received, Answer: answer,
			}},
			Stuck: fmt.Sprintf("Stripe took %d %s, not %d %s.", pi.Received, pi.Currency, e.Amount, e.Currency),
		}
	}
	v := Verdict{Record: []domain.Command{domain.RecordCaptured{
		PaymentIntent: pi.ID, Charge: pi.Charge, Amount: pi.Received, Currency: domain.Currency(pi.Currency), Answer: answer,
	}}}
	if back := givenBack(pi.Refunds); back > 0 { // outside the ledger, which asks for no refund of what it has not taken
		v.Record = append(v.Record, domain.RecordExternalChange{Object: pi.ID, Change: "refunded", Amount: back, Answer: answer})
		if e.Kind == Ship {
			v.Stuck = fmt.Sprintf("The payment was captured, but %d %s were given back at Stripe. Ship only if that is right.", back, e.Currency)
		}
	}
	return v
}

// adopts says whether a person decided to take what Stripe shows, though it is less than was asked for.
func (e Effect) adopts(received int64) bool {
	return e.Decision == domain.Adopt && received > 0 && received < e.Amount
}

// givenBack is what refunds have given back or are about to.
func givenBack(refunds []commands.PaymentRefund) (sum int64) {
	for _, r := range refunds {
		if !undone(r) {
			sum += r.Amount
		}
	}
	return sum
}

func undone(r commands.PaymentRefund) bool { return r.Status == "failed" || r.Status == "canceled" }

func judgeRelease(e Effect, pi commands.PaymentIntent) Verdict {
	answer := e.answer(pi.RequestID)
	switch pi.Status {
	case "canceled":
		how := domain.HoldReleased
		if pi.CancellationReason == "automatic" || pi.CancellationReason == "expired" {
			how = domain.NothingToRelease
		}
		return Verdict{Record: []domain.Command{domain.RecordCancelled{How: how, Answer: answer}}}
	case "succeeded": // somebody took the money outside the ledger
		return Verdict{Record: []domain.Command{
			domain.RecordExternalChange{Object: pi.ID, Change: "captured", Amount: pi.Received, Answer: answer},
			domain.RecordCancelFailed{Failure: domain.Failure{
				Code:    "already_captured",
				Message: "The payment was captured at Stripe meanwhile. Capture it here too, then cancel the order.",
			}, Answer: answer},
		}}
	}
	return Verdict{}
}

// judgeRefunds looks at all refunds of the payment. Those that failed count only if they are this effect's own: an earlier
// refund may have failed long ago.
func judgeRefunds(e Effect, refunds []commands.PaymentRefund) Verdict {
	var back int64
	var last, unfinished, failed *commands.PaymentRefund
	for _, r := range refunds {
		own := r.Request == e.Request.String() || (e.Refund != "" && r.ID == e.Refund)
		switch {
		case undone(r):
			if own {
				failed = &r
			}
			continue
		case own && r.Amount != e.Amount:
			return Verdict{Stuck: fmt.Sprintf("Stripe's refund %s is of %d, not %d %s.", r.ID, r.Amount, e.Amount, e.Currency)}
		case r.Status != "succeeded":
			unfinished = &r
		}
		back += r.Amount
		last = &r
	}
	switch {
	case back == e.Amount && unfinished != nil:
		return e.refundPending(*unfinished)
	case back == e.Amount && last != nil:
		return Verdict{Record: []domain.Command{e.refunded(*last)}}
	case failed != nil:
		return Verdict{Record: []domain.Command{e.failed(refundFailure(*failed), failed.ID, failed.RequestID)}}
	case e.Refund != "":
		return Verdict{Lost: true, Stuck: "Stripe does not know the refund " + e.Refund + " any more."}
	}
	return Verdict{}
}

func refundFailure(r commands.PaymentRefund) domain.Failure {
	code := r.FailureReason
	if code == "" {
		code = "refund_" + r.Status
	}
	return domain.Failure{Code: code, Message: "Stripe could not give the money back."}
}

func (e Effect) refundPending(r commands.PaymentRefund) Verdict {
	if r.ID == e.Refund {
		return Verdict{Wait: true}
	}
	return Verdict{Wait: true, Record: []domain.Command{
		domain.RecordRefundPending{Refund: r.ID, Amount: e.Amount, Answer: e.answer(r.RequestID)},
	}}
}

func (e Effect) refunded(r commands.PaymentRefund) domain.Command {
	if e.Kind == Return {
		return domain.RecordCancelled{How: domain.ChargeRefunded, Refund: r.ID, Amount: e.Amount, Answer: e.answer(r.RequestID)}
	}
	return domain.RecordRefunded{Refund: r.ID, Amount: e.Amount, Currency: e.Currency, Answer: e.answer(r.RequestID)}
}

// refused is what to record of a definite refusal, with what of the truth may have led to it.
func (e Effect) refused(no *commands.PaymentRefusal, truth commands.PaymentIntent) []domain.Command {
	var record []domain.Command
	if e.Kind == Refund || e.Kind == Return {
		if back := givenBack(truth.Refunds); back > 0 {
			record = append(record, domain.RecordExternalChange{
				Object: truth.ID, Change: "refunded_partly", Amount: back, Answer: e.answer(truth.RequestID),
			})
		}
	}
	code := no.Code
	if code == "" {
		code = no.Type
	}
	return append(record, e.failed(domain.Failure{Code: code, Message: no.Message, DeclineCode: no.DeclineCode}, "", no.RequestID))
}

// abandoned is what to record when a person has given the effect up and it has not been done.
func (e Effect) abandoned() domain.Command {
	return e.failed(domain.Failure{Code: "abandoned", Message: "It was given up; nothing was done at Stripe."}, "", "")
}

// settled is what to record when a person has said that it was settled outside Stripe.
func (e Effect) settled() domain.Command {
	answer := domain.Answer{Request: e.Request, Source: domain.FromElsewhere, Reference: e.Reference}
	switch e.Kind {
	case Refund:
		return domain.RecordRefunded{Amount: e.Amount, Currency: e.Currency, Answer: answer}
	case Release, Return:
		return domain.RecordCancelled{How: domain.SettledElsewhere, Answer: answer}
	default:
		return domain.RecordCaptured{PaymentIntent: e.PaymentIntent, Amount: e.Amount, Currency: e.Currency, Answer: answer}
	}
}

// failed is the failure of what was asked.
func (e Effect) failed(f domain.Failure, refund, stripeRequest string) domain.Command {
	switch answer := e.answer(stripeRequest); e.Kind {
	case Refund:
		return domain.RecordRefundFailed{Refund: refund, Failure: f, Answer: answer}
	case Release, Return:
		return domain.RecordCancelFailed{Failure: f, Answer: answer}
	default:
		return domain.RecordCaptureFailed{Failure: f, Answer: answer}
	}
}

func (e Effect) answer(stripeRequest string) domain.Answer {
	return domain.Answer{Request: e.Request, StripeRequest: stripeRequest}
}

// request is what Stripe is asked for: the same for ever for one effect's Request.
func (e Effect) request() commands.PaymentRequest {
	act := "refund"
	switch e.Kind {
	case Capture, Ship:
		act = "capture"
	case Release:
		act = "release"
	}
	return commands.PaymentRequest{
		Key: "orderledger-" + e.Request.String() + "-" + act, OrderID: e.Order.String(), Request: e.Request.String(),
		PaymentIntent: e.PaymentIntent, Amount: e.Amount, Currency: string(e.Currency),
	}
}
