package stripesim_test

import (
	"bytes"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

func TestDeliveriesAreSignedAsStripeDoes(t *testing.T) {
	sim := simtest.Start(t)
	pi := speak(t, sim).held("pm_card_visa")
	pending, err := sim.Sim.Pending(t.Context(), 3)
	if err != nil || len(pending) != 3 {
		t.Fatalf("%v, %v", pending, err)
	}
	now := time.Now()
	for _, d := range pending {
		r, err := d.Request(t.Context(), "http://127.0.0.1/hook", now, "whsec_new", "whsec_old")
		must(t, err)
		body, err := io.ReadAll(r.Body)
		must(t, err)
		for secret, good := range map[string]bool{"whsec_new": true, "whsec_old": true, "whsec_other": false} {
			e, err := webhook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), secret)
			if good != (err == nil) {
				t.Errorf("%s: %v", secret, err)
			}
			if good && (e.ID != d.Event || string(e.Type) != d.Type) {
				t.Errorf("%+v", e)
			}
		}
		changed := bytes.Replace(body, []byte(pi[4:]), []byte("x"), 1)
		if _, err := webhook.ConstructEvent(changed, r.Header.Get("Stripe-Signature"), "whsec_new"); err == nil {
			t.Error("a changed body was taken")
		}
		late := stripesim.Sign(body, now.Add(-time.Hour), "whsec_new")
		if _, err := webhook.ConstructEvent(body, late, "whsec_new"); err == nil {
			t.Error("an old signature was taken")
		}
	}
}

func TestDeliveriesAreUpToTheTest(t *testing.T) {
	sim := simtest.Start(t)
	speak(t, sim).held("pm_card_visa")
	first, err := sim.Sim.Pending(t.Context(), 2)
	if err != nil || len(first) != 2 {
		t.Fatalf("%v, %v", first, err)
	}
	must(t, sim.Sim.Delivered(t.Context(), first[1].Event)) // the later one first
	rest, err := sim.Sim.Pending(t.Context(), 10)
	if err != nil || len(rest) != 2 || rest[0].Event != first[0].Event || !bytes.Equal(rest[0].Body, first[0].Body) {
		t.Errorf("%v, %v", rest, err)
	}
	again, err := sim.Sim.Delivery(t.Context(), first[1].Event) // a duplicate, byte for byte
	if err != nil || !bytes.Equal(again.Body, first[1].Body) {
		t.Errorf("%s, then %s, %v", first[1].Body, again.Body, err)
	}
	must(t, sim.Sim.Undelivered(t.Context(), rest[0].Event, rest[1].Event))
	if rest, err := sim.Sim.Pending(t.Context(), 10); err != nil || len(rest) != 0 {
		t.Errorf("%v, %v", rest, err)
	}
	if err := sim.Sim.Delivered(t.Context(), "evt_nonsense"); err == nil {
		t.Error("delivered an event that does not exist")
	}
	if _, err := sim.Sim.Delivery(t.Context(), "evt_nonsense"); err == nil {
		t.Error("gave an event that does not exist")
	}
}

func TestEventsAreOfTheSameTransaction(t *testing.T) {
	sim := simtest.Start(t)
	h := speak(t, sim)
	sim.Sim.Fail(func(r stripesim.Request) stripesim.Fault { return stripesim.Fault{Kind: stripesim.ErrorBefore} })
	h.post("/v1/payment_intents", manual+"pm_card_visa")
	if types, _ := told(t, sim.Sim); len(types) != 0 {
		t.Errorf("nothing was executed, and told: %v", types)
	}
	sim.Sim.Fail(func(r stripesim.Request) stripesim.Fault { return stripesim.Fault{Kind: stripesim.ErrorAfter} })
	h.post("/v1/payment_intents", manual+"pm_card_visa")
	if types, _ := told(t, sim.Sim); !slices.Contains(types, "charge.succeeded") {
		t.Errorf("everything was executed, and told: %v", types)
	}
}
