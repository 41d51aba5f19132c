package saga

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// oracle compares what the ledger says with the simulator's journal: whenever an event is appended, and at the end.
type oracle struct {
	u       *universe
	seen    eventstore.Position
	orders  map[uuid.UUID]domain.Order
	entries []stripesim.Entry
	events  map[string]bool // facts that may stand once in an order's stream
	reached map[string]int  // how often what happened
}

func newOracle(u *universe) *oracle {
	return &oracle{u: u, orders: map[uuid.UUID]domain.Order{}, events: map[string]bool{}, reached: map[string]int{}}
}

// look checks the events that were appended since it looked last.
func (o *oracle) look() {
	ctx := context.Background()
	head, err := o.u.log.Head(ctx)
	if err != nil {
		o.u.t.Fatal(err)
	}
	if head == o.seen {
		return
	}
	o.read()
	sub, err := o.u.log.Subscribe(ctx, o.seen)
	if err != nil {
		o.u.t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	for o.seen < head {
		batch, err := sub.Next(ctx, 500)
		if err != nil {
			o.u.t.Fatal(err)
		}
		for _, r := range batch {
			o.seen = r.Position
			if id, ok := eventstore.OrderOf(r.Stream); ok {
				e, env, err := eventstore.Codec{}.Decode(r)
				if err != nil {
					o.u.t.Fatal(err)
				}
				before := o.orders[id]
				o.orders[id] = domain.Evolve(before, e, eventstore.Stamp(r.Event, env))
				o.check(before, o.orders[id], e)
				o.reached[kindOf(e)]++
			}
		}
	}
}

// kindOf names an event, with what else of it makes a difference.
func kindOf(e domain.Event) string {
	switch e := e.(type) {
	case domain.PaymentCaptured:
		return strings.TrimSpace("PaymentCaptured " + e.Source)
	case domain.Refunded:
		return strings.TrimSpace("Refunded " + e.Source)
	case domain.RefundFailed:
		return strings.TrimSpace("RefundFailed " + e.Source)
	case domain.AuthorizationExpired:
		return strings.TrimSpace("AuthorizationExpired " + e.Source)
	case domain.Cancelled:
		return "Cancelled " + string(e.How)
	case domain.Resumed:
		return "Resumed " + string(e.Decision)
	case domain.ExternalChangeSeen:
		return "ExternalChangeSeen " + e.Change
	}
	return e.EventType()
}

// kinds are all that a run of many seeds must reach, or it proves less than it says.
var kinds = []string{
	"Placed", "Accepted", "ConfirmationMissed", "CaptureRequested", "ShipRequested", "PaymentCaptured", "PaymentCaptured stripe", "PaymentCaptured out_of_band",
	"CaptureFailed", "AuthorizationExpired", "AuthorizationExpired stripe", "Reauthorized", "Shipped", "RefundRequested", "RefundPending",
	"Refunded", "Refunded stripe", "Refunded out_of_band", "RefundFailed", "RefundFailed stripe", "CancelRequested",
	"Cancelled hold_released", "Cancelled charge_refunded", "Cancelled nothing_to_release", "Cancelled settled_elsewhere", "CancelFailed",
	"DisputeOpened", "DisputeClosed", "ExternalChangeSeen captured", "ExternalChangeSeen captured_other_amount",
	"ExternalChangeSeen refunded_partly", "ExternalChangeSeen refund_pending", "Parked", "Resumed retry", "Resumed adopt", "Resumed settle",
	"Resumed abandon", "Archived", "Unarchived",
}

// read reads on in the journal.
func (o *oracle) read() {
	var after int64
	if len(o.entries) > 0 {
		after = o.entries[len(o.entries)-1].N
	}
	more, err := o.u.sim.JournalAfter(context.Background(), after, 1_000_000)
	if err != nil {
		o.u.t.Fatal(err)
	}
	o.entries = append(o.entries, more...)
}

// moved says of which amount in all the journal shows acts on a payment.
func (o *oracle) moved(paymentIntent string, acts ...stripesim.Act) (amount int64) {
	for _, e := range o.entries {
		if e.PaymentIntent == paymentIntent && slices.Contains(acts, e.Act) {
			amount += e.Amount
		}
	}
	return amount
}

// check says that what an event claims of money has happened by then, and that nothing is told twice.
func (o *oracle) check(before, order domain.Order, e domain.Event) {
	pi := order.Hold.PaymentIntent
	once := func(parts ...string) {
		key := strings.Join(append([]string{order.ID.String(), e.EventType()}, parts...), " ")
		if o.events[key] {
			o.u.failf("told twice: %s", key)
		}
		o.events[key] = true
	}
	switch e := e.(type) {
	case domain.PaymentCaptured:
		if e.Source == domain.FromElsewhere {
			return
		}
		once(pi)
		if took := o.moved(pi, stripesim.ActCapture); took != e.Amount {
			o.u.failf("order %s: the ledger says that %d were captured, the journal %d", order.ID, e.Amount, took)
		}
	case domain.Shipped:
		once()
		if !before.Captured() {
			o.u.failf("order %s: shipped, and not paid", order.ID)
		}
	case domain.AuthorizationExpired:
		once(pi)
		if let := o.moved(pi, stripesim.ActExpire, stripesim.ActRelease); let != simTotal {
			o.u.failf("order %s: the ledger says that the hold is gone, and the journal that %d were let go", order.ID, let)
		}
	case domain.Refunded:
		if e.Source == domain.FromElsewhere || before.TakenElsewhere { // given back where it was paid
			return
		}
		once(e.Refund)
		if status := o.refundStatus(pi, e.Refund); status != "succeeded" && status != "failed" { // it may have come home since
			o.u.failf("order %s: the ledger says that %s is with the customer, and Stripe that it is %q", order.ID, e.Refund, status)
		}
		if back := o.moved(pi, stripesim.ActRefund); e.Amount != before.Taken || back < e.Amount {
			o.u.failf("order %s: the ledger says that %d of %d were given back, the journal %d", order.ID, e.Amount, before.Taken, back)
		}
	case domain.Cancelled:
		if e.How == domain.ChargeRefunded {
			once(e.Refund)
		}
		switch back := o.moved(pi, stripesim.ActRefund); {
		case e.How == domain.ChargeRefunded && (!before.Captured() || back < before.Taken):
			o.u.failf("order %s: cancelled with a refund, and the journal shows %d of %d", order.ID, back, before.Taken)
		case e.How == domain.HoldReleased:
			if let := o.moved(pi, stripesim.ActRelease, stripesim.ActExpire); let != simTotal {
				o.u.failf("order %s: cancelled with a release, and the journal shows %d", order.ID, let)
			}
		}
	case domain.CaptureFailed:
		o.notDone(order, e.Request)
	case domain.CancelFailed:
		if !before.RefundPending {
			o.notDone(order, e.Request)
		}
	case domain.RefundFailed:
		if e.Refund != "" {
			once(e.Refund)
		} else {
			o.notDone(order, e.Request)
		}
	case domain.RefundRequested:
		if before.Disputed() {
			o.u.failf("order %s: a refund is asked for in the middle of a dispute", order.ID)
		}
	case domain.Reauthorized:
		held := o.moved(e.Replaces, stripesim.ActAuthorize)
		gone := o.moved(e.Replaces, stripesim.ActRelease, stripesim.ActExpire, stripesim.ActCapture)
		if e.Replaces != pi && held > gone {
			o.u.failf("order %s: the customer is held twice", order.ID)
		}
	case domain.RefundPending:
		once(e.Refund)
	case domain.DisputeOpened:
		once(e.Dispute)
	}
}

// notDone says that what a request asked for, and is said to have failed, was not done.
func (o *oracle) notDone(order domain.Order, request uuid.UUID) {
	for _, e := range o.entries {
		if strings.HasPrefix(e.IdempotencyKey, "orderledger-"+request.String()) {
			if e.Act == stripesim.ActRefund && slices.ContainsFunc(o.entries, func(f stripesim.Entry) bool {
				return f.Refund == e.Refund && f.Act == stripesim.ActRefundFailed
			}) {
				continue
			}
			o.u.failf("order %s: called failed, and the journal shows %s of %d", order.ID, e.Act, e.Amount)
		}
	}
}

// refundStatus is what Stripe says of a refund now.
func (o *oracle) refundStatus(paymentIntent, id string) string {
	on := o.u.on
	o.u.on = nil // nobody's request: nothing happens to it
	defer func() { o.u.on = on }()
	pi, err := o.u.shop.Read(context.Background(), paymentIntent)
	if err != nil {
		o.u.t.Fatal(err)
	}
	for _, r := range pi.Refunds {
		if r.ID == id {
			return r.Status
		}
	}
	return ""
}

// final compares everything, when nothing is under way any more.
func (o *oracle) final() {
	o.look()
	o.read()
	sums := stripesim.Sum(o.entries)
	for _, s := range o.u.orders {
		order, there := o.orders[s.id]
		if !there {
			continue
		}
		o.money(order, sums[order.Hold.PaymentIntent])
		o.ours(s)
		if order.Pending.Act != "" {
			o.u.failf("order %s: %s is still under way: %+v", order.ID, order.Pending.Act, order.Pending)
		}
	}
}

// seenOutside says whether the order tells of a change at Stripe that the ledger could not adopt.
func seenOutside(order domain.Order, changes ...string) bool {
	return slices.ContainsFunc(order.External, func(e domain.ExternalChange) bool { return slices.Contains(changes, e.Change) })
}

// money compares an order with what the journal says of its payment.
func (o *oracle) money(order domain.Order, sum stripesim.Totals) {
	fail := func(why string) {
		o.u.failf("order %s (%s, %s): %s; the journal says %+v, the order tells of %+v", order.ID, order.Tab(), order.PaymentState(), why, sum, order.External)
	}
	atStripe := order.Captured() && !order.TakenElsewhere
	back := order.RefundedAt != nil || order.CancelledAt != nil && order.Captured()
	switch {
	case atStripe && sum.Captured != order.Taken:
		fail("captured another amount")
	case !order.Captured() && sum.Captured > 0 && !seenOutside(order, "captured", "captured_other_amount"):
		fail("the money is taken, and nobody can see that")
	case !order.Captured() && sum.Captured == 0 && !order.HoldExpired && order.CancelledAt == nil && sum.Held() == 0:
		fail("the hold is gone, and nobody can see that")
	case order.Settled == domain.HoldReleased && (sum.Held() > 0 || sum.Captured > 0):
		fail("cancelled with a release that did not happen")
	case order.HoldExpired && order.CancelledAt == nil && sum.Held() > 0:
		fail("called expired, and held")
	case atStripe && back && order.Refund != "" && sum.Refunded != order.Taken:
		fail("called given back")
	case order.CancelledAt != nil && order.Settled != domain.SettledElsewhere && sum.Captured > sum.Refunded && len(order.External) == 0:
		fail("cancelled, and the money is kept")
	case !back && sum.Refunded > 0 && !seenOutside(order, "refunded", "refunded_partly"):
		fail("money went back, and nobody can see that")
	}
}

// ours says that the ledger's own requests moved the money of an order once at most, whatever payments it had.
func (o *oracle) ours(s *simOrder) {
	var captures, refunds int
	for _, e := range o.entries {
		if !slices.Contains(s.payments, e.PaymentIntent) || !isLedgers(e.IdempotencyKey) {
			continue
		}
		switch e.Act {
		case stripesim.ActCapture:
			captures++
		case stripesim.ActRefund:
			refunds++
		}
	}
	failed := 0
	for _, e := range o.entries {
		if slices.Contains(s.payments, e.PaymentIntent) && e.Act == stripesim.ActRefundFailed {
			failed++
		}
	}
	if captures > 1 || refunds > 1+failed {
		o.u.failf("order %s: the ledger captured %d times and refunded %d times, of which %d came home", s.id, captures, refunds, failed)
	}
}
