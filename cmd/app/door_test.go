package app

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// callers makes the people of a test. Its ledger lets this machine in without a token, as admin.
type callers struct {
	*testing.T
	url string
}

// do sends a request; headers are name, value … The answer's body is the caller's to close.
func (d callers) do(method, path, body string, headers ...string) *http.Response {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		d.Fatalf("%s %s: %v", method, path, err)
	}
	d.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// whole is an answer's status and body.
func (d callers) whole(res *http.Response) (int, string) {
	d.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		d.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func (d callers) token(name, role string) (id, secret string) {
	d.Helper()
	status, body := d.whole(d.do("POST", "/v1/tokens", `{"name":"`+name+`","role":"`+role+`"}`,
		"Idempotency-Key", "make-"+name, "Content-Type", "application/json"))
	var made struct{ ID, Secret string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusCreated {
		d.Fatalf("%d %s", status, body)
	}
	return made.ID, made.Secret
}

func (d callers) revoke(id string) {
	d.Helper()
	if status, body := d.whole(d.do("POST", "/v1/tokens/"+id+"/revoke", "", "Idempotency-Key", "revoke-"+id)); status != http.StatusOK {
		d.Fatalf("%d %s", status, body)
	}
}

// session is the cookie of somebody who signs in with a token.
func (d callers) session(secret string) string {
	d.Helper()
	res := d.do("POST", "/sign-in", url.Values{"token": {secret}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if res.StatusCode != http.StatusSeeOther || len(res.Cookies()) != 1 {
		d.Fatalf("sign-in: %d %v", res.StatusCode, res.Header)
	}
	return res.Cookies()[0].Name + "=" + res.Cookies()[0].Value
}

// Whoever is shown out hears nothing more: not on what they began to read before, either, and nobody takes that for the whole.
func TestWhoIsShownOutHearsNothingMore(t *testing.T) {
	d := callers{t, start(t, func(*Config) {})}
	type stream struct {
		name, path, header, value string
		end                       func()
	}
	var streams []stream
	for _, path := range []string{"/live", "/v1/events"} {
		name := strings.ReplaceAll(path, "/", "-")
		first, secret := d.token("by-token"+name, "viewer")
		streams = append(streams, stream{"a revoked token, " + path, path, "Authorization", "Bearer " + secret, func() { d.revoke(first) }})
		second, secret := d.token("by-session"+name, "viewer")
		streams = append(streams, stream{"a revoked token's session, " + path, path, "Cookie", d.session(secret), func() { d.revoke(second) }})
		_, secret = d.token("signs-out"+name, "viewer")
		cookie := d.session(secret)
		streams = append(streams, stream{"a session that was ended, " + path, path, "Cookie", cookie, func() {
			if res := d.do("POST", "/sign-out", "", "Cookie", cookie); res.StatusCode != http.StatusSeeOther {
				t.Errorf("sign-out: %d", res.StatusCode)
			}
		}})
	}
	_, stays := d.token("stays", "viewer")
	other := d.do("GET", "/v1/events", "", "Authorization", "Bearer "+stays)
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			res := d.do("GET", s.path, "", s.header, s.value)
			if res.StatusCode != http.StatusOK {
				t.Fatalf("%d", res.StatusCode)
			}
			began := time.Now()
			s.end()
			if _, err := io.Copy(io.Discard, res.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("it ends with %v", err)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it goes on for %s", took)
			}
			if res := d.do("GET", s.path, "", s.header, s.value); res.StatusCode != http.StatusUnauthorized {
				t.Errorf("anew: %d", res.StatusCode)
			}
		})
	}
	d.place("1001")
	if n, err := other.Body.Read(make([]byte, 100)); n == 0 {
		t.Errorf("another hears nothing more, either: %v", err)
	}
}

// Nothing between the ledger and its reader keeps an answer, or takes it for another kind of file than it is.
func TestAnswersAreForTheirReaderAlone(t *testing.T) {
	d := callers{t, start(t, func(*Config) {})}
	id := d.place("1")
	for _, path := range []string{"/v1/orders", "/v1/orders/" + id, "/v1/orders/" + id + "/events", "/v1/orders?format=csv", "/v1/tabs", "/v1/tokens", "/v1/nothing", "/orders", "/orders.csv", "/sign-in", "/outbox"} {
		if res := d.do("GET", path, ""); res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
		}
	}
}

// order is one on account, as a store sends it.
func order(number, customer string) string {
	name, err := json.Marshal(customer)
	if err != nil {
		panic(err)
	}
	address := `{"name":` + string(name) + `,"line1":"1 Quay St","city":"Portland","region":"ME","postal_code":"04101","country":"US"}`
	return `{"order_number":"` + number + `","placed_at":"2026-01-05T09:00:00Z","manufacturer":"northwind","customer":{"id":"C1","name":` + string(name) +
		`,"email":"c1@example.com","account_number":"A-1"},"billing_address":` + address + `,"shipping_address":` + address +
		`,"shipping_method":"Ground","lines":[{"sku":"S-1","description":"Rope","quantity":1,"unit_price":100,"discount_percent":0,"amount":100}],` +
		`"currency":"USD","subtotal":100,"freight":0,"tax":0,"total":100,"payment":{"method":"account"}}`
}

// place places an order, and returns its id.
func (d callers) place(number string) string {
	d.Helper()
	status, body := d.whole(d.do("POST", "/v1/orders", order(number, "Ada"), "Content-Type", "application/json", "Idempotency-Key", "place-"+number))
	var placed struct{ ID string }
	if err := json.Unmarshal([]byte(body), &placed); err != nil || status != http.StatusCreated {
		d.Fatalf("%d %s", status, body)
	}
	return placed.ID
}
