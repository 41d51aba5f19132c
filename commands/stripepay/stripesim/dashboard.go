package stripesim

import (
	"context"
	"errors"
	"net/url"
	"strconv"
)

// Dashboard is somebody who acts at Stripe itself, past the ledger: see Sim.Dashboard. Every act is executed as a request of the
// same meaning would be, with the same rules, events and errors, but for faults, which don't touch it. An amount of 0 is the whole.
type Dashboard struct{ sim *Sim }

// Dashboard lets somebody act from outside. What they move is in the journal with ActorDashboard and without an idempotency key.
func (s *Sim) Dashboard() Dashboard { return Dashboard{s} }

// Capture takes a hold, or a part and lets the rest go.
func (d Dashboard) Capture(ctx context.Context, paymentIntent string, amount int64) error {
	form := url.Values{}
	if amount != 0 {
		form.Set("amount_to_capture", strconv.FormatInt(amount, 10))
	}
	_, err := d.act(ctx, (*call).captureIntent, paymentIntent, form)
	return err
}

// Cancel cancels a PaymentIntent, and lets its hold go.
func (d Dashboard) Cancel(ctx context.Context, paymentIntent string) error {
	_, err := d.act(ctx, (*call).cancelIntent, paymentIntent, url.Values{"cancellation_reason": {"requested_by_customer"}})
	return err
}

// Refund gives back what was taken, or a part, and gives the refund's id.
func (d Dashboard) Refund(ctx context.Context, paymentIntent string, amount int64) (refundID string, err error) {
	form := url.Values{"payment_intent": {paymentIntent}, "reason": {"requested_by_customer"}}
	if amount != 0 {
		form.Set("amount", strconv.FormatInt(amount, 10))
	}
	made, err := d.act(ctx, (*call).createRefund, "", form)
	if err != nil {
		return "", err
	}
	return made.(*refund).ID, nil
}

// SetRefund gives a refund another status, such as failed. Failed and canceled ones stay so.
func (d Dashboard) SetRefund(ctx context.Context, refundID, status string) error {
	_, err := d.act(ctx, func(c *call) (any, error) {
		back, err := c.refund(c.id)
		if err != nil {
			return nil, err
		}
		r, err := c.record(back.PaymentIntent.(string))
		if err != nil {
			return nil, err
		}
		return back, c.setRefund(r, back, status, "unknown")
	}, refundID, nil)
	return err
}

// OpenDispute lets the customer dispute what was taken, or a part, and gives the dispute's id. It goes on like the one of the
// PaymentIntent's card, or else as one that is lost.
func (d Dashboard) OpenDispute(ctx context.Context, paymentIntent string, amount int64, reason string) (disputeID string, err error) {
	made, err := d.act(ctx, func(c *call) (any, error) {
		r, err := c.named()
		if err != nil {
			return nil, err
		}
		return c.disputeNow(r, amount, reason)
	}, paymentIntent, nil)
	if err != nil {
		return "", err
	}
	return made.(*dispute).ID, nil
}

// disputeNow opens a dispute that somebody asks for.
func (c *call) disputeNow(r *record, amount int64, reason string) (*dispute, error) {
	how := *fraudIsLost
	if of := cards[r.Card].dispute; of != nil {
		how = *of
	}
	how.reason = reason
	if _, known := networkReasons[reason]; !known {
		return nil, invalid("reason", "", "Invalid reason of a dispute: "+reason)
	}
	if r.Charge == nil || !r.Charge.Captured {
		return nil, unexpectedState(r.Intent, "What was not captured can't be disputed.")
	}
	left := r.Charge.AmountCaptured - r.Refunded
	if amount == 0 {
		amount = left
	}
	switch {
	case r.Charge.Dispute != nil:
		return nil, invalid("", "", "Charge "+r.Charge.ID+" is disputed already; this simulator has one dispute for a charge.")
	case amount < 1 || amount > left:
		return nil, invalid("amount", "", "What is disputed is more than what was captured and not refunded.")
	}
	if err := c.unschedule(r.Charge.ID); err != nil {
		return nil, err
	}
	return c.openDispute(r, &how, amount)
}

// SetDispute gives an open dispute another status: won and lost close it.
func (d Dashboard) SetDispute(ctx context.Context, disputeID, status string) error {
	_, err := d.act(ctx, func(c *call) (any, error) {
		found, err := c.dispute(c.id)
		if err != nil {
			return nil, err
		}
		return found, c.setDispute(found, status)
	}, disputeID, nil)
	return err
}

// act does an endpoint's work for somebody at the dashboard.
func (d Dashboard) act(ctx context.Context, work endpoint, id string, form url.Values) (object any, err error) {
	c := &call{ctx: ctx, requestID: "req_" + d.sim.ids.next(14), id: id, params: params{form}, actor: ActorDashboard}
	var refused *apiError
	err = d.sim.transact(c, func() error {
		object, err = work(c)
		if errors.As(err, &refused) {
			return nil // what it says may have been stored, as for a request
		}
		return err
	})
	if err == nil && refused != nil {
		return nil, refused
	}
	return object, err
}
