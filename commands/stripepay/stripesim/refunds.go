package stripesim

import "fmt"

func (c *call) createRefund() (any, error) {
	if err := c.params.only("payment_intent", "charge", "amount", "reason", "metadata", "expand"); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("charge", "payment_intent")
	if err != nil {
		return nil, err
	}
	amount, given, err := c.params.positive("amount")
	if err != nil {
		return nil, err
	}
	reason, err := c.params.oneOf("reason", "duplicate", "fraudulent", "requested_by_customer")
	if err != nil {
		return nil, err
	}
	metadata, err := c.params.metadata(nil)
	if err != nil {
		return nil, err
	}
	r, err := c.refundable()
	if err != nil {
		return nil, err
	}
	left := r.Charge.AmountCaptured - r.Refunded
	if !given {
		amount = left
	}
	if amount > left {
		return nil, invalid("amount", "", fmt.Sprintf("Refund amount (%s) is greater than unrefunded amount on charge (%s)",
			format(amount, r.Intent.Currency), format(left, r.Intent.Currency)))
	}
	if err := checkDecimals(amount, r.Intent.Currency); err != nil {
		return nil, err
	}
	transaction := "txn_3" + randomID(23)
	back := &refund{
		fixedRefund: theRefund, ID: "re_3" + randomID(23), Amount: amount, BalanceTransaction: &transaction, Charge: r.Charge.ID,
		Created: c.now.Unix(), Currency: r.Intent.Currency, Metadata: metadata, PaymentIntent: r.Intent.ID, Reason: reason,
		Status: cards[r.Card].refund.begins,
	}
	r.giveBack(amount)
	if err := c.db.insertRefund(c.ctx, back); err != nil {
		return nil, err
	}
	if err := c.db.updateRecord(c.ctx, r); err != nil {
		return nil, err
	}
	if err := c.enter(ActRefund, r, back.ID, amount, c.now); err != nil {
		return nil, err
	}
	return back.render(r, expand), nil
}

// giveBack counts a refund; a negative amount is one that came home.
func (r *record) giveBack(amount int64) {
	r.Refunded += amount
	r.Charge.AmountRefunded += amount
	r.Charge.Refunded = r.Refunded > 0 && r.Refunded == r.Charge.AmountCaptured
}

// refundable reads the record that the parameters name, if its charge can be refunded.
func (c *call) refundable() (*record, error) {
	var r *record
	var err error
	pi, ch := c.params.text("payment_intent"), c.params.text("charge")
	switch {
	case pi != "":
		if r, err = c.intent(pi); err == nil && r == nil {
			err = invalid("payment_intent", "resource_missing", "No such payment_intent: '"+pi+"'")
		}
	case ch != "":
		if r, err = c.chargeByID(ch); err == nil && r == nil {
			err = invalid("charge", "resource_missing", "No such charge: '"+ch+"'")
		}
	default:
		err = invalid("", "parameter_missing", "One of the following params should be provided for this request: payment_intent or charge.")
	}
	if err != nil {
		return nil, err
	}
	if pi != "" && ch != "" && r.Intent.LatestCharge != ch {
		return nil, invalid("charge", "", "The charge does not belong to the payment_intent.")
	}
	return r, r.refusesRefund()
}

func (r *record) refusesRefund() error {
	var e *apiError
	switch {
	case r.Intent.Status == statusRequiresCapture:
		e = invalid("", "", fmt.Sprintf("This uncaptured Charge was created by a PaymentIntent (%s). You must cancel the PaymentIntent to reverse "+
			"the authorization instead of refunding the Charge directly. For more information, see "+
			"https://stripe.com/docs/payments/payment-intents/creating-payment-intents#separate-auth-capture", r.Intent.ID))
	case r.Charge == nil || !r.Charge.Captured:
		e = invalid("payment_intent", "", "This PaymentIntent ("+r.Intent.ID+") does not have a successful charge to refund.")
	case r.Refunded == r.Charge.AmountCaptured:
		e = invalid("", "charge_already_refunded", "Charge "+r.Charge.ID+" has already been refunded.")
	default:
		return nil
	}
	e.executed = true
	return e
}

// refund reads a refund, or says that there is none.
func (c *call) refund(id string) (*refund, error) {
	var doc []byte
	found, err := c.db.get(c.ctx, `SELECT doc FROM refunds WHERE id = ?`, []any{id}, &doc)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("refund", "id", id)
	}
	return decodeRefund(doc)
}

// settle brings a refund to the end that its card has for it.
func (c *call) settle(back *refund) error {
	r, err := c.intent(back.PaymentIntent.(string))
	if err != nil {
		return err
	}
	course := cards[r.Card].refund
	if back.Status != course.begins || course.begins == course.ends {
		return nil
	}
	if back.Status = course.ends; back.Status == statusFailed {
		back.FailureReason = "expired_or_canceled_card"
		r.giveBack(-back.Amount)
		if err := c.db.updateRecord(c.ctx, r); err != nil {
			return err
		}
		if err := c.enter(ActRefundFailed, r, back.ID, back.Amount, c.now); err != nil {
			return err
		}
	}
	return c.db.updateRefund(c.ctx, back)
}

func (c *call) getRefund() (any, error) {
	if err := c.params.only("expand"); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("charge", "payment_intent")
	if err != nil {
		return nil, err
	}
	back, err := c.refund(c.id)
	if err != nil {
		return nil, err
	}
	r, err := c.intent(back.PaymentIntent.(string))
	if err != nil {
		return nil, err
	}
	return back.render(r, expand), nil
}

func (c *call) listRefunds() (any, error) {
	if err := c.params.only(append([]string{"payment_intent", "charge"}, listParams...)...); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("data.charge", "data.payment_intent")
	if err != nil {
		return nil, err
	}
	condition, args := "TRUE", []any(nil)
	if pi := c.params.text("payment_intent"); pi != "" {
		condition, args = condition+" AND intent = ?", append(args, pi)
	}
	if ch := c.params.text("charge"); ch != "" {
		condition, args = condition+" AND intent = ?", append(args, intentOf(ch))
	}
	p, err := c.page("refunds", "refund", same, condition, args...)
	if err != nil {
		return nil, err
	}
	answer := newList(c.path, p.more)
	for _, doc := range p.docs {
		back, err := decodeRefund(doc)
		if err != nil {
			return nil, err
		}
		var r *record
		if len(expand) > 0 {
			if r, err = c.intent(back.PaymentIntent.(string)); err != nil {
				return nil, err
			}
		}
		answer.Data = append(answer.Data, back.render(r, undata(expand)))
	}
	return answer, nil
}

// render gives the refund as it is answered; r is its PaymentIntent, needed when something is expanded.
func (b *refund) render(r *record, expand map[string]bool) *refund {
	shown := *b
	if expand["charge"] {
		shown.Charge = r.Charge
	}
	if expand["payment_intent"] {
		shown.PaymentIntent = r.Intent
	}
	return &shown
}
