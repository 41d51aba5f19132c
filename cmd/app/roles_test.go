package app

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/orderledger/orderledger/domain"
)

// Who may what, as API.md and the manual say it; not as the program does.
const (
	readers  = "viewer auditor clerk manager admin"
	clerks   = "clerk manager admin"
	managers = "manager admin"
	admins   = "admin"
	stores   = "store admin"
	owners   = readers + " store" // a store its own alone
	anybody  = readers + " store nobody"
)

var operations = map[string]string{
	"GET /v1/orders": owners, "GET /v1/orders/{id}": owners, "GET /v1/orders/{id}/events": owners,
	"GET /v1/events": readers, "GET /v1/obligations": readers, "GET /v1/obligations/recorded": readers, "GET /v1/parked": readers,
	"GET /v1/projections": readers, "GET /v1/store": readers, "GET /v1/tabs": readers, "GET /v1/orders/{id}/notifications/preview/{template}": readers,
	"GET /v1/log": "auditor admin", "GET /v1/money/reconcile": "auditor manager admin", "GET /v1/tokens": admins, "GET /v1/webhook-endpoints": admins,

	"POST /v1/orders": stores, "POST /v1/imports": stores,
	"POST /v1/orders/{id}/accept": clerks, "POST /v1/orders/{id}/archive": clerks, "POST /v1/orders/{id}/capture": clerks,
	"POST /v1/orders/{id}/notes": clerks, "POST /v1/orders/{id}/reauthorize": clerks, "POST /v1/orders/{id}/reversal": clerks,
	"POST /v1/orders/{id}/ship": clerks, "POST /v1/orders/{id}/tracking": clerks, "POST /v1/orders/{id}/unarchive": clerks,
	"POST /v1/orders/{id}/notifications/{notice}/resend": clerks,
	"POST /v1/orders/{id}/cancel":                        managers, "POST /v1/orders/{id}/refund": managers, "POST /v1/orders/{id}/resume": managers,
	"POST /v1/projections/rebuild": admins, "POST /v1/tokens": admins, "POST /v1/tokens/{id}/revoke": admins, "POST /v1/webhook-endpoints": admins,
	"POST /v1/webhook-endpoints/{id}/disable": admins, "POST /v1/webhook-endpoints/{id}/enable": admins, "POST /v1/webhook-endpoints/{id}/remove": admins,
	"POST /v1/webhook-endpoints/{id}/retry": admins, "POST /v1/webhook-endpoints/{id}/rotate": admins, "POST /v1/webhook-endpoints/{id}/skip": admins,
	"POST /v1/webhook-endpoints/{id}/test": admins,

	"GET /livez": anybody, "GET /readyz": anybody, "GET /openapi.json": anybody, "GET /metrics": readers,
	"POST /v1/webhooks/stripe": anybody, // which is signed
}

// pages are those that the pages' own mux knows, and what the program has beside them. Stores are programs: no page is for them.
var pageRoles = map[string]string{
	"GET /{$}": readers, "GET /orders": readers, "GET /orders.csv": readers, "GET /rows": readers, "GET /review": readers, "GET /search": readers,
	"GET /palette": readers, "GET /keys": readers, "GET /views": readers, "GET /jobs": readers, "GET /jobs/{id}": readers, "GET /jobs/{id}/results.csv": readers,
	"GET /parked": readers, "GET /obligations": readers, "GET /overview": readers, "GET /live": readers, "GET /orders/{id}": readers,
	"GET /orders/{id}/confirm/{verb}": managers, "GET /orders/{id}/events/{revision}": readers, "GET /orders/{id}/notices/{revision}": readers,
	"GET /orders/{id}/packing-slip": readers, "GET /orders/{id}/preview/{name}": readers, "GET /orders/{id}/preview/{name}/html": readers,
	"GET /outbox": readers, "GET /outbox/{id}": readers, "GET /outbox/{id}/html": readers,

	"POST /settings": readers, // cookies of one's own browser
	"POST /views":    clerks, "POST /jobs": clerks, "POST /jobs/new": clerks,
	"POST /jobs/{id}/cancel": readers, "POST /jobs/{id}/retry": readers, // of one's own; there is none here: see TestWhoSeesAJob
	"POST /orders/{id}/notices/{notice}/resend": clerks,
	"POST /orders/{id}/accept":                  clerks, "POST /orders/{id}/capture": clerks, "POST /orders/{id}/ship": clerks, "POST /orders/{id}/tracking": clerks,
	"POST /orders/{id}/archive": clerks, "POST /orders/{id}/unarchive": clerks, "POST /orders/{id}/notes": clerks, "POST /orders/{id}/reversal": clerks,
	"POST /orders/{id}/reauthorize": clerks,
	"POST /orders/{id}/refund":      managers, "POST /orders/{id}/cancel": managers, "POST /orders/{id}/resume": managers,

	"GET /static/": anybody, "GET /static/vendor/{name}": anybody,
	"GET /sign-in": anybody, "POST /sign-in": anybody, "GET /sign-in/provider": anybody, "GET /sign-in/callback": anybody, "POST /sign-out": anybody,
}

// fallbacks are patterns of which each path is one's own, or none.
var fallbacks = []string{"/", "/v1/", "POST /orders/{id}/{verb}"}

// patterns are what is given to a mux in the program's text, so that a page that nobody thought of is seen.
func patterns(t *testing.T, dirs ...string) []string {
	t.Helper()
	constants, calls := map[string]ast.Expr{}, []ast.Expr{}
	for _, dir := range dirs {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ValueSpec:
					for i, v := range n.Values {
						constants[n.Names[i].Name] = v
					}
				case *ast.CallExpr:
					if s, ok := n.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "HandleFunc" || s.Sel.Name == "Handle") {
						calls = append(calls, n.Args[0])
					}
				}
				return true
			})
		}
	}
	var value func(e ast.Expr) (string, bool)
	value = func(e ast.Expr) (string, bool) {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			return s, err == nil
		case *ast.Ident:
			v, ok := constants[e.Name]
			if !ok {
				return "", false
			}
			return value(v)
		case *ast.SelectorExpr:
			return value(e.Sel)
		case *ast.BinaryExpr:
			x, first := value(e.X)
			y, second := value(e.Y)
			return x + y, first && second
		}
		return "", false
	}
	var found []string
	for _, c := range calls {
		if p, ok := value(c); ok { // what can't be read is made of a list: styles, and the paths of the sign-in, which their own mux names
			found = append(found, p)
		}
	}
	return found
}

// TestEveryRouteIsForWhomItIs asks for everything that there is in every role.
func TestEveryRouteIsForWhomItIs(t *testing.T) {
	a := startApp(t, func(c *Config) { c.Store, c.NATSListen = "nats", "127.0.0.1:0" })
	d := callers{t, a.URL()}
	who := map[string][]string{"nobody": {"X-Forwarded-For", "192.0.2.1"}}
	for _, role := range domain.TokenRoles {
		_, secret := d.token("the-"+string(role), string(role))
		who[string(role)] = []string{"Authorization", "Bearer " + secret}
	}
	id := d.place("1001")

	paths := map[string]string{}
	_, description := d.whole(d.do("GET", "/openapi.json", ""))
	var api struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal([]byte(description), &api); err != nil {
		t.Fatal(err)
	}
	for path, methods := range api.Paths {
		for method := range methods {
			route := strings.ToUpper(method) + " " + path
			paths[route] = operations[route]
		}
	}
	for _, route := range patterns(t, ".", "../../projections/dashboard", "../../commands/stripepay") {
		if !slices.Contains(fallbacks, route) {
			paths[route] = pageRoles[route]
		}
	}
	for route := range maps.Keys(paths) {
		if paths[route] == "" {
			t.Errorf("%s: say here who may", route)
		}
	}
	for route, roles := range pageRoles {
		if _, there := paths[route]; !there && !strings.HasPrefix(route, "POST /orders/{id}/") {
			t.Errorf("%s is not there", route)
		}
		paths[route] = roles
	}
	for route := range operations {
		if _, there := paths[route]; !there {
			t.Errorf("%s is not there", route)
		}
	}

	fill := strings.NewReplacer("{id}", id, "{notice}", id, "{template}", "shipped", "{name}", "shipped", "{verb}", "cancel", "{revision}", "0", "{$}", "")
	const form = "key=k&version=1&confirmed=yes&verb=accept&reason=x&text=x&decision=retry&external_reference=x&carrier=ups&number=1"
	for route, roles := range paths {
		method, path, _ := strings.Cut(route, " ")
		for name, credentials := range who {
			kind, body := "application/json", `{"nonsense":1}`
			if !strings.HasPrefix(path, "/v1/") {
				kind, body = "application/x-www-form-urlencoded", form
			}
			if method == http.MethodGet {
				body = ""
			}
			headers := append([]string{"Content-Type", kind, "Idempotency-Key", "k", "If-Match", `"1"`}, credentials...)
			res := d.do(method, fill.Replace(path), body, headers...)
			status := res.StatusCode
			_ = res.Body.Close()
			want, got := "may", "may"
			switch {
			case slices.Contains(strings.Fields(roles), name):
			case name == "nobody":
				want = "is not known"
			default:
				want = "may not"
			}
			switch {
			case status == http.StatusUnauthorized && path != "/sign-in":
				got = "is not known"
			case status == http.StatusForbidden && path != "/sign-in":
				got = "may not"
			}
			if got != want {
				t.Errorf("%s: %s %s, want that one %s (%d)", route, name, got, want, status)
			}
		}
	}
	t.Run("from another site", func(t *testing.T) {
		_, secret := d.token("at-a-browser", "admin")
		cookie := d.session(secret)
		for route := range paths {
			method, path, _ := strings.Cut(route, " ")
			if method != http.MethodPost || path == "/v1/webhooks/stripe" {
				continue
			}
			for _, says := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
				for _, credentials := range [][]string{{"Cookie", cookie}, {"Accept", "*/*"}} { // who needs none is here, too
					res := d.do(method, fill.Replace(path), form, append([]string{"Content-Type", "application/x-www-form-urlencoded", "Idempotency-Key", "k"}, append(says, credentials...)...)...)
					if res.StatusCode != http.StatusForbidden {
						t.Errorf("%s, %v, %v: %d", route, says, credentials[0], res.StatusCode)
					}
					_ = res.Body.Close()
				}
			}
		}
	})
	t.Run("on NATS", func(t *testing.T) { everySubject(t, a, who, fill) })
}

// everySubject asks the same of all subjects of the service.
func everySubject(t *testing.T, a *App, who map[string][]string, fill *strings.Replacer) {
	nc, err := a.nats.store.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	m, err := nc.Request("$SRV.INFO.orderledger", nil, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var info micro.Info
	if err := json.Unmarshal(m.Data, &info); err != nil || len(info.Endpoints) < 20 {
		t.Fatalf("%v %s", err, m.Data)
	}
	for _, e := range info.Endpoints {
		roles, ok := operations[e.Metadata["http"]]
		if !ok {
			t.Errorf("%s is %s", e.Subject, e.Metadata["http"])
		}
		body := "{}"
		if strings.Contains(e.Metadata["http"], "{") {
			body = fill.Replace(`{"order_id":"{id}","notice":"{notice}"}`)
			if !strings.Contains(e.Metadata["http"], "{notice}") {
				body = fill.Replace(`{"order_id":"{id}"}`)
			}
		}
		for name, credentials := range who {
			r := nats.NewMsg(e.Subject)
			r.Data, r.Header = []byte(body), nats.Header{"Idempotency-Key": {"n"}, "If-Match": {`"99"`}, credentials[0]: {credentials[1]}}
			answer, err := nc.RequestMsg(r, 10*time.Second)
			if err != nil {
				t.Fatalf("%s: %v", e.Subject, err)
			}
			got := answer.Header.Get(micro.ErrorCodeHeader)
			want := map[bool]string{true: "may", false: "403"}[slices.Contains(strings.Fields(roles), name)]
			if name == "nobody" {
				want = "401"
			}
			if (want == "may" && (got == "401" || got == "403")) || (want != "may" && got != want) {
				t.Errorf("%s: %s gets %s, want %s", e.Subject, name, fmt.Sprintf("%s %s", got, answer.Header.Get(micro.ErrorHeader)), want)
			}
		}
	}
}

// A store sees what it placed, and nothing of others: not in lists, tables or counts, nor whether there is such an order.
func TestAStoreSeesItsOwnAlone(t *testing.T) {
	d := callers{t, start(t, func(*Config) {})}
	_, secret := d.token("shop", "store")
	shop := []string{"Authorization", "Bearer " + secret}
	_, secret = d.token("other-shop", "store")
	other := []string{"Authorization", "Bearer " + secret}
	status, body := d.whole(d.do("POST", "/v1/orders", order("77001", "Ada"), append([]string{"Content-Type", "application/json", "Idempotency-Key", "p"}, shop...)...))
	var placed struct{ ID string }
	if err := json.Unmarshal([]byte(body), &placed); err != nil || status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	position := d.do("GET", "/v1/log", "").Header.Get("Ledger-Position")
	for _, path := range []string{"/v1/orders", "/v1/orders?format=csv", "/v1/orders?q=77001", "/v1/orders?q=Ada"} {
		path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "wait_for=" + position
		if status, body := d.whole(d.do("GET", path, "", shop...)); status != http.StatusOK || !strings.Contains(body, "77001") {
			t.Errorf("its own, %s: %d %s", path, status, body)
		}
		if status, body := d.whole(d.do("GET", path, "", other...)); status != http.StatusOK || strings.Contains(body, "77001") || strings.Contains(body, "Ada") {
			t.Errorf("another's, %s: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/v1/orders/" + placed.ID, "/v1/orders/" + placed.ID + "/events"} {
		if status, _ := d.whole(d.do("GET", path, "", shop...)); status != http.StatusOK {
			t.Errorf("its own, %s: %d", path, status)
		}
		_, unknown := d.whole(d.do("GET", strings.Replace(path, placed.ID, "11111111-2222-5333-8444-555555555555", 1), "", other...))
		if status, body := d.whole(d.do("GET", path, "", other...)); status != http.StatusNotFound || body != unknown {
			t.Errorf("another's, %s: %d %s", path, status, body)
		}
	}
	if status, body := d.whole(d.do("POST", "/v1/orders", order("77001", "Eve"), append([]string{"Content-Type", "application/json", "Idempotency-Key", "q"}, other...)...)); status != http.StatusConflict || strings.Contains(body, "Ada") {
		t.Errorf("the same number: %d %s", status, body)
	}
}
