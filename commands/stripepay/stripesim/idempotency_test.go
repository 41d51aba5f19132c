package stripesim_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

func (h http1) keyed(path, form, key string) reply {
	h.Helper()
	return h.do(http.MethodPost, path, form, key, simtest.Key)
}

func TestSameKeyIsAnsweredTheSame(t *testing.T) {
	h := speak(t, simtest.Start(t))
	for name, card := range map[string]string{"success": "pm_card_visa", "decline": "pm_card_chargeDeclined"} {
		first := h.keyed("/v1/payment_intents", manual+card, name)
		again := h.keyed("/v1/payment_intents", "payment_method="+card+"&"+strings.TrimSuffix(manual, "&payment_method="), name) // another order
		if again.status != first.status || again.text != first.text || again.header.Get("Idempotent-Replayed") != "true" ||
			again.header.Get("Original-Request") != first.header.Get("Request-Id") || again.header.Get("Idempotency-Key") != name ||
			again.header.Get("Request-Id") == first.header.Get("Request-Id") || first.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s: %v %s, then %v %s", name, first.header, first.text, again.header, again.text)
		}
	}
	if entries, err := h.journal(); err != nil || len(entries) != 1 || entries[0].IdempotencyKey != "success" {
		t.Errorf("%+v, %v", entries, err)
	}
}

func TestSameKeyForSomethingElseIsRefused(t *testing.T) {
	h := speak(t, simtest.Start(t))
	pi := h.keyed("/v1/payment_intents", manual+"pm_card_visa", "k").id()
	for _, r := range []reply{
		h.keyed("/v1/payment_intents", strings.Replace(manual, "1000", "1001", 1)+"pm_card_visa", "k"),
		h.keyed("/v1/payment_intents/"+pi+"/capture", "", "k"),
	} {
		if r.status != 400 || r.at("error", "type") != "idempotency_error" || !strings.HasPrefix(r.at("error", "message").(string), "Keys for idempotent requests can only be used") {
			t.Errorf("%d %s", r.status, r.text)
		}
	}
}

func TestWhatWasNotExecutedIsNotKept(t *testing.T) {
	h := speak(t, simtest.Start(t))
	if r := h.keyed("/v1/payment_intents", "amount=1&currency=usd", "k"); r.status != 400 {
		t.Fatal(r.text)
	}
	if r := h.keyed("/v1/payment_intents/pi_nonsense/capture", "", "k"); r.status != 404 {
		t.Fatal(r.text)
	}
	if r := h.keyed("/v1/payment_intents", manual+"pm_card_visa", "k"); r.status != 200 || r.header.Get("Idempotent-Replayed") != "" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	captured := h.held("pm_card_visa")
	h.post("/v1/payment_intents/"+captured+"/capture", "")
	for i, replayed := range []string{"", "true"} { // a refusal for the object's state is kept
		r := h.keyed("/v1/payment_intents/"+captured+"/capture", "", "late")
		if r.code() != "payment_intent_unexpected_state" || r.header.Get("Idempotent-Replayed") != replayed {
			t.Errorf("attempt %d: %v %s", i, r.header, r.text)
		}
	}
	if r := h.keyed("/v1/payment_intents", manual+"pm_card_visa", strings.Repeat("k", 256)); r.status != 400 {
		t.Errorf("a long key was taken: %d", r.status)
	}
}

func TestKeysArePrunedAfterADay(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMicro())
	h := speak(t, simtest.Start(t, stripesim.WithClock(func() time.Time { return time.UnixMicro(now.Load()) })))
	first := h.keyed("/v1/payment_intents", manual+"pm_card_visa", "k").id()
	now.Add((24*time.Hour - time.Microsecond).Microseconds())
	if again := h.keyed("/v1/payment_intents", manual+"pm_card_visa", "k").id(); again != first {
		t.Error("the key was forgotten within the day")
	}
	now.Add(1)
	if again := h.keyed("/v1/payment_intents", manual+"pm_card_visa", "k").id(); again == first {
		t.Error("the key was known after a day")
	}
}

func TestKeyInUse(t *testing.T) {
	sim := simtest.Start(t)
	h := speak(t, sim)
	pi := h.held("pm_card_visa")
	release, arrived := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	sim.Sim.Fail(func(stripesim.Request) stripesim.Fault {
		if !first.CompareAndSwap(false, true) {
			return stripesim.Fault{}
		}
		close(arrived)
		return stripesim.Fault{Hold: release}
	})
	var wg sync.WaitGroup
	var slow reply
	wg.Go(func() { slow = h.keyed("/v1/payment_intents/"+pi+"/capture", "", "k") })
	<-arrived
	var busy reply
	for busy.status != 409 { // the hook answers just before the key is taken
		if busy = h.keyed("/v1/payment_intents/"+pi+"/cancel", "cancellation_reason=mood", "k"); busy.status == 200 {
			t.Fatal(busy.text)
		}
	}
	if busy.code() != "idempotency_key_in_use" {
		t.Error(busy.text)
	}
	close(release)
	wg.Wait()
	if slow.status != 200 || slow.at("status") != "succeeded" {
		t.Error(slow.text)
	}
}

func TestCloseFreesRequestsThatAreHeld(t *testing.T) {
	sim := simtest.Start(t)
	h := speak(t, sim)
	pi := h.held("pm_card_visa")
	arrived := make(chan struct{})
	sim.Sim.Fail(func(stripesim.Request) stripesim.Fault {
		close(arrived)
		return stripesim.Fault{Hold: make(chan struct{})}
	})
	var wg sync.WaitGroup
	var r reply
	wg.Go(func() { r = h.post("/v1/payment_intents/"+pi+"/capture", "") })
	<-arrived
	if err := sim.Sim.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if r.status != 500 || r.at("error", "type") != "api_error" {
		t.Errorf("%d %s", r.status, r.text)
	}
}

func TestParallelCapturesTakeOnce(t *testing.T) {
	for name, keyOf := range map[string]func(int) string{
		"different keys": func(i int) string { return "k" + strconv.Itoa(i) },
		"the same key":   func(int) string { return "k" },
		"no key":         func(int) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			sim := simtest.Start(t)
			h := speak(t, sim)
			pi := h.held("pm_card_visa")
			var wg sync.WaitGroup
			var done, refused, busy atomic.Int64
			for i := range 50 {
				wg.Go(func() {
					switch r := h.keyed("/v1/payment_intents/"+pi+"/capture", "", keyOf(i)); r.status {
					case 200:
						done.Add(1)
					case 400:
						refused.Add(1)
					case 409:
						busy.Add(1)
					default:
						t.Errorf("%d %s", r.status, r.text)
					}
				})
			}
			wg.Wait()
			if name == "the same key" && refused.Load() != 0 || name != "the same key" && (done.Load() != 1 || busy.Load() != 0) {
				t.Errorf("%d done, %d refused, %d busy", done.Load(), refused.Load(), busy.Load())
			}
			totals, err := sim.Sim.Totals(t.Context())
			if err != nil || totals[pi].Captures != 1 || totals[pi].Captured != 1000 {
				t.Errorf("%+v, %v", totals[pi], err)
			}
		})
	}
}
