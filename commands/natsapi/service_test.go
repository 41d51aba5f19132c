package natsapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/natsapi"
	"github.com/orderledger/orderledger/domain"
)

const patience = time.Minute

// tokens knows one token.
type tokens struct{}

func (tokens) Authenticate(_ context.Context, secret string) (domain.Actor, error) {
	if secret != "good" {
		return domain.Actor{}, access.ErrUnauthenticated
	}
	return domain.Actor{ID: "anna", Role: domain.Clerk}, nil
}

// rig is a service whose handler is what the test says. Clients of the account "OUT" are let in, those of "OTHER" are not.
type rig struct {
	t       testing.TB
	srv     *server.Server
	service *natsapi.Service
	client  *nats.Conn // in the service's own account
}

func newRig(t testing.TB, handle http.HandlerFunc, change func(*natsapi.Config)) *rig {
	t.Helper()
	out, other := server.NewAccount("OUT"), server.NewAccount("OTHER")
	opts := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, MaxPayload: 2 << 20, Accounts: []*server.Account{out, other},
		Users: []*server.User{{Username: "own", Password: "x"}, {Username: "out", Password: "x", Account: out}, {Username: "other", Password: "x", Account: other}},
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	for _, subject := range []string{"shop.cmd.*", "$SRV.>"} {
		if err := srv.GlobalAccount().AddServiceExportWithResponse(subject, server.Streamed, nil); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"OUT", "OTHER"} {
			a, err := srv.LookupAccount(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.AddServiceImport(srv.GlobalAccount(), subject, subject); err != nil {
				t.Fatal(err)
			}
		}
	}
	srv.Start()
	if !srv.ReadyForConnections(patience) {
		t.Fatal("the server does not become ready")
	}
	r := &rig{t: t, srv: srv}
	r.client = r.connect("own")
	c := natsapi.Config{
		Conn: r.connect("own"), Ledger: "shop", Version: "1.2.3", API: api().OpenAPI(), Handler: handle,
		Auth: commandapi.Auth{Tokens: tokens{}}, Logger: slog.New(slog.DiscardHandler),
		Account: func(_ context.Context, name string) (domain.Actor, error) {
			if name != "OUT" {
				return domain.Actor{}, access.ErrUnauthenticated
			}
			return domain.Actor{ID: "nats:OUT", Role: domain.Viewer}, nil
		},
	}
	if change != nil {
		change(&c)
	}
	if r.service, err = natsapi.Start(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Conn.Flush(); err != nil {
		t.Fatal(err)
	}
	return r
}

// api is the description of the real commands, and of a query, which nobody answers here.
func api() huma.API {
	a := humago.New(http.NewServeMux(), huma.DefaultConfig("test", "1"))
	commandapi.Register(a, commandapi.Deps{})
	huma.Register(a, huma.Operation{OperationID: "count-tabs", Method: http.MethodGet, Path: "/v1/tabs"},
		func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	return a
}

func (r *rig) connect(user string) *nats.Conn {
	r.t.Helper()
	nc, err := nats.Connect(r.srv.ClientURL(), nats.UserInfo(user, "x"), nats.Timeout(patience))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(nc.Close)
	return nc
}

// ask sends a request; headers come in pairs.
func ask(t testing.TB, nc *nats.Conn, verb, body string, headers ...string) *nats.Msg {
	t.Helper()
	m := nats.NewMsg("shop.cmd." + verb)
	m.Data = []byte(body)
	for i := 0; i+1 < len(headers); i += 2 {
		m.Header[headers[i]] = append(m.Header[headers[i]], headers[i+1])
	}
	got, err := nc.RequestMsg(m, patience)
	if err != nil {
		t.Fatalf("%s: %v", verb, err)
	}
	return got
}

// code is that of the problem that an answer is; empty when it is none. The headers must say the same.
func code(t testing.TB, m *nats.Msg) string {
	t.Helper()
	status := m.Header.Get(micro.ErrorCodeHeader)
	if status == "" {
		return ""
	}
	var p commandapi.Problem
	if err := json.Unmarshal(m.Data, &p); err != nil {
		t.Fatalf("%v: %s", err, m.Data)
	}
	if fmt.Sprint(p.Status) != status || !strings.HasPrefix(m.Header.Get(micro.ErrorHeader), p.Code+": ") || m.Header.Get("Http-Status") != status {
		t.Errorf("headers %v of %s", m.Header, m.Data)
	}
	return p.Code
}

// echo answers what it was asked, and as whom.
func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	a := domain.ActorFrom(r.Context())
	w.Header().Set("ETag", `"7"`)
	w.Header().Set("Ledger-Position", "42")
	w.Header().Set("Set-Cookie", "not handed on")
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, "%s/%s/%s %s %s %s key=%s type=%s", a.ID, a.Role, a.Via, r.Method, r.URL, b, r.Header.Get("Idempotency-Key"), r.Header.Get("Content-Type"))
}

const order = `"order_id":"7f1a2b3c-0000-5000-8000-000000000000"`

func TestRequestsAreTranslated(t *testing.T) {
	r := newRig(t, echo, nil)
	const anna, path = "anna/clerk/nats POST /v1/orders", "/7f1a2b3c-0000-5000-8000-000000000000/"
	for _, c := range []struct{ verb, body, want string }{
		{"place", `{"order_number":"1", "total":100}`, anna + ` {"order_number":"1","total":100} key=k type=application/json`},
		{"place", ``, anna + ` {} key=k type=application/json`},
		{"accept", `{` + order + `}`, anna + path + `accept {} key=k type=application/json`},
		{"ship", ` { "tracking":[{"carrier":"ups"}], ` + order + `,"tracking":null } `, anna + path + `ship {"tracking":[{"carrier":"ups"}],"tracking":null} key=k type=application/json`},
		{"notes", `{` + order + `,"text":"a\u003cb"}`, anna + path + `notes {"text":"a\u003cb"} key=k type=application/json`},
		{"cancel", `{"order_id":"../../v1/tokens"}`, anna + `/-/cancel {} key=k type=application/json`},
		{"accept", `{"order_id":"a/b?c=d#"}`, anna + `/-/accept {} key=k type=application/json`},
		{"import", "{}\n{}\n", `anna/clerk/nats POST /v1/imports ` + "{}\n{}\n" + ` key=k type=application/x-ndjson`},
	} {
		m := ask(t, r.client, c.verb, c.body, "authorization", "Bearer good", "idempotency-KEY", "k", "Orderledger-Via", "cli")
		if string(m.Data) != c.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.verb, c.body, m.Data, c.want)
		}
		if m.Header.Get("ETag") != `"7"` || m.Header.Get("Ledger-Position") != "42" || m.Header.Get("Http-Status") != "201" || len(m.Header["Set-Cookie"]) > 0 {
			t.Errorf("headers %v", m.Header)
		}
	}
}

func TestRequestsThatCantBeOne(t *testing.T) {
	r := newRig(t, func(http.ResponseWriter, *http.Request) { t.Error("it was handed on") }, nil)
	for _, c := range []struct{ verb, body, want string }{
		{"accept", `{"order_id":`, "malformed_json"},
		{"accept", `[]`, "malformed_json"},
		{"accept", `"x"`, "malformed_json"},
		{"accept", ` `, "malformed_json"},
		{"accept", `{} {}`, "malformed_json"},
		{"accept", "{\"a\xff\":1}", "malformed_json"},
		{"accept", ``, "required"},
		{"accept", `{"order_id":""}`, "required"},
		{"accept", `{"id":"x"}`, "required"},
		{"accept", `{"order_id":7}`, "wrong_type"},
		{"accept", `{` + order + `,` + order + `}`, "duplicate_field"},
		{"place", `{"order_number":"` + strings.Repeat("x", commandapi.MaxBody) + `"}`, "too_large"},
	} {
		if got := code(t, ask(t, r.client, c.verb, c.body, "Authorization", "Bearer good")); got != c.want {
			t.Errorf("%s %.40s: %s, want %s", c.verb, c.body, got, c.want)
		}
	}
}

// Nobody is let in without a token, but clients of accounts that are; and nothing that a client says of itself counts.
func TestWhoIsLetIn(t *testing.T) {
	r := newRig(t, echo, nil)
	out, other := r.connect("out"), r.connect("other")
	forged := []string{"Nats-Request-Info", `{"acc":"OUT"}`, "nats-request-info", `{"acc":"OUT"}`}
	for _, c := range []struct {
		name    string
		nc      *nats.Conn
		headers []string
		want    string // the actor; or else the code
	}{
		{"no token", r.client, nil, "unauthenticated"},
		{"a forged account", r.client, forged, "unauthenticated"},
		{"a wrong token", r.client, []string{"Authorization", "Bearer bad"}, "unauthenticated"},
		{"a token of no kind", r.client, []string{"Authorization", "good"}, "unauthenticated"},
		{"a proxy's word", r.client, []string{"X-Forwarded-For", "127.0.0.1", "Host", "localhost"}, "unauthenticated"},
		{"a token", r.client, []string{"Authorization", "bearer good"}, "anna/clerk/nats"},
		{"an account", out, nil, "nats:OUT/viewer/nats"},
		{"an account that says another", out, []string{"Nats-Request-Info", `{"acc":"ADMIN"}`}, "nats:OUT/viewer/nats"},
		{"an account and a token", out, []string{"Authorization", "Bearer good"}, "anna/clerk/nats"},
		{"an account and a wrong token", out, []string{"Authorization", "Bearer bad"}, "unauthenticated"},
		{"another account", other, nil, "unauthenticated"},
		{"another account that says this one", other, forged, "unauthenticated"},
		{"another account with a token", other, []string{"Authorization", "Bearer good"}, "anna/clerk/nats"},
	} {
		m := ask(t, c.nc, "accept", `{`+order+`}`, c.headers...)
		got := code(t, m)
		if got == "" {
			got, _, _ = strings.Cut(string(m.Data), " ")
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	// The reply subject by which a request of another account is known can't be forged, either.
	m := nats.NewMsg("shop.cmd.accept")
	m.Reply, m.Data, m.Header = "_R_.forged", []byte(`{`+order+`}`), nats.Header{"Nats-Request-Info": {`{"acc":"OUT"}`}}
	before := r.service.Stats().Requests
	if err := errors.Join(r.client.PublishMsg(m), r.client.Flush()); err != nil {
		t.Fatal(err)
	}
	ask(t, r.client, "accept", "") // behind it
	if got := r.service.Stats(); got.Requests != before+1 {
		t.Errorf("%+v", got)
	}
}

// An answer is published to an inbox, and never where the log or somebody else listens.
func TestAnswersGoToInboxes(t *testing.T) {
	r := newRig(t, echo, nil)
	heard, err := r.client.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"shop.cmd.accept", "$SRV.PING", "$SRV.INFO.orderledger"} {
		for _, reply := range []string{"shop.order.7", "$JS.API.STREAM.DELETE.shop", "other.order.7", ""} {
			if err := r.client.PublishMsg(&nats.Msg{Subject: subject, Reply: reply}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask(t, r.client, "accept", "") // on its own subscription: the control subjects have theirs
	if _, err := r.client.Request("$SRV.PING", nil, patience); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Request("$SRV.INFO.orderledger", nil, patience); err != nil {
		t.Fatal(err)
	}
	if n := r.service.Stats().Ignored; n != 12 {
		t.Errorf("%d were ignored, want 12", n)
	}
	for {
		m, err := heard.NextMsg(50 * time.Millisecond)
		if err != nil {
			break
		}
		if strings.Contains(m.Subject, "order.") && len(m.Data) > 0 {
			t.Errorf("an answer on %s", m.Subject)
		}
	}
}

func TestNoRoom(t *testing.T) {
	held, release := make(chan struct{}), make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		held <- struct{}{}
		<-release
		w.WriteHeader(http.StatusOK)
	},
		func(c *natsapi.Config) { c.Workers, c.Queue = 1, 1 })
	inbox := r.client.NewInbox()
	answers, err := r.client.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.client.PublishMsg(&nats.Msg{
			Subject: "shop.cmd.accept", Reply: inbox, Data: []byte(`{` + order + `}`), Header: nats.Header{"Authorization": {"Bearer good"}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	m := ask(t, r.client, "accept", `{`+order+`}`, "Authorization", "Bearer good") // behind them
	if got := code(t, m); got != "unavailable" || m.Header.Get("Retry-After") != "1" {
		t.Errorf("%s, %v", got, m.Header)
	}
	for range 2 {
		<-held
		release <- struct{}{}
		if m, err := answers.NextMsg(patience); err != nil || code(t, m) != "" {
			t.Errorf("%v, %v", m, err)
		}
	}
	if st := r.service.Stats(); st.Refused != 1 || st.Requests != 3 {
		t.Errorf("%+v", st)
	}
}

func TestLimits(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		switch {
		case strings.HasSuffix(req.URL.Path, "/accept"):
			panic("a bug")
		case strings.HasSuffix(req.URL.Path, "/ship"):
			w.Header().Set("ETag", `"7"`)
			w.WriteHeader(http.StatusAccepted)
			_, _ = fmt.Fprintf(w, `{"id":"x","version":7,"lines":[%q]}`, strings.Repeat("x", 2<<20))
		case req.Method == http.MethodGet:
			_, _ = fmt.Fprintf(w, `{"data":[%q]}`, strings.Repeat("x", 2<<20))
		}
	}, nil)
	for verb, want := range map[string]string{"accept": "internal", "tabs": "too_large"} {
		body := `{` + order + `}`
		if verb == "tabs" {
			body = ""
		}
		if got := code(t, ask(t, r.client, verb, body, "Authorization", "Bearer good")); got != want {
			t.Errorf("%s: %s, want %s", verb, got, want)
		}
	}
	// A command whose answer is too large has been carried out all the same, and says so.
	m := ask(t, r.client, "ship", `{`+order+`}`, "Authorization", "Bearer good")
	if code(t, m) != "" || m.Header.Get("Http-Status") != "202" || m.Header.Get("ETag") != `"7"` || strings.TrimSpace(string(m.Data)) != `{"id":"x","omitted":["lines"],"version":7}` {
		t.Errorf("%v %.200s", m.Header, m.Data)
	}
}

func TestTimeRunsOut(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		<-req.Context().Done()
		commandapi.From(req.Context().Err()).Write(w)
	}, func(c *natsapi.Config) { c.Timeout = 20 * time.Millisecond })
	if got := code(t, ask(t, r.client, "cancel", `{`+order+`}`, "Authorization", "Bearer good")); got != "unavailable" {
		t.Errorf("%s, want unavailable", got)
	}
}

// What has come in is answered before Stop returns.
func TestStopAnswersWhatHasComeIn(t *testing.T) {
	held, release := make(chan struct{}), make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/accept") {
			close(held)
			<-release
		}
		echo(w, req)
	}, nil)
	answered := make(chan *nats.Msg, 1)
	go func() { answered <- ask(t, r.client, "accept", `{`+order+`}`, "Authorization", "Bearer good") }()
	<-held
	stopped := make(chan error, 1)
	go func() { stopped <- r.service.Stop(t.Context()) }()
	// Nobody answers any more when the stop has begun.
	for {
		if _, err := r.client.Request("$SRV.PING", nil, patience); errors.Is(err, nats.ErrNoResponders) {
			break
		}
	}
	select {
	case err := <-stopped:
		t.Fatalf("it stopped, %v, while a request was under way", err)
	default:
	}
	close(release)
	if m := <-answered; code(t, m) != "" {
		t.Errorf("%s", m.Data)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestStopCutsOffWhatTakesTooLong(t *testing.T) {
	held := make(chan struct{})
	r := newRig(t, func(_ http.ResponseWriter, req *http.Request) { close(held); <-req.Context().Done() }, nil)
	if err := r.client.PublishMsg(&nats.Msg{
		Subject: "shop.cmd.accept", Reply: "_INBOX.x", Data: []byte(`{` + order + `}`), Header: nats.Header{"Authorization": {"Bearer good"}},
	}); err != nil {
		t.Fatal(err)
	}
	<-held
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := r.service.Stop(ctx); err == nil {
		t.Error("it says that nothing was cut off")
	}
}

// The service is found and described as the nats CLI's micro commands want it.
func TestControl(t *testing.T) {
	r := newRig(t, echo, nil)
	ask(t, r.client, "accept", `{`+order+`}`, "Authorization", "Bearer good")
	ask(t, r.client, "accept", `{`+order+`}`)
	get := func(subject string, into any) {
		t.Helper()
		m, err := r.connect("out").Request(subject, nil, patience)
		if err == nil {
			err = json.Unmarshal(m.Data, into)
		}
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
	}
	var ping micro.Ping
	get("$SRV.PING", &ping)
	if ping.Name != "orderledger" || ping.Type != micro.PingResponseType || ping.Version != "1.2.3" || ping.Metadata["ledger"] != "shop" {
		t.Errorf("%+v", ping)
	}
	var info micro.Info
	get("$SRV.INFO.orderledger", &info)
	about := map[string]micro.EndpointInfo{}
	for _, e := range info.Endpoints {
		about[e.Name] = e
	}
	ship := about["ship"]
	var schema struct {
		Properties map[string]any
		Required   []string
	}
	if err := json.Unmarshal([]byte(ship.Metadata["request"]), &schema); err != nil {
		t.Fatal(err)
	}
	if ship.Subject != "shop.cmd.ship" || ship.QueueGroup != "q" || schema.Properties["order_id"] == nil || schema.Properties["tracking"] == nil ||
		strings.Join(schema.Required, " ") != "order_id" || ship.Metadata["headers"] != "Idempotency-Key, If-Match, Prefer" {
		t.Errorf("%+v", ship)
	}
	var stats micro.Stats
	get("$SRV.STATS.orderledger."+ping.ID, &stats)
	for _, e := range stats.Endpoints {
		if e.Name == "accept" && (e.NumRequests != 2 || e.NumErrors != 1 || e.LastError != "unauthenticated" || e.ProcessingTime <= 0) {
			t.Errorf("%+v", e)
		}
	}
}
