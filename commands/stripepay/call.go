package stripepay

import (
	"context"
	"fmt"

	"github.com/stripe/stripe-go/v76"
)

// call is one request to Stripe.
type call struct {
	params stripe.Params
	cancel context.CancelFunc
}

// begin prepares one request: its turn under the rate limit, then its time-out, and the parameters common to all. Key is the
// idempotency key, and empty when the request only reads. Whoever begins a call ends it.
func (c *Client) begin(ctx context.Context, key string) (*call, error) {
	if err := c.turn(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	k := &call{params: stripe.Params{Context: ctx}, cancel: cancel}
	if key != "" {
		k.params.IdempotencyKey = stripe.String(key)
	}
	return k, nil
}

// end gives back what the call held. err is what came of it, in the words of the port.
func (k *call) end(_ *error) { k.cancel() }

// turn waits for a turn under the rate limit.
func (c *Client) turn(ctx context.Context) error {
	err := c.limit.Wait(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return classify(ctx.Err(), nil)
	}
	return classify(fmt.Errorf("%w: %w", context.DeadlineExceeded, err), nil) // its turn would come too late
}
