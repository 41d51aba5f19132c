package app

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
)

const (
	// sandboxKey is what our own client says to our own sandbox; no money hangs on it.
	sandboxKey = "sk_test_sandbox"
	// sandboxTick is how often the sandbox looks whether the time of a hold, a refund or a dispute has come.
	sandboxTick = time.Second
)

// openSandbox opens a sandbox of our own, serves it on loopback, and gives its URL. Its clock is the ledger's: what it signs must be
// of the ledger's time.
func (a *App) openSandbox(ctx context.Context, hooks Hooks) (string, error) {
	path := ":memory:"
	if a.config.Store != "memory" {
		dir := filepath.Join(a.config.Data, "sandbox")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
		path = filepath.Join(dir, "stripe.db")
	}
	options := append([]stripesim.Option{stripesim.WithLogger(a.log), stripesim.WithClock(a.now)}, hooks.Sandbox...)
	sim, err := stripesim.Open(path, options...)
	if err != nil {
		return "", err
	}
	a.onClose(func() { closeLogged(a.log, "sandbox", sim.Close) })
	server, err := stripesim.Serve(ctx, "127.0.0.1:0", sim, stripesim.AdvanceEvery(sandboxTick))
	if err != nil {
		return "", err
	}
	a.onClose(func() {
		stop, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		closeLogged(a.log, "sandbox server", func() error { return server.Stop(stop) })
	})
	a.stripe.sandbox = sim
	a.stripe.url = server.URL
	return server.URL, nil
}

// deliver lets our own sandbox send its events to our own endpoint, as Stripe does, from when that answers until the context ends.
// What is not delivered by then waits for the next time. We reach ourselves at the address that we answer at; where that is all of
// this machine's (--listen 0.0.0.0:8080), by the machine's own name for itself.
//
// A sandbox that runs elsewhere (--sandbox-url) serves others, too, and knows neither our address nor our secret: what happens there
// is seen by sweeps, unless it sends its events by itself, signed as --stripe-webhook-secret-file says.
func (a *App) deliver(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-a.serving:
	}
	a.log.Info("the sandbox stands in for Stripe, and sends its webhooks here", "url", a.stripe.url)
	transport := &http.Transport{MaxIdleConns: 1, IdleConnTimeout: time.Minute} // straight to ourselves: no proxy
	defer transport.CloseIdleConnections()
	deliverer, err := a.stripe.sandbox.Deliver(stripesim.DelivererConfig{
		URL: a.URL() + stripepay.WebhookPath, Secret: a.stripe.secrets[0], Transport: transport, Logger: a.log,
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	deliverer.Stop()
	return nil
}
