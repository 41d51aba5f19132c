package stripesim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/client"
	"github.com/stripe/stripe-mock/embedded"
	"github.com/stripe/stripe-mock/server"
	"github.com/stripe/stripe-mock/spec"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
)

// differences are all that is allowed to be other than Stripe's description says, which is of version 2024-04-10 while the
// ledger and the simulator speak 2023-10-16. Each must be met: else it goes.
var differences = map[string]string{
	// Stripe answers these in 2023-10-16, all but dispute with null in what is simulated, and has never described them.
	"payment_intent.source": "as it answers",
	"charge.destination":    "as it answers",
	"charge.dispute":        "as it answers",
	"charge.order":          "as it answers",
	"charge.source":         "as it answers",
}

// laterEvents are sent for endpoints of any version, since Stripe made them: after the description.
var laterEvents = []string{"refund.failed"}

// contract stands between clients and the simulator. It lets stripe-mock validate every request, and compares every answer with the
// description.
type contract struct {
	testing.TB
	next http.RoundTripper
	mock *server.StubServer
	*checker
	spec  *spec.Spec
	asked map[string]bool // "GET /v1/refunds 200"
	shown map[string]bool // "refund failed": an object and its status
}

func newContract(t *testing.T, next http.RoundTripper) *contract {
	t.Helper()
	d := described(t)
	fixtures, err := server.LoadFixtures(embedded.OpenAPIFixtures, "")
	must(t, err)
	mock, err := server.NewStubServer(fixtures, d, false, false)
	must(t, err)
	allowed := map[string]bool{}
	for name := range differences {
		allowed[name] = true
	}
	return &contract{
		TB: t, next: next, mock: mock, spec: d, asked: map[string]bool{}, shown: map[string]bool{},
		checker: &checker{components: d.Components.Schemas, allowed: allowed, met: map[string]bool{}},
	}
}

func (c *contract) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	with := func(r *http.Request) *http.Request {
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
		return r
	}
	if problem := c.refuses(with(r)); problem != "" {
		c.Errorf("%s %s is not a request that Stripe takes: %s", r.Method, r.URL, problem)
	}
	res, err := c.next.RoundTrip(with(r))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	c.compare(r, res.StatusCode, body)
	return res, nil
}

// refuses gives what stripe-mock has against a request.
func (c *contract) refuses(r *http.Request) string {
	w := httptest.NewRecorder()
	c.mock.HandleRequest(w, r)
	if w.Code == http.StatusOK {
		return ""
	}
	return w.Body.String()
}

func TestTheContractFindsBadRequests(t *testing.T) {
	c := newContract(t, nil)
	for form, good := range map[string]bool{
		"amount=100&currency=usd":                              true,
		"amount=100":                                           false,
		"amount=much&currency=usd":                             false,
		"amount=100&currency=usd&nonsense=1":                   false,
		"amount=100&currency=usd&capture_method=nonsense":      false,
		"amount=100&currency=usd&payment_method_types[0]=card": true,
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/payment_intents", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer sk_test_contract")
		if problem := c.refuses(r); good != (problem == "") {
			t.Errorf("%s: %s", form, problem)
		}
	}
}

var pathParameter = regexp.MustCompile(`\{\w+\}`)

// operation finds the operation that a request is.
func (c *contract) operation(r *http.Request) (path string, o *spec.Operation) {
	for _, path := range slices.Sorted(maps.Keys(c.spec.Paths)) {
		pattern := "^" + pathParameter.ReplaceAllString(string(path), `[^/]+`) + "$"
		if o := c.spec.Paths[path][spec.HTTPVerb(strings.ToLower(r.Method))]; o != nil && regexp.MustCompile(pattern).MatchString(r.URL.Path) {
			return string(path), o
		}
	}
	c.Fatalf("%s %s is not in the description", r.Method, r.URL.Path)
	return "", nil
}

// compare looks at an answer.
func (c *contract) compare(r *http.Request, status int, body []byte) {
	path, o := c.operation(r)
	c.asked[r.Method+" "+path+" "+strconv.Itoa(status)] = true
	response := o.Responses["default"]
	if status == http.StatusOK {
		response = o.Responses["200"]
	}
	var v any
	must(c, json.Unmarshal(body, &v))
	for _, problem := range c.check("answer", response.Content["application/json"].Schema, v) {
		c.Errorf("%s %s %d: %s", r.Method, path, status, problem)
	}
	c.note(v)
}

// note remembers which objects were seen, however deep.
func (c *contract) note(v any) {
	switch v := v.(type) {
	case map[string]any:
		if kind, ok := v["object"].(string); ok {
			status, _ := v["status"].(string)
			c.shown[strings.TrimSpace(kind+" "+status)] = true
		}
		for _, member := range v {
			c.note(member)
		}
	case []any:
		for _, item := range v {
			c.note(item)
		}
	}
}

// event compares an event's object with the schema of what its type is about, and its type with Stripe's.
func (c *contract) event(body []byte) {
	var e struct {
		Type string
		Data struct{ Object map[string]any }
	}
	must(c, json.Unmarshal(body, &e))
	var v any
	must(c, json.Unmarshal(body, &v))
	problems := c.check("event", c.components["event"], v)
	kind, _ := e.Data.Object["object"].(string)
	problems = append(problems, c.check("object", &spec.Schema{Ref: "#/components/schemas/" + kind}, e.Data.Object)...)
	for _, problem := range problems {
		c.Errorf("%s: %s", e.Type, problem)
	}
	content := c.spec.Paths[webhookEndpoints]["post"].RequestBody.Content["application/x-www-form-urlencoded"]
	if !slices.Contains(content.Schema.Properties["enabled_events"].Items.Enum, any(e.Type)) && !slices.Contains(laterEvents, e.Type) {
		c.Errorf("%s is not a type of event", e.Type)
	}
	c.shown[e.Type] = true
	c.note(v)
}

// client is a client of the ledger's whose requests are compared.
func (c *contract) client() *stripepay.Client {
	payments, err := stripepay.New(stripepay.Config{
		Mode: stripepay.Sandbox, Key: "sk_test_contract", URL: "http://stripe.invalid", Transport: c,
	})
	must(c, err)
	return payments
}

// What the ledger's client sends and what the simulator answers is as Stripe itself describes it.
func TestAgainstStripesOwnDescription(t *testing.T) {
	clock := newDial()
	sim, _ := inProcess(t, stripesim.WithClock(clock.now), quick)
	c := newContract(t, sim.Transport())
	payments := c.client()
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String("http://stripe.invalid"), HTTPClient: &http.Client{Transport: c}, MaxNetworkRetries: stripe.Int64(0),
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	api := client.New("sk_test_contract", &stripe.Backends{API: backend, Connect: backend, Uploads: backend})

	lives(t, payments, clock)
	others(t, api, sim)
	faulty(t, c, sim)

	pending, err := sim.Pending(t.Context(), 1000)
	must(t, err)
	for _, d := range pending {
		c.event(d.Body)
	}
	for _, want := range everything {
		if !c.asked[want] && !c.shown[want] {
			t.Errorf("never seen: %s", want)
		}
	}
	for name := range differences {
		if !c.met[name] {
			t.Errorf("the difference %s is none any more", name)
		}
	}
}

// lives takes payments through all that the ledger's client does, and all that happens by itself.
func lives(t *testing.T, payments *stripepay.Client, clock *dial) {
	ctx, n := t.Context(), 0
	request := func(pi string) commands.PaymentRequest {
		n++
		return commands.PaymentRequest{
			Key: "k" + strconv.Itoa(n), OrderID: "o", Request: "r", PaymentIntent: pi, Amount: 1000, Currency: "USD",
		}
	}
	read := func(pi string) {
		if _, err := payments.Read(ctx, pi); err != nil {
			t.Error(err)
		}
	}
	hold := func(card string) string {
		pi, err := payments.Authorize(ctx, request(""), card)
		must(t, err)
		read(pi.ID)
		return pi.ID
	}
	hold("pm_card_visa") // and its time runs out
	must(t, first(payments.Release(ctx, request(hold("pm_card_visa")))))
	for _, card := range []string{
		"pm_card_visa", "pm_card_pendingRefundFailLater", "pm_card_createDispute", "pm_card_createDisputeProductNotReceived",
		"pm_card_createDisputeInquiry",
	} {
		pi := hold(card)
		must(t, first(payments.Capture(ctx, request(pi))))
		read(pi)
		if !strings.Contains(card, "Dispute") {
			must(t, first(payments.Refund(ctx, request(pi))))
			read(pi)
		}
		for range 4 {
			clock.pass(time.Hour)
			read(pi)
		}
	}
	for range 8 {
		clock.pass(24 * time.Hour)
		if lists, ok := any(payments).(commands.PaymentLists); ok {
			list(t, lists)
		}
	}
	for card, refused := range map[string]func(commands.PaymentRequest) error{
		"pm_card_chargeDeclinedInsufficientFunds": func(r commands.PaymentRequest) error {
			return first(payments.Authorize(ctx, r, "pm_card_chargeDeclinedInsufficientFunds"))
		},
		"pm_card_captureDeclined": func(r commands.PaymentRequest) error {
			r.PaymentIntent = hold("pm_card_captureDeclined")
			return first(payments.Capture(ctx, r))
		},
		"pm_card_visa": func(r commands.PaymentRequest) error {
			r.PaymentIntent = hold("pm_card_visa")
			return first(payments.Refund(ctx, r))
		},
	} {
		if err := refused(request("")); err == nil {
			t.Errorf("%s was not refused", card)
		}
	}
}

// list reads all that the ledger's sweeps read.
func list(t *testing.T, lists commands.PaymentLists) {
	for _, err := range lists.Intents(t.Context(), aprilFirst) {
		must(t, err)
	}
	for _, err := range lists.Refunds(t.Context(), aprilFirst) {
		must(t, err)
	}
	for _, err := range lists.Disputes(t.Context(), aprilFirst) {
		must(t, err)
	}
	for _, err := range lists.Undelivered(t.Context(), aprilFirst) {
		must(t, err)
	}
}

// others asks for the rest of what is served, with Stripe's own client.
func others(t *testing.T, api *client.API, sim *stripesim.Sim) {
	ctx, outside := t.Context(), sim.Dashboard()
	since := &stripe.RangeQueryParams{GreaterThanOrEqual: aprilFirst.Unix()}
	limit := stripe.ListParams{Limit: stripe.Int64(2)}
	expand := func(names ...string) []*string { return stripe.StringSlice(names) }

	must(t, first(api.Accounts.Get()))
	intents := &stripe.PaymentIntentListParams{ListParams: limit, CreatedRange: since, Expand: expand("data.latest_charge")}
	each(t, api.PaymentIntents.List(intents))
	charges := &stripe.ChargeListParams{ListParams: limit, CreatedRange: since, Expand: expand("data.payment_intent")}
	each(t, api.Charges.List(charges))
	refunds := &stripe.RefundListParams{ListParams: limit, CreatedRange: since, Expand: expand("data.charge")}
	each(t, api.Refunds.List(refunds))
	disputes := &stripe.DisputeListParams{ListParams: limit, CreatedRange: since, Expand: expand("data.charge", "data.payment_intent")}
	each(t, api.Disputes.List(disputes))
	events := &stripe.EventListParams{ListParams: limit, CreatedRange: since, DeliverySuccess: stripe.Bool(false), Types: stripe.StringSlice([]string{"charge.captured", "refund.created"})}
	each(t, api.Events.List(events))
	each(t, api.Events.List(&stripe.EventListParams{ListParams: limit, Type: stripe.String("charge.refunded")}))

	pending, err := sim.Pending(ctx, 1)
	must(t, err)
	must(t, first(api.Events.Get(pending[0].Event, nil)))

	pi, err := api.PaymentIntents.New(&stripe.PaymentIntentParams{
		Amount: stripe.Int64(500), Currency: stripe.String("usd"), Confirm: stripe.Bool(true), PaymentMethod: stripe.String("pm_card_visa"),
		PaymentMethodTypes: expand("card"),
	})
	must(t, err)
	must(t, first(api.PaymentIntents.Update(pi.ID, &stripe.PaymentIntentParams{Metadata: map[string]string{"a": "1"}})))
	must(t, first(api.Charges.Get(pi.LatestCharge.ID, &stripe.ChargeParams{Expand: expand("payment_intent")})))
	refund, err := outside.Refund(ctx, pi.ID, 100)
	must(t, err)
	for _, status := range []string{"requires_action", "canceled"} {
		must(t, outside.SetRefund(ctx, refund, status))
		must(t, first(api.Refunds.Get(refund, &stripe.RefundParams{Expand: expand("charge", "payment_intent")})))
	}
	dispute, err := outside.OpenDispute(ctx, pi.ID, 0, "general")
	must(t, err)
	must(t, first(api.Disputes.Get(dispute, &stripe.DisputeParams{Expand: expand("charge", "payment_intent")})))
	must(t, first(api.Disputes.Update(dispute, &stripe.DisputeParams{
		Evidence: &stripe.DisputeEvidenceParams{UncategorizedText: stripe.String("they have it")}, Submit: stripe.Bool(true),
	})))
	must(t, first(api.Disputes.Close(dispute, nil)))

	unconfirmed, err := api.PaymentIntents.New(&stripe.PaymentIntentParams{
		Amount: stripe.Int64(500), Currency: stripe.String("usd"), PaymentMethod: stripe.String("pm_card_visa"),
	})
	must(t, err)
	must(t, first(api.PaymentIntents.Cancel(unconfirmed.ID, &stripe.PaymentIntentCancelParams{CancellationReason: stripe.String("abandoned")})))
	must(t, first(api.PaymentIntents.New(&stripe.PaymentIntentParams{Amount: stripe.Int64(500), Currency: stripe.String("usd")})))
}

// each reads every page.
func each(t *testing.T, pages interface {
	Next() bool
	Err() error
},
) {
	t.Helper()
	n := 0
	for pages.Next() {
		n++
	}
	if pages.Err() != nil || n < 2 {
		t.Errorf("%d listed, %v", n, pages.Err())
	}
}

// faulty sees every answer that is not what was asked for.
func faulty(t *testing.T, c *contract, sim *stripesim.Sim) {
	for _, kind := range []stripesim.Kind{
		stripesim.ErrorBefore, stripesim.ErrorAfter, stripesim.RateLimited, stripesim.Unauthorized, stripesim.Forbidden, stripesim.KeyInUse,
	} {
		sim.Fail(func(stripesim.Request) stripesim.Fault { return stripesim.Fault{Kind: kind} })
		r := commands.PaymentRequest{Key: "fault" + strconv.Itoa(int(kind)), OrderID: "o", Amount: 1000, Currency: "USD"}
		if _, err := c.client().Authorize(t.Context(), r, "pm_card_visa"); err == nil { // one that was refused asks nobody for a while
			t.Errorf("%v: no fault", kind)
		}
	}
	sim.Fail(nil)
	if _, err := c.client().Read(t.Context(), "pi_nonsense"); err == nil {
		t.Error("read nothing")
	}
}

// everything must have been seen: each kind of request with each status, each object in each of its statuses, each type of event.
var everything = []string{
	"GET /v1/account 200", "GET /v1/payment_intents 200", "GET /v1/payment_intents/{intent} 200", "GET /v1/payment_intents/{intent} 404",
	"POST /v1/payment_intents 200", "POST /v1/payment_intents 401", "POST /v1/payment_intents 402", "POST /v1/payment_intents 403",
	"POST /v1/payment_intents 409", "POST /v1/payment_intents 429", "POST /v1/payment_intents 500", "POST /v1/payment_intents/{intent} 200",
	"POST /v1/payment_intents/{intent}/capture 200", "POST /v1/payment_intents/{intent}/capture 402",
	"POST /v1/payment_intents/{intent}/cancel 200", "GET /v1/charges 200", "GET /v1/charges/{charge} 200", "POST /v1/refunds 200",
	"POST /v1/refunds 400", "GET /v1/refunds 200", "GET /v1/refunds/{refund} 200", "GET /v1/disputes 200", "GET /v1/disputes/{dispute} 200",
	"POST /v1/disputes/{dispute} 200", "POST /v1/disputes/{dispute}/close 200", "GET /v1/events 200", "GET /v1/events/{id} 200",

	"payment_intent requires_payment_method", "payment_intent requires_confirmation", "payment_intent requires_capture",
	"payment_intent succeeded", "payment_intent canceled", "charge succeeded", "charge failed", "refund pending",
	"refund requires_action", "refund succeeded", "refund failed", "refund canceled", "dispute needs_response", "dispute under_review",
	"dispute won", "dispute lost", "dispute warning_needs_response", "dispute warning_under_review", "dispute warning_closed", "list", "event",

	"payment_intent.created", "payment_intent.amount_capturable_updated", "payment_intent.succeeded", "payment_intent.canceled",
	"payment_intent.payment_failed", "charge.succeeded", "charge.captured", "charge.expired", "charge.failed", "charge.refunded",
	"charge.refund.updated", "refund.created", "refund.updated", "refund.failed", "charge.dispute.created", "charge.dispute.updated",
	"charge.dispute.closed", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
}
