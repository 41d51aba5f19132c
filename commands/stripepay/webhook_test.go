package stripepay_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

const (
	current, previous = "whsec_current", "whsec_previous"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// shelfOfEvents is an inbox that keeps what it is given, unless it is told to fail.
type shelfOfEvents struct {
	mu   sync.Mutex
	got  []commands.PaymentEvent
	fail error
}

func (s *shelfOfEvents) Receive(_ context.Context, e commands.PaymentEvent, via domain.Via) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return false, s.fail
	}
	if via != domain.ViaWebhook {
		return false, errors.New("not by webhook")
	}
	s.got = append(s.got, e)
	return true, nil
}

// sign is a Stripe-Signature header of a body at noon.
func sign(body string, at time.Time, secrets ...string) string {
	parts := []string{fmt.Sprintf("t=%d", at.Unix())}
	for _, s := range secrets {
		parts = append(parts, "v1="+hex.EncodeToString(webhook.ComputeSignature(at, []byte(body), s)))
	}
	return strings.Join(append(parts, "v0=00"), ",")
}

// post delivers a body, and returns the answer's status, its code if it is a problem, and its header.
func post(t testing.TB, h http.Handler, body, signature string) (status int, code string, header http.Header) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, stripepay.WebhookPath, strings.NewReader(body))
	if signature != "" {
		r.Header.Set("Stripe-Signature", signature)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var problem struct{ Code, Detail string }
	if w.Code != http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || problem.Code == "" || problem.Detail == "" {
			t.Errorf("no problem: %d %s", w.Code, w.Body)
		}
	}
	return w.Code, problem.Code, w.Header()
}

func endpoint(inbox stripepay.Receiver, change ...func(*stripepay.WebhookConfig)) http.Handler {
	c := stripepay.WebhookConfig{
		Mode: stripepay.Test, Secrets: []string{current, previous}, Receiver: inbox, Now: func() time.Time { return noon },
	}
	for _, f := range change {
		f(&c)
	}
	return stripepay.Webhook(c)
}

func TestSignatures(t *testing.T) {
	body := eventJSON(1)
	for _, c := range []struct {
		name, signature, code string
	}{
		{"current", sign(body, noon, current), ""},
		{"previous", sign(body, noon, previous), ""},
		{"one of several", sign(body, noon, "whsec_unknown", previous), ""},
		{"spaces", strings.ReplaceAll(sign(body, noon, current), ",", ", "), ""},
		{"five minutes ago", sign(body, noon.Add(-5*time.Minute), current), ""},
		{"in five minutes", sign(body, noon.Add(5*time.Minute), current), ""},
		{"too old", sign(body, noon.Add(-301*time.Second), current), "timestamp_out_of_tolerance"},
		{"of the future", sign(body, noon.Add(301*time.Second), current), "timestamp_out_of_tolerance"},
		{"at the end of time", sign(body, time.Unix(1<<62, 0), current), "timestamp_out_of_tolerance"},
		{"old, by a stranger", sign(body, noon.Add(-time.Hour), "whsec_unknown"), "signature_invalid"},
		{"none", "", "signature_invalid"},
		{"by a stranger", sign(body, noon, "whsec_unknown"), "signature_invalid"},
		{"of another body", sign(body+" ", noon, current), "signature_invalid"},
		{"of another time", strings.Replace(sign(body, noon, current), "t=1", "t=2", 1), "signature_invalid"},
		{"of two times", "t=1," + sign(body, noon, current), "signature_invalid"},
		{"without a time", strings.SplitN(sign(body, noon, current), ",", 2)[1], "signature_invalid"},
		{"of another scheme", strings.ReplaceAll(sign(body, noon, current), "v1=", "v0="), "signature_invalid"},
		{"no hex", fmt.Sprintf("t=%d,v1=xyz", noon.Unix()), "signature_invalid"},
		{"no header of Stripe's", "Bearer x", "signature_invalid"},
	} {
		inbox := &shelfOfEvents{}
		status, code, _ := post(t, endpoint(inbox), body, c.signature)
		if code != c.code || (status == http.StatusOK) != (c.code == "") || (status != http.StatusOK && status != http.StatusBadRequest) || (len(inbox.got) == 1) != (c.code == "") {
			t.Errorf("%s: %d %s, %d stored", c.name, status, code, len(inbox.got))
		}
	}
}

// object makes the body of an event about an object.
func object(kind, fields string) string {
	return fmt.Sprintf(`{"id":"evt_1","object":"event","type":%q,"api_version":"2025-01-01.new","created":1000,"livemode":false,"more":[{}],"data":{"object":{%s}}}`, kind, fields)
}

func TestEvents(t *testing.T) {
	const stored, ignored, malformed = "stored", "ignored", "event_malformed"
	for _, c := range []struct {
		name, body, want, about, intent, order string
	}{
		{"a payment", object("payment_intent.succeeded", `"id":"pi_1","object":"payment_intent","metadata":{"order_id":"o","x":null}`), stored, "pi_1", "pi_1", "o"},
		{"a payment without more", object("payment_intent.canceled", `"id":"pi_1"`), stored, "pi_1", "pi_1", ""},
		{"a charge", object("charge.captured", `"id":"ch_1","object":"charge","payment_intent":"pi_1","metadata":{}`), stored, "ch_1", "pi_1", ""},
		{"a charge, expanded", object("charge.expired", `"id":"py_1","payment_intent":{"id":"pi_1","metadata":7}`), stored, "py_1", "pi_1", ""},
		{"a charge of no payment", object("charge.refunded", `"id":"ch_1","payment_intent":null`), ignored, "", "", ""},
		{"a charge that does not say", object("charge.refunded", `"id":"ch_1"`), stored, "ch_1", "", ""},
		{"a refund", object("refund.failed", `"id":"re_1","object":"refund","payment_intent":"pi_1","metadata":{"order_id":"o"}`), stored, "re_1", "pi_1", "o"},
		{"a refund of the old type", object("charge.refund.updated", `"id":"pyr_1","payment_intent":"pi_1"`), stored, "pyr_1", "pi_1", ""},
		{"a dispute", object("charge.dispute.closed", `"id":"dp_1","object":"dispute","payment_intent":"pi_1"`), stored, "dp_1", "pi_1", ""},
		{"metadata of others", object("refund.updated", `"id":"re_1","payment_intent":"pi_1","metadata":{"order_id":7}`), stored, "re_1", "pi_1", ""},
		{"metadata in another form", object("refund.updated", `"id":"re_1","payment_intent":"pi_1","metadata":"x"`), stored, "re_1", "pi_1", ""},
		{"metadata that Stripe would not keep", object("refund.updated", `"id":"re_1","payment_intent":"pi_1","metadata":{"order_id":"`+strings.Repeat("o", 501)+`"}`), stored, "re_1", "pi_1", ""},
		{"another type", object("customer.created", `"id":7`), ignored, "", "", ""},
		{"another type of the payment", object("payment_intent.created", `"id":"pi_1"`), ignored, "", "", ""},
		{"no object", object("charge.captured", ``), malformed, "", "", ""},
		{"an object with a number for an id", object("charge.captured", `"id":1,"payment_intent":"pi_1"`), malformed, "", "", ""},
		{"an object with a path for an id", object("charge.captured", `"id":"ch_1/../x","payment_intent":"pi_1"`), malformed, "", "", ""},
		{"a payment that is none", object("charge.captured", `"id":"ch_1","payment_intent":"seti_1"`), malformed, "", "", ""},
		{"a payment that is a number", object("charge.captured", `"id":"ch_1","payment_intent":1`), malformed, "", "", ""},
		{"a payment with another id", object("payment_intent.succeeded", `"id":"ch_1","object":"payment_intent"`), malformed, "", "", ""},
		{"no time", strings.Replace(eventJSON(1), `"created":1001`, `"created":0`, 1), malformed, "", "", ""},
		{"no id", strings.Replace(eventJSON(1), `"evt_1"`, `""`, 1), malformed, "", "", ""},
		{"another id", strings.Replace(eventJSON(1), `"evt_1"`, `"evil-1"`, 1), malformed, "", "", ""},
		{"no type", strings.Replace(eventJSON(1), `"type"`, `"typ"`, 1), malformed, "", "", ""},
		{"no mode", strings.Replace(eventJSON(1), `"livemode"`, `"mode"`, 1), malformed, "", "", ""},
		{"two objects", eventJSON(1) + eventJSON(2), malformed, "", "", ""},
		{"a list", "[" + eventJSON(1) + "]", malformed, "", "", ""},
		{"null", "null", malformed, "", "", ""},
		{"nothing", "", malformed, "", "", ""},
		{"half", eventJSON(1)[:100], malformed, "", "", ""},
	} {
		inbox := &shelfOfEvents{}
		status, code, _ := post(t, endpoint(inbox), c.body, sign(c.body, noon, current))
		if (c.want == malformed) != (status == http.StatusBadRequest && code == malformed) || (c.want == stored) != (len(inbox.got) == 1) {
			t.Errorf("%s: %d %s, %d stored", c.name, status, code, len(inbox.got))
			continue
		}
		if c.want != stored {
			continue
		}
		sum := sha256.Sum256([]byte(c.body))
		e := inbox.got[0]
		if e.ID != "evt_1" || e.Object != c.about || e.PaymentIntent != c.intent || e.OrderID != c.order || e.APIVersion != "2025-01-01.new" ||
			e.Livemode || !e.Created.Equal(time.Unix(1000, 0)) || e.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
}

func TestWebhookTakesItsOwnModeAlone(t *testing.T) {
	live := strings.Replace(eventJSON(1), `"livemode":false`, `"livemode":true`, 1)
	for _, c := range []struct {
		mode stripepay.Mode
		body string
		ok   bool
	}{
		{stripepay.Sandbox, eventJSON(1), true},
		{stripepay.Test, eventJSON(1), true},
		{stripepay.Live, eventJSON(1), false},
		{stripepay.Sandbox, live, false},
		{stripepay.Test, live, false},
		{stripepay.Live, live, true},
	} {
		inbox := &shelfOfEvents{}
		status, code, _ := post(t, endpoint(inbox, func(w *stripepay.WebhookConfig) { w.Mode = c.mode }), c.body, sign(c.body, noon, current))
		if (status == http.StatusOK) != c.ok || (code == "livemode_mismatch") == c.ok || (len(inbox.got) == 1) != c.ok {
			t.Errorf("%s: %d %s", c.mode, status, code)
		}
	}
}

func TestWebhookAnswersOnlyWhatIsStored(t *testing.T) {
	for _, c := range []struct {
		fail   error
		status int
		code   string
	}{
		{fmt.Errorf("%w: away", eventstore.ErrUnavailable), 503, "unavailable"},
		{errors.New("a bug"), 503, "unavailable"},
		{context.Canceled, 503, "unavailable"},
		{commands.ErrBadEventID, 400, "event_malformed"},
	} {
		status, code, header := post(t, endpoint(&shelfOfEvents{fail: c.fail}), eventJSON(1), sign(eventJSON(1), noon, current))
		if status != c.status || code != c.code || (header.Get("Retry-After") != "") != (status == 503) {
			t.Errorf("%v: %d %s %v", c.fail, status, code, header)
		}
	}
}

func TestWebhookWithoutSecretIsNotThere(t *testing.T) {
	h := endpoint(nil, func(c *stripepay.WebhookConfig) { c.Secrets = nil })
	if status, code, _ := post(t, h, eventJSON(1), sign(eventJSON(1), noon, "")); status != http.StatusNotFound || code != "not_found" {
		t.Errorf("%d %s", status, code)
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, io.EOF }

func TestWebhookBodiesAreBounded(t *testing.T) {
	h := endpoint(&shelfOfEvents{})
	announced := httptest.NewRequest(http.MethodPost, stripepay.WebhookPath, unread{t})
	announced.ContentLength = 1<<20 + 1
	chunked := httptest.NewRequest(http.MethodPost, stripepay.WebhookPath, io.MultiReader(strings.NewReader(strings.Repeat(" ", 1<<20+1))))
	chunked.ContentLength = -1
	for _, r := range []*http.Request{announced, chunked} {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), `"too_large"`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	full := eventJSON(1) + strings.Repeat(" ", 1<<20-len(eventJSON(1)))
	if status, code, _ := post(t, h, full, sign(full, noon, current)); status != http.StatusOK {
		t.Errorf("%d %s", status, code)
	}
}

// TestEveryDeliveryIsStoredOnce sends the same events many times at once, over HTTP, into a real inbox.
func TestEveryDeliveryIsStoredOnce(t *testing.T) {
	store := memstore.New()
	inbox := commands.Inbox{Handler: commands.NewHandler(store, eventstore.Codec{}, func() time.Time { return noon })}
	server := httptest.NewServer(endpoint(inbox))
	defer server.Close()
	var deliveries sync.WaitGroup
	for i := range 60 {
		deliveries.Go(func() {
			body := eventJSON(i % 20)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+stripepay.WebhookPath, strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Stripe-Signature", sign(body, noon, current))
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Errorf("%s", res.Status)
			}
		})
	}
	deliveries.Wait()
	for i := range 20 {
		n := 0
		for r, err := range store.ReadStream(t.Context(), eventstore.WebhookStream(fmt.Sprintf("evt_%d", i)), eventstore.NoStream) {
			if err != nil {
				t.Fatal(err)
			}
			e, _, err := eventstore.Codec{}.Decode(r)
			if err != nil {
				t.Fatal(err)
			}
			received, ok := e.(eventstore.StripeEventReceived)
			if n++; !ok || received.PaymentIntent != fmt.Sprintf("pi_%d", i) || received.Type != "charge.refunded" || received.APIVersion != "2020-08-27" {
				t.Errorf("%+v", e)
			}
		}
		if n != 1 {
			t.Errorf("event %d is stored %d times", i, n)
		}
	}
}

func TestLogsHoldNothingOfBodies(t *testing.T) {
	const secret = "words of a customer"
	var log bytes.Buffer
	inbox := &shelfOfEvents{}
	h := endpoint(inbox, func(c *stripepay.WebhookConfig) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	said := func(body string) string {
		return strings.Replace(body, `"metadata":{`, `"metadata":{"note":"`+secret+`",`, 1)
	}
	live := strings.Replace(said(eventJSON(1)), `"livemode":false`, `"livemode":true`, 1)
	broken := strings.Replace(said(eventJSON(1)), `"ch_1"`, `"`+secret+`"`, 1)
	post(t, h, said(eventJSON(1)), sign(said(eventJSON(1)), noon, current))
	post(t, h, said(eventJSON(1)), "t=1,v1=00")
	post(t, h, live, sign(live, noon, current))
	post(t, h, broken, sign(broken, noon, current))
	inbox.fail = errors.New("no room")
	post(t, h, said(eventJSON(1)), sign(said(eventJSON(1)), noon, current))
	if lines := strings.Count(log.String(), "\n"); lines != 5 || strings.Contains(log.String(), secret) {
		t.Errorf("%d lines:\n%s", lines, log.String())
	}
	for range 1000 { // anybody can send what is refused
		post(t, h, said(eventJSON(1)), "t=1,v1=00")
	}
	if lines := strings.Count(log.String(), "\n"); lines > 100 {
		t.Errorf("%d lines", lines)
	}
}

// FuzzWebhook signs whatever body: no body is answered 503 or stored in a form that Stripe could not have meant, and what is
// stored is the same each time.
func FuzzWebhook(f *testing.F) {
	for _, seed := range []string{
		eventJSON(1), "", "null", "{}", "[]", `{"id":"evt_1","type":"charge.captured","livemode":false}`,
		object("payment_intent.succeeded", `"id":"pi_1","object":"payment_intent","metadata":{"order_id":"o"}`),
		object("refund.updated", `"id":"re_1","payment_intent":{"id":"pi_1"},"metadata":null`),
		object("charge.dispute.created", `"id":"dp_1","payment_intent":null`), object("x", `"id":{}`),
	} {
		f.Add(seed)
	}
	known := map[string]bool{}
	for _, kind := range stripepay.EventTypes() {
		known[kind] = true
	}
	f.Fuzz(func(t *testing.T, body string) {
		inbox := &shelfOfEvents{}
		h := endpoint(inbox)
		first, _, _ := post(t, h, body, sign(body, noon, current))
		again, _, _ := post(t, h, body, sign(body, noon, current))
		if first != again || (first != http.StatusOK && first != http.StatusBadRequest && first != http.StatusRequestEntityTooLarge) {
			t.Fatalf("%d, then %d", first, again)
		}
		if len(inbox.got) == 0 {
			return
		}
		e := inbox.got[0]
		if len(inbox.got) != 2 || inbox.got[1] != e || first != http.StatusOK || !strings.HasPrefix(e.ID, "evt_") || !known[e.Type] ||
			e.Object == "" || (e.PaymentIntent != "" && !strings.HasPrefix(e.PaymentIntent, "pi_")) || e.Livemode || e.Created.IsZero() ||
			len(e.OrderID) > 500 {
			t.Fatalf("%+v", inbox.got)
		}
	})
}

func TestTheManualNamesTheEventsToChoose(t *testing.T) {
	readme, err := os.ReadFile("../../cmd/orderledger/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "## Connecting Stripe")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, kind := range stripepay.EventTypes() {
		if !strings.Contains(section, "`"+kind+"`") {
			t.Errorf("%s is not there", kind)
		}
	}
}
