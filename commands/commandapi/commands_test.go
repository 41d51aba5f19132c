package commandapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

const nobody = "/v1/orders/11111111-2222-5333-8444-555555555555"

func TestOrderIsPlacedAndPlacedAgain(t *testing.T) {
	e := newEnv(t)
	first := e.post("/v1/orders", order("10248", "card"), "Idempotency-Key", "k1")
	v := first.view(t)
	id := domain.OrderID("northwind", "10248")
	if first.StatusCode != http.StatusCreated || v.ID != id || v.Tab != domain.TabNew || v.Version != 1 {
		t.Fatalf("placed: %d %s", first.StatusCode, first.body)
	}
	if got := first.Header; got.Get("ETag") != `"1"` || got.Get("Location") != "/v1/orders/"+id.String() ||
		got.Get("Ledger-Position") == "" || got.Get("Idempotent-Replayed") != "" {
		t.Fatalf("headers: %v", got)
	}
	head := e.head()
	e.post("/v1/orders/"+id.String()+"/accept", "").want(t, http.StatusOK, "")
	for name, key := range map[string]string{"the same key": "k1", "another key": "k2"} {
		again := e.post("/v1/orders", order("10248", "card"), "Idempotency-Key", key)
		if again.StatusCode != http.StatusCreated || again.Header.Get("Idempotent-Replayed") != "true" || string(again.body) != string(first.body) {
			t.Errorf("%s: %d %v %s", name, again.StatusCode, again.Header, again.body)
		}
	}
	if e.head() != head+3 { // accepted, and k2 is kept
		t.Errorf("head %d, want %d", e.head(), head+3)
	}
	other := order("10248", "card", func(m map[string]any) { m["shipping_method"] = "another" })
	e.post("/v1/orders", other).want(t, http.StatusConflict, "order_exists")
	e.post("/v1/orders", other, "Idempotency-Key", "k1").want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
}

func TestRepeatedCommandIsAnsweredAsTheFirstTimeAfterARestart(t *testing.T) {
	e := newEnv(t)
	v := e.place("1", "account")
	first := e.post(path(v, domain.VerbNote), `{"text":"call first"}`, "Idempotency-Key", "note")
	e.post(path(v, domain.VerbAccept), "").want(t, http.StatusOK, "")
	e.server.Close()
	e.start()
	head := e.head()
	again := e.post(path(v, domain.VerbNote), `{"text":"call first"}`, "Idempotency-Key", "note")
	if string(again.body) != string(first.body) || again.Header.Get("Idempotent-Replayed") != "true" || again.StatusCode != first.StatusCode {
		t.Errorf("again: %d %v %s", again.StatusCode, again.Header, again.body)
	}
	e.post(path(v, domain.VerbNote), `{"text":"another"}`, "Idempotency-Key", "note").want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	if e.head() != head {
		t.Error("a repeated request moved the head")
	}
}

// A clerk's unarchive finds nothing to do; a colleague archives; the clerk's program, which missed the answer, asks again.
func TestCommandThatChangedNothingIsAnsweredAsTheFirstTime(t *testing.T) {
	e := newEnv(t)
	v := e.place("1", "account")
	e.post(path(v, domain.VerbCancel), "", "If-Match", `"1"`).want(t, http.StatusOK, "")
	first := e.post(path(v, domain.VerbUnarchive), "", "Idempotency-Key", "U1")
	e.post(path(v, domain.VerbArchive), "").want(t, http.StatusOK, "")
	again := e.post(path(v, domain.VerbUnarchive), "", "Idempotency-Key", "U1")
	if again.StatusCode != http.StatusOK || string(again.body) != string(first.body) || again.Header.Get("Idempotent-Replayed") != "true" ||
		again.Header.Get("Ledger-Position") != first.Header.Get("Ledger-Position") || first.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("first: %v %s\nagain: %d %v %s", first.Header, first.body, again.StatusCode, again.Header, again.body)
	}
	e.post(path(v, domain.VerbAccept), "", "Idempotency-Key", "U1").want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	if now := e.post(path(v, domain.VerbNote), `{"text":"x"}`).view(t); now.Tab != domain.TabArchived {
		t.Errorf("the order is in %s", now.Tab)
	}
}

// A key is an actor's; of an act it is the order's, too. A placement's key places one order, and is used up on it.
func TestWhatAKeyBelongsTo(t *testing.T) {
	e := newEnv(t)
	v := e.post("/v1/orders", order("1", "account"), "Idempotency-Key", "k").view(t)
	e.post("/v1/orders", order("2", "account"), "Idempotency-Key", "k").want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	e.post(path(v, domain.VerbAccept), "", "Idempotency-Key", "k").want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	other := e.place("2", "account")
	for range 2 {
		e.post(path(other, domain.VerbAccept), "", "Idempotency-Key", "k").want(t, http.StatusOK, "")
	}
	manager := e.token("manager", domain.Manager)
	e.post(path(v, domain.VerbAccept), "", "Idempotency-Key", "k", "Authorization", manager).want(t, http.StatusOK, "")
}

func TestAccountOrderGoesThroughAllItsTabs(t *testing.T) {
	e := newEnv(t)
	v := e.accepted("1", "account")
	for _, step := range []struct {
		verb    domain.Verb
		body    string
		version string
		tab     domain.Tab
	}{
		{domain.VerbCapture, `{"external_reference":"INV-1"}`, `"2"`, domain.TabPaid},
		{domain.VerbShip, `{"tracking":[{"carrier":"ups","number":"1Z1"}]}`, `"3"`, domain.TabShipped},
		{domain.VerbTracking, `{"tracking":[{"carrier":"ups","number":"1Z2"}]}`, "", domain.TabShipped},
		{domain.VerbRefund, `{"reason":"broken"}`, `"5"`, domain.TabRefunded},
		{domain.VerbReversal, `{"external_reference":"CR-1"}`, "", domain.TabRefunded},
		{domain.VerbArchive, ``, "", domain.TabArchived},
		{domain.VerbUnarchive, `{}`, "", domain.TabRefunded},
	} {
		r := e.post(path(v, step.verb), step.body, "If-Match", step.version)
		if got := r.view(t); got.Tab != step.tab || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d, tab %s, want %s", step.verb, r.StatusCode, got.Tab, step.tab)
		}
	}
}

func TestReauthorizeReplacesALostHold(t *testing.T) {
	e := newEnv(t)
	v := e.accepted("1", "card")
	e.post(path(v, domain.VerbReauthorize), "").want(t, http.StatusConflict, "authorization_alive")
	e.record(v.ID, domain.RecordAuthorizationExpired{PaymentIntent: "pi_1", Answer: domain.Answer{Source: "stripe"}})
	e.post(path(v, domain.VerbCapture), "", "If-Match", `"3"`).want(t, http.StatusConflict, "authorization_expired")
	r := e.post(path(v, domain.VerbReauthorize), `{"payment_intent":"pi_9"}`)
	if got := r.view(t); got.Payment.PaymentIntent == nil || *got.Payment.PaymentIntent != "pi_9" || got.Payment.State != domain.Authorized {
		t.Errorf("reauthorized: %s", r.body)
	}
}

func TestParkedOperationIsResumed(t *testing.T) {
	e := newEnv(t)
	v := e.accepted("1", "card")
	e.post(path(v, domain.VerbResume), `{"decision":"retry"}`).want(t, http.StatusConflict, "not_parked")
	pending := e.post(path(v, domain.VerbCapture), "", "If-Match", `"2"`)
	pending.want(t, http.StatusAccepted, "")
	e.record(v.ID, domain.Park{Request: e.lastEvent(v.ID), Reason: "no answer", Attempts: 3})
	e.post(path(v, domain.VerbResume), `{"decision":"sometimes"}`).want(t, http.StatusUnprocessableEntity, "bad_value")
	e.post(path(v, domain.VerbResume), `{"decision":"adopt"}`).want(t, http.StatusUnprocessableEntity, "evidence_required")
	e.post(path(v, domain.VerbResume), `{"decision":"settle"}`).want(t, http.StatusUnprocessableEntity, "external_reference_required")
	e.post(path(v, domain.VerbResume), `{"decision":"retry","reference":"wire 1"}`).want(t, http.StatusUnprocessableEntity, "bad_value")
	e.post(path(v, domain.VerbResume), `{"decision":"settle","reference":"`+strings.Repeat("x", 201)+`"}`).want(t, http.StatusUnprocessableEntity, "too_long")
	e.post(path(v, domain.VerbResume), `{"decision":"retry"}`, "If-Match", `"3"`).want(t, http.StatusPreconditionFailed, "version_stale")
	r := e.post(path(v, domain.VerbResume), `{"decision":"settle","reference":" wire 1 ","evidence":"seen at the bank"}`, "If-Match", `"4"`)
	r.want(t, http.StatusAccepted, "")
	if got := r.view(t); got.Parked != nil || got.Pending == nil || got.Version != 5 {
		t.Errorf("decided: %s", r.body)
	}
	e.record(v.ID, domain.RecordCaptured{
		PaymentIntent: "pi_1", Amount: v.Total, Currency: v.Currency,
		Answer: domain.Answer{Request: e.lastEvent(v.ID), Source: domain.FromElsewhere, Reference: "wire 1"},
	})
	note := e.post(path(v, domain.VerbNote), `{"text":"paid by wire"}`).view(t)
	if p := note.Payment; note.Tab != domain.TabPaid || p.Reference == nil || *p.Reference != "wire 1" || p.AmountCaptured == nil || *p.AmountCaptured != v.Total {
		t.Errorf("settled: %+v", note)
	}
}

// Who waits for the provider's answer is answered when there is none to wait for.
func TestPreferWaitEndsWhenTheOperationIsParked(t *testing.T) {
	e := newEnv(t)
	v := e.accepted("1", "card")
	capture := func() reply {
		return e.post(path(v, domain.VerbCapture), "", "If-Match", `"2"`, "Prefer", "wait=30", "Idempotency-Key", "k")
	}
	e.post(path(v, domain.VerbCapture), "", "If-Match", `"2"`, "Idempotency-Key", "k").want(t, http.StatusAccepted, "")
	e.record(v.ID, domain.Park{Request: e.lastEvent(v.ID), Reason: "no answer", Attempts: 3, StripeRequests: []string{"req_1"}})
	r := capture()
	r.want(t, http.StatusAccepted, "")
	p := r.view(t).Parked
	if p == nil || p.Act != domain.ActCapture || p.Reason != "no answer" || p.Attempts != 3 || len(p.Decisions) != 4 || p.StripeRequests[0] != "req_1" {
		t.Errorf("parked: %s", r.body)
	}
}

// record carries a command of the ledger itself out, beside the server.
func (e *env) record(id uuid.UUID, c domain.Command) {
	e.t.Helper()
	_, err := e.handler.Handle(e.t.Context(), commands.Request{
		OrderID: id, Command: c, CommandID: uuid.New(), Actor: domain.Actor{ID: "saga", Role: domain.System, Via: domain.ViaSaga},
	})
	if err != nil {
		e.t.Fatalf("record %s: %v", c.CommandName(), err)
	}
}

func (e *env) lastEvent(id uuid.UUID) (last uuid.UUID) {
	e.t.Helper()
	for r, err := range e.log.ReadStream(e.t.Context(), eventstore.OrderStream(id), eventstore.NoStream) {
		if err != nil {
			e.t.Fatal(err)
		}
		last = r.ID
	}
	return last
}

func TestVersionMustBeTheCurrentOne(t *testing.T) {
	e := newEnv(t)
	v := e.accepted("1", "account")
	head := e.head()
	for _, verb := range []domain.Verb{domain.VerbCapture, domain.VerbShip, domain.VerbRefund, domain.VerbCancel} {
		e.post(path(v, verb), "").want(t, http.StatusPreconditionRequired, "version_required")
		e.post(path(v, verb), "", "If-Match", `"1"`).want(t, http.StatusPreconditionFailed, "version_stale")
		for _, bad := range []string{"*", "2", `W/"2"`, `"2", "3"`, `"two"`, `"-2"`, `"02"`, `""`, `"99999999999999999999"`} {
			e.post(path(v, verb), "", "If-Match", bad).want(t, http.StatusBadRequest, "bad_if_match")
		}
	}
	e.post(path(v, domain.VerbNote), `{"text":"x"}`, "If-Match", `"1"`).want(t, http.StatusPreconditionFailed, "version_stale")
	e.post(path(v, domain.VerbAccept), "", "If-Match", "*").want(t, http.StatusBadRequest, "bad_if_match")
	if e.head() != head {
		t.Error("a refused version moved the head")
	}
	e.post(path(v, domain.VerbNote), `{"text":"x"}`, "If-Match", `"2"`).want(t, http.StatusOK, "")
}

func TestPreferWaitAnswersWhenTheProviderDid(t *testing.T) {
	e := newEnv(t)
	waiting := make(chan struct{})
	answered := make(chan struct{})
	e.server.Close()
	e.await = func(ctx context.Context, _ uuid.UUID, _ int) error {
		close(waiting) // a second wait would be one too many
		select {
		case <-answered:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e.start()
	v := e.accepted("1", "card")
	request := e.request(path(v, domain.VerbCapture), "", "If-Match", `"2"`, "Prefer", "respond-async, wait=20", "Idempotency-Key", "k")
	got := make(chan reply)
	go func() { got <- e.do(request) }()
	<-waiting
	asked := e.lastEvent(v.ID)
	e.record(v.ID, domain.RecordCaptured{
		PaymentIntent: "pi_1", Charge: "ch_1", Amount: 1200, Currency: "USD", Answer: domain.Answer{Request: asked},
	})
	close(answered)
	first := <-got
	if v := first.view(t); first.StatusCode != http.StatusOK || v.Tab != domain.TabPaid || v.Version != 4 {
		t.Fatalf("answer: %d %s", first.StatusCode, first.body)
	}
	if first.Header.Get("Preference-Applied") != "wait=20" || first.Header.Get("ETag") != `"4"` {
		t.Errorf("headers: %v", first.Header)
	}
	e.post(path(v, domain.VerbNote), `{"text":"later"}`).want(t, http.StatusOK, "")
	again := e.post(path(v, domain.VerbCapture), "", "If-Match", `"2"`, "Prefer", "wait=20", "Idempotency-Key", "k")
	if string(again.body) != string(first.body) || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %d %v %s", again.StatusCode, again.Header, again.body)
	}
	impatient := e.post(path(v, domain.VerbCapture), "", "If-Match", `"2"`, "Idempotency-Key", "k")
	if impatient.StatusCode != http.StatusAccepted || impatient.view(t).Version != 3 {
		t.Errorf("without waiting: %d %s", impatient.StatusCode, impatient.body)
	}
}

func TestPreferWaitGivesUpWhenTheTimeIsUp(t *testing.T) {
	e := newEnv(t)
	v := e.accepted("1", "card")
	r := e.post(path(v, domain.VerbShip), "", "If-Match", `"2"`, "Prefer", "wait=1")
	if got := r.view(t); r.StatusCode != http.StatusAccepted || got.Pending == nil || *got.Pending != domain.ActShip {
		t.Errorf("answer: %d %s", r.StatusCode, r.body)
	}
}

func TestLogThatCannotBeReachedIsSaidSo(t *testing.T) {
	e := newEnv(t)
	v := e.place("1", "account")
	if err := e.log.Close(); err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]string{path(v, domain.VerbAccept): "", "/v1/orders": order("2", "account")} {
		r := e.post(path, body)
		r.want(t, http.StatusServiceUnavailable, "unavailable")
		if r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	e.post("/v1/imports", order("2", "account"), "Content-Type", "application/jsonl").want(t, http.StatusServiceUnavailable, "unavailable")
}

func TestLostAnswerOfTheLogIsFoundAgain(t *testing.T) {
	e := newEnv(t)
	e.log.LoseNextAnswer()
	e.post("/v1/orders", order("1", "account"), "Idempotency-Key", "k").want(t, http.StatusServiceUnavailable, "unavailable")
	head := e.head()
	r := e.post("/v1/orders", order("1", "account"), "Idempotency-Key", "k")
	if r.view(t).Version != 1 || r.Header.Get("Idempotent-Replayed") != "true" || e.head() != head {
		t.Errorf("again: %s, head %d, want %d", r.body, e.head(), head)
	}
	e.log.LoseNextAnswer()
	v := r.view(t)
	if got := e.post(path(v, domain.VerbAccept), "").view(t); got.Status != domain.StatusAccepted || e.head() != head+1 {
		t.Errorf("accepted: %+v, head %d, want %d", got, e.head(), head+1)
	}
}

func TestFaultInsideIsNotTold(t *testing.T) {
	e := newEnv(t)
	v := e.place("1", "account")
	e.server.Close()
	e.start()
	e.log.FailNextRead(errSecret)
	r := e.post(path(v, domain.VerbAccept), "")
	r.want(t, http.StatusInternalServerError, "internal")
	if strings.Contains(string(r.body), errSecret.Error()) {
		t.Errorf("told: %s", r.body)
	}
	if id := r.Header.Get("Request-Id"); id == "" || !strings.Contains(string(r.body), id) {
		t.Errorf("request id %q is not in %s", id, r.body)
	}
}

func TestPaymentProvidersAnswerIsPassedOn(t *testing.T) {
	e := newEnv(t)
	for _, tt := range []struct {
		err    error
		status string
		want   int
		code   string
	}{
		{err: &commands.PaymentRefusal{Status: 404, Code: "resource_missing", Message: "No such payment_intent"}, want: 409, code: "payment_refused"},
		{err: commands.ErrPaymentUnknown, want: 503, code: "payment_provider_unavailable"},
		{status: "canceled", want: 409, code: "payment_not_authorized"},
	} {
		e.pay.err, e.pay.status = tt.err, tt.status
		e.post("/v1/orders", order("1", "card")).want(t, tt.want, tt.code)
	}
	if e.head() != 0 {
		t.Error("a refused payment moved the head")
	}
}

func TestOpenAPIDescribesEveryEndpoint(t *testing.T) {
	e := newEnv(t)
	res, err := e.server.Client().Get(e.server.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			RequestBody struct{ Content map[string]any }
			Parameters  []struct {
				Name     string
				Required bool
			}
			Responses map[string]any
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || len(doc.Paths) != 17 {
		t.Fatalf("openapi %s with %d paths", doc.OpenAPI, len(doc.Paths))
	}
	for p, item := range doc.Paths {
		op := item["post"]
		required := map[string]bool{}
		for _, param := range op.Parameters {
			required[param.Name] = param.Required
		}
		if len(op.RequestBody.Content) != 1 || !required["Idempotency-Key"] || op.Responses["422"] == nil || op.Responses["503"] == nil {
			t.Errorf("%s: half described: %+v", p, op)
		}
		verb := p[strings.LastIndex(p, "/")+1:]
		if money := strings.Contains("capture ship refund cancel", verb); required["If-Match"] != money {
			t.Errorf("%s: If-Match required: %t", p, required["If-Match"])
		}
	}
}
