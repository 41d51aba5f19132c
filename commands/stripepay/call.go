package stripepay

import (
	"context"

	"github.com/stripe/stripe-go/v76"
)

// call is one request to Stripe.
type call struct {
	gate   *gate
	pass   pass
	params stripe.Params
	cancel context.CancelFunc
}

// begin prepares one request: leave to ask at all, its turn under the rate limit, then its time-out, and the parameters common
// to all. Key is the idempotency key, and empty when the request only reads. Whoever begins a call ends it.
func (c *Client) begin(ctx context.Context, key string) (*call, error) {
	reads := key == ""
	if err := c.gate.look(reads); err != nil {
		return nil, err
	}
	if err := c.turn(ctx); err != nil {
		return nil, err
	}
	p, err := c.gate.enter(reads) // much can have changed while it waited
	if err != nil {
		return nil, err
	}
	k := &call{gate: &c.gate, pass: p}
	k.params.Context, k.cancel = context.WithTimeout(ctx, c.timeout)
	if key != "" {
		k.params.IdempotencyKey = stripe.String(key)
	}
	return k, nil
}

// end gives back what the call held. err is what came of it, in the words of the port.
func (k *call) end(err *error) {
	k.cancel()
	k.gate.leave(k.pass, *err)
}
