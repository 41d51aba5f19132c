package stripepay_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

// shelf is a Stripe that has objects, newest first, under paths, and lists them as Stripe does.
type shelf struct {
	mu      sync.Mutex
	objects map[string][]string
	asked   []*url.URL
	answer  func(w http.ResponseWriter, r *http.Request) bool // true when it has answered in the shelf's place
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL)
	w.Header().Set("Request-Id", fmt.Sprintf("req_%d", len(s.asked)))
	if s.answer != nil && s.answer(w, r) {
		return
	}
	objects, limit := s.objects[r.URL.Path], 100
	if after := r.URL.Query().Get("starting_after"); after != "" {
		at := slices.IndexFunc(objects, func(o string) bool { return strings.Contains(o, `"id":"`+after+`"`) })
		objects = objects[at+1:]
	}
	more := len(objects) > limit
	if more {
		objects = objects[:limit]
	}
	fmt.Fprintf(w, `{"object":"list","url":%q,"has_more":%v,"data":[%s]}`, r.URL.Path, more, strings.Join(objects, ","))
}

// stocked starts a shelf and a client for it.
func stocked(t *testing.T, objects map[string][]string) (*shelf, *stripepay.Client) {
	t.Helper()
	s := &shelf{objects: objects}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	client, err := stripepay.New(stripepay.Config{Mode: stripepay.Sandbox, Key: simtest.Key, URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return s, client
}

// several makes n objects, newest first.
func several(n int, object func(i int) string) (all []string) {
	for i := n; i > 0; i-- {
		all = append(all, object(i))
	}
	return all
}

func intentJSON(i int) string {
	return fmt.Sprintf(`{"id":"pi_%d","object":"payment_intent","status":"requires_capture","amount":%d,"amount_capturable":%d,`+
		`"currency":"usd","created":%d,"latest_charge":"ch_%d","metadata":{"order_id":"order-%d"},"livemode":false}`, i, i, i, 1000+i, i, i)
}

func refundJSON(i int) string {
	return fmt.Sprintf(`{"id":"re_%d","object":"refund","status":"pending","amount":%d,"currency":"jpy","created":%d,"payment_intent":"pi_%d",`+
		`"metadata":{"request":"request-%d"}}`, i, i, 1000+i, i, i)
}

func disputeJSON(i int) string {
	return fmt.Sprintf(`{"id":"du_%d","object":"dispute","status":"needs_response","reason":"fraudulent","amount":%d,"currency":"eur","created":%d,`+
		`"payment_intent":"pi_%d"}`, i, i, 1000+i, i)
}

func eventJSON(i int) string {
	return fmt.Sprintf(`{"id":"evt_%d","object":"event","type":"charge.refunded","api_version":"2020-08-27","created":%d,"livemode":false,`+
		`"data":{"object":{"id":"ch_%d","object":"charge","payment_intent":"pi_%d","metadata":{"order_id":"order-%d"}}}}`, i, 1000+i, i, i, i)
}

func collect[T any](t *testing.T, rows iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for row, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	return all
}

func TestListsAreReadPageByPage(t *testing.T) {
	s, client := stocked(t, map[string][]string{
		"/v1/payment_intents": several(230, intentJSON), "/v1/refunds": several(230, refundJSON), "/v1/disputes": several(230, disputeJSON),
		"/v1/events": several(230, eventJSON),
	})
	since := time.Unix(1000, 999).UTC()
	at := func(i int) time.Time { return time.Unix(1000+int64(i), 0).UTC() }
	intents := collect(t, client.Intents(t.Context(), since))
	refunds := collect(t, client.Refunds(t.Context(), since))
	disputes := collect(t, client.Disputes(t.Context(), since))
	events := collect(t, client.Undelivered(t.Context(), since))
	if len(intents) != 230 || len(refunds) != 230 || len(disputes) != 230 || len(events) != 230 {
		t.Fatalf("%d, %d, %d, %d", len(intents), len(refunds), len(disputes), len(events))
	}
	for n := range 230 {
		i := 230 - n
		if got := intents[n]; got.ID != fmt.Sprintf("pi_%d", i) || got.Capturable != int64(i) || got.Currency != "USD" || !got.Created.Equal(at(i)) ||
			got.Charge != fmt.Sprintf("ch_%d", i) || got.OrderID != fmt.Sprintf("order-%d", i) || got.RequestID != fmt.Sprintf("req_%d", 1+n/100) {
			t.Fatalf("%+v", got)
		}
		if got := refunds[n]; got.PaymentIntent != fmt.Sprintf("pi_%d", i) || got.Currency != "JPY" || !got.Created.Equal(at(i)) ||
			got.Request != fmt.Sprintf("request-%d", i) || got.Status != "pending" || got.RequestID == "" {
			t.Fatalf("%+v", got)
		}
		if got := disputes[n]; got != (commands.PaymentDispute{
			ID: fmt.Sprintf("du_%d", i), Status: "needs_response", Reason: "fraudulent", Amount: int64(i), Currency: "EUR", Created: at(i),
			PaymentIntent: fmt.Sprintf("pi_%d", i),
		}) {
			t.Fatalf("%+v", got)
		}
		if got := events[n]; got.ID != fmt.Sprintf("evt_%d", i) || got.PaymentIntent != fmt.Sprintf("pi_%d", i) || !got.Created.Equal(at(i)) ||
			got.Object != fmt.Sprintf("ch_%d", i) || len(got.SHA256) != 64 {
			t.Fatalf("%+v", got)
		}
	}
	if len(s.asked) != 12 {
		t.Errorf("asked %d times", len(s.asked))
	}
	for i, u := range s.asked {
		q := u.Query()
		if q.Get("limit") != "100" || q.Get("created[gte]") != "1000" || q.Has("created[gt]") || (i%3 == 0) == q.Has("starting_after") {
			t.Errorf("%s", u)
		}
	}
	asked, types := s.asked[9].Query(), []string{}
	for name, values := range asked {
		if strings.HasPrefix(name, "types[") {
			types = append(types, values...)
		}
	}
	slices.Sort(types)
	if want := slices.Sorted(slices.Values(stripepay.EventTypes())); asked.Get("delivery_success") != "false" || !slices.Equal(types, want) || len(types) > 20 {
		t.Errorf("%s", s.asked[9])
	}
}

func TestListsEndWhenNoMoreIsWanted(t *testing.T) {
	s, client := stocked(t, map[string][]string{"/v1/refunds": several(230, refundJSON)})
	for range client.Refunds(t.Context(), time.Time{}) {
		break
	}
	if len(s.asked) != 1 || s.asked[0].Query().Has("created[gte]") {
		t.Errorf("%v", s.asked)
	}
}

func TestListsEndWithTheirFirstError(t *testing.T) {
	for name, body := range map[string]string{
		"cut":                  `{"object":"list","has_more":true,"da`,
		"no list":              `{}`,
		"a page without rows":  `{"object":"list","has_more":true,"data":[]}`,
		"nothing in a row":     `{"object":"list","has_more":false,"data":[null]}`,
		"a row without an id":  `{"object":"list","has_more":false,"data":[{"object":"payment_intent","status":"succeeded","currency":"usd"}]}`,
		"the same page always": `{"object":"list","has_more":true,"data":[` + intentJSON(131) + `]}`,
	} {
		s, client := stocked(t, map[string][]string{"/v1/payment_intents": several(230, intentJSON)})
		s.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if !r.URL.Query().Has("starting_after") {
				return false
			}
			_, _ = w.Write([]byte(body))
			return true
		}
		rows, errs := 0, 0
		for _, err := range client.Intents(t.Context(), time.Time{}) {
			if err == nil {
				rows++
				continue
			}
			var unknown *commands.PaymentUnknown
			if errs++; !errors.As(err, &unknown) || unknown.Reason != commands.UnknownUnreadable {
				t.Errorf("%s: %v", name, err)
			}
		}
		if errs != 1 || rows < 100 || rows > 101 {
			t.Errorf("%s: %d rows, %d errors", name, rows, errs)
		}
	}
}

func TestListsLeaveOutWhatNoPaymentIntentIsBehind(t *testing.T) {
	_, client := stocked(t, map[string][]string{
		"/v1/refunds":  {refundJSON(2), strings.Replace(refundJSON(1), `"pi_1"`, `null`, 1)},
		"/v1/disputes": {strings.Replace(disputeJSON(2), `"pi_2"`, `null`, 1), disputeJSON(1)},
		"/v1/events": {
			eventJSON(4), strings.Replace(eventJSON(3), `"pi_3"`, `null`, 1), strings.Replace(eventJSON(2), `"ch_2"`, `7`, 1),
			strings.Replace(eventJSON(1), `charge.refunded`, `customer.created`, 1),
		},
	})
	refunds, disputes := collect(t, client.Refunds(t.Context(), time.Time{})), collect(t, client.Disputes(t.Context(), time.Time{}))
	events := collect(t, client.Undelivered(t.Context(), time.Time{}))
	if len(refunds) != 1 || refunds[0].ID != "re_2" || len(disputes) != 1 || disputes[0].ID != "du_1" || len(events) != 1 || events[0].ID != "evt_4" {
		t.Errorf("%v, %v, %v", refunds, disputes, events)
	}
}

func TestReadHoldsAllDisputes(t *testing.T) {
	ofOne := func(i int) string { return strings.Replace(disputeJSON(i), fmt.Sprintf(`"pi_%d"`, i), `"pi_1"`, 1) }
	s, client := stocked(t, map[string][]string{"/v1/disputes": several(130, ofOne), "/v1/refunds": {refundOf("re_2"), refundOf("re_1")}})
	intent := func(disputed bool) string {
		return fmt.Sprintf(`{"id":"pi_1","object":"payment_intent","status":"succeeded","amount":100,"amount_received":100,"currency":"usd",`+
			`"created":1000,"latest_charge":{"id":"ch_1","object":"charge","disputed":%v}}`, disputed)
	}
	for _, disputed := range []bool{true, false} {
		s.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/v1/payment_intents/pi_1" {
				return false
			}
			_, _ = w.Write([]byte(intent(disputed)))
			return true
		}
		s.asked = nil
		pi, err := client.Read(t.Context(), "pi_1")
		if err != nil || !pi.Created.Equal(time.Unix(1000, 0)) || len(pi.Refunds) != 2 || pi.Refunds[0].ID != "re_1" || pi.Refunds[1].ID != "re_2" {
			t.Fatalf("%+v, %v", pi, err)
		}
		switch {
		case !disputed && (len(pi.Disputes) != 0 || len(s.asked) != 2):
			t.Errorf("%d disputes, asked %v", len(pi.Disputes), s.asked)
		case disputed && (len(pi.Disputes) != 130 || pi.Disputes[0].ID != "du_1" || pi.Disputes[129].ID != "du_130" || len(s.asked) != 4 ||
			s.asked[2].Query().Get("payment_intent") != "pi_1"):
			t.Errorf("%d disputes, asked %v", len(pi.Disputes), s.asked)
		}
	}
}

func refundOf(id string) string {
	b, _ := json.Marshal(map[string]any{ // can't fail
		"id": id, "object": "refund", "status": "succeeded", "amount": 1, "currency": "usd", "created": 1, "payment_intent": "pi_1",
	})
	return string(b)
}
