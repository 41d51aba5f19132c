package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
	"github.com/orderledger/orderledger/test/testenv"
)

// heldCapture is the way to Stripe of a process whose captures take until it is let go, whatever their context says.
type heldCapture struct {
	commands.Payments
	begun chan<- struct{}
	done  <-chan struct{}
}

func (p heldCapture) Capture(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	p.begun <- struct{}{}
	<-p.done
	return p.Payments.Capture(context.WithoutCancel(ctx), r)
}

// countedCapture counts them.
type countedCapture struct {
	commands.Payments
	n *atomic.Int64
}

func (p countedCapture) Capture(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	p.n.Add(1)
	return p.Payments.Capture(ctx, r)
}

// A process that stops keeps the lease until what it began on the outside has ended; then another acts at once.
func TestCleanStopHandsOverWhenAllHasEnded(t *testing.T) {
	server, sim := natstest.Start(t), simtest.Start(t)
	config := testenv.Config(t, server.URL)
	config.SandboxURL = sim.URL
	other := config
	other.Data = t.TempDir()
	begun, done := make(chan struct{}, 10), make(chan struct{})
	var captures atomic.Int64
	first := testenv.Start(t, config, app.Hooks{Payments: func(p commands.Payments) commands.Payments { return heldCapture{p, begun, done} }})
	second := testenv.Start(t, other, app.Hooks{Payments: func(p commands.Payments) commands.Payments { return countedCapture{p, &captures} }})
	b := testenv.Client{URL: second.URL}
	acts := func() bool {
		res, err := b.Call(t.Context(), http.MethodGet, "/v1/store", "", nil)
		var s struct{ Acting *struct{ This bool } }
		if err != nil || json.Unmarshal(res.Body, &s) != nil {
			t.Fatalf("%v %s", err, res.Body)
		}
		return s.Acting != nil && s.Acting.This
	}

	in := cardOrder(1)
	version := prepare(t, b, in, []step{accept})
	if got, err := b.Act(t.Context(), in.ID().String(), "capture", "click", version, "{}"); err != nil || got.Status >= 300 {
		t.Fatalf("%v %d %s", err, got.Status, got.Body)
	}
	<-begun
	stopped := make(chan struct{})
	go func() { first.Stop(); close(stopped) }()
	draining, over := context.WithTimeout(t.Context(), 9*time.Second) // longer than a lease is kept that is not renewed
	defer over()
	for draining.Err() == nil {
		if acts() || captures.Load() > 0 {
			t.Fatal("another acts while the one that stops is at Stripe")
		}
		wait(draining, 100*time.Millisecond)
	}
	close(done)
	<-stopped
	began := time.Now()
	for !acts() && time.Since(began) < maxTakeover {
		wait(t.Context(), 20*time.Millisecond)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("another acts %s after a clean stop", took)
	}
	got, err := b.Call(t.Context(), http.MethodPost, "/v1/orders/"+in.ID().String()+"/capture", "application/json", []byte("{}"),
		"Idempotency-Key", "click", "If-Match", fmt.Sprintf(`"%d"`, version), "Prefer", "wait=10")
	if err != nil || got.Order.Tab != "paid" || captures.Load() != 0 {
		t.Errorf("%v %d %s; asked %d times again", err, got.Status, got.Body, captures.Load())
	}
}
