package saga_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

// scene is one line of the table being played.
type scene struct {
	*world
	deed    deed
	way     way
	fault   *fault // nil: nothing goes wrong, to learn which calls are made
	call    int    // which of the calls about the order goes wrong, 1 for the first
	what    string // call, in words
	lasting bool

	id, other uuid.UUID // the order, and one that has nothing to do with it
	payment   string
	entries   int64 // of Stripe's journal before
	past      int   // events of the order before
	process   *process

	mu     sync.Mutex
	sent   []sent
	calls  []string // about the order
	needed int      // so many of them until the story ended
	at     time.Time
	struck chan struct{}
}

const post = "POST"

// sent is a request that Stripe got.
type sent struct {
	stripesim.Request
	at time.Time
}

// named says in front of a failure what fails.
type named struct {
	testing.TB
	name string
}

func (n named) Errorf(format string, args ...any) {
	n.Helper()
	n.TB.Errorf("%s: "+format, append([]any{n.name}, args...)...)
}

func (n named) Fatalf(format string, args ...any) {
	n.Helper()
	n.TB.Fatalf("%s: "+format, append([]any{n.name}, args...)...)
}

func (n named) Error(args ...any) { n.Helper(); n.Errorf("%s", fmt.Sprint(args...)) }
func (n named) Fatal(args ...any) { n.Helper(); n.Fatalf("%s", fmt.Sprint(args...)) }

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// play tells the story from its beginning to its end, and that nothing follows.
func (s *scene) play() {
	s.prepare()
	defer func() {
		s.sim.Fail(nil)
		if s.process != nil {
			s.process.stop()
		}
	}()
	s.way.begin(s)
	if s.fault != nil {
		s.strikes()
	}
	if s.way.then != nil {
		s.way.then(s)
	}
	s.comesToItsEnd()
	s.endsAsItShould()
	if s.fault != nil && s.fault.all > 0 {
		s.leavesStripeAlone()
	}
	version, asked := s.order(s.id).Version, s.asked()
	pass(2 * time.Hour)
	synctest.Wait()
	if s.order(s.id).Version != version || s.asked() != asked {
		_, later := s.events(s.id)
		s.t.Errorf("it does not stay so: %v, %d acts were asked for and then %d", later, asked, s.asked())
	}
}

// prepare brings the two orders in. Log and client are new: nothing is left of other scenes but what Stripe knows.
func (s *scene) prepare() {
	if s.way.alone {
		pass(36 * 24 * time.Hour) // what Stripe knows is older than what a sweep looks at
	}
	s.log = memstore.New()
	s.clerk = commands.NewHandler(s.log, eventstore.Codec{}, time.Now)
	s.stripe = newClient(s.t, onePage{s.sim.Transport()})
	card := s.way.card
	if card == "" {
		card = visa
	}
	s.id, s.other = s.deed.prepare(s.world, card), s.place(visa)
	s.payment = s.order(s.id).Hold.PaymentIntent
	if s.deed.past {
		s.hasAPast()
	}
	s.entries += int64(len(s.journal()))
	s.past, s.struck = s.order(s.id).Version, make(chan struct{})
}

// journal is what Stripe's says since the scene began.
func (s *scene) journal() []stripesim.Entry {
	s.t.Helper()
	const many = 1 << 20
	entries, err := s.sim.JournalAfter(context.Background(), s.entries, many)
	s.must(err)
	return entries
}

// hasAPast fails two refunds of the payment, and lets its customer lose a dispute.
func (s *scene) hasAPast() {
	ctx, there := context.Background(), s.sim.Dashboard()
	for range 2 {
		back, err := there.Refund(ctx, s.payment, part)
		s.must(err)
		s.must(there.SetRefund(ctx, back, "failed"))
	}
	dispute, err := there.OpenDispute(ctx, s.payment, 0, "fraudulent")
	s.must(err)
	s.must(there.SetDispute(ctx, dispute, "won"))
}

// delivered says that webhooks told of all that happened so far, so that no list of undelivered events tells it again.
func (s *scene) delivered() {
	for {
		events, err := s.sim.Pending(context.Background(), 100)
		s.must(err)
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			s.must(s.sim.Delivered(context.Background(), e.Event))
		}
	}
}

// run starts the saga. Without chance, the calls before the one that goes wrong are the same as when nothing does.
func (s *scene) run(change ...func(*saga.Config)) {
	s.process = s.start(append(change, func(c *saga.Config) { c.Rand = func() float64 { return 0.5 } })...)
}

// watch begins to count the calls.
func (s *scene) watch() { s.sim.Fail(s.happens) }

// happens is what happens to a request.
func (s *scene) happens(r stripesim.Request) stripesim.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.sent = append(s.sent, sent{r, now})
	own := r.PaymentIntent == s.payment || r.PaymentIntent == ""
	if own {
		s.calls = append(s.calls, fmt.Sprintf("%s %s", r.Method, kindOf(r.Path)))
	}
	switch {
	case own && len(s.calls) == 1 && s.way.first != nil:
		return s.way.first.does()
	case s.fault == nil:
		return stripesim.Fault{}
	case own && len(s.calls) == s.call:
		s.at = now
		close(s.struck)
		return s.fault.does()
	case s.lasting && !s.at.IsZero() && now.Before(s.at.Add(lasts)) && (own || s.fault.all > 0):
		return s.fault.does()
	}
	return stripesim.Fault{}
}

// strikes waits until the fault strikes. Then another order's act is asked for: it is done at once, unless nobody may ask.
func (s *scene) strikes() {
	select {
	case <-s.struck:
	case <-time.After(6 * 24 * time.Hour):
		s.t.Fatalf("there was no such call: %+v", s.process.Status())
	}
	synctest.Wait()
	s.do(s.other, domain.Capture{})
	synctest.Wait()
	switch done := s.order(s.other).Captured(); {
	case s.fault.all == 0 && !done:
		s.t.Errorf("it holds another order up")
	case s.fault.all > 0 && done:
		s.t.Errorf("another order was asked for in spite of it")
	}
	if !s.lasting {
		return
	}
	pass(time.Until(s.at.Add(lasts)) - time.Second)
	synctest.Wait()
	if wrong := s.stripe.Health(); (wrong != nil) != s.fault.key {
		s.t.Errorf("what people are told of the key: %v", wrong)
	}
	if parked := s.process.Status().Parked; parked > 0 {
		s.t.Errorf("%d parked", parked)
	}
}
