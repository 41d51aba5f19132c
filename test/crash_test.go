package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections/audit"
	"github.com/orderledger/orderledger/test/testenv"
)

// The process dies before and after every step between a clerk's click and the recorded answer, is started again, and the
// clerk, who got no answer, clicks again. The ledger and the simulator's own journal then agree to the cent: each charge
// captured once, each refund made once.
func TestDeathAtEveryStep(t *testing.T) {
	pay := step{verb: "capture", body: "{}", wait: true, versioned: true}
	for _, act := range []struct {
		name   string
		before []step
		act    step
		tab    domain.Tab
		want   stripesim.Totals // but for the amount
		least  int              // deaths at the least, or the test did not kill where it should
	}{
		{"capture", []step{accept}, pay, domain.TabPaid, stripesim.Totals{Authorized: 1, Captured: 1}, 6},
		{"ship, which captures first", []step{accept}, ship, domain.TabShipped, stripesim.Totals{Authorized: 1, Captured: 1}, 8},
		{"cancel a hold", []step{accept}, cancel, domain.TabCancelled, stripesim.Totals{Authorized: 1, Released: 1}, 6},
		{"cancel a charge", []step{accept, pay}, cancel, domain.TabCancelled, stripesim.Totals{Authorized: 1, Captured: 1, Refunded: 1}, 6},
		{"refund", []step{accept, pay}, refund, domain.TabRefunded, stripesim.Totals{Authorized: 1, Captured: 1, Refunded: 1}, 6},
	} {
		t.Run(act.name, func(t *testing.T) {
			sim := simtest.Start(t)
			config := testenv.Config(t, "nats")
			config.SandboxURL = sim.URL
			deaths := 0
			for n := int64(1); ; n++ {
				in := cardOrder(int(n))
				healthy := startChild(t, childConfig{App: config}).ready()
				version := prepare(t, testenv.Client{URL: healthy.url}, in, act.before)
				healthy.stop()

				mortal := startChild(t, childConfig{App: config, DieAt: n})
				mortal.readyOrDead()
				a, err := do(t.Context(), testenv.Client{URL: mortal.url}, in, act.act, "click", version)
				if err == nil && a.Status != http.StatusOK {
					t.Fatalf("no death at step %d, and %d %s", n, a.Status, a.Body)
				}
				if err == nil && mortal.stopped() {
					break // it lived through all steps
				}
				<-mortal.gone
				deaths++

				again := startChild(t, childConfig{App: config}).ready()
				a, err = do(t.Context(), testenv.Client{URL: again.url}, in, act.act, "click", version)
				if err != nil || a.Status != http.StatusOK || a.Order.Tab != act.tab || a.Order.Pending != nil {
					t.Fatalf("death at step %d, then: %v %d %s", n, err, a.Status, a.Body)
				}
				again.stop()
				checkTotals(t, sim.Sim, a.Order, act.want)
				verify(t, config)
			}
			if deaths < act.least {
				t.Errorf("the process died %d times, at least %d were expected", deaths, act.least)
			}
			t.Logf("%d deaths", deaths)
		})
	}
}

func cardOrder(n int) domain.Intake {
	return domain.Intake{
		OrderNumber: fmt.Sprintf("C-%d", n), Manufacturer: "acme", PlacedAt: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
		Customer: domain.Customer{Name: "Ada Example", Email: "ada@example.com"},
		Lines:    []domain.Line{{SKU: "P-1", Description: "Part", Quantity: 2, UnitPrice: 1000, Amount: 2000}},
		Currency: "USD", Subtotal: 2000, Freight: 350, Tax: 150, Total: 2500, Payment: domain.Terms{Method: domain.Card},
	}
}

// prepare places an order and takes it through steps; it returns its version.
func prepare(t *testing.T, c testenv.Client, in domain.Intake, steps []step) int {
	t.Helper()
	line, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	importOrders(t, c, [][]byte{line}, "import-"+in.OrderNumber)
	version := 1
	for i, s := range steps {
		a, err := do(t.Context(), c, in, s, fmt.Sprintf("before-%d", i), version)
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("%s: %v %d %s", s.verb, err, a.Status, a.Body)
		}
		version = a.Order.Version
	}
	return version
}

func do(ctx context.Context, c testenv.Client, in domain.Intake, s step, key string, version int) (testenv.Answer, error) {
	headers := []string{"Idempotency-Key", key + "-" + in.OrderNumber, "Prefer", "wait=30"}
	if s.versioned {
		headers = append(headers, "If-Match", fmt.Sprintf(`"%d"`, version))
	}
	return c.Call(ctx, http.MethodPost, "/v1/orders/"+in.ID().String()+"/"+s.verb, "application/json", []byte(s.body), headers...)
}

// checkTotals compares what Stripe moved for an order with what is to be moved: want counts, here, in whole orders.
func checkTotals(t *testing.T, sim *stripesim.Sim, o domain.View, want stripesim.Totals) {
	t.Helper()
	if o.Payment.PaymentIntent == nil {
		t.Fatal("no PaymentIntent")
	}
	totals, err := sim.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := totals[*o.Payment.PaymentIntent]
	if got.Authorized != want.Authorized*o.Total || got.Captured != want.Captured*o.Total ||
		got.Released != want.Released*o.Total || got.Refunded != want.Refunded*o.Total {
		t.Fatalf("Stripe's journal for order %s: %+v", o.OrderNumber, got)
	}
}

// verify audits the log of a stopped ledger.
func verify(t *testing.T, c app.Config) audit.Report {
	t.Helper()
	log, err := app.OpenLog(t.Context(), c, app.NewLogger(c, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}()
	report, err := audit.Verify(t.Context(), log, audit.Options{})
	if err != nil {
		t.Fatalf("audit: %v", err)
	}
	return report
}
