package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
)

const (
	checkTimeout = 15 * time.Second // of all that is asked at the start
	minCheckWait = 5 * time.Second
	maxCheckWait = 2 * time.Minute
)

// stripeLink is how the ledger and Stripe hang together.
type stripeLink struct {
	client *stripepay.Client
	// sandbox is the ledger's own, which answers at url; nil when it has none.
	sandbox *stripesim.Sim
	url     string
	// secrets are what Stripe, or the sandbox, signs its webhooks with: the current one first; none when nobody gave one.
	secrets []string

	mu      sync.Mutex
	trouble error // why it is not known yet that the ledger can work with the key; nil when it is known
}

// openWebhookSecrets finds the webhook's secrets: those of the file, or in a sandbox of our own a random one for this run.
func openWebhookSecrets(a *App) ([]string, error) {
	switch {
	case a.config.StripeWebhookSecret != "":
		secrets, err := readWebhookSecrets(a.config.StripeWebhookSecret, a.log)
		if err != nil {
			return nil, fmt.Errorf("--stripe-webhook-secret-file: %w", err)
		}
		return secrets, nil
	case a.stripe.sandbox != nil:
		return []string{"whsec_" + rand.Text()}, nil
	}
	a.log.Warn("without --stripe-webhook-secret-file the ledger takes no webhooks: what is done at Stripe by others is only seen by sweeps",
		"stripe", a.config.Stripe)
	return nil, nil
}

// webhook is the endpoint for Stripe's events. Its callers have no token; its rate limit is its own, so that nobody else's
// requests keep Stripe out.
func (a *App) webhook() http.Handler {
	limit := commandapi.RateLimit(a.config.RateLimit, int(a.config.RateLimit), nil)
	return limit(stripepay.Webhook(stripepay.WebhookConfig{
		Mode: a.stripe.client.Mode(), Secrets: a.stripe.secrets, Receiver: commands.Inbox{Handler: a.handler}, Now: a.now, Logger: a.log,
	}))
}

// checkStripe asks Stripe whether the ledger can work with its key, and tells the operator what is not as it should be. An
// error is a *stripepay.SetupError; that Stripe can't be reached is none, and is asked again later.
func (a *App) checkStripe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	remarks, err := a.stripe.client.Check(ctx)
	for _, r := range remarks {
		a.log.Warn("stripe: " + r)
	}
	a.stripe.mu.Lock()
	a.stripe.trouble = err
	a.stripe.mu.Unlock()
	if wrong := (*stripepay.SetupError)(nil); errors.As(err, &wrong) {
		return fmt.Errorf("--stripe %s: %w", a.config.Stripe, err)
	}
	if err != nil {
		a.log.Warn("stripe can't be reached; it is asked again, and open requests wait", "error", err)
	}
	return nil
}

// watchStripe asks again while it is not known that the ledger can work with the key. It ends with its context.
func (a *App) watchStripe(ctx context.Context) {
	wait := minCheckWait
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if a.stripeTrouble() == nil {
			wait = minCheckWait
			continue
		}
		err := a.checkStripe(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			a.log.Error("stripe: the ledger can't work with it; it is asked again", "error", err)
		case a.stripeTrouble() == nil:
			a.log.Info("stripe takes the ledger's requests")
		}
		wait = min(2*wait, maxCheckWait)
	}
}

// stripeTrouble is what keeps the ledger from moving money, in a sentence; nil when nothing is known to.
func (a *App) stripeTrouble() error {
	if err := a.stripe.client.Health(); err != nil {
		return err
	}
	a.stripe.mu.Lock()
	defer a.stripe.mu.Unlock()
	return a.stripe.trouble
}

// stripeMetrics are the client's figures.
func (a *App) stripeMetrics() []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "orderledger", Name: "stripe_circuit_open", Help: "1 while Stripe refuses the key, and is not asked.",
		}, func() float64 {
			if a.stripe.client.Stats().CircuitOpen {
				return 1
			}
			return 0
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "orderledger", Name: "stripe_rate_limited_total", Help: "Calls to Stripe that were refused by rate limit, there or here.",
		}, func() float64 { return float64(a.stripe.client.Stats().RateLimited) }),
	}
}
