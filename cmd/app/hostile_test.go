package app

import (
	"encoding/csv"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// What others write is shown on every page that there is, and is text on all of them: pages are found by their links, and forms by what
// they ask for.
func TestHostileTextsAreTextEverywhere(t *testing.T) {
	const (
		evil    = `"'><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}`
		formula = `=cmd|' /C calc'!A0`
		address = `javascript:alert(1)//`
	)
	d := callers{t, start(t, func(*Config) {})}
	quoted := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	fill := strings.NewReplacer(
		`"1 Quay St"`, quoted(address), `"Portland"`, quoted(formula), `"ME"`, quoted(formula),
		`"Ground"`, quoted(evil), `"S-1"`, quoted(formula), `"Rope"`, quoted(evil), `"A-1"`, quoted(formula), `"C1"`, quoted(evil), `"04101"`, quoted(evil),
	)
	position := "0"
	call := func(key, path, body string) string {
		t.Helper()
		res := d.do("POST", path, body, "Content-Type", "application/json", "Idempotency-Key", key)
		position = res.Header.Get("Ledger-Position")
		status, answer := d.whole(res)
		if status/100 != 2 {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
		return answer
	}
	var placed struct{ ID string }
	if err := json.Unmarshal([]byte(call("p", "/v1/orders", strings.ReplaceAll(fill.Replace(order("1", evil)), `"order_number":"1"`, `"order_number":`+quoted(`<b>"1"`)))), &placed); err != nil {
		t.Fatal(err)
	}
	on := "/v1/orders/" + placed.ID
	call("a", on+"/accept", "")
	call("n", on+"/notes", `{"text":`+quoted(evil+"\n"+formula)+`}`)
	res := d.do("POST", on+"/ship", `{"tracking":[{"carrier":`+quoted(address)+`,"number":`+quoted(`"><script>`)+`},{"carrier":"ups","number":`+quoted(address)+`}]}`,
		"Content-Type", "application/json", "Idempotency-Key", "s", "If-Match", `"3"`)
	if status, body := d.whole(res); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	position = res.Header.Get("Ledger-Position")
	d.whole(d.do("GET", "/v1/tabs?wait_for="+position, ""))
	if res := d.do("POST", "/views", url.Values{"key": {"v"}, "name": {evil[:60]}, "query": {"tab=shipped&q=" + url.QueryEscape(evil)}, "shared": {"yes"}, "do": {"save"}}.Encode(),
		"Content-Type", "application/x-www-form-urlencoded"); res.StatusCode >= 500 {
		t.Errorf("a view: %d", res.StatusCode)
	}

	links := regexp.MustCompile(`\s(?:href|src|action|formaction|hx-get|hx-post|hx-sse:connect)="([^"]*)"`)
	seen, queue := map[string]bool{}, []string{
		"/", "/orders?tab=shipped&q=" + url.QueryEscape(evil), "/orders?manufacturer=" + url.QueryEscape(evil), "/orders?sort=" + url.QueryEscape(evil),
		"/orders?tab=" + url.QueryEscape(evil), "/search?q=" + url.QueryEscape(evil), "/palette?q=" + url.QueryEscape("<b>"), "/sign-in?back=" + url.QueryEscape("/"+evil),
		"/sign-in?back=" + url.QueryEscape(address), "/" + url.PathEscape(evil), "/orders/" + url.PathEscape(evil), "/orders/" + placed.ID + "/preview/shipped",
		"/orders/" + placed.ID + "?did=" + url.QueryEscape(evil), "/obligations?recorded=" + url.QueryEscape(evil), "/orders/" + placed.ID + "/preview/" + url.PathEscape(evil),
	}
	pages := 0
	for len(queue) > 0 && pages < 400 {
		at := queue[0]
		queue = queue[1:]
		if seen[at] {
			continue
		}
		seen[at] = true
		res := d.do("GET", at, "")
		status, body := d.whole(res)
		kind := res.Header.Get("Content-Type")
		if status >= 500 {
			t.Errorf("%s: %d", at, status)
		}
		if to := res.Header.Get("Location"); to != "" {
			if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) {
				t.Errorf("%s leads to %s", at, to)
			}
			queue = append(queue, to)
		}
		switch {
		case strings.HasPrefix(kind, "text/html"):
			pages++
			policy := res.Header.Get("Content-Security-Policy")
			if !strings.Contains(policy, "default-src 'none'") || (strings.Contains(policy, "unsafe") && !strings.HasPrefix(policy, "sandbox;")) || res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %v", at, res.Header)
			}
			for _, bad := range []string{"<script>", "<img", "onerror=alert(1)>", "ZgotmplZ"} {
				if strings.Contains(body, bad) {
					t.Errorf("%s holds %s", at, bad)
				}
			}
			for _, found := range links.FindAllStringSubmatch(body, -1) {
				to := html.UnescapeString(found[1])
				switch {
				case strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//"):
					if !strings.Contains(found[0], "connect") && !strings.Contains(found[0], "action=") && !strings.Contains(found[0], "hx-post") {
						to, _, _ = strings.Cut(to, "#")
						queue = append(queue, to)
					}
				case strings.HasPrefix(to, "#"), strings.HasPrefix(to, "?"), to == "":
				case strings.HasPrefix(to, "https://"), strings.HasPrefix(to, "mailto:"), strings.HasPrefix(to, "tel:"):
				default:
					t.Errorf("%s leads to %q", at, to)
				}
			}
		case strings.HasPrefix(kind, "text/csv"):
			rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
			if err != nil {
				t.Errorf("%s: %v", at, err)
			}
			for _, row := range rows {
				for _, cell := range row {
					if strings.HasPrefix(strings.TrimSpace(cell), "=") {
						t.Errorf("%s has the formula %s", at, cell)
					}
				}
			}
		}
	}
	for _, must := range []string{"/orders/" + placed.ID, "/overview", "/views", "/outbox", "/orders/" + placed.ID + "/packing-slip"} {
		if !seen[must] {
			t.Errorf("%s was not found", must)
		}
	}
	if pages < 30 {
		t.Errorf("%d pages were found", pages)
	}
}
