package saga_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
)

// While Stripe gives no answer, people can see how often it was asked and when it is asked again; when it has answered, no longer.
func TestWaiting(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		p := w.start()
		defer p.stop()
		p.settle()
		if wait, ok := p.Waiting(id); ok {
			t.Errorf("waits for nothing: %+v", wait)
		}
		w.sim.Fail(func(stripesim.Request) stripesim.Fault { return stripesim.Fault{Kind: stripesim.ErrorBefore} })
		w.do(id, domain.Capture{})
		for _, least := range []int{1, 3} {
			synctest.Wait()
			wait, ok := p.Waiting(id)
			if !ok || wait.Tries < least || !wait.Next.After(time.Now()) || wait.TakenOn {
				t.Errorf("%v: %+v at %s", ok, wait, time.Now())
			}
			pass(time.Hour)
		}
		w.sim.Fail(nil)
		p.settle()
		if wait, ok := p.Waiting(id); ok {
			t.Errorf("still waits: %+v", wait)
		}
	})
}
