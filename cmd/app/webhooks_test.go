package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/projections/audit"
)

// ledger runs a ledger in a folder until stop is called.
func ledger(t *testing.T, dir string) (_ *App, _ *client.Client, stop func()) {
	t.Helper()
	c := Default()
	c.Data, c.Listen, c.LogLevel, c.WebhookAllowPrivate = dir, "127.0.0.1:0", "error", true
	ctx, cancel := context.WithCancel(context.Background())
	a, err := New(ctx, c, io.Discard, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	cl, err := client.New(client.Config{Server: a.URL()})
	if err != nil {
		t.Fatal(err)
	}
	return a, cl, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

const accountOrder = `{"order_number":"N","placed_at":"2026-03-01T09:00:00Z","manufacturer":"acme","customer":{"name":"Ana","account_number":"A-1"},
	"lines":[{"sku":"BP-1","quantity":1,"unit_price":900,"amount":900}],"currency":"USD","subtotal":900,"freight":0,"tax":0,"total":900,
	"payment":{"method":"account"}}`

// What was delivered stays delivered: rebuilding the read models, verifying and replaying the log, and starting again, with the
// webhooks' files or without, send nothing.
func TestReplayAndRebuildSendNothing(t *testing.T) {
	came := make(chan string, 100)
	system := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e struct{ Type, Source string }
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || e.Source != "urn:orderledger:orderledger" {
			t.Errorf("%+v, %v", e, err)
		}
		came <- e.Type
	}))
	defer system.Close()
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-came:
			if got != want {
				t.Errorf("it was told of %s, want %s", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("nothing came")
		}
	}
	dir := t.TempDir()
	a, cl, stop := ledger(t, dir)
	if _, err := cl.AddEndpoint(t.Context(), client.NewEndpoint{URL: system.URL}); err != nil {
		t.Fatal(err)
	}
	placed, err := cl.PlaceJSON(t.Context(), []byte(accountOrder))
	if err != nil {
		t.Fatal(err)
	}
	expect("orderledger.Placed")
	if _, err := cl.Accept(t.Context(), placed.Order.ID); err != nil {
		t.Fatal(err)
	}
	expect("orderledger.Accepted")

	if _, err := a.model.Rebuild(t.Context(), a.store); err != nil {
		t.Error(err)
	}
	if _, err := audit.Verify(t.Context(), a.store, audit.Options{}); err != nil {
		t.Error(err)
	}
	if reasons := a.Ready(t.Context()); len(reasons) > 0 {
		t.Errorf("not ready: %v", reasons)
	}
	res, body := get(t, http.MethodGet, a.URL()+"/readyz")
	if res.StatusCode != http.StatusOK || !strings.Contains(body, `"remarks":[]`) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	stop()
	if told := webhookFigures(t, a); told != "deliveries_total 2, disabled 0, endpoints 1, failing 0, failures_total 0, parked 0" {
		t.Errorf("the metrics tell: %s", told)
	}
	for _, without := range []string{"", "*.json"} {
		if files, err := filepath.Glob(filepath.Join(dir, "webhooks", "*.json")); err != nil || len(files) != 2 {
			t.Errorf("files: %v, %v", files, err)
		}
		if without != "" {
			removeAll(t, filepath.Join(dir, "webhooks", without))
		}
		_, cl, stop := ledger(t, dir)
		if _, err := cl.AddNote(t.Context(), placed.Order.ID, "x"); err != nil {
			t.Fatal(err)
		}
		expect("orderledger.NoteAdded") // and nothing before it
		stop()
	}
	if len(came) > 0 {
		t.Errorf("it was told of %s", <-came)
	}
}

// webhookFigures are the metrics about webhooks.
func webhookFigures(t *testing.T, a *App) string {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(a.webhookMetrics()...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range families {
		m := f.GetMetric()[0]
		all = append(all, fmt.Sprint(strings.TrimPrefix(f.GetName(), "orderledger_webhook_"), " ", m.GetGauge().GetValue()+m.GetCounter().GetValue()))
	}
	return strings.Join(all, ", ")
}

func removeAll(t *testing.T, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
}
