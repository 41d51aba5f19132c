package app

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// start runs a ledger in memory until the test ends.
func start(t *testing.T, edit func(*Config)) string {
	t.Helper()
	return startApp(t, edit).URL()
}

// startApp runs a ledger as start does; prepare changes it before it runs.
func startApp(t *testing.T, edit func(*Config), prepare ...func(*App)) *App {
	t.Helper()
	return startTo(t, io.Discard, edit, prepare...)
}

// startTo is startApp for a ledger whose log is looked at.
func startTo(t *testing.T, out io.Writer, edit func(*Config), prepare ...func(*App)) *App {
	t.Helper()
	c := Default()
	c.Data, c.Store, c.Listen, c.LogLevel = t.TempDir(), "memory", "127.0.0.1:0", "error"
	edit(&c)
	ctx, stop := context.WithCancel(context.Background())
	a, err := New(ctx, c, out, Hooks{})
	if err != nil {
		stop()
		t.Fatal(err)
	}
	for _, p := range prepare {
		p(a)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return a
}

// get asks; headers are name, value …
func get(t *testing.T, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r.Host = r.Header.Get("Host") // empty is the URL's
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// People who are not let in get a page, programs a problem; the page's style is for everybody.
func TestRefusalsArePagesForPeople(t *testing.T) {
	url := start(t, func(*Config) {})
	proxied := []string{"X-Forwarded-For", "192.0.2.1"}
	for _, tt := range []struct {
		name, method, path string
		headers            []string
		status             int
		says               string
	}{
		{"nobody", "GET", "/orders", proxied, 401, "orderledger token create"},
		{"a wrong token", "GET", "/orders", []string{"Authorization", "Bearer nonsense"}, 401, "Sign in"},
		{"nobody, a page that is not there", "GET", "/nowhere", proxied, 401, "Sign in"},
		{"another site", "POST", "/orders/x/accept", []string{"Sec-Fetch-Site", "cross-site"}, 403, "another origin"},
		{"a rebound name", "GET", "/orders", []string{"Host", "evil.example"}, 403, "loopback name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, body := get(t, tt.method, url+tt.path, tt.headers...)
			if res.StatusCode != tt.status || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || !strings.Contains(body, tt.says) {
				t.Errorf("%d %s: %s", res.StatusCode, res.Header.Get("Content-Type"), body)
			}
			if res.Header.Get("Content-Security-Policy") == "" || (tt.status == 401) != (len(res.Header.Values("WWW-Authenticate")) == 1) {
				t.Errorf("headers: %v", res.Header)
			}
		})
	}
	if res, body := get(t, "GET", url+"/v1/orders", proxied...); res.StatusCode != 401 || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("the API: %d %s", res.StatusCode, body)
	}
	_, page := get(t, "GET", url+"/orders", proxied...)
	found := regexp.MustCompile(`(?:href|src)="(/static/[^"#]+)"`).FindAllStringSubmatch(page, -1)
	if len(found) != 3 {
		t.Errorf("the page loads %v", found)
	}
	for _, f := range found {
		if res, _ := get(t, "GET", url+f[1], proxied...); res.StatusCode != 200 {
			t.Errorf("%s: %d", f[1], res.StatusCode)
		}
	}
}

func TestTooManyRequestsForPagesAreAPage(t *testing.T) {
	url := start(t, func(c *Config) { c.RateLimit = 0.001 })
	get(t, "GET", url+"/orders?tab=new")
	res, body := get(t, "GET", url+"/orders?tab=new")
	if res.StatusCode != 429 || res.Header.Get("Retry-After") == "" || !strings.Contains(body, "Too many requests</h1>") {
		t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
	}
}

// Whatever is wrong with a query's parameters has one answer, which names them.
func TestBadQueries(t *testing.T) {
	url := start(t, func(*Config) {})
	for query, parameter := range map[string]string{
		"/v1/orders?tab=open": "tab", "/v1/orders?limit=201": "limit", "/v1/orders?limit=x": "limit", "/v1/orders?stauts=paid": "stauts",
		"/v1/orders?sort=secret": "sort", "/v1/orders?placed_from=yesterday": "placed_from", "/v1/orders?cursor=x": "cursor",
		"/v1/tabs?wait_for=x": "wait_for", "/v1/tabs?tab=new": "tab", "/v1/log?after=-1": "after", "/v1/log?after=9": "after",
		"/v1/events?after=x": "after", "/v1/events?from=1": "from", "/v1/projections?x=": "x", "/v1/store?x=1": "x", "/v1/tokens?role=clerk": "role",
	} {
		res, body := get(t, "GET", url+query)
		var p struct {
			Code, Detail string
			Errors       []struct{ Field, Message string }
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil || res.StatusCode != 400 || p.Code != "bad_query" {
			t.Errorf("%s: %d %s", query, res.StatusCode, body)
			continue
		}
		if len(p.Errors) != 1 || p.Errors[0].Field != parameter || p.Errors[0].Message == "" || !strings.Contains(p.Detail, "The parameter "+parameter+": ") {
			t.Errorf("%s: %s", query, body)
		}
	}
}

func TestMethodsThatAPathDoesNotKnow(t *testing.T) {
	url := start(t, func(*Config) {})
	const order = "/v1/orders/11111111-2222-5333-8444-555555555555"
	for _, tt := range []struct {
		method, path string
		status       int
		allow, code  string
	}{
		{"GET", order + "/accept", 405, "POST", "method_not_allowed"},
		{"POST", order, 405, "GET, HEAD", "method_not_allowed"},
		{"DELETE", "/v1/orders", 405, "GET, HEAD, POST", "method_not_allowed"},
		{"PUT", "/v1/tabs", 405, "GET, HEAD", "method_not_allowed"},
		{"GET", "/v1/nothing", 404, "", "not_found"},
		{"POST", "/v1/", 404, "", "not_found"},
	} {
		res, body := get(t, tt.method, url+tt.path)
		if res.StatusCode != tt.status || res.Header.Get("Allow") != tt.allow || !strings.Contains(body, `"code":"`+tt.code+`"`) {
			t.Errorf("%s %s: %d, Allow %q, %s", tt.method, tt.path, res.StatusCode, res.Header.Get("Allow"), body)
		}
	}
}
