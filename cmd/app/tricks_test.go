package app

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends bytes as they are, and returns the status and the body of what is answered; 0 when nothing is.
func (d callers) raw(request string) (int, string) {
	d.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		d.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		d.Fatal(err)
	}
	_, _ = io.WriteString(c, request) // it may hang up before it has read all
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

// However a stranger writes a path, a method or a header: nothing that is somebody's comes of it, and no redirect leads elsewhere.
func TestTricksOfStrangers(t *testing.T) {
	d := callers{t, start(t, func(c *Config) { c.NoAnonymous = false })}
	d.token("treasure", "admin")
	const nobody = "X-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n"
	for _, target := range []string{
		"/v1/tokens", "//v1/tokens", "/./v1/tokens", "/livez/../v1/tokens", "/static/../v1/tokens", "/static/..%2fv1/tokens", "/static/%2e%2e/v1/tokens",
		"/sign-in/../v1/tokens", "/sign-in/%2e%2e/v1/tokens", "/v1/webhooks/stripe/../../tokens", "/v1/webhooks/stripe/..%2f..%2ftokens", "/openapi.json/../v1/tokens",
		"/v1/tokens/", "/v1/tokens;x=1", "/v1/tokens%00", "/v1/tokens%20", "/V1/tokens", "/v1%2ftokens", "/v1/%74okens", "/v1/tokens?x", "/v1/tokens#x", "http://localhost/v1/tokens",
		"http://evil.example/v1/tokens", "*", "/outbox/..%2f..%2fwebhooks%2fkey", "/static/vendor/..%2f..%2f..%2f..%2fetc%2fpasswd", "/static//etc/passwd", "\\\\evil.example\\v1", "/%5c%5cevil.example",
		"//evil.example/%2e%2e", "//evil.example", "/\\evil.example", "/sign-in?back=//evil.example", "/sign-in/provider?back=//evil.example",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "TRACE", "CONNECT", "get", "GETT", "PROPFIND"} {
			status, body := d.raw(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + nobody + "Content-Length: 0\r\n\r\n")
			if strings.Contains(body, "treasure") || strings.Contains(body, "root:") || (status == 200 && !strings.Contains(body, "<title>Sign in") && method != "HEAD" && target != "*") {
				t.Errorf("%s %s: %d %.200s", method, target, status, body)
			}
			if status >= 500 && status != http.StatusNotImplemented {
				t.Errorf("%s %s: %d %.200s", method, target, status, body)
			}
		}
	}
	for name, request := range map[string]string{
		"another method in a header": "GET /v1/tabs HTTP/1.1\r\nHost: localhost\r\n" + nobody + "X-HTTP-Method-Override: POST\r\n\r\n",
		"another path in a header":   "GET /sign-in HTTP/1.1\r\nHost: localhost\r\n" + nobody + "X-Original-URL: /v1/tokens\r\nX-Rewrite-URL: /v1/tokens\r\n\r\n",
		"two hosts":                  "GET /v1/tokens HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
		"two lengths":                "POST /v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"a request in a body":        "POST /v1/webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/tokens HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"a space before a colon":     "GET /v1/tokens HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For : 192.0.2.1\r\nConnection: close\r\n\r\n",
		"a folded header":            "GET /v1/tokens HTTP/1.1\r\nHost: evil.example\r\nX-A: b\r\n c\r\nConnection: close\r\n\r\n",
		"no host":                    "GET /v1/tokens HTTP/1.1\r\nConnection: close\r\n\r\n",
		"an empty host":              "GET /v1/tokens HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n",
		"an old version":             "GET /v1/tokens HTTP/1.0\r\n\r\n",
		"a host of another's":        "GET /v1/tokens HTTP/1.1\r\nHost: evil.example:8080\r\nConnection: close\r\n\r\n",
		"a host with a user":         "GET http://localhost@evil.example/v1/tokens HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"many headers":               "GET /v1/tokens HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X-A: b\r\n", 20_000) + nobody + "\r\n",
		"a long header":              "GET /v1/tokens HTTP/1.1\r\nHost: localhost\r\nX-A: " + strings.Repeat("a", 1<<20) + "\r\n" + nobody + "\r\n",
		"a long path":                "GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: localhost\r\n" + nobody + "\r\n",
		"a long cookie":              "GET /orders HTTP/1.1\r\nHost: localhost\r\nCookie: orderledger=" + strings.Repeat("a", 60_000) + "\r\n" + nobody + "\r\n",
		"no HTTP":                    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
	} {
		if status, body := d.raw(request); strings.Contains(body, "treasure") || status >= 500 || (status == 200 && !strings.Contains(body, "<title>Sign in")) {
			t.Errorf("%s: %d %.200s", name, status, body)
		}
	}
}

// What can be asked for in one request has an end, and what is beyond is answered, soon and in few words.
func TestRequestsHaveAnEnd(t *testing.T) {
	d := callers{t, start(t, func(*Config) {})}
	id := d.place("1")
	if status, body := d.whole(d.do("POST", "/v1/orders/"+id+"/accept", "", "Idempotency-Key", "a")); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	many := func(n int, each string, between string) string {
		return strings.TrimSuffix(strings.Repeat(each+between, n), between)
	}
	numbered := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			_, _ = fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, c := range []struct {
		name, method, path, kind, body string
		status                         int
	}{
		{"deep objects", "POST", "/v1/orders", "json", strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000), 400},
		{"deep lists", "POST", "/v1/orders", "json", `{"lines":` + strings.Repeat("[", 400_000), 400},
		{"many fields", "POST", "/v1/orders", "json", "{" + numbered(80_000, `"a%d":1`) + "}", 422},
		{"many lines", "POST", "/v1/orders", "json", `{"lines":[` + many(200_000, "{}", ",") + `]}`, 422},
		{"a large number", "POST", "/v1/orders", "json", `{"total":1` + strings.Repeat("0", 900_000) + `}`, 422},
		{"a large exponent", "POST", "/v1/orders", "json", `{"total":1e999999999}`, 422},
		{"a large body", "POST", "/v1/orders", "json", `{"a":"` + strings.Repeat("x", 2<<20) + `"}`, 413},
		{"many parcels", "POST", "/v1/orders/" + id + "/ship", "json", `{"tracking":[` + many(20_000, `{"carrier":"ups","number":"1"}`, ",") + `]}`, 422},
		{"a long note", "POST", "/v1/orders/" + id + "/notes", "json", `{"text":"` + strings.Repeat("x", 1_000_000) + `"}`, 422},
		{"many imports", "POST", "/v1/imports", "x-ndjson", many(300_000, "{}", "\n"), 413},
		{"a large limit", "GET", "/v1/orders?limit=1000000", "", "", 400},
		{"no limit", "GET", "/v1/orders?limit=-1", "", "", 400},
		{"a long search", "GET", "/v1/orders?q=" + strings.Repeat("%25_", 10_000), "", "", 400},
		{"a long search on a page", "GET", "/orders?q=" + strings.Repeat("a", 50_000), "", "", 400},
		{"a long cursor", "GET", "/v1/orders?cursor=" + strings.Repeat("A", 50_000), "", "", 400},
		{"many filters", "GET", "/orders?" + many(3_000, "badge=x", "&"), "", "", 400},
		{"many orders in a form", "POST", "/jobs/new", "form", "verb=accept&key=k&orders=" + strings.Repeat("7f1a2b3c-0000-5000-8000-000000000000,", 20_000), 404},
		{"one order very often", "POST", "/jobs/new", "form", "verb=accept&key=k&orders=" + many(20_000, id, ","), 200},
		{"a large form", "POST", "/orders/" + id + "/notes", "form", "key=k&version=1&text=" + strings.Repeat("x", 1<<20), 413},
		{"a token that is none", "POST", "/sign-in", "form", "token=" + strings.Repeat("x", 1<<20), 400},
	} {
		kind := map[string]string{"form": "application/x-www-form-urlencoded"}[c.kind]
		if kind == "" {
			kind = "application/" + c.kind
		}
		began := time.Now()
		status, body := d.whole(d.do(c.method, c.path, c.body, "Content-Type", kind, "Idempotency-Key", "k", "If-Match", `"2"`))
		if status != c.status || len(body) > 100_000 {
			t.Errorf("%s: %d, want %d; %d bytes in %s: %.300s", c.name, status, c.status, len(body), time.Since(began), body)
		}
	}
}
