package test

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/test/testenv"
)

// sandboxed is a ledger with its own sandbox, at whose dashboard the test acts, and a clock that it can put forward. Nothing is
// swept within a test's time, so whatever the ledger sees of the sandbox, its webhooks have told.
type sandboxed struct {
	*testing.T
	testenv.Client
	ledger *testenv.Ledger
	sim    *stripesim.Sim
	stripe *stripepay.Client
	ahead  atomic.Int64
}

func startSandboxed(t *testing.T, config app.Config) *sandboxed {
	t.Helper()
	s := &sandboxed{T: t}
	s.ledger = testenv.Start(t, config, app.Hooks{
		Now:     func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) },
		Sandbox: []stripesim.Option{func(sim *stripesim.Sim) { s.sim = sim }},
	})
	s.Client = testenv.Client{URL: s.ledger.URL}
	var err error
	s.stripe, err = stripepay.New(stripepay.Config{
		Mode: stripepay.Sandbox, Key: simtest.Key, URL: "http://stripe.invalid", Transport: s.sim.Transport(),
	})
	s.must(err)
	return s
}

func (s *sandboxed) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// bought is an order as a clerk saw it last.
type bought struct {
	in      domain.Intake
	version int
	tab     domain.Tab
}

// paidBy brings in an order that is accepted, and whose funds a card holds.
func (s *sandboxed) paidBy(n int, card string) *bought {
	s.Helper()
	o := &bought{in: cardOrder(n), version: 1}
	pi, err := s.stripe.Authorize(s.Context(), commands.PaymentRequest{
		Key: o.in.OrderNumber, OrderID: o.in.ID().String(), Amount: o.in.Total, Currency: string(o.in.Currency),
	}, card)
	s.must(err)
	o.in.Payment.PaymentIntent = pi.ID
	line, err := json.Marshal(o.in)
	s.must(err)
	importOrders(s.T, s.Client, [][]byte{line}, "import-"+o.in.OrderNumber)
	s.act(o, accept)
	return o
}

// act is a clerk's act, with its answer from Stripe.
func (s *sandboxed) act(o *bought, what step) {
	s.Helper()
	a, err := do(s.Context(), s.Client, o.in, what, "clerk-"+what.verb, o.version)
	if err != nil || a.Status != http.StatusOK {
		s.Fatalf("%s: %v, %d %s", what.verb, err, a.Status, a.Body)
	}
	o.version, o.tab = a.Order.Version, a.Order.Tab
}

// becomes waits for an event of an order, and says where the order is then.
func (s *sandboxed) becomes(o *bought, event string, tab domain.Tab, badges ...domain.Badge) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), testenv.Patience)
	defer cancel()
	s.must(awaitEvent(ctx, s.Client, o.in.ID(), event))
	a, err := s.Call(ctx, http.MethodGet, "/v1/orders/"+o.in.ID().String(), "", nil)
	s.must(err)
	if got := a.Order; got.Tab != tab || !slices.Equal(got.Badges, append([]domain.Badge{}, badges...)) {
		s.Errorf("after %s it is in %s, with badges %v", event, got.Tab, got.Badges)
	}
}

// What is done at Stripe's dashboard, and what happens there as time goes by, is seen by webhook alone: the sandbox signs and
// sends its own.
func TestSandboxTellsByItself(t *testing.T) {
	s := startSandboxed(t, testenv.Config(t, "memory"))
	there := s.sim.Dashboard()

	taken := s.paidBy(1, "pm_card_visa")
	s.must(there.Capture(t.Context(), taken.in.Payment.PaymentIntent, 0))
	s.becomes(taken, "PaymentCaptured", domain.TabPaid)
	_, err := there.Refund(t.Context(), taken.in.Payment.PaymentIntent, 0)
	s.must(err)
	s.becomes(taken, "Refunded", domain.TabRefunded)

	let := s.paidBy(2, "pm_card_visa")
	s.must(there.Cancel(t.Context(), let.in.Payment.PaymentIntent))
	s.becomes(let, "AuthorizationExpired", domain.TabNew, domain.BadgeAuthorizationExpired)

	disputed, late, held := s.paidBy(3, "pm_card_createDispute"), s.paidBy(4, "pm_card_refundFail"), s.paidBy(5, "pm_card_visa")
	pay := step{verb: "capture", body: "{}", versioned: true}
	s.act(disputed, pay)
	s.act(late, pay)
	s.act(late, refund)
	if late.tab != domain.TabRefunded {
		t.Fatalf("refunded, it is in %s", late.tab)
	}
	s.ahead.Add(int64(4 * 24 * time.Hour))
	s.becomes(disputed, "DisputeOpened", domain.TabPaid, domain.BadgeDisputed)
	s.ahead.Add(int64(4 * 24 * time.Hour))
	s.becomes(late, "RefundFailed", domain.TabPaid, domain.BadgeRefundFailed)
	s.becomes(held, "AuthorizationExpired", domain.TabNew, domain.BadgeAuthorizationExpired)

	s.ledger.Stop()
	var goroutines strings.Builder
	s.must(pprof.Lookup("goroutine").WriteTo(&goroutines, 2))
	if strings.Contains(goroutines.String(), "stripesim.") {
		t.Errorf("the sandbox goes on: %s", goroutines.String())
	}
}

// A ledger that answers at all addresses of its machine reaches itself, too.
func TestSandboxTellsAtAllAddresses(t *testing.T) {
	config := testenv.Config(t, "nats")
	first := testenv.Start(t, config, app.Hooks{})
	a, err := testenv.Client{URL: first.URL}.Call(t.Context(), http.MethodPost, "/v1/tokens", "application/json",
		[]byte(`{"name":"anna","role":"admin"}`), "Idempotency-Key", "anna")
	var token struct{ Secret string }
	if err != nil || json.Unmarshal(a.Body, &token) != nil || token.Secret == "" {
		t.Fatalf("token: %v %s", err, a.Body)
	}
	first.Stop()

	config.Listen = "0.0.0.0:0"
	s := startSandboxed(t, config)
	s.Token = token.Secret
	o := s.paidBy(1, "pm_card_visa")
	s.must(s.sim.Dashboard().Capture(t.Context(), o.in.Payment.PaymentIntent, 0))
	s.becomes(o, "PaymentCaptured", domain.TabPaid)
}
