package stripesim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

// Every fault, at a capture: what is answered, whether the money moved, and what the same key gets afterwards.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault    stripesim.Fault
		status   int // 0 when there is no answer
		kind     string
		header   string // a header that must be there
		executed bool
		again    int // the status of the same request without the fault
	}{
		"none":          {fault: stripesim.Fault{}, status: 200, executed: true, again: 200},
		"drop before":   {fault: stripesim.Fault{Kind: stripesim.DropBefore}, again: 200},
		"drop after":    {fault: stripesim.Fault{Kind: stripesim.DropAfter}, executed: true, again: 200},
		"error before":  {fault: stripesim.Fault{Kind: stripesim.ErrorBefore}, status: 500, kind: "api_error", again: 200},
		"error after":   {fault: stripesim.Fault{Kind: stripesim.ErrorAfter}, status: 500, kind: "api_error", executed: true, again: 500},
		"rate limit":    {fault: stripesim.Fault{Kind: stripesim.RateLimited}, status: 429, kind: "invalid_request_error", again: 200},
		"rate limit of": {fault: stripesim.Fault{Kind: stripesim.RateLimited, RetryAfter: 17 * time.Second}, status: 429, kind: "invalid_request_error", header: "Retry-After: 17", again: 200},
		"truncated":     {fault: stripesim.Fault{Kind: stripesim.Truncated}, status: 200, executed: true, again: 200},
		"garbled":       {fault: stripesim.Fault{Kind: stripesim.Garbled}, status: 200, executed: true, again: 200},
		"unauthorized":  {fault: stripesim.Fault{Kind: stripesim.Unauthorized}, status: 401, kind: "invalid_request_error", header: `WWW-Authenticate: Bearer realm="Stripe"`, again: 200},
		"forbidden":     {fault: stripesim.Fault{Kind: stripesim.Forbidden}, status: 403, kind: "invalid_request_error", again: 200},
		"key in use":    {fault: stripesim.Fault{Kind: stripesim.KeyInUse}, status: 409, kind: "idempotency_error", header: "Stripe-Should-Retry: true", again: 200},
	} {
		t.Run(name, func(t *testing.T) {
			sim := simtest.Start(t)
			h := speak(t, sim)
			pi := h.held("pm_card_visa")
			sim.Sim.Fail(stripesim.FailTimes(1, func(r stripesim.Request) bool { return r.Method == http.MethodPost }, c.fault))
			status, kind, header := raw(h, "/v1/payment_intents/"+pi+"/capture", "k")
			if status != c.status || c.kind != "" && kind != c.kind {
				t.Errorf("%d %s", status, kind)
			}
			if name, value, _ := strings.Cut(c.header, ": "); header.Get(name) != value {
				t.Errorf("%s: %v", name, header)
			}
			if totals, err := sim.Sim.Totals(t.Context()); err != nil || (totals[pi].Captured == 1000) != c.executed {
				t.Errorf("%+v, %v", totals[pi], err)
			}
			r := h.keyed("/v1/payment_intents/"+pi+"/capture", "", "k")
			if r.status != c.again || (r.header.Get("Idempotent-Replayed") == "true") != c.executed {
				t.Errorf("again: %d %v %s", r.status, r.header, r.text)
			}
			if totals, err := sim.Sim.Totals(t.Context()); err != nil || totals[pi].Captures != 1 {
				t.Errorf("%+v, %v", totals[pi], err)
			}
		})
	}
}

// raw posts without minding what comes back.
func raw(h http1, path, key string) (status int, kind string, header http.Header) {
	req, err := http.NewRequestWithContext(h.Context(), http.MethodPost, h.url+path, nil)
	must(h, err)
	req.Header.Set("Authorization", "Bearer "+simtest.Key)
	req.Header["Idempotency-Key"] = []string{key}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: onlyOnce{transport}}).Do(req)
	if err != nil {
		return 0, "", nil
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body) // a truncated answer is one, too
	for _, kind := range []string{"api_error", "invalid_request_error", "idempotency_error"} {
		if strings.Contains(string(body), `"type":"`+kind+`"`) {
			return res.StatusCode, kind, res.Header
		}
	}
	return res.StatusCode, "", res.Header
}

// onlyOnce keeps net/http from sending a request with a key again.
type onlyOnce struct{ next http.RoundTripper }

func (o onlyOnce) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.GetBody = nil
	return o.next.RoundTrip(r)
}

// inProcess is a client of a simulator without a network.
func inProcess(t testing.TB, options ...stripesim.Option) (*stripesim.Sim, *stripepay.Client) {
	t.Helper()
	sim, err := stripesim.New(options...)
	must(t, err)
	t.Cleanup(func() { must(t, sim.Close()) })
	return sim, clientOf(t, sim)
}

func clientOf(t testing.TB, sim *stripesim.Sim) *stripepay.Client {
	t.Helper()
	payments, err := stripepay.New(stripepay.Config{
		Mode: stripepay.Sandbox, Key: simtest.Key, URL: "http://stripe.invalid", Transport: sim.Transport(),
	})
	must(t, err)
	return payments
}

func TestTransportIsLikeANetwork(t *testing.T) {
	sim, payments := inProcess(t)
	request := commands.PaymentRequest{Key: "a", OrderID: "o", Amount: 1000, Currency: "USD"}
	pi, err := payments.Authorize(t.Context(), request, "pm_card_visa")
	must(t, err)
	request.PaymentIntent = pi.ID
	for kind, want := range map[stripesim.Kind]commands.UnknownReason{
		stripesim.DropBefore: commands.UnknownNetwork, stripesim.DropAfter: commands.UnknownNetwork,
		stripesim.Truncated: commands.UnknownUnreadable, stripesim.Garbled: commands.UnknownUnreadable,
		stripesim.ErrorBefore: commands.UnknownServer, stripesim.RateLimited: commands.UnknownRateLimit,
		stripesim.Unauthorized: commands.UnknownCredentials, stripesim.Forbidden: commands.UnknownCredentials,
		stripesim.KeyInUse: commands.UnknownInFlight,
	} {
		sim.Fail(func(stripesim.Request) stripesim.Fault { return stripesim.Fault{Kind: kind} })
		fresh := clientOf(t, sim) // one that was refused asks nobody for a while
		var unknown *commands.PaymentUnknown
		if _, err := fresh.Read(t.Context(), pi.ID); !errors.As(err, &unknown) || unknown.Reason != want {
			t.Errorf("%v: %v, want %s", kind, err, want)
		}
	}
}

// A client that is out of patience goes, and what it asked for is done all the same.
func TestASlowAnswerIsExecuted(t *testing.T) {
	sim, payments := inProcess(t)
	request := commands.PaymentRequest{Key: "a", OrderID: "o", Amount: 1000, Currency: "USD"}
	pi, err := payments.Authorize(t.Context(), request, "pm_card_visa")
	must(t, err)
	request.Key, request.PaymentIntent = "c", pi.ID
	release, impatient := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	sim.Fail(stripesim.FailTimes(1, func(stripesim.Request) bool { close(impatient); return true }, stripesim.Fault{Hold: release}))
	var wg sync.WaitGroup
	wg.Go(func() {
		<-impatient
		cancel()
	})
	if _, err := payments.Capture(ctx, request); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	wg.Wait()
	if totals, err := sim.Totals(t.Context()); err != nil || totals[pi.ID].Captured != 0 {
		t.Errorf("%+v, %v", totals[pi.ID], err)
	}
	sim.Fail(nil)
	close(release)
	for { // until the key is free again, then its answer is there
		got, err := payments.Capture(t.Context(), request)
		if err == nil && got.Status == "succeeded" {
			break
		}
		if unknown := (*commands.PaymentUnknown)(nil); !errors.As(err, &unknown) || unknown.Reason != commands.UnknownInFlight {
			t.Fatal(err)
		}
	}
	if totals, err := sim.Totals(t.Context()); err != nil || totals[pi.ID].Captures != 1 || totals[pi.ID].Captured != 1000 {
		t.Errorf("%+v, %v", totals[pi.ID], err)
	}
}

// What fails before it is looked at, fails whatever becomes of the request that has its key.
func TestFaultsBeforeTheKey(t *testing.T) {
	sim, payments := inProcess(t)
	request := commands.PaymentRequest{Key: "a", OrderID: "o", Amount: 1000, Currency: "USD"}
	pi, err := payments.Authorize(t.Context(), request, "pm_card_visa")
	must(t, err)
	request.Key, request.PaymentIntent = "c", pi.ID
	release, held := make(chan struct{}), make(chan struct{})
	sim.Fail(stripesim.FailTimes(1, func(stripesim.Request) bool { close(held); return true }, stripesim.Fault{Hold: release}))
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := payments.Capture(t.Context(), request); err != nil {
			t.Error(err)
		}
	})
	<-held
	for kind, want := range map[stripesim.Kind]commands.UnknownReason{
		stripesim.DropBefore: commands.UnknownNetwork, stripesim.ErrorBefore: commands.UnknownServer,
		stripesim.RateLimited: commands.UnknownRateLimit, stripesim.Unauthorized: commands.UnknownCredentials,
	} {
		sim.Fail(func(stripesim.Request) stripesim.Fault { return stripesim.Fault{Kind: kind} })
		var unknown *commands.PaymentUnknown
		if _, err := clientOf(t, sim).Capture(t.Context(), request); !errors.As(err, &unknown) || unknown.Reason != want {
			t.Errorf("%v: %v, want %s", kind, err, want)
		}
	}
	close(release)
	first.Wait()
}
