package stripepay_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
)

const (
	intentBody  = `{"id":"pi_1","object":"payment_intent","status":"requires_capture","amount":100,"amount_capturable":100,"currency":"usd"}`
	refusedBody = `{"error":{"type":"invalid_request_error","message":"rk_test_***: having the 'rak_dispute_read' permission would allow this"}}`
	limitedBody = `{"error":{"type":"invalid_request_error","code":"rate_limit","message":"slower"}}`
	lockedBody  = `{"error":{"type":"invalid_request_error","code":"lock_timeout","message":"locked"}}`
)

// wire is a Stripe that answers as the test says, and counts.
type wire struct {
	mu     sync.Mutex
	status int // 0: no answer
	body   string
	after  string // Retry-After
	asked  atomic.Int64
	hold   chan struct{} // what is asked while it is set is answered when it is closed
}

func (w *wire) says(status int, body, after string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status, w.body, w.after = status, body, after
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.asked.Add(1)
	w.mu.Lock()
	hold, status, body, after := w.hold, w.status, w.body, w.after
	w.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	h := http.Header{"Request-Id": {"req_1"}}
	if after != "" {
		h.Set("Retry-After", after)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// wired runs a test with a client, in a time of its own.
func wired(t *testing.T, test func(t *testing.T, w *wire, c *stripepay.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{status: 200, body: intentBody}
		client, err := stripepay.New(stripepay.Config{
			Mode: stripepay.Sandbox, Key: "sk_test_1", URL: "http://stripe.invalid", Transport: w, Rand: func() float64 { return 1 },
		})
		if err != nil {
			t.Fatal(err)
		}
		test(t, w, client)
	})
}

func read(t *testing.T, c *stripepay.Client) error { _, err := c.Read(t.Context(), "pi_1"); return err }

func capture(t *testing.T, c *stripepay.Client) error {
	_, err := c.Capture(t.Context(), commands.PaymentRequest{Key: "k", PaymentIntent: "pi_1", Amount: 100, Currency: "USD"})
	return err
}

// turned checks that a call ended as unknown for a reason, with when to ask again, and whether Stripe was asked.
func (w *wire) turned(t *testing.T, do func(*testing.T, *stripepay.Client) error, c *stripepay.Client, why commands.UnknownReason, after time.Duration, asks int64) {
	t.Helper()
	before, began := w.asked.Load(), time.Now()
	err := do(t, c)
	var unknown *commands.PaymentUnknown
	if !errors.As(err, &unknown) || unknown.Reason != why || unknown.RetryAfter != after || !time.Now().Equal(began) {
		t.Errorf("want %s after %v: %v, %+v", why, after, err, unknown)
	}
	if n := w.asked.Load() - before; n != asks {
		t.Errorf("asked %d times", n)
	}
}

func (w *wire) goes(t *testing.T, do func(*testing.T, *stripepay.Client) error, c *stripepay.Client) {
	t.Helper()
	before := w.asked.Load()
	if err := do(t, c); err != nil || w.asked.Load() != before+1 {
		t.Errorf("%v, asked %d times", err, w.asked.Load()-before)
	}
}

func TestARefusedKeyStopsAllCalls(t *testing.T) {
	for _, status := range []int{401, 403} {
		wired(t, func(t *testing.T, w *wire, c *stripepay.Client) {
			const credentials = commands.UnknownCredentials
			w.goes(t, capture, c)
			if err := c.Health(); err != nil {
				t.Error(err)
			}
			w.says(status, refusedBody, "")
			w.turned(t, capture, c, credentials, 5*time.Second, 1)
			for wait := 5 * time.Second; ; wait = min(2*wait, 2*time.Minute) { // a try, and no more
				time.Sleep(time.Second)
				w.turned(t, read, c, credentials, wait-time.Second, 0)
				w.turned(t, capture, c, credentials, wait-time.Second, 0)
				time.Sleep(wait - time.Second)
				w.turned(t, capture, c, credentials, time.Second, 0)
				w.turned(t, read, c, credentials, min(2*wait, 2*time.Minute), 1)
				if wait == 2*time.Minute {
					break
				}
			}
			health, stats := c.Health(), c.Stats()
			if health == nil || !strings.HasPrefix(health.Error(), "the key is refused by Stripe since 2000-01-01T00:00:00Z: status 40") ||
				!strings.HasSuffix(health.Error(), "request req_1, the key lacks the permission rak_dispute_read") || !stats.CircuitOpen {
				t.Errorf("%v, %+v", health, stats)
			}
			time.Sleep(2 * time.Minute)
			w.says(200, intentBody, "")
			w.goes(t, read, c)
			w.goes(t, capture, c)
			if c.Health() != nil || c.Stats().CircuitOpen {
				t.Errorf("%v", c.Health())
			}
			time.Sleep(time.Minute) // refused again soon: patience goes on from where it was
			w.says(status, refusedBody, "")
			w.turned(t, read, c, credentials, 2*time.Minute, 1)
			time.Sleep(2 * time.Minute)
			w.says(200, intentBody, "")
			w.goes(t, read, c)
			time.Sleep(time.Hour)
			w.says(status, refusedBody, "")
			w.turned(t, read, c, credentials, 5*time.Second, 1)
		})
	}
}

func TestOneTriesForAll(t *testing.T) {
	wired(t, func(t *testing.T, w *wire, c *stripepay.Client) {
		w.says(401, refusedBody, "")
		_ = read(t, c)
		time.Sleep(5 * time.Second)
		hold := make(chan struct{})
		w.mu.Lock()
		w.hold, w.status, w.body = hold, 200, intentBody
		w.mu.Unlock()
		before := w.asked.Load()
		var readers sync.WaitGroup
		var turnedAway atomic.Int64
		for range 10 {
			readers.Go(func() {
				if err := read(t, c); err != nil {
					turnedAway.Add(1)
				}
			})
		}
		synctest.Wait()
		if w.asked.Load() != before+1 || turnedAway.Load() != 9 {
			t.Errorf("asked %d times, %d turned away", w.asked.Load()-before, turnedAway.Load())
		}
		close(hold)
		readers.Wait()
		w.goes(t, capture, c)
	})
}

func TestATryWithoutAnAnswerProvesNothing(t *testing.T) {
	wired(t, func(t *testing.T, w *wire, c *stripepay.Client) {
		w.says(401, refusedBody, "")
		_ = read(t, c)
		time.Sleep(5 * time.Second)
		w.mu.Lock()
		w.hold = make(chan struct{})
		w.mu.Unlock()
		gone, giveUp := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, giveUp)
		if _, err := c.Read(gone, "pi_1"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		w.mu.Lock()
		w.hold = nil
		w.mu.Unlock()
		for _, answer := range []struct {
			status int
			body   string
		}{{0, ""}, {500, `{"error":{"type":"api_error"}}`}, {200, "<html>sign in to this network</html>"}} {
			w.says(answer.status, answer.body, "")
			if err := read(t, c); !errors.Is(err, commands.ErrPaymentUnknown) || c.Health() == nil {
				t.Errorf("%d: %v, %v", answer.status, err, c.Health())
			}
			w.turned(t, capture, c, commands.UnknownCredentials, map[int]time.Duration{0: 10, 500: 20, 200: 40}[answer.status]*time.Second, 0)
			time.Sleep(2 * time.Minute)
		}
		w.says(404, `{"error":{"type":"invalid_request_error","code":"resource_missing","message":"no"}}`, "")
		if err := read(t, c); err == nil || c.Health() != nil { // a no is an answer to somebody whom Stripe knows
			t.Errorf("%v, %v", err, c.Health())
		}
	})
}

func TestARateLimitIsEverybodys(t *testing.T) {
	for _, answer := range []struct {
		status int
		body   string
	}{{429, limitedBody}, {400, lockedBody}, {429, lockedBody}} {
		wired(t, func(t *testing.T, w *wire, c *stripepay.Client) {
			const limit = commands.UnknownRateLimit
			w.says(answer.status, answer.body, "7")
			w.turned(t, capture, c, limit, 7*time.Second, 1)
			time.Sleep(3 * time.Second)
			w.turned(t, read, c, limit, 4*time.Second, 0)
			w.turned(t, capture, c, limit, 4*time.Second, 0)
			time.Sleep(4 * time.Second)
			if got := c.Stats(); got.RateLimited != 3 || got.CircuitOpen || c.Health() != nil {
				t.Errorf("%+v, %v", got, c.Health())
			}
			w.says(200, intentBody, "")
			w.goes(t, capture, c)

			w.says(answer.status, answer.body, "") // Stripe does not say how long
			for wait := time.Second; ; wait = min(2*wait, time.Minute) {
				w.turned(t, read, c, limit, wait, 1)
				w.turned(t, capture, c, limit, wait, 0)
				time.Sleep(wait)
				if wait == time.Minute {
					break
				}
			}
			w.says(200, intentBody, "")
			w.goes(t, read, c)
			w.says(answer.status, answer.body, "")
			w.turned(t, read, c, limit, time.Second, 1)
			time.Sleep(time.Second)
			w.says(answer.status, answer.body, "60000")
			w.turned(t, read, c, limit, 5*time.Minute, 1)
		})
	}
}

func TestManyAreToldToSlowDownAtOnce(t *testing.T) {
	wired(t, func(t *testing.T, w *wire, c *stripepay.Client) {
		before := make(chan struct{})
		w.mu.Lock()
		w.hold = before
		w.mu.Unlock()
		var calls sync.WaitGroup
		calls.Go(func() { // asked before the others, and answered well after them
			if err := read(t, c); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		together := make(chan struct{})
		w.mu.Lock()
		w.hold, w.status, w.body = together, 429, limitedBody
		w.mu.Unlock()
		var many sync.WaitGroup
		for range 20 {
			many.Go(func() { _ = read(t, c) })
		}
		synctest.Wait()
		close(together)
		many.Wait()
		w.turned(t, read, c, commands.UnknownRateLimit, time.Second, 0) // not 2 to the 20th
		close(before)
		calls.Wait()
		w.turned(t, read, c, commands.UnknownRateLimit, time.Second, 0) // what was asked before opens nothing
		time.Sleep(time.Second)
		w.turned(t, read, c, commands.UnknownRateLimit, 2*time.Second, 1) // nor does it make the client forget
	})
}

func TestWhoWaitsForATurnIsToldToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{status: 401, body: refusedBody}
		c, err := stripepay.New(stripepay.Config{
			Mode: stripepay.Sandbox, Key: "sk_test_1", URL: "http://stripe.invalid", Transport: w, MaxCallsPerSecond: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		hold := make(chan struct{})
		w.hold = hold
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() {
				var unknown *commands.PaymentUnknown
				if err := read(t, c); !errors.As(err, &unknown) || unknown.Reason != commands.UnknownCredentials {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(hold)
		calls.Wait()
		if w.asked.Load() != 1 {
			t.Errorf("asked %d times", w.asked.Load())
		}
	})
}
