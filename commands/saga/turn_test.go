package saga_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

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
