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

// Who stands by knows the log, is ready, and asks nothing; when its turn comes it looks at what is open before it asks.
func TestStandsByUntilItsTurn(t *testing.T) {
	inWorld(t, func(w *world) {
		first, second := turntest.New(), turntest.New()
		a := w.start(func(c *saga.Config) { c.Turn = first })
		defer a.stop()
		b := w.start(func(c *saga.Config) { c.Turn = second })
		defer b.stop()
		ids := make([]uuid.UUID, 10)
		for i := range ids {
			ids[i] = w.place(visa)
			w.do(ids[i], domain.Capture{})
		}
		posts := 0
		gate := make(chan struct{}, 1)
		w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
			gate <- struct{}{}
			defer func() { <-gate }()
			if r.Method == "POST" {
				posts++
			}
			return stripesim.Fault{}
		})
		pass(time.Hour)
		synctest.Wait()
		for _, p := range []*process{a, b} {
			if st := p.Status(); !st.Ready || st.Open != len(ids) || posts > 0 {
				t.Fatalf("standing by: %+v, %d requests", st, posts)
			}
		}
		first.Give()
		a.settle()
		if st := b.Status(); st.Open != 0 || !st.Ready || posts != len(ids) {
			t.Errorf("it has not learned what another did: %+v, %d requests", st, posts)
		}

		// The turn ends while Stripe is at it; the other goes on, and nothing is done twice.
		held := make(chan struct{})
		w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
			if r.Method == "POST" {
				return stripesim.Fault{Hold: held}
			}
			return stripesim.Fault{}
		})
		for _, id := range ids {
			w.do(id, domain.Refund{Reason: "sent back"})
		}
		synctest.Wait()
		first.Take()
		synctest.Wait()
		if st := a.Status(); !st.Ready {
			t.Errorf("%+v", st)
		}
		close(held)
		w.sim.Fail(nil)
		second.Give()
		b.settle()
		second.Take()
		first.Give() // and back
		a.settle()
		for _, id := range ids {
			w.agree(id)
			if o := w.order(id); o.RefundedAt == nil {
				t.Errorf("%s is not refunded", id)
			}
		}
	})
}

// slowCapture lets a capture begin only when it may.
type slowCapture struct {
	commands.Payments
	may <-chan struct{}
}

func (p slowCapture) Capture(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	<-p.may
	return p.Payments.Capture(context.WithoutCancel(ctx), r)
}

// A zombie was about to ask when it was held up, does not know that another took over, asks when all is done and records what it
// hears: it changes nothing.
func TestZombieDoesNoHarm(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		wakes := make(chan struct{})
		zombie := w.start(func(c *saga.Config) { c.Payments = slowCapture{w.stripe, wakes} }) // it believes that it is its turn
		defer zombie.stop()
		w.do(id, domain.Capture{})
		synctest.Wait()
		turn := turntest.New()
		turn.Give()
		other := w.start(func(c *saga.Config) { c.Turn = turn })
		defer other.stop()
		other.settle()
		if !w.order(id).Captured() {
			t.Fatal("the other did not go on")
		}
		close(wakes)
		synctest.Wait()
		w.do(id, domain.Refund{Reason: "sent back"})
		other.settle()
		zombie.settle()
		w.agree(id)
		if _, names := w.events(id); !slices.Equal(names, []string{"Placed", "Accepted", "CaptureRequested", "PaymentCaptured", "RefundRequested", "Refunded"}) {
			t.Errorf("%v", names)
		}
	})
}
