package stripesim

import (
	"context"
	"fmt"
	"slices"
)

// SettleRefund brings a refund to the next status that its payment method has for it, without waiting for its time: one of
// pm_card_pendingRefund from pending to succeeded, one of pm_card_refundFail from succeeded to failed (the money stays with the
// account, and the journal says so). A refund that is where it belongs stays as it is.
func (s *Sim) SettleRefund(ctx context.Context, id string) error {
	c := &call{ctx: ctx, actor: ActorStripe}
	return s.transact(c, func() error {
		if _, err := c.refund(id); err != nil {
			return err
		}
		return c.settle(id)
	})
}

// scheduleRefund plans the refund's next status, if its card has one for it.
func (c *call) scheduleRefund(r *record, back *refund) error {
	if _, goesOn := cards[r.Card].refund.after(back.Status); !goesOn {
		return c.unschedule(back.ID)
	}
	return c.schedule(back.ID, c.now.Add(c.sim.times.Refund))
}

// settle gives a refund its next status.
func (c *call) settle(id string) error {
	back, err := c.refund(id)
	if err != nil {
		return err
	}
	r, err := c.record(back.PaymentIntent.(string))
	if err != nil {
		return err
	}
	next, goesOn := cards[r.Card].refund.after(back.Status)
	if !goesOn {
		return nil
	}
	return c.setRefund(r, back, next, "expired_or_canceled_card")
}

// refundStatuses are those that a refund may be given; the money of the last two has come home.
var refundStatuses = []string{statusPending, statusRequiresAction, statusSucceeded, statusFailed, statusCanceled}

// setRefund gives a refund another status, and its money back to the account if it came home.
func (c *call) setRefund(r *record, back *refund, status, failure string) error {
	switch {
	case !slices.Contains(refundStatuses, status):
		return invalid("status", "", "Invalid status of a refund: "+status)
	case back.Status == status:
		return nil
	case back.Status == statusFailed || back.Status == statusCanceled:
		return invalid("status", "", fmt.Sprintf("Refund %s has a status of %s, which is final.", back.ID, back.Status))
	}
	events := []string{"refund.updated", "charge.refund.updated"}
	cameHome := status == statusFailed || status == statusCanceled
	if status == statusFailed {
		back.FailureReason, back.FailureTransaction = failure, "txn_1"+c.newID(23)
		events = append(events, "refund.failed")
	}
	back.Status = status
	if err := c.saveRefund(back, events...); err != nil {
		return err
	}
	if err := c.scheduleRefund(r, back); err != nil || !cameHome {
		return err
	}
	r.countRefund(-back.Amount)
	if err := c.save(r); err != nil {
		return err
	}
	return c.enter(ActRefundFailed, r, back.ID, back.Amount)
}
