package app

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// fakeStripe answers for Stripe: by path, or as it is told for all.
type fakeStripe struct {
	mu     sync.Mutex
	err    error
	status map[string]int // of a path; else 200
	bodies map[string]string
}

func (f *fakeStripe) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	status, body := f.status[r.URL.Path], f.bodies[r.URL.Path]
	switch {
	case status == 0:
		status = http.StatusOK
	case body == "":
		body = `{"error":{"type":"invalid_request_error","message":"No."}}`
	}
	switch {
	case body != "":
	case r.URL.Path == "/v1/account":
		body = `{"id":"acct_1","object":"account","charges_enabled":true}`
	default:
		body = `{"object":"list","data":[],"has_more":false}`
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Request-Id": {"req_1"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func (f *fakeStripe) set(change func(*fakeStripe)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// secretFile writes a file of secrets.
func secretFile(t *testing.T, mode os.FileMode, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func inMemory(t *testing.T) Config {
	c := Default()
	c.Data, c.Store, c.Listen, c.LogLevel = t.TempDir(), "memory", "127.0.0.1:0", "debug"
	return c
}

func TestStripeIsCheckedAtTheStart(t *testing.T) {
	for _, c := range []struct {
		name, stripe, key string
		fake              *fakeStripe
		wrong, logged     string
	}{
		{name: "well", stripe: "test", key: "rk_test_1", fake: &fakeStripe{}, logged: "what is done at Stripe by others is only seen by sweeps"},
		{name: "live", stripe: "live", key: "sk_live_1", fake: &fakeStripe{}, logged: "what is done at Stripe by others is only seen by sweeps"},
		{name: "a live key in test mode", stripe: "test", key: "sk_live_1", fake: &fakeStripe{}, wrong: "a live key is refused in test mode"},
		{name: "a test key in live mode", stripe: "live", key: "sk_test_1", fake: &fakeStripe{}, wrong: "live mode wants a live key"},
		{name: "no key", stripe: "test", key: "pk_test_1", fake: &fakeStripe{}, wrong: "test mode wants a test key"},
		{
			name: "refused", stripe: "test", key: "sk_test_1", fake: &fakeStripe{status: map[string]int{"/v1/account": 401}},
			wrong: "Stripe doesn't take the key (status 401, request req_1)",
		},
		{
			name: "not permitted", stripe: "test", key: "rk_test_1", fake: &fakeStripe{status: map[string]int{"/v1/disputes": 403}},
			wrong: "The key may not read disputes",
		},
		{
			name: "whose money", stripe: "live", key: "sk_live_1", wrong: "livemode false, and the ledger runs in live mode",
			fake: &fakeStripe{bodies: map[string]string{
				"/v1/payment_intents": `{"object":"list","data":[{"id":"pi_1","object":"payment_intent","status":"succeeded","currency":"usd"}]}`,
			}},
		},
		{
			name: "can't charge", stripe: "test", key: "sk_test_1", logged: "The account acct_1 can't charge cards",
			fake: &fakeStripe{bodies: map[string]string{"/v1/account": `{"id":"acct_1","object":"account","charges_enabled":false}`}},
		},
		{name: "not to be reached", stripe: "test", key: "sk_test_1", fake: &fakeStripe{err: io.ErrUnexpectedEOF}, logged: "stripe can't be reached"},
	} {
		config, log := inMemory(t), &bytes.Buffer{}
		config.Stripe, config.StripeKey = c.stripe, secretFile(t, 0o600, c.key+"\n")
		a, err := New(t.Context(), config, log, Hooks{Stripe: c.fake})
		if err == nil {
			a.close()
		}
		if (err == nil) != (c.wrong == "") || (err != nil && (!strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), c.key))) {
			t.Errorf("%s: %v", c.name, err)
		}
		if !strings.Contains(log.String(), c.logged) || strings.Contains(log.String(), c.key) {
			t.Errorf("%s: logged %s", c.name, log)
		}
		if err == nil && (a.stripeTrouble() != nil) != (c.fake.err != nil) {
			t.Errorf("%s: %v", c.name, a.stripeTrouble())
		}
	}
}

func TestStripeIsAskedAgainUntilItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeStripe{err: io.ErrUnexpectedEOF}
		client, err := stripepay.New(stripepay.Config{Mode: stripepay.Test, Key: "sk_test_1", Transport: fake})
		if err != nil {
			t.Fatal(err)
		}
		a := &App{config: Config{Stripe: "test"}, log: slog.New(slog.DiscardHandler), stripe: stripeLink{client: client}}
		if err := a.checkStripe(t.Context()); err != nil || a.stripeTrouble() == nil {
			t.Fatalf("%v, %v", err, a.stripeTrouble())
		}
		ctx, stop := context.WithCancel(t.Context())
		a.parts.Go(func() { a.watchStripe(ctx) })
		at := func(after time.Duration, well bool) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if (a.stripeTrouble() == nil) != well {
				t.Errorf("%v", a.stripeTrouble())
			}
		}
		at(5*time.Second, false)
		fake.set(func(f *fakeStripe) { f.err = nil })
		at(9*time.Second, false)
		at(time.Second, true)

		fake.set(func(f *fakeStripe) { f.status = map[string]int{"/v1/payment_intents/pi_1": 401, "/v1/account": 401} })
		if _, err := client.Read(ctx, "pi_1"); err == nil {
			t.Error("read")
		}
		at(time.Minute, false)
		fake.set(func(f *fakeStripe) { f.status = nil })
		at(4*time.Minute, true)
		stop()
		a.parts.Wait()
	})
}

func TestFilesOfSecrets(t *testing.T) {
	const s1, s2 = "whsec_0123456789", "whsec_9876543210"
	for _, c := range []struct {
		name, content string
		read          func(string, *slog.Logger) ([]string, error)
		want, wrong   string
	}{
		{"key", "sk_test_1\n", key, "sk_test_1", ""},
		{"key without a line's end", " \n sk_test_1", key, "sk_test_1", ""},
		{"empty key", " \n\n", key, "", "is empty"},
		{"two keys", "sk_test_1\nsk_test_2\n", key, "", "holds 2 lines"},
		{"key with words", "key: sk_test_1", key, "", "holds more than a key"},
		{"too much", strings.Repeat("x", 70<<10), key, "", "too large"},
		{"one secret", s1 + "\n", readWebhookSecrets, s1, ""},
		{"two secrets", s1 + "\r\n" + s2 + "\r\n", readWebhookSecrets, s1 + " " + s2, ""},
		{"three secrets", s1 + "\n" + s2 + "\n" + s1, readWebhookSecrets, "", "holds 3 lines"},
		{"an API key", "sk_test_1", readWebhookSecrets, "", "holds an API key"},
		{"no secret", s1 + "\nabc", readWebhookSecrets, "", "line 2 of"},
	} {
		got, err := c.read(secretFile(t, 0o600, c.content), slog.New(slog.DiscardHandler))
		if strings.Join(got, " ") != c.want || (err == nil) != (c.wrong == "") || (err != nil && !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if err != nil && (strings.Contains(err.Error(), "test_1") || strings.Contains(err.Error(), "abc")) {
			t.Errorf("%s: the error quotes the file: %v", c.name, err)
		}
	}
	if _, err := readKey(filepath.Join(t.TempDir(), "none"), slog.New(slog.DiscardHandler)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		var log bytes.Buffer
		if _, err := readKey(secretFile(t, mode, "sk_test_1"), slog.New(slog.NewTextHandler(&log, nil))); err != nil || strings.Contains(log.String(), "chmod 600") != warned {
			t.Errorf("%v: %v, %s", mode, err, &log)
		}
	}
}

func key(path string, log *slog.Logger) ([]string, error) {
	k, err := readKey(path, log)
	if err != nil {
		return nil, err
	}
	return []string{k}, nil
}

// TestWebhooksComeInWithoutAToken delivers to the program's own routes, from a stranger's address.
func TestWebhooksComeInWithoutAToken(t *testing.T) {
	for _, given := range []string{"", "whsec_current_one\nwhsec_previous_one\n"} {
		config := inMemory(t)
		if given != "" {
			config.StripeWebhookSecret = secretFile(t, 0o600, given)
		}
		a, err := New(t.Context(), config, io.Discard, Hooks{})
		if err != nil {
			t.Fatal(err)
		}
		defer a.close()
		routes := a.routes(nil)
		ask := func(method, path, body, secret string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			now := time.Now()
			if secret != "" {
				r.Header.Set("Stripe-Signature", fmt.Sprintf("t=%d,v1=%s", now.Unix(), hex.EncodeToString(webhook.ComputeSignature(now, []byte(body), secret))))
			}
			w := httptest.NewRecorder()
			routes.ServeHTTP(w, r)
			return w
		}
		const body = `{"id":"evt_1","type":"charge.expired","created":1,"livemode":false,"data":{"object":{"id":"ch_1","payment_intent":"pi_1"}}}`
		for _, secret := range append(a.stripe.secrets, a.stripe.secrets[0]) {
			if w := ask(http.MethodPost, stripepay.WebhookPath, body, secret); w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
		if w := ask(http.MethodPost, stripepay.WebhookPath, body, "whsec_of_a_stranger"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "signature_invalid") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w := ask(http.MethodGet, "/v1/orders", "", ""); w.Code != http.StatusUnauthorized {
			t.Errorf("a stranger: %d %s", w.Code, w.Body)
		}
		events := 0
		for _, err := range a.store.ReadStream(t.Context(), eventstore.WebhookStream("evt_1"), eventstore.NoStream) {
			if events++; err != nil {
				t.Fatal(err)
			}
		}
		if events != 1 {
			t.Errorf("%d events", events)
		}
	}
}

func TestMetricsTellOfStripe(t *testing.T) {
	a, err := New(t.Context(), inMemory(t), io.Discard, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	families, err := a.metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range families {
		if f.GetName() == "orderledger_stripe_circuit_open" || f.GetName() == "orderledger_stripe_rate_limited_total" {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d of 2", found)
	}
}
