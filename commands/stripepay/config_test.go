package stripepay_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
)

func TestConfig(t *testing.T) {
	const sim = "http://127.0.0.1:1"
	for _, c := range []struct {
		name   string
		config stripepay.Config
		ok     bool
	}{
		{"sandbox", stripepay.Config{Mode: stripepay.Sandbox, Key: "sk_test_1", URL: sim}, true},
		{"sandbox without URL", stripepay.Config{Mode: stripepay.Sandbox, Key: "sk_test_1"}, false},
		{"sandbox with a live key", stripepay.Config{Mode: stripepay.Sandbox, Key: "sk_live_1", URL: sim}, false},
		{"test", stripepay.Config{Mode: stripepay.Test, Key: "rk_test_1"}, true},
		{"test with a live key", stripepay.Config{Mode: stripepay.Test, Key: "sk_live_1"}, false},
		{"test with a restricted live key", stripepay.Config{Mode: stripepay.Test, Key: "rk_live_1"}, false},
		{"test with a publishable key", stripepay.Config{Mode: stripepay.Test, Key: "pk_test_1"}, false},
		{"test without TLS", stripepay.Config{Mode: stripepay.Test, Key: "sk_test_1", URL: sim}, false},
		{"live", stripepay.Config{Mode: stripepay.Live, Key: "sk_live_1"}, true},
		{"live, restricted", stripepay.Config{Mode: stripepay.Live, Key: "rk_live_1"}, true},
		{"live with a test key", stripepay.Config{Mode: stripepay.Live, Key: "sk_test_1"}, false},
		{"live without TLS", stripepay.Config{Mode: stripepay.Live, Key: "sk_live_1", URL: sim}, false},
		{"no mode", stripepay.Config{Key: "sk_test_1"}, false},
		{"no key", stripepay.Config{Mode: stripepay.Test}, false},
		{"not a URL", stripepay.Config{Mode: stripepay.Sandbox, Key: "sk_test_1", URL: "127.0.0.1"}, false},
		{"negative", stripepay.Config{Mode: stripepay.Test, Key: "sk_test_1", Timeout: -1}, false},
	} {
		client, err := stripepay.New(c.config)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && c.config.Key != "" && strings.Contains(err.Error(), c.config.Key) {
			t.Errorf("%s: the error shows the key: %v", c.name, err)
		}
		if err == nil && client.Mode() != c.config.Mode {
			t.Errorf("%s: %s", c.name, client.Mode())
		}
	}
}

func TestLiveModeAuthorizesNothing(t *testing.T) {
	client, err := stripepay.New(stripepay.Config{
		Mode: stripepay.Live, Key: "sk_live_1",
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			t.Errorf("asked Stripe: %s %s", r.Method, r.URL)
			return nil, errors.New("no")
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Authorize(t.Context(), commands.PaymentRequest{Key: "k", OrderID: "o", Amount: 100, Currency: "USD"}, "pm_card_visa")
	var refusal *commands.PaymentRefusal
	if !errors.As(err, &refusal) || refusal.Code != "live_mode" {
		t.Errorf("%v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCallsAreSpacedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := stripepay.New(stripepay.Config{
			Mode: stripepay.Test, Key: "sk_test_1",
			Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("cut") }),
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 60 { // 20 at once, and then 20 a second
			if _, err := client.Read(t.Context(), "pi_1"); !errors.Is(err, commands.ErrPaymentUnknown) {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 1900*time.Millisecond || took > 2100*time.Millisecond {
			t.Errorf("60 calls took %v", took)
		}
	})
}
