package saga_test

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// final is what has become of an order: how it is shown, and what Stripe moved.
type final struct {
	view  domain.View
	money stripesim.Totals
	names []string // of its events, to be read when it is not as it should be
}

// shown is an order without what is different for a good reason: the version, since what was missed between two looks is no event
// (a part refunded before the rest was, say); the instants at which the ledger learned what it did not do itself; and Stripe's
// ids, which are others in each run. That there is an id, and what the clerk did when, is the same.
func shown(o domain.Order, now time.Time) domain.View {
	v := domain.Render(o, now)
	v.Version = 0
	for _, learned := range []*time.Time{v.CapturedAt, v.RefundedAt, v.CancelledAt} {
		if learned != nil {
			*learned = time.Time{}
		}
	}
	for _, id := range []*string{v.Payment.PaymentIntent, v.Payment.Charge, v.Payment.Refund} {
		if id != nil {
			*id = (*id)[:3]
		}
	}
	v.ExternalChanges = lasting(v)
	return v
}

// lasting are the changes from outside that are still true in the end, the last of each kind: what was only on the way there is
// seen by those who look often.
func lasting(v domain.View) []domain.ExternalChange {
	last := map[string]domain.ExternalChange{}
	for _, e := range v.ExternalChanges {
		e.Object, e.At = e.Object[:3], time.Time{}
		last[e.Change] = e
	}
	delete(last, "refund_pending")
	if v.Payment.State == domain.WasRefund {
		delete(last, "refunded_partly")
	}
	if v.Payment.AmountCaptured != nil {
		delete(last, "captured")
	}
	return slices.SortedFunc(maps.Values(last), func(a, b domain.ExternalChange) int { return strings.Compare(a.Change, b.Change) })
}

// look takes down how everything ended, and says what must be true of every ledger.
func (h *history) look() {
	sums, err := h.sim.Totals(context.Background())
	h.must(err)
	h.ended, h.tabs = map[uuid.UUID]final{}, map[domain.Tab]int{}
	for _, o := range h.orders {
		order := h.order(o.id)
		_, names := h.events(o.id)
		h.ended[o.id] = final{shown(order, time.Now()), sums[o.payment], names}
		h.tabs[order.Tab()]++
		if order.Pending.Act != "" {
			h.t.Errorf("story %d waits for %+v: %v", o.n%len(stories), order.Pending, names)
		}
		if why := disagree(order, sums[o.payment]); why != "" {
			h.t.Errorf("story %d: %s: %v, %+v", o.n%len(stories), why, names, sums[o.payment])
		}
		h.tellsNothingTwice(o.id)
	}
	h.heardEverything()
}

// disagree says how an order differs from Stripe's journal; empty when it doesn't. What Stripe did and the rules can't take in must
// have been seen.
func disagree(o domain.Order, moved stripesim.Totals) string {
	seen := func(changes ...string) (sum int64) {
		for _, e := range o.External {
			if slices.Contains(changes, e.Change) {
				sum = e.Amount
			}
		}
		return sum
	}
	back := o.RefundedAt != nil || o.Settled == domain.ChargeRefunded
	switch {
	case o.Captured() && moved.Captured != o.Taken, !o.Captured() && moved.Captured != seen("captured", "captured_other_amount"):
		return "captured"
	case back && moved.Refunded != o.Taken, !back && moved.Refunded != seen("refunded", "refunded_partly", "refund_pending") && !o.RefundFailed:
		return "refunded"
	case o.RefundFailed && moved.Refunded != seen("refunded_partly"):
		return "a refund that failed"
	case o.HoldExpired && moved.Released+moved.Expired != o.Total, o.Settled == domain.HoldReleased && moved.Released != o.Total:
		return "let go"
	case moved.Captured == 0 && moved.Released+moved.Expired > 0 && !o.HoldExpired && o.CancelledAt == nil:
		return "still held"
	case moved.Disputed > 0 && !slices.ContainsFunc(o.Disputes, func(d domain.Dispute) bool { return d.Outcome != "won" }):
		return "disputed"
	case moved.Captures > 1 || moved.Captured+moved.Released+moved.Expired != o.Total:
		return "the journal itself"
	}
	return ""
}

// tellsNothingTwice says that no event of an order is there twice.
func (h *history) tellsNothingTwice(id uuid.UUID) {
	events, names := h.events(id)
	told := map[string]bool{}
	for i, e := range events {
		text, err := json.Marshal(e)
		h.must(err)
		var fields map[string]any
		h.must(json.Unmarshal(text, &fields))
		delete(fields, "stripe_request") // another look, the same thing seen
		text, err = json.Marshal(fields)
		h.must(err)
		key := names[i] + string(text)
		if told[key] {
			h.t.Errorf("twice in %v: %s", names, key)
		}
		told[key] = true
	}
}

// heardEverything says that each event of Stripe's that came in was kept once, and looked at once.
func (h *history) heardEverything() {
	ctx := context.Background()
	head, err := h.log.Head(ctx)
	h.must(err)
	log, err := h.log.Subscribe(ctx, 0)
	h.must(err)
	defer func() { h.must(log.Close()) }()
	received, handled := map[string]int{}, map[string]int{}
	for at := eventstore.Position(0); at < head; {
		batch, err := log.Next(ctx, 1000)
		h.must(err)
		for _, r := range batch {
			event, ok := strings.CutPrefix(r.Stream, eventstore.WebhookStream(""))
			switch {
			case ok && r.Type == "StripeEventReceived":
				received[event]++
			case ok:
				handled[event]++
			}
		}
		at = batch[len(batch)-1].Position
	}
	for event, n := range received {
		if n != 1 || handled[event] != 1 {
			h.t.Errorf("%s was kept %d times and looked at %d times", event, n, handled[event])
		}
	}
	if len(handled) > len(received) {
		h.t.Errorf("%d events were looked at, and %d kept", len(handled), len(received))
	}
	h.kept = len(received)
}

// compare says that the two histories ended alike.
func compare(t *testing.T, clean, bad *history) {
	if clean.lost != 0 || clean.posted < 2*manyOrders() {
		t.Errorf("clean: %d webhooks lost of %d", clean.lost, clean.posted)
	}
	if bad.lost < clean.posted/4 || bad.posted < clean.posted || bad.kept >= clean.kept {
		t.Errorf("bad: %d webhooks lost, %d delivered, %d kept; clean: %d delivered, %d kept", bad.lost, bad.posted, bad.kept, clean.posted, clean.kept)
	}
	if !reflect.DeepEqual(clean.tabs, bad.tabs) {
		t.Errorf("tabs: clean %v, bad %v", clean.tabs, bad.tabs)
	}
	for _, o := range clean.orders {
		a, b := clean.ended[o.id], bad.ended[o.id]
		if !reflect.DeepEqual(a.view, b.view) {
			t.Errorf("story %d: clean %s %s %v: %v\nbad %s %s %v: %v", o.n%len(stories),
				a.view.Tab, a.view.Payment.State, a.view.Badges, a.names, b.view.Tab, b.view.Payment.State, b.view.Badges, b.names)
		}
		if a.money != b.money {
			t.Errorf("story %d: clean %+v, bad %+v", o.n%len(stories), a.money, b.money)
		}
	}
}
