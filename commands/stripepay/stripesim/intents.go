package stripesim

import (
	"fmt"
	"strings"
	"time"
)

func (c *call) createIntent() (any, error) {
	if err := c.params.only("amount", "currency", "capture_method", "confirm", "confirmation_method", "description", "expand", "metadata",
		"off_session", "payment_method", "payment_method_types"); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("latest_charge")
	if err != nil {
		return nil, err
	}
	r, err := c.newRecord()
	if err != nil {
		return nil, err
	}
	confirm, err := c.params.boolean("confirm")
	if err != nil {
		return nil, err
	}
	if !confirm {
		return r.render(expand), c.db.insertRecord(c.ctx, r)
	}
	if r.Card == "" {
		return nil, unexpectedState(r.Intent, "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update "+
			"the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.")
	}
	if d := cards[r.Card].decline; d != nil {
		return nil, c.declineIntent(r, d)
	}
	if err := c.authorize(r); err != nil {
		return nil, err
	}
	return r.render(expand), nil
}

// newRecord makes a PaymentIntent of the parameters, without storing it.
func (c *call) newRecord() (*record, error) {
	amount, given, err := c.params.positive("amount")
	if err != nil {
		return nil, err
	}
	if !given {
		return nil, missingParam("amount")
	}
	if c.params.text("currency") == "" {
		return nil, missingParam("currency")
	}
	currency, err := checkCurrency(c.params.text("currency"))
	if err != nil {
		return nil, err
	}
	if err := checkAmount(amount, currency); err != nil {
		return nil, err
	}
	capture, err := c.params.oneOf("capture_method", "automatic", "manual")
	if err != nil {
		return nil, err
	}
	for _, kind := range c.params.texts("payment_method_types") {
		if kind != "card" {
			return nil, invalid("payment_method_types", "", "The payment method type provided: "+kind+" is invalid. This simulator has cards only.")
		}
	}
	metadata, err := c.params.metadata(nil)
	if err != nil {
		return nil, err
	}
	id := "pi_3" + randomID(23)
	r := &record{Card: c.params.text("payment_method"), Intent: paymentIntent{
		fixedIntent: theIntent, ID: id, Amount: amount, CaptureMethod: "automatic", ClientSecret: id + "_secret_" + randomID(25),
		Created: c.now.Unix(), Currency: currency, Description: c.params.optional("description"), Metadata: metadata,
		Status: statusRequiresPaymentMethod,
	}}
	if capture != nil {
		r.Intent.CaptureMethod = *capture
	}
	if r.Card != "" {
		if _, known := cards[r.Card]; !known {
			return nil, invalid("payment_method", "resource_missing", "No such PaymentMethod: '"+r.Card+"'")
		}
		method := "pm_1" + randomID(23)
		r.Intent.PaymentMethod, r.Intent.Status = &method, statusRequiresConfirmation
	}
	return r, nil
}

// authorize holds the funds, and takes them unless the capture is manual.
func (c *call) authorize(r *record) error {
	c.attachCharge(r)
	manual := r.Intent.CaptureMethod == "manual"
	r.Intent.Status, r.Intent.AmountCapturable = statusRequiresCapture, r.Intent.Amount
	if manual {
		r.Charge.PaymentMethodDetails.Card.CaptureBefore = c.now.Add(holdFor).Unix()
	} else {
		r.take(r.Intent.Amount)
	}
	if err := c.db.insertRecord(c.ctx, r); err != nil {
		return err
	}
	if err := c.enter(ActAuthorize, r, "", r.Intent.Amount, c.now); err != nil || manual {
		return err
	}
	return c.enter(ActCapture, r, "", r.Intent.Amount, c.now)
}

// declineIntent stores the failed attempt and gives the issuer's answer.
func (c *call) declineIntent(r *record, d *decline) error {
	c.attachCharge(r)
	ch := r.Charge
	ch.Status, ch.Paid, ch.FailureCode, ch.FailureMessage = statusFailed, false, &d.code, &d.message
	ch.Outcome = outcome{
		NetworkStatus: "declined_by_network", Reason: &d.declineCode, RiskLevel: "normal", RiskScore: 20,
		SellerMessage: "The bank did not return any further details with this decline.", Type: "issuer_declined",
	}
	e := cardError(d, ch.ID)
	r.Intent.LastPaymentError, r.Intent.PaymentMethod, r.Intent.Status = e, nil, statusRequiresPaymentMethod
	if err := c.db.insertRecord(c.ctx, r); err != nil {
		return err
	}
	answer := *e
	answer.PaymentIntent = &r.Intent
	return &answer
}

// take captures part or all of a hold.
func (r *record) take(amount int64) {
	transaction := "txn_3" + randomID(23)
	r.Intent.AmountReceived, r.Intent.AmountCapturable, r.Intent.Status = amount, 0, statusSucceeded
	r.Charge.AmountCaptured, r.Charge.Captured, r.Charge.BalanceTransaction = amount, true, &transaction
	r.Charge.AmountRefunded = r.Charge.Amount - amount
}

// letGo ends an untaken hold; a PaymentIntent without one is just canceled.
func (r *record) letGo(reason *string, at time.Time) {
	when := at.Unix()
	r.Intent.Status, r.Intent.AmountCapturable, r.Intent.CanceledAt, r.Intent.CancellationReason = statusCanceled, 0, &when, reason
	if r.Charge != nil && r.Charge.Paid {
		r.Charge.AmountRefunded, r.Charge.Refunded = r.Charge.Amount, true
	}
}

// intent reads a PaymentIntent as it is now.
func (c *call) intent(id string) (*record, error) {
	r, err := c.db.record(c.ctx, id)
	if err != nil || r == nil {
		return nil, err
	}
	return r, c.expire(r)
}

// expire lets a hold go whose time is over.
func (c *call) expire(r *record) error {
	if r.Intent.Status != statusRequiresCapture {
		return nil
	}
	end := time.Unix(r.Charge.PaymentMethodDetails.Card.CaptureBefore, 0)
	if c.now.Before(end) {
		return nil
	}
	reason, held := "automatic", r.Intent.AmountCapturable
	r.letGo(&reason, end)
	if err := c.db.updateRecord(c.ctx, r); err != nil {
		return err
	}
	nobody := &call{ctx: c.ctx, db: c.db} // no request asked for it
	return nobody.enter(ActExpire, r, "", held, end)
}

// named reads the PaymentIntent that the path names.
func (c *call) named() (*record, error) {
	r, err := c.intent(c.id)
	if err == nil && r == nil {
		err = notFound("payment_intent", "intent", c.id)
	}
	return r, err
}

func (c *call) getIntent() (any, error) {
	if err := c.params.only("expand", "client_secret"); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("latest_charge")
	if err != nil {
		return nil, err
	}
	r, err := c.named()
	if err != nil {
		return nil, err
	}
	return r.render(expand), nil
}

func (c *call) updateIntent() (any, error) {
	if err := c.params.only("metadata", "description", "expand"); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("latest_charge")
	if err != nil {
		return nil, err
	}
	r, err := c.named()
	if err != nil {
		return nil, err
	}
	if r.Intent.Metadata, err = c.params.metadata(r.Intent.Metadata); err != nil {
		return nil, err
	}
	if description := c.params.optional("description"); description != nil {
		r.Intent.Description = description
	}
	return r.render(expand), c.db.updateRecord(c.ctx, r)
}

func (c *call) captureIntent() (any, error) {
	if err := c.params.only("amount_to_capture", "metadata", "expand"); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("latest_charge")
	if err != nil {
		return nil, err
	}
	amount, given, err := c.params.positive("amount_to_capture")
	if err != nil {
		return nil, err
	}
	r, err := c.named()
	if err != nil {
		return nil, err
	}
	if err := r.refusesCapture(); err != nil {
		return nil, err
	}
	held := r.Intent.AmountCapturable
	if !given {
		amount = held
	}
	if amount > held {
		return nil, invalid("amount_to_capture", "amount_too_large", "The amount_to_capture you provided is greater than the amount that can be captured.")
	}
	if err := checkDecimals(amount, r.Intent.Currency); err != nil {
		return nil, err
	}
	if r.Intent.Metadata, err = c.params.metadata(r.Intent.Metadata); err != nil {
		return nil, err
	}
	if d := cards[r.Card].captureDecline; d != nil {
		e := cardError(d, r.Charge.ID)
		e.PaymentIntent = &r.Intent
		return nil, e
	}
	if err := c.capture(r, amount); err != nil {
		return nil, err
	}
	return r.render(expand), nil
}

// capture takes amount of the hold and lets the rest go.
func (c *call) capture(r *record, amount int64) error {
	rest := r.Intent.AmountCapturable - amount
	r.take(amount)
	if err := c.db.updateRecord(c.ctx, r); err != nil {
		return err
	}
	if err := c.enter(ActCapture, r, "", amount, c.now); err != nil || rest == 0 {
		return err
	}
	return c.enter(ActRelease, r, "", rest, c.now)
}

func (r *record) refusesCapture() error {
	switch r.Intent.Status {
	case statusRequiresCapture:
		return nil
	case statusSucceeded:
		return unexpectedState(r.Intent, "This PaymentIntent could not be captured because it has already been captured.")
	}
	return unexpectedState(r.Intent, fmt.Sprintf("This PaymentIntent could not be captured because it has a status of %s. "+
		"Only a PaymentIntent with one of the following statuses may be captured: requires_capture.", r.Intent.Status))
}

func (c *call) cancelIntent() (any, error) {
	if err := c.params.only("cancellation_reason", "expand"); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("latest_charge")
	if err != nil {
		return nil, err
	}
	reason, err := c.params.oneOf("cancellation_reason", "duplicate", "fraudulent", "requested_by_customer", "abandoned")
	if err != nil {
		return nil, err
	}
	r, err := c.named()
	if err != nil {
		return nil, err
	}
	if r.Intent.Status == statusSucceeded || r.Intent.Status == statusCanceled {
		return nil, unexpectedState(r.Intent, fmt.Sprintf("You cannot cancel this PaymentIntent because it has a status of %s. Only a "+
			"PaymentIntent with one of the following statuses may be canceled: requires_payment_method, requires_capture, "+
			"requires_confirmation, requires_action, processing.", r.Intent.Status))
	}
	held := r.Intent.AmountCapturable
	r.letGo(reason, c.now)
	if err := c.db.updateRecord(c.ctx, r); err != nil {
		return nil, err
	}
	if held > 0 {
		if err := c.enter(ActRelease, r, "", held, c.now); err != nil {
			return nil, err
		}
	}
	return r.render(expand), nil
}

func (c *call) listIntents() (any, error) {
	if err := c.params.only(listParams...); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("data.latest_charge")
	if err != nil {
		return nil, err
	}
	p, err := c.page("intents", "payment_intent", same, "TRUE")
	if err != nil {
		return nil, err
	}
	records, err := c.records(p)
	if err != nil {
		return nil, err
	}
	answer := newList(c.path, p.more)
	for _, r := range records {
		answer.Data = append(answer.Data, r.render(undata(expand)))
	}
	return answer, nil
}

// undata turns a list's expansions into those of its items.
func undata(expand map[string]bool) map[string]bool {
	items := map[string]bool{}
	for name := range expand {
		items[strings.TrimPrefix(name, "data.")] = true
	}
	return items
}

// render gives the PaymentIntent as it is answered.
func (r *record) render(expand map[string]bool) *paymentIntent {
	pi := r.Intent
	if expand["latest_charge"] && r.Charge != nil {
		pi.LatestCharge = r.Charge
	}
	return &pi
}
