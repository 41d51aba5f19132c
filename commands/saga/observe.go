package saga

import (
	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

// Observe says what is to be recorded of an order, now that Stripe's truth about one of its PaymentIntents is known: the
// answer to what the order waits for, and what happened at Stripe without the ledger. What the rules can't take in becomes an
// external change, for a person to see. It is pure; when nothing is new, it returns nothing.
//
// The truth must have been read after the order was, and what is returned may be recorded only at the order's version: so
// an older truth never answers a newer order.
func Observe(o domain.Order, pi commands.PaymentIntent) []domain.Command {
	if o.Method != domain.Card || !o.Exists() {
		return nil
	}
	seen := &observer{order: o, pi: pi, answer: domain.Answer{Source: domain.FromStripe, StripeRequest: pi.RequestID}}
	if pi.ID != o.Hold.PaymentIntent {
		if pi.Received > 0 {
			seen.external(pi.ID, "captured", pi.Received)
		}
		return seen.record
	}
	seen.pending()
	seen.hold()
	seen.refunds()
	seen.disputes()
	return seen.record
}

// observer collects what is new, and follows what the order becomes by it.
type observer struct {
	order  domain.Order
	pi     commands.PaymentIntent
	answer domain.Answer
	record []domain.Command
}

// take adds a command, if the rules take it in and something comes of it; it returns false when they refuse it.
func (s *observer) take(c domain.Command) bool {
	event, err := domain.Decide(s.order, c)
	if err != nil {
		return false
	}
	if event != nil {
		s.record = append(s.record, c)
		s.order = domain.Evolve(s.order, event, domain.Stamp{})
	}
	return true
}

func (s *observer) external(object, change string, amount int64) {
	s.take(domain.RecordExternalChange{Object: object, Change: change, Amount: amount, Answer: s.answer})
}

// pending adopts what answers the act in flight. What only a person can decide is left to the act's own attempt.
func (s *observer) pending() {
	if s.order.Pending.Act == "" {
		return
	}
	verdict := Judge(effectOf(s.order), s.pi)
	if verdict.Stuck != "" {
		return
	}
	for _, c := range verdict.Record {
		s.take(c)
	}
	if s.order.Pending.Act == domain.ActShip && s.order.Captured() {
		s.take(domain.CompleteShipment{Request: s.order.Pending.Request})
	}
}

// hold looks at funds that were taken, or let go, without the ledger.
func (s *observer) hold() {
	o, pi := s.order, s.pi
	switch {
	case o.Captured() || o.Pending.Act != "":
	case pi.Status == "canceled":
		s.take(domain.RecordAuthorizationExpired{PaymentIntent: pi.ID, Reason: pi.CancellationReason, Answer: s.answer})
	case pi.Status != "succeeded":
	case pi.Received != o.Total || pi.Currency != string(o.Currency):
		s.external(pi.ID, "captured_other_amount", pi.Received)
	case !s.take(domain.RecordCaptured{
		PaymentIntent: pi.ID, Charge: pi.Charge, Amount: pi.Received, Currency: domain.Currency(pi.Currency), Answer: s.answer,
	}):
		s.external(pi.ID, "captured", pi.Received)
	}
}

// refunds looks at money that went back, or came home, without the ledger.
func (s *observer) refunds() {
	o := s.order
	if !o.Captured() || o.Pending.Act != "" {
		if !o.Captured() && givenBack(s.pi.Refunds) > 0 {
			s.external(s.pi.ID, "refunded", givenBack(s.pi.Refunds))
		}
		return
	}
	var last *commands.PaymentRefund
	finished := true
	for i, r := range s.pi.Refunds {
		if undone(r) {
			if r.ID == o.Refund {
				s.take(refundUndone(r, s.answer))
			}
			continue
		}
		last = &s.pi.Refunds[i]
		finished = finished && r.Status == "succeeded"
	}
	back := givenBack(s.pi.Refunds)
	switch o = s.order; {
	case back == 0:
	case o.RefundedAt != nil || o.CancelledAt != nil:
		if o.Refund == "" { // settled elsewhere, and given back at Stripe too
			s.external(s.pi.ID, "refunded", back)
		}
	case back != o.Taken:
		s.external(s.pi.ID, "refunded_partly", back)
	case !finished:
		s.external(last.ID, "refund_pending", back)
	case !s.take(domain.RecordRefunded{Refund: last.ID, Amount: back, Currency: o.Currency, Answer: s.answer}):
		s.external(s.pi.ID, "refunded", back)
	}
}

func refundUndone(r commands.PaymentRefund, a domain.Answer) domain.RecordRefundFailed {
	return domain.RecordRefundFailed{Refund: r.ID, Failure: refundFailure(r), Answer: a}
}

func (s *observer) disputes() {
	for _, d := range s.pi.Disputes {
		s.take(domain.RecordDisputeOpened{Dispute: d.ID, Reason: d.Reason, Amount: d.Amount})
		if d.Closed() {
			s.take(domain.RecordDisputeClosed{Dispute: d.ID, Outcome: d.Status})
		}
	}
}

// effectOf is the effect that an order's act in flight is: what React makes of the order's events.
func effectOf(o domain.Order) Effect {
	p := o.Pending
	e := Effect{
		Order: o.ID, Request: p.Request, Since: p.Since, PaymentIntent: o.Hold.PaymentIntent, Amount: o.Total, Currency: o.Currency,
		Parked: p.Parked, Decision: p.Decision, Reference: p.Reference,
	}
	switch p.Act {
	case domain.ActCapture:
		e.Kind = Capture
	case domain.ActShip:
		e.Kind, e.Captured = Ship, o.Captured()
	case domain.ActRefund:
		e.Kind = Refund
	case domain.ActCancel:
		e.Kind = Release
		if p.How == domain.ChargeRefunded {
			e.Kind = Return
		}
	}
	if e.Kind == Refund || e.Kind == Return {
		e.Amount, e.Charge = o.Taken, o.Charge
		if o.RefundPending {
			e.Refund = o.Refund
		}
	}
	return e
}
