package saga_test

import (
	"reflect"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/domain"
)

func TestJudge(t *testing.T) {
	request := uuid.New()
	answer := domain.Answer{Request: request, StripeRequest: "req_1"}
	pi := func(change func(*commands.PaymentIntent)) commands.PaymentIntent {
		p := commands.PaymentIntent{
			ID: "pi_1", Status: "requires_capture", Amount: 500, Capturable: 500, Currency: "USD", Charge: "ch_1", RequestID: "req_1",
		}
		change(&p)
		return p
	}
	held := pi(func(*commands.PaymentIntent) {})
	taken := func(refunds ...commands.PaymentRefund) commands.PaymentIntent {
		return pi(func(p *commands.PaymentIntent) {
			p.Status, p.Capturable, p.Received, p.Refunds = "succeeded", 0, 500, refunds
		})
	}
	gone := func(reason string) commands.PaymentIntent {
		return pi(func(p *commands.PaymentIntent) { p.Status, p.Capturable, p.CancellationReason = "canceled", 0, reason })
	}
	back := func(id, status string, amount int64, own bool) commands.PaymentRefund {
		r := commands.PaymentRefund{ID: id, Status: status, Amount: amount, RequestID: "req_1", Request: uuid.NewString()}
		if own {
			r.Request = request.String()
		}
		return r
	}
	captured := domain.RecordCaptured{PaymentIntent: "pi_1", Charge: "ch_1", Amount: 500, Currency: "USD", Answer: answer}
	refunded := domain.RecordRefunded{Refund: "re_1", Amount: 500, Currency: "USD", Answer: answer}
	records := func(cs ...domain.Command) saga.Verdict { return saga.Verdict{Record: cs} }
	open := saga.Verdict{}
	for _, tt := range []struct {
		name   string
		kind   saga.Kind
		truth  commands.PaymentIntent
		want   saga.Verdict
		refund string // known to be pending
	}{
		{name: "held", kind: saga.Capture, truth: held, want: open},
		{name: "held", kind: saga.Release, truth: held, want: open},
		{name: "held", kind: saga.Refund, truth: held, want: open},
		{name: "processing", kind: saga.Capture, truth: pi(func(p *commands.PaymentIntent) { p.Status = "processing" }), want: saga.Verdict{Wait: true}},
		{name: "taken", kind: saga.Capture, truth: taken(), want: records(captured)},
		{name: "taken", kind: saga.Ship, truth: taken(), want: records(captured)},
		{name: "another currency", kind: saga.Capture, truth: pi(func(p *commands.PaymentIntent) {
			p.Status, p.Received, p.Currency = "succeeded", 500, "CAD"
		}), want: saga.Verdict{
			Record: []domain.Command{domain.RecordExternalChange{Object: "pi_1", Change: "captured_other_amount", Amount: 500, Answer: answer}},
			Stuck:  "Stripe took 500 CAD, not 500 USD.",
		}},
		{name: "gone", kind: saga.Ship, truth: gone("automatic"), want: records(domain.RecordAuthorizationExpired{
			PaymentIntent: "pi_1", Reason: "automatic", Answer: answer,
		})},
		{name: "let go", kind: saga.Release, truth: gone(""), want: records(domain.RecordCancelled{How: domain.HoldReleased, Answer: answer})},
		{name: "let go", kind: saga.Release, truth: gone("requested_by_customer"), want: records(domain.RecordCancelled{
			How: domain.HoldReleased, Answer: answer,
		})},
		{name: "ran out", kind: saga.Release, truth: gone("automatic"), want: records(domain.RecordCancelled{
			How: domain.NothingToRelease, Answer: answer,
		})},
		{name: "not refunded", kind: saga.Refund, truth: taken(), want: open},
		{name: "own refund", kind: saga.Refund, truth: taken(back("re_1", "succeeded", 500, true)), want: records(refunded)},
		{name: "somebody's refund", kind: saga.Refund, truth: taken(back("re_1", "succeeded", 500, false)), want: records(refunded)},
		{name: "own refund", kind: saga.Return, truth: taken(back("re_1", "succeeded", 500, true)), want: records(domain.RecordCancelled{
			How: domain.ChargeRefunded, Refund: "re_1", Amount: 500, Answer: answer,
		})},
		{
			name: "in parts", kind: saga.Refund,
			truth: taken(back("re_0", "succeeded", 100, false), back("re_1", "succeeded", 400, false)), want: records(refunded),
		},
		{name: "a part", kind: saga.Refund, truth: taken(back("re_1", "succeeded", 100, false)), want: open},
		{
			name: "after one that failed", kind: saga.Refund,
			truth: taken(back("re_0", "failed", 500, false), back("re_1", "succeeded", 500, true)), want: records(refunded),
		},
		{name: "only one that failed long ago", kind: saga.Refund, truth: taken(back("re_0", "failed", 500, false)), want: open},
		{name: "own failed", kind: saga.Refund, truth: taken(back("re_1", "failed", 500, true)), want: records(domain.RecordRefundFailed{
			Refund: "re_1", Failure: domain.Failure{Code: "refund_failed", Message: "Stripe could not give the money back."}, Answer: answer,
		})},
		{name: "own failed", kind: saga.Return, truth: taken(back("re_1", "canceled", 500, true)), want: records(domain.RecordCancelFailed{
			Failure: domain.Failure{Code: "refund_canceled", Message: "Stripe could not give the money back."}, Answer: answer,
		})},
		{
			name: "the one that was pending failed", kind: saga.Refund, refund: "re_1",
			truth: taken(back("re_1", "failed", 500, false)), want: records(domain.RecordRefundFailed{
				Refund: "re_1", Failure: domain.Failure{Code: "refund_failed", Message: "Stripe could not give the money back."}, Answer: answer,
			}),
		},
		{name: "pending", kind: saga.Refund, truth: taken(back("re_1", "pending", 500, true)), want: saga.Verdict{
			Wait: true, Record: []domain.Command{domain.RecordRefundPending{Refund: "re_1", Amount: 500, Answer: answer}},
		}},
		{
			name: "still pending", kind: saga.Return, refund: "re_1", truth: taken(back("re_1", "requires_action", 500, true)),
			want: saga.Verdict{Wait: true},
		},
		{name: "own of another amount", kind: saga.Refund, truth: taken(back("re_1", "succeeded", 499, true)), want: saga.Verdict{
			Stuck: "Stripe's refund re_1 is of 499, not 500 USD.",
		}},
		{
			name: "pending, and not there any more", kind: saga.Refund, refund: "re_1", truth: taken(),
			want: saga.Verdict{Lost: true, Stuck: "Stripe does not know the refund re_1 any more."},
		},
	} {
		t.Run(string(tt.kind)+"/"+tt.name, func(t *testing.T) {
			got := saga.Judge(saga.Effect{
				Kind: tt.kind, Request: request, PaymentIntent: "pi_1", Charge: "ch_1", Amount: 500, Currency: "USD", Refund: tt.refund,
			}, tt.truth)
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}
