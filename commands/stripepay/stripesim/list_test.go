package stripesim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/client"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

// official is stripe-go as anyone would use it.
func official(t testing.TB, sim *simtest.Running) *client.API {
	t.Helper()
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String(sim.URL), LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return client.New(simtest.Key, &stripe.Backends{API: backend, Connect: backend, Uploads: backend})
}

func TestListsPageBothWays(t *testing.T) {
	sim := simtest.Start(t)
	h, api := speak(t, sim), official(t, sim)
	var ids []string // newest first
	for range 7 {
		ids = slices.Insert(ids, 0, h.held("pm_card_visa"))
	}
	h.post("/v1/payment_intents", "amount=100&currency=usd") // has no charge

	listed := &stripe.PaymentIntentListParams{}
	listed.Limit = stripe.Int64(3)
	listed.AddExpand("data.latest_charge")
	var got []string
	for pages := api.PaymentIntents.List(listed); pages.Next(); {
		got = append(got, pages.PaymentIntent().ID)
		if c := pages.PaymentIntent().LatestCharge; c != nil && c.Amount != 1000 {
			t.Errorf("not expanded: %+v", c)
		}
	}
	if len(got) != 8 || !slices.Equal(got[1:], ids) {
		t.Errorf("forwards: %v, want %v", got, ids)
	}

	backwards := &stripe.ChargeListParams{}
	backwards.Limit = stripe.Int64(2)
	backwards.EndingBefore = stripe.String("ch_" + ids[6][3:])
	got = nil
	for pages := api.Charges.List(backwards); pages.Next(); {
		got = append(got, pages.Charge().PaymentIntent.ID)
	}
	slices.Reverse(got)
	if !slices.Equal(got, ids[:6]) {
		t.Errorf("backwards: %v, want %v", got, ids[:6])
	}

	if r := h.get("/v1/payment_intents", "starting_after=pi_nonsense"); r.status != 400 || r.code() != "resource_missing" {
		t.Errorf("%d %s", r.status, r.text)
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "nonsense=1"} {
		if r := h.get("/v1/refunds", query); r.status != 400 {
			t.Errorf("%s: %d %s", query, r.status, r.text)
		}
	}
	if r := h.get("/v1/payment_intents", "created[gt]=4000000000"); fmt.Sprint(r.at("data")) != "[]" || r.at("has_more") != false {
		t.Errorf("%s", r.text)
	}
}

func TestRefundListOfOnePaymentIntent(t *testing.T) {
	sim := simtest.Start(t)
	h, api := speak(t, sim), official(t, sim)
	a, b := h.held("pm_card_visa"), h.held("pm_card_visa")
	for _, pi := range []string{a, b} {
		h.post("/v1/payment_intents/"+pi+"/capture", "")
		for range 5 {
			h.post("/v1/refunds", "amount=200&payment_intent="+pi)
		}
	}
	params := &stripe.RefundListParams{Charge: stripe.String("ch_" + a[3:])}
	params.Limit = stripe.Int64(2)
	params.AddExpand("data.payment_intent")
	n := 0
	pages := api.Refunds.List(params)
	for pages.Next() {
		n++
		if pages.Refund().PaymentIntent.ID != a || pages.Refund().PaymentIntent.AmountReceived != 1000 {
			t.Errorf("%+v", pages.Refund())
		}
	}
	if n != 5 || pages.Err() != nil {
		t.Errorf("%d refunds, %v", n, pages.Err())
	}
	refund, err := api.Refunds.Get(pages.Refund().ID, &stripe.RefundParams{Expand: stripe.StringSlice([]string{"charge"})})
	if err != nil || !refund.Charge.Refunded || refund.Charge.AmountRefunded != 1000 {
		t.Errorf("%+v, %v", refund, err)
	}
}

func TestListsByTime(t *testing.T) {
	clock := newDial()
	sim := simtest.Start(t, stripesim.WithClock(clock.now))
	h := speak(t, sim)
	for range 5 {
		pi := h.held("pm_card_visa")
		h.post("/v1/payment_intents/"+pi+"/capture", "")
		h.post("/v1/refunds", "payment_intent="+pi)
		clock.pass(time.Hour)
	}
	at := func(n int) string { return fmt.Sprint(aprilFirst.Add(time.Duration(n) * time.Hour).Unix()) }
	for _, path := range []string{"/v1/payment_intents", "/v1/charges", "/v1/refunds"} {
		all := h.get(path, "").at("data").([]any)
		for query, want := range map[string]struct {
			hours []int
			more  bool
		}{
			"":                                   {[]int{4, 3, 2, 1, 0}, false},
			"created=" + at(2):                   {[]int{2}, false},
			"created[gte]=" + at(3):              {[]int{4, 3}, false},
			"created[gt]=" + at(3):               {[]int{4}, false},
			"created[lte]=" + at(1):              {[]int{1, 0}, false},
			"created[lt]=" + at(1):               {[]int{0}, false},
			"created[gte]=" + at(1) + "&limit=2": {[]int{4, 3}, true},
			"created[gte]=" + at(1) + "&limit=2&starting_after=" + reply{json: all[1].(map[string]any)}.id(): {[]int{2, 1}, false},
		} {
			r := h.get(path, query)
			var got []int
			for _, item := range r.at("data").([]any) {
				created := int64(item.(map[string]any)["created"].(float64))
				got = append(got, int(time.Unix(created, 0).Sub(aprilFirst).Hours()))
			}
			if !slices.Equal(got, want.hours) || r.at("has_more") != want.more || r.at("url") != path {
				t.Errorf("%s?%s: %v, more %v, want %v", path, query, got, r.at("has_more"), want)
			}
		}
	}
}

func TestAccount(t *testing.T) {
	r := speak(t, simtest.Start(t)).get("/v1/account", "")
	if !strings.HasPrefix(r.id(), "acct_") || r.at("country") != "US" || r.at("charges_enabled") != true || r.at("payouts_enabled") != true || r.at("details_submitted") != true {
		t.Error(r.text)
	}
}
