package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// wire answers requests without a network, so that time can be a test's own.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

func over(t *testing.T, w wire, edit ...func(*client.Config)) *client.Client {
	t.Helper()
	config := client.Config{Server: "http://ledger.test/", HTTPClient: &http.Client{Transport: w}}
	for _, f := range edit {
		f(&config)
	}
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func answer(status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func TestRequestsAreRetriedWithTheSameKeyAndBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var keys, bodies []string
		c := over(t, func(r *http.Request) (*http.Response, error) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			keys, bodies = append(keys, r.Header.Get("Idempotency-Key")), append(bodies, string(b))
			switch len(keys) {
			case 1:
				return nil, errors.New("connection reset")
			case 2:
				return answer(503, `{"code":"unavailable"}`, "Retry-After", "4"), nil
			case 3:
				return answer(429, `{"code":"rate_limited"}`, "Retry-After", "1"), nil
			case 4:
				r := answer(200, "")
				r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"ver`), broken{}))
				return r, nil
			}
			return answer(200, `{"version":2}`, "Idempotent-Replayed", "true", "Ledger-Position", "12"), nil
		})
		a, err := c.AddNote(t.Context(), orderID, "call first")
		if err != nil || a.Order.Version != 2 || !a.Replayed || a.Position != 12 {
			t.Fatalf("answer: %+v, %v", a, err)
		}
		for i := range keys {
			if keys[i] == "" || keys[i] != keys[0] || bodies[i] != `{"text":"call first"}` {
				t.Errorf("attempt %d: key %q, body %s", i+1, keys[i], bodies[i])
			}
		}
		if len(keys) != 5 || time.Since(began) < 5*time.Second {
			t.Errorf("%d attempts in %s", len(keys), time.Since(began))
		}
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestRetriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		c := over(t, func(*http.Request) (*http.Response, error) {
			attempts++
			return answer(503, `{"code":"unavailable","detail":"later"}`, "Retry-After", "86400"), nil
		})
		began := time.Now()
		_, err := c.Tabs(t.Context(), 0)
		if !client.IsCode(err, "unavailable") || attempts != client.DefaultAttempts {
			t.Errorf("%d attempts: %v", attempts, err)
		}
		if took := time.Since(began); took > 3*time.Minute {
			t.Errorf("took %s", took)
		}
	})
}

func TestWhatIsDefiniteIsNotRetried(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 500} {
		attempts := 0
		c := over(t, func(*http.Request) (*http.Response, error) {
			attempts++
			return answer(status, `{"code":"x","detail":"y","errors":[{"field":"/a","code":"b","message":"c"}]}`), nil
		})
		_, err := c.Accept(t.Context(), orderID)
		var p *client.Problem
		if !errors.As(err, &p) || p.Status != status || p.Code != "x" || len(p.Errors) != 1 || attempts != 1 {
			t.Errorf("%d: %d attempts, %v", status, attempts, err)
		}
	}
}

func TestCallersContextEndsTheRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c := over(t, func(*http.Request) (*http.Response, error) { return answer(503, `{}`, "Retry-After", "20"), nil })
		began := time.Now()
		_, err := c.Tabs(ctx, 0)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestSilentServerIsGivenUpAndAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		c := over(t, func(r *http.Request) (*http.Response, error) {
			if attempts++; attempts == 1 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return answer(200, `{"new":3}`), nil
		})
		tabs, err := c.Tabs(t.Context(), 0)
		if err != nil || tabs.New != 3 || attempts != 2 {
			t.Errorf("%d attempts: %+v, %v", attempts, tabs, err)
		}
	})
}

// Every command goes to its path with its body, its version and who asks.
func TestCommandsOnTheWire(t *testing.T) {
	ctx, base := t.Context(), "/v1/orders/"+orderID.String()
	parcels := []domain.Tracking{{Carrier: "ups", Number: "1Z"}}
	for _, tt := range []struct {
		path, body, match string
		call              func(*client.Client) error
	}{
		{base + "/accept", `{}`, "", func(c *client.Client) error { return only(c.Accept(ctx, orderID)) }},
		{base + "/accept", `{}`, `"5"`, func(c *client.Client) error { return only(c.Accept(ctx, orderID, client.IfVersion(5))) }},
		{base + "/capture", `{}`, `"2"`, func(c *client.Client) error { return only(c.Capture(ctx, orderID, 2, "")) }},
		{base + "/capture", `{"external_reference":"INV"}`, `"2"`, func(c *client.Client) error { return only(c.Capture(ctx, orderID, 2, "INV")) }},
		{base + "/ship", `{}`, `"3"`, func(c *client.Client) error { return only(c.Ship(ctx, orderID, 3, nil)) }},
		{base + "/ship", `{"tracking":[{"carrier":"ups","number":"1Z"}]}`, `"3"`, func(c *client.Client) error { return only(c.Ship(ctx, orderID, 3, parcels)) }},
		{base + "/tracking", `{"tracking":[]}`, "", func(c *client.Client) error { return only(c.CorrectTracking(ctx, orderID, nil)) }},
		{base + "/refund", `{"reason":"broken"}`, `"4"`, func(c *client.Client) error { return only(c.Refund(ctx, orderID, 4, "broken")) }},
		{base + "/cancel", `{"reason":"late"}`, `"4"`, func(c *client.Client) error { return only(c.Cancel(ctx, orderID, 4, "late")) }},
		{base + "/archive", `{}`, "", func(c *client.Client) error { return only(c.Archive(ctx, orderID)) }},
		{base + "/unarchive", `{}`, "", func(c *client.Client) error { return only(c.Unarchive(ctx, orderID)) }},
		{base + "/notes", `{"text":"x"}`, "", func(c *client.Client) error { return only(c.AddNote(ctx, orderID, "x")) }},
		{base + "/reversal", `{"external_reference":"CR"}`, "", func(c *client.Client) error { return only(c.RecordReversal(ctx, orderID, "CR")) }},
		{base + "/reauthorize", `{"payment_intent":"pi_2"}`, "", func(c *client.Client) error { return only(c.Reauthorize(ctx, orderID, "pi_2")) }},
		{base + "/resume", `{"decision":"retry","evidence":"e"}`, "", func(c *client.Client) error {
			return only(c.Resume(ctx, orderID, domain.Resume{Decision: domain.Retry, Evidence: "e"}))
		}},
		{base + "/resume", `{"decision":"settle","reference":"wire 1"}`, `"4"`, func(c *client.Client) error {
			return only(c.Resume(ctx, orderID, domain.Resume{Decision: domain.Settle, Reference: "wire 1"}, client.IfVersion(4)))
		}},
		{"/v1/orders", `{"a":1}`, "", func(c *client.Client) error { return only(c.PlaceJSON(ctx, []byte(`{"a":1}`))) }},
		{"/v1/tokens", `{"name":"n","role":"clerk"}`, "", func(c *client.Client) error { return only(c.CreateToken(ctx, "n", domain.Clerk)) }},
		{"/v1/tokens/0a/revoke", `{}`, "", func(c *client.Client) error { return only(c.RevokeToken(ctx, "0a")) }},
		{"/v1/webhook-endpoints", `{"url":"https://x","types":["Shipped"],"include_customer_data":true}`, "", func(c *client.Client) error {
			return only(c.AddEndpoint(ctx, client.NewEndpoint{URL: "https://x", Types: []string{"Shipped"}, CustomerData: true}))
		}},
		{"/v1/webhook-endpoints/0a/rotate", `{}`, "", func(c *client.Client) error { return only(c.RotateEndpoint(ctx, "0a")) }},
		{"/v1/webhook-endpoints/0a/enable", `{}`, "", func(c *client.Client) error { return only(c.EnableEndpoint(ctx, "0a")) }},
		{"/v1/webhook-endpoints/0a/disable", `{}`, "", func(c *client.Client) error { return only(c.DisableEndpoint(ctx, "0a")) }},
		{"/v1/webhook-endpoints/0a/remove", `{}`, "", func(c *client.Client) error { return only(c.RemoveEndpoint(ctx, "0a")) }},
		{"/v1/webhook-endpoints/0a/retry", `{}`, "", func(c *client.Client) error { return only(c.RetryDelivery(ctx, "0a")) }},
		{"/v1/webhook-endpoints/0a/skip", `{}`, "", func(c *client.Client) error { return only(c.SkipDelivery(ctx, "0a")) }},
		{"/v1/webhook-endpoints/0a/test", `{}`, "", func(c *client.Client) error { return only(c.TestEndpoint(ctx, "0a")) }},
		{"/v1/projections/rebuild", `{}`, "", func(c *client.Client) error { return c.RebuildProjections(ctx) }},
	} {
		t.Run(tt.path+" "+tt.body, func(t *testing.T) {
			var got *http.Request
			var body []byte
			c := over(t, func(r *http.Request) (res *http.Response, err error) {
				got = r
				body, err = io.ReadAll(r.Body)
				return answer(202, `{}`), err
			}, func(c *client.Config) { c.Token, c.Via = "olt_secret", domain.ViaCLI })
			if err := tt.call(c); err != nil {
				t.Fatal(err)
			}
			h := got.Header
			if got.Method != "POST" || got.URL.Path != tt.path || string(body) != tt.body || h.Get("If-Match") != tt.match {
				t.Errorf("%s %s %s If-Match %s", got.Method, got.URL.Path, body, h.Get("If-Match"))
			}
			if h.Get("Idempotency-Key") == "" || h.Get("Authorization") != "Bearer olt_secret" || h.Get("Orderledger-Via") != "cli" ||
				h.Get("Content-Type") != "application/json" {
				t.Errorf("headers: %v", h)
			}
		})
	}
}

func only[T any](_ T, err error) error { return err }

func TestQueriesOnTheWire(t *testing.T) {
	ctx := t.Context()
	for want, call := range map[string]func(*client.Client) error{
		"/v1/orders": func(c *client.Client) error { return only(c.List(ctx, client.Query{})) },
		"/v1/orders?limit=5&q=M%C3%BCller&sort=-total&tab=new&wait_for=9": func(c *client.Client) error {
			return only(c.List(ctx, client.Query{Tab: domain.TabNew, Text: "Müller", Sort: "-total", Limit: 5, WaitFor: 9}))
		},
		"/v1/orders/" + orderID.String() + "?wait_for=3": func(c *client.Client) error { return only(c.Get(ctx, orderID, 3)) },
		"/v1/parked?cursor=c&limit=2&wait_for=7": func(c *client.Client) error {
			return only(c.Parked(ctx, client.ParkedQuery{Cursor: "c", Limit: 2, WaitFor: 7}))
		},
		"/v1/obligations": func(c *client.Client) error { return only(c.Obligations(ctx, client.ObligationQuery{})) },
		"/v1/obligations?cursor=c&kind=entry&limit=2&manufacturer=acme&wait_for=7": func(c *client.Client) error {
			return only(c.Obligations(ctx, client.ObligationQuery{
				Kind: domain.OwesEntry, Manufacturer: "acme", Cursor: "c", Limit: 2, WaitFor: 7,
			}))
		},
		"/v1/obligations/recorded?from=2026-01-01&kind=reversal&to=2026-01-31": func(c *client.Client) error {
			return only(c.Recorded(ctx, client.RecordedQuery{Kind: domain.OwesReversal, From: "2026-01-01", To: "2026-01-31"}))
		},
		"/v1/obligations?format=csv&kind=entry": func(c *client.Client) error {
			return c.ObligationsCSV(ctx, client.ObligationQuery{Kind: domain.OwesEntry}, io.Discard)
		},
		"/v1/obligations/recorded?format=csv&wait_for=7": func(c *client.Client) error {
			return c.RecordedCSV(ctx, client.RecordedQuery{WaitFor: 7}, io.Discard)
		},
		"/v1/tabs": func(c *client.Client) error { return only(c.Tabs(ctx, 0)) },
		"/v1/orders/" + orderID.String() + "/events": func(c *client.Client) error {
			_, _, err := c.Timeline(ctx, orderID)
			return err
		},
		"/v1/tokens":                       func(c *client.Client) error { return only(c.Tokens(ctx, 0)) },
		"/v1/webhook-endpoints?wait_for=4": func(c *client.Client) error { return only(c.Endpoints(ctx, 4)) },
		"/v1/projections":                  func(c *client.Client) error { return only(c.Projections(ctx)) },
		"/v1/store":                        func(c *client.Client) error { return only(c.Store(ctx)) },
	} {
		c := over(t, func(r *http.Request) (*http.Response, error) {
			if r.Method != "GET" || r.URL.RequestURI() != want {
				t.Errorf("%s %s, want %s", r.Method, r.URL.RequestURI(), want)
			}
			return answer(200, `{"next_cursor":null}`), nil
		})
		if err := call(c); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestEventsGoOnWhereTheConnectionWasCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		c := over(t, func(r *http.Request) (*http.Response, error) {
			asked = append(asked, r.URL.RawQuery)
			switch len(asked) {
			case 1:
				res := answer(200, "")
				res.Body = io.NopCloser(io.MultiReader(strings.NewReader(event(4)+": alive\n\n"+event(6)+"id: 7\ndata: {\"posi"), broken{}))
				return res, nil
			case 2:
				return answer(503, `{}`), nil
			}
			return answer(200, event(7)+event(9)), nil
		})
		start := eventstore.Position(3)
		var got []eventstore.Position
		for change, err := range c.Events(t.Context(), &start) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, change.Position); change.Position == 9 {
				break
			}
		}
		if fmt.Sprint(got) != "[4 6 7 9]" || fmt.Sprint(asked) != "[after=3 after=6 after=6]" {
			t.Errorf("got %v, asked %v", got, asked)
		}
	})
}

func event(p int) string {
	return fmt.Sprintf("id: %d\ndata: {\"position\":%d,\"type\":\"Accepted\"}\n\n", p, p)
}

func TestEventsGiveUpOnASilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		c := over(t, func(*http.Request) (*http.Response, error) { attempts++; return nil, errors.New("refused") })
		var last error
		for _, err := range c.Events(t.Context(), nil) {
			last = err
		}
		if last == nil || attempts != client.DefaultAttempts {
			t.Errorf("%d attempts: %v", attempts, last)
		}
	})
}

func TestLogIsReadToItsEnd(t *testing.T) {
	line := func(p int) string {
		b, err := json.Marshal(map[string]any{"position": p, "stream": "order-1", "revision": p - 1, "type": "Accepted", "data": []byte("{}"), "meta": []byte(`{"a":1}`)})
		if err != nil {
			t.Fatal(err)
		}
		return string(b) + "\n"
	}
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := over(t, func(r *http.Request) (*http.Response, error) {
			if n++; n == 1 {
				res := answer(200, "")
				res.Body = io.NopCloser(io.MultiReader(strings.NewReader(line(1)+line(2)[:20]), broken{}))
				return res, nil
			}
			if r.URL.RawQuery != "after=1&follow=false" {
				t.Errorf("asked for %s", r.URL.RawQuery)
			}
			return answer(200, line(2)+line(3)), nil
		})
		var got []eventstore.Recorded
		for r, err := range c.Log(t.Context(), 0, false) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
		}
		if len(got) != 3 || string(got[2].Meta) != `{"a":1}` || got[2].Position != 3 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestImportAllKeepsToTheLimits(t *testing.T) {
	var sizes []int
	position := 0
	c := over(t, func(r *http.Request) (*http.Response, error) {
		b, err := io.ReadAll(r.Body)
		if err != nil || len(b) > client.MaxImportBytes {
			t.Errorf("a body of %d bytes, %v", len(b), err)
		}
		if got := r.Header.Get("Content-Type"); got != "application/x-ndjson" {
			t.Errorf("type %s", got)
		}
		n := strings.Count(string(b), "\n")
		sizes = append(sizes, n)
		results := make([]map[string]any, n)
		for i := range results {
			results[i] = map[string]any{"line": i + 1, "status": "placed"}
		}
		position++
		body, err := json.Marshal(map[string]any{"results": results, "position": position})
		return answer(200, string(body)), err
	})
	long := `{"a":"` + strings.Repeat("x", 600_000) + `"}`
	lines := strings.Repeat("{}\n", 1500) + "\n" + strings.Repeat("x", client.MaxImportBytes+5) + "\n" + long + "\n" + long + "\n{}"
	total, seen := 0, map[string]int{}
	last := client.LineResult{}
	for part, err := range c.ImportAll(t.Context(), strings.NewReader(lines)) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range part.Results {
			total++
			seen[r.Status]++
			if r.Status == "rejected" && (r.Line != 1502 || r.Code != "too_large") {
				t.Errorf("rejected: %+v", r)
			}
			if r.Line > last.Line {
				last = r
			}
		}
	}
	if total != 1504 || seen["placed"] != 1503 || last.Line != 1505 || fmt.Sprint(sizes) != "[1000 501 2]" {
		t.Errorf("%d results, %v, last %+v, requests %v", total, seen, last, sizes)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, server := range []string{"", "localhost:8080", "ftp://x", "http://", "http://u:p@x", "http://x?a=b", ":"} {
		if _, err := client.New(client.Config{Server: server}); err == nil {
			t.Errorf("%q is accepted", server)
		}
	}
	if _, err := client.New(client.Config{Server: "http://x", Attempts: -1}); err == nil {
		t.Error("-1 attempts are accepted")
	}
}

func TestWaitIsAskedForInSecondsAndBounded(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "", 999 * time.Millisecond: "", 10 * time.Second: "wait=10", time.Hour: "wait=30"} {
		c := over(t, func(r *http.Request) (*http.Response, error) {
			if got := r.Header.Get("Prefer"); got != want {
				t.Errorf("%s: Prefer %q, want %q", d, got, want)
			}
			return answer(200, `{}`, "Ledger-Position", strconv.Itoa(1)), nil
		})
		if _, err := c.Accept(t.Context(), orderID, client.Wait(d)); err != nil {
			t.Error(err)
		}
	}
}

func TestTablesThatAreCutShort(t *testing.T) {
	cut := over(t, func(*http.Request) (*http.Response, error) {
		res := answer(200, "")
		res.Body = io.NopCloser(io.MultiReader(strings.NewReader("order_number\n10248\n"), broken{}))
		return res, nil
	})
	var got strings.Builder
	err := cut.ObligationsCSV(t.Context(), client.ObligationQuery{}, &got)
	if !errors.Is(err, client.ErrCutShort) || got.String() != "order_number\n10248\n" {
		t.Errorf("%q, %v", got.String(), err)
	}
	refused := over(t, func(*http.Request) (*http.Response, error) {
		return answer(400, `{"code":"bad_query","detail":"no"}`), nil
	})
	if err := refused.RecordedCSV(t.Context(), client.RecordedQuery{}, &got); !client.IsCode(err, "bad_query") {
		t.Error(err)
	}
}

func TestWhoHasTheReferenceIsNamed(t *testing.T) {
	c := over(t, func(*http.Request) (*http.Response, error) {
		return answer(409, `{"code":"reference_used","detail":"taken","other_order":"`+orderID.String()+`"}`), nil
	})
	_, err := c.Capture(t.Context(), orderID, 3, "INV-1")
	var p *client.Problem
	if !errors.As(err, &p) || p.Other != orderID {
		t.Errorf("%v", err)
	}
}
