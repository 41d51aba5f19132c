package saga_test

import (
	"reflect"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/domain"
)

// told folds events into an order; each has an id that follows from its place.
func told(events ...domain.Event) domain.Order {
	in := intake(0)
	var o domain.Order
	for i, e := range append([]domain.Event{domain.Placed{
		OrderNumber: in.OrderNumber, Manufacturer: in.Manufacturer, Total: total, Currency: "USD", Method: domain.Card,
		Authorization: domain.Authorization{PaymentIntent: "pi_1"},
	}}, events...) {
		o = domain.Evolve(o, e, domain.Stamp{ID: nth(i)})
	}
	return o
}

func nth(i int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte{byte(i)}) }

// What Stripe does by itself, or somebody there, against every state of an order that it can meet.
func TestObserve(t *testing.T) {
	stripe := domain.Answer{Source: domain.FromStripe, StripeRequest: "req_1"}
	asked := func(n int) domain.Answer { return domain.Answer{Request: nth(n), StripeRequest: "req_1"} }
	refundAnswer := func(a domain.Answer) domain.Answer { a.StripeRequest = ""; return a }
	pi := func(change ...func(*commands.PaymentIntent)) commands.PaymentIntent {
		p := commands.PaymentIntent{ID: "pi_1", Status: "requires_capture", Amount: total, Capturable: total, Currency: "USD", RequestID: "req_1"}
		for _, f := range change {
			f(&p)
		}
		return p
	}
	taken := func(p *commands.PaymentIntent) {
		p.Status, p.Capturable, p.Received, p.Charge = "succeeded", 0, total, "ch_1"
	}
	canceled := func(p *commands.PaymentIntent) {
		p.Status, p.Capturable, p.CancellationReason = "canceled", 0, "automatic"
	}
	back := func(id, status string, amount int64) func(*commands.PaymentIntent) {
		return func(p *commands.PaymentIntent) {
			p.Refunds = append(p.Refunds, commands.PaymentRefund{ID: id, Status: status, Amount: amount})
		}
	}
	disputed := func(status string) func(*commands.PaymentIntent) {
		return func(p *commands.PaymentIntent) {
			p.Disputes = append(p.Disputes, commands.PaymentDispute{ID: "dp_1", Status: status, Reason: "fraudulent", Amount: total})
		}
	}
	captured := domain.PaymentCaptured{Amount: total, Currency: "USD", PaymentIntent: "pi_1", Charge: "ch_1"}
	refunded := domain.Refunded{Refund: "re_1", Amount: total, Currency: "USD"}
	recordCaptured := func(a domain.Answer) domain.Command {
		return domain.RecordCaptured{PaymentIntent: "pi_1", Charge: "ch_1", Amount: total, Currency: "USD", Answer: a}
	}
	external := func(object, change string, amount int64) domain.Command {
		return domain.RecordExternalChange{Object: object, Change: change, Amount: amount, Answer: stripe}
	}
	opened := domain.RecordDisputeOpened{Dispute: "dp_1", Reason: "fraudulent", Amount: total}
	for _, c := range []struct {
		name  string
		order domain.Order
		truth commands.PaymentIntent
		want  []domain.Command
	}{
		{"nothing new", told(), pi(), nil},
		{"nothing of it is ours", domain.Order{}, pi(taken), nil},
		{"captured there, accepted here", told(domain.Accepted{}), pi(taken), []domain.Command{recordCaptured(stripe)}},
		{"captured there, not reviewed here", told(), pi(taken), []domain.Command{external("pi_1", "captured", total)}},
		{"captured there in part", told(domain.Accepted{}), pi(taken, func(p *commands.PaymentIntent) { p.Received = 100 }), []domain.Command{
			external("pi_1", "captured_other_amount", 100),
		}},
		{"captured there after it was cancelled here", told(domain.Cancelled{How: domain.NothingToRelease}), pi(taken), []domain.Command{
			external("pi_1", "captured", total),
		}},
		{"known", told(domain.Accepted{}, captured), pi(taken), nil},
		{"known to differ", told(domain.ExternalChangeSeen{Object: "pi_1", Change: "captured", Amount: total}), pi(taken), nil},
		{"an answer before our own", told(domain.Accepted{}, domain.CaptureRequested{}), pi(taken), []domain.Command{recordCaptured(asked(2))}},
		{"captured for a shipment", told(domain.Accepted{}, domain.ShipRequested{}), pi(taken), []domain.Command{
			recordCaptured(asked(2)), domain.CompleteShipment{Request: nth(2)},
		}},
		{"let go there", told(domain.Accepted{}), pi(canceled), []domain.Command{
			domain.RecordAuthorizationExpired{PaymentIntent: "pi_1", Reason: "automatic", Answer: stripe},
		}},
		{"let go there while it is to be captured", told(domain.Accepted{}, domain.CaptureRequested{}), pi(canceled), []domain.Command{
			domain.RecordAuthorizationExpired{PaymentIntent: "pi_1", Reason: "automatic", Answer: asked(2)},
		}},
		{"let go as asked", told(domain.CancelRequested{How: domain.HoldReleased}), pi(canceled, func(p *commands.PaymentIntent) {
			p.CancellationReason = ""
		}), []domain.Command{domain.RecordCancelled{How: domain.HoldReleased, Answer: asked(1)}}},
		{"captured there while it is to be let go", told(domain.Accepted{}, domain.CancelRequested{How: domain.HoldReleased}), pi(taken), []domain.Command{
			domain.RecordExternalChange{Object: "pi_1", Change: "captured", Amount: total, Answer: asked(2)},
			domain.RecordCancelFailed{Failure: domain.Failure{
				Code: "already_captured", Message: "The payment was captured at Stripe meanwhile. Capture it here too, then cancel the order.",
			}, Answer: asked(2)},
			recordCaptured(stripe),
		}},
		{"let go and known", told(domain.Cancelled{How: domain.HoldReleased}), pi(canceled), nil},
		{"an earlier hold let go", told(domain.Reauthorized{Authorization: domain.Authorization{PaymentIntent: "pi_2"}}), pi(canceled), nil},
		{"an earlier hold captured", told(domain.Reauthorized{Authorization: domain.Authorization{PaymentIntent: "pi_2"}}), pi(taken), []domain.Command{
			external("pi_1", "captured", total),
		}},
		{"given back there", told(domain.Accepted{}, captured, domain.Shipped{}), pi(taken, back("re_1", "succeeded", total)), []domain.Command{
			domain.RecordRefunded{Refund: "re_1", Amount: total, Currency: "USD", Answer: stripe},
		}},
		{"given back there in two parts", told(domain.Accepted{}, captured), pi(taken, back("re_1", "succeeded", 7), back("re_2", "succeeded", total-7)), []domain.Command{
			domain.RecordRefunded{Refund: "re_2", Amount: total, Currency: "USD", Answer: stripe},
		}},
		{"given back there in part", told(domain.Accepted{}, captured), pi(taken, back("re_1", "succeeded", 7)), []domain.Command{external("pi_1", "refunded_partly", 7)}},
		{"being given back there", told(domain.Accepted{}, captured), pi(taken, back("re_1", "pending", total)), []domain.Command{external("re_1", "refund_pending", total)}},
		{"captured and given back there", told(domain.Accepted{}), pi(taken, back("re_1", "succeeded", total)), []domain.Command{
			recordCaptured(stripe), domain.RecordRefunded{Refund: "re_1", Amount: total, Currency: "USD", Answer: stripe},
		}},
		{"captured and given back there, not reviewed", told(), pi(taken, back("re_1", "succeeded", total)), []domain.Command{
			external("pi_1", "captured", total), external("pi_1", "refunded", total),
		}},
		{"a refund of ours, before our own answer", told(domain.Accepted{}, captured, domain.RefundRequested{}), pi(taken, back("re_1", "succeeded", total)), []domain.Command{
			domain.RecordRefunded{Refund: "re_1", Amount: total, Currency: "USD", Answer: refundAnswer(asked(3))},
		}},
		{"given back there while it is to be cancelled", told(captured, domain.CancelRequested{How: domain.ChargeRefunded}), pi(taken, back("re_1", "succeeded", total)), []domain.Command{
			domain.RecordCancelled{How: domain.ChargeRefunded, Refund: "re_1", Amount: total, Answer: refundAnswer(asked(2))},
		}},
		{"a refund comes home", told(captured, refunded), pi(taken, back("re_1", "failed", total)), []domain.Command{
			domain.RecordRefundFailed{Refund: "re_1", Failure: domain.Failure{Code: "refund_failed", Message: "Stripe could not give the money back."}, Answer: stripe},
		}},
		{"a refund of a cancelled order comes home", told(captured, domain.Cancelled{How: domain.ChargeRefunded, Refund: "re_1"}), pi(taken, back("re_1", "failed", total)), []domain.Command{
			domain.RecordRefundFailed{Refund: "re_1", Failure: domain.Failure{Code: "refund_failed", Message: "Stripe could not give the money back."}, Answer: stripe},
		}},
		{"a refund came home, and another was made there", told(captured, refunded), pi(taken, back("re_1", "failed", total), back("re_2", "succeeded", total)), []domain.Command{
			domain.RecordRefundFailed{Refund: "re_1", Failure: domain.Failure{Code: "refund_failed", Message: "Stripe could not give the money back."}, Answer: stripe},
			domain.RecordRefunded{Refund: "re_2", Amount: total, Currency: "USD", Answer: stripe},
		}},
		{"settled elsewhere and given back there", told(captured, domain.Refunded{Amount: total, Currency: "USD"}), pi(taken, back("re_1", "succeeded", total)), []domain.Command{
			external("pi_1", "refunded", total),
		}},
		{"settled elsewhere while a refund was under way, and given back there too", told(captured,
			domain.CancelRequested{How: domain.ChargeRefunded}, domain.RefundPending{Refund: "re_1", Amount: total},
			domain.Cancelled{How: domain.SettledElsewhere, Answer: domain.Answer{Source: domain.FromElsewhere, Reference: "wire 4711"}},
		), pi(taken, back("re_1", "succeeded", total)), []domain.Command{external("pi_1", "refunded", total)}},
		{"lost, and won after all", told(captured, domain.DisputeOpened{Dispute: "dp_1", Amount: total}, domain.DisputeClosed{Dispute: "dp_1", Outcome: "lost"}), pi(taken, disputed("won")), []domain.Command{
			domain.RecordDisputeClosed{Dispute: "dp_1", Outcome: "won"},
		}},
		{"disputed", told(captured), pi(taken, disputed("needs_response")), []domain.Command{opened}},
		{"disputed and lost", told(captured), pi(taken, disputed("lost")), []domain.Command{opened, domain.RecordDisputeClosed{Dispute: "dp_1", Outcome: "lost"}}},
		{"lost", told(captured, domain.DisputeOpened{Dispute: "dp_1"}), pi(taken, disputed("lost")), []domain.Command{domain.RecordDisputeClosed{Dispute: "dp_1", Outcome: "lost"}}},
		{"known to be disputed", told(captured, domain.DisputeOpened{Dispute: "dp_1"}), pi(taken, disputed("under_review")), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := saga.Observe(c.order, c.truth)
			if !reflect.DeepEqual(got, c.want) {
				t.Fatalf("got  %+v\nwant %+v", got, c.want)
			}
			o := c.order
			for _, command := range got { // what is to be recorded can be, and is then known
				event, err := domain.Decide(o, command)
				if err != nil || event == nil {
					t.Fatalf("%s: %v, %v", command.CommandName(), event, err)
				}
				o = domain.Evolve(o, event, domain.Stamp{})
			}
			if again := saga.Observe(o, c.truth); len(again) > 0 {
				t.Errorf("seen again: %+v", again)
			}
		})
	}
}
