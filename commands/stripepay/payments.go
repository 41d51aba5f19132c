package stripepay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/stripe/stripe-go/v76"
)

var _ commands.Payments = (*Client)(nil)

// Names of metadata, kept at Stripe.
const (
	metaOrderID = "order_id"
	metaRequest = "request"
)

// attempt prepares one request: its turn under the rate limit, then its time-out, and the parameters common to all.
func (c *Client) attempt(ctx context.Context, key string) (stripe.Params, context.CancelFunc, error) {
	if err := c.limit.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		} else {
			err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err) // its turn would come too late
		}
		return stripe.Params{}, nil, classify(err, nil)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	p := stripe.Params{Context: ctx}
	if key != "" {
		p.IdempotencyKey = stripe.String(key)
	}
	return p, cancel, nil
}

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
// was let go gave nothing back.
func (c *Client) Read(ctx context.Context, paymentIntent string) (commands.PaymentIntent, error) {
	if !strings.HasPrefix(paymentIntent, "pi_") {
		return commands.PaymentIntent{}, refuse("payment_intent_invalid", "reading needs the id of a PaymentIntent")
	}
	params, cancel, err := c.attempt(ctx, "")
	if err != nil {
		return commands.PaymentIntent{}, err
	}
	defer cancel()
	got, err := c.intents.Get(paymentIntent, &stripe.PaymentIntentParams{Params: params, Expand: expandCharge()})
	pi, err := intentAnswer(got, err, paymentIntent)
	if err != nil || pi.Received == 0 {
		return pi, err
	}
	pi.Refunds, err = c.readRefunds(ctx, pi)
	return pi, err
}

// readRefunds reads every page, oldest refund first.
func (c *Client) readRefunds(ctx context.Context, pi commands.PaymentIntent) ([]commands.PaymentRefund, error) {
	var newestFirst []commands.PaymentRefund
	var after *string
	for range maxRefundPages {
		list, err := c.refundPage(ctx, pi.ID, after)
		if err != nil {
			return nil, err
		}
		for _, r := range list.Data {
			back, err := toRefund(r, pi.Currency, list.LastResponse)
			if err != nil {
				return nil, err
			}
			newestFirst = append(newestFirst, back)
		}
		if !list.HasMore {
			slices.Reverse(newestFirst)
			return newestFirst, nil
		}
		if len(list.Data) == 0 {
			return nil, unexpected(list.LastResponse)
		}
		after = stripe.String(list.Data[len(list.Data)-1].ID)
	}
	return nil, unexpected(nil)
}

// refundPage reads one page. stripe-go's own iterator can't be bounded page by page.
func (c *Client) refundPage(ctx context.Context, paymentIntent string, after *string) (*stripe.RefundList, error) {
	params, cancel, err := c.attempt(ctx, "")
	if err != nil {
		return nil, err
	}
	defer cancel()
	asked := &stripe.RefundListParams{PaymentIntent: stripe.String(paymentIntent)}
	asked.Context, asked.Single = params.Context, true
	asked.Limit, asked.StartingAfter = stripe.Int64(refundsOnAPage), after
	pages := c.refunds.List(asked)
	list := pages.RefundList()
	if err := pages.Err(); err != nil {
		return nil, classify(err, list.LastResponse)
	}
	if list.Data == nil { // an empty list is not nil
		return nil, unexpected(list.LastResponse)
	}
	return list, nil
}

// Authorize implements commands.Payments.
func (c *Client) Authorize(ctx context.Context, r commands.PaymentRequest, paymentMethod string) (commands.PaymentIntent, error) {
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
	params, cancel, err := c.attempt(ctx, r.Key)
	if err != nil {
		return commands.PaymentIntent{}, err
	}
	defer cancel()
	got, err := c.intents.New(&stripe.PaymentIntentParams{
		Params:             params,
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
func (c *Client) Capture(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	if err := check(r, true); err != nil {
		return commands.PaymentIntent{}, err
	}
	amount, err := amountOf(r)
	if err != nil {
		return commands.PaymentIntent{}, err
	}
	params, cancel, err := c.attempt(ctx, r.Key)
	if err != nil {
		return commands.PaymentIntent{}, err
	}
	defer cancel()
	got, err := c.intents.Capture(r.PaymentIntent, &stripe.PaymentIntentCaptureParams{
		Params: params, AmountToCapture: stripe.Int64(amount), Expand: expandCharge(),
	})
	return intentAnswer(got, err, r.PaymentIntent)
}

// Release implements commands.Payments.
func (c *Client) Release(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	if err := check(r, true); err != nil {
		return commands.PaymentIntent{}, err
	}
	params, cancel, err := c.attempt(ctx, r.Key)
	if err != nil {
		return commands.PaymentIntent{}, err
	}
	defer cancel()
	got, err := c.intents.Cancel(r.PaymentIntent, &stripe.PaymentIntentCancelParams{Params: params, Expand: expandCharge()})
	return intentAnswer(got, err, r.PaymentIntent)
}

// Refund implements commands.Payments. The amount is sent: if something was given back already, Stripe refuses instead of giving
// back a rest that nobody asked for.
func (c *Client) Refund(ctx context.Context, r commands.PaymentRequest) (commands.PaymentRefund, error) {
	if err := check(r, true); err != nil {
		return commands.PaymentRefund{}, err
	}
	amount, err := amountOf(r)
	if err != nil {
		return commands.PaymentRefund{}, err
	}
	params, cancel, err := c.attempt(ctx, r.Key)
	if err != nil {
		return commands.PaymentRefund{}, err
	}
	defer cancel()
	got, err := c.refunds.New(&stripe.RefundParams{
		Params: params, PaymentIntent: stripe.String(r.PaymentIntent), Amount: stripe.Int64(amount),
		Metadata: map[string]string{metaOrderID: r.OrderID, metaRequest: r.Request},
	})
	if err != nil {
		return commands.PaymentRefund{}, classify(err, got.LastResponse)
	}
	if got.Object != "refund" || got.PaymentIntent == nil || got.PaymentIntent.ID != r.PaymentIntent || got.LastResponse == nil {
		return commands.PaymentRefund{}, unexpected(got.LastResponse)
	}
	return toRefund(got, r.Currency, got.LastResponse)
}

func expandCharge() []*string { return stripe.StringSlice([]string{"latest_charge"}) }

// intentAnswer reads an answer that should be the PaymentIntent id (any, when id is empty).
func intentAnswer(got *stripe.PaymentIntent, err error, id string) (commands.PaymentIntent, error) {
	if err != nil {
		return commands.PaymentIntent{}, classify(err, got.LastResponse)
	}
	if got.Object != "payment_intent" || got.ID == "" || (id != "" && got.ID != id) || got.Status == "" || got.LastResponse == nil {
		return commands.PaymentIntent{}, unexpected(got.LastResponse)
	}
	pi := commands.PaymentIntent{
		ID: got.ID, Status: string(got.Status), Currency: strings.ToUpper(string(got.Currency)), OrderID: got.Metadata[metaOrderID],
		CancellationReason: string(got.CancellationReason), Livemode: got.Livemode, RequestID: got.LastResponse.RequestID,
	}
	for _, m := range []struct {
		from int64
		to   *int64
	}{{got.Amount, &pi.Amount}, {got.AmountCapturable, &pi.Capturable}, {got.AmountReceived, &pi.Received}} {
		if *m.to, err = fromStripe(m.from, pi.Currency); err != nil {
			return commands.PaymentIntent{}, err
		}
	}
	if got.LatestCharge != nil {
		pi.Charge = got.LatestCharge.ID
		if d := got.LatestCharge.PaymentMethodDetails; d != nil && d.Card != nil {
			pi.Brand, pi.Last4 = string(d.Card.Brand), d.Card.Last4
			if d.Card.CaptureBefore != 0 {
				pi.CaptureBefore = time.Unix(d.Card.CaptureBefore, 0).UTC()
			}
		}
	}
	return pi, nil
}

func toRefund(r *stripe.Refund, currency string, last *stripe.APIResponse) (commands.PaymentRefund, error) {
	if r == nil || r.ID == "" || r.Status == "" || !strings.EqualFold(string(r.Currency), currency) {
		return commands.PaymentRefund{}, unexpected(last)
	}
	amount, err := fromStripe(r.Amount, currency)
	if err != nil {
		return commands.PaymentRefund{}, err
	}
	back := commands.PaymentRefund{
		ID: r.ID, Status: string(r.Status), Amount: amount, FailureReason: string(r.FailureReason), Request: r.Metadata[metaRequest],
	}
	if last != nil {
		back.RequestID = last.RequestID
	}
	return back, nil
}
