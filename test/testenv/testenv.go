// Package testenv starts whole ledgers for tests: the real app on a loopback port, and a small client that speaks the API as
// its documentation says, without the project's own client.
package testenv

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Patience is for what must come, with no promise of when: only a test that fails waits so long.
const Patience = 2 * time.Minute

// Ledger is a running ledger.
type Ledger struct {
	t    testing.TB
	URL  string
	stop context.CancelFunc
	done chan error
}

// Config is a ledger in a folder of its own, on a port of its own.
func Config(t testing.TB, store string) app.Config {
	t.Helper()
	c := app.Default()
	c.Data, c.Store, c.Listen, c.LogLevel = t.TempDir(), store, "127.0.0.1:0", "warn"
	c.Mail.Notify = app.NotifyOff // receipts come when they come; tests that are about them switch it on
	return c
}

// Start runs a ledger until the test ends, and waits until it is ready.
func Start(t testing.TB, c app.Config, hooks app.Hooks) *Ledger {
	t.Helper()
	return StartWith(t, c, hooks, func(*app.App) {})
}

// StartWith is Start, and hands the app over before it runs.
func StartWith(t testing.TB, c app.Config, hooks app.Hooks, made func(*app.App)) *Ledger {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	a, err := app.New(ctx, c, testWriter{t}, hooks)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	made(a)
	l := &Ledger{t: t, URL: a.URL(), stop: stop, done: make(chan error, 1)}
	go func() { l.done <- a.Run(ctx) }()
	t.Cleanup(l.Stop)
	AwaitReady(t, l.URL)
	return l
}

// Stop stops the ledger cleanly; more than once is fine.
func (l *Ledger) Stop() {
	l.stop()
	if err, open := <-l.done; open {
		if err != nil {
			l.t.Errorf("the ledger did not stop cleanly: %v", err)
		}
		close(l.done)
	}
}

// AwaitReady waits until a ledger answers that it is ready.
func AwaitReady(t testing.TB, url string) {
	t.Helper()
	AwaitReadyWithin(t, url, time.Minute)
}

// AwaitReadyWithin is AwaitReady for ledgers with much to read.
func AwaitReadyWithin(t testing.TB, url string, limit time.Duration) {
	t.Helper()
	AwaitReadyOrGone(t, url, limit, nil)
}

// AwaitReadyOrGone waits until a ledger answers that it is ready, or until its process is gone; it says whether it is ready.
func AwaitReadyOrGone(t testing.TB, url string, limit time.Duration, gone <-chan struct{}) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	last := ""
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			b, _ := io.ReadAll(resp.Body)
			last = string(b)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-gone:
			return false
		case <-ctx.Done():
			t.Fatalf("the ledger at %s was not ready in time: %s", url, last)
		case <-tick.C:
		}
	}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(b))
	return len(b), nil
}

// Answer is what the API answered.
type Answer struct {
	Status   int
	Code     string // of a problem
	Position uint64
	Replayed bool
	Order    domain.View
	Body     []byte
}

// Client speaks the API.
type Client struct {
	URL, Token string
}

// Call makes one request. Headers come in pairs. An error means that no answer came.
func (c Client) Call(ctx context.Context, method, path, contentType string, body []byte, headers ...string) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: resp.StatusCode, Body: b, Replayed: resp.Header.Get("Idempotent-Replayed") == "true"}
	a.Position, _ = strconv.ParseUint(resp.Header.Get("Ledger-Position"), 10, 64) // absent on queries
	if resp.StatusCode >= 400 {
		var p struct{ Code string }
		if err := json.Unmarshal(b, &p); err != nil {
			return a, fmt.Errorf("%d with no problem in it: %q", resp.StatusCode, b)
		}
		a.Code = p.Code
		return a, nil
	}
	_ = json.Unmarshal(b, &a.Order) // where the answer is an order
	return a, nil
}

// Act sends one command about an order. A version of zero sends no If-Match.
func (c Client) Act(ctx context.Context, id, verb, key string, version int, body string) (Answer, error) {
	headers := []string{"Idempotency-Key", key}
	if version > 0 {
		headers = append(headers, "If-Match", fmt.Sprintf("%q", strconv.Itoa(version)))
	}
	return c.Call(ctx, http.MethodPost, "/v1/orders/"+id+"/"+verb, "application/json", []byte(body), headers...)
}

// Tabs are the six counts, as they stand at a position or after it.
func (c Client) Tabs(t testing.TB, waitFor uint64) map[string]int64 {
	t.Helper()
	a, err := c.Call(t.Context(), http.MethodGet, fmt.Sprintf("/v1/tabs?wait_for=%d", waitFor), "", nil)
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("tabs: %v %s", err, a.Body)
	}
	var counts map[string]int64
	if err := json.Unmarshal(a.Body, &counts); err != nil {
		t.Fatal(err)
	}
	return counts
}

// Orders reads the orders of testdata/northwind-orders.jsonl, which holds 830.
func Orders(t testing.TB, path string) (lines [][]byte, orders []domain.Intake) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
		var in domain.Intake
		if err := domain.DecodeJSON(line, &in); err != nil {
			t.Fatal(err)
		}
		lines, orders = append(lines, line), append(orders, in)
	}
	return lines, orders
}

// Head is the position of the log's last event.
func (c Client) Head(t testing.TB) uint64 {
	t.Helper()
	a, err := c.Call(t.Context(), http.MethodGet, "/v1/store", "", nil)
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("store: %v %s", err, a.Body)
	}
	var s struct{ Head uint64 }
	if err := json.Unmarshal(a.Body, &s); err != nil {
		t.Fatal(err)
	}
	return s.Head
}

// OfOrders are the types of the events of orders after a position. What else the log holds, as what Stripe tells and who was told, is
// appended at times of its own.
func (c Client) OfOrders(t testing.TB, after uint64) (types []string) {
	t.Helper()
	a, err := c.Call(t.Context(), http.MethodGet, fmt.Sprintf("/v1/log?after=%d", after), "", nil)
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("log: %v %s", err, a.Body)
	}
	for line := range bytes.Lines(a.Body) {
		var e struct{ Stream, Type string }
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("log: %v %s", err, line)
		}
		if _, ok := eventstore.OrderOf(e.Stream); ok {
			types = append(types, e.Type)
		}
	}
	return types
}
