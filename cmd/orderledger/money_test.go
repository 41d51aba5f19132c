package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
)

// serveWithStripe runs a ledger whose Stripe the test has in its hands, and returns its address.
func serveWithStripe(t *testing.T) (*stripesim.Sim, string) {
	t.Helper()
	sim, err := stripesim.New(stripesim.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	c := app.Default()
	c.Data, c.Store, c.Listen, c.LogLevel = t.TempDir(), "memory", "127.0.0.1:0", "error"
	c.SandboxURL = "http://stripe.invalid"
	a, err := app.New(t.Context(), c, io.Discard, app.Hooks{Stripe: sim.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	return sim, a.URL()
}

func TestMoneyReconcile(t *testing.T) {
	sim, server := serveWithStripe(t)
	run := func(code int, args ...string) (out, errs string) {
		t.Helper()
		var o, e strings.Builder
		if got := execute(t.Context(), append(args, "--server", server), strings.NewReader(oneOrder), &o, &e); got != code {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", args, got, code, &o, &e)
		}
		return o.String(), e.String()
	}
	says := func(text, pattern string) {
		t.Helper()
		if !regexp.MustCompile("(?m)" + pattern).MatchString(text) {
			t.Errorf("no %q in\n%s", pattern, text)
		}
	}
	run(exitDone, "import", "-", "-q")
	run(exitDone, "order", "accept", "northwind/10248", "-q")
	run(exitDone, "order", "capture", "northwind/10248", "--wait", "20", "-q")

	out, errs := run(exitDone, "money", "reconcile")
	says(out, `^the ledger and Stripe agree: 1 card orders since 2.* up to position \d+, 1 payments, 0 refunds, 0 disputes at Stripe; 0 differences, 0 in flight`)
	says(errs, `^reading Stripe's payments$`)
	out, errs = run(exitDone, "money", "reconcile", "-o", "json", "-q", "--since", "30d")
	says(out, `"differences": \[\],`)
	if errs != "" {
		t.Errorf("-q said %q", errs)
	}
	if out, errs = run(exitDone, "money", "reconcile", "-o", "jsonl"); out != "" {
		t.Errorf("no differences are printed as %q", out)
	}
	says(errs, `^the ledger and Stripe agree: `)

	out, _ = run(exitDone, "order", "show", "northwind/10248", "-o", "json")
	payment := regexp.MustCompile(`pi_\w+`).FindString(out)
	refund, err := sim.Dashboard().Refund(t.Context(), payment, 1000)
	if err != nil {
		t.Fatal(err)
	}
	out, errs = run(exitDifference, "money", "reconcile")
	says(out, `^refunded_at_stripe_only +northwind +10248 +\S+ +`+payment+` +`+refund+` +taken 472.38 USD +refunded 10.00 USD `)
	says(errs, `the ledger and Stripe differ: 1 card orders .* 1 differences`)
	out, _ = run(exitDifference, "money", "reconcile", "-o", "csv", "-q")
	says(out, `^CODE,.*,LEDGER,LEDGER AMOUNT,LEDGER CURRENCY,STRIPE,`)
	says(out, `^refunded_at_stripe_only,northwind,10248,.*,taken,47238,USD,refunded,1000,USD,`)
	out, _ = run(exitDifference, "money", "reconcile", "-o", "jsonl", "-q")
	says(out, `^\{"code":"refunded_at_stripe_only",.*"ledger":\{"state":"taken","amount":47238,"currency":"USD"\},"stripe":\{"state":"refunded","amount":1000`)
	out, _ = run(exitDifference, "money", "reconcile", "-o", "json")
	var whole struct {
		Differences []client.Difference
		Figures     *client.ReconcileFigures
	}
	if err := json.Unmarshal([]byte(out), &whole); err != nil || len(whole.Differences) != 1 || whole.Figures == nil || whole.Figures.Refunds != 1 {
		t.Errorf("%v: %s", err, out)
	}

	// What can't be finished is no clean answer, whatever it found.
	sim.Fail(func(r stripesim.Request) stripesim.Fault {
		if r.Path == "/v1/payment_intents" {
			return stripesim.Fault{Kind: stripesim.Garbled}
		}
		return stripesim.Fault{}
	})
	for _, format := range []string{"table", "json", "jsonl", "csv"} {
		out, errs = run(exitFailed, "money", "reconcile", "-o", format)
		says(errs, `the comparison was not finished: .*payment_provider_unavailable`)
		if out != "" {
			t.Errorf("-o %s printed %q", format, out)
		}
	}
	for _, since := range []string{"yesterday", "2999-01-01", "-3h", "0d"} {
		run(exitWrongUse, "money", "reconcile", "--since", since)
	}
}

const oneOrder = `{"order_number":"10248","placed_at":"1996-07-04T09:00:00Z","manufacturer":"northwind",` +
	`"customer":{"name":"Paul Henriot"},"lines":[{"sku":"NW-11","quantity":12,"unit_price":3667,"amount":44000}],` +
	`"currency":"USD","subtotal":44000,"freight":3238,"tax":0,"total":47238,"payment":{"method":"card"}}` + "\n"

func TestSinceIsADateAnInstantOrATimeAgo(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for given, want := range map[string]string{
		"": "0001-01-01T00:00:00Z", "2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31T17:00:00+01:00": "2026-01-31T17:00:00+01:00",
		"30d": "2026-01-31T12:00:00Z", "12h30m": "2026-03-01T23:30:00Z",
	} {
		got, err := parseSince(given, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: %s, %v", given, got, err)
		}
	}
}
