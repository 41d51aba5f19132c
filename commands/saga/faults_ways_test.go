package saga_test

import (
	"context"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
)

// deed is an act, and all that it can come to.
type deed struct {
	act
	past bool // refunds failed before, and a dispute was won
	// there does the same at Stripe's dashboard, and spoils something there that makes Stripe refuse the act.
	there, spoils func(*scene) error
	done, failed  *end
	seen          *end // what was done there when nobody asked for it here
}

// end is how a story ends.
type end struct {
	tells  []string // the events that answer the request
	tab    domain.Tab
	state  domain.PaymentState
	badges []domain.Badge
	moved  stripesim.Totals // because of the act, whoever moved it
}

func (e *end) parked() bool { return slices.Contains(e.badges, domain.BadgeParked) }

var (
	tookAll  = stripesim.Totals{Captured: total, Captures: 1}
	letGo    = stripesim.Totals{Released: total}
	gaveAll  = stripesim.Totals{Refunded: total, Refunds: 1}
	gavePart = stripesim.Totals{Refunded: part, Refunds: 1}

	declined = &end{
		tells: []string{"CaptureFailed"}, tab: domain.TabNew, state: domain.Failed, badges: []domain.Badge{domain.BadgeCaptureFailed},
	}
)

const part = 100

func captureThere(s *scene) error {
	return s.sim.Dashboard().Capture(context.Background(), s.payment, 0)
}

func releaseThere(s *scene) error { return s.sim.Dashboard().Cancel(context.Background(), s.payment) }

func refundThere(amount int64) func(*scene) error {
	return func(s *scene) error {
		_, err := s.sim.Dashboard().Refund(context.Background(), s.payment, amount)
		return err
	}
}

func deeds() []deed {
	capture, ship, release, refund, cancel := acts[0], acts[1], acts[2], acts[3], acts[4]
	all := []deed{
		{
			act: capture, there: captureThere, failed: declined,
			done: &end{tells: []string{"PaymentCaptured"}, tab: domain.TabPaid, state: domain.Captured, moved: tookAll},
			seen: &end{tells: []string{"PaymentCaptured"}, tab: domain.TabPaid, state: domain.Captured, moved: tookAll},
		},
		{
			act: ship, there: captureThere, failed: declined,
			done: &end{tells: []string{"PaymentCaptured", "Shipped"}, tab: domain.TabShipped, state: domain.Captured, moved: tookAll},
		},
		{
			act: release, there: releaseThere, spoils: captureThere,
			done: &end{tells: []string{"Cancelled"}, tab: domain.TabCancelled, state: domain.Released, moved: letGo},
			failed: &end{
				tells: []string{"ExternalChangeSeen", "CancelFailed"}, tab: domain.TabNew, state: domain.Authorized,
				badges: []domain.Badge{domain.BadgeCancelFailed}, moved: tookAll,
			},
			seen: &end{
				tells: []string{"AuthorizationExpired"}, tab: domain.TabNew, state: domain.Expired,
				badges: []domain.Badge{domain.BadgeAuthorizationExpired}, moved: letGo,
			},
		},
	}
	for _, back := range []struct {
		act          act
		tells, fails string
		tab          domain.Tab
		badge        domain.Badge
	}{
		{refund, "Refunded", "RefundFailed", domain.TabRefunded, domain.BadgeRefundFailed},
		{cancel, "Cancelled", "CancelFailed", domain.TabCancelled, domain.BadgeCancelFailed},
	} {
		all = append(all, deed{
			act: back.act, there: refundThere(0), spoils: refundThere(part),
			done: &end{tells: []string{back.tells}, tab: back.tab, state: domain.WasRefund, moved: gaveAll},
			failed: &end{
				tells: []string{"ExternalChangeSeen", back.fails}, tab: domain.TabPaid, state: domain.Captured,
				badges: []domain.Badge{back.badge}, moved: gavePart,
			},
		})
	}
	again := all[3]
	again.past, again.name = true, "refund after a past"
	again.seen = &end{
		tells: []string{"Refunded", "DisputeOpened", "DisputeClosed"}, tab: domain.TabRefunded, state: domain.WasRefund, moved: gaveAll,
	}
	return append(all, again)
}

// way is how an act comes to be carried out: it decides which calls to Stripe are made.
type way struct {
	name  string
	card  string            // empty for one that is good for all
	first *fault            // happens to the first call; the table is about those that follow
	ends  func(d deed) *end // nil: this way is not the deed's
	story []string          // between the request and its answers
	begin func(s *scene)    // all that leads to the first call; it calls watch before
	then  func(s *scene)    // what it needs to go on after the fault
	most  int               // so many calls are made to fail, of those that it goes on making; 0: all
	alone bool              // all that Stripe has is looked at
	// unasked says that it was done at Stripe, and nobody asked for it here.
	unasked bool
	// declines says that the card's bank refuses, which is an answer that is kept under the request's key.
	declines bool
}

func isDone(d deed) *end { return d.done }
func isSeen(d deed) *end { return d.seen }

func isRefused(d deed) *end {
	if d.spoils == nil {
		return nil
	}
	return d.failed
}

func isDeclined(d deed) *end {
	if d.path != "/capture" {
		return nil
	}
	return d.failed
}

func isDoneLater(d deed) *end {
	if !d.paid || d.past {
		return nil
	}
	return d.done
}

var ways = []way{
	{name: "asked for", ends: isDone, begin: ask},
	{name: "asked for in vain", first: &everyFault[0], ends: isDone, begin: ask},
	{name: "its answer lost", first: &everyFault[1], ends: isDone, begin: ask},
	{name: "500 kept under its key", first: &everyFault[3], ends: isDone, begin: ask},
	{name: "executed late", first: &everyFault[4], most: 4, ends: isDone, begin: ask},
	{name: "found at the start", ends: isDone, begin: func(s *scene) {
		s.watch()
		s.do(s.id, s.deed.do)
		s.run()
	}},
	{name: "parked, tried again", ends: isDone, story: []string{"Parked", "Resumed"}, begin: func(s *scene) {
		s.do(s.id, s.deed.do)
		pass(25 * time.Hour)
		s.run()
		s.process.settle()
		s.watch()
		s.do(s.id, domain.Resume{Decision: domain.Retry})
	}},
	{name: "done at Stripe before", ends: isDone, begin: func(s *scene) {
		s.must(s.deed.there(s))
		ask(s)
	}},
	{name: "refused", ends: isRefused, begin: func(s *scene) {
		s.must(s.deed.spoils(s))
		ask(s)
	}},
	{name: "declined", card: "pm_card_captureDeclined", declines: true, ends: isDeclined, begin: ask},
	{
		name: "taken on, done later", card: "pm_card_pendingRefund", most: 5, ends: isDoneLater,
		story: []string{"RefundPending"}, begin: ask, then: doneLater,
	},
	{name: "told by webhook", unasked: true, ends: isSeen, begin: func(s *scene) {
		s.must(s.deed.there(s))
		s.run()
		synctest.Wait()
		s.watch()
		s.tell(fmt.Sprintf("evt_%d", s.orders), s.id)
	}},
	{name: "found by a sweep", unasked: true, alone: true, ends: isSeen, begin: func(s *scene) {
		s.must(s.deed.there(s))
		s.delivered()
		s.watch()
		s.run(func(c *saga.Config) { c.Lists = s.stripe })
	}},
}

// ask lets the clerk ask while the saga runs.
func ask(s *scene) {
	s.run()
	synctest.Wait()
	s.watch()
	s.do(s.id, s.deed.do)
}

// doneLater waits until the ledger knows that Stripe works on the refund, and lets it succeed an hour later.
func doneLater(s *scene) {
	for range 60 {
		synctest.Wait()
		if o := s.order(s.id); o.RefundPending {
			pass(time.Hour)
			s.must(s.sim.SettleRefund(context.Background(), o.Refund))
			pass(time.Hour) // it is looked at that seldom
			return
		}
		pass(time.Minute)
	}
	s.t.Fatalf("the refund is not pending: %+v", s.process.Status())
}
