package signin_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/commands/access/signin"
	"github.com/orderledger/orderledger/commands/access/signin/oidctest"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

var admin = domain.Actor{ID: "local", Role: domain.Admin, Via: domain.ViaCLI}

// rig is a site with sessions, whose clock the test moves, and a browser in front of it.
type rig struct {
	*testing.T
	log      *memstore.Store
	tokens   *access.Tokens
	sessions *signin.Sessions
	url      string
	browser  *http.Client
	past     atomic.Int64 // seconds that the clock is ahead
}

func key(first byte) []byte {
	k := make([]byte, signin.KeyLength)
	k[0] = first
	return k
}

func newRig(t *testing.T, provider *signin.OIDC) *rig {
	t.Helper()
	r := &rig{T: t, log: memstore.New()}
	now := func() time.Time { return time.Now().Add(time.Duration(r.past.Load()) * time.Second) }
	r.tokens = access.New(r.log, eventstore.Codec{}, now)
	r.sessions = r.another(key(1), provider, now)
	say := func(w http.ResponseWriter, err error, fine string) {
		refused := (*signin.Refusal)(nil)
		switch {
		case errors.As(err, &refused):
			http.Error(w, refused.Why, refused.Status)
		case err != nil:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		default:
			_, _ = fmt.Fprint(w, fine)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /enter", func(w http.ResponseWriter, q *http.Request) {
		say(w, r.sessions.Enter(w, q, q.PostFormValue("token")), "in")
	})
	mux.HandleFunc("POST /leave", func(w http.ResponseWriter, q *http.Request) { r.sessions.Leave(w, q) })
	mux.HandleFunc("GET /begin", func(w http.ResponseWriter, q *http.Request) {
		if err := r.sessions.Begin(w, q, q.URL.Query().Get("back")); err != nil {
			say(w, err, "")
		}
	})
	mux.HandleFunc("GET "+signin.CallbackPath, func(w http.ResponseWriter, q *http.Request) {
		back, err := r.sessions.Finish(w, q)
		say(w, err, "back to "+back)
	})
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, q *http.Request) {
		actor, found, err := r.sessions.Actor(q)
		if err == nil && !found {
			err = errors.New("nobody")
		}
		say(w, err, actor.ID+" "+string(actor.Role))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	r.url, r.browser = server.URL, newBrowser(t)
	return r
}

func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func (r *rig) another(key []byte, provider *signin.OIDC, now func() time.Time) *signin.Sessions {
	r.Helper()
	s, err := signin.New(signin.Config{Tokens: r.tokens, Key: key, Now: now, Life: time.Hour, OIDC: provider})
	if err != nil {
		r.Fatal(err)
	}
	return s
}

func (r *rig) token(name string, role domain.Role) (secret, id string) {
	r.Helper()
	secret, id, _, err := r.tokens.Create(r.Context(), admin, name, role)
	if err != nil {
		r.Fatal(err)
	}
	return secret, id
}

// asks is what the site answers the browser.
func (r *rig) asks(method, path string, form ...string) (int, string) {
	r.Helper()
	body := strings.NewReader(strings.Join(form, "&"))
	q, err := http.NewRequestWithContext(r.Context(), method, r.url+path, body)
	if err != nil {
		r.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := r.browser.Do(q)
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var b strings.Builder
	if err := res.Write(&b); err != nil {
		r.Fatal(err)
	}
	_, text, _ := strings.Cut(b.String(), "\r\n\r\n")
	return res.StatusCode, strings.TrimSpace(text)
}

func (r *rig) want(status int, says, method, path string, form ...string) {
	r.Helper()
	if got, text := r.asks(method, path, form...); got != status || !strings.Contains(text, says) {
		r.Errorf("%s %s: %d %q, want %d %q", method, path, got, text, status, says)
	}
}

func TestSessionByToken(t *testing.T) {
	r := newRig(t, nil)
	secret, id := r.token("anna", domain.Clerk)
	r.want(503, "nobody", "GET", "/who")
	r.want(401, "not the token of anybody", "POST", "/enter", "token=olt_nonsense")
	r.want(200, "in", "POST", "/enter", "token=%20"+secret+"%0a")
	r.want(200, "anna clerk", "GET", "/who")

	// The cookie is not the token, tells nothing, and is good with this key and as it is alone.
	cookies := r.browser.Jar.Cookies(mustURL(t, r.url))
	if len(cookies) != 1 || strings.Contains(cookies[0].Value, id) || strings.Contains(cookies[0].Value, secret[21:]) {
		t.Fatalf("cookies: %v", cookies)
	}
	for name, value := range map[string]string{
		"changed": cookies[0].Value[:20] + "AAAA" + cookies[0].Value[24:], "cut": cookies[0].Value[:40], "empty": "", "no base64": "%%%", "huge": strings.Repeat("A", 5000),
	} {
		q := httptest.NewRequest(http.MethodGet, "/", nil)
		q.Header.Set("Cookie", cookies[0].Name+"="+value)
		if actor, found, err := r.sessions.Actor(q); !found || !errors.Is(err, access.ErrUnauthenticated) || actor != (domain.Actor{}) {
			t.Errorf("%s: %+v %t %v", name, actor, found, err)
		}
	}
	q := httptest.NewRequest(http.MethodGet, "/", nil)
	q.AddCookie(cookies[0])
	if actor, _, err := r.another(key(1), nil, time.Now).Actor(q); err != nil || actor.ID != "anna" {
		t.Errorf("another process with the key: %+v %v", actor, err)
	}
	if _, _, err := r.another(key(2), nil, time.Now).Actor(q); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("another key: %v", err)
	}

	// Who copied the cookie is out when its owner leaves.
	r.want(200, "", "POST", "/leave")
	r.want(503, "nobody", "GET", "/who")
	if _, _, err := r.sessions.Actor(q); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("a copy of an ended session: %v", err)
	}
}

func TestSessionsEnd(t *testing.T) {
	r := newRig(t, nil)
	secret, id := r.token("anna", domain.Clerk)
	r.want(200, "in", "POST", "/enter", "token="+secret)
	r.past.Store(3590)
	r.want(200, "anna", "GET", "/who")
	r.past.Store(3601)
	if status, _ := r.asks("GET", "/who"); status == 200 {
		t.Error("a session outlived its life")
	}
	r.want(200, "in", "POST", "/enter", "token="+secret)
	r.want(200, "anna", "GET", "/who")
	if _, err := r.tokens.Revoke(t.Context(), admin, id); err != nil {
		t.Fatal(err)
	}
	r.want(503, "not valid", "GET", "/who")
	r.want(401, "revoked", "POST", "/enter", "token="+secret)
	shop, _ := r.token("shop", domain.Shop)
	r.want(403, "for a program", "POST", "/enter", "token="+shop)
}

func TestTooManyFailures(t *testing.T) {
	r := newRig(t, nil)
	secret, _ := r.token("anna", domain.Clerk)
	for range 20 {
		r.asks("POST", "/enter", "token=olt_wrong")
	}
	r.want(429, "Too many", "POST", "/enter", "token="+secret)
	r.past.Store(60)
	for range 15 { // what succeeds does not count
		r.want(200, "in", "POST", "/enter", "token="+secret)
	}
}

func TestCookiesAreForUsAlone(t *testing.T) {
	r := newRig(t, nil)
	secret, _ := r.token("anna", domain.Clerk)
	for proto, want := range map[string]string{
		"":      "orderledger=",
		"https": "__Host-orderledger=",
	} {
		w, q := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/enter", nil)
		if proto != "" {
			q.Header.Set("X-Forwarded-Proto", proto)
		}
		if err := r.sessions.Enter(w, q, secret); err != nil {
			t.Fatal(err)
		}
		set := w.Header().Get("Set-Cookie")
		if !strings.HasPrefix(set, want) || !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Lax") ||
			!strings.Contains(set, "Path=/") || strings.Contains(set, "Secure") != (proto == "https") {
			t.Errorf("%q: %s", proto, set)
		}
	}
}

// The cookie that binds a sign-in to its browser can't be set by other hosts of the domain, either.
func TestCookiesOfTheFlow(t *testing.T) {
	p := oidctest.New(t)
	r := newRig(t, provider(t, p, nil))
	for proto, want := range map[string]string{"": "orderledger_oidc=", "https": "__Host-orderledger_oidc="} {
		w, q := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/begin", nil)
		if proto != "" {
			q.Header.Set("X-Forwarded-Proto", proto)
		}
		if err := r.sessions.Begin(w, q, "/"); err != nil {
			t.Fatal(err)
		}
		set := w.Header().Get("Set-Cookie")
		if !strings.HasPrefix(set, want) || !strings.Contains(set, "; Path=/;") || strings.Contains(set, "Domain") || !strings.Contains(set, "HttpOnly") ||
			!strings.Contains(set, "SameSite=Lax") || strings.Contains(set, "Secure") != (proto == "https") {
			t.Errorf("%q: %s", proto, set)
		}
		if to := w.Header().Get("Location"); !strings.Contains(to, "code_challenge_method=S256") || !strings.Contains(to, "nonce=") || !strings.Contains(to, "state=") {
			t.Errorf("%q leads to %s", proto, to)
		}
	}
}

// A role that is given to nobody any more is nobody's, though the session is of when it was.
func TestRoleThatIsTakenFromTheConfiguration(t *testing.T) {
	p := oidctest.New(t)
	p.Is(map[string]any{"groups": "counter"})
	r := newRig(t, provider(t, p, nil))
	r.want(200, "back to /", "GET", "/begin?back=/")
	r.want(200, "subject-1 clerk", "GET", "/who")
	roles, err := signin.ParseRoles("viewer=everybody")
	if err != nil {
		t.Fatal(err)
	}
	r.sessions = r.another(key(1), provider(t, p, func(c *signin.OIDCConfig) { c.Roles = roles }), time.Now)
	r.want(503, access.ErrUnauthenticated.Error(), "GET", "/who")
}

func provider(t *testing.T, p *oidctest.Provider, edit func(*signin.OIDCConfig)) *signin.OIDC {
	t.Helper()
	roles, err := signin.ParseRoles("admin=ledger-admins, clerk=counter,clerk=warehouse,viewer=everybody")
	if err != nil {
		t.Fatal(err)
	}
	c := signin.OIDCConfig{Issuer: p.URL, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, RoleClaim: "groups", Roles: roles}
	if edit != nil {
		edit(&c)
	}
	o, err := signin.NewOIDC(c)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestSessionByProvider(t *testing.T) {
	p := oidctest.New(t)
	for _, c := range []struct {
		name   string
		claims map[string]any
		claim  string
		status int
		says   string
	}{
		{"verified", map[string]any{"email": "Ada@Example.com", "email_verified": true, "groups": []string{"x", "counter"}}, "", 200, "ada@example.com clerk"},
		{"the mightiest role", map[string]any{"email": "a@b.c", "email_verified": true, "groups": []string{"everybody", "ledger-admins"}}, "", 200, "a@b.c admin"},
		{"one text", map[string]any{"groups": "warehouse"}, "", 200, "subject-1 clerk"},
		{"an address that nobody verified", map[string]any{"email": "boss@example.com", "groups": "counter"}, "", 200, "subject-1 clerk"},
		{"in an object", map[string]any{"realm_access": map[string]any{"roles": []string{"everybody"}}}, "realm_access.roles", 200, "subject-1 viewer"},
		{"no role", map[string]any{"email": "eve@example.com", "email_verified": true, "groups": []string{"others"}}, "", 403, "known to 127.0.0.1 as eve@example.com, but no role"},
		{"no claim", nil, "", 403, "no role in this ledger"},
		{"a claim of another kind", map[string]any{"groups": map[string]any{"counter": true}}, "", 403, "no role"},
		{"a name of the ledger's own", map[string]any{"sub": "saga", "groups": "counter"}, "", 403, "can't take the name"},
		{"for another client", map[string]any{"aud": "other", "groups": "counter"}, "", 502, "does not work right now"},
		{"of another issuer", map[string]any{"iss": "https://other.example", "groups": "counter"}, "", 502, "does not work right now"},
		{"another nonce", map[string]any{"nonce": "other", "groups": "counter"}, "", 400, "not begun in this browser"},
		{"too old", map[string]any{"exp": 1, "groups": "counter"}, "", 502, "does not work right now"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.Is(c.claims)
			r := newRig(t, provider(t, p, func(o *signin.OIDCConfig) {
				if c.claim != "" {
					o.RoleClaim = c.claim
				}
			}))
			if c.status != 200 {
				r.want(c.status, c.says, "GET", "/begin?back=/orders")
				r.want(503, "nobody", "GET", "/who")
				return
			}
			r.want(200, "back to /orders?tab=new", "GET", "/begin?back=/orders%3Ftab%3Dnew")
			r.want(200, c.says, "GET", "/who")
		})
	}
}

func TestProviderRefusesForgesAndIsGone(t *testing.T) {
	p := oidctest.New(t)
	p.Is(map[string]any{"groups": "counter"})
	o := provider(t, p, nil)
	r := newRig(t, o)
	p.Refuse("access_denied")
	r.want(403, "did not let you in", "GET", "/begin")
	p.Forge(true)
	r.want(502, "does not work right now", "GET", "/begin")
	p.Forge(false)
	good := r.sessions
	r.sessions = r.another(key(1), provider(t, p, func(c *signin.OIDCConfig) { c.ClientSecret = "wrong" }), time.Now)
	r.want(502, "does not work right now", "GET", "/begin")
	r.sessions = good
	r.want(200, "back to", "GET", "/begin")
	r.want(200, "subject-1 clerk", "GET", "/who")

	// A session of a provider that is not ours any more is nobody's.
	q := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range r.browser.Jar.Cookies(mustURL(t, r.url)) {
		q.AddCookie(c)
	}
	if _, _, err := r.another(key(1), nil, time.Now).Actor(q); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("without the provider: %v", err)
	}
	p.Close()
	gone := newRig(t, provider(t, p, nil))
	gone.want(502, "does not work right now", "GET", "/begin")
	none := newRig(t, nil)
	none.want(404, "Nobody but", "GET", "/begin")
	none.want(400, "not begun", "GET", signin.CallbackPath+"?code=x&state=y")
}

// A provider that does not answer is asked once in a while, whoever wants to sign in meanwhile, and fills no log.
func TestSilentProviderHoldsNobodyUp(t *testing.T) {
	var asked, lines atomic.Int64
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer p.Close()
	o, err := signin.NewOIDC(signin.OIDCConfig{
		Issuer: p.URL, ClientID: "c", RoleClaim: "groups", Roles: signin.Roles{domain.Clerk: {"counter"}},
		Logger: slog.New(slog.NewTextHandler(counting{&lines}, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, o)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			w := httptest.NewRecorder()
			if err := r.sessions.Begin(w, httptest.NewRequest(http.MethodGet, "/begin", nil), "/"); err == nil {
				t.Error("it answered")
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	if n := lines.Load(); n == 0 || n > 30 {
		t.Errorf("%d lines were logged", n)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := r.sessions.Begin(httptest.NewRecorder(), httptest.NewRequestWithContext(stopped, http.MethodGet, "/begin", nil), "/"); err == nil {
		t.Error("who has gone is answered")
	}
}

// counting counts lines.
type counting struct{ n *atomic.Int64 }

func (c counting) Write(b []byte) (int, error) {
	c.n.Add(1)
	return len(b), nil
}

// An answer is good once, in the browser that asked, for ten minutes.
func TestAnswersOfOthers(t *testing.T) {
	p := oidctest.New(t)
	p.Is(map[string]any{"groups": "counter"})
	r := newRig(t, provider(t, p, nil))
	stop := errors.New("stop")
	var callback string
	r.browser.CheckRedirect = func(q *http.Request, _ []*http.Request) error {
		if q.URL.Path == signin.CallbackPath {
			callback = q.URL.RequestURI()
			return stop
		}
		return nil
	}
	begin := func() {
		t.Helper()
		res, err := r.browser.Get(r.url + "/begin") //nolint:noctx // a test's
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	begin()
	victim := r.browser
	r.browser = newBrowser(t)
	r.want(400, "not begun in this browser", "GET", callback)
	r.browser = victim
	r.want(400, "not begun in this browser", "GET", strings.Replace(callback, "state=", "state=x", 1))
	r.want(400, "not begun in this browser", "GET", callback) // the attempt with another state used it up
	begin()
	r.past.Store(601)
	r.want(400, "too long ago", "GET", callback)
	r.past.Store(0)
	begin()
	r.want(200, "back to", "GET", callback)
	r.want(400, "not begun in this browser", "GET", callback)
}

func TestConfiguration(t *testing.T) {
	for text, says := range map[string]string{
		"": "no role", "clerk": "use ROLE=VALUE", "clerk=": "use ROLE=VALUE", "store=x": "the role is one of", "boss=x": "the role is one of",
	} {
		if _, err := signin.ParseRoles(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for issuer, fine := range map[string]bool{
		"https://login.example/realms/parts": true, "http://127.0.0.1:8000": true, "http://localhost": true, "http://[::1]:1": true,
		"http://login.example": false, "login.example": false, "": false, "https://x.example?y=1": false, "ftp://x.example": false,
	} {
		if err := signin.CheckIssuer(issuer); (err == nil) != fine {
			t.Errorf("%q: %v", issuer, err)
		}
	}
	if _, err := signin.New(signin.Config{Key: []byte("short")}); err == nil {
		t.Error("a short key")
	}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
