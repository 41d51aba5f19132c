package stripepay_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

func TestRefusals(t *testing.T) {
	sim := simtest.Start(t)
	ctx := t.Context()
	taken, open, stubborn := captured(t, sim), held(t, sim), hold(t, sim, "pm_card_captureDeclined")
	for _, c := range []struct {
		name              string
		do                func() error
		status            int
		kind, code, extra string
	}{
		{"capture again", func() error { _, err := sim.Payments.Capture(ctx, act(taken)); return err }, 400, "invalid_request_error", "payment_intent_unexpected_state", ""},
		{"release taken", func() error { _, err := sim.Payments.Release(ctx, act(taken)); return err }, 400, "invalid_request_error", "payment_intent_unexpected_state", ""},
		{"refund a hold", func() error { _, err := sim.Payments.Refund(ctx, act(open)); return err }, 400, "invalid_request_error", "", ""},
		{"capture declined", func() error { _, err := sim.Payments.Capture(ctx, act(stubborn)); return err }, 402, "card_error", "card_declined", "generic_decline"},
		{"read nothing", func() error { _, err := sim.Payments.Read(ctx, "pi_nonsense"); return err }, 404, "invalid_request_error", "resource_missing", ""},
		{"capture more than is held", func() error {
			r := act(open)
			r.Amount++
			_, err := sim.Payments.Capture(ctx, r)
			return err
		}, 400, "invalid_request_error", "amount_too_large", ""},
		{"same key, another act", func() error {
			r := act(taken)
			r.Key = "twice"
			if _, err := sim.Payments.Refund(ctx, r); err != nil {
				return err
			}
			r.Request = "another"
			_, err := sim.Payments.Refund(ctx, r)
			return err
		}, 400, "idempotency_error", "", ""},
	} {
		err := c.do()
		var no *commands.PaymentRefusal
		if !errors.As(err, &no) || no.Status != c.status || no.Type != c.kind || no.Code != c.code || no.DeclineCode != c.extra ||
			no.Message == "" || !strings.HasPrefix(no.RequestID, "req_") || errors.Is(err, commands.ErrPaymentUnknown) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestDeclinesAtAuthorization(t *testing.T) {
	sim := simtest.Start(t)
	for method, decline := range map[string]string{
		"pm_card_chargeDeclined": "generic_decline", "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
		"pm_card_chargeDeclinedLostCard": "lost_card", "pm_card_chargeDeclinedExpiredCard": "", "pm_card_chargeDeclinedIncorrectCvc": "",
	} {
		r := act(commands.PaymentIntent{OrderID: "o", Amount: 100, Currency: "EUR"})
		for range 2 { // the same answer again
			_, err := sim.Payments.Authorize(t.Context(), r, method)
			var no *commands.PaymentRefusal
			if !errors.As(err, &no) || no.Status != 402 || no.Type != "card_error" || no.Code == "" || no.DeclineCode != decline {
				t.Errorf("%s: %v", method, err)
			}
		}
	}
}

func TestNothingIsAskedThatCannotBeMeant(t *testing.T) {
	sim := simtest.Start(t)
	pi := held(t, sim)
	for name, change := range map[string]func(*commands.PaymentRequest){
		"no key":                 func(r *commands.PaymentRequest) { r.Key = "" },
		"a key that is trimmed":  func(r *commands.PaymentRequest) { r.Key = " k" },
		"a long key":             func(r *commands.PaymentRequest) { r.Key = strings.Repeat("k", 256) },
		"no intent":              func(r *commands.PaymentRequest) { r.PaymentIntent = "" },
		"a charge for an intent": func(r *commands.PaymentRequest) { r.PaymentIntent = pi.Charge },
		"metadata that Stripe is not able to keep": func(r *commands.PaymentRequest) { r.Request = strings.Repeat("r", 501) },
	} {
		r := act(pi)
		change(&r)
		for _, a := range acts[1:] {
			var no *commands.PaymentRefusal
			if err := a.do(t.Context(), sim.Payments, r); !errors.As(err, &no) || no.RequestID != "" {
				t.Errorf("%s, %s: %v", a.name, name, err)
			}
		}
	}
	for code, r := range map[string]commands.PaymentRequest{
		"amount_not_representable": {Amount: 1001, Currency: "KWD"}, "amount_invalid": {Amount: 0, Currency: "USD"},
	} {
		r.Key, r.PaymentIntent = "k", pi.ID
		for _, a := range slices.Concat(acts[:2], acts[3:]) { // a release says no amount
			var no *commands.PaymentRefusal
			if err := a.do(t.Context(), sim.Payments, r); !errors.As(err, &no) || no.Code != code {
				t.Errorf("%s: %v", a.name, err)
			}
		}
	}
	if read, err := sim.Payments.Read(t.Context(), pi.ID); err != nil || read.Status != "requires_capture" {
		t.Errorf("%+v, %v", read, err)
	}
}

func TestCurrenciesCountedInTwoWays(t *testing.T) {
	sim := simtest.Start(t)
	for currency, amounts := range map[string][2]int64{"ISK": {5000, 500000}, "UGX": {90000, 9000000}, "MGA": {500000, 5000}, "KWD": {5120, 5120}, "JPY": {500, 500}} {
		r := act(commands.PaymentIntent{OrderID: currency, Amount: amounts[0], Currency: currency})
		pi, err := sim.Payments.Authorize(t.Context(), r, "pm_card_visa")
		if err != nil || pi.Amount != amounts[0] || pi.Capturable != amounts[0] || pi.Currency != currency {
			t.Errorf("%s: %+v, %v", currency, pi, err)
			continue
		}
		if pi, err = sim.Payments.Capture(t.Context(), act(pi)); err != nil || pi.Received != amounts[0] {
			t.Errorf("%s: %+v, %v", currency, pi, err)
		}
		if back, err := sim.Payments.Refund(t.Context(), act(pi)); err != nil || back.Amount != amounts[0] {
			t.Errorf("%s: %+v, %v", currency, back, err)
		}
		totals, err := sim.Sim.Totals(t.Context())
		if got := totals[pi.ID]; err != nil || got.Authorized != amounts[1] || got.Captured != amounts[1] || got.Refunded != amounts[1] {
			t.Errorf("%s: %+v, %v", currency, got, err)
		}
	}
}

// TestStrangeAnswers puts servers in Stripe's place that answer as Stripe, or what stands before it, now and then may.
func TestStrangeAnswers(t *testing.T) {
	const refused = ""
	stripeError := func(kind, code string) string {
		return fmt.Sprintf(`{"error":{"type":%q,"code":%q,"message":"secret words"}}`, kind, code)
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   commands.UnknownReason // empty for a refusal
	}{
		{"400", 400, stripeError("invalid_request_error", "parameter_missing"), refused},
		{"402", 402, stripeError("card_error", "card_declined"), refused},
		{"404", 404, stripeError("invalid_request_error", "resource_missing"), refused},
		{"idempotency", 400, stripeError("idempotency_error", ""), refused},
		{"401", 401, stripeError("invalid_request_error", ""), commands.UnknownCredentials},
		{"403", 403, stripeError("invalid_request_error", ""), commands.UnknownCredentials},
		{"409", 409, stripeError("idempotency_error", "idempotency_key_in_use"), commands.UnknownInFlight},
		{"in use with another status", 400, stripeError("idempotency_error", "idempotency_key_in_use"), commands.UnknownInFlight},
		{"429", 429, stripeError("invalid_request_error", "rate_limit"), commands.UnknownRateLimit},
		{"locked", 400, stripeError("invalid_request_error", "lock_timeout"), commands.UnknownRateLimit},
		{"424", 424, stripeError("invalid_request_error", ""), commands.UnknownServer},
		{"an api_error of 400", 400, stripeError("api_error", ""), commands.UnknownServer},
		{"500", 500, stripeError("api_error", ""), commands.UnknownServer},
		{"503 without JSON", 503, "<html>secret words</html>", commands.UnknownUnreadable},
		{"404 without JSON", 404, "<html>secret words</html>", commands.UnknownUnreadable},
		{"400 without error", 400, `{"secret words":1}`, commands.UnknownUnreadable},
		{"empty", 200, "", commands.UnknownUnreadable},
		{"empty object", 200, "{}", commands.UnknownUnreadable},
		{"null", 200, "null", commands.UnknownUnreadable},
		{"only an id", 200, `"pi_1"`, commands.UnknownUnreadable},
		{"a list", 200, `[]`, commands.UnknownUnreadable},
		{"another intent", 200, `{"id":"pi_2","object":"payment_intent","status":"succeeded","currency":"usd"}`, commands.UnknownUnreadable},
		{"another object", 200, `{"id":"pi_1","object":"charge","status":"succeeded","currency":"usd"}`, commands.UnknownUnreadable},
		{"cut in the middle", 200, `{"id":"pi_1","object":"payment_intent","sta`, commands.UnknownUnreadable},
		{"far too long", 200, `{"id":"` + strings.Repeat("x", 5<<20) + `"}`, commands.UnknownUnreadable},
		{"elsewhere", 307, "", commands.UnknownUnreadable},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					t.Error("followed a redirection")
				}
				w.Header().Set("Request-Id", "req_1")
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			fresh := func() *stripepay.Client { // one that remembers nothing
				client, err := stripepay.New(stripepay.Config{Mode: stripepay.Sandbox, Key: simtest.Key, URL: server.URL})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(client.Close)
				return client
			}
			r := commands.PaymentRequest{Key: "k", PaymentIntent: "pi_1", Amount: 100, Currency: "USD"}
			for _, a := range acts[1:] {
				expect(t, a.name, a.do(t.Context(), fresh(), r), c.want)
			}
			_, err := fresh().Read(t.Context(), "pi_1")
			expect(t, "read", err, c.want)
		})
	}
}

func expect(t *testing.T, name string, err error, want commands.UnknownReason) {
	t.Helper()
	var no *commands.PaymentRefusal
	var unknown *commands.PaymentUnknown
	switch {
	case want == "":
		if !errors.As(err, &no) || no.RequestID != "req_1" || errors.Is(err, commands.ErrPaymentUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	case !errors.As(err, &unknown) || unknown.Reason != want || !errors.Is(err, commands.ErrPaymentUnknown) || errors.As(err, &no):
		t.Errorf("%s: %v", name, err)
	case strings.Contains(err.Error(), "secret words"):
		t.Errorf("%s: the error quotes the body: %v", name, err)
	case want == commands.UnknownRateLimit && unknown.RetryAfter != 7*time.Second:
		t.Errorf("%s: Retry-After is lost: %+v", name, unknown)
	}
}

func TestNobodyThere(t *testing.T) {
	client, err := stripepay.New(stripepay.Config{Mode: stripepay.Sandbox, Key: simtest.Key, URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Read(t.Context(), "pi_1")
	var unknown *commands.PaymentUnknown
	if !errors.As(err, &unknown) || unknown.Reason != commands.UnknownNetwork || unknown.Status != 0 {
		t.Errorf("%v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = client.Read(gone, "pi_1"); !errors.As(err, &unknown) || unknown.Reason != commands.UnknownCancelled {
		t.Errorf("%v", err)
	}
}

func TestManyRefundsAreAllRead(t *testing.T) {
	sim := simtest.Start(t)
	pi := captured(t, sim)
	for range 230 {
		r := act(pi)
		r.Amount = 100
		if _, err := sim.Payments.Refund(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	read, err := sim.Payments.Read(t.Context(), pi.ID)
	if err != nil || len(read.Refunds) != 230 {
		t.Fatalf("%d refunds, %v", len(read.Refunds), err)
	}
	seen := map[string]bool{}
	for _, r := range read.Refunds {
		seen[r.ID] = true
	}
	if len(seen) != 230 {
		t.Errorf("%d different refunds", len(seen))
	}
}
