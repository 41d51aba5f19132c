package saga_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/domain"
)

func fact(order uuid.UUID, n int, e domain.Event) saga.Fact {
	return saga.Fact{
		Order: order, ID: uuid.NewSHA1(order, fmt.Append(nil, n)), At: time.Unix(int64(n), 0).UTC(), Correlation: "c", Event: e,
	}
}

var asked = map[saga.Kind]domain.Event{
	saga.Capture: domain.CaptureRequested{PaymentIntent: "pi_1", Amount: 5, Currency: "USD"},
	saga.Ship:    domain.ShipRequested{PaymentIntent: "pi_1", Amount: 5, Currency: "USD"},
	saga.Refund:  domain.RefundRequested{PaymentIntent: "pi_1", Charge: "ch_1", Amount: 5, Currency: "USD"},
	saga.Release: domain.CancelRequested{How: domain.HoldReleased, PaymentIntent: "pi_1", Amount: 5, Currency: "USD"},
	saga.Return:  domain.CancelRequested{How: domain.ChargeRefunded, PaymentIntent: "pi_1", Charge: "ch_1", Amount: 5, Currency: "USD"},
}

// Every event that follows a request: whether the effect is still open, and whether something is to be done because of it.
func TestReact(t *testing.T) {
	type after struct{ open, wanted bool }
	var (
		same   = after{true, false}
		again  = after{true, true}
		closed = after{false, false}
	)
	rows := []struct {
		event domain.Event
		want  map[saga.Kind]after // those not named stay the same
	}{
		{domain.NoteAdded{}, nil},
		{domain.DisputeOpened{}, nil},
		{domain.ExternalChangeSeen{}, nil},
		{domain.PaymentCaptured{}, map[saga.Kind]after{saga.Capture: closed, saga.Ship: again}},
		{domain.RefundPending{Refund: "re_1"}, map[saga.Kind]after{saga.Refund: again, saga.Return: again}},
		{domain.Parked{}, nil},
		{domain.Resumed{Decision: domain.Retry}, map[saga.Kind]after{
			saga.Capture: again, saga.Ship: again, saga.Refund: again, saga.Release: again, saga.Return: again,
		}},
	}
	for _, e := range []domain.Event{
		domain.CaptureFailed{},
		domain.AuthorizationExpired{},
		domain.Shipped{},
		domain.Refunded{},
		domain.RefundFailed{},
		domain.Cancelled{},
		domain.CancelFailed{},
	} {
		rows = append(rows, struct {
			event domain.Event
			want  map[saga.Kind]after
		}{e, map[saga.Kind]after{
			saga.Capture: closed, saga.Ship: closed, saga.Refund: closed, saga.Release: closed, saga.Return: closed,
		}})
	}
	order := uuid.New()
	for kind, request := range asked {
		s, effects := saga.React(nil, fact(order, 1, request))
		if len(effects) != 1 || effects[0].Kind != kind || effects[0] != s[order] || effects[0].Request != fact(order, 1, nil).ID ||
			effects[0].PaymentIntent != "pi_1" || effects[0].Amount != 5 || effects[0].Currency != "USD" || effects[0].Correlation != "c" {
			t.Errorf("%s: %+v", kind, effects)
		}
		for _, row := range rows {
			want, named := row.want[kind]
			if !named {
				want = same
			}
			got, effects := saga.React(maps.Clone(s), fact(order, 2, row.event))
			if _, open := got[order]; (after{open, len(effects) == 1}) != want || len(effects) > 1 {
				t.Errorf("%s, then %s: open %v, effects %+v", kind, row.event.EventType(), open, effects)
			}
			if none, effects := saga.React(nil, fact(order, 2, row.event)); len(none) != 0 || len(effects) != 0 {
				t.Errorf("%s alone: %+v", row.event.EventType(), effects)
			}
		}
	}
}

// commandsOf draws something that anybody might want of an order, likely and unlikely.
func commandsOf(t *rapid.T, o domain.Order) domain.Command {
	request := o.Pending.Request
	if rapid.IntRange(0, 9).Draw(t, "stale") == 0 {
		request = uuid.New()
	}
	a := domain.Answer{Request: request}
	if rapid.IntRange(0, 9).Draw(t, "outside") == 0 {
		a = domain.Answer{Source: "stripe"}
	}
	f := domain.Failure{Code: "card_declined"}
	return rapid.SampledFrom([]domain.Command{
		domain.Accept{},
		domain.Capture{},
		domain.Ship{},
		domain.Refund{},
		domain.Cancel{},
		domain.Archive{},
		domain.Unarchive{},
		domain.Reauthorize{Authorization: domain.Authorization{
			PaymentIntent: "pi_2", Status: "requires_capture", Amount: o.Total, Currency: o.Currency,
		}},
		domain.AddNote{NoteID: uuid.New(), Text: "x"},
		domain.Resume{Decision: domain.Retry},
		domain.Resume{Decision: domain.Abandon},
		domain.RecordCaptured{PaymentIntent: o.Hold.PaymentIntent, Charge: "ch_1", Amount: o.Total, Currency: o.Currency, Answer: a},
		domain.RecordCaptureFailed{Failure: f, Answer: a},
		domain.RecordAuthorizationExpired{PaymentIntent: o.Hold.PaymentIntent, Answer: a},
		domain.CompleteShipment{Request: request},
		domain.RecordRefundPending{Refund: "re_1", Amount: o.Total, Answer: a},
		domain.RecordRefunded{Refund: "re_1", Amount: o.Total, Currency: o.Currency, Answer: a},
		domain.RecordRefundFailed{Refund: "re_1", Failure: f, Answer: a},
		domain.RecordCancelled{How: o.Pending.How, Refund: "re_1", Amount: o.Total, Answer: a},
		domain.RecordCancelFailed{Failure: f, Answer: a},
		domain.Park{Request: request, Reason: "x"},
		domain.RecordDisputeOpened{Dispute: "dp_1", Amount: o.Total},
		domain.RecordDisputeClosed{Dispute: "dp_1", Outcome: "won"},
		domain.RecordExternalChange{Object: "pi_1", Change: "captured", Amount: 1, Answer: a},
	}).Draw(t, "command")
}

// Whatever people, Stripe and timers do: an order has an effect exactly while it has a money act in flight, and it is that act.
func TestEffectsAreThePendingActs(t *testing.T) {
	kinds := map[saga.Kind]domain.Act{
		saga.Capture: domain.ActCapture, saga.Ship: domain.ActShip, saga.Refund: domain.ActRefund,
		saga.Release: domain.ActCancel, saga.Return: domain.ActCancel,
	}
	rapid.Check(t, func(t *rapid.T) {
		orders := make([]domain.Order, 3)
		state := saga.State{}
		for i := range orders {
			in := intake(i)
			in.Payment.PaymentIntent = "pi_1"
			orders[i] = domain.Evolve(orders[i], mustDecide(t, orders[i], domain.Place{Intake: in, Authorization: domain.Authorization{
				PaymentIntent: "pi_1", Status: "requires_capture", Amount: total, Currency: "USD",
			}}), domain.Stamp{ID: uuid.New()})
		}
		for n := range rapid.IntRange(1, 60).Draw(t, "length") {
			i := rapid.IntRange(0, len(orders)-1).Draw(t, "order")
			event, err := domain.Decide(orders[i], commandsOf(t, orders[i]))
			if err != nil || event == nil {
				continue
			}
			f := fact(orders[i].ID, n, event)
			orders[i] = domain.Evolve(orders[i], event, domain.Stamp{ID: f.ID, At: f.At})
			var effects []saga.Effect
			state, effects = saga.React(state, f)
			if len(effects) > 1 {
				t.Fatalf("%d effects of one event", len(effects))
			}
			for _, o := range orders {
				e, open := state[o.ID]
				if open != (o.Pending.Act != "") || kinds[e.Kind] != o.Pending.Act || e.Parked != o.Pending.Parked ||
					e.Request != o.Pending.Request || e.Captured != (o.Pending.Act == domain.ActShip && o.Captured()) {
					t.Fatalf("after %s: effect %+v, pending %+v", event.EventType(), e, o.Pending)
				}
			}
		}
	})
}

func mustDecide(t *rapid.T, o domain.Order, c domain.Command) domain.Event {
	e, err := domain.Decide(o, c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Any sequence of events, sensible or not, gives at most one effect for each order, and a fold that was stored on the way and
// read back ends as the whole fold does.
func TestFoldFromAStoredState(t *testing.T) {
	events := []domain.Event{
		domain.PaymentCaptured{},
		domain.CaptureFailed{},
		domain.AuthorizationExpired{},
		domain.Shipped{},
		domain.RefundPending{Refund: "re_1"},
		domain.Refunded{},
		domain.RefundFailed{},
		domain.Cancelled{},
		domain.CancelFailed{},
		domain.Parked{},
		domain.Resumed{Decision: domain.Retry},
		domain.Resumed{Decision: domain.Abandon},
		domain.NoteAdded{},
		asked[saga.Capture], asked[saga.Ship], asked[saga.Refund], asked[saga.Release], asked[saga.Return],
	}
	orders := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	rapid.Check(t, func(t *rapid.T) {
		var facts []saga.Fact
		for n := range rapid.IntRange(0, 40).Draw(t, "length") {
			facts = append(facts, fact(rapid.SampledFrom(orders).Draw(t, "order"), n, rapid.SampledFrom(events).Draw(t, "event")))
		}
		cut := rapid.IntRange(0, len(facts)).Draw(t, "cut")
		var whole, parts saga.State
		for i, f := range facts {
			if i == cut {
				parts = stored(t, parts)
			}
			var a, b []saga.Effect
			whole, a = saga.React(whole, f)
			parts, b = saga.React(parts, f)
			if len(a) > 1 || len(a) != len(b) || (len(a) == 1 && (a[0] != b[0] || a[0].Order != f.Order)) {
				t.Fatalf("effects %+v and %+v", a, b)
			}
		}
		if !maps.Equal(whole, parts) {
			t.Fatalf("%+v\n%+v", whole, parts)
		}
	})
}

func stored(t *rapid.T, s saga.State) saga.State {
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back saga.State
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	return back
}
