package queryapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/queryapi"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
)

var (
	_ queryapi.Waiter   = (*projections.Projector)(nil)
	_ queryapi.Follower = (*projections.Follower)(nil)
	_ queryapi.Log      = eventstore.Store(nil)
)

var clerk = domain.Actor{ID: "ada", Role: domain.Clerk, Via: domain.ViaUI}

// serve runs the endpoints over a ledger. Who asks is what the header Role says; their id is the role's name.
func serve(t *testing.T, l *querytest.Ledger, change ...func(*queryapi.Deps)) string {
	t.Helper()
	d := queryapi.Deps{
		Reader: l, Waiter: l, Log: l, Now: l.Now, Problem: problem, Heartbeat: time.Hour,
		Follow: func(p eventstore.Position) queryapi.Follower { return l.Follow(p) },
		Status: func(context.Context) ([]projections.Status, error) {
			return []projections.Status{{Name: "tabs", Checkpoint: 3, Head: 4}}, nil
		},
	}
	for _, c := range change {
		c(&d)
	}
	mux := http.NewServeMux()
	config := huma.DefaultConfig("test", "1")
	config.CreateHooks = nil
	queryapi.Register(humago.New(mux, config), d)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		role := r.Header.Get("Role")
		mux.ServeHTTP(w, r.WithContext(domain.WithActor(r.Context(), domain.Actor{ID: role, Role: domain.Role(role)})))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// problem is as much of the program's table as these tests need.
func problem(err error) error {
	var rejected *domain.Rejection
	status := http.StatusInternalServerError
	switch {
	case errors.As(err, &rejected):
		status = http.StatusNotFound
	case errors.Is(err, queryapi.ErrForbidden):
		status = http.StatusForbidden
	case errors.Is(err, projections.ErrBadQuery):
		status = http.StatusBadRequest
	case errors.Is(err, queryapi.ErrYourStreams):
		status = http.StatusTooManyRequests
	case errors.Is(err, queryapi.ErrBehind), errors.Is(err, queryapi.ErrTooManyStreams):
		status = http.StatusServiceUnavailable
	}
	return huma.NewError(status, err.Error())
}

func ask(t *testing.T, role, url string, headers ...string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Role", role)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// read wants a status and returns the body.
func read(t *testing.T, res *http.Response, status int) string {
	t.Helper()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status {
		t.Fatalf("%s: %d, want %d: %s", res.Request.URL, res.StatusCode, status, &body)
	}
	return body.String()
}

func decode[T any](t *testing.T, body string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

// filled is a ledger with a new card order of the store "store", a paid one, and a shipped one on account.
func filled(t *testing.T) (l *querytest.Ledger, paid uuid.UUID) {
	l = querytest.New()
	l.Place(t, domain.Actor{ID: "store", Role: domain.Shop}, querytest.Placed("100", domain.Card))
	paid = l.Place(t, clerk, querytest.Placed("101", domain.Card), domain.Accepted{}, querytest.Captured("101"))
	l.Place(t, clerk, querytest.Placed("102", domain.Account), domain.Accepted{}, domain.Shipped{})
	return l, paid
}

func numbers(list queryapi.OrderList) string {
	ns := make([]string, len(list.Data))
	for i, o := range list.Data {
		ns[i] = o.OrderNumber
	}
	return strings.Join(ns, " ")
}

func TestOrders(t *testing.T) {
	l, _ := filled(t)
	url := serve(t, l)
	for query, want := range map[string]string{
		"": "100 101 102", "?tab=new": "100", "?tab=paid": "101", "?status=shipped": "102", "?badge=entry_owed": "102",
		"?status=shipped,paid": "101 102", "?badge=parked,entry_owed": "102",
		"?total_from=47238&total_to=47238": "100 101 102", "?total_from=47239": "", "?manufacturer=northwind,acme": "100 101 102",
		"?tab=archived":         "",
		"?placed_to=2026-03-01": "", "?placed_to=2026-03-02": "100 101 102",
	} {
		list := decode[queryapi.OrderList](t, read(t, ask(t, "viewer", url+"/v1/orders"+query), 200))
		if numbers(list) != want || list.HasMore || list.NextCursor != nil || list.Data == nil {
			t.Errorf("%s: %+v, want %s", query, list, want)
		}
	}
	first := decode[queryapi.OrderList](t, read(t, ask(t, "viewer", url+"/v1/orders?limit=2"), 200))
	if numbers(first) != "100 101" || !first.HasMore || first.NextCursor == nil {
		t.Fatalf("first page: %+v", first)
	}
	second := decode[queryapi.OrderList](t, read(t, ask(t, "viewer", url+"/v1/orders?limit=2&cursor="+*first.NextCursor), 200))
	if numbers(second) != "102" || second.HasMore {
		t.Errorf("second page: %+v", second)
	}
	for query, status := range map[string]int{
		"?tab=open": 422, "?limit=201": 422, "?limit=x": 422, "?stauts=paid": 422, "?sort=secret": 400, "?placed_from=yesterday": 400,
	} {
		read(t, ask(t, "viewer", url+"/v1/orders"+query), status)
	}
}

func TestOrdersAsATable(t *testing.T) {
	l, _ := filled(t)
	p := querytest.Placed("103", domain.Card)
	p.Personal.Customer.Name = "=HYPERLINK(\"x\")"
	l.Place(t, clerk, p)
	url := serve(t, l)
	rows, err := csv.NewReader(strings.NewReader(read(t, ask(t, "auditor", url+"/v1/orders?format=csv&status=placed"), 200))).ReadAll()
	if err != nil || len(rows) != 3 || !slices.Equal(rows[0], queryapi.OrderColumns) {
		t.Fatalf("%v, %v", rows, err)
	}
	if r := rows[2]; r[0] != "103" || r[6] != "'=HYPERLINK(\"x\")" || r[10] != "472.38" || r[4] != "2026-03-02 08:00:00" {
		t.Errorf("%q", r)
	}
	read(t, ask(t, "auditor", url+"/v1/orders?format=csv&limit=2"), 400)
}

func TestTabs(t *testing.T) {
	l, _ := filled(t)
	body := read(t, ask(t, "viewer", serve(t, l)+"/v1/tabs"), 200)
	if want := `{"new":1,"paid":1,"shipped":1,"refunded":0,"cancelled":0,"archived":0,"position":7}`; strings.TrimSpace(body) != want {
		t.Errorf("got %s, want %s", body, want)
	}
}

func TestParked(t *testing.T) {
	l, _ := filled(t)
	url := serve(t, l)
	if body := read(t, ask(t, "viewer", url+"/v1/parked"), 200); strings.TrimSpace(body) != `{"data":[],"has_more":false,"next_cursor":null}` {
		t.Errorf("nothing is parked: %s", body)
	}
	asked := domain.CaptureRequested{PaymentIntent: "pi_103", Amount: 47238, Currency: "USD"}
	stuck := domain.Parked{Reason: "Stripe is silent", Attempts: 12, StripeRequests: []string{"req_1"}}
	first := l.Place(t, clerk, querytest.Placed("103", domain.Card), domain.Accepted{}, asked, stuck)
	l.Place(t, clerk, querytest.Placed("099", domain.Card), domain.Accepted{}, asked, domain.Parked{Reason: "x"})
	page := decode[queryapi.ParkedList](t, read(t, ask(t, "viewer", url+"/v1/parked?limit=1"), 200))
	if len(page.Data) != 1 || !page.HasMore || page.NextCursor == nil {
		t.Fatalf("first page: %+v", page)
	}
	p := page.Data[0]
	if p.OrderID != first || p.OrderNumber != "103" || p.Version != 4 || p.Customer != "Paul Henriot" || p.Manufacturer != "northwind" ||
		p.Act != domain.ActCapture || p.Amount != 47238 || p.Currency != "USD" || p.Reason != "Stripe is silent" || p.Attempts != 12 ||
		fmt.Sprint(p.StripeRequests, p.Decisions) != "[req_1] [retry adopt settle abandon]" ||
		!p.AskedAt.Equal(querytest.Start.Add(9*time.Minute)) || !p.Since.Equal(querytest.Start.Add(10*time.Minute)) {
		t.Errorf("got %+v", p)
	}
	body := read(t, ask(t, "viewer", url+"/v1/parked?limit=1&cursor="+*page.NextCursor), 200)
	if second := decode[queryapi.ParkedList](t, body); len(second.Data) != 1 || second.Data[0].OrderNumber != "099" || second.HasMore ||
		!strings.Contains(body, `"stripe_requests":[]`) {
		t.Errorf("second page: %s", body)
	}
	read(t, ask(t, "viewer", url+"/v1/parked?cursor=x"), 400)
	read(t, ask(t, "viewer", url+"/v1/parked?limit=0"), 422)
	read(t, ask(t, "viewer", url+"/v1/parked?wait_for=99"), 503)
}

func TestOrder(t *testing.T) {
	l, paid := filled(t)
	url := serve(t, l) + "/v1/orders/" + paid.String()
	res := ask(t, "viewer", url)
	if v := decode[domain.View](t, read(t, res, 200)); v.ID != paid || v.Version != 3 || v.Tab != domain.TabPaid {
		t.Errorf("got %+v", v)
	}
	if tag := res.Header.Get("ETag"); tag != `"3"` {
		t.Errorf("ETag %s", tag)
	}
	for seen, status := range map[string]int{`"3"`: 304, `W/"3"`: 304, `"2", "3"`: 304, `*`: 304, `"2"`: 200, `3`: 200} {
		res := ask(t, "viewer", url, "If-None-Match", seen)
		if body := read(t, res, status); res.Header.Get("ETag") != `"3"` || (status == 304 && body != "") {
			t.Errorf("If-None-Match %s: ETag %s, body %q", seen, res.Header.Get("ETag"), body)
		}
	}
	read(t, ask(t, "viewer", serve(t, l)+"/v1/orders/"+uuid.NewString()), 404)
	read(t, ask(t, "viewer", serve(t, l)+"/v1/orders/10248"), 404)
}

func TestTimeline(t *testing.T) {
	l, paid := filled(t)
	l.Add(t, "notice-"+paid.String(), domain.Actor{ID: "saga", Role: domain.System, Via: domain.ViaSaga}, eventstore.TokenRevoked{})
	l.Add(t, eventstore.OrderStream(paid), clerk, domain.NoteAdded{NoteID: uuid.Max, Personal: domain.NoteText{Text: "call first"}})
	body := read(t, ask(t, "viewer", serve(t, l)+"/v1/orders/"+paid.String()+"/events"), 200)
	got := decode[struct {
		Data []struct {
			Position   uint64
			Type       string
			Stream     string
			Revision   int
			OccurredAt time.Time `json:"occurred_at"`
			Actor      domain.Actor
			Data       map[string]any
			Hash       string
			Command    string `json:"command_id"`
			Tab        domain.Tab
		}
		HasMore bool `json:"has_more"`
	}](t, body)
	var types []string
	for _, e := range got.Data {
		types = append(types, fmt.Sprint(e.Position, e.Type))
	}
	if want := "[2Placed 3Accepted 4PaymentCaptured 8TokenRevoked 9NoteAdded]"; fmt.Sprint(types) != want || got.HasMore {
		t.Fatalf("got %v, want %s", types, want)
	}
	captured, note := got.Data[2], got.Data[4]
	if captured.Actor != clerk || captured.Revision != 2 || captured.Data["charge"] != "ch_101" || !captured.OccurredAt.Equal(querytest.Start.Add(3*time.Minute)) {
		t.Errorf("got %+v", captured)
	}
	if notice := got.Data[3]; captured.Tab != domain.TabPaid || notice.Tab != "" || len(captured.Hash) != 64 || captured.Command == "" {
		t.Errorf("got %+v and %+v", captured, notice)
	}
	if fmt.Sprint(note.Data["personal"]) != "map[text:call first]" {
		t.Errorf("got %+v", note)
	}
}

func TestWhoMaySeeWhat(t *testing.T) {
	l, paid := filled(t)
	own := domain.OrderID("northwind", "100")
	url := serve(t, l)
	for _, c := range []struct {
		path     string
		statuses map[string]int // by role; 403 for those left out
	}{
		{"/v1/orders", map[string]int{"viewer": 200, "clerk": 200, "manager": 200, "auditor": 200, "store": 200, "admin": 200}},
		{"/v1/tabs", map[string]int{"viewer": 200, "clerk": 200, "manager": 200, "auditor": 200, "admin": 200}},
		{"/v1/obligations", map[string]int{"viewer": 200, "clerk": 200, "manager": 200, "auditor": 200, "admin": 200}},
		{"/v1/obligations?format=csv", map[string]int{"viewer": 200, "clerk": 200, "manager": 200, "auditor": 200, "admin": 200}},
		{"/v1/obligations/recorded", map[string]int{"viewer": 200, "clerk": 200, "manager": 200, "auditor": 200, "admin": 200}},
		{"/v1/parked", map[string]int{"viewer": 200, "clerk": 200, "manager": 200, "auditor": 200, "admin": 200}},
		{"/v1/orders/" + paid.String(), map[string]int{"viewer": 200, "clerk": 200, "manager": 200, "auditor": 200, "store": 404, "admin": 200}},
		{"/v1/orders/" + paid.String() + "/events", map[string]int{"viewer": 200, "clerk": 200, "manager": 200, "auditor": 200, "store": 404, "admin": 200}},
		{"/v1/orders/" + own.String(), map[string]int{"viewer": 200, "clerk": 200, "manager": 200, "auditor": 200, "store": 200, "admin": 200}},
		{"/v1/log", map[string]int{"auditor": 200, "admin": 200}},
		{"/v1/tokens", map[string]int{"admin": 200}},
		{"/v1/projections", map[string]int{"viewer": 200, "clerk": 200, "manager": 200, "auditor": 200, "admin": 200}},
	} {
		for _, role := range []string{"", "nobody", "viewer", "clerk", "manager", "auditor", "store", "admin"} {
			want := c.statuses[role]
			if want == 0 {
				want = 403
			}
			if res := ask(t, role, url+c.path); res.StatusCode != want {
				t.Errorf("%s as %q: %d, want %d", c.path, role, res.StatusCode, want)
			}
		}
	}
	if list := decode[queryapi.OrderList](t, read(t, ask(t, "store", url+"/v1/orders"), 200)); numbers(list) != "100" {
		t.Errorf("a store sees %s", numbers(list))
	}
	read(t, ask(t, "store", url+"/v1/events"), 403)
}

func TestWaitFor(t *testing.T) {
	l, paid := filled(t)
	read(t, ask(t, "viewer", serve(t, l)+"/v1/tabs?wait_for=7"), 200)
	for _, path := range []string{"/v1/orders?wait_for=8", "/v1/tabs?wait_for=8", "/v1/orders/" + paid.String() + "?wait_for=8"} {
		read(t, ask(t, "viewer", serve(t, l, func(d *queryapi.Deps) { d.Wait = time.Millisecond })+path), 503)
	}
	waiting := make(chan struct{})
	url := serve(t, l, func(d *queryapi.Deps) { d.Waiter = announced{l, waiting} })
	status := make(chan int)
	go func() { status <- ask(t, "viewer", url+"/v1/tabs?wait_for=8").StatusCode }()
	<-waiting
	l.Add(t, eventstore.OrderStream(paid), clerk, domain.Shipped{})
	if got := <-status; got != 200 {
		t.Errorf("got %d", got)
	}
}

// announced says when somebody waits.
type announced struct {
	queryapi.Waiter
	waiting chan struct{}
}

func (a announced) WaitFor(ctx context.Context, p eventstore.Position) error {
	close(a.waiting)
	return a.Waiter.WaitFor(ctx, p)
}

func TestTokensAndProjections(t *testing.T) {
	l := querytest.New()
	url := serve(t, l)
	if body := read(t, ask(t, "admin", url+"/v1/tokens"), 200); strings.TrimSpace(body) != `{"data":[]}` {
		t.Errorf("got %s", body)
	}
	l.Issued = []projections.Token{{ID: "t1", Name: "till", Role: domain.Clerk, Created: querytest.Start}}
	if body := read(t, ask(t, "admin", url+"/v1/tokens"), 200); !strings.Contains(body, `"revoked_at":null`) {
		t.Errorf("got %s", body)
	}
	if body := read(t, ask(t, "viewer", url+"/v1/projections"), 200); !strings.Contains(body, `"checkpoint":3`) {
		t.Errorf("got %s", body)
	}
}

// changes reads n changes off a stream.
func changes(t *testing.T, res *http.Response, n int) (found []projections.Change) {
	t.Helper()
	if ct := res.Header.Get("Content-Type"); res.StatusCode != 200 || ct != "text/event-stream" {
		t.Fatalf("%d %s", res.StatusCode, ct)
	}
	id := ""
	for lines := bufio.NewScanner(res.Body); len(found) < n && lines.Scan(); {
		if s, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			id = s
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			c := decode[projections.Change](t, data)
			if fmt.Sprint(c.Position) != id {
				t.Errorf("id %s of %s", id, data)
			}
			if found = append(found, c); strings.Contains(data, "Henriot") {
				t.Errorf("personal data: %s", data)
			}
		}
	}
	return found
}

func positions(cs []projections.Change) (ps []uint64) {
	for _, c := range cs {
		ps = append(ps, uint64(c.Position))
	}
	return ps
}

func TestEvents(t *testing.T) {
	l, paid := filled(t)
	url := serve(t, l)
	all := changes(t, ask(t, "viewer", url+"/v1/events?after=0"), 7)
	if got := fmt.Sprint(positions(all)); got != "[1 2 3 4 5 6 7]" {
		t.Errorf("got %s", got)
	}
	if want := (projections.Change{Position: 4, Stream: "order-" + paid.String(), OrderID: paid, Type: "PaymentCaptured", Version: 3}); all[3] != want {
		t.Errorf("got %+v, want %+v", all[3], want)
	}
	live := ask(t, "viewer", url+"/v1/events")
	l.Add(t, "access-t1", clerk, eventstore.TokenRevoked{}) // no order's: nobody hears of it
	l.Add(t, eventstore.OrderStream(paid), clerk, domain.Shipped{})
	if got := changes(t, live, 1); got[0].Position != 9 || got[0].Version != 4 {
		t.Errorf("live: %+v", got)
	}
	if got := fmt.Sprint(positions(changes(t, ask(t, "viewer", url+"/v1/events?after=1", "Last-Event-ID", "6"), 2))); got != "[7 9]" {
		t.Errorf("resumed: %s", got)
	}
	read(t, ask(t, "viewer", url+"/v1/events?after=x"), 400)
	read(t, ask(t, "viewer", url+"/v1/events", "Last-Event-ID", "99"), 400)
}

func TestStreamsAreBoundedAndEnd(t *testing.T) {
	l, _ := filled(t)
	done := make(chan struct{})
	url := serve(t, l, func(d *queryapi.Deps) { d.MaxStreams, d.Done, d.Heartbeat = 1, done, time.Millisecond })
	open := ask(t, "viewer", url+"/v1/events")
	first, err := bufio.NewReader(open.Body).ReadString('\n')
	if err != nil || first != ": alive\n" {
		t.Errorf("a quiet stream says %q, %v", first, err)
	}
	read(t, ask(t, "viewer", url+"/v1/events"), 503)
	close(done)
	if rest := read(t, open, 200); strings.Contains(rest, "data:") {
		t.Errorf("got %s", rest)
	}
}

// One reader can't have so many streams that there are none for others, be they events, the log or tables.
func TestStreamsAreShared(t *testing.T) {
	l, _ := filled(t)
	url := serve(t, l, func(d *queryapi.Deps) { d.MaxStreams = 4 })
	for range 2 {
		if res := ask(t, "viewer", url+"/v1/events"); res.StatusCode != 200 {
			t.Errorf("%d", res.StatusCode)
		}
	}
	read(t, ask(t, "viewer", url+"/v1/events"), 429)
	read(t, ask(t, "viewer", url+"/v1/orders?format=csv"), 429)
	if res := ask(t, "auditor", url+"/v1/log?follow=true"); res.StatusCode != 200 {
		t.Errorf("another: %d", res.StatusCode)
	}
	read(t, ask(t, "auditor", url+"/v1/log"), 429)
	read(t, ask(t, "clerk", url+"/v1/orders?format=csv"), 200)
}

func TestLogGivesTheStoredBytes(t *testing.T) {
	l, _ := filled(t)
	l.Place(t, clerk, querytest.Placed("103 <&> ünï\u2028", domain.Account))
	url := serve(t, l)
	for _, after := range []int{0, 3, 8} {
		sub, err := l.Subscribe(t.Context(), eventstore.Position(after))
		if err != nil {
			t.Fatal(err)
		}
		res := ask(t, "auditor", fmt.Sprintf("%s/v1/log?after=%d", url, after))
		body := read(t, res, 200)
		if head := res.Header.Get("Ledger-Position"); head != "8" {
			t.Errorf("Ledger-Position %s", head)
		}
		lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
		if after == 8 {
			if body != "" {
				t.Errorf("after the head: %q", body)
			}
			continue
		}
		want, err := sub.Next(t.Context(), 100)
		if err != nil || len(lines) != len(want) {
			t.Fatalf("after %d: %d lines, want %d; %v", after, len(lines), len(want), err)
		}
		for i, line := range lines {
			got := decode[queryapi.LogLine](t, line).Recorded()
			if fmt.Sprint(got) != fmt.Sprint(want[i]) || !bytes.Equal(got.Data, want[i].Data) || !bytes.Equal(got.Meta, want[i].Meta) {
				t.Errorf("got %+v, want %+v", got, want[i])
			}
		}
	}
	read(t, ask(t, "auditor", url+"/v1/log?after=9"), 400)
}

// What is appended while the log is read comes with the next reading: an answer is the log as it was at one moment.
func TestLogEndsWhereItEnded(t *testing.T) {
	l, paid := filled(t)
	grows := growing{Log: l, add: func() { l.Add(t, eventstore.OrderStream(paid), clerk, domain.Shipped{}) }}
	body := read(t, ask(t, "auditor", serve(t, l, func(d *queryapi.Deps) { d.Log = grows })+"/v1/log"), 200)
	if n := strings.Count(body, "\n"); n != 7 {
		t.Errorf("%d lines", n)
	}
}

// growing gets an event between Head and Subscribe.
type growing struct {
	queryapi.Log
	add func()
}

func (g growing) Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error) {
	g.add()
	return g.Log.Subscribe(ctx, after)
}

func TestLogFollows(t *testing.T) {
	l, paid := filled(t)
	res := ask(t, "auditor", serve(t, l)+"/v1/log?after=7&follow=true")
	l.Add(t, eventstore.OrderStream(paid), clerk, domain.Shipped{})
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if got := decode[queryapi.LogLine](t, line); got.Position != 8 || got.Type != "Shipped" {
		t.Errorf("got %+v", got)
	}
}

// A log that can't be read on must not look like one that ended.
func TestBrokenLogIsCut(t *testing.T) {
	l, _ := filled(t)
	l.Drop(5)
	res := ask(t, "auditor", serve(t, l)+"/v1/log")
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err == nil {
		t.Errorf("the answer ended as if it were whole: %s", &body)
	}
}
