package commandapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/outhooks"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

const hooksPath = "/v1/webhook-endpoints"

// withWebhooks adds the endpoints about webhooks; the runner runs until the test ends.
func (e *env) withWebhooks(keys *outhooks.Keyring) {
	e.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	client := sender.New(sender.Config{AllowPrivate: true})
	endpoints := outhooks.NewEndpoints(e.log, eventstore.Codec{}, clock, keys, client.Check)
	runner, err := outhooks.New(outhooks.Config{Log: e.log, Endpoints: endpoints, Poster: client, Source: "urn:x", Now: clock, Logger: quiet})
	if err != nil {
		e.t.Fatal(err)
	}
	commandapi.RegisterWebhooks(e.api, commandapi.WebhookDeps{Endpoints: endpoints, Runner: runner, Logger: quiet})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	e.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			e.t.Error(err)
		}
		client.Close()
	})
}

func (e *env) get(path string, headers ...string) reply {
	e.t.Helper()
	r := e.request(path, "", headers...)
	r.Method, r.Body = http.MethodGet, nil
	res, err := e.server.Client().Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return reply{res, b}
}

func endpointIn(t *testing.T, r reply) (v commandapi.EndpointView) {
	t.Helper()
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEndpointsOfTheAPI(t *testing.T) {
	e := newEnv(t)
	e.withWebhooks(outhooks.NewKeyring())
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not today", http.StatusServiceUnavailable)
	}))
	defer target.Close()

	body := `{"url":"` + target.URL + `","types":["Shipped"],"include_customer_data":true}`
	made := e.post(hooksPath, body, "Idempotency-Key", "k1")
	made.want(t, http.StatusCreated, "")
	v := endpointIn(t, made)
	if v.State != outhooks.Active || len(v.Secret) != 50 || !v.CustomerData || v.Types[0] != "Shipped" || made.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s", made.body)
	}
	again := e.post(hooksPath, body, "Idempotency-Key", "k1")
	if again.StatusCode != http.StatusCreated || again.Header.Get("Idempotent-Replayed") != "true" || string(again.body) != string(made.body) {
		t.Errorf("%d %s", again.StatusCode, again.body)
	}
	e.post(hooksPath, `{"url":"http://127.0.0.1:9/"}`, "Idempotency-Key", "k1").want(t, 422, "idempotency_key_reused")
	e.post(hooksPath, `{"url":"http://169.254.169.254/"}`).want(t, 422, "bad_value")
	e.post(hooksPath, `{"url":"http://127.0.0.1/","types":["Sold"]}`).want(t, 422, "bad_value")
	e.post(hooksPath, `{"url":"http://127.0.0.1/","secret":"mine"}`).want(t, 422, "unknown_field")
	e.post(hooksPath, `{}`).want(t, 422, "required")
	e.post(hooksPath, body, "Idempotency-Key", "").want(t, 400, "idempotency_key_required")

	one := hooksPath + "/" + v.ID
	rotated := e.post(one+"/rotate", "")
	rotated.want(t, http.StatusOK, "")
	if r := endpointIn(t, rotated); r.Secret == "" || r.Secret == v.Secret || r.OldUntil == nil || !r.OldUntil.Equal(noon.Add(outhooks.OldSecretLife)) {
		t.Errorf("%s", rotated.body)
	}
	test := e.post(one+"/test", "")
	test.want(t, http.StatusOK, "")
	var said commandapi.TestView
	if err := json.Unmarshal(test.body, &said); err != nil || said.OK || said.Status != 503 || said.Answer != "not today" || said.Error != "" {
		t.Errorf("%s, %v", test.body, err)
	}
	e.post(one+"/retry", "").want(t, http.StatusConflict, "no_delivery_parked")
	e.post(one+"/skip", "").want(t, http.StatusConflict, "no_delivery_parked")
	disabled := e.post(one+"/disable", "")
	disabled.want(t, http.StatusOK, "")
	if d := endpointIn(t, disabled); d.State != outhooks.IsDisabled || d.DisabledFor == "" || d.Secret != "" {
		t.Errorf("%s", disabled.body)
	}
	list := e.get(hooksPath + "?wait_for=" + disabled.Header.Get("Ledger-Position"))
	var all commandapi.EndpointList
	if err := json.Unmarshal(list.body, &all); err != nil || len(all.Data) != 1 || all.Data[0].State != outhooks.IsDisabled || all.Data[0].Secret != "" || all.Data[0].Progress == nil {
		t.Errorf("%s, %v", list.body, err)
	}
	e.post(one+"/enable", "").want(t, http.StatusOK, "")
	e.post(one+"/remove", "").want(t, http.StatusOK, "")
	gone := e.post(one+"/remove", "")
	gone.want(t, http.StatusOK, "")
	if list := e.get(hooksPath + "?wait_for=" + gone.Header.Get("Ledger-Position")); string(list.body) == "" || len(list.body) > 100 {
		t.Errorf("%s", list.body)
	}
	head := e.head()
	for _, verb := range []string{"rotate", "enable", "disable", "retry", "skip", "test"} {
		e.post(one+"/"+verb, "").want(t, http.StatusNotFound, "endpoint_not_found")
		e.post(hooksPath+"/a.b/"+verb, "").want(t, http.StatusNotFound, "endpoint_not_found")
	}
	if e.head() != head {
		t.Error("the head moved")
	}
}

func TestEndpointsAreForAdmins(t *testing.T) {
	e := newEnv(t)
	e.withWebhooks(outhooks.NewKeyring())
	for _, role := range domain.TokenRoles {
		token := e.token(string(role), role)
		want := http.StatusForbidden
		if role == domain.Admin {
			want = http.StatusOK
		}
		if r := e.get(hooksPath, "Authorization", token); r.StatusCode != want {
			t.Errorf("%s lists: %d %s", role, r.StatusCode, r.body)
		}
		for _, verb := range []string{"", "/x/rotate", "/x/enable", "/x/disable", "/x/remove", "/x/retry", "/x/skip", "/x/test"} {
			r := e.post(hooksPath+verb, `{"nonsense":1}`, "Authorization", token)
			if forbidden := r.StatusCode == http.StatusForbidden; forbidden == (role == domain.Admin) {
				t.Errorf("%s on %s: %d %s", role, verb, r.StatusCode, r.body)
			}
		}
	}
}

// A test of an endpoint whose secret can't be derived says what to do.
func TestALostKeyOfTheAPI(t *testing.T) {
	e := newEnv(t)
	e.withWebhooks(outhooks.NewKeyring())
	v := endpointIn(t, e.post(hooksPath, `{"url":"http://127.0.0.1:9/"}`))
	e.start()
	e.withWebhooks(outhooks.NewKeyring())
	e.post(hooksPath+"/"+v.ID+"/test", "").want(t, http.StatusConflict, commandapi.CodeKeyLost)
	e.post(hooksPath+"/"+v.ID+"/rotate", "").want(t, http.StatusOK, "")
	test := e.post(hooksPath+"/"+v.ID+"/test", "")
	test.want(t, http.StatusOK, "")
	var said commandapi.TestView
	if err := json.Unmarshal(test.body, &said); err != nil || said.OK || said.Status != 0 || said.Error == "" {
		t.Errorf("%s, %v", test.body, err)
	}
}
