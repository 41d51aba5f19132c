package outhooks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/orderledger/orderledger/commands/outhooks"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/domain"
)

// receiver is somebody else's system: it verifies what comes in by the library of Standard Webhooks and keeps what it took.
type receiver struct {
	*httptest.Server
	t testing.TB

	mu      sync.Mutex
	secrets []string
	script  []http.HandlerFunc // what becomes of the next attempts; then all are taken
	tried   []string
	taken   chan string
}

func newReceiver(t testing.TB, script ...http.HandlerFunc) *receiver {
	v := &receiver{t: t, script: script, taken: make(chan string, 1000)}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		v.t.Error(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.secrets {
		hook, err := standardwebhooks.NewWebhook(s)
		if err == nil {
			err = hook.Verify(body, r.Header)
		}
		if err != nil {
			v.t.Errorf("%s: %v", r.Header.Get("Webhook-Id"), err)
		}
	}
	id := r.Header.Get("Webhook-Id")
	v.tried = append(v.tried, id)
	if len(v.script) > 0 {
		next := v.script[0]
		v.script = v.script[1:]
		next(w, r)
		return
	}
	v.taken <- id
}

func (v *receiver) verifyWith(secrets ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.secrets = secrets
}

// next is the next delivery that was taken.
func (v *receiver) next() string {
	v.t.Helper()
	select {
	case id := <-v.taken:
		return id
	case <-time.After(time.Minute):
		v.t.Fatal("nothing came")
		return ""
	}
}

// firstBy posts first by another poster: a short patience is for the attempt that a script lets wait, and no other.
type firstBy struct {
	outhooks.Poster
	first outhooks.Poster
	once  sync.Once
}

func (p *firstBy) Post(ctx context.Context, url string, m sender.Message, secrets ...sender.Secret) (sender.Answer, error) {
	by := p.Poster
	p.once.Do(func() { by = p.first })
	return by.Post(ctx, url, m, secrets...)
}

// Whatever an endpoint does, it gets everything, in order, each with its id and a signature that holds.
func TestDeliveriesOverHTTP(t *testing.T) {
	fault := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	elsewhere := newReceiver(t)
	impatient := sender.New(sender.Config{AllowPrivate: true, Timeout: time.Second})
	defer impatient.Close()
	for name, script := range map[string][]http.HandlerFunc{
		"well":   nil,
		"faults": {fault, fault, fault},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusPermanentRedirect)
		}},
		"cut":       {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		"silent":    {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		"not found": {http.NotFound},
		"rate limited, then a fault": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		}, fault},
	} {
		t.Run(name, func(t *testing.T) {
			r, v := newRig(t), newReceiver(t, script...)
			r.config.MinBackoff, r.config.MaxBackoff = time.Millisecond, 10*time.Millisecond
			v.verifyWith(r.add(outhooks.Addition{URL: v.URL + "/in"}).Secret)
			client := sender.New(sender.Config{AllowPrivate: true})
			defer client.Close()
			var poster outhooks.Poster = client
			if name == "silent" {
				poster = &firstBy{Poster: client, first: impatient}
			}
			r.start(poster)
			for i := range 5 {
				_, event := r.place(fmt.Sprint(i), "acme")
				if got := v.next(); got != event.String() {
					t.Errorf("delivery %d is %s, want %s", i, got, event)
				}
			}
			r.end()
			if len(v.tried) != 5+len(script) || len(slices.Compact(v.tried)) != 5 {
				t.Errorf("attempts: %v", v.tried)
			}
		})
	}
	if len(elsewhere.tried) > 0 {
		t.Error("a redirect was followed")
	}
}

// While a secret is rotated, who knows the old one and who knows the new one can both verify; a test says what was answered.
func TestRotationAndTest(t *testing.T) {
	r, v := newRig(t), newReceiver(t)
	added := r.add(outhooks.Addition{URL: v.URL})
	v.verifyWith(added.Secret)
	client := sender.New(sender.Config{AllowPrivate: true})
	defer client.Close()
	r.start(client)
	r.place("1", "acme")
	v.next()
	rotated, err := r.endpoints.Rotate(t.Context(), ask(), added.Endpoint.ID)
	if err != nil || rotated.Secret == added.Secret || rotated.Secret == "" {
		t.Fatalf("%v", err)
	}
	v.verifyWith(added.Secret, rotated.Secret)
	r.place("2", "acme")
	v.next()

	command := uuid.New()
	for range 2 {
		a, why, err := r.runner.Test(t.Context(), command, added.Endpoint.ID)
		if err != nil || why != nil || a.Status != 200 {
			t.Errorf("%+v, %v, %v", a, why, err)
		}
	}
	if first, again := v.next(), v.next(); first != again {
		t.Errorf("the same test has the ids %s and %s", first, again)
	}
	v.mu.Lock()
	v.script = []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such hook", http.StatusTeapot) }}
	v.mu.Unlock()
	if a, why, err := r.runner.Test(t.Context(), uuid.New(), added.Endpoint.ID); err != nil || why != nil || a.Status != 418 || a.Excerpt != "no such hook" {
		t.Errorf("%+v, %v, %v", a, why, err)
	}
	v.Close()
	if _, why, err := r.runner.Test(t.Context(), uuid.New(), added.Endpoint.ID); err != nil || why == nil {
		t.Errorf("%v, %v", why, err)
	}
	var rejected *domain.Rejection
	if _, _, err := r.runner.Test(t.Context(), uuid.New(), "0123456789abcdef"); !errors.As(err, &rejected) || rejected.Code != outhooks.EndpointNotFound {
		t.Error(err)
	}
}
