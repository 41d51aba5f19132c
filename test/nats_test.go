package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
	"github.com/orderledger/orderledger/test/loopback"
	"github.com/orderledger/orderledger/test/testenv"
)

// natsClient asks a ledger on NATS.
type natsClient struct {
	t      *testing.T
	nc     *nats.Conn
	ledger string
	token  string
}

// natsAnswer is what it answered.
type natsAnswer struct {
	code     string // of a problem
	status   int
	position uint64
	replayed bool
	order    domain.View
	msg      *nats.Msg
}

func (c natsClient) ask(verb, body string, headers ...string) natsAnswer {
	c.t.Helper()
	m := nats.NewMsg(c.ledger + ".cmd." + verb)
	m.Data = []byte(body)
	if c.token != "" {
		m.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		m.Header.Set(headers[i], headers[i+1])
	}
	got, err := c.nc.RequestMsg(m, testenv.Patience)
	if err != nil {
		c.t.Fatalf("%s: %v", verb, err)
	}
	a := natsAnswer{msg: got, replayed: got.Header.Get("Idempotent-Replayed") == "true"}
	a.position, _ = strconv.ParseUint(got.Header.Get("Ledger-Position"), 10, 64) // absent on queries
	a.status, _ = strconv.Atoi(got.Header.Get("Http-Status"))
	if got.Header.Get(micro.ErrorCodeHeader) != "" {
		var p struct {
			Code   string
			Status int
		}
		if err := json.Unmarshal(got.Data, &p); err != nil || strconv.Itoa(p.Status) != got.Header.Get(micro.ErrorCodeHeader) {
			c.t.Fatalf("%v: %v %s", err, got.Header, got.Data)
		}
		a.code = p.Code
		return a
	}
	_ = json.Unmarshal(got.Data, &a.order) // where the answer is an order
	return a
}

func connectNATS(t *testing.T, url string, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append(options, nats.Timeout(30*time.Second), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// makeToken makes a token by HTTP.
func makeToken(t *testing.T, api testenv.Client, name, role string) string {
	t.Helper()
	a, err := api.Call(t.Context(), http.MethodPost, "/v1/tokens", "application/json", []byte(fmt.Sprintf(`{"name":%q,"role":%q}`, name, role)),
		"Idempotency-Key", "token-"+name)
	if err != nil || a.Status >= 300 {
		t.Fatalf("token: %v %s", err, a.Body)
	}
	var made struct{ Secret string }
	if err := json.Unmarshal(a.Body, &made); err != nil || made.Secret == "" {
		t.Fatalf("token: %v %s", err, a.Body)
	}
	return made.Secret
}

// serveWithNATS starts a ledger that NATS clients on loopback can reach.
func serveWithNATS(t *testing.T) (l *testenv.Ledger, c app.Config, url string) {
	t.Helper()
	c = testenv.Config(t, "nats")
	c.NATSListen = loopback.Free(t)
	return testenv.Start(t, c, app.Hooks{}), c, "nats://" + c.NATSListen
}

// intake is an order on account.
func intake(t *testing.T, i int) string {
	t.Helper()
	lines, _ := testenv.Orders(t, "testdata/northwind-orders.jsonl")
	var in map[string]any
	if err := json.Unmarshal(lines[i], &in); err != nil {
		t.Fatal(err)
	}
	in["payment"] = map[string]any{"method": "account"}
	in["customer"].(map[string]any)["account_number"] = "ACC-1"
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// importCard places an order that is paid by card, and returns its id.
func (c natsClient) importCard(i int) string {
	c.t.Helper()
	lines, _ := testenv.Orders(c.t, "testdata/northwind-orders.jsonl")
	a := c.ask("import", string(lines[i]), "Idempotency-Key", "import")
	var done struct {
		Results []struct {
			OrderID string `json:"order_id"`
			Status  string
		}
	}
	if err := json.Unmarshal(a.msg.Data, &done); err != nil || len(done.Results) != 1 || done.Results[0].Status != "placed" {
		c.t.Fatalf("%v %s", err, a.msg.Data)
	}
	return done.Results[0].OrderID
}

// One order's life by requests on NATS, beside HTTP: the same rules, the same answers, the same keys.
func TestCommandsOnNATS(t *testing.T) {
	l, _, url := serveWithNATS(t)
	api := testenv.Client{URL: l.URL}
	c := natsClient{t: t, nc: connectNATS(t, url), ledger: "orderledger"}

	placed := c.ask("place", intake(t, 1), "Idempotency-Key", "p")
	if placed.code != "" || placed.status != 201 || placed.order.Tab != domain.TabNew {
		t.Fatalf("%v %s", placed.msg.Header, placed.msg.Data)
	}
	id := c.importCard(0)
	order := `"order_id":"` + id + `"`
	for _, q := range []struct{ name, verb, body, key, match, want string }{
		{"no key", "accept", "{" + order + "}", "", "", "idempotency_key_required"},
		{"no order", "accept", `{"order_id":"7f1a2b3c-0000-5000-8000-000000000000"}`, "k1", "", "order_not_found"},
		{"no id", "accept", `{"order_id":"7"}`, "k1", "", "order_not_found"},
		{"malformed", "accept", `{` + order, "k1", "", "malformed_json"},
		{"unknown field", "accept", `{` + order + `,"amount":7}`, "k1", "", "unknown_field"},
		{"a rule", "capture", "{" + order + "}", "k1", `"1"`, "not_accepted"},
		{"no version", "capture", "{" + order + "}", "k1", "", "version_required"},
		{"too large", "place", `{"order_number":"` + strings.Repeat("9", 1<<20) + `"}`, "k1", "", "too_large"},
		{"a card number", "notes", `{` + order + `,"text":"4242 4242 4242 4242"}`, "k1", "", "card_number_refused"},
		{"a query's misspelling", "list", `{"tabs":"new"}`, "", "", "bad_query"},
		{"a query's list", "list", `{"tab":["new"]}`, "", "", "bad_query"},
	} {
		headers := []string{}
		if q.key != "" {
			headers = append(headers, "Idempotency-Key", q.key)
		}
		if q.match != "" {
			headers = append(headers, "If-Match", q.match)
		}
		if a := c.ask(q.verb, q.body, headers...); a.code != q.want {
			t.Errorf("%s: %s, want %s: %s", q.name, a.code, q.want, a.msg.Data)
		}
	}
	accepted := c.ask("accept", "{"+order+"}", "Idempotency-Key", "a")
	if accepted.code != "" || accepted.order.Version != 2 || accepted.msg.Header.Get("ETag") != `"2"` || accepted.replayed {
		t.Fatalf("%v %s", accepted.msg.Header, accepted.msg.Data)
	}
	// The same key, by the other way: the same answer; and another body is refused.
	again, err := api.Act(t.Context(), id, "accept", "a", 0, "{}")
	if err != nil || !again.Replayed || again.Position != accepted.position || again.Order.Version != 2 {
		t.Errorf("%v %+v", err, again)
	}
	byHTTP, err := api.Act(t.Context(), id, "notes", "n", 0, `{"text":"by HTTP"}`)
	if err != nil || byHTTP.Status != http.StatusOK {
		t.Fatalf("%v %s", err, byHTTP.Body)
	}
	if a := c.ask("notes", "{"+order+`,"text":"by HTTP"}`, "Idempotency-Key", "n"); !a.replayed || a.position != byHTTP.Position {
		t.Errorf("%v %s", a.msg.Header, a.msg.Data)
	}
	if a := c.ask("notes", "{"+order+`,"text":"another"}`, "Idempotency-Key", "n"); a.code != "idempotency_key_reused" {
		t.Errorf("%v %s", a.msg.Header, a.msg.Data)
	}
	if a := c.ask("capture", "{"+order+"}", "Idempotency-Key", "c0", "If-Match", `"2"`); a.code != "version_stale" {
		t.Errorf("%v %s", a.msg.Header, a.msg.Data)
	}
	captured := c.ask("capture", "{"+order+"}", "Idempotency-Key", "c", "If-Match", `"3"`, "Prefer", "wait=15")
	if captured.order.Tab != domain.TabPaid || captured.msg.Header.Get("Preference-Applied") != "wait=15" {
		t.Fatalf("%v %s", captured.msg.Header, captured.msg.Data)
	}
	var tabs struct{ New, Paid int }
	a := c.ask("tabs", fmt.Sprintf(`{"wait_for":%d}`, captured.position))
	if err := json.Unmarshal(a.msg.Data, &tabs); err != nil || tabs.Paid != 1 || tabs.New != 1 {
		t.Errorf("%v %s", err, a.msg.Data)
	}
	if a := c.ask("list", `{"tab":"paid","limit":1}`); !strings.Contains(string(a.msg.Data), id) {
		t.Errorf("%s", a.msg.Data)
	}
	if a := c.ask("show", "{"+order+"}"); a.order.Version != 5 || a.msg.Header.Get("ETag") != `"5"` {
		t.Errorf("%v %s", a.msg.Header, a.msg.Data)
	}
	timeline := c.ask("timeline", "{"+order+"}")
	if !strings.Contains(string(timeline.msg.Data), `"via":"nats"`) {
		t.Errorf("%s", timeline.msg.Data)
	}
}

// Who may what is what it is on HTTP, whether the token comes with the connection or with the request.
func TestRolesOnNATS(t *testing.T) {
	l, c, url := serveWithNATS(t)
	api := testenv.Client{URL: l.URL}
	tokens := map[string]string{}
	for _, role := range []string{"viewer", "clerk", "manager", "store"} {
		tokens[role] = makeToken(t, api, "the-"+role, role)
	}
	local := natsClient{t: t, nc: connectNATS(t, url), ledger: "orderledger"}
	order := `{"order_id":"` + local.ask("place", intake(t, 0), "Idempotency-Key", "p").order.ID.String() + `"}`

	l.Stop()
	c.NoAnonymous = true
	testenv.Start(t, c, app.Hooks{})
	if nc, err := nats.Connect(url); err == nil {
		nc.Close()
		t.Error("a stranger is let in")
	}
	if nc, err := nats.Connect(url, nats.Token(tokens["clerk"][:len(tokens["clerk"])-1]+"x")); err == nil {
		nc.Close()
		t.Error("a wrong token is let in")
	}
	viewer := connectNATS(t, url, nats.Token(tokens["viewer"]))
	for role, may := range map[string]string{
		"viewer": "tabs show", "clerk": "tabs show accept notes", "manager": "tabs show accept notes cancel", "store": "",
	} {
		for _, by := range []natsClient{
			{t: t, nc: connectNATS(t, url, nats.Token(tokens[role])), ledger: "orderledger"},
			{t: t, nc: viewer, ledger: "orderledger", token: tokens[role]},
		} {
			for _, verb := range []string{"tabs", "accept", "notes", "cancel"} {
				body := order
				switch verb {
				case "tabs":
					body = ""
				case "notes":
					body = strings.TrimSuffix(order, "}") + `,"text":"x"}`
				}
				// A version that is stale: who may, is told so.
				a := by.ask(verb, body, "Idempotency-Key", role+verb, "If-Match", `"99"`)
				if refused := a.code == "forbidden"; refused == strings.Contains(may, verb) {
					t.Errorf("%s %s: %q", role, verb, a.code)
				}
			}
		}
	}
	spoof := natsClient{t: t, nc: viewer, ledger: "orderledger"}
	if a := spoof.ask("accept", order, "Idempotency-Key", "s", "Nats-Request-Info", `{"acc":"local"}`); a.code != "forbidden" {
		t.Errorf("%q", a.code)
	}
}

// serveAccounts starts a NATS server with accounts: LEDGER holds the log and serves the others, of which STRANGERS has no role.
func serveAccounts(t *testing.T) (url string) {
	t.Helper()
	config := t.TempDir() + "/nats.conf"
	text := fmt.Sprintf(`
		listen: %q
		max_payload: 2MB
		jetstream { store_dir: %q }
		accounts {
		  LEDGER {
		    jetstream: enabled
		    users: [{user: ledger, password: x}, {user: inside, password: x}]
		    exports: [
		      {service: "orderledger.cmd.*"}
		      {service: "$SRV.>", response_type: stream}
		      {stream: "orderledger.public.>"}
		    ]
		  }
		  CLERKS {
		    users: [{user: clerk, password: x}]
		    imports: [{service: {account: LEDGER, subject: "orderledger.cmd.*"}}, {stream: {account: LEDGER, subject: "orderledger.public.>"}}]
		  }
		  STRANGERS {
		    users: [{user: stranger, password: x}]
		    imports: [{service: {account: LEDGER, subject: "orderledger.cmd.*"}}]
		  }
		}`, loopback.Free(t), t.TempDir())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(config)
	if err != nil {
		t.Fatal(err)
	}
	opts.NoLog, opts.NoSigs = true, true
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(testenv.Patience) {
		t.Fatal("the server does not become ready")
	}
	return srv.Addr().String()
}

func TestAccountsOfAnExternalNATS(t *testing.T) {
	address := serveAccounts(t)
	c := testenv.Config(t, "nats://ledger:x@"+address)
	c.NATSRoles = map[string]domain.Role{"CLERKS": domain.Clerk}
	l := testenv.Start(t, c, app.Hooks{})
	api := testenv.Client{URL: l.URL}
	by := func(user string) natsClient {
		return natsClient{t: t, nc: connectNATS(t, "nats://"+address, nats.UserInfo(user, "x")), ledger: "orderledger"}
	}
	clerk := by("clerk")
	public, err := clerk.nc.SubscribeSync("orderledger.public.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := clerk.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	placed, err := api.Call(t.Context(), http.MethodPost, "/v1/orders", "application/json", []byte(intake(t, 0)), "Idempotency-Key", "p")
	if err != nil || placed.Status != http.StatusCreated {
		t.Fatalf("%v %s", err, placed.Body)
	}
	order := `{"order_id":"` + placed.Order.ID.String() + `"}`
	forged := []string{"Idempotency-Key", "x", "Nats-Request-Info", `{"acc":"CLERKS"}`}
	for _, user := range []string{"stranger", "inside"} {
		if a := by(user).ask("accept", order, forged...); a.code != "unauthenticated" {
			t.Errorf("%s: %q", user, a.code)
		}
	}
	accepted := clerk.ask("accept", order, "Idempotency-Key", "a")
	if accepted.code != "" || accepted.order.Version != 2 {
		t.Errorf("%s", accepted.msg.Data)
	}
	if a := clerk.ask("cancel", order, "Idempotency-Key", "c", "If-Match", `"2"`); a.code != "forbidden" {
		t.Errorf("%q", a.code)
	}
	seen := fmt.Sprintf(`%s,"wait_for":%d}`, strings.TrimSuffix(order, "}"), accepted.position)
	if a := clerk.ask("timeline", seen); !strings.Contains(string(a.msg.Data), `"nats:CLERKS"`) {
		t.Errorf("%s", a.msg.Data)
	}
	token := makeToken(t, api, "olga", "manager")
	stranger := by("stranger")
	stranger.token = token
	if a := stranger.ask("notes", strings.TrimSuffix(order, "}")+`,"text":"x"}`, "Idempotency-Key", "n"); a.code != "" {
		t.Errorf("%q", a.code)
	}
	for _, want := range []string{"Placed", "Accepted", "NoteAdded"} {
		m, err := public.NextMsg(testenv.Patience)
		if err != nil || m.Subject != "orderledger.public."+want || m.Header.Get("Nats-Msg-Id") == "" {
			t.Fatalf("%s: %v, %v", want, err, m)
		}
	}
}

// Two processes on one log share the requests, and publish each event once.
func TestTwoProcessesOnNATS(t *testing.T) {
	srv := natstest.Start(t)
	var ledgers []*testenv.Ledger
	for range 2 {
		ledgers = append(ledgers, testenv.Start(t, testenv.Config(t, srv.URL), app.Hooks{}))
	}
	token := makeToken(t, testenv.Client{URL: ledgers[0].URL}, "anna", "admin")
	nc := connectNATS(t, srv.URL)
	c := natsClient{t: t, nc: nc, ledger: "orderledger", token: token}
	if a := (natsClient{t: t, nc: nc, ledger: "orderledger"}).ask("tabs", ""); a.code != "unauthenticated" {
		t.Errorf("without a token: %q", a.code)
	}
	order := `{"order_id":"` + c.ask("place", intake(t, 0), "Idempotency-Key", "p").order.ID.String() + `"`
	const notes = 60
	for i := range notes {
		body := fmt.Sprintf(`%s,"text":"note %d"}`, order, i)
		first := c.ask("notes", body, "Idempotency-Key", fmt.Sprint("n", i))
		again := c.ask("notes", body, "Idempotency-Key", fmt.Sprint("n", i))
		if first.code != "" || !again.replayed || again.position != first.position {
			t.Fatalf("%s %s", first.msg.Data, again.msg.Data)
		}
	}
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest("$SRV.STATS.orderledger", inbox, nil); err != nil {
		t.Fatal(err)
	}
	total := 0
	for range 2 {
		m, err := answers.NextMsg(testenv.Patience)
		if err != nil {
			t.Fatal(err)
		}
		var st micro.Stats
		if err := json.Unmarshal(m.Data, &st); err != nil {
			t.Fatal(err)
		}
		for _, e := range st.Endpoints {
			if e.Name == "notes" {
				if e.NumRequests == 0 {
					t.Error("one process answers nothing")
				}
				total += e.NumRequests
			}
		}
	}
	if total != 2*notes {
		t.Errorf("%d requests were answered, want %d", total, 2*notes)
	}
	checkPublic(t, nc, 1+notes)

	// One leaves; the other goes on.
	ledgers[0].Stop()
	if a := c.ask("notes", order+`,"text":"alone"}`, "Idempotency-Key", "alone"); a.code != "" {
		t.Errorf("%s", a.msg.Data)
	}
	checkPublic(t, nc, 2+notes)
}

// checkPublic waits until the public stream holds so many events, and checks that it holds each once and in order.
func checkPublic(t *testing.T, nc *nats.Conn, want int) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Patience)
	defer cancel()
	s, err := js.Stream(ctx, "orderledger-public")
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		info, err := s.Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if info.State.LastSeq >= uint64(want) {
			break
		}
		<-tick.C
	}
	position := uint64(0)
	for seq := range uint64(want) {
		m, err := s.GetMsg(ctx, seq+1)
		if err != nil {
			t.Fatal(err)
		}
		at, err := strconv.ParseUint(m.Header.Get("Ledger-Position"), 10, 64)
		if err != nil || at <= position {
			t.Fatalf("message %d is of position %d, behind %d", seq+1, at, position)
		}
		position = at
	}
	if info, err := s.Info(ctx); err != nil || info.State.LastSeq != uint64(want) {
		t.Errorf("%v: %+v, want %d", err, info.State, want)
	}
}

// awayLog is a log that can be taken away.
type awayLog struct {
	eventstore.Store
	away chan struct{} // closed: it is away
}

func (l awayLog) Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	select {
	case <-l.away:
		return eventstore.Recorded{}, eventstore.ErrUnavailable
	default:
		return l.Store.Append(ctx, stream, expected, e)
	}
}

func (l awayLog) AppendMany(ctx context.Context, batch []eventstore.Proposed) ([]eventstore.Recorded, error) {
	select {
	case <-l.away:
		return nil, eventstore.ErrUnavailable
	default:
		return l.Store.AppendMany(ctx, batch)
	}
}

func TestLogAwayOnNATS(t *testing.T) {
	c := testenv.Config(t, "nats")
	c.NATSListen = loopback.Free(t)
	away := make(chan struct{})
	testenv.Start(t, c, app.Hooks{Log: func(s eventstore.Store) eventstore.Store { return awayLog{s, away} }})
	by := natsClient{t: t, nc: connectNATS(t, "nats://"+c.NATSListen), ledger: "orderledger"}
	close(away)
	a := by.ask("place", intake(t, 0), "Idempotency-Key", "p")
	if a.code != "unavailable" || a.msg.Header.Get("Retry-After") == "" || a.msg.Header.Get(micro.ErrorCodeHeader) != "503" {
		t.Errorf("%v %s", a.msg.Header, a.msg.Data)
	}
}

// Public events of the embedded server can be heard live and read back by guests who may read, and go on after a restart.
func TestPublicEventsForGuests(t *testing.T) {
	l, c, url := serveWithNATS(t)
	nc := connectNATS(t, url)
	by := natsClient{t: t, nc: nc, ledger: "orderledger"}
	id := by.ask("place", intake(t, 0), "Idempotency-Key", "p").order.ID.String()
	by.ask("accept", `{"order_id":"`+id+`"}`, "Idempotency-Key", "a")
	checkPublic(t, nc, 2)
	l.Stop()
	testenv.Start(t, c, app.Hooks{})
	by.nc = connectNATS(t, url)
	live, err := by.nc.SubscribeSync("orderledger.public.>")
	if err != nil {
		t.Fatal(err)
	}
	by.ask("notes", `{"order_id":"`+id+`","text":"x"}`, "Idempotency-Key", "n")
	if m, err := live.NextMsg(testenv.Patience); err != nil || m.Subject != "orderledger.public.NoteAdded" {
		t.Errorf("%v, %v", m, err)
	}
	checkPublic(t, by.nc, 3)
}

// Where strangers can reach the door, somebody must be known by a token.
func TestOpenDoorWantsAToken(t *testing.T) {
	c := testenv.Config(t, "nats")
	c.NATSListen = "0.0.0.0:0"
	if _, err := app.New(t.Context(), c, t.Output(), app.Hooks{}); err == nil || !strings.Contains(err.Error(), "0.0.0.0:0") || !strings.Contains(err.Error(), "orderledger token create") {
		t.Errorf("%v", err)
	}
}

// Nobody may do anything with a token that was revoked, and the connection that it was shown on is cut.
func TestRevokedTokenOnNATS(t *testing.T) {
	l, _, url := serveWithNATS(t)
	api := testenv.Client{URL: l.URL}
	secret, gone := makeToken(t, api, "anna", "clerk"), make(chan struct{})
	anna := connectNATS(t, url, nats.Token(secret), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(gone) }))
	by := natsClient{t: t, nc: anna, ledger: "orderledger"}
	if a := by.ask("tabs", ""); a.code != "" {
		t.Fatalf("%s", a.msg.Data)
	}
	list, err := api.Call(t.Context(), http.MethodGet, "/v1/tokens?wait_for=1", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var known struct{ Data []struct{ ID string } }
	if err := json.Unmarshal(list.Body, &known); err != nil || len(known.Data) != 1 {
		t.Fatalf("%v %s", err, list.Body)
	}
	if a, err := api.Call(t.Context(), http.MethodPost, "/v1/tokens/"+known.Data[0].ID+"/revoke", "application/json", nil, "Idempotency-Key", "r"); err != nil || a.Status != http.StatusOK {
		t.Fatalf("%v %s", err, a.Body)
	}
	select { // though it asks nothing
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Error("its connection is not cut")
	}
	other := natsClient{t: t, nc: connectNATS(t, url), ledger: "orderledger", token: secret}
	if a := other.ask("tabs", ""); a.code != "unauthenticated" {
		t.Errorf("%q", a.code)
	}
	if nc, err := nats.Connect(url, nats.Token(secret)); err == nil {
		nc.Close()
		t.Error("it is let in again")
	}
}
