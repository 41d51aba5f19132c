package stripesim_test

import (
	"testing"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

func TestActsFromOutside(t *testing.T) {
	sim := simtest.Start(t)
	h, outside, ctx := speak(t, sim), sim.Sim.Dashboard(), t.Context()
	whole, part, gone := h.held("pm_card_visa"), h.held("pm_card_visa"), h.held("pm_card_visa")
	sim.Sim.Fail(func(stripesim.Request) stripesim.Fault { // faults are for requests
		return stripesim.Fault{Kind: stripesim.ErrorBefore}
	})
	must(t, outside.Capture(ctx, whole, 0))
	must(t, outside.Capture(ctx, part, 400))
	must(t, outside.Cancel(ctx, gone))
	refund, err := outside.Refund(ctx, whole, 0)
	must(t, err)
	partly, err := outside.Refund(ctx, part, 150)
	must(t, err)
	must(t, outside.SetRefund(ctx, partly, "failed"))
	dispute, err := outside.OpenDispute(ctx, part, 0, "fraudulent")
	must(t, err)
	must(t, outside.SetDispute(ctx, dispute, "won"))

	entries, err := sim.Sim.Journal(ctx)
	must(t, err)
	got := stripesim.Sum(entries)
	for pi, want := range map[string]stripesim.Totals{
		whole: {Currency: "usd", Authorized: 1000, Captured: 1000, Refunded: 1000, Captures: 1, Refunds: 1},
		part:  {Currency: "usd", Authorized: 1000, Captured: 400, Released: 600, Captures: 1, Refunds: 1},
		gone:  {Currency: "usd", Authorized: 1000, Released: 1000},
	} {
		if got[pi] != want {
			t.Errorf("%+v, want %+v", got[pi], want)
		}
	}
	seen := map[stripesim.Act]int{}
	for _, e := range entries {
		seen[e.Act]++
		by := stripesim.ActorDashboard
		if e.Act == stripesim.ActAuthorize {
			by = stripesim.ActorAPI
		}
		disputed := e.Act == stripesim.ActDisputeWithdrawn || e.Act == stripesim.ActDisputeReinstated
		if e.Actor != by || e.IdempotencyKey != "" || e.RequestID == "" || (e.Dispute == dispute) != disputed {
			t.Errorf("%+v", e)
		}
	}
	if seen[stripesim.ActDisputeWithdrawn] != 1 || seen[stripesim.ActDisputeReinstated] != 1 || seen[stripesim.ActRefundFailed] != 1 {
		t.Errorf("%v", seen)
	}
	sim.Sim.Fail(nil)
	if r := h.get("/v1/refunds/"+refund, ""); r.at("status") != "succeeded" || r.at("reason") != "requested_by_customer" {
		t.Errorf("%s", r.text)
	}
	if r := h.get("/v1/payment_intents/"+gone, ""); r.at("cancellation_reason") != "requested_by_customer" {
		t.Errorf("%s", r.text)
	}
}

func TestActsFromOutsideKeepTheRules(t *testing.T) {
	sim := simtest.Start(t)
	h, outside, ctx := speak(t, sim), sim.Sim.Dashboard(), t.Context()
	held, taken, partly := h.held("pm_card_visa"), h.held("pm_card_visa"), h.held("pm_card_visa")
	must(t, outside.Capture(ctx, taken, 0))
	must(t, outside.Capture(ctx, partly, 0))
	refund, err := outside.Refund(ctx, taken, 600)
	must(t, err)
	must(t, outside.SetRefund(ctx, refund, "canceled"))
	dispute, err := outside.OpenDispute(ctx, taken, 700, "duplicate")
	must(t, err)
	must(t, outside.SetDispute(ctx, dispute, "lost"))
	before, err := sim.Sim.Journal(ctx)
	must(t, err)
	for name, act := range map[string]func() error{
		"capture again":            func() error { return outside.Capture(ctx, taken, 0) },
		"capture too much":         func() error { return outside.Capture(ctx, held, 1001) },
		"capture nothing known":    func() error { return outside.Capture(ctx, "pi_nonsense", 0) },
		"cancel what was taken":    func() error { return outside.Cancel(ctx, taken) },
		"refund a hold":            func() error { return first(outside.Refund(ctx, held, 0)) },
		"refund too much":          func() error { return first(outside.Refund(ctx, partly, 1001)) },
		"refund what is disputed":  func() error { return first(outside.Refund(ctx, taken, 1)) },
		"revive a refund":          func() error { return outside.SetRefund(ctx, refund, "succeeded") },
		"no such status":           func() error { return outside.SetRefund(ctx, refund, "nonsense") },
		"no such refund":           func() error { return outside.SetRefund(ctx, "re_nonsense", "failed") },
		"dispute a hold":           func() error { return first(outside.OpenDispute(ctx, held, 0, "fraudulent")) },
		"dispute too much":         func() error { return first(outside.OpenDispute(ctx, partly, 1001, "fraudulent")) },
		"dispute again":            func() error { return first(outside.OpenDispute(ctx, taken, 1, "fraudulent")) },
		"dispute for no reason":    func() error { return first(outside.OpenDispute(ctx, partly, 0, "mood")) },
		"reopen a dispute":         func() error { return outside.SetDispute(ctx, dispute, "under_review") },
		"a dispute's odd status":   func() error { return outside.SetDispute(ctx, dispute, "nonsense") },
		"an inquiry's status":      func() error { return outside.SetDispute(ctx, dispute, "warning_closed") },
		"a dispute that is nobody": func() error { return outside.SetDispute(ctx, "dp_nonsense", "won") },
	} {
		if err := act(); err == nil {
			t.Errorf("%s: was done", name)
		}
	}
	if after, err := sim.Sim.Journal(ctx); err != nil || len(after) != len(before) {
		t.Errorf("what was refused moved money: %+v, %v", after[len(before):], err)
	}
}

func first[A any](_ A, err error) error { return err }
