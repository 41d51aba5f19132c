package stripepay

import (
	"strings"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/stripe/stripe-go/v76"
)

// toIntent reads a PaymentIntent out of the answer last. What an unexpanded charge does not say stays empty.
func toIntent(got *stripe.PaymentIntent, last *stripe.APIResponse) (commands.PaymentIntent, error) {
	if got.Object != "payment_intent" || got.ID == "" || got.Status == "" || got.Currency == "" {
		return commands.PaymentIntent{}, unexpected(last)
	}
	pi := commands.PaymentIntent{
		ID: got.ID, Status: string(got.Status), Currency: currencyOf(got.Currency), OrderID: got.Metadata[metaOrderID],
		CancellationReason: string(got.CancellationReason), Created: instant(got.Created), Livemode: got.Livemode,
		RequestID: last.RequestID,
	}
	for _, m := range []struct {
		from int64
		to   *int64
	}{{got.Amount, &pi.Amount}, {got.AmountCapturable, &pi.Capturable}, {got.AmountReceived, &pi.Received}} {
		var err error
		if *m.to, err = fromStripe(m.from, pi.Currency); err != nil {
			return commands.PaymentIntent{}, err
		}
	}
	if got.LatestCharge != nil {
		pi.Charge = got.LatestCharge.ID
		if d := got.LatestCharge.PaymentMethodDetails; d != nil && d.Card != nil {
			pi.Brand, pi.Last4 = string(d.Card.Brand), d.Card.Last4
			pi.CaptureBefore = instant(d.Card.CaptureBefore)
		}
	}
	return pi, nil
}

// toRefund reads a refund out of the answer last. PaymentIntent stays empty when it gives back a charge without one.
func toRefund(got *stripe.Refund, last *stripe.APIResponse) (commands.PaymentRefund, error) {
	if got.ID == "" || got.Status == "" || got.Currency == "" {
		return commands.PaymentRefund{}, unexpected(last)
	}
	back := commands.PaymentRefund{
		ID: got.ID, Status: string(got.Status), FailureReason: string(got.FailureReason), Request: got.Metadata[metaRequest],
		PaymentIntent: idOf(got.PaymentIntent), Currency: currencyOf(got.Currency), Created: instant(got.Created), RequestID: last.RequestID,
	}
	var err error
	back.Amount, err = fromStripe(got.Amount, back.Currency)
	return back, err
}

// toDispute reads a dispute out of the answer last. PaymentIntent stays empty when it is about a charge without one.
func toDispute(got *stripe.Dispute, last *stripe.APIResponse) (commands.PaymentDispute, error) {
	if got.ID == "" || got.Status == "" || got.Currency == "" {
		return commands.PaymentDispute{}, unexpected(last)
	}
	d := commands.PaymentDispute{
		ID: got.ID, Status: string(got.Status), Reason: string(got.Reason), PaymentIntent: idOf(got.PaymentIntent),
		Currency: currencyOf(got.Currency), Created: instant(got.Created),
	}
	var err error
	d.Amount, err = fromStripe(got.Amount, d.Currency)
	return d, err
}

func currencyOf(c stripe.Currency) string { return strings.ToUpper(string(c)) }

func idOf(pi *stripe.PaymentIntent) string {
	if pi == nil {
		return ""
	}
	return pi.ID
}

// instant is a time of Stripe's; 0 is one that it did not say.
func instant(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
