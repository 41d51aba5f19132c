package test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
	"github.com/orderledger/orderledger/test/testenv"
)

// What one process on a log was told or has acknowledged, the others know.
func TestTwoProcessesAreOneLedger(t *testing.T) {
	server, sim := natstest.Start(t), simtest.Start(t)
	var ahead atomic.Int64 // of the clocks
	hooks := app.Hooks{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
	config := testenv.Config(t, server.URL)
	config.SandboxURL = sim.URL
	other := config
	other.Data = t.TempDir()
	first := testenv.Start(t, config, hooks)
	second := testenv.Start(t, other, hooks)
	a, b := testenv.Client{URL: first.URL}, testenv.Client{URL: second.URL}

	t.Run("one acts, and each says so", func(t *testing.T) {
		for _, c := range []struct {
			testenv.Client
			acts   bool
			remark string
		}{{a, true, "this process asks Stripe"}, {b, false, "this process stands by; process "}} {
			res, err := c.Call(t.Context(), http.MethodGet, "/readyz", "", nil)
			if err != nil || res.Status != http.StatusOK || !strings.Contains(string(res.Body), c.remark) {
				t.Errorf("%v %d %s, want %q", err, res.Status, res.Body, c.remark)
			}
			res, err = c.Call(t.Context(), http.MethodGet, "/v1/store", "", nil)
			var s struct{ Acting *struct{ This bool } }
			if err != nil || json.Unmarshal(res.Body, &s) != nil || s.Acting == nil || s.Acting.This != c.acts {
				t.Errorf("%v %s", err, res.Body)
			}
			res, err = c.Call(t.Context(), http.MethodGet, "/metrics", "", nil)
			if held := strings.Contains(string(res.Body), "orderledger_lease_held 1\n"); err != nil || held != c.acts {
				t.Errorf("%v, lease_held %v", err, held)
			}
		}
	})

	in := cardOrder(1)
	t.Run("a command at one that stands by waits for Stripe's answer", func(t *testing.T) {
		version := prepare(t, b, in, []step{accept})
		got, err := do(t.Context(), b, in, step{verb: "capture", body: "{}", versioned: true}, "click", version)
		if err != nil || got.Status != http.StatusOK || got.Order.Pending != nil || got.Order.Tab != "paid" {
			t.Fatalf("%v %d %s", err, got.Status, got.Body)
		}
		again, err := do(t.Context(), a, in, step{verb: "capture", body: "{}", versioned: true}, "click", version)
		if err != nil || again.Status != http.StatusOK || !again.Replayed {
			t.Errorf("the same key at the other process: %v %d %s", err, again.Status, again.Body)
		}
		if n := a.Tabs(t, got.Position)["paid"]; n != 1 {
			t.Errorf("the other process shows %d paid orders at that position", n)
		}
	})

	t.Run("one key at both at once is one act", func(t *testing.T) {
		before := a.Head(t)
		var wg sync.WaitGroup
		for i := range 20 {
			c := []testenv.Client{a, b}[i%2]
			wg.Go(func() {
				got, err := c.Act(t.Context(), in.ID().String(), "notes", "same", 0, `{"text":"Ring twice"}`)
				if err != nil || got.Status != http.StatusOK && got.Status != http.StatusServiceUnavailable {
					t.Errorf("%v %d %s", err, got.Status, got.Body)
				}
			})
		}
		wg.Wait()
		if acts := b.OfOrders(t, before); len(acts) != 1 {
			t.Errorf("%v, want one act", acts)
		}
	})

	t.Run("a token that one revokes is soon worth nothing at the other", func(t *testing.T) {
		made, err := a.Call(t.Context(), http.MethodPost, "/v1/tokens", "application/json", []byte(`{"name":"anna","role":"clerk"}`), "Idempotency-Key", "anna")
		var token struct{ ID, Secret string }
		if err != nil || made.Status != http.StatusCreated || json.Unmarshal(made.Body, &token) != nil {
			t.Fatalf("%v %d %s", err, made.Status, made.Body)
		}
		anna := testenv.Client{URL: b.URL, Token: token.Secret}
		tabs := func() int {
			got, err := anna.Call(t.Context(), http.MethodGet, "/v1/tabs", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			return got.Status
		}
		if status := tabs(); status != http.StatusOK {
			t.Fatalf("before: %d", status)
		}
		gone, err := a.Call(t.Context(), http.MethodPost, "/v1/tokens/"+token.ID+"/revoke", "application/json", nil, "Idempotency-Key", "no-anna")
		if err != nil || gone.Status != http.StatusOK {
			t.Fatalf("%v %d %s", err, gone.Status, gone.Body)
		}
		ahead.Store(int64(6 * time.Second))
		if status := tabs(); status != http.StatusUnauthorized {
			t.Errorf("after: %d", status)
		}
	})

	t.Run("who deletes the lease ends nobody's work", func(t *testing.T) {
		in := cardOrder(3)
		version := prepare(t, b, in, []step{accept})
		nc, err := nats.Connect(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		bucket := config.Ledger + "-lease"
		if err := js.DeleteKeyValue(t.Context(), bucket); err != nil {
			t.Fatal(err)
		}
		got, err := do(t.Context(), b, in, step{verb: "capture", body: "{}", versioned: true}, "click", version)
		if err != nil || got.Status != http.StatusOK || got.Order.Tab != "paid" {
			t.Errorf("%v %d %s", err, got.Status, got.Body)
		}
		limited, cancel := context.WithTimeout(t.Context(), testenv.Patience)
		defer cancel()
		var made error
		var acting [2]*bool
		for limited.Err() == nil {
			_, made = js.KeyValue(limited, bucket)
			for i, c := range []testenv.Client{a, b} {
				res, err := c.Call(limited, http.MethodGet, "/v1/store", "", nil)
				var s struct{ Acting *struct{ This bool } }
				if acting[i] = nil; err == nil && json.Unmarshal(res.Body, &s) == nil && s.Acting != nil {
					acting[i] = &s.Acting.This
				}
			}
			if made == nil && acting[0] != nil && acting[1] != nil {
				break
			}
			wait(limited, 50*time.Millisecond)
		}
		if made != nil || acting[0] == nil || acting[1] == nil || !*acting[0] || *acting[1] {
			t.Errorf("the lease's bucket: %v; who acts: %v", made, acting)
		}
	})

	t.Run("a data folder is one process's", func(t *testing.T) {
		if a, err := app.New(t.Context(), config, io.Discard, app.Hooks{}); !errors.Is(err, eventstore.ErrLocked) {
			t.Errorf("%v, %v", a, err)
		}
	})

	t.Run("a clean stop hands over at once", func(t *testing.T) {
		in := cardOrder(2)
		version := prepare(t, b, in, []step{accept})
		first.Stop()
		got, err := do(t.Context(), b, in, step{verb: "capture", body: "{}", versioned: true}, "click", version)
		if err != nil || got.Status != http.StatusOK || got.Order.Tab != "paid" {
			t.Errorf("%v %d %s", err, got.Status, got.Body)
		}
	})
}
