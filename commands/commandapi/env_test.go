package commandapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// env is the API over a log in memory, on a real connection.
type env struct {
	t      testing.TB
	log    *memstore.Store
	tokens *access.Tokens
	pay    *payments
	api    huma.API
	server *httptest.Server
	await  func(ctx context.Context, id uuid.UUID, version int) error
	// handler is the one that the test records answers with, beside the server's.
	handler *commands.Handler
}

func newEnv(t testing.TB) *env {
	t.Helper()
	e := &env{t: t, log: memstore.New(), pay: &payments{}}
	e.start()
	return e
}

// start serves the log as a process does that was just started.
func (e *env) start() {
	codec := eventstore.Codec{}
	e.handler = commands.NewHandler(e.log, codec, clock)
	h := commands.NewHandler(e.log, codec, clock)
	e.tokens = access.New(e.log, codec, clock)
	mux := http.NewServeMux()
	config := huma.DefaultConfig("orderledger", "test")
	config.CreateHooks = nil
	e.api = humago.New(mux, config)
	quiet := slog.New(slog.DiscardHandler)
	commandapi.Register(e.api, commandapi.Deps{
		Handler: h, Placer: &commands.Placer{Handler: h, Payments: e.pay, Calendar: commands.DefaultCalendar(), Authorize: true}, Tokens: e.tokens,
		Notices: commands.Notices{Handler: h},
		Log:     e.log, Codec: codec, Now: clock, Await: e.await, Logger: quiet,
	})
	e.server = httptest.NewServer(commandapi.RequestID(commandapi.Authenticate(commandapi.Auth{Tokens: e.tokens, Log: quiet})(mux)))
	e.t.Cleanup(e.server.Close)
}

type reply struct {
	*http.Response
	body []byte
}

func (e *env) post(path, body string, headers ...string) reply {
	e.t.Helper()
	return e.do(e.request(path, body, headers...))
}

// request is a good request: a key of its own and JSON. headers are name, value …; an empty value takes the header away.
func (e *env) request(path, body string, headers ...string) *http.Request {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, e.server.URL+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", uuid.NewString())
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return r
}

func (e *env) do(r *http.Request) reply {
	e.t.Helper()
	res, err := e.server.Client().Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	e.documented(r, res.StatusCode, b)
	return reply{res, b}
}

// documented fails the test when an endpoint answers what its description does not say.
func (e *env) documented(r *http.Request, status int, body []byte) {
	e.t.Helper()
	var op *huma.Operation
	for path, item := range e.api.OpenAPI().Paths {
		if matches(path, r.URL.Path) {
			op = item.Post
		}
	}
	if op == nil {
		return
	}
	res := op.Responses[strconv.Itoa(status)]
	if res == nil {
		e.t.Errorf("%s: status %d is not documented", op.Path, status)
		return
	}
	if code := codeIn(body); status >= 400 && !strings.Contains(res.Description, code) {
		e.t.Errorf("%s: %d %s is not documented; there is: %s", op.Path, status, code, res.Description)
	}
}

func matches(pattern, path string) bool {
	p, q := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		if p[i] != q[i] && !strings.HasPrefix(p[i], "{") {
			return false
		}
	}
	return true
}

func codeIn(body []byte) string {
	var p struct{ Code string }
	_ = json.Unmarshal(body, &p) // no problem, no code
	return p.Code
}

func (r reply) code() string { return codeIn(r.body) }

func (r reply) view(t testing.TB) domain.View {
	t.Helper()
	var v domain.View
	if err := json.Unmarshal(r.body, &v); err != nil || r.StatusCode >= 300 {
		t.Fatalf("no order: %d %s (%v)", r.StatusCode, r.body, err)
	}
	return v
}

// want fails the test when the answer is another one. Problems must be problems.
func (r reply) want(t testing.TB, status int, code string) {
	t.Helper()
	if r.StatusCode != status || r.code() != code {
		t.Fatalf("%s: %d %q, want %d %q: %s", r.Request.URL.Path, r.StatusCode, r.code(), status, code, r.body)
	}
	if status < 400 {
		return
	}
	var p commandapi.Problem
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("not a problem: %s: %v", r.body, err)
	}
	if p.Status != status || p.Title == "" || p.Detail == "" || p.Type == "" || r.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("half a problem: %s %s", r.Header.Get("Content-Type"), r.body)
	}
}

func (e *env) head() eventstore.Position {
	e.t.Helper()
	p, err := e.log.Head(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	return p
}

// order is an acceptable order; edit changes its JSON.
func order(number, method string, edit ...func(m map[string]any)) string {
	payment := map[string]any{"method": method}
	if method == "card" {
		payment["payment_intent"] = "pi_" + number
	}
	m := map[string]any{
		"order_number": number, "placed_at": "2026-03-01T09:00:00Z", "manufacturer": "northwind",
		"customer": map[string]any{"name": "Ana Trujillo", "account_number": "A-1"},
		"lines":    []any{map[string]any{"sku": "NW-11", "quantity": 1, "unit_price": 1000, "amount": 1000}},
		"currency": "USD", "subtotal": 1000, "freight": 200, "tax": 0, "total": 1200, "payment": payment,
	}
	for _, f := range edit {
		f(m)
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // plain values only
	}
	return string(b)
}

func (e *env) place(number, method string) domain.View {
	e.t.Helper()
	return e.post("/v1/orders", order(number, method)).view(e.t)
}

// accepted places an order and accepts it.
func (e *env) accepted(number, method string) domain.View {
	e.t.Helper()
	v := e.place(number, method)
	return e.post("/v1/orders/"+v.ID.String()+"/accept", "").view(e.t)
}

func path(v domain.View, verb domain.Verb) string {
	return "/v1/orders/" + v.ID.String() + "/" + string(verb)
}

// payments answers that every PaymentIntent holds the total of order's orders.
type payments struct {
	commands.Payments
	err    error
	status string
}

func (p *payments) Read(_ context.Context, id string) (commands.PaymentIntent, error) {
	status := "requires_capture"
	if p.status != "" {
		status = p.status
	}
	return commands.PaymentIntent{ID: id, Status: status, Amount: 1200, Capturable: 1200, Currency: "USD", Brand: "visa", Last4: "4242"}, p.err
}

func (p *payments) Authorize(ctx context.Context, r commands.PaymentRequest, _ string) (commands.PaymentIntent, error) {
	pi, err := p.Read(ctx, "pi_new"+strings.ReplaceAll(r.OrderID, "-", ""))
	pi.OrderID = r.OrderID
	return pi, err
}

func (p *payments) Release(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	return p.Read(ctx, r.PaymentIntent)
}
