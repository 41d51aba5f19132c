package stripepay_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

// acts are the methods that change something, each with the state that it needs.
var acts = []struct {
	name    string
	act     stripesim.Act
	prepare func(testing.TB, *simtest.Running) commands.PaymentIntent
	do      func(context.Context, *stripepay.Client, commands.PaymentRequest) error
}{
	{"authorize", stripesim.ActAuthorize, func(testing.TB, *simtest.Running) commands.PaymentIntent {
		return commands.PaymentIntent{OrderID: "o", Amount: 47238, Currency: "USD"}
	}, func(ctx context.Context, c *stripepay.Client, r commands.PaymentRequest) error {
		_, err := c.Authorize(ctx, r, "pm_card_visa")
		return err
	}},
	{"capture", stripesim.ActCapture, held, func(ctx context.Context, c *stripepay.Client, r commands.PaymentRequest) error {
		_, err := c.Capture(ctx, r)
		return err
	}},
	{"release", stripesim.ActRelease, held, func(ctx context.Context, c *stripepay.Client, r commands.PaymentRequest) error {
		_, err := c.Release(ctx, r)
		return err
	}},
	{"refund", stripesim.ActRefund, captured, func(ctx context.Context, c *stripepay.Client, r commands.PaymentRequest) error {
		_, err := c.Refund(ctx, r)
		return err
	}},
}

func held(t testing.TB, sim *simtest.Running) commands.PaymentIntent {
	return hold(t, sim, "pm_card_visa")
}

func captured(t testing.TB, sim *simtest.Running) commands.PaymentIntent {
	t.Helper()
	pi, err := sim.Payments.Capture(t.Context(), act(held(t, sim)))
	if err != nil {
		t.Fatal(err)
	}
	return pi
}

// times counts the entries of an act under a key.
func times(t testing.TB, sim *simtest.Running, act stripesim.Act, key string) (n int) {
	t.Helper()
	entries, err := sim.Sim.Journal(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Act == act && e.IdempotencyKey == key {
			n++
		}
	}
	return n
}

// timeless is a client for whom a minute passes whenever it looks at the clock, so that a rate limit is soon over.
func timeless(t *testing.T, sim *simtest.Running) *stripepay.Client {
	t.Helper()
	var looks atomic.Int64
	began := time.Now()
	client, err := stripepay.New(stripepay.Config{
		Mode: stripepay.Sandbox, Key: simtest.Key, URL: sim.URL,
		Now: func() time.Time { return began.Add(time.Duration(looks.Add(1)) * time.Minute) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestEveryFaultOfEveryAct(t *testing.T) {
	sim := simtest.Start(t)
	client := timeless(t, sim)
	for _, a := range acts {
		for _, f := range []struct {
			name     string
			kind     stripesim.Kind
			reason   commands.UnknownReason
			executed int
			again    bool // asking again with the same key succeeds
		}{
			{"dropped before", stripesim.DropBefore, commands.UnknownNetwork, 0, true},
			{"dropped after", stripesim.DropAfter, commands.UnknownNetwork, 1, true},
			{"500 before", stripesim.ErrorBefore, commands.UnknownServer, 0, true},
			{"500 after", stripesim.ErrorAfter, commands.UnknownServer, 1, false},
			{"429", stripesim.RateLimited, commands.UnknownRateLimit, 0, true},
			{"truncated", stripesim.Truncated, commands.UnknownUnreadable, 1, true},
			{"garbled", stripesim.Garbled, commands.UnknownUnreadable, 1, true},
		} {
			t.Run(a.name+" "+f.name, func(t *testing.T) {
				r := act(a.prepare(t, sim))
				var seen atomic.Int64
				fail := stripesim.FailTimes(1, func(q stripesim.Request) bool { return q.IdempotencyKey == r.Key }, stripesim.Fault{Kind: f.kind})
				sim.Sim.Fail(func(q stripesim.Request) stripesim.Fault {
					seen.Add(1)
					return fail(q)
				})
				defer sim.Sim.Fail(nil)

				err := a.do(t.Context(), client, r)
				var unknown *commands.PaymentUnknown
				if !errors.Is(err, commands.ErrPaymentUnknown) || !errors.As(err, &unknown) || unknown.Reason != f.reason {
					t.Fatalf("%v", err)
				}
				if seen.Load() != 1 {
					t.Errorf("one call was sent %d times", seen.Load())
				}
				if n := times(t, sim, a.act, r.Key); n != f.executed {
					t.Errorf("executed %d times", n)
				}
				if err := a.do(t.Context(), client, r); (err == nil) != f.again {
					t.Errorf("again: %v", err)
				}
				if n := times(t, sim, a.act, r.Key); n != 1 {
					t.Errorf("executed %d times in the end", n)
				}
			})
		}
	}
}

func TestTimeIsOverButTheActGoesOn(t *testing.T) {
	sim := simtest.Start(t)
	impatient, err := stripepay.New(stripepay.Config{Mode: stripepay.Sandbox, Key: simtest.Key, URL: sim.URL, Timeout: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer impatient.Close()
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			r := act(a.prepare(t, sim))
			release := make(chan struct{})
			var came atomic.Int64
			hold := stripesim.FailTimes(1, func(q stripesim.Request) bool { return q.IdempotencyKey == r.Key }, stripesim.Fault{Hold: release})
			sim.Sim.Fail(func(q stripesim.Request) stripesim.Fault {
				f := hold(q)
				if f.Hold != nil {
					came.Add(1)
				}
				return f
			})
			defer sim.Sim.Fail(nil)
			err := a.do(t.Context(), impatient, r)
			var unknown *commands.PaymentUnknown
			if !errors.As(err, &unknown) || unknown.Reason != commands.UnknownTimeout || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			for came.Load() == 0 { // on a slow machine the time is over before the request has come
				if err := a.do(t.Context(), impatient, r); !errors.Is(err, commands.ErrPaymentUnknown) {
					t.Fatal(err)
				}
			}
			if err := a.do(t.Context(), sim.Payments, r); !errors.As(err, &unknown) || unknown.Reason != commands.UnknownInFlight || unknown.Code != "idempotency_key_in_use" {
				t.Fatalf("while it is going on: %v", err)
			}
			close(release)
			for err = a.do(t.Context(), sim.Payments, r); errors.As(err, &unknown) && unknown.Reason == commands.UnknownInFlight; {
				err = a.do(t.Context(), sim.Payments, r)
			}
			if err != nil || times(t, sim, a.act, r.Key) != 1 {
				t.Errorf("%v, executed %d times", err, times(t, sim, a.act, r.Key))
			}
		})
	}
}

func TestTheCallerGivesUp(t *testing.T) {
	sim := simtest.Start(t)
	pi := held(t, sim)
	release := make(chan struct{})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	sim.Sim.Fail(func(stripesim.Request) stripesim.Fault {
		cancel()
		return stripesim.Fault{HoldAnswer: release}
	})
	_, err := sim.Payments.Read(ctx, pi.ID)
	var unknown *commands.PaymentUnknown
	if !errors.As(err, &unknown) || unknown.Reason != commands.UnknownCancelled || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestWhatCallersAreToldIsWhatHappened gives a card random acts under random faults, asks again with the same key as long as
// there is no definite answer, and compares what it was told with the journal.
func TestWhatCallersAreToldIsWhatHappened(t *testing.T) {
	sim := simtest.Start(t)
	client := timeless(t, sim)
	defer sim.Sim.Fail(nil)
	kinds := []stripesim.Kind{
		stripesim.None, stripesim.DropBefore, stripesim.DropAfter, stripesim.ErrorBefore, stripesim.ErrorAfter, stripesim.RateLimited,
		stripesim.Truncated, stripesim.Garbled,
	}
	rapid.Check(t, func(rt *rapid.T) {
		sim.Sim.Fail(nil)
		pi := hold(t, sim, rapid.SampledFrom([]string{"pm_card_visa", "pm_card_pendingRefund", "pm_card_captureDeclined"}).Draw(rt, "card"))
		for range rapid.IntRange(1, 4).Draw(rt, "acts") {
			a := rapid.SampledFrom(acts[1:]).Draw(rt, "act")
			faults := rapid.SliceOfN(rapid.SampledFrom(kinds), 3, 3).Draw(rt, "faults")
			r := act(pi)
			var asked atomic.Int64
			sim.Sim.Fail(func(stripesim.Request) stripesim.Fault {
				if n := int(asked.Add(1)); n <= len(faults) {
					return stripesim.Fault{Kind: faults[n-1]}
				}
				return stripesim.Fault{}
			})
			err := a.do(t.Context(), client, r)
			for range len(faults) {
				if !errors.Is(err, commands.ErrPaymentUnknown) {
					break
				}
				err = a.do(t.Context(), client, r)
			}
			var refusal *commands.PaymentRefusal
			switch executed := times(t, sim, a.act, r.Key); {
			case err == nil && executed != 1:
				rt.Fatalf("told that %s was done, it was %d times", a.name, executed)
			case errors.As(err, &refusal) && executed != 0:
				rt.Fatalf("told that %s was refused (%v), it was done %d times", a.name, err, executed)
			case executed > 1:
				rt.Fatalf("%s was done %d times", a.name, executed)
			}
		}
		sim.Sim.Fail(nil)
		read, err := sim.Payments.Read(t.Context(), pi.ID)
		if err != nil {
			rt.Fatal(err)
		}
		totals, err := sim.Sim.Totals(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		var back int64
		for _, r := range read.Refunds {
			back += r.Amount
		}
		got := totals[pi.ID]
		if got.Captured != read.Received || got.Held() != read.Capturable || got.Refunded != back || (got.Released > 0) != (read.Status == "canceled") ||
			got.Captures > 1 || got.Refunds > 1 {
			rt.Fatalf("the journal says %+v, Stripe says %+v", got, read)
		}
	})
}
