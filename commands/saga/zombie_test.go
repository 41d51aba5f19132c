package saga_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/follow/turntest"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
)

// paused is the way to Stripe of a process that is held up in the middle of an act: before Stripe hears of it, or before the process
// hears what came of it. It knows nothing of what happens meanwhile, not even that its turn is over.
type paused struct {
	commands.Payments
	heard bool // by Stripe
	wakes <-chan struct{}
}

func asleep[A any](ctx context.Context, p paused, r commands.PaymentRequest, act func(context.Context, commands.PaymentRequest) (A, error)) (A, error) {
	if p.heard {
		a, err := act(context.WithoutCancel(ctx), r)
		<-p.wakes
		return a, err
	}
	<-p.wakes
	return act(context.WithoutCancel(ctx), r)
}

func (p paused) Capture(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	return asleep(ctx, p, r, p.Payments.Capture)
}

func (p paused) Release(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	return asleep(ctx, p, r, p.Payments.Release)
}

func (p paused) Refund(ctx context.Context, r commands.PaymentRequest) (commands.PaymentRefund, error) {
	return asleep(ctx, p, r, p.Payments.Refund)
}

// next is what is done with an order after an act, where anything can be.
func (a act) next() (c domain.Command, tells []string) {
	switch a.do.(type) {
	case domain.Capture, domain.Ship:
		return domain.Refund{Reason: "sent back"}, []string{"RefundRequested", "Refunded"}
	}
	return domain.AddNote{NoteID: uuid.New(), Text: "done"}, []string{"NoteAdded"}
}

// A zombie was at an act when it was held up, and does not know that another took over, which went on and did more. When it wakes it
// asks Stripe, or hears what it asked for, and records that. Nothing is done twice, and nothing is recorded twice.
func TestZombieDoesNoHarm(t *testing.T) {
	for _, a := range acts {
		for _, heard := range []bool{false, true} {
			for _, knows := range []bool{false, true} { // that its turn is over
				name := a.name
				if heard {
					name += ", done before"
				}
				if knows {
					name += ", its turn over"
				}
				t.Run(name, func(t *testing.T) {
					inWorld(t, func(w *world) {
						id := a.prepare(w, visa)
						_, before := w.events(id)
						wakes := make(chan struct{})
						first, second := turntest.New(), turntest.New()
						first.Give()
						zombie := w.start(func(c *saga.Config) { c.Payments, c.Turn = paused{w.stripe, heard, wakes}, first })
						defer zombie.stop()
						synctest.Wait()
						w.do(id, a.do)
						synctest.Wait()
						second.Give()
						other := w.start(func(c *saga.Config) { c.Turn = second })
						defer other.stop()
						other.settle()
						w.ends(id, a.tells...)
						more, tells := a.next()
						w.do(id, more)
						other.settle()
						pass(time.Hour)
						if knows {
							first.Take()
							synctest.Wait()
						}
						close(wakes)
						synctest.Wait()
						pass(time.Hour)
						other.settle()
						zombie.settle()
						w.agree(id)
						if _, names := w.events(id); !slices.Equal(names, slices.Concat(before, a.tells, tells)) {
							t.Errorf("%v", names)
						}
						if st := other.Status(); st.Parked != 0 || st.Error != "" {
							t.Errorf("%+v", st)
						}
					})
				})
			}
		}
	}
}

// A refund failed, and was asked for anew, when the zombie hears that the first one was taken on: what is not open any more is not
// answered.
func TestZombieAtAnOlderRequest(t *testing.T) {
	for _, heard := range []bool{false, true} {
		inWorld(t, func(w *world) {
			id := w.place("pm_card_pendingRefundFail")
			p := w.start()
			w.do(id, domain.Capture{})
			p.settle()
			p.stop()
			wakes := make(chan struct{})
			zombie := w.start(func(c *saga.Config) { c.Payments = paused{w.stripe, heard, wakes} })
			defer zombie.stop()
			synctest.Wait()
			w.do(id, domain.Refund{Reason: "sent back"})
			synctest.Wait()
			turn := turntest.New()
			turn.Give()
			other := w.start(func(c *saga.Config) { c.Turn = turn })
			defer other.stop()
			pass(time.Minute)
			w.failsRefund(id)
			other.settle()
			w.do(id, domain.Refund{Reason: "once more"})
			pass(time.Minute)
			w.failsRefund(id)
			other.settle()
			_, before := w.events(id)
			want := []string{"RefundRequested", "RefundPending", "RefundFailed", "RefundRequested", "RefundPending", "RefundFailed"}
			if !slices.Equal(before[len(before)-6:], want) {
				t.Fatal(before)
			}
			close(wakes)
			synctest.Wait()
			pass(time.Hour)
			other.settle()
			zombie.settle()
			if _, names := w.events(id); !slices.Equal(names, before) {
				t.Errorf("%v, want %v", names, before)
			}
			if got := w.totals(id); got.Refunds != 2 {
				t.Errorf("Stripe was asked for other refunds than the two: %+v", got)
			}
		})
	}
}

// failsRefund lets Stripe's refund come to its end.
func (w *world) failsRefund(id uuid.UUID) {
	w.t.Helper()
	synctest.Wait()
	if err := w.sim.SettleRefund(context.Background(), w.order(id).Refund); err != nil {
		w.t.Fatal(err)
	}
}

// Who gave an act up does not know that a zombie is yet to ask for it. What it does is seen at Stripe then, and a person is told.
func TestZombieAtWhatWasGivenUp(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		wakes := make(chan struct{})
		zombie := w.start(func(c *saga.Config) { c.Payments, c.Lists = paused{w.stripe, false, wakes}, w.stripe })
		defer zombie.stop()
		w.do(id, domain.Capture{})
		synctest.Wait()
		turn := turntest.New()
		turn.Give()
		w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
			if r.Method == "POST" {
				return stripesim.Fault{Kind: stripesim.DropBefore}
			}
			return stripesim.Fault{}
		})
		other := w.start(func(c *saga.Config) { c.Turn, c.Lists, c.KeyLife = turn, w.stripe, time.Hour })
		defer other.stop()
		pass(3 * time.Hour) // it parks what it could not do
		if o := w.order(id); !o.Pending.Parked {
			t.Fatalf("%+v", o.Pending)
		}
		w.do(id, domain.Resume{Decision: domain.Abandon, Evidence: "the customer called"})
		other.settle()
		w.sim.Fail(nil)
		close(wakes)
		synctest.Wait()
		pass(26 * time.Hour)
		other.settle()
		zombie.settle()
		_, names := w.events(id)
		if w.totals(id).Captured != total || w.totals(id).Captures != 1 {
			t.Fatalf("%+v: nothing was tried", w.totals(id))
		}
		if !w.order(id).Captured() && !slices.Contains(names, "ExternalChangeSeen") {
			t.Errorf("Stripe holds the money, and the ledger says %v", names)
		}
	})
}

// slowRead is the way to Stripe of a process that is held up while it looks.
type slowRead struct {
	commands.Payments
	wakes <-chan struct{}
}

func (p slowRead) Read(ctx context.Context, paymentIntent string) (commands.PaymentIntent, error) {
	pi, err := p.Payments.Read(context.WithoutCancel(ctx), paymentIntent)
	<-p.wakes
	return pi, err
}

// A process that was held up past its turn, and has not been told so yet, asks for nothing.
func TestNothingIsAskedAfterTheTurn(t *testing.T) {
	for _, a := range acts {
		inWorld(t, func(w *world) {
			id := a.prepare(w, visa)
			w.do(id, a.do)
			wakes := make(chan struct{})
			turn := turntest.New()
			turn.Give()
			p := w.start(func(c *saga.Config) { c.Payments, c.Turn = slowRead{w.stripe, wakes}, turn })
			defer p.stop()
			synctest.Wait()
			w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
				if r.Method == "POST" {
					t.Errorf("%s: asked Stripe for %s", a.name, r.Path)
				}
				return stripesim.Fault{}
			})
			turn.Expire()
			close(wakes)
			pass(time.Minute)
			turn.Take()
			synctest.Wait()
			w.sim.Fail(nil)
			turn.Give()
			p.settle()
			w.ends(id, a.tells...)
		})
	}
}
