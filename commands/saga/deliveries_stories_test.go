package saga_test

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

// tale is what happens to an order, by whom and in which order.
type tale struct {
	card  string // visa, if empty
	steps []happening
}

type happening struct {
	after time.Duration // the step before, and up to an hour more
	do    func(h *history, o *subject)
}

const (
	soon     = time.Minute
	nextTime = 30 * time.Hour // a sweep has come by
)

// stories are what can happen. Where clerk and dashboard do something to the same order, either a day lies between, or it is the
// same whoever is first.
var stories = []tale{
	{},
	{steps: []happening{{soon, clerk(domain.Capture{})}}},
	{steps: []happening{{soon, clerk(domain.Capture{})}, {soon, clerk(shipIt)}}},
	{steps: []happening{{soon, clerk(shipIt)}}},
	{steps: []happening{{soon, clerk(domain.Capture{})}, {soon, clerk(domain.Refund{})}}},
	{steps: []happening{{soon, clerk(domain.Capture{})}, {soon, clerk(domain.Cancel{})}}},
	{steps: []happening{{soon, clerk(domain.Cancel{})}}},
	{steps: []happening{{soon, clerk(shipIt)}, {nextTime, clerk(domain.Refund{})}, {soon, clerk(domain.Archive{})}}},

	{steps: []happening{{soon, captures(0)}}},
	{steps: []happening{{soon, captures(part)}}},
	{steps: []happening{{soon, captures(0)}, {nextTime, clerk(shipIt)}}},
	{steps: []happening{{soon, captures(0)}, {nextTime, clerk(domain.Refund{})}}},
	{steps: []happening{{soon, captures(0)}, {nextTime, clerk(domain.Cancel{})}}},
	{steps: []happening{{soon, captures(0)}, {nextTime, refunds(0)}}},
	{steps: []happening{{soon, captures(0)}, {0, clerk(domain.Capture{})}}},
	{steps: []happening{{soon, captures(0)}, {0, clerk(shipIt)}}},

	{steps: []happening{{soon, cancels}}},
	{steps: []happening{{soon, cancels}, {0, clerk(domain.Capture{})}}},
	{steps: []happening{{soon, cancels}, {nextTime, clerk(domain.Cancel{})}}},

	{steps: []happening{{soon, clerk(domain.Capture{})}, {soon, refunds(0)}}},
	{steps: []happening{{soon, clerk(domain.Capture{})}, {soon, refunds(part)}}},
	{steps: []happening{{soon, clerk(domain.Capture{})}, {soon, refunds(part)}, {soon, refunds(0)}}},
	{steps: []happening{{soon, clerk(domain.Capture{})}, {soon, refunds(0)}, {0, clerk(domain.Refund{})}}},
	{steps: []happening{{soon, clerk(domain.Capture{})}, {soon, refunds(part)}, {soon, clerk(domain.Refund{})}}},
	{steps: []happening{{soon, clerk(shipIt)}, {nextTime, refunds(0)}}},

	{card: "pm_card_captureDeclined", steps: []happening{{soon, clerk(domain.Capture{})}}},
	{card: "pm_card_refundFail", steps: []happening{{soon, clerk(domain.Capture{})}, {soon, clerk(domain.Refund{})}}},
	{card: "pm_card_refundFail", steps: []happening{{soon, clerk(domain.Capture{})}, {soon, clerk(domain.Cancel{})}}},
	{card: "pm_card_refundFail", steps: []happening{{soon, clerk(domain.Capture{})}, {soon, clerk(domain.Refund{})}, {soon, clerk(domain.Archive{})}}},
	{card: "pm_card_refundFail", steps: []happening{{soon, clerk(domain.Capture{})}, {soon, refunds(0)}}},
	{card: "pm_card_pendingRefund", steps: []happening{{soon, clerk(domain.Capture{})}, {soon, clerk(domain.Refund{})}}},
	{card: "pm_card_pendingRefund", steps: []happening{{soon, clerk(domain.Capture{})}, {soon, refunds(0)}}},
	{card: "pm_card_pendingRefundFail", steps: []happening{{soon, clerk(domain.Capture{})}, {soon, clerk(domain.Refund{})}}},
	{card: "pm_card_pendingRefundFailLater", steps: []happening{{soon, clerk(domain.Capture{})}, {soon, clerk(domain.Cancel{})}}},

	{card: "pm_card_createDispute", steps: []happening{{soon, clerk(domain.Capture{})}}},
	{card: "pm_card_createDisputeProductNotReceived", steps: []happening{{soon, clerk(shipIt)}}},
	{card: "pm_card_createDisputeInquiry", steps: []happening{{soon, captures(0)}}},
	{steps: []happening{{soon, clerk(domain.Capture{})}, {soon, disputes}, {nextTime, decides("won")}, {nextTime, clerk(domain.Refund{})}}},
	{steps: []happening{{soon, clerk(shipIt)}, {soon, disputes}, {soon, decides("lost")}}},
	{steps: []happening{{soon, captures(0)}, {soon, disputes}}},
}

var shipIt = domain.Ship{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z"}}}

func arrive(card string) func(h *history, o *subject) {
	if card == "" {
		card = visa
	}
	return func(h *history, o *subject) {
		o.id = h.place(card)
		o.payment = h.order(o.id).Hold.PaymentIntent
	}
}

// clerk is a clerk's click; a no of the rules is an answer, too.
func clerk(c domain.Command) func(h *history, o *subject) {
	return func(h *history, o *subject) {
		_, _ = h.world.clerk.Handle(context.Background(), commands.Request{
			OrderID: o.id, Command: c, CommandID: uuid.New(), Actor: domain.Actor{ID: "erika", Role: domain.Manager, Via: domain.ViaAPI},
		})
	}
}

func captures(amount int64) func(h *history, o *subject) {
	return func(h *history, o *subject) {
		h.must(h.sim.Dashboard().Capture(context.Background(), o.payment, amount))
	}
}

func cancels(h *history, o *subject) {
	h.must(h.sim.Dashboard().Cancel(context.Background(), o.payment))
}

func refunds(amount int64) func(h *history, o *subject) {
	return func(h *history, o *subject) {
		_, err := h.sim.Dashboard().Refund(context.Background(), o.payment, amount)
		h.must(err)
	}
}

func disputes(h *history, o *subject) {
	var err error
	o.dispute, err = h.sim.Dashboard().OpenDispute(context.Background(), o.payment, 0, "product_not_received")
	h.must(err)
}

func decides(outcome string) func(h *history, o *subject) {
	return func(h *history, o *subject) {
		h.must(h.sim.Dashboard().SetDispute(context.Background(), o.dispute, outcome))
	}
}
