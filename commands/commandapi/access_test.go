package commandapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

func (e *env) token(name string, role domain.Role) string {
	e.t.Helper()
	secret, _, _, err := e.tokens.Create(e.t.Context(), domain.Actor{ID: "test", Role: domain.Admin, Via: domain.ViaCLI}, name, role)
	if err != nil {
		e.t.Fatal(err)
	}
	return "Bearer " + secret
}

// Each role does what is expected here and nothing else. The expectations are none of the domain's own.
func TestRolesMatrix(t *testing.T) {
	e := newEnv(t)
	clerk := "accept capture ship tracking archive unarchive notes reversal reauthorize"
	may := map[domain.Role]string{
		domain.Viewer: "", domain.Auditor: "", domain.Shop: "orders imports", domain.Clerk: clerk,
		domain.Manager: clerk + " refund cancel resume", domain.Admin: clerk + " refund cancel resume orders imports tokens revoke",
	}
	paths := map[string]string{
		"orders": "/v1/orders", "imports": "/v1/imports", "tokens": "/v1/tokens", "revoke": "/v1/tokens/0123456789abcdef/revoke",
	}
	for _, verb := range strings.Fields(clerk + " refund cancel resume") {
		paths[verb] = nobody + "/" + verb
	}
	tokens := map[domain.Role]string{}
	for role := range may {
		tokens[role] = e.token(string(role)+"-token", role)
	}
	head := e.head()
	for role, verbs := range may {
		allowed := map[string]bool{}
		for _, v := range strings.Fields(verbs) {
			allowed[v] = true
		}
		for verb, path := range paths {
			// An unknown field: who may ask is told of it, who may not is not.
			r := e.post(path, `{"nonsense":1}`, "Authorization", tokens[role], "If-Match", `"1"`)
			if forbidden := r.StatusCode == http.StatusForbidden; forbidden == allowed[verb] {
				t.Errorf("%s on %s: %d %s", role, verb, r.StatusCode, r.body)
			}
			if !allowed[verb] {
				r.want(t, http.StatusForbidden, "forbidden")
			}
		}
	}
	if e.head() != head {
		t.Error("the head moved")
	}
}

func TestTokensOfTheAPI(t *testing.T) {
	e := newEnv(t)
	made := e.post("/v1/tokens", `{"name":"till-1","role":"clerk"}`, "Idempotency-Key", "t1")
	made.want(t, http.StatusCreated, "")
	var token commandapi.TokenView
	if err := json.Unmarshal(made.body, &token); err != nil {
		t.Fatal(err)
	}
	if token.Name != "till-1" || token.Role != domain.Clerk || !strings.HasPrefix(token.Secret, "olt_"+token.ID+"_") || made.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("made: %s", made.body)
	}
	again := e.post("/v1/tokens", `{"name":"till-1","role":"clerk"}`, "Idempotency-Key", "t1")
	if again.StatusCode != http.StatusCreated || again.Header.Get("Idempotent-Replayed") != "true" || strings.Contains(string(again.body), "secret") {
		t.Errorf("again: %d %s", again.StatusCode, again.body)
	}
	e.post("/v1/tokens", `{"name":"till-1","role":"admin"}`, "Idempotency-Key", "t1").want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")

	v := e.place("1", "account")
	bearer := "Bearer " + token.Secret
	e.post(path(v, domain.VerbNote), `{"text":"x"}`, "Authorization", bearer, "Orderledger-Via", "cli").want(t, http.StatusOK, "")
	if got := e.lastActor(v); got != (domain.Actor{ID: "till-1", Role: domain.Clerk, Via: domain.ViaCLI}) {
		t.Errorf("actor: %+v", got)
	}
	e.post("/v1/tokens/"+token.ID+"/revoke", "").want(t, http.StatusOK, "")
	head := e.head()
	e.post(path(v, domain.VerbNote), `{"text":"y"}`, "Authorization", bearer).want(t, http.StatusUnauthorized, "unauthenticated")
	e.post("/v1/tokens/"+token.ID+"/revoke", "").want(t, http.StatusOK, "")
	if e.head() != head {
		t.Error("revoking again moved the head")
	}
}

func (e *env) lastActor(v domain.View) (actor domain.Actor) {
	e.t.Helper()
	for r, err := range e.log.ReadStream(e.t.Context(), eventstore.OrderStream(v.ID), eventstore.NoStream) {
		if err != nil {
			e.t.Fatal(err)
		}
		env, err := eventstore.ReadEnvelope(r.Event)
		if err != nil {
			e.t.Fatal(err)
		}
		actor = env.Actor
	}
	return actor
}

// Who is let in without a token, and who is not.
func TestWhoIsAsking(t *testing.T) {
	e := newEnv(t)
	good := e.token("till", domain.Clerk)
	request := func(local, remote, host string, headers ...string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "http://"+host+"/", nil)
		r.RemoteAddr = remote
		address, err := net.ResolveTCPAddr("tcp", local)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(address)))
	}
	const here, there, home = "127.0.0.1:8080", "192.0.2.7:999", "127.0.0.1:5555"
	basic := httptest.NewRequest(http.MethodGet, "/", nil)
	basic.SetBasicAuth("anybody", strings.TrimPrefix(good, "Bearer "))
	anonymous, clerk := domain.Actor{ID: "local", Role: domain.Admin, Via: domain.ViaAPI}, domain.Actor{ID: "till", Role: domain.Clerk, Via: domain.ViaAPI}
	tests := []struct {
		name   string
		r      *http.Request
		forbid bool
		status int
		want   domain.Actor
	}{
		{"loopback", request(here, home, "localhost:8080"), false, 200, anonymous},
		{"loopback by its address", request(here, home, "127.0.0.1:8080"), false, 200, anonymous},
		{"loopback, IPv6", request("[::1]:8080", "[::1]:5555", "[::1]:8080"), false, 200, anonymous},
		{"loopback, forbidden", request(here, home, "localhost"), true, 401, domain.Actor{}},
		{"from elsewhere", request("192.0.2.1:8080", there, "192.0.2.1"), false, 401, domain.Actor{}},
		{"from elsewhere, said to be localhost", request("192.0.2.1:8080", there, "localhost"), false, 401, domain.Actor{}},
		{"from here to the outer address", request("192.0.2.1:8080", "192.0.2.1:5555", "192.0.2.1"), false, 401, domain.Actor{}},
		{"from elsewhere to loopback", request(here, there, "localhost"), false, 401, domain.Actor{}},
		{"a name rebound to loopback", request(here, home, "evil.example:8080"), false, 403, domain.Actor{}},
		{"a name that begins well", request(here, home, "localhost.evil.example"), false, 403, domain.Actor{}},
		{"through a proxy", request(here, home, "localhost", "X-Forwarded-For", "192.0.2.7"), false, 401, domain.Actor{}},
		{"from a page elsewhere", request(here, home, "localhost", "Sec-Fetch-Site", "cross-site"), false, 403, domain.Actor{}},
		{"from a page elsewhere, old browser", request(here, home, "localhost:8080", "Origin", "https://evil.example"), false, 403, domain.Actor{}},
		{"from the own page", request(here, home, "localhost:8080", "Sec-Fetch-Site", "same-origin"), false, 200, anonymous},
		{"a token", request("192.0.2.1:8080", there, "ledger.example", "Authorization", good), true, 200, clerk},
		{"a token, scheme in capitals", request(here, home, "localhost", "Authorization", strings.Replace(good, "Bearer", "BEARER", 1)), false, 200, clerk},
		{"a token as password", request("192.0.2.1:8080", there, "ledger.example", "Authorization", basic.Header.Get("Authorization")), true, 401, domain.Actor{}},
		{"a wrong token on loopback", request(here, home, "localhost", "Authorization", good[:len(good)-1]+"!"), false, 401, domain.Actor{}},
		{"another scheme", request(here, home, "localhost", "Authorization", "Digest x"), false, 401, domain.Actor{}},
		{"a scheme alone", request(here, home, "localhost", "Authorization", "Bearer"), false, 401, domain.Actor{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got domain.Actor
			auth := commandapi.Auth{Tokens: e.tokens, ForbidAnonymous: tt.forbid, Log: slog.New(slog.DiscardHandler)}
			w := httptest.NewRecorder()
			commandapi.Authenticate(auth)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got = domain.ActorFrom(r.Context())
			})).ServeHTTP(w, tt.r)
			if w.Code != tt.status || got != tt.want {
				t.Errorf("%d, %+v; want %d, %+v: %s", w.Code, got, tt.status, tt.want, w.Body)
			}
			if w.Code == http.StatusUnauthorized && len(w.Header().Values("WWW-Authenticate")) != 1 {
				t.Errorf("WWW-Authenticate: %v", w.Header())
			}
		})
	}
}

func TestTokensCannotBeCheckedWithoutTheLog(t *testing.T) {
	e := newEnv(t)
	bearer := e.token("till", domain.Clerk)
	e.server.Close()
	e.start()
	if err := e.log.Close(); err != nil {
		t.Fatal(err)
	}
	e.post("/v1/orders", "", "Authorization", bearer).want(t, http.StatusServiceUnavailable, "unavailable")
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := commandapi.RateLimit(2, 3, nil)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		ask := func(actor, remote string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.RemoteAddr = remote
			r = r.WithContext(domain.WithActor(t.Context(), domain.Actor{ID: actor}))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		for i := range 3 {
			if w := ask("till", "192.0.2.1:1"); w.Code != http.StatusOK {
				t.Fatalf("request %d: %d", i+1, w.Code)
			}
		}
		w := ask("till", "192.0.2.2:1")
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || codeIn(w.Body.Bytes()) != "rate_limited" {
			t.Fatalf("too many: %d %v %s", w.Code, w.Header(), w.Body)
		}
		if w := ask("another", "192.0.2.1:1"); w.Code != http.StatusOK {
			t.Errorf("another actor: %d", w.Code)
		}
		<-time.After(500 * time.Millisecond) // the bubble's clock
		if w := ask("till", "192.0.2.1:1"); w.Code != http.StatusOK {
			t.Errorf("half a second later: %d", w.Code)
		}
		for i, remote := range []string{"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "[2001:db8::4]:1"} {
			if w, want := ask("", remote), map[bool]int{true: 429, false: 200}[i == 3]; w.Code != want {
				t.Errorf("address %s: %d, want %d", remote, w.Code, want)
			}
		}
	})
}

func TestNoRateLimit(t *testing.T) {
	h := commandapi.RateLimit(0, 0, nil)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for range 100 {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil)); w.Code != http.StatusTeapot {
			t.Fatal(w.Code)
		}
	}
}

func TestImport(t *testing.T) {
	e := newEnv(t)
	e.place("2", "card")
	body := strings.Join([]string{
		"\ufeff" + order("1", "account"), "", order("2", "card"), `{"order_number":`, order("3", "account", func(m map[string]any) { m["total"] = 1 }),
		order("4", "card", func(m map[string]any) { m["payment"] = map[string]any{"method": "card"} }),
		order("1", "account"), order("2", "card", func(m map[string]any) { m["shipping_method"] = "x" }), "[]",
	}, "\n")
	send := func(key string) (reply, []string) {
		r := e.post("/v1/imports", body, "Content-Type", "application/x-ndjson", "Idempotency-Key", key)
		r.want(t, http.StatusOK, "")
		var out commandapi.ImportResult
		if err := json.Unmarshal(r.body, &out); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range out.Results {
			got = append(got, strings.TrimSpace(fmt.Sprint(l.Line, " ", l.Status, " ", l.Code)))
			if (l.Status == commandapi.LineRejected) != (l.Message != "") || (l.OrderID == "") != (l.Status == commandapi.LineRejected) {
				t.Errorf("line %+v", l)
			}
		}
		return r, got
	}
	rejected := []string{"4 rejected malformed_json", "5 rejected totals_mismatch"}
	first, got := send("i1")
	want := []string{"1 placed", "3 exists", rejected[0], rejected[1], "6 placed", "7 placed", "8 rejected order_exists", "9 rejected malformed_json"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("first:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	head := e.head()
	if first.Header.Get("Ledger-Position") == "0" || first.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("headers: %v", first.Header)
	}
	if again, got := send("i1"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("again: %s %v", again.body, got)
	}
	if _, got := send("i2"); got[0] != "1 exists" || got[4] != "6 exists" {
		t.Errorf("under another key: %v", got)
	}
	if e.head() != head {
		t.Error("the same import moved the head")
	}
}

// Two lines of one number and of other content: the first goes in, and the second is told what is in its way, also when all is sent
// again, or corrected under the same key.
func TestImportOfTwinsThatDiffer(t *testing.T) {
	e := newEnv(t)
	method := func(n int) func(map[string]any) {
		return func(m map[string]any) { m["shipping_method"] = fmt.Sprint("method ", n) }
	}
	broken := func(m map[string]any) { m["total"] = 1 }
	send := func(key string, lines ...string) (got []string) {
		t.Helper()
		r := e.post("/v1/imports", strings.Join(lines, "\n"), "Content-Type", "application/x-ndjson", "Idempotency-Key", key)
		r.want(t, http.StatusOK, "")
		var out commandapi.ImportResult
		if err := json.Unmarshal(r.body, &out); err != nil {
			t.Fatal(err)
		}
		for _, l := range out.Results {
			got = append(got, strings.TrimSpace(l.Status+" "+l.Code))
		}
		return got
	}
	for _, c := range []struct {
		key   string
		lines []string
		want  string
	}{
		{"k1", []string{order("1", "account", method(1)), order("1", "account", method(2)), order("1", "account", method(1))}, "placed, rejected order_exists, placed"},
		{"k1", []string{order("1", "account", method(1)), order("1", "account", method(2))}, "placed, rejected order_exists"},
		{"k1", []string{order("1", "account", method(2))}, "rejected order_exists"},
		{"k2", []string{order("1", "account", method(2)), order("1", "account", method(1))}, "rejected order_exists, exists"},
		{"k3", []string{order("2", "account", broken), order("2", "account", method(1))}, "rejected totals_mismatch, placed"},
		{"k3", []string{order("2", "account"), order("2", "account", method(1))}, "rejected order_exists, placed"},
		{"k4", []string{order("3", "card", method(1)), order("3", "card", method(2))}, "placed, rejected order_exists"},
	} {
		if got := strings.Join(send(c.key, c.lines...), ", "); got != c.want {
			t.Errorf("%s: %s, want %s", c.key, got, c.want)
		}
	}
}

func TestEmptyImport(t *testing.T) {
	e := newEnv(t)
	for _, body := range []string{"", "\n\n"} {
		r := e.post("/v1/imports", body, "Content-Type", "application/jsonl")
		if string(r.body) != `{"results":[],"position":0}`+"\n" {
			t.Errorf("%q: %d %s", body, r.StatusCode, r.body)
		}
	}
}

func TestLargestImportIsOneAppend(t *testing.T) {
	e := newEnv(t)
	var b strings.Builder
	for i := range eventstore.MaxBatch {
		b.WriteString(order(fmt.Sprint(i), "account") + "\n")
	}
	r := e.post("/v1/imports", b.String(), "Content-Type", "application/x-ndjson")
	if n := strings.Count(string(r.body), `"placed"`); n != eventstore.MaxBatch {
		t.Errorf("%d placed: %.300s", n, r.body)
	}
	if again := e.post("/v1/imports", b.String(), "Content-Type", "application/x-ndjson"); strings.Count(string(again.body), `"exists"`) != eventstore.MaxBatch {
		t.Errorf("again: %.300s", again.body)
	}
}
