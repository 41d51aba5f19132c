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
	transaction := "txn_3" + c.newID(23)
	back := &refund{
		fixedRefund: theRefund, ID: c.objectID("re_3"), Amount: amount, BalanceTransaction: &transaction, Charge: r.Charge.ID,
		Created: c.now.Unix(), Currency: r.Intent.Currency, Metadata: metadata, PaymentIntent: r.Intent.ID, Reason: reason,
		Status: cards[r.Card].refund[0],
	}
	if err := c.giveBack(r, back); err != nil {
		return nil, err
	}
	return back.render(r, expand), nil
}

// giveBack moves the money of a new refund.
func (c *call) giveBack(r *record, back *refund) error {
	r.countRefund(back.Amount)
	if err := c.save(r, "charge.refunded"); err != nil {
		return err
	}
	if err := c.saveRefund(back, "refund.created"); err != nil {
		return err
	}
	if err := c.scheduleRefund(r, back); err != nil {
		return err
	}
	return c.enter(ActRefund, r, back.ID, back.Amount)
}

// countRefund counts a refund; a negative amount is one that came home.
func (r *record) countRefund(amount int64) {
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
		if r, err = c.record(pi); err == nil && r == nil {
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
	return r, c.refusesRefund(r)
}

func (c *call) refusesRefund(r *record) error {
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
	case r.Charge.Dispute != nil:
		d, err := c.dispute(r.Charge.Dispute.(string))
		if err != nil || d.leavesMoney() {
			return err
		}
		e = invalid("", "charge_disputed", "Charge "+r.Charge.ID+" has been charged back; cannot issue a refund.")
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
	r, err := c.record(back.PaymentIntent.(string))
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
	q := query{table: "refunds", columns: "doc", kind: "refund", cursor: same}
	c.ofPayment(&q)
	refunds, more, err := page(c, q, readRefund)
	if err != nil {
		return nil, err
	}
	for i, back := range refunds {
		if len(expand) == 0 {
			break
		}
		r, err := c.record(back.PaymentIntent.(string))
		if err != nil {
			return nil, err
		}
		refunds[i] = back.render(r, undata(expand))
	}
	return newList(c.path, refunds, more), nil
}

// ofPayment applies the filters payment_intent and charge.
func (c *call) ofPayment(q *query) {
	if pi := c.params.text("payment_intent"); pi != "" {
		q.where("intent = ?", pi)
	}
	if ch := c.params.text("charge"); ch != "" {
		q.where("intent = ?", intentOf(ch))
	}
}

func readRefund(scan func(...any) error) (*refund, error) {
	var doc []byte
	if err := scan(&doc); err != nil {
		return nil, err
	}
	return decodeRefund(doc)
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
