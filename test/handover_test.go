package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

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

// keep is how long a lease is kept that is not renewed.
const keep = 7 * time.Second

// A process that stops keeps the lease until what it began on the outside has ended; then another acts at once.
func TestCleanStopHandsOverWhenAllHasEnded(t *testing.T) {
	const tries = 4
	for range tries { // a machine that stands still may make even a process that is well lose its lease
		if handsOver(t) {
			return
		}
	}
	t.Errorf("in %d tries the lease was not renewed by the one that stops", tries)
}

// handsOver is false where the lease ran out before it was to be handed over.
func handsOver(t *testing.T) bool {
	t.Helper()
	server, sim := natstest.Start(t), simtest.Start(t)
	config := testenv.Config(t, server.URL)
	config.SandboxURL = sim.URL
	other := config
	other.Data = t.TempDir()
	begun, done := make(chan struct{}, 10), make(chan struct{})
	var captures atomic.Int64
	first := testenv.Start(t, config, app.Hooks{Payments: func(p commands.Payments) commands.Payments { return heldCapture{p, begun, done} }})
	second := testenv.Start(t, other, app.Hooks{Payments: func(p commands.Payments) commands.Payments { return countedCapture{p, &captures} }})
	letGo := sync.OnceFunc(func() { close(done) })
	defer second.Stop()
	defer first.Stop()
	defer letGo() // or the first could not stop
	still := watchLease(t, connectNATS(t, server.URL), config.Ledger)
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
	for began := time.Now(); len(begun) == 0; wait(t.Context(), 20*time.Millisecond) {
		switch {
		case still() >= keep:
			return false
		case time.Since(began) > testenv.Patience:
			t.Fatal("the one that holds the lease does not ask Stripe")
		}
	}
	stopped := make(chan struct{})
	go func() { first.Stop(); close(stopped) }()
	draining, over := context.WithTimeout(t.Context(), keep+2*time.Second)
	defer over()
	for draining.Err() == nil {
		if acted := acts() || captures.Load() > 0; still() >= keep {
			return false
		} else if acted {
			t.Fatal("another acts while the one that stops is at Stripe")
		}
		wait(draining, 100*time.Millisecond)
	}
	letGo()
	<-stopped
	began := time.Now()
	for !acts() && time.Since(began) < maxTakeover {
		wait(t.Context(), 20*time.Millisecond)
	}
	if took := time.Since(began); took >= keep { // it waited until the lease ran out
		t.Errorf("another acts %s after a clean stop", took)
	}
	got, err := b.Call(t.Context(), http.MethodPost, "/v1/orders/"+in.ID().String()+"/capture", "application/json", []byte("{}"),
		"Idempotency-Key", "click", "If-Match", fmt.Sprintf(`"%d"`, version), "Prefer", "wait=10")
	if err != nil || got.Order.Tab != "paid" || captures.Load() != 0 {
		t.Errorf("%v %d %s; asked %d times again", err, got.Status, got.Body, captures.Load())
	}
	return true
}

// watchLease returns what says for how long, at most, the record of who acts has stood still.
func watchLease(t *testing.T, nc *nats.Conn, ledger string) (still func() time.Duration) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := js.KeyValue(t.Context(), ledger+"-lease")
	if err != nil {
		t.Fatal(err)
	}
	records, err := bucket.WatchAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last, longest := time.Now(), time.Duration(0)
	return func() time.Duration {
		for {
			select {
			case r := <-records.Updates():
				if r != nil { // that was all there was at first
					longest, last = max(longest, r.Created().Sub(last)), r.Created()
				}
			default:
				return max(longest, time.Since(last))
			}
		}
	}
}
