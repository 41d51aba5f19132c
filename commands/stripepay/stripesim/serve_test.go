package stripesim_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
)

// Served with a ticker and a deliverer, over real sockets, what is due is told without anybody asking.
func TestServedTimeGoesByItself(t *testing.T) {
	clock := newDial()
	sim, payments := inProcess(t, stripesim.WithClock(clock.now))
	server, err := stripesim.Serve(t.Context(), "127.0.0.1:0", sim, stripesim.AdvanceEvery(time.Millisecond))
	must(t, err)
	types := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Stripe-Signature") == "" {
			t.Error("not signed")
		}
		types <- ""
	}))
	defer hook.Close()
	deliverer, err := sim.Deliver(stripesim.DelivererConfig{URL: hook.URL, Secret: secret, Transport: &http.Transport{DisableKeepAlives: true}})
	must(t, err)
	hold(t, payments, "k")
	for range 3 {
		<-types
	}
	clock.pass(7 * 24 * time.Hour)
	for range 2 { // charge.expired and payment_intent.canceled
		<-types
	}
	deliverer.Stop()
	must(t, server.Stop(t.Context()))
}
