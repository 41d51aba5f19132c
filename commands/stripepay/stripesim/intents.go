package stripesim

import (
	"encoding/json"
	"fmt"
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
		return r.render(expand), c.save(r, "payment_intent.created")
	}
	if r.Card == "" {
		return nil, unexpectedState(r.Intent, "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update "+
			"the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.")
	}
	if err := c.tellCreated(r); err != nil {
		return nil, err
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
	id := c.objectID("pi_3")
	r := &record{Card: c.params.text("payment_method"), Intent: paymentIntent{
		fixedIntent: theIntent, ID: id, Amount: amount, CaptureMethod: "automatic", ClientSecret: id + "_secret_" + c.newID(25),
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
		method := "pm_1" + c.newID(23)
		r.Intent.PaymentMethod, r.Intent.Status = &method, statusRequiresConfirmation
	}
	return r, nil
}

// tellCreated tells of the PaymentIntent as it was before its confirmation, though both were one request.
func (c *call) tellCreated(r *record) error {
	before := *r
	before.Intent.PaymentMethod, before.Intent.Status = nil, statusRequiresPaymentMethod
	doc, err := json.Marshal(before.stored())
	if err != nil {
		return err
	}
	return c.tell(doc, "payment_intent.created")
}

// authorize holds the funds, and takes them unless the capture is manual.
func (c *call) authorize(r *record) error {
	c.attachCharge(r)
	r.Intent.Status, r.Intent.AmountCapturable = statusRequiresCapture, r.Intent.Amount
	if r.Intent.CaptureMethod == "automatic" {
		if err := c.enter(ActAuthorize, r, "", r.Intent.Amount); err != nil {
			return err
		}
		return c.take(r, r.Intent.Amount, "charge.succeeded", "payment_intent.succeeded")
	}
	end := c.now.Add(holdFor).Truncate(time.Second)
	r.Charge.PaymentMethodDetails.Card.CaptureBefore = end.Unix()
	if err := c.save(r, "charge.succeeded", "payment_intent.amount_capturable_updated"); err != nil {
		return err
	}
	if err := c.schedule(r.Intent.ID, end); err != nil {
		return err
	}
	return c.enter(ActAuthorize, r, "", r.Intent.Amount)
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
	if err := c.save(r, "charge.failed", "payment_intent.payment_failed"); err != nil {
		return err
	}
	answer := *e
	answer.PaymentIntent = &r.Intent
	return &answer
}

// take captures part or all of a hold, tells of it with events, and lets the rest go.
func (c *call) take(r *record, amount int64, events ...string) error {
	transaction, rest := "txn_3"+c.newID(23), r.Intent.AmountCapturable-amount
	r.Intent.AmountReceived, r.Intent.AmountCapturable, r.Intent.Status = amount, 0, statusSucceeded
	r.Charge.AmountCaptured, r.Charge.Captured, r.Charge.BalanceTransaction = amount, true, &transaction
	r.Charge.AmountRefunded = r.Charge.Amount - amount
	if err := c.save(r, events...); err != nil {
		return err
	}
	if cards[r.Card].dispute != nil {
		if err := c.schedule(r.Charge.ID, c.now.Add(c.sim.times.DisputeOpens)); err != nil {
			return err
		}
	}
	if err := c.enter(ActCapture, r, "", amount); err != nil || rest == 0 {
		return err
	}
	return c.enter(ActRelease, r, "", rest)
}

// letGo ends an untaken hold; a PaymentIntent without one is just canceled.
func (r *record) letGo(reason *string, at time.Time) {
	when := at.Unix()
	r.Intent.Status, r.Intent.AmountCapturable, r.Intent.CanceledAt, r.Intent.CancellationReason = statusCanceled, 0, &when, reason
	if r.Charge != nil && r.Charge.Paid {
		r.Charge.AmountRefunded, r.Charge.Refunded = r.Charge.Amount, true
	}
}

// expire lets a hold go whose time is over.
func (c *call) expire(id string) error {
	r, err := c.record(id)
	if err != nil || r == nil || r.Intent.Status != statusRequiresCapture {
		return err
	}
	reason, held := "automatic", r.Intent.AmountCapturable
	r.letGo(&reason, c.now)
	if err := c.save(r, "charge.expired", "payment_intent.canceled"); err != nil {
		return err
	}
	return c.enter(ActExpire, r, "", held)
}

// named reads the PaymentIntent that the path names.
func (c *call) named() (*record, error) {
	r, err := c.record(c.id)
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
	return r.render(expand), c.save(r) // Stripe has no event for this
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
	if err := c.unschedule(r.Intent.ID); err != nil {
		return nil, err
	}
	if err := c.take(r, amount, "charge.captured", "payment_intent.succeeded"); err != nil {
		return nil, err
	}
	return r.render(expand), nil
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
	if err := c.cancel(r, reason); err != nil {
		return nil, err
	}
	return r.render(expand), nil
}

// cancel ends the PaymentIntent. Letting its hold go is a refund of the charge to Stripe, though nothing was taken.
func (c *call) cancel(r *record, reason *string) error {
	held := r.Intent.AmountCapturable
	r.letGo(reason, c.now)
	if held == 0 {
		return c.save(r, "payment_intent.canceled")
	}
	if err := c.save(r, "charge.refunded", "payment_intent.canceled"); err != nil {
		return err
	}
	if err := c.unschedule(r.Intent.ID); err != nil {
		return err
	}
	return c.enter(ActRelease, r, "", held)
}

func (c *call) listIntents() (any, error) {
	if err := c.params.only(listParams...); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("data.latest_charge")
	if err != nil {
		return nil, err
	}
	records, more, err := page(c, query{table: "intents", columns: "doc", kind: "payment_intent", cursor: same}, readRecord)
	if err != nil {
		return nil, err
	}
	items := make([]*paymentIntent, len(records))
	for i, r := range records {
		items[i] = r.render(undata(expand))
	}
	return newList(c.path, items, more), nil
}

// render gives the PaymentIntent as it is answered.
func (r *record) render(expand map[string]bool) *paymentIntent {
	pi := r.Intent
	if expand["latest_charge"] && r.Charge != nil {
		pi.LatestCharge = r.Charge
	}
	return &pi
}
