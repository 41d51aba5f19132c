package saga_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/follow/followtest"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
)

// outage makes every act fail, and notes when the last was sent.
func outage(w *world, kind stripesim.Kind) *atomic.Int64 {
	last := &atomic.Int64{}
	w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
		if r.Method != "POST" {
			return stripesim.Fault{}
		}
		last.Store(time.Now().UnixNano())
		return stripesim.Fault{Kind: kind}
	})
	return last
}

// parked brings an order to where its act is parked because Stripe failed for a day.
func parked(w *world, p *process, a act) uuid.UUID {
	w.t.Helper()
	id := a.prepare(w, visa)
	last, began := outage(w, stripesim.ErrorBefore), time.Now()
	w.do(id, a.do)
	p.settle()
	o := w.order(id)
	if !o.Pending.Parked || !slices.Contains(o.Badges(time.Now()), domain.BadgeParked) {
		w.t.Fatalf("not parked: %+v", o.Pending)
	}
	sent := time.Unix(0, last.Load()).Sub(began)
	if sent >= 23*time.Hour || sent < 22*time.Hour {
		w.t.Errorf("the key was sent for %s", sent)
	}
	if since := time.Since(began); since < 23*time.Hour || since > 23*time.Hour+30*time.Minute {
		w.t.Errorf("parked after %s", since)
	}
	events, _ := w.events(id)
	e, ok := events[len(events)-1].(domain.Parked)
	if !ok || e.Attempts < 90 || e.Attempts > 1000 || len(e.StripeRequests) != 20 || e.Reason == "" {
		w.t.Errorf("%+v", e)
	}
	if st := p.Status(); st.Open != 1 || st.Parked != 1 || st.Oldest != nil {
		w.t.Errorf("%+v", st)
	}
	w.sim.Fail(nil)
	return id
}

func TestParkedThenTriedAgain(t *testing.T) {
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := w.start()
				defer p.stop()
				id := parked(w, p, a)
				w.do(id, domain.Resume{Decision: domain.Retry})
				p.settle()
				w.ends(id, append([]string{"Parked", "Resumed"}, a.tells[1:]...)...)
			})
		})
	}
}

func TestParkedThenGivenUp(t *testing.T) {
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := w.start()
				id := parked(w, p, a)
				p.stop()
				w.do(id, domain.Resume{Decision: domain.Abandon, Evidence: "the customer called"})
				var acted atomic.Bool
				w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
					acted.Store(acted.Load() || r.Method == "POST")
					return stripesim.Fault{}
				})
				p = w.start()
				defer p.stop()
				p.settle()
				w.failsWith(id, "abandoned")
				w.agree(id)
				if acted.Load() || w.order(id).Pending.Act != "" {
					t.Errorf("acted: %v, pending %+v", acted.Load(), w.order(id).Pending)
				}
			})
		})
	}
}

// What turns out to have happened is recorded, whatever a person decided.
func TestParkedThenGivenUpThoughItHappened(t *testing.T) {
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := w.start()
				defer p.stop()
				id := parked(w, p, a)
				a.doElsewhere(w, id)
				w.do(id, domain.Resume{Decision: domain.Abandon})
				p.settle()
				if a.name == "ship" { // the money is taken; whether it was shipped, only a person knows
					w.ends(id, "Parked", "Resumed", "PaymentCaptured", "Parked")
					w.do(id, domain.Resume{Decision: domain.Retry})
					p.settle()
					w.ends(id, "Parked", "Resumed", "Shipped")
					return
				}
				w.ends(id, append([]string{"Parked", "Resumed"}, a.tells[1:]...)...)
			})
		})
	}
}

// A process that was down for a day looks first, and sends no old key: neither when it was done nor when it was not.
func TestDownForADay(t *testing.T) {
	for _, a := range acts {
		for _, done := range []bool{false, true} {
			t.Run(a.name, func(t *testing.T) {
				inWorld(t, func(w *world) {
					id := a.prepare(w, visa)
					if done {
						// It dies when Stripe has done it.
						p := w.start(func(c *saga.Config) { c.Payments = mortalPayments{w.stripe, followtest.DieAt(2)} })
						synctest.Wait()
						w.do(id, a.do)
						synctest.Wait()
						p.stop()
					} else {
						w.do(id, a.do)
					}
					pass(25 * time.Hour)
					sent := outage(w, stripesim.None)
					p := w.start()
					defer p.stop()
					p.settle()
					if sent.Load() != 0 {
						t.Error("an old key was sent")
					}
					if done {
						w.ends(id, a.tells...)
					} else {
						w.ends(id, a.tells[0], "Parked")
					}
				})
			})
		}
	}
}

// An order whose key Stripe saw with other parameters shows a bug; it is parked, and nothing else happens.
func TestKeyWithOtherParameters(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		w.do(id, domain.Capture{})
		r := w.elsewhere(id, total)
		r.Key = "orderledger-" + w.order(id).Pending.Request.String() + "-capture"
		r.PaymentIntent = w.order(w.place(visa)).Hold.PaymentIntent
		if _, err := w.stripe.Capture(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		p := w.start()
		defer p.stop()
		p.settle()
		w.ends(id, "CaptureRequested", "Parked")
	})
}

// One order that hangs and one that always fails hold up nobody.
func TestPoisonedOrderDelaysNobody(t *testing.T) {
	inWorld(t, func(w *world) {
		hangs, fails := w.place(visa), w.place(visa)
		var good []uuid.UUID
		for range 20 {
			good = append(good, w.place(visa))
		}
		forever := make(chan struct{})
		defer close(forever)
		pis := map[string]stripesim.Fault{
			w.order(hangs).Hold.PaymentIntent: {Hold: forever}, w.order(fails).Hold.PaymentIntent: {Kind: stripesim.ErrorBefore},
		}
		w.sim.Fail(func(r stripesim.Request) stripesim.Fault { return pis[r.PaymentIntent] })
		p := w.start(func(c *saga.Config) { c.Workers, c.MaxReady = 2, 1 })
		defer p.stop()
		began := time.Now()
		for _, id := range append([]uuid.UUID{hangs, fails}, good...) {
			w.do(id, domain.Capture{})
		}
		synctest.Wait()
		for _, id := range good {
			if !w.order(id).Captured() {
				t.Errorf("%s waits", w.order(id).OrderNumber)
			}
		}
		if !time.Now().Equal(began) {
			t.Errorf("it took %s", time.Since(began))
		}
		if st := p.Status(); st.Open != 2 || st.Parked != 0 || st.Oldest == nil || !st.Oldest.Equal(began) || st.Error == "" {
			t.Errorf("%+v", st)
		}
	})
}

// One order's effects are carried out one after the other, however quickly they are asked for.
func TestOneOrderOneAfterTheOther(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		var at atomic.Int64
		p := w.start(func(c *saga.Config) { c.Payments = counted{c.Payments, &at, t} })
		defer p.stop()
		for _, c := range []domain.Command{domain.Capture{}, domain.Refund{}} {
			w.do(id, c)
			for w.order(id).Pending.Act != "" {
				synctest.Wait()
			}
		}
		p.settle()
		w.ends(id, "CaptureRequested", "PaymentCaptured", "RefundRequested", "Refunded")
	})
}

type counted struct {
	commands.Payments
	at *atomic.Int64
	t  *testing.T
}

func (c counted) one(do func()) {
	if c.at.Add(1) != 1 {
		c.t.Error("two at once")
	}
	do()
	c.at.Add(-1)
}

func (c counted) Capture(ctx context.Context, r commands.PaymentRequest) (pi commands.PaymentIntent, err error) {
	c.one(func() { pi, err = c.Payments.Capture(ctx, r) })
	return pi, err
}

func (c counted) Refund(ctx context.Context, r commands.PaymentRequest) (back commands.PaymentRefund, err error) {
	c.one(func() { back, err = c.Payments.Refund(ctx, r) })
	return back, err
}
