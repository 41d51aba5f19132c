package stripepay

import (
	"context"
	"strings"

	"github.com/orderledger/orderledger/commands"
	"github.com/stripe/stripe-go/v76"
)

var _ commands.Payments = (*Client)(nil)

// Names of metadata, kept at Stripe.
const (
	metaOrderID = "order_id"
	metaRequest = "request"
)

// check refuses requests that could not be asked for exactly once, or not for exactly what is meant.
func check(r commands.PaymentRequest, needsIntent bool) error {
	switch {
	case r.Key == "" || r.Key != strings.TrimSpace(r.Key) || len(r.Key) > maxKeyLength:
		return refuse("idempotency_key_invalid", "an act needs an idempotency key of 1 to 255 characters")
	case needsIntent && !strings.HasPrefix(r.PaymentIntent, "pi_"):
		return refuse("payment_intent_invalid", "an act needs the id of a PaymentIntent")
	case len(r.OrderID) > maxMetadataSize || len(r.Request) > maxMetadataSize:
		return refuse("metadata_too_long", "an id is longer than Stripe keeps")
	}
	return nil
}

// amountOf gives the amount of a request in Stripe's units.
func amountOf(r commands.PaymentRequest) (int64, error) {
	if r.Amount <= 0 {
		return 0, refuse("amount_invalid", "an act needs an amount greater than zero")
	}
	return toStripe(r.Amount, r.Currency)
}

// Read implements commands.Payments. Refunds are asked for only when something was taken: what Stripe may list for a hold that
// was let go gave nothing back. Disputes are asked for only when Stripe says that the charge was disputed.
func (c *Client) Read(ctx context.Context, paymentIntent string) (commands.PaymentIntent, error) {
	if !strings.HasPrefix(paymentIntent, "pi_") {
		return commands.PaymentIntent{}, refuse("payment_intent_invalid", "reading needs the id of a PaymentIntent")
	}
	pi, disputed, err := c.readIntent(ctx, paymentIntent)
	if err == nil && pi.Received > 0 {
		pi.Refunds, err = c.refundsOf(ctx, pi)
	}
	if err == nil && disputed {
		pi.Disputes, err = c.disputesOf(ctx, pi)
	}
	return pi, err
}

// readIntent reads the PaymentIntent alone, and says whether its charge was ever disputed.
func (c *Client) readIntent(ctx context.Context, id string) (pi commands.PaymentIntent, disputed bool, err error) {
	call, err := c.begin(ctx, "")
	if err != nil {
		return pi, false, err
	}
	defer call.end(&err)
	got, err := c.intents.Get(id, &stripe.PaymentIntentParams{Params: call.params, Expand: expandCharge()})
	pi, err = intentAnswer(got, err, id)
	return pi, err == nil && got.LatestCharge != nil && got.LatestCharge.Disputed, err
}

// Authorize implements commands.Payments.
func (c *Client) Authorize(
	ctx context.Context, r commands.PaymentRequest, paymentMethod string,
) (_ commands.PaymentIntent, err error) {
	if c.mode == Live {
		return commands.PaymentIntent{}, refuse("live_mode", "orders are authorized by the store, not here, when money is real")
	}
	if err := check(r, false); err != nil {
		return commands.PaymentIntent{}, err
	}
	amount, err := amountOf(r)
	if err != nil {
		return commands.PaymentIntent{}, err
	}
	call, err := c.begin(ctx, r.Key)
	if err != nil {
		return commands.PaymentIntent{}, err
	}
	defer call.end(&err)
	got, err := c.intents.New(&stripe.PaymentIntentParams{
		Params:             call.params,
		Amount:             stripe.Int64(amount),
		Currency:           stripe.String(strings.ToLower(r.Currency)),
		CaptureMethod:      stripe.String(string(stripe.PaymentIntentCaptureMethodManual)),
		Confirm:            stripe.Bool(true),
		PaymentMethod:      stripe.String(paymentMethod),
		PaymentMethodTypes: stripe.StringSlice([]string{"card"}),
		Metadata:           map[string]string{metaOrderID: r.OrderID},
		Expand:             expandCharge(),
	})
	return intentAnswer(got, err, "")
}

// Capture implements commands.Payments. The amount is sent, so that Stripe refuses when it is not what is held.
func (c *Client) Capture(ctx context.Context, r commands.PaymentRequest) (_ commands.PaymentIntent, err error) {
	if err := check(r, true); err != nil {
		return commands.PaymentIntent{}, err
	}
	amount, err := amountOf(r)
	if err != nil {
		return commands.PaymentIntent{}, err
	}
	call, err := c.begin(ctx, r.Key)
	if err != nil {
		return commands.PaymentIntent{}, err
	}
	defer call.end(&err)
	got, err := c.intents.Capture(r.PaymentIntent, &stripe.PaymentIntentCaptureParams{
		Params: call.params, AmountToCapture: stripe.Int64(amount), Expand: expandCharge(),
	})
	return intentAnswer(got, err, r.PaymentIntent)
}

// Release implements commands.Payments.
func (c *Client) Release(ctx context.Context, r commands.PaymentRequest) (_ commands.PaymentIntent, err error) {
	if err := check(r, true); err != nil {
		return commands.PaymentIntent{}, err
	}
	call, err := c.begin(ctx, r.Key)
	if err != nil {
		return commands.PaymentIntent{}, err
	}
	defer call.end(&err)
	got, err := c.intents.Cancel(r.PaymentIntent, &stripe.PaymentIntentCancelParams{Params: call.params, Expand: expandCharge()})
	return intentAnswer(got, err, r.PaymentIntent)
}

// Refund implements commands.Payments. The amount is sent: if something was given back already, Stripe refuses instead of giving
// back a rest that nobody asked for.
func (c *Client) Refund(ctx context.Context, r commands.PaymentRequest) (_ commands.PaymentRefund, err error) {
	if err := check(r, true); err != nil {
		return commands.PaymentRefund{}, err
	}
	amount, err := amountOf(r)
	if err != nil {
		return commands.PaymentRefund{}, err
	}
	call, err := c.begin(ctx, r.Key)
	if err != nil {
		return commands.PaymentRefund{}, err
	}
	defer call.end(&err)
	got, err := c.refunds.New(&stripe.RefundParams{
		Params: call.params, PaymentIntent: stripe.String(r.PaymentIntent), Amount: stripe.Int64(amount),
		Metadata: map[string]string{metaOrderID: r.OrderID, metaRequest: r.Request},
	})
	if err != nil {
		return commands.PaymentRefund{}, classify(err, got.LastResponse)
	}
	if got.LastResponse == nil || got.Object != "refund" {
		return commands.PaymentRefund{}, unexpected(got.LastResponse)
	}
	back, err := toRefund(got, got.LastResponse)
	if err == nil && (back.PaymentIntent != r.PaymentIntent || back.Currency != r.Currency) {
		err = unexpected(got.LastResponse)
	}
	return back, err
}

func expandCharge() []*string { return stripe.StringSlice([]string{"latest_charge"}) }

// intentAnswer reads an answer that should be the PaymentIntent id (any, when id is empty).
func intentAnswer(got *stripe.PaymentIntent, err error, id string) (commands.PaymentIntent, error) {
	if err != nil {
		return commands.PaymentIntent{}, classify(err, got.LastResponse)
	}
	if got.LastResponse == nil || (id != "" && got.ID != id) {
		return commands.PaymentIntent{}, unexpected(got.LastResponse)
	}
	return toIntent(got, got.LastResponse)
}
