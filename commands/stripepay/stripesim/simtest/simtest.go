// Package simtest gives tests a running simulated Stripe and a client for it in one line.
package simtest

import (
	"context"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
)

// Key is a key that the simulator accepts.
const Key = "sk_test_orderledger_sandbox"

// Running is a simulator that is served over HTTP on loopback, and a client for it. It ends with its test.
type Running struct {
	URL      string
	Sim      *stripesim.Sim
	Payments *stripepay.Client
}

// Start runs a simulator in memory.
func Start(t testing.TB, options ...stripesim.Option) *Running {
	t.Helper()
	return Open(t, ":memory:", options...)
}

// Open runs the simulator whose state is the file at path.
func Open(t testing.TB, path string, options ...stripesim.Option) *Running {
	t.Helper()
	sim, err := stripesim.Open(path, options...)
	if err != nil {
		t.Fatal(err)
	}
	server, err := stripesim.Serve(t.Context(), "127.0.0.1:0", sim)
	if err != nil {
		t.Fatal(err)
	}
	payments, err := stripepay.New(stripepay.Config{Mode: stripepay.Sandbox, Key: Key, URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		payments.Close()
		if err := sim.Close(); err != nil { // first, so that requests held back by a fault end
			t.Errorf("close the simulator: %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Errorf("stop the simulator's server: %v", err)
		}
	})
	return &Running{URL: server.URL, Sim: sim, Payments: payments}
}
