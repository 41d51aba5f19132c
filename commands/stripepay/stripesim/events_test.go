package stripesim_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

// dial is a clock that stands still until it is set.
type dial struct{ micros atomic.Int64 }

var aprilFirst = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)

func newDial() *dial {
	d := &dial{}
	d.set(aprilFirst)
	return d
}

func (d *dial) now() time.Time        { return time.UnixMicro(d.micros.Load()).UTC() }
func (d *dial) set(t time.Time)       { d.micros.Store(t.UnixMicro()) }
func (d *dial) pass(by time.Duration) { d.micros.Add(by.Microseconds()) }

// told gives the events since the last time it was asked, oldest first, and takes them off the list of those to be delivered.
func told(t testing.TB, sim *stripesim.Sim) (types []string, events []map[string]any) {
	t.Helper()
	deliveries, err := sim.Pending(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deliveries {
		var e map[string]any
		if err := json.Unmarshal(d.Body, &e); err != nil {
			t.Fatal(err)
		}
		if e["id"] != d.Event || e["type"] != d.Type || e["object"] != "event" {
			t.Errorf("delivery %s %s: %s", d.Event, d.Type, d.Body)
		}
		types, events = append(types, d.Type), append(events, e)
		if err := sim.Delivered(t.Context(), d.Event); err != nil {
			t.Fatal(err)
		}
	}
	return types, events
}

func TestEveryChangeIsTold(t *testing.T) {
	clock := newDial()
	sim := simtest.Start(t, stripesim.WithClock(clock.now))
	h := speak(t, sim)
	var pi, declined, refund string
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"hold", func() { pi = h.held("pm_card_visa") }, "payment_intent.created charge.succeeded payment_intent.amount_capturable_updated"},
		{"read", func() { h.get("/v1/payment_intents/"+pi, "") }, ""},
		{"describe", func() { h.post("/v1/payment_intents/"+pi, "metadata[a]=1") }, ""},
		{"capture", func() { h.post("/v1/payment_intents/"+pi+"/capture", "") }, "charge.captured payment_intent.succeeded"},
		{"capture again", func() { h.post("/v1/payment_intents/"+pi+"/capture", "") }, ""},
		{"refund", func() { refund = h.post("/v1/refunds", "amount=100&payment_intent="+pi).id() }, "charge.refunded refund.created"},
		{
			"refund fails", func() { must(t, sim.Sim.Dashboard().SetRefund(t.Context(), refund, "failed")) },
			"refund.updated charge.refund.updated refund.failed",
		},
		{"charge", func() {
			h.post("/v1/payment_intents", "amount=100&currency=usd&confirm=true&payment_method=pm_card_visa")
		}, "payment_intent.created charge.succeeded payment_intent.succeeded"},
		{"no confirmation", func() {
			pi = h.post("/v1/payment_intents", "amount=100&currency=usd").id()
		}, "payment_intent.created"},
		{"cancel nothing", func() { h.post("/v1/payment_intents/"+pi+"/cancel", "") }, "payment_intent.canceled"},
		{"decline", func() {
			declined = fmt.Sprint(h.post("/v1/payment_intents", manual+"pm_card_chargeDeclined").at("error", "payment_intent", "id"))
		}, "payment_intent.created charge.failed payment_intent.payment_failed"},
		{"cancel declined", func() { h.post("/v1/payment_intents/"+declined+"/cancel", "") }, "payment_intent.canceled"},
		{"invalid", func() { h.post("/v1/payment_intents", "amount=1&currency=usd") }, ""},
		{"hold and cancel", func() { h.post("/v1/payment_intents/"+h.held("pm_card_visa")+"/cancel", "") }, "payment_intent.created " +
			"charge.succeeded payment_intent.amount_capturable_updated charge.refunded payment_intent.canceled"},
		{"hold", func() { pi = h.held("pm_card_visa") }, "payment_intent.created charge.succeeded payment_intent.amount_capturable_updated"},
		{"the hold ends", func() { clock.pass(7 * 24 * time.Hour) }, "charge.expired payment_intent.canceled"},
		{"capture too late", func() { h.post("/v1/payment_intents/"+pi+"/capture", "") }, ""},
	} {
		step.do()
		if types, _ := told(t, sim.Sim); strings.Join(types, " ") != step.want {
			t.Errorf("%s: %v, want %s", step.name, types, step.want)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEventsShowTheObjectAsItWas(t *testing.T) {
	clock := newDial()
	sim := simtest.Start(t, stripesim.WithClock(clock.now))
	h := speak(t, sim)
	first := h.keyed("/v1/payment_intents", manual+"pm_card_visa&metadata[order_id]=o-1", "key-1")
	pi := first.id()
	must(t, sim.Sim.Dashboard().Cancel(t.Context(), pi))
	_, events := told(t, sim.Sim)
	if len(events) != 5 {
		t.Fatalf("%d events", len(events))
	}
	for i, want := range []struct {
		object, status string
		captured       any
	}{
		{"payment_intent", "requires_payment_method", nil},
		{"charge", "succeeded", false},
		{"payment_intent", "requires_capture", nil},
		{"charge", "succeeded", false}, // charge.refunded of what was never taken
		{"payment_intent", "canceled", nil},
	} {
		e := reply{json: events[i]}
		if e.at("data", "object", "object") != want.object || e.at("data", "object", "status") != want.status ||
			e.at("data", "object", "captured") != want.captured || e.at("data", "object", "metadata", "order_id") != "o-1" {
			t.Errorf("%d: %v", i, events[i])
		}
		if e.at("api_version") != stripesim.APIVersion || e.at("livemode") != false || e.at("pending_webhooks") != 1.0 ||
			e.at("created") != float64(aprilFirst.Unix()) || !strings.HasPrefix(e.id(), "evt_") {
			t.Errorf("%d: %v", i, events[i])
		}
		request, key := first.header.Get("Request-Id"), any("key-1")
		if i > 2 {
			if e.at("request", "id") == request || !strings.HasPrefix(fmt.Sprint(e.at("request", "id")), "req_") || e.at("request", "idempotency_key") != nil {
				t.Errorf("%d: not somebody else's: %v", i, e.at("request"))
			}
		} else if e.at("request", "id") != request || e.at("request", "idempotency_key") != key {
			t.Errorf("%d: not ours: %v", i, e.at("request"))
		}
	}
	if got := (reply{json: events[3]}); got.at("data", "object", "refunded") != true || got.at("data", "object", "amount_captured") != 0.0 {
		t.Errorf("released: %v", events[3])
	}
}

func TestWhatHappensByItselfHasNoRequest(t *testing.T) {
	clock := newDial()
	sim := simtest.Start(t, stripesim.WithClock(clock.now))
	pi := speak(t, sim).held("pm_card_visa")
	told(t, sim.Sim)
	clock.pass(8 * 24 * time.Hour)
	must(t, sim.Sim.Advance(t.Context()))
	types, events := told(t, sim.Sim)
	if !slices.Equal(types, []string{"charge.expired", "payment_intent.canceled"}) {
		t.Fatalf("%v", types)
	}
	for _, e := range events {
		e := reply{json: e}
		if e.at("request", "id") != nil || e.at("request", "idempotency_key") != nil || e.at("created") != float64(aprilFirst.Add(7*24*time.Hour).Unix()) {
			t.Errorf("%v", e.json)
		}
	}
	if e := (reply{json: events[1]}); e.at("data", "object", "cancellation_reason") != "automatic" || e.at("data", "object", "id") != pi {
		t.Errorf("%v", e.json)
	}
}

func TestARepeatedRequestIsToldOnce(t *testing.T) {
	sim := simtest.Start(t)
	h := speak(t, sim)
	pi := h.held("pm_card_visa")
	told(t, sim.Sim)
	sim.Sim.Fail(stripesim.FailTimes(1, func(stripesim.Request) bool { return true }, stripesim.Fault{Kind: stripesim.ErrorAfter}))
	for range 3 {
		if r := h.keyed("/v1/payment_intents/"+pi+"/capture", "", "k"); r.status != 500 {
			t.Errorf("%d %s", r.status, r.text)
		}
	}
	if types, _ := told(t, sim.Sim); !slices.Equal(types, []string{"charge.captured", "payment_intent.succeeded"}) {
		t.Errorf("%v", types)
	}
}

func TestEventList(t *testing.T) {
	clock := newDial()
	sim := simtest.Start(t, stripesim.WithClock(clock.now))
	h := speak(t, sim)
	pi := h.held("pm_card_visa")
	clock.pass(time.Hour)
	h.post("/v1/payment_intents/"+pi+"/capture", "")
	clock.pass(time.Hour)
	h.post("/v1/refunds", "payment_intent="+pi)
	pending, err := sim.Sim.Pending(t.Context(), 100)
	if err != nil || len(pending) != 7 {
		t.Fatalf("%d pending, %v", len(pending), err)
	}
	must(t, sim.Sim.Delivered(t.Context(), pending[0].Event, pending[1].Event))
	must(t, sim.Sim.Undelivered(t.Context(), pending[2].Event))
	hour := func(n int) string { return fmt.Sprint(aprilFirst.Add(time.Duration(n) * time.Hour).Unix()) }
	const created, succeeded, capturable = "payment_intent.created", "charge.succeeded", "payment_intent.amount_capturable_updated"
	for query, want := range map[string]string{
		"":                     "refund.created charge.refunded payment_intent.succeeded charge.captured " + capturable + " " + succeeded + " " + created,
		"type=charge.captured": "charge.captured",
		"type=charge.*":        "charge.refunded charge.captured charge.succeeded",
		"types[]=charge.captured&types[]=refund.created":      "refund.created charge.captured",
		"types[0]=charge.captured&types[1]=nonsense":          "charge.captured",
		"delivery_success=true":                               succeeded + " " + created,
		"delivery_success=false":                              "refund.created charge.refunded payment_intent.succeeded charge.captured " + capturable,
		"delivery_success=false&types[]=" + created:           "",
		"created[gte]=" + hour(2):                             "refund.created charge.refunded",
		"created[gt]=" + hour(1):                              "refund.created charge.refunded",
		"created[lt]=" + hour(1):                              capturable + " " + succeeded + " " + created,
		"created[lte]=" + hour(1) + "&created[gt]=" + hour(0): "payment_intent.succeeded charge.captured",
		"created=" + hour(1):                                  "payment_intent.succeeded charge.captured",
		"limit=2":                                             "refund.created charge.refunded",
		"limit=2&starting_after=" + pending[5].Event:          "payment_intent.succeeded charge.captured",
		"ending_before=" + pending[4].Event + "&limit=100":    "refund.created charge.refunded",
	} {
		r := h.get("/v1/events", query)
		data, _ := r.at("data").([]any)
		var types []string
		for _, e := range data {
			types = append(types, fmt.Sprint(reply{json: e.(map[string]any)}.at("type")))
		}
		if r.status != 200 || strings.Join(types, " ") != want || r.at("has_more") != strings.HasPrefix(query, "limit=2") {
			t.Errorf("%s: %d, %v, more %v, want %s", query, r.status, types, r.at("has_more"), want)
		}
	}
	for _, query := range []string{"type=a&types[]=b", "delivery_success=maybe", "starting_after=evt_nonsense", "types[]=" + strings.Repeat("x&types[]=", 20) + "x"} {
		if r := h.get("/v1/events", query); r.status != 400 {
			t.Errorf("%s: %d %s", query, r.status, r.text)
		}
	}
	for i, pendingWebhooks := range []float64{0, 0, 0, 1} {
		if r := h.get("/v1/events/"+pending[i].Event, ""); r.at("pending_webhooks") != pendingWebhooks || r.at("type") != pending[i].Type {
			t.Errorf("%d: %s", i, r.text)
		}
	}
	if r := h.get("/v1/events/evt_nonsense", ""); r.status != 404 || r.code() != "resource_missing" {
		t.Errorf("%d %s", r.status, r.text)
	}
}

func TestEventsAreGoneAfterAMonth(t *testing.T) {
	clock := newDial()
	sim := simtest.Start(t, stripesim.WithClock(clock.now))
	h := speak(t, sim)
	h.post("/v1/payment_intents", "amount=100&currency=usd")
	pending, err := sim.Sim.Pending(t.Context(), 1)
	must(t, err)
	old := pending[0].Event
	clock.pass(30*24*time.Hour - time.Second)
	if r := h.get("/v1/events/"+old, ""); r.status != 200 {
		t.Errorf("gone early: %s", r.text)
	}
	clock.pass(time.Second)
	if r := h.get("/v1/events/"+old, ""); r.status != 404 {
		t.Errorf("%d %s", r.status, r.text)
	}
	h.post("/v1/payment_intents", "amount=100&currency=usd")
	if types, _ := told(t, sim.Sim); len(types) != 1 {
		t.Errorf("%v", types)
	}
}

func TestOtherVersionAndNoEvents(t *testing.T) {
	old := simtest.Start(t, stripesim.WithEventVersion("2020-08-27"))
	speak(t, old).held("pm_card_visa")
	for _, e := range second(told(t, old.Sim)) {
		if e["api_version"] != "2020-08-27" {
			t.Errorf("%v", e)
		}
	}
	silent := simtest.Start(t, stripesim.WithoutEvents())
	speak(t, silent).held("pm_card_visa")
	if types, _ := told(t, silent.Sim); len(types) != 0 {
		t.Errorf("%v", types)
	}
}

func second[A, B any](_ A, b B) B { return b }
