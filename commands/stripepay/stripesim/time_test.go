package stripesim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

var quick = stripesim.WithTimes(stripesim.Times{Refund: time.Hour, DisputeOpens: 2 * time.Hour, DisputeStep: 24 * time.Hour})

func TestRefundsGoOnByTheClock(t *testing.T) {
	for card, c := range map[string]struct {
		statuses string // at the start, and after each hour
		refunded int64  // in the end
	}{
		"pm_card_visa":                   {"succeeded succeeded succeeded", 1000},
		"pm_card_refundFail":             {"succeeded failed failed", 0},
		"pm_card_pendingRefund":          {"pending succeeded succeeded", 1000},
		"pm_card_pendingRefundFail":      {"pending failed failed", 0},
		"pm_card_pendingRefundFailLater": {"pending succeeded failed", 0},
	} {
		t.Run(card, func(t *testing.T) {
			clock := newDial()
			sim := simtest.Start(t, stripesim.WithClock(clock.now), quick)
			h := speak(t, sim)
			pi := h.held(card)
			h.post("/v1/payment_intents/"+pi+"/capture", "")
			back := h.post("/v1/refunds", "payment_intent="+pi).id()
			told(t, sim.Sim)
			var statuses, want []string
			last := ""
			for range 3 {
				status := fmt.Sprint(h.get("/v1/refunds/"+back, "").at("status"))
				if statuses = append(statuses, status); last != "" && status != last {
					want = append(want, "refund.updated", "charge.refund.updated")
					if status == "failed" {
						want = append(want, "refund.failed")
					}
				}
				last = status
				clock.pass(time.Hour)
			}
			if got := strings.Join(statuses, " "); got != c.statuses {
				t.Errorf("%s", got)
			}
			if types, _ := told(t, sim.Sim); !slices.Equal(types, want) {
				t.Errorf("%v, want %v", types, want)
			}
			totals, err := sim.Sim.Totals(t.Context())
			charge := h.get("/v1/charges/ch_"+pi[3:], "")
			if err != nil || totals[pi].Refunded != c.refunded || charge.at("amount_refunded") != float64(c.refunded) || charge.at("refunded") != (c.refunded == 1000) {
				t.Errorf("%+v, %v, %s", totals[pi], err, charge.text)
			}
		})
	}
}

func TestDisputesGoOnByTheClock(t *testing.T) {
	for card, c := range map[string]struct {
		statuses, events string
		disputed         int64 // in the end
	}{
		"pm_card_createDispute": {
			"needs_response under_review lost",
			"created funds_withdrawn updated closed", 1000,
		},
		"pm_card_createDisputeProductNotReceived": {
			"needs_response under_review won",
			"created funds_withdrawn updated closed funds_reinstated", 0,
		},
		"pm_card_createDisputeInquiry": {
			"warning_needs_response warning_under_review warning_closed",
			"created updated closed", 0,
		},
	} {
		t.Run(card, func(t *testing.T) {
			clock := newDial()
			sim := simtest.Start(t, stripesim.WithClock(clock.now), quick)
			h := speak(t, sim)
			pi := h.held(card)
			clock.pass(24 * time.Hour) // a hold is not disputed
			h.post("/v1/payment_intents/"+pi+"/capture", "")
			told(t, sim.Sim)
			if r := h.get("/v1/disputes", "payment_intent="+pi); len(r.at("data").([]any)) != 0 {
				t.Fatal(r.text)
			}
			clock.pass(2 * time.Hour)
			charge := h.get("/v1/charges/ch_"+pi[3:], "")
			id := fmt.Sprint(charge.at("dispute"))
			if charge.at("disputed") != true || !strings.HasPrefix(id, "dp_") {
				t.Fatal(charge.text)
			}
			var statuses []string
			for range 3 {
				d := h.get("/v1/disputes/"+id, "expand[]=payment_intent")
				statuses = append(statuses, fmt.Sprint(d.at("status")))
				if d.at("amount") != 1000.0 || d.at("charge") != charge.id() || d.at("payment_intent", "id") != pi || d.at("payment_intent", "amount_received") != 1000.0 {
					t.Error(d.text)
				}
				taken := slices.Contains([]any{"needs_response", "under_review", "lost"}, d.at("status"))
				r := h.post("/v1/refunds", "amount=1&payment_intent="+pi)
				if r.status == 200 == taken || taken && r.code() != "charge_disputed" {
					t.Errorf("refund while %v: %s", d.at("status"), r.text)
				}
				clock.pass(24 * time.Hour)
			}
			if got := strings.Join(statuses, " "); got != c.statuses {
				t.Error(got)
			}
			var events []string
			for _, name := range second2(told(t, sim.Sim)) {
				if of, ok := strings.CutPrefix(name, "charge.dispute."); ok {
					events = append(events, of)
				}
			}
			if got := strings.Join(events, " "); got != c.events {
				t.Error(got)
			}
			totals, err := sim.Sim.Totals(t.Context())
			if err != nil || totals[pi].Disputed != c.disputed || totals[pi].Captured != 1000 {
				t.Errorf("%+v, %v", totals[pi], err)
			}
		})
	}
}

func second2[A, B any](a A, _ B) A { return a }

func TestDisputesOverHTTP(t *testing.T) {
	clock := newDial()
	sim := simtest.Start(t, stripesim.WithClock(clock.now), quick)
	h := speak(t, sim)
	var ids, intents []string
	for range 3 {
		pi := h.held("pm_card_createDispute")
		h.post("/v1/payment_intents/"+pi+"/capture", "")
		intents = append(intents, pi)
		clock.pass(time.Minute)
	}
	clock.pass(2 * time.Hour)
	for _, pi := range intents {
		r := h.get("/v1/disputes", "charge=ch_"+pi[3:])
		ids = append(ids, reply{json: r.at("data").([]any)[0].(map[string]any)}.id())
	}
	opened := func(n int) string {
		return fmt.Sprint(aprilFirst.Add(2*time.Hour + time.Duration(n)*time.Minute).Unix())
	}
	for query, want := range map[string][]string{
		"":                                 {ids[2], ids[1], ids[0]},
		"limit=1&starting_after=" + ids[2]: {ids[1]},
		"created[gte]=" + opened(1):        {ids[2], ids[1]},
		"created[lt]=" + opened(1):         {ids[0]},
		"payment_intent=" + intents[1]:     {ids[1]},
	} {
		var got []string
		for _, d := range h.get("/v1/disputes", query+"&expand[]=data.charge").at("data").([]any) {
			d := reply{json: d.(map[string]any)}
			if got = append(got, d.id()); d.at("charge", "disputed") != true || d.at("course") != nil {
				t.Errorf("%v", d.json)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}

	told(t, sim.Sim)
	r := h.post("/v1/disputes/"+ids[0], "evidence[customer_name]=A&submit=false&metadata[a]=1")
	if r.at("status") != "needs_response" || r.at("evidence", "customer_name") != "A" || r.at("evidence_details", "submission_count") != 0.0 {
		t.Error(r.text)
	}
	r = h.post("/v1/disputes/"+ids[0], "evidence[uncategorized_text]=they+have+it")
	if r.at("status") != "under_review" || r.at("evidence_details", "has_evidence") != true || r.at("evidence_details", "submission_count") != 1.0 || r.at("metadata", "a") != "1" {
		t.Error(r.text)
	}
	if r = h.post("/v1/disputes/"+ids[1]+"/close", ""); r.at("status") != "lost" {
		t.Error(r.text)
	}
	if types, _ := told(t, sim.Sim); strings.Join(types, " ") != "charge.dispute.updated charge.dispute.updated charge.dispute.closed" {
		t.Errorf("%v", types)
	}
	for _, r := range []reply{
		h.post("/v1/disputes/"+ids[1]+"/close", ""), h.post("/v1/disputes/"+ids[1], "evidence[customer_name]=A"),
		h.post("/v1/disputes/dp_nonsense/close", ""), h.get("/v1/disputes/dp_nonsense", ""), h.post("/v1/disputes/"+ids[0], "evidence[nonsense]=A"),
	} {
		if r.status != 400 && r.status != 404 {
			t.Error(r.text)
		}
	}
}

func TestATimeJumpKeepsTheOrder(t *testing.T) {
	clock := newDial()
	sim := simtest.Start(t, stripesim.WithClock(clock.now), quick)
	h := speak(t, sim)
	held, disputed, refunded := h.held("pm_card_visa"), h.held("pm_card_createDispute"), h.held("pm_card_pendingRefundFailLater")
	h.post("/v1/payment_intents/"+disputed+"/capture", "")
	h.post("/v1/payment_intents/"+refunded+"/capture", "")
	h.post("/v1/refunds", "payment_intent="+refunded)
	before, err := sim.Sim.Journal(t.Context())
	must(t, err)
	at, found, err := sim.Sim.NextDue(t.Context())
	if err != nil || !found || !at.Equal(aprilFirst.Add(time.Hour)) {
		t.Errorf("%v, %v, %v", at, found, err)
	}
	told(t, sim.Sim)
	clock.pass(30 * 24 * time.Hour)
	must(t, sim.Sim.Advance(t.Context()))
	entries, err := sim.Sim.Journal(t.Context())
	must(t, err)
	var got []string
	for _, e := range entries[len(before):] {
		if e.Actor != stripesim.ActorStripe || e.RequestID != "" || e.IdempotencyKey != "" {
			t.Errorf("%+v", e)
		}
		got = append(got, fmt.Sprintf("%s %s +%v", e.Act, e.PaymentIntent, e.At.Sub(aprilFirst)))
	}
	if want := []string{"refund_failed " + refunded + " +2h0m0s", "dispute_withdrawn " + disputed + " +2h0m0s", "expire " + held + " +168h0m0s"}; !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) || got[2] != want[2] {
		t.Errorf("%v, want %v", got, want)
	}
	types, events := told(t, sim.Sim)
	var last float64
	for i, e := range events {
		created := reply{json: e}.at("created").(float64)
		if created < last {
			t.Errorf("%s is out of order", types[i])
		}
		last = created
	}
	if len(types) != 5+4+2 {
		t.Errorf("%v", types)
	}
	if at, found, err := sim.Sim.NextDue(t.Context()); err != nil || found {
		t.Errorf("still due: %v, %v, %v", at, found, err)
	}
}

func TestWhatIsDueSurvivesARestart(t *testing.T) {
	clock, path := newDial(), t.TempDir()+"/stripe.db"
	var pi string
	t.Run("before", func(t *testing.T) {
		pi = speak(t, simtest.Open(t, path, stripesim.WithClock(clock.now))).held("pm_card_visa")
	})
	clock.pass(7 * 24 * time.Hour)
	t.Run("after", func(t *testing.T) {
		sim := simtest.Open(t, path, stripesim.WithClock(clock.now))
		must(t, sim.Sim.Advance(t.Context()))
		if types, _ := told(t, sim.Sim); !slices.Contains(types, "charge.expired") {
			t.Errorf("%v", types)
		}
		if totals, err := sim.Sim.Totals(t.Context()); err != nil || totals[pi].Expired != 1000 {
			t.Errorf("%+v, %v", totals[pi], err)
		}
	})
}
