package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands/reconcile"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/audit"
	"github.com/orderledger/orderledger/projections/tabs"
)

// recorder is another system that is told of what happens.
type recorder struct {
	url string
	mu  sync.Mutex
	ids []string // of the messages, as they came
}

func newRecorder(t *testing.T) *recorder {
	r := &recorder{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ids = append(r.ids, req.Header.Get("webhook-id"))
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// told are the messages in the order in which they came for the first time, and how often one came again.
func (r *recorder) told() (first []string, again int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	for _, id := range r.ids {
		if !seen[id] {
			seen[id] = true
			first = append(first, id)
		}
	}
	return first, len(r.ids) - len(first)
}

// messages are all that came.
func (r *recorder) messages() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids)
}

func (r *recorder) count() int { return len(r.messages()) }

// publicTypes are what the other system wants to be told of.
var publicTypes = []string{"Cancelled", "Archived"}

func (f *fleet) addEndpoint(t *testing.T) {
	t.Helper()
	a, err := f.processes[0].client().Call(t.Context(), http.MethodPost, "/v1/webhook-endpoints", "application/json",
		fmt.Appendf(nil, `{"url":%q,"types":["Cancelled","Archived"]}`, f.hook.url), "Idempotency-Key", "endpoint")
	if err != nil || a.Status != http.StatusCreated {
		t.Fatalf("add an endpoint: %v %d %s", err, a.Status, a.Body)
	}
}

// check holds what the running processes say against each other and against what was acknowledged.
func (f *fleet) check(t *testing.T, orders int) {
	t.Helper()
	random := rand.New(rand.NewPCG(f.seed, 3))
	for _, took := range f.takeovers {
		if took > maxTakeover {
			t.Errorf("nobody acted for %s", took)
		}
	}
	want := map[string]int64{}
	for n := 1; n <= orders; n++ {
		_, tab := path(n, chaosOrder(n))
		want[tab]++
	}
	for i, p := range f.processes {
		got := p.client().Tabs(t, f.settled)
		for _, tab := range domain.Tabs {
			if got[string(tab)] != want[string(tab)] {
				t.Errorf("process %d shows %d orders in %s, want %d", i, got[string(tab)], tab, want[string(tab)])
			}
		}
	}
	for _, a := range f.acked {
		in := chaosOrder(a.order)
		steps, _ := path(a.order, in)
		s := steps[a.step]
		headers := []string{"Idempotency-Key", fmt.Sprintf("chaos-%s-%d", in.OrderNumber, a.step), "Prefer", "wait=3"}
		if s.versioned {
			headers = append(headers, "If-Match", `"1"`) // whatever it was: the key is known
		}
		c := f.processes[random.IntN(len(f.processes))].client()
		got, err := c.Call(t.Context(), http.MethodPost, "/v1/orders/"+in.ID().String()+"/"+s.verb, "application/json", []byte(s.body), headers...)
		if err != nil || got.Status != http.StatusOK || !got.Replayed || got.Order.Version != a.version {
			t.Fatalf("order %d, %s, acknowledged at version %d: %v %d, replayed %v, version %d: %s", a.order, s.verb, a.version, err, got.Status,
				got.Replayed, got.Order.Version, got.Body)
		}
	}
}

// facts are the events that a path leaves in an order's stream.
func facts(n int, in domain.Intake) []string {
	account := in.Payment.Method == domain.Account
	list, captured := []string{"Placed"}, false
	asked := func(request string, answers ...string) {
		if !account {
			list = append(list, request)
		}
		list = append(list, answers...)
	}
	steps, _ := path(n, in)
	for _, s := range steps {
		switch s.verb {
		case "accept":
			list = append(list, "Accepted")
		case "capture":
			asked("CaptureRequested", "PaymentCaptured")
			captured = true
		case "ship":
			switch {
			case captured || account:
				list = append(list, "Shipped")
			default:
				asked("ShipRequested", "PaymentCaptured", "Shipped")
			}
		case "refund":
			asked("RefundRequested", "Refunded")
		case "cancel":
			asked("CancelRequested", "Cancelled")
		case "archive":
			list = append(list, "Archived")
		case "reversal":
			list = append(list, "ReversalRecorded")
		}
	}
	return list
}

// checkStopped looks at what the processes have left: the log, their tabs, Stripe's journal, and what others were told.
func (f *fleet) checkStopped(t *testing.T, orders int) {
	t.Helper()
	c := f.processes[0].config
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
	t.Logf("%d orders, %d commands acknowledged, %d events; %v; takeovers %v", orders, len(f.acked), report.Events, f.deeds, f.takeovers)
	f.checkLog(t, log, report.Position, orders)
	f.checkStripe(t, log, orders)
	for i, p := range f.processes {
		f.checkModel(t, i, filepath.Join(p.config.Data, "projections"), log, int64(orders))
	}
}

func (f *fleet) checkLog(t *testing.T, log eventstore.Store, head eventstore.Position, orders int) {
	t.Helper()
	sub, err := log.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	happened := map[uuid.UUID][]string{}
	var public []string
	for at := eventstore.Position(0); at < head; {
		page, err := sub.Next(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			at = r.Position
			told := strings.HasPrefix(r.Stream, eventstore.EndpointStream("")) || strings.HasPrefix(r.Stream, eventstore.WebhookStream(""))
			if uint64(at) > f.settled && !told { // how far an endpoint is, and what Stripe could not deliver, may be told at any time
				t.Errorf("asking again appended a %s to %s", r.Type, r.Stream)
			}
			if id, ok := eventstore.OrderOf(r.Stream); ok {
				happened[id] = append(happened[id], r.Type)
				if slices.Contains(publicTypes, r.Type) {
					public = append(public, r.ID.String())
				}
			}
		}
	}
	for n := 1; n <= orders; n++ {
		in := chaosOrder(n)
		if got, want := happened[in.ID()], facts(n, in); !slices.Equal(got, want) {
			t.Errorf("order %d: %v, want %v", n, got, want)
		}
	}
	if len(happened) != orders {
		t.Errorf("%d orders in the log, want %d", len(happened), orders)
	}
	first, again := f.hook.told()
	if !slices.Equal(first, public) {
		t.Errorf("told of %d events, want %d, or not in their order", len(first), len(public))
	}
	t.Logf("another system was told of %d events, of %d again", len(first), again)
}

func (f *fleet) checkStripe(t *testing.T, log eventstore.Store, orders int) {
	t.Helper()
	totals, err := f.sim.Sim.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	payments := map[string]int{}
	for _, got := range totals {
		payments[got.OrderID]++
	}
	byOrder := map[string]int{}
	for n := 1; n <= orders; n++ {
		byOrder[chaosOrder(n).ID().String()] = n
	}
	for pi, got := range totals {
		n, ok := byOrder[got.OrderID]
		if !ok || payments[got.OrderID] != 1 {
			t.Errorf("%s belongs to order %q, which has %d payments", pi, got.OrderID, payments[got.OrderID])
			continue
		}
		in := chaosOrder(n)
		list := facts(n, in)
		count := func(name string) int64 {
			if slices.Contains(list, name) {
				return in.Total
			}
			return 0
		}
		captured, cancelled := count("PaymentCaptured"), count("Cancelled")
		refunded, released := count("Refunded"), int64(0)
		if cancelled > 0 && captured > 0 {
			refunded = cancelled
		} else if cancelled > 0 {
			released = cancelled
		}
		if got.Authorized != in.Total || got.Captured != captured || got.Released != released || got.Refunded != refunded || got.Captures > 1 || got.Refunds > 1 {
			t.Errorf("order %d: Stripe moved %+v, want captured %d, released %d, refunded %d", n, got, captured, released, refunded)
		}
	}
	run, err := reconcile.New(reconcile.Config{
		Log: log, Payments: f.sim.Payments, Lists: f.sim.Payments,
		Now: func() time.Time { return time.Now().Add(time.Hour) }, // nothing is being worked on
	}).Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer run.End()
	figures, err := run.Compare(t.Context(), time.Time{}, func(reconcile.Progress) {}, func(d reconcile.Difference) error {
		b, _ := json.Marshal(d) // for people
		t.Errorf("the ledger and Stripe differ: %s", b)
		return nil
	})
	if err != nil || figures.InFlight != 0 || figures.NotOurs != 0 {
		t.Errorf("reconcile: %+v, %v", figures, err)
	}
}

// checkModel rebuilds a process's tabs from the log and compares them row by row with what it has served.
func (f *fleet) checkModel(t *testing.T, i int, dir string, log eventstore.Store, orders int64) {
	t.Helper()
	model, err := tabs.Open(dir, tabs.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	}()
	report, err := model.Rebuild(context.WithoutCancel(t.Context()), log)
	if err != nil || report.Different != 0 || report.Orders != orders || uint64(report.Position) < f.settled {
		t.Errorf("process %d, rebuilt from the log: %+v, %v", i, report, err)
	}
}
