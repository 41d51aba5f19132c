package stripesim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

// reply is a raw answer: tests that look at headers and exact shapes speak HTTP themselves.
type reply struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// at walks into the JSON, as in at("error", "code").
func (r reply) at(path ...string) any {
	var v any = r.json
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func (r reply) id() string { return fmt.Sprint(r.at("id")) }

func (r reply) code() string { return fmt.Sprint(r.at("error", "code")) }

type http1 struct {
	testing.TB
	url string
}

func speak(t testing.TB, sim *simtest.Running) http1 {
	t.Cleanup(http.DefaultClient.CloseIdleConnections) // else the server waits for those that were never used
	return http1{t, sim.URL}
}

func (h http1) do(method, path, form, idempotencyKey, apiKey string) reply {
	h.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form)
	} else if form != "" {
		path += "?" + form
	}
	req, err := http.NewRequestWithContext(h.Context(), method, h.url+path, body)
	if err != nil {
		h.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if apiKey != "" {
		req.Header.Set("Authorization", "Bearer "+apiKey)
	}
	if idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", idempotencyKey)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		h.Fatal(err)
	}
	r := reply{status: res.StatusCode, header: res.Header, text: string(text)}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, &r.json); err != nil {
			h.Fatalf("%s: %v", text, err)
		}
	}
	return r
}

func (h http1) post(path, form string) reply {
	h.Helper()
	return h.do(http.MethodPost, path, form, "", simtest.Key)
}

func (h http1) get(path, query string) reply {
	h.Helper()
	return h.do(http.MethodGet, path, query, "", simtest.Key)
}

const manual = "amount=1000&currency=usd&capture_method=manual&confirm=true&payment_method_types[]=card&payment_method="

// held makes a hold of 10.00 USD and gives the PaymentIntent's id.
func (h http1) held(card string) string {
	h.Helper()
	r := h.post("/v1/payment_intents", manual+card)
	if r.status != 200 {
		h.Fatalf("%d %s", r.status, r.text)
	}
	return r.id()
}

func TestShapesHaveEveryFieldOfStripe(t *testing.T) {
	h := speak(t, simtest.Start(t))
	pi := h.held("pm_card_visa")
	intent := h.post("/v1/payment_intents/"+pi+"/capture", "expand[]=latest_charge")
	charge := intent.at("latest_charge").(map[string]any)
	refund := h.post("/v1/refunds", "payment_intent="+pi)
	for _, c := range []struct {
		shape any
		got   map[string]any
		spare string // internal, expandable, or only for what is not simulated
	}{
		{stripe.PaymentIntent{}, intent.json, "payment_method_configuration_details"},
		{stripe.Charge{}, charge, "authorization_code level3 refunds transfer"},
		{stripe.Refund{}, refund.json, "description failure_balance_transaction failure_reason instructions_email next_action"},
		{stripe.ChargePaymentMethodDetailsCard{}, charge["payment_method_details"].(map[string]any)["card"].(map[string]any), "description iin issuer moto"},
	} {
		shape := reflect.TypeOf(c.shape)
		for i := range shape.NumField() {
			name, _, _ := strings.Cut(shape.Field(i).Tag.Get("json"), ",")
			if _, there := c.got[name]; name != "" && name != "-" && !there && !strings.Contains(" "+c.spare+" ", " "+name+" ") {
				t.Errorf("%s has no %s", shape.Name(), name)
			}
		}
	}
	if !strings.HasPrefix(fmt.Sprint(intent.at("client_secret")), pi+"_secret_") || intent.at("livemode") != false || intent.at("object") != "payment_intent" {
		t.Errorf("intent: %s", intent.text)
	}
	if h.get("/v1/payment_intents/"+pi, "").at("latest_charge") != charge["id"] {
		t.Error("latest_charge is not an id unless expanded")
	}
}

func TestHeadersAndCredentials(t *testing.T) {
	h := speak(t, simtest.Start(t))
	r := h.do(http.MethodGet, "/v1/account", "", "", simtest.Key)
	if r.status != 200 || r.at("object") != "account" || !strings.HasPrefix(r.header.Get("Request-Id"), "req_") || r.header.Get("Stripe-Version") != "2023-10-16" {
		t.Errorf("%d %v %s", r.status, r.header, r.text)
	}
	for _, key := range []string{"", "sk_live_123", "pk_test_123", "nonsense"} {
		r := h.do(http.MethodGet, "/v1/account", "", "", key)
		if r.status != 401 || r.at("error", "type") != "invalid_request_error" || r.header.Get("WWW-Authenticate") == "" {
			t.Errorf("key %q: %d %s", key, r.status, r.text)
		}
		if key != "" && len(key) > 8 && strings.Contains(r.text, key) {
			t.Errorf("the answer repeats the key: %s", r.text)
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/v1/account", nil)
	req.SetBasicAuth(simtest.Key, "")
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("basic authentication: %v %v", res, err)
	}
	_ = res.Body.Close()
}

func TestRefusals(t *testing.T) {
	h := speak(t, simtest.Start(t))
	held, captured, canceled, refunded := h.held("pm_card_visa"), h.held("pm_card_visa"), h.held("pm_card_visa"), h.held("pm_card_visa")
	stubborn := h.held("pm_card_captureDeclined")
	for _, path := range []string{captured + "/capture", canceled + "/cancel", refunded + "/capture"} {
		if r := h.post("/v1/payment_intents/"+path, ""); r.status != 200 {
			t.Fatal(r.text)
		}
	}
	if r := h.post("/v1/refunds", "payment_intent="+refunded); r.status != 200 {
		t.Fatal(r.text)
	}
	before, err := h.journal()
	if err != nil {
		t.Fatal(err)
	}
	const pis, refunds = "/v1/payment_intents", "/v1/refunds"
	for _, c := range []struct {
		name, path, form string
		status           int
		code, param      string
		message          string // a part of it
	}{
		{"no amount", pis, "currency=usd", 400, "parameter_missing", "amount", "Missing required param: amount."},
		{"no currency", pis, "amount=100", 400, "parameter_missing", "currency", ""},
		{"amount not a number", pis, "amount=1.5&currency=usd", 400, "parameter_invalid_integer", "amount", "Invalid integer: 1.5"},
		{"amount negative", pis, "amount=-5&currency=usd", 400, "parameter_invalid_integer", "amount", ""},
		{"amount too small", pis, "amount=49&currency=usd", 400, "amount_too_small", "amount", "0.50 usd"},
		{"amount too large", pis, "amount=100000000&currency=usd", 400, "amount_too_large", "amount", "999999.99 usd"},
		{"currency unknown", pis, "amount=100&currency=xyz", 400, "<nil>", "currency", "Invalid currency: xyz"},
		{"half a króna", pis, "amount=150&currency=isk", 400, "invalid_charge_amount_no_decimal_compatible", "amount", "ISK"},
		{"third decimal", pis, "amount=1005&currency=kwd", 400, "invalid_charge_amount", "amount", "KWD"},
		{"unknown parameter", pis, "amount=100&currency=usd&nonsense=1", 400, "parameter_unknown", "nonsense", ""},
		{"unknown expansion", pis, "amount=100&currency=usd&expand[]=nonsense", 400, "<nil>", "expand", "cannot be expanded"},
		{"unknown payment method", pis, manual + "pm_card_nonsense", 400, "resource_missing", "payment_method", ""},
		{"confirm without method", pis, "amount=100&currency=usd&confirm=true", 400, "payment_intent_unexpected_state", "<nil>", "missing a payment method"},
		{"unknown intent", pis + "/pi_nonsense/capture", "", 404, "resource_missing", "intent", "No such payment_intent: 'pi_nonsense'"},
		{"unknown path", "/v1/customers", "", 404, "<nil>", "<nil>", "Unrecognized request URL"},
		{"capture too much", pis + "/" + held + "/capture", "amount_to_capture=1001", 400, "amount_too_large", "amount_to_capture", ""},
		{"capture again", pis + "/" + captured + "/capture", "", 400, "payment_intent_unexpected_state", "<nil>", "already been captured"},
		{"capture canceled", pis + "/" + canceled + "/capture", "", 400, "payment_intent_unexpected_state", "<nil>", "status of canceled"},
		{"capture declined", pis + "/" + stubborn + "/capture", "", 402, "card_declined", "<nil>", "declined"},
		{"cancel captured", pis + "/" + captured + "/cancel", "", 400, "payment_intent_unexpected_state", "<nil>", "status of succeeded"},
		{"cancel again", pis + "/" + canceled + "/cancel", "", 400, "payment_intent_unexpected_state", "<nil>", "status of canceled"},
		{"cancel for no known reason", pis + "/" + held + "/cancel", "cancellation_reason=mood", 400, "<nil>", "cancellation_reason", ""},
		{"refund of nothing", refunds, "", 400, "parameter_missing", "<nil>", "payment_intent or charge"},
		{"refund of unknown", refunds, "payment_intent=pi_nonsense", 400, "resource_missing", "payment_intent", ""},
		{"refund of a hold", refunds, "payment_intent=" + held, 400, "<nil>", "<nil>", "You must cancel the PaymentIntent"},
		{"refund of canceled", refunds, "payment_intent=" + canceled, 400, "<nil>", "payment_intent", "does not have a successful charge"},
		{"refund too much", refunds, "amount=1001&payment_intent=" + captured, 400, "<nil>", "amount", "greater than unrefunded amount"},
		{"refund again", refunds, "payment_intent=" + refunded, 400, "charge_already_refunded", "<nil>", "has already been refunded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := http1{t, h.url}.post(c.path, c.form)
			if r.status != c.status || r.code() != c.code || fmt.Sprint(r.at("error", "param")) != c.param ||
				!strings.Contains(fmt.Sprint(r.at("error", "message")), c.message) || r.at("error", "type") == nil {
				t.Errorf("%d %s", r.status, r.text)
			}
			if c.code == "payment_intent_unexpected_state" && r.at("error", "payment_intent", "object") != "payment_intent" {
				t.Errorf("the error does not show the PaymentIntent: %s", r.text)
			}
		})
	}
	if after, err := h.journal(); err != nil || len(after) != len(before) {
		t.Errorf("refused requests moved money: %v, %v", after[len(before):], err)
	}
}

// journal reads the journal over HTTP.
func (h http1) journal() ([]stripesim.Entry, error) {
	var entries []stripesim.Entry
	lines := json.NewDecoder(strings.NewReader(h.get("/_sim/journal", "").text))
	for lines.More() {
		var e stripesim.Entry
		if err := lines.Decode(&e); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func TestDeclines(t *testing.T) {
	h := speak(t, simtest.Start(t))
	for card, want := range map[string][2]string{
		"pm_card_chargeDeclined":                  {"card_declined", "generic_decline"},
		"pm_card_chargeDeclinedInsufficientFunds": {"card_declined", "insufficient_funds"},
		"pm_card_chargeDeclinedLostCard":          {"card_declined", "lost_card"},
		"pm_card_chargeDeclinedStolenCard":        {"card_declined", "stolen_card"},
		"pm_card_chargeDeclinedExpiredCard":       {"expired_card", "<nil>"},
		"pm_card_chargeDeclinedIncorrectCvc":      {"incorrect_cvc", "<nil>"},
		"pm_card_chargeDeclinedProcessingError":   {"processing_error", "<nil>"},
	} {
		r := h.post("/v1/payment_intents", manual+card)
		if r.status != 402 || r.at("error", "type") != "card_error" || r.code() != want[0] || fmt.Sprint(r.at("error", "decline_code")) != want[1] ||
			r.at("error", "payment_intent", "status") != "requires_payment_method" {
			t.Errorf("%s: %d %s", card, r.status, r.text)
		}
		charge := h.get("/v1/charges/"+fmt.Sprint(r.at("error", "charge")), "")
		if charge.at("status") != "failed" || charge.at("paid") != false || charge.at("failure_code") != want[0] {
			t.Errorf("%s: %s", card, charge.text)
		}
		again := h.get("/v1/payment_intents/"+fmt.Sprint(r.at("error", "payment_intent", "id")), "")
		if again.at("last_payment_error", "code") != want[0] {
			t.Errorf("%s: %s", card, again.text)
		}
		if r := h.post("/v1/payment_intents/"+again.id()+"/cancel", ""); r.at("status") != "canceled" {
			t.Errorf("a declined intent can't be canceled: %s", r.text)
		}
	}
	if entries, err := h.journal(); err != nil || len(entries) != 0 {
		t.Errorf("declines moved money: %v, %v", entries, err)
	}
}

func TestPartialCaptureReleasesTheRest(t *testing.T) {
	sim := simtest.Start(t)
	h := speak(t, sim)
	pi := h.held("pm_card_visa")
	r := h.post("/v1/payment_intents/"+pi+"/capture", "amount_to_capture=400&expand[]=latest_charge")
	if r.at("amount_received") != 400.0 || r.at("latest_charge", "amount_refunded") != 600.0 || r.at("latest_charge", "refunded") != false {
		t.Fatal(r.text)
	}
	if r := h.post("/v1/refunds", "amount=150&payment_intent="+pi); r.at("amount") != 150.0 {
		t.Fatal(r.text)
	}
	if r := h.post("/v1/refunds", "charge="+strings.Replace(pi, "pi_", "ch_", 1)); r.at("amount") != 250.0 {
		t.Fatal(r.text)
	}
	totals, err := sim.Sim.Totals(t.Context())
	if got := totals[pi]; err != nil || got.Captured != 400 || got.Released != 600 || got.Refunded != 400 || got.Refunds != 2 || got.Held() != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestHoldsEnd(t *testing.T) {
	var now atomic.Pointer[time.Time]
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now.Store(&start)
	sim := simtest.Start(t, stripesim.WithClock(func() time.Time { return *now.Load() }))
	h := speak(t, sim)
	pi, taken := h.held("pm_card_visa"), h.held("pm_card_visa")
	h.post("/v1/payment_intents/"+taken+"/capture", "")
	end := start.Add(7 * 24 * time.Hour)
	read, err := sim.Payments.Read(t.Context(), pi)
	if err != nil || !read.CaptureBefore.Equal(end) {
		t.Fatalf("%+v, %v", read, err)
	}
	last := end.Add(-time.Second)
	now.Store(&last)
	if r := h.get("/v1/payment_intents/"+pi, ""); r.at("status") != "requires_capture" {
		t.Fatalf("ended early: %s", r.text)
	}
	late := end.Add(time.Hour)
	now.Store(&late)
	if r := h.post("/v1/payment_intents/"+pi+"/capture", ""); r.code() != "payment_intent_unexpected_state" || r.at("error", "payment_intent", "status") != "canceled" {
		t.Fatal(r.text)
	}
	r := h.get("/v1/payment_intents/"+pi, "expand[]=latest_charge")
	if r.at("cancellation_reason") != "automatic" || r.at("canceled_at") != float64(end.Unix()) || r.at("latest_charge", "refunded") != true {
		t.Fatal(r.text)
	}
	if r := h.get("/v1/payment_intents/"+taken, ""); r.at("status") != "succeeded" {
		t.Fatal(r.text)
	}
	totals, err := sim.Sim.Totals(t.Context())
	if got := totals[pi]; err != nil || got.Expired != 1000 || got.Captured != 0 || got.Held() != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRefundsThatSettleLater(t *testing.T) {
	sim := simtest.Start(t)
	h := speak(t, sim)
	for _, c := range []struct {
		card, begins, ends string
		refunded           int64
	}{
		{"pm_card_pendingRefund", "pending", "succeeded", 1000},
		{"pm_card_refundFail", "succeeded", "failed", 0},
		{"pm_card_visa", "succeeded", "succeeded", 1000},
	} {
		pi := h.held(c.card)
		h.post("/v1/payment_intents/"+pi+"/capture", "")
		r := h.post("/v1/refunds", "payment_intent="+pi)
		if r.at("status") != c.begins {
			t.Fatal(r.text)
		}
		for range 2 { // settling again changes nothing
			if err := sim.Sim.SettleRefund(t.Context(), r.id()); err != nil {
				t.Fatal(err)
			}
		}
		read, err := sim.Payments.Read(t.Context(), pi)
		if err != nil || len(read.Refunds) != 1 || read.Refunds[0].Status != c.ends || (c.ends == "failed") != (read.Refunds[0].FailureReason != "") {
			t.Errorf("%s: %+v, %v", c.card, read.Refunds, err)
		}
		totals, err := sim.Sim.Totals(t.Context())
		if err != nil || totals[pi].Refunded != c.refunded {
			t.Errorf("%s: %+v, %v", c.card, totals[pi], err)
		}
	}
	if err := sim.Sim.SettleRefund(t.Context(), "re_nonsense"); err == nil {
		t.Error("settled a refund that does not exist")
	}
}

func TestMetadata(t *testing.T) {
	h := speak(t, simtest.Start(t))
	r := h.post("/v1/payment_intents", manual+"pm_card_visa&metadata[order_id]=o-1&metadata[a]=1")
	pi := r.id()
	r = h.post("/v1/payment_intents/"+pi, "metadata[a]=&metadata[b]=2")
	if got := fmt.Sprint(r.at("metadata")); got != "map[b:2 order_id:o-1]" {
		t.Errorf("metadata: %s", got)
	}
	r = h.post("/v1/payment_intents/"+pi, "metadata[b]="+strings.Repeat("x", 501))
	if r.status != 400 {
		t.Errorf("a long value was taken: %d", r.status)
	}
	if r = h.post("/v1/payment_intents/"+pi, "metadata="); fmt.Sprint(r.at("metadata")) != "map[]" {
		t.Errorf("metadata: %s", r.text)
	}
}
