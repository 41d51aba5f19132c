package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// logged is what a ledger writes to its log.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// The log of a whole day, at its most talkative, holds no secret and nothing of any customer: neither when all goes well, nor when what
// others send is refused, nor when those who are told answer with what they were told.
func TestTheLogKeepsSecrets(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) { aDay(t, format) })
	}
}

func aDay(t *testing.T, format string) {
	const card = "4242424242424242"
	var out logged
	told := make(chan struct{}, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, "can't take %s signed %s", body, r.Header.Get("webhook-signature"))
		told <- struct{}{}
	}))
	defer receiver.Close()
	a := startTo(t, &out, func(c *Config) {
		c.Store, c.NATSListen, c.LogLevel, c.LogFormat, c.WebhookAllowPrivate = "nats", "127.0.0.1:0", "debug", format, true
	})
	d := callers{t, a.URL()}
	hidden := []string{"Zaphod", "zaphod", "Marker Street", "call Trillian", card, "4242 4242", "Heart of Gold"}
	calls, position := 0, "0"
	call := func(method, path, body string, headers ...string) string {
		t.Helper()
		calls++
		headers = append(headers, "Content-Type", "application/json", "Idempotency-Key", fmt.Sprint(calls))
		res := d.do(method, path, body, headers...)
		if p := res.Header.Get("Ledger-Position"); p != "" {
			position = p
		}
		_, answer := d.whole(res)
		return answer
	}

	id, secret := d.token("marvin", "admin")
	hidden = append(hidden, secret, secret[len(secret)-52:])
	cookie := d.session(secret)
	_, sealed, _ := strings.Cut(cookie, "=")
	hidden = append(hidden, sealed)
	d.whole(d.do("POST", "/sign-in", url.Values{"token": {secret + "x"}}.Encode(), "Content-Type", "application/x-www-form-urlencoded"))
	call("GET", "/v1/orders", "", "Authorization", "Bearer "+secret+"x")
	var endpoint struct{ ID, Secret string }
	if err := json.Unmarshal([]byte(call("POST", "/v1/webhook-endpoints", `{"url":"`+receiver.URL+`/in?token=deep-thought","include_customer_data":true}`)), &endpoint); err != nil || endpoint.Secret == "" {
		t.Fatalf("%v: %+v", err, endpoint)
	}
	hidden = append(hidden, endpoint.Secret, strings.TrimPrefix(endpoint.Secret, "whsec_"), "deep-thought")
	hidden = append(hidden, a.stripe.secrets...)

	mine := func(number string) string {
		o := strings.ReplaceAll(order(number, "Zaphod Beeblebrox"), "c1@example.com", "zaphod@example.com")
		return strings.ReplaceAll(o, "1 Quay St", "42 Marker Street")
	}
	onCard := strings.Replace(mine("2"), `"payment":{"method":"account"}`, `"payment":{"method":"card"}`, 1)
	call("POST", "/v1/orders", mine("1")+card)
	call("POST", "/v1/orders", strings.Replace(mine("1"), `"Ground"`, `"`+card+`"`, 1))
	call("POST", "/v1/orders", strings.Replace(mine("1"), `"total":100`, `"total":"Zaphod"`, 1))
	_, placed := d.whole(d.do("POST", "/v1/imports", mine("1")+"\n"+onCard+"\n"+`{"order_number":"Heart of Gold`, "Content-Type", "application/x-ndjson", "Idempotency-Key", "i"))
	var result struct {
		Results []struct {
			OrderID string `json:"order_id"`
		}
	}
	if err := json.Unmarshal([]byte(placed), &result); err != nil || len(result.Results) != 3 || result.Results[1].OrderID == "" {
		t.Fatalf("%v: %s", err, placed)
	}
	for _, r := range result.Results[:2] {
		path := "/v1/orders/" + r.OrderID
		act := func(verb, body string) string {
			t.Helper()
			etag := d.do("GET", path+"?wait_for="+position, "").Header.Get("ETag")
			return call("POST", path+"/"+verb, body, "If-Match", etag, "Prefer", "wait=10")
		}
		act("accept", "")
		act("notes", `{"text":"call Trillian before noon"}`)
		act("notes", `{"text":"`+card+`"}`)
		act("notes", `{"txt":"4242 4242 4242 4242"}`)
		act("capture", `{"external_reference":"Heart of Gold `+r.OrderID+`"}`)
		act("capture", "")
		act("ship", `{"tracking":[{"carrier":"ups","number":"Heart of Gold"}]}`)
		act("refund", `{"reason":"Zaphod wants it so"}`)
		act("archive", "")
		for _, page := range []string{"", "/packing-slip", "/confirm/cancel", "/preview/shipped", "/events/0"} {
			d.whole(d.do("GET", "/orders/"+r.OrderID+page, "", "Cookie", cookie))
		}
		d.whole(d.do("POST", "/orders/"+r.OrderID+"/notes", url.Values{"key": {"n"}, "version": {"1"}, "text": {"call Trillian again"}}.Encode(),
			"Content-Type", "application/x-www-form-urlencoded", "Cookie", cookie))
		if o := call("GET", path+"?wait_for="+position, ""); !strings.Contains(o, "call Trillian before noon") || !strings.Contains(o, `"refunded"`) {
			t.Fatalf("the day did not go as it should: %s", call("GET", path, ""))
		}
	}
	for _, path := range []string{"/v1/orders?q=Zaphod", "/v1/orders?q=zaphod%40example.com&format=csv", "/orders?q=Zaphod", "/search?q=zaphod%40example.com", "/v1/log", "/orders.csv", "/overview", "/outbox", "/metrics", "/v1/orders?sort=Zaphod", "/Zaphod", "/v1/money/reconcile"} {
		_, body := d.whole(d.do("GET", path, "", "Authorization", "Bearer "+secret))
		if path == "/metrics" && !strings.Contains(body, "orderledger_") {
			t.Error("no figures")
		}
	}
	d.whole(d.do("POST", "/v1/webhooks/stripe", `{"id":"evt_1","data":{"object":{"billing_details":{"name":"Zaphod"}}}}`, "Stripe-Signature", "t=1,v1=00"))

	nc, err := a.nats.store.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, body := range []string{mine("3"), mine("3") + "Zaphod", `{"Zaphod":1}`} {
		m := nats.NewMsg("orderledger.cmd.place")
		m.Data, m.Header = []byte(body), nats.Header{"Authorization": {"Bearer " + secret}, "Idempotency-Key": {"n"}}
		if _, err := nc.RequestMsg(m, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		m.Header.Set("Authorization", "Bearer "+secret+"x")
		if _, err := nc.RequestMsg(m, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		m.Reply = "Zaphod"
		if err := errors.Join(nc.PublishMsg(m), nc.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-told:
	case <-time.After(20 * time.Second):
		t.Error("no webhook was sent")
	}
	call("POST", "/v1/webhook-endpoints/"+endpoint.ID+"/test", "")
	d.revoke(id)
	d.whole(d.do("GET", "/orders", "", "Cookie", cookie))

	text := out.String()
	for _, want := range []string{"the ledger is open", "a webhook was refused", "a delivery failed", "has no inbox to be answered to"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	for line := range strings.Lines(text) {
		for _, h := range hidden {
			if h != "" && strings.Contains(line, h) {
				t.Errorf("the log holds %q: %s", h, line)
			}
		}
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
}
