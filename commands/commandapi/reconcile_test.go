package commandapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/reconcile"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

// slowStripe is a Stripe whose list of payments waits until it is let go on, and then holds one payment and may fail.
type slowStripe struct {
	commands.PaymentLists
	asked chan struct{} // gets one for each run that waits
	goOn  chan error
	ended chan struct{} // gets one when a run that waited was given up
}

func (s *slowStripe) Refunds(context.Context, time.Time) iter.Seq2[commands.PaymentRefund, error] {
	return func(func(commands.PaymentRefund, error) bool) {}
}

func (s *slowStripe) Disputes(context.Context, time.Time) iter.Seq2[commands.PaymentDispute, error] {
	return func(func(commands.PaymentDispute, error) bool) {}
}

var lost = commands.PaymentIntent{
	ID: "pi_lost", Status: "succeeded", Amount: 1000, Received: 1000, Currency: "USD", OrderID: domain.OrderID("northwind", "1").String(),
	Created: noon.Add(-time.Hour),
}

func (s *slowStripe) Intents(ctx context.Context, _ time.Time) iter.Seq2[commands.PaymentIntent, error] {
	return func(yield func(commands.PaymentIntent, error) bool) {
		s.asked <- struct{}{}
		select {
		case err := <-s.goOn:
			if yield(lost, nil) && err != nil {
				yield(commands.PaymentIntent{}, err)
			}
		case <-ctx.Done():
			s.ended <- struct{}{}
			yield(commands.PaymentIntent{}, ctx.Err())
		}
	}
}

func (s *slowStripe) Read(context.Context, string) (commands.PaymentIntent, error) { return lost, nil }

// reconcileEnv serves the comparison for a role that the request names.
type reconcileEnv struct {
	t      *testing.T
	stripe *slowStripe
	api    huma.API
	server *httptest.Server
	stop   chan struct{}
	role   domain.Role
}

func newReconcileEnv(t *testing.T) *reconcileEnv {
	e := &reconcileEnv{
		t: t, stop: make(chan struct{}), role: domain.Auditor,
		stripe: &slowStripe{asked: make(chan struct{}, 9), goOn: make(chan error), ended: make(chan struct{}, 9)},
	}
	mux := http.NewServeMux()
	config := huma.DefaultConfig("orderledger", "test")
	config.CreateHooks = nil
	e.api = humago.New(mux, config)
	commandapi.RegisterReconcile(e.api, commandapi.ReconcileDeps{
		Reconciler: reconcile.New(reconcile.Config{Log: memstore.New(), Payments: e.stripe, Lists: e.stripe, Now: clock}),
		Done:       e.stop, Heartbeat: time.Millisecond, Now: clock, Logger: slog.New(slog.DiscardHandler),
	})
	e.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(domain.WithActor(r.Context(), domain.Actor{ID: "anna", Role: e.role, Via: domain.ViaAPI})))
	}))
	t.Cleanup(e.server.Close)
	return e
}

func (e *reconcileEnv) get(ctx context.Context, query string) *http.Response {
	e.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.server.URL+"/v1/money/reconcile"+query, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	res, err := e.server.Client().Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// lines reads an answer to its end.
func (e *reconcileEnv) lines(answer io.Reader) (all []commandapi.ReconcileLine) {
	e.t.Helper()
	in := bufio.NewScanner(answer)
	for in.Scan() {
		var l commandapi.ReconcileLine
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			e.t.Fatal(err)
		}
		all = append(all, l)
	}
	if err := in.Err(); err != nil {
		e.t.Error(err)
	}
	return all
}

func (e *reconcileEnv) body(res *http.Response) string {
	e.t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(b)
}

func (e *reconcileEnv) client() *client.Client {
	e.t.Helper()
	c, err := client.New(client.Config{Server: e.server.URL, HTTPClient: e.server.Client(), Attempts: 1})
	if err != nil {
		e.t.Fatal(err)
	}
	return c
}

func TestReconcileAnswersInLines(t *testing.T) {
	e := newReconcileEnv(t)
	res := e.get(t.Context(), "?since=2026-03-01")
	in := bufio.NewReader(res.Body)
	alive := 0
	for range 10 { // Stripe is slow: there are signs of life
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, `{"progress":{"phase":"payments"`) {
			alive++
		}
	}
	if alive < 5 || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%d signs of life, %s %v", alive, res.Status, res.Header)
	}

	busy := e.get(t.Context(), "")
	var problem commandapi.Problem
	if err := json.NewDecoder(busy.Body).Decode(&problem); err != nil || busy.StatusCode != http.StatusConflict || problem.Code != "reconcile_running" {
		t.Errorf("a second run: %s %+v %v", busy.Status, problem, err)
	}

	e.stripe.goOn <- nil
	all := e.lines(in)
	if len(all) < 2 {
		t.Fatalf("%d lines", len(all))
	}
	d, f := all[len(all)-2].Difference, all[len(all)-1].Figures
	if d == nil || d.Code != reconcile.UnknownOrder || d.PaymentIntent != "pi_lost" || f == nil || f.Differences != 1 || !f.Since.Equal(noon.Truncate(24*time.Hour).Add(-24*time.Hour)) {
		t.Errorf("it ends in %+v, %+v", d, f)
	}
}

func TestReconcileSaysThatItWasCutShort(t *testing.T) {
	e := newReconcileEnv(t)
	for name, why := range map[string]error{
		commandapi.CodePaymentUnavailable: &commands.PaymentUnknown{Reason: commands.UnknownCredentials, Status: 401},
		commandapi.CodePaymentRefused:     &commands.PaymentRefusal{Status: 400, Message: "no"},
		commandapi.CodeInternal:           errors.New("secret"),
	} {
		res := e.get(t.Context(), "")
		<-e.stripe.asked
		e.stripe.goOn <- why
		all := e.lines(res.Body)
		last := all[len(all)-1]
		if last.Error == nil || last.Error.Code != name || last.Figures != nil || strings.Contains(last.Error.Detail, "secret") {
			t.Errorf("%s: it ends in %+v", name, last.Error)
		}
	}
	res := e.get(t.Context(), "")
	<-e.stripe.asked
	close(e.stop)
	all := e.lines(res.Body)
	if last := all[len(all)-1]; last.Error == nil || last.Error.Code != commandapi.CodeStopping {
		t.Errorf("stopping: it ends in %+v", last.Error)
	}
	<-e.stripe.ended
}

func TestReconcileEndsWithItsCaller(t *testing.T) {
	e := newReconcileEnv(t)
	for range 3 { // and then the next may begin
		ctx, cancel := context.WithCancel(t.Context())
		res := e.get(ctx, "")
		for res.StatusCode == http.StatusConflict { // the one before is still ending
			res = e.get(ctx, "")
		}
		<-e.stripe.asked
		cancel()
		<-e.stripe.ended
	}
}

func TestReconcileRoles(t *testing.T) {
	e := newReconcileEnv(t)
	for role, may := range map[domain.Role]bool{
		domain.Viewer: false, domain.Clerk: false, domain.Shop: false, domain.Role(""): false,
		domain.Auditor: true, domain.Manager: true, domain.Admin: true,
	} {
		e.role = role
		// Who may not ask is not told that the question is wrong.
		want := http.StatusForbidden
		if may {
			want = http.StatusBadRequest
		}
		for _, since := range []string{"yesterday", "2999-01-01", "2026-13-01T00:00:00Z"} {
			if res := e.get(t.Context(), "?since="+since); res.StatusCode != want || may && !strings.Contains(e.body(res), `"bad_query"`) {
				t.Errorf("%q: %s", role, res.Status)
			}
		}
	}
}

func TestClientReconciles(t *testing.T) {
	e := newReconcileEnv(t)
	c := e.client()
	ask := func(end error) (differences int, figures *client.ReconcileFigures, err error) {
		go func() { e.stripe.goOn <- end }()
		for l, e := range c.Reconcile(t.Context(), noon.Add(-48*time.Hour)) {
			if l.Difference != nil {
				differences++
			}
			figures, err = l.Figures, e
		}
		return differences, figures, err
	}
	n, f, err := ask(nil)
	if n != 1 || f == nil || f.Differences != 1 || err != nil {
		t.Errorf("%d %+v %v", n, f, err)
	}
	if _, f, err = ask(&commands.PaymentUnknown{Reason: commands.UnknownCredentials}); f != nil || !client.IsCode(err, "payment_provider_unavailable") {
		t.Errorf("cut short: %+v %v", f, err)
	}
}

// An answer that simply ends was cut on the way.
func TestClientMissesTheFigures(t *testing.T) {
	for _, body := range []string{"", "{\"progress\":{\"phase\":\"log\"}}\n", "{\"figures\":{\"orders\":1}}"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		defer server.Close()
		c, err := client.New(client.Config{Server: server.URL, Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range c.Reconcile(t.Context(), time.Time{}) {
			err = e
		}
		if !errors.Is(err, client.ErrCutShort) {
			t.Errorf("%q: error %v", body, err)
		}
	}
}

func TestReconcileIsDescribed(t *testing.T) {
	e := newReconcileEnv(t)
	op := e.api.OpenAPI().Paths["/v1/money/reconcile"].Get
	for _, status := range []string{"200", "400", "401", "403", "409"} {
		if op.Responses[status] == nil {
			t.Errorf("no answer %s", status)
		}
	}
	line := e.api.OpenAPI().Components.Schemas.Map()["ReconcileLine"]
	for _, name := range []string{"progress", "difference", "figures", "error"} {
		if line == nil || line.Properties[name] == nil {
			t.Errorf("a line has no %s", name)
		}
	}
	if len(op.Parameters) != 1 || op.Parameters[0].Name != "since" || op.Parameters[0].Required {
		t.Errorf("parameters %+v", op.Parameters)
	}
}
