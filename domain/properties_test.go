package domain_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

var long = flag.Bool("long", false, "TestProperties: at least a million random commands (about a quarter of a minute)")

const (
	commandsPerOrder = 60
	longCommands     = 1_000_000
)

// TestProperties gives random commands to random orders and holds what comes of them against books that are kept apart from
// the rules. The long mode: go test ./domain -run TestProperties -long
func TestProperties(t *testing.T) {
	orders := 1000
	if *long {
		orders = longCommands/commandsPerOrder + 1
	}
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	t.Cleanup(func() { _ = checks.Value.Set(before) })
	if err := checks.Value.Set(fmt.Sprint(orders)); err != nil {
		t.Fatal(err)
	}
	commands, events := 0, map[string]int{}
	began := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		l := &life{books: books{held: map[string]bool{}, failed: map[string]bool{}, disputes: map[string]domain.Dispute{}}}
		l.do(t, place(rapid.SampledFrom([]domain.Method{domain.Card, domain.Card, domain.Account}).Draw(t, "method")))
		for range commandsPerOrder {
			l.do(t, command(t, l.order))
			commands++
		}
		l.foldAgain(t)
		for _, e := range l.events {
			events[e.EventType()]++
		}
	})
	t.Logf("%d commands in %v; events: %v", commands, time.Since(began).Round(time.Millisecond), events)
	if *long && commands < longCommands {
		t.Errorf("only %d commands", commands)
	}
	if *long && len(events) != len(eventsOf) {
		t.Errorf("%d types of events came up, of %d", len(events), len(eventsOf))
	}
}

// life is one order's: what the rules say, all events, and the books.
type life struct {
	order  domain.Order
	events []domain.Event
	stamps []domain.Stamp
	books  books
}

// do gives one command and checks all that must hold after it.
func (l *life) do(t *rapid.T, c domain.Command) {
	before := l.order
	e, err := domain.Decide(l.order, c)
	if err != nil {
		if code(err) == "" || e != nil {
			t.Fatalf("%s: %v with event %v", c.CommandName(), err, e)
		}
		return
	}
	if e == nil {
		return
	}
	s := stamp(l.order)
	l.order = domain.Evolve(l.order, e, s)
	l.events, l.stamps = append(l.events, e), append(l.stamps, s)
	if l.order.Version != before.Version+1 {
		t.Fatalf("version %d after %d", l.order.Version, before.Version)
	}
	if wrong := l.books.enter(e); wrong != "" {
		t.Fatalf("%s made %s %+v: %s", c.CommandName(), e.EventType(), e, wrong)
	}
	if wrong := l.books.agree(l.order); wrong != "" {
		t.Fatalf("after %s: %s\n%+v", c.CommandName(), wrong, l.order)
	}
	if again, err := domain.Decide(l.order, c); again != nil {
		t.Fatalf("%s repeated made %T (%v)", c.CommandName(), again, err)
	}
}

// foldAgain proves that the events alone make the order: folded anew, and folded as the codec gives them back.
func (l *life) foldAgain(t *rapid.T) {
	var anew, stored domain.Order
	codec := eventstore.Codec{}
	for i, e := range l.events {
		anew = domain.Evolve(anew, e, l.stamps[i])
		stream := eventstore.OrderStream(l.order.ID)
		encoded, err := codec.Encode(stream, e)
		if err != nil {
			t.Fatal(err)
		}
		encoded.ID = l.stamps[i].ID
		env := eventstore.Envelope{Schema: codec.Schema(e), OccurredAt: l.stamps[i].At, Actor: l.stamps[i].Actor}
		sealed, _, err := eventstore.Seal(stream, eventstore.Revision(i), encoded, env)
		if err != nil {
			t.Fatal(err)
		}
		back, env, err := codec.Decode(eventstore.Recorded{Event: sealed, Stream: stream, Revision: eventstore.Revision(i)})
		if err != nil {
			t.Fatal(err)
		}
		stored = domain.Evolve(stored, back, eventstore.Stamp(sealed, env))
	}
	if !reflect.DeepEqual(anew, l.order) {
		t.Fatalf("folded anew:\n%+v\nwas:\n%+v", anew, l.order)
	}
	if !reflect.DeepEqual(stored, l.order) {
		t.Fatalf("folded from the stored form:\n%+v\nwas:\n%+v", stored, l.order)
	}
}

// books are what an accountant at Stripe and in the warehouse would keep, from the events alone.
type books struct {
	method   domain.Method
	total    int64
	held     map[string]bool // PaymentIntents that hold the total
	intent   string          // the current one
	taken    int64
	returned int64
	outside  bool   // what was taken was taken outside Stripe
	byBank   bool   // cancelled since the bank had given back what was taken
	refund   string // Stripe's, that gave the money back
	flight   string // the money act that was asked for and not answered
	decided  domain.Resumed
	failed   map[string]bool // refunds
	disputes map[string]domain.Dispute

	accepted, shipped, refunded, cancelled, archived bool
}

// enter books an event; it says what is wrong when the event moves money that isn't there.
func (b *books) enter(e domain.Event) string {
	switch e := e.(type) {
	case domain.Placed:
		b.method, b.total, b.intent = e.Method, e.Total, e.Authorization.PaymentIntent
		if b.method == domain.Card {
			b.held[b.intent] = true
		}
	case domain.Reauthorized:
		if b.flight != "" || b.taken > 0 || b.cancelled {
			return "a new hold that is not needed"
		}
		delete(b.held, b.intent)
		b.intent = e.Authorization.PaymentIntent
		b.held[b.intent] = true
	case domain.Accepted:
		b.accepted = true
	case domain.AuthorizationExpired:
		if b.taken > 0 || strings.HasPrefix(b.flight, "cancel") {
			return "a hold that was not there to expire"
		}
		delete(b.held, e.PaymentIntent)
		b.flight = ""
	case domain.CaptureFailed:
		return b.answered("capture", "ship")
	case domain.CancelFailed:
		return b.answered("cancel hold_released", "cancel charge_refunded")
	case domain.PaymentCaptured:
		return b.take(e)
	case domain.Shipped:
		if b.method == domain.Card && (b.taken == 0 || b.returned != 0) {
			return "shipped without the money"
		}
		if b.shipped || !b.accepted || b.flight != "" && b.flight != "ship" {
			return "shipped at a wrong time"
		}
		b.shipped, b.flight = true, ""
	case domain.Parked:
		if b.flight == "" {
			return "nothing is there to be parked"
		}
	case domain.Resumed:
		if b.flight == "" || b.decided.Decision != "" && b.decided.Request == e.Request {
			return "a decision about nothing"
		}
		if b.returns() && e.Decision == domain.Retry && (b.disputed() || b.bank()) {
			return "money that is disputed is asked back"
		}
		b.decided = e
	default:
		return b.request(e)
	}
	return ""
}

// request books what is asked of Stripe, and disputes, which forbid some of it.
func (b *books) request(e domain.Event) string {
	switch e := e.(type) {
	case domain.CaptureRequested:
		return b.ask("capture", b.accepted && b.held[e.PaymentIntent] && b.taken == 0 && e.Amount == b.total)
	case domain.ShipRequested:
		return b.ask("ship", b.accepted && b.held[e.PaymentIntent] && b.taken == 0 && e.Amount == b.total && !b.shipped)
	case domain.RefundRequested:
		return b.ask("refund", b.refundable() && e.Amount == b.taken)
	case domain.CancelRequested:
		release := e.How == domain.HoldReleased && b.held[e.PaymentIntent] && (b.taken == 0 || b.outside) && e.Amount == b.total
		refund := e.How == domain.ChargeRefunded && b.refundable() && e.Amount == b.taken
		return b.ask("cancel "+string(e.How), !b.shipped && release != refund)
	case domain.RefundPending:
		if !b.returns() || e.Amount != b.taken || b.failed[e.Refund] {
			return "a refund that nobody asked for is pending"
		}
		b.refund = e.Refund
	case domain.DisputeOpened:
		if b.taken == 0 || b.outside {
			return "a dispute about nothing that Stripe took"
		}
		b.disputes[e.Dispute] = domain.Dispute{Amount: e.Amount}
	case domain.DisputeClosed:
		b.disputes[e.Dispute] = domain.Dispute{Amount: b.disputes[e.Dispute].Amount, Outcome: e.Outcome}
	default:
		return b.settle(e)
	}
	return ""
}

// refundable says whether Stripe took money that it may be asked to give back.
func (b *books) refundable() bool {
	return b.taken > 0 && b.returned == 0 && !b.outside && !b.disputed() && !b.bank()
}

func (b *books) disputed() bool {
	for _, d := range b.disputes {
		if d.Outcome == "" {
			return true
		}
	}
	return false
}

// bank says whether the bank has given back all that was taken. A dispute that was lost can be won after all: the last word counts.
func (b *books) bank() bool {
	for _, d := range b.disputes {
		if d.Outcome == "lost" && d.Amount >= b.taken {
			return true
		}
	}
	return false
}

// returns says whether money is being asked back.
func (b *books) returns() bool { return b.flight == "refund" || b.flight == "cancel charge_refunded" }

// settled says whether an answer is of a person who decided to settle what is in flight outside Stripe.
func (b *books) settled(a domain.Answer) bool {
	return a.Source == domain.FromElsewhere && b.flight != "" && b.decided.Decision == domain.Settle &&
		b.decided.Reference == a.Reference && a.Reference != ""
}

func (b *books) take(e domain.PaymentCaptured) string {
	part := b.decided.Decision == domain.Adopt && b.flight != "" && e.Amount > 0 && e.Amount < b.total
	switch {
	case e.Amount != b.total && !part || b.taken != 0 || b.cancelled || !b.accepted:
		return "taken wrongly"
	case e.Source == domain.FromElsewhere && !b.settled(e.Answer):
		return "taken outside Stripe, and nobody decided so"
	case b.method == domain.Card && e.Source == "" && !b.held[e.PaymentIntent]:
		return "taken, and nothing was held"
	case b.flight != "" && b.flight != "capture" && b.flight != "ship":
		return "taken during " + b.flight
	}
	b.taken, b.outside = e.Amount, b.method == domain.Account || e.Source == domain.FromElsewhere
	if !b.outside {
		delete(b.held, e.PaymentIntent)
	}
	if b.flight == "capture" {
		b.flight = ""
	}
	return ""
}

// settle books what ends an order or opens it again.
func (b *books) settle(e domain.Event) string {
	switch e := e.(type) {
	case domain.Refunded:
		return b.giveBack(e)
	case domain.RefundFailed:
		if b.method == domain.Account || b.outside || b.flight != "refund" && (b.returned == 0 || e.Refund != b.refund) {
			return "no refund could fail"
		}
		if b.failed[e.Refund] && b.flight == "" {
			return "a refund failed twice"
		}
		b.failed[e.Refund] = e.Refund != ""
		b.returned, b.flight = 0, ""
		b.refunded, b.cancelled, b.archived = false, false, false
	case domain.Cancelled:
		return b.cancel(e)
	case domain.Archived:
		if b.archived || b.flight != "" || !b.shipped && !b.refunded && !b.cancelled {
			return "archived too early"
		}
		b.archived = true
	case domain.Unarchived:
		b.archived = false
	}
	return ""
}

func (b *books) giveBack(e domain.Refunded) string {
	atStripe := b.method == domain.Card && !b.outside && e.Source != domain.FromElsewhere
	switch {
	case b.refunded || b.cancelled || b.flight != "" && b.flight != "refund":
		return "refunded at a wrong time"
	case b.method == domain.Card && (b.taken == 0 || b.returned != 0 || e.Amount != b.taken):
		return "refunded what was not taken"
	case b.method == domain.Card && b.outside && e.Source != "":
		return "given back at Stripe, which had taken nothing"
	case atStripe && b.failed[e.Refund]:
		return "a refund that had failed"
	case e.Source == domain.FromElsewhere && !b.settled(e.Answer):
		return "given back outside Stripe, and nobody decided so"
	case b.method == domain.Account && (b.taken == 0 && !b.shipped || e.Amount != b.total):
		return "refunded, and nothing was entered or shipped"
	}
	b.refunded, b.flight = true, ""
	b.wentBack(e.Refund, e.Answer)
	return ""
}

// wentBack books that all that was taken went back, by which refund. An answer that names none is about the one under way.
func (b *books) wentBack(refund string, a domain.Answer) {
	b.returned = b.taken
	switch {
	case a.Source == domain.FromElsewhere:
		b.refund = ""
	case refund != "":
		b.refund = refund
	}
}

func (b *books) cancel(e domain.Cancelled) string {
	if b.cancelled || b.shipped || b.refunded {
		return "cancelled at a wrong time"
	}
	if e.Source == domain.FromElsewhere != (e.How == domain.SettledElsewhere) {
		return "settled outside Stripe, or not?"
	}
	releasing := b.flight == "cancel hold_released"
	switch {
	case b.method == domain.Account:
		if e.How != domain.NothingToRelease {
			return "an account holds nothing to let go"
		}
	case e.How == domain.HoldReleased:
		if !b.held[b.intent] || b.taken != 0 && !b.outside || !releasing {
			return "released what was not held"
		}
	case e.How == domain.ChargeRefunded:
		if b.taken == 0 || b.returned != 0 || b.outside || b.failed[e.Refund] || b.flight != "cancel charge_refunded" {
			return "refunded what was not taken"
		}
		b.wentBack(e.Refund, e.Answer)
	case e.How == domain.SettledElsewhere:
		if !strings.HasPrefix(b.flight, "cancel") || !b.settled(e.Answer) {
			return "settled outside Stripe, and nobody decided so"
		}
		if !releasing {
			b.wentBack("", e.Answer)
		}
	case e.How == domain.NothingToRelease:
		if b.taken != 0 && !b.bank() && !(b.outside && releasing) || b.held[b.intent] && b.flight == "" && !b.bank() {
			return "cancelled with money still held or taken"
		}
		b.byBank = b.taken != 0 && b.bank()
	default:
		return "cancelled, and nobody says how"
	}
	delete(b.held, b.intent)
	b.cancelled, b.flight = true, ""
	return ""
}

func (b *books) ask(act string, allowed bool) string {
	switch {
	case b.method != domain.Card:
		return "Stripe was asked about an account"
	case b.flight != "":
		return "a second money act while " + b.flight + " is in flight"
	case !allowed || b.refunded || b.cancelled:
		return "asked for money that can't be moved"
	}
	b.flight, b.decided = act, domain.Resumed{}
	return ""
}

func (b *books) answered(acts ...string) string {
	if !slices.Contains(acts, b.flight) {
		return "an answer to nothing"
	}
	if b.flight == "cancel charge_refunded" && b.refund != "" {
		b.failed[b.refund] = true // it was under way
	}
	b.flight = ""
	return ""
}

// agree says where the order and the books differ.
func (b *books) agree(o domain.Order) string {
	flight := string(o.Pending.Act)
	if o.Pending.Act == domain.ActCancel {
		flight += " " + string(o.Pending.How)
	}
	if flight != b.flight {
		return fmt.Sprintf("in flight is %q, by the books %q", flight, b.flight)
	}
	if b.returned < 0 || b.returned > b.taken || b.taken > b.total {
		return fmt.Sprintf("taken %d and returned %d of %d", b.taken, b.returned, b.total)
	}
	if o.Taken != b.taken || o.TakenElsewhere != (b.outside && b.method == domain.Card) {
		return fmt.Sprintf("taken %d (outside Stripe: %v), by the books %d (%v)", o.Taken, o.TakenElsewhere, b.taken, b.outside)
	}
	if gone := b.refunded || b.cancelled && b.taken > 0 && !(b.byBank && !b.bank()); b.method == domain.Card && gone != (o.PaymentState() == domain.WasRefund) {
		return fmt.Sprintf("the payment is %s, by the books given back: %v", o.PaymentState(), gone)
	}
	if owed := b.outside && (b.refunded || b.cancelled) && o.Reverse == ""; owed != o.ReversalIsOwed() {
		return fmt.Sprintf("a reversal is owed: %v, by the books %v", o.ReversalIsOwed(), owed)
	}
	in := map[domain.Tab]bool{
		domain.TabArchived:  b.archived,
		domain.TabCancelled: b.cancelled && !b.archived,
		domain.TabRefunded:  b.refunded && !b.archived,
		domain.TabShipped:   b.shipped && !b.refunded && !b.archived,
		domain.TabPaid:      b.taken > 0 && !b.shipped && !b.refunded && !b.cancelled && !b.archived,
		domain.TabNew:       b.taken == 0 && !b.shipped && !b.refunded && !b.cancelled && !b.archived,
	}
	var tabs []domain.Tab
	for _, tab := range domain.Tabs {
		if in[tab] {
			tabs = append(tabs, tab)
		}
	}
	if len(tabs) != 1 || tabs[0] != o.Tab() {
		return fmt.Sprintf("the tab is %s, by the books %v", o.Tab(), tabs)
	}
	return ""
}

// TestEvolveIsTotal folds events of every type with any content onto any order: whatever stands in the log can be read and
// shown.
func TestEvolveIsTotal(t *testing.T) {
	names := slices.Sorted(maps.Keys(eventsOf))
	rapid.Check(t, func(t *rapid.T) {
		var o domain.Order
		for i := range rapid.IntRange(1, 20).Draw(t, "events") {
			e := eventsOf[rapid.SampledFrom(names).Draw(t, "type")].Draw(t, "event")
			before := o
			o = domain.Evolve(o, e, stamp(o))
			if o.Version != i+1 || before.Version != i {
				t.Fatalf("version %d after %d events", o.Version, i+1)
			}
			if !slices.Contains(domain.Tabs, o.Tab()) || !slices.Contains(domain.Statuses, o.Status()) ||
				!slices.Contains(domain.PaymentStates, o.PaymentState()) {
				t.Fatalf("tab %q, status %q, payment %q", o.Tab(), o.Status(), o.PaymentState())
			}
			for _, b := range o.Badges(begin) {
				if !slices.Contains(domain.Badges, b) {
					t.Fatalf("badge %q", b)
				}
			}
			if _, err := domain.Decide(o, command(t, o)); err != nil && code(err) == "" {
				t.Fatal(err)
			}
		}
	})
}

// Evolve never changes what an older order refers to: others may be reading it.
func TestEvolveLeavesOldOrdersAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var orders []domain.Order
		var said []string
		o := domain.Evolve(domain.Order{}, placedEvent(t), stamp(domain.Order{}))
		for i := range 3 { // as many as leave room behind them, which two futures could both write to
			o = domain.Evolve(o, domain.NoteAdded{NoteID: eventID(70 + i)}, stamp(o))
			o = domain.Evolve(o, domain.DisputeOpened{Dispute: fmt.Sprint("dp_0", i)}, stamp(o))
			o = domain.Evolve(o, domain.ExternalChangeSeen{Object: fmt.Sprint("ch_0", i)}, stamp(o))
		}
		for range 30 {
			// Two futures of one order must not share what they append to.
			fork := domain.Evolve(o, domain.NoteAdded{NoteID: eventID(77)}, stamp(o))
			fork = domain.Evolve(fork, domain.DisputeClosed{Dispute: "dp_1", Outcome: "lost"}, stamp(fork))
			orders, said = append(orders, o, fork), append(said, dump(t, o), dump(t, fork))
			if e, err := domain.Decide(o, command(t, o)); err == nil && e != nil {
				o = domain.Evolve(o, e, stamp(o))
			}
		}
		for i := range orders {
			if now := dump(t, orders[i]); now != said[i] {
				t.Fatalf("order %d was\n%s\nand became\n%s", i, said[i], now)
			}
		}
	})
}

func placedEvent(t *rapid.T) domain.Event {
	e, err := domain.Decide(domain.Order{}, place(domain.Card))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func dump(t *rapid.T, o domain.Order) string {
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
