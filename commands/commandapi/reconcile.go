package commandapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/reconcile"
	"github.com/orderledger/orderledger/domain"
)

// Codes of the comparison with Stripe.
const (
	CodeReconcileRunning = "reconcile_running"
	CodeStopping         = "stopping"

	badQuery = "bad_query" // as all queries answer
)

// ReconcileDeps is what the comparison with Stripe needs. All but the Reconciler may be left out.
type ReconcileDeps struct {
	Reconciler *reconcile.Reconciler
	// Done, when closed, ends a run, so that the server can stop.
	Done <-chan struct{}
	// Heartbeat is the longest time without a line; zero is 5 s.
	Heartbeat time.Duration
	Now       func() time.Time // nil is time.Now
	Logger    *slog.Logger     // nil is slog.Default
}

// ReconcileLine is one line of the answer; exactly one of its fields is there. An answer is whole when its last line holds the
// figures. One that ends otherwise, with an error or without, says nothing of what was not compared.
type ReconcileLine struct {
	Progress   *reconcile.Progress   `json:"progress,omitempty" required:"false" doc:"How far it is; now and then, and a sign of life"`
	Difference *reconcile.Difference `json:"difference,omitempty" required:"false"`
	Figures    *reconcile.Figures    `json:"figures,omitempty" required:"false" doc:"The last line of a run that came to its end"`
	Error      *Problem              `json:"error,omitempty" required:"false" doc:"The last line of a run that was cut short"`
}

const lineTimeout = 30 * time.Second // for a client to take one line

type reconcileServer struct{ ReconcileDeps }

// RegisterReconcile adds the endpoint that compares the ledger with Stripe. It expects the actor in the request's context.
func RegisterReconcile(api huma.API, d ReconcileDeps) {
	Install()
	if d.Heartbeat == 0 {
		d.Heartbeat = 5 * time.Second
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	s := &reconcileServer{d}
	schemas := api.OpenAPI().Components.Schemas
	problem := schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	op := huma.Operation{
		OperationID: "reconcile-money", Method: http.MethodGet, Path: "/v1/money/reconcile", Tags: []string{"money"},
		Summary: "Compare the ledger with Stripe, both ways",
		Description: "Lines of JSON: one for each difference, then one with the figures; progress in between. A line with an error " +
			"ends an answer that was cut short. One comparison runs at a time; it changes nothing, and ends when the caller goes. " +
			"Permission: reconcile (auditor, manager, admin).",
		Responses: map[string]*huma.Response{"200": {
			Description: "Lines of JSON, each a ReconcileLine.",
			Content: map[string]*huma.MediaType{
				"application/x-ndjson": {Schema: schemas.Schema(reflect.TypeFor[ReconcileLine](), true, "ReconcileLine")},
			},
		}},
	}
	for status, codes := range map[int]string{
		http.StatusBadRequest: badQuery, http.StatusUnauthorized: CodeUnauthenticated, http.StatusForbidden: CodeForbidden,
		http.StatusConflict: CodeReconcileRunning,
	} {
		op.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status) + ": " + codes,
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: problem}},
		}
	}
	huma.Register(api, op, func(ctx context.Context, in *reconcileInput) (*huma.StreamResponse, error) {
		out, err := s.answer(ctx, in)
		if err != nil {
			return nil, Answer(ctx, s.Logger, err)
		}
		return out, nil
	})
}

type reconcileInput struct {
	Since string `query:"since" maxLength:"40" doc:"A date or an instant: compare orders that came in, and payments that were made, from then on. Without it: since the oldest card order that is open or younger than 180 days"`
}

func (in reconcileInput) since(now time.Time) (time.Time, error) {
	if in.Since == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, in.Since); err == nil && t.Before(now) {
			return t, nil
		}
	}
	return time.Time{}, New(http.StatusBadRequest, badQuery, fmt.Sprintf("since %q: write a past date or instant, such as 2026-01-31.", in.Since))
}

func (s *reconcileServer) answer(ctx context.Context, in *reconcileInput) (*huma.StreamResponse, error) {
	if _, err := permit(ctx, domain.PermReconcile); err != nil {
		return nil, err
	}
	since, err := in.since(s.Now())
	if err != nil {
		return nil, err
	}
	run, err := s.Reconciler.Begin()
	if errors.Is(err, reconcile.ErrRunning) {
		return nil, New(http.StatusConflict, CodeReconcileRunning, "The ledger is being compared with Stripe already. Ask again when that is done.")
	}
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer run.End()
		s.stream(hc, run, since)
	}}, nil
}

// stream writes a run's lines until it is over, the client goes away, or the server stops.
func (s *reconcileServer) stream(hc huma.Context, run *reconcile.Run, since time.Time) {
	w, ok := hc.BodyWriter().(http.ResponseWriter)
	if !ok {
		panic("commandapi: needs an adapter of net/http")
	}
	hc.SetHeader("Content-Type", "application/x-ndjson")
	hc.SetHeader("Cache-Control", "no-store")
	hc.SetHeader("X-Accel-Buffering", "no") // proxies must not hold lines back
	hc.SetStatus(http.StatusOK)
	ctx, cancel := context.WithCancel(hc.Context())
	f := &reconcileFeed{lines: make(chan ReconcileLine)}
	var worker sync.WaitGroup
	worker.Go(func() { s.run(ctx, run, since, f) })
	s.pump(ctx, &lineWriter{w, http.NewResponseController(w)}, f) // what it can't write, nobody reads
	cancel()
	worker.Wait()
}

// reconcileFeed is what a run hands to who writes its lines.
type reconcileFeed struct {
	lines chan ReconcileLine // closed when the run is over
	at    atomic.Pointer[reconcile.Progress]
}

func (f *reconcileFeed) send(ctx context.Context, l ReconcileLine) error {
	select {
	case f.lines <- l:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *reconcileServer) run(ctx context.Context, run *reconcile.Run, since time.Time, f *reconcileFeed) {
	defer close(f.lines)
	figures, err := run.Compare(ctx, since, func(p reconcile.Progress) {
		if before := f.at.Swap(&p); before == nil || before.Phase != p.Phase {
			_ = f.send(ctx, ReconcileLine{Progress: &p}) // it fails when the run is to end
		}
	}, func(d reconcile.Difference) error { return f.send(ctx, ReconcileLine{Difference: &d}) })
	run.End() // before the caller sees the end, and asks anew
	last := ReconcileLine{Figures: &figures}
	if err != nil {
		last = ReconcileLine{Error: s.problem(ctx, err)}
	}
	_ = f.send(ctx, last) // it fails when nobody reads it
}

// problem is why a run was cut short.
func (s *reconcileServer) problem(ctx context.Context, err error) *Problem {
	var no *commands.PaymentRefusal
	switch {
	case errors.As(err, &no):
		return New(http.StatusConflict, CodePaymentRefused, "Stripe refused, so the comparison was cut short: "+no.Message)
	case errors.Is(err, commands.ErrPaymentUnknown):
		return New(http.StatusServiceUnavailable, CodePaymentUnavailable, "The comparison was cut short: "+err.Error())
	}
	return Answer(ctx, s.Logger, err)
}

func (s *reconcileServer) pump(ctx context.Context, w *lineWriter, f *reconcileFeed) {
	beat := time.NewTicker(s.Heartbeat)
	defer beat.Stop()
	for {
		var line ReconcileLine
		select {
		case l, more := <-f.lines:
			if !more {
				return
			}
			line = l
			beat.Reset(s.Heartbeat)
		case <-beat.C:
			if line.Progress = f.at.Load(); line.Progress == nil {
				continue
			}
		case <-s.Done:
			line.Error = New(http.StatusServiceUnavailable, CodeStopping, "The server is stopping, so the comparison was cut short.")
		case <-ctx.Done():
			return
		}
		if err := w.write(line); err != nil || line.Error != nil {
			return
		}
	}
}

// lineWriter writes lines, each at once and in bounded time.
type lineWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *lineWriter) write(l ReconcileLine) error {
	if err := w.control.SetWriteDeadline(time.Now().Add(lineTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if err := json.NewEncoder(w).Encode(l); err != nil {
		return err
	}
	return w.control.Flush()
}
