package domain_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/domain"
)

var update = flag.Bool("update", false, "rewrite testdata")

const transitionsHead = `What can happen to an order: every state that it can be in, and what comes of everything that can be asked of it there.

Generated from the rules, and checked, by:  go test ./domain -run TestTransitions
Written anew, after a rule was changed, by: go test ./domain -run TestTransitions -update

A state is named by its tab (New, Paid, Shipped, Refunded, Cancelled, Archived: see processing orders), then by what else
the rules look at. "in flight" is the one money operation that Stripe has not answered yet. A line says

  command         what is recorded -> the state afterwards, or "stays" where the state is the same
  done already    for these commands there is nothing to do: a success that records nothing
  no: code        these are refused, and nothing is recorded; the code is what programs see

People give the commands Accept, Capture (the button Capture Payment; on account: the entry in the business system, with its
reference), Ship, CorrectTracking, Refund, Cancel, Archive, Unarchive, Reauthorize (a new hold on the card, of another
PaymentIntent) and RecordReversal. The others record what Stripe said and are given by the ledger itself:
  Captured, CaptureFailed, HoldExpired, RefundPending, Refunded, RefundFailed, HoldReleased (cancelled: the hold was let go),
  NothingToRelease (cancelled: the hold was gone), ChargeRefunded (cancelled: the charge was given back), CancelFailed
                  the answer to what is in flight; where nothing is, an answer that nobody waits for
  ... unasked     the same, done by somebody at Stripe or reported later, without the ledger having asked
  CompleteShipment  ships an order whose shipment waited for its capture
A refund that failed has failed for ever: where Refunded, RefundPending or ChargeRefunded come after RefundFailed, they speak of
a new refund. What can't go on is parked (see the marks at the end), and a person decides: to retry it; to adopt what Stripe
shows; to settle it, since the money moved outside Stripe, which is then recorded (Settled); or to abandon it.

Before an order is placed, all of them are refused: order_not_found. Placing it again is done already when the content is
the same and refused (order_exists) when it is not, in every state. Capturing an order paid by card with a reference, as if it
were on account, is refused (bad_value) in every state.
Notes, disputes, parked operations and other marks stand at the end, with only what they change.
`

// row is one command of the table.
type row struct {
	name string
	give asking
}

func always(c domain.Command) asking { return func(domain.Order) domain.Command { return c } }

// otherTracking is always a correction.
func otherTracking(o domain.Order) domain.Command {
	if slices.Equal(o.Tracking, parcel) {
		return domain.CorrectTracking{Tracking: parcel2}
	}
	return domain.CorrectTracking{Tracking: parcel}
}

func otherHold(o domain.Order) domain.Command {
	if o.Hold.PaymentIntent == "pi_1" {
		return domain.Reauthorize{Authorization: hold("pi_2")}
	}
	return domain.Reauthorize{Authorization: hold("pi_1")}
}

// The references that an order holds already, where it does, and others.
func sameEntry(o domain.Order) domain.Command {
	if o.Method == domain.Card {
		return domain.Capture{}
	}
	return domain.Capture{ExternalReference: cmp.Or(o.Entry, "INV-1")}
}

func otherEntry(o domain.Order) domain.Command {
	return domain.Capture{ExternalReference: o.Entry + "2"}
}

func sameReversal(o domain.Order) domain.Command {
	return domain.RecordReversal{ExternalReference: cmp.Or(o.Reverse, "CN-1")}
}

func otherReversal(o domain.Order) domain.Command {
	return domain.RecordReversal{ExternalReference: o.Reverse + "2"}
}

func unaskedCapture(o domain.Order) domain.Command {
	c := captured(o).(domain.RecordCaptured)
	c.Answer = unasked
	return c
}

func unaskedExpiry(o domain.Order) domain.Command {
	return domain.RecordAuthorizationExpired{PaymentIntent: o.Hold.PaymentIntent, Reason: "automatic", Answer: unasked}
}

func unaskedRefund(o domain.Order) domain.Command {
	return domain.RecordRefunded{Refund: refundOf(o), Amount: o.Taken, Currency: o.Currency, Answer: unasked}
}

func unaskedFailure(o domain.Order) domain.Command {
	return domain.RecordRefundFailed{Refund: failedRefundOf(o), Failure: declined, Answer: unasked}
}

var (
	peopleRows = []row{
		{"Accept", always(domain.Accept{})},
		{"Capture", sameEntry},
		{"Ship", always(domain.Ship{})},
		{"CorrectTracking", otherTracking},
		{"Refund", always(domain.Refund{})},
		{"Cancel", always(domain.Cancel{})},
		{"Archive", always(domain.Archive{})},
		{"Unarchive", always(domain.Unarchive{})},
	}
	cardRows = slices.Concat(
		peopleRows,
		[]row{
			{"Reauthorize", otherHold},
			{"RecordReversal", sameReversal},
			{"Captured", captured},
			{"Captured unasked", unaskedCapture},
			{"CaptureFailed", captureRefused},
			{"HoldExpired", expired},
			{"HoldExpired unasked", unaskedExpiry},
			{"CompleteShipment", shipmentCompleted},
			{"RefundPending", refundTaken},
			{"Refunded", refunded},
			{"Refunded unasked", unaskedRefund},
			{"RefundFailed", refundFailed},
			{"RefundFailed unasked", unaskedFailure},
			{"HoldReleased", holdReleased},
			{"NothingToRelease", nothingToRelease},
			{"ChargeRefunded", chargeRefunded},
			{"CancelFailed", cancelRefused},
		})
	accountRows = slices.Concat(
		peopleRows,
		[]row{
			{"Capture, other reference", otherEntry},
			{"Capture, no reference", always(domain.Capture{})},
			{"Reauthorize", otherHold},
			{"RecordReversal", sameReversal},
			{"RecordReversal, other reference", otherReversal},
			{"Captured", captured},
			{"HoldExpired", expired},
			{"Refunded", refunded},
			{"RefundFailed", refundFailed},
			{"HoldReleased", holdReleased},
			{"CancelFailed", cancelRefused},
		})
)

// describe names all that the rules look at, marks aside. That nothing is missing here is checked: orders of one name must
// answer alike.
func describe(o domain.Order) string {
	var facts []string
	say := func(applies bool, fact string) {
		if applies {
			facts = append(facts, fact)
		}
	}
	tab, settled := o.Tab(), o.CancelledAt != nil || o.RefundedAt != nil
	say(tab == domain.TabArchived && o.CancelledAt != nil, "cancelled")
	say(tab == domain.TabArchived && o.RefundedAt != nil, "refunded")
	say(tab == domain.TabArchived && !settled, "shipped")
	say(o.RefundedAt != nil && o.ShippedAt != nil, "after shipping")
	say(o.RefundedAt != nil && o.ShippedAt == nil, "before shipping")
	say(o.Settled == domain.HoldReleased, "hold released")
	say(o.Settled == domain.ChargeRefunded, "charge refunded")
	byBank := o.Captured() && !o.TakenElsewhere
	say(o.Method == domain.Card && o.Settled == domain.NothingToRelease && !byBank, "hold was gone")
	say(o.Method == domain.Card && o.Settled == domain.NothingToRelease && byBank, "money given back by the bank")
	say(o.Settled == domain.SettledElsewhere && !byBank, "hold let go outside Stripe")
	say(o.Settled == domain.SettledElsewhere && byBank, "money given back outside Stripe")
	say(o.TakenElsewhere, "paid outside Stripe")
	say(o.Method == domain.Card && !o.TakenElsewhere && o.RefundedAt != nil && o.Refund == "", "money given back outside Stripe")
	if !settled && !o.Captured() && o.ShippedAt == nil {
		say(o.AcceptedAt == nil, "not accepted")
		say(o.AcceptedAt != nil, "accepted")
		say(o.Method == domain.Card && o.HoldExpired, "hold expired")
		say(o.CaptureFailed, "capture failed")
	}
	say(o.RefundFailed, "refund failed")
	if o.Method == domain.Account && (o.Captured() || o.ShippedAt != nil) {
		say(o.EntryIsOwed(), "entry owed")
		say(!o.EntryIsOwed() && !o.Captured(), "no entry")
		say(o.Captured() && !settled, "entry recorded")
	}
	say(o.ReversalIsOwed(), "reversal owed")
	say(o.Reverse != "", "reversal recorded")
	if act := o.Pending.Act; act != "" {
		fact := string(act) + " in flight"
		switch {
		case act == domain.ActCancel && o.Pending.How == domain.HoldReleased:
			fact += ", to release the hold"
		case act == domain.ActCancel:
			fact += ", to refund the charge"
		case act == domain.ActShip && o.Captured():
			fact = "captured, shipment in flight"
		case act == domain.ActShip:
			fact = "capture in flight, then shipment"
		}
		if o.RefundPending {
			fact += ", taken on by Stripe"
		}
		facts = append(facts, fact)
	}
	name := strings.ToUpper(string(tab[:1])) + string(tab[1:])
	if len(facts) == 0 {
		return name
	}
	return name + ": " + strings.Join(facts, "; ")
}

// outcome is what comes of one command: the event and the order afterwards, nothing, or a code.
type outcome struct {
	said  string
	next  domain.Order
	event bool // an event was recorded
}

func answer(o domain.Order, r row) outcome {
	e, err := domain.Decide(o, r.give(o))
	switch {
	case err != nil:
		return outcome{said: "no: " + string(code(err))}
	case e == nil:
		return outcome{said: "done already"}
	}
	next := domain.Evolve(o, e, stamp(o))
	to := describe(next)
	if to == describe(o) {
		to = "stays"
	}
	return outcome{said: e.EventType() + " -> " + to, next: next, event: true}
}

// node is one state of the search.
type node struct {
	name, path string
	order      domain.Order
	said       []string // by row
}

// start is a state that a way of several commands leads to.
type start struct {
	path     string
	commands []any
}

// search finds every state that can be reached, nearest first, and without what comes unasked or through a person's decision
// where that can be.
func search(t *testing.T, first domain.Command, rows []row, decided []start) []*node {
	t.Helper()
	start := &node{order: given(t, first), path: first.CommandName()}
	start.name = describe(start.order)
	found := map[string]*node{start.name: start}
	var all, unasked []*node
	for open := []*node{start}; len(open) > 0; {
		n := open[0]
		open = open[1:]
		if known := found[n.name]; known != n && known != nil {
			sameAnswers(t, known, n, rows)
		} else {
			found[n.name] = n
			all = append(all, n)
			for _, r := range rows {
				out := answer(n.order, r)
				n.said = append(n.said, out.said)
				next := &node{name: describe(out.next), path: n.path + ", " + r.name, order: out.next}
				switch {
				case !out.event:
				case strings.HasSuffix(r.name, " unasked"):
					unasked = append(unasked, next)
				default:
					open = append(open, next)
				}
			}
		}
		if len(open) == 0 {
			open, unasked = unasked, nil
		}
		if len(open) == 0 && len(decided) > 0 {
			o := given(t, decided[0].commands...)
			open = append(open, &node{name: describe(o), path: decided[0].path, order: o})
			decided = decided[1:]
		}
	}
	slices.SortStableFunc(all, func(a, b *node) int {
		return slices.Index(domain.Tabs, a.order.Tab()) - slices.Index(domain.Tabs, b.order.Tab())
	})
	return all
}

// sameAnswers proves that a state's name says all that the rules look at, whatever way led there.
func sameAnswers(t *testing.T, known, other *node, rows []row) {
	t.Helper()
	for i, r := range rows {
		if said := answer(other.order, r).said; said != known.said[i] {
			t.Errorf("two orders are %q, but to %s one says %q (%s) and the other %q (%s)",
				known.name, r.name, known.said[i], known.path, said, other.path)
		}
	}
}

// write says a state: events one by one, then what is done already, then the refusals by code.
func (n *node) write(b *strings.Builder, rows []row) {
	fmt.Fprintf(b, "\n%s\n  (by %s)\n", n.name, n.path)
	var order []string
	grouped := map[string][]string{}
	for i, said := range n.said {
		if strings.Contains(said, " -> ") {
			fmt.Fprintf(b, "  %-22s %s\n", rows[i].name, said)
			continue
		}
		if grouped[said] == nil {
			order = append(order, said)
		}
		grouped[said] = append(grouped[said], rows[i].name)
	}
	slices.SortStableFunc(order, func(a, b string) int { return strings.Compare(a[:2], b[:2]) })
	for _, said := range order {
		writeGroup(b, said, grouped[said])
	}
}

func writeGroup(b *strings.Builder, said string, names []string) {
	const width = 128
	line := fmt.Sprintf("  %-26s ", said)
	for i, name := range names {
		if i < len(names)-1 {
			name += "; "
		}
		if len(line)+len(name) > width {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = strings.Repeat(" ", 29)
		}
		line += name
	}
	b.WriteString(line + "\n")
}

// settledStarts are the card orders whose money a person settled outside Stripe.
func settledStarts() (starts []start) {
	held := []any{card, domain.Accept{}}
	paid := append(held[:2:2], domain.Capture{}, captured)
	for _, s := range []struct {
		path   string
		before []any
		act    domain.Command
	}{
		{"Place, Accept", held, domain.Capture{}},
		{"Place, Accept", held, domain.Ship{}},
		{"Place, Accept", held, domain.Cancel{}},
		{"Place, Accept, Capture, Captured", paid, domain.Refund{}},
		{"Place, Accept, Capture, Captured, Ship", append(paid[:4:4], domain.Ship{}), domain.Refund{}},
		{"Place, Accept, Capture, Captured", paid, domain.Cancel{}},
	} {
		starts = append(starts, start{
			path:     s.path + ", " + s.act.CommandName() + ", Park, Resume settle, Settled",
			commands: append(s.before[:len(s.before):len(s.before)], s.act, parked, decide(domain.Settle), settledElsewhere),
		})
	}
	return starts
}

// chain is several commands, of which the last one's outcome is told.
type chain struct {
	name string
	give []asking
}

func (c chain) answer(o domain.Order) string {
	var out outcome
	for _, give := range c.give {
		if out = answer(o, row{c.name, give}); !out.event {
			return out.said
		}
		o = out.next
	}
	return out.said
}

func one(name string, c domain.Command) chain { return chain{name, []asking{always(c)}} }

// mark is something on an order that is no state of its own: set by a command, wherever that can be.
type mark struct {
	title, says string
	put         row
	ask         []chain // commands of the mark itself, asked beside the others
}

var marks = []mark{
	{
		"A dispute is open", "card orders; a badge",
		row{"DisputeOpened", always(domain.RecordDisputeOpened{Dispute: "dp_1", Amount: 47238})},
		[]chain{
			one("DisputeClosed, won", domain.RecordDisputeClosed{Dispute: "dp_1", Outcome: "won"}),
			{"DisputeClosed, lost, then Refund", []asking{
				always(domain.RecordDisputeClosed{Dispute: "dp_1", Outcome: "lost"}), always(domain.Refund{}),
			}},
			{"DisputeClosed, lost, then Cancel", []asking{
				always(domain.RecordDisputeClosed{Dispute: "dp_1", Outcome: "lost"}), always(domain.Cancel{}),
			}},
		},
	},
	{
		"What is in flight is parked: it waits for a person, who decides Resume", "card orders; a badge",
		row{"Park", parked},
		[]chain{
			one("Resume, retry", decide(domain.Retry)),
			one("Resume, adopt", decide(domain.Adopt)),
			one("Resume, settle", decide(domain.Settle)),
			one("Resume, abandon", decide(domain.Abandon)),
			{"Resume, adopt, then Captured of a part", []asking{always(decide(domain.Adopt)), partCaptured}},
			{"Resume, settle, then Settled outside Stripe", []asking{always(decide(domain.Settle)), settledElsewhere}},
			{"Resume, retry, then Settled outside Stripe", []asking{always(decide(domain.Retry)), settledElsewhere}},
		},
	},
	{
		"The manufacturer's time to confirm has passed", "a badge",
		row{"ConfirmationMissed", always(domain.RecordConfirmationMissed{Now: confirm.By})},
		nil,
	},
	{
		"Stripe said something that nobody in the ledger asked for", "card orders; stands in the timeline",
		row{"ExternalChange", always(domain.RecordExternalChange{Object: "ch_1", Change: "refunded_partly", Amount: 1})},
		nil,
	},
	{
		"A note", "stands in the timeline",
		row{"AddNote", always(domain.AddNote{NoteID: eventID(99), Text: "call first"})},
		nil,
	},
}

// write says where the mark can be put, and which answers differ once it is there.
func (m mark) write(b *strings.Builder, kind string, nodes []*node, rows []row) {
	var lines []string
	states := map[string][]string{}
	add := func(line, state string) {
		if states[line] == nil {
			lines = append(lines, line)
		}
		states[line] = append(states[line], state)
	}
	for _, n := range nodes {
		out := answer(n.order, m.put)
		add(m.put.name+": "+out.said, n.name)
		if !out.event {
			continue
		}
		add("and then "+m.put.name+": "+answer(out.next, m.put).said, n.name)
		for i, r := range rows {
			if now := answer(out.next, r).said; now != n.said[i] {
				add("and then "+r.name+": "+now+", instead of "+n.said[i], n.name)
			}
		}
		for _, c := range m.ask {
			add("and then "+c.name+": "+c.answer(out.next), n.name)
		}
	}
	fmt.Fprintf(b, "  %s\n", kind)
	for _, line := range lines {
		if len(states[line]) == len(nodes) {
			fmt.Fprintf(b, "    %s, in every state\n", line)
			continue
		}
		fmt.Fprintf(b, "    %s, in %d of %d states\n", line, len(states[line]), len(nodes))
		if strings.HasPrefix(line, "and then") || 2*len(states[line]) > len(nodes) {
			continue
		}
		for _, state := range states[line] {
			fmt.Fprintf(b, "      %s\n", state)
		}
	}
}

func TestTransitions(t *testing.T) {
	type part struct {
		title, kind string
		place       domain.Place
		rows        []row
		decided     []start
		nodes       []*node
	}
	parts := []part{
		{title: "ORDERS PAID BY CARD", kind: "card orders", place: card, rows: cardRows, decided: settledStarts()},
		{title: "ORDERS ON ACCOUNT", kind: "orders on account", place: account, rows: accountRows},
	}
	var b strings.Builder
	b.WriteString(transitionsHead)
	for i := range parts {
		p := &parts[i]
		p.nodes = search(t, p.place, p.rows, p.decided)
		unplaced(t, p.rows)
		placedAgain(t, p.nodes, p.place)
		fmt.Fprintf(&b, "\n\n%s: %d states\n", p.title, len(p.nodes))
		for _, n := range p.nodes {
			n.write(&b, p.rows)
		}
	}
	b.WriteString("\n\nMARKS: what changes nothing but these answers\n")
	for _, m := range marks {
		fmt.Fprintf(&b, "\n%s (%s)\n", m.title, m.says)
		for _, p := range parts {
			m.write(&b, p.kind, p.nodes, p.rows)
		}
	}
	compare(t, filepath.Join("testdata", "transitions.txt"), b.String())
}

// unplaced proves what the table's head says of orders that don't exist.
func unplaced(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		if got := answer(domain.Order{}, r).said; got != "no: order_not_found" {
			t.Errorf("%s on no order: %s", r.name, got)
		}
	}
}

// placedAgain proves what the table's head says of orders that are placed again, and of references on card orders.
func placedAgain(t *testing.T, nodes []*node, same domain.Place) {
	t.Helper()
	other := same
	other.Intake.ShippingMethod = "by air"
	for _, n := range nodes {
		if got := answer(n.order, row{give: always(same)}).said; got != "done already" {
			t.Errorf("%s: placed again: %s", n.name, got)
		}
		if got := answer(n.order, row{give: always(other)}).said; got != "no: order_exists" {
			t.Errorf("%s: placed again with other content: %s", n.name, got)
		}
		entry := row{give: always(domain.Capture{ExternalReference: "INV-1"})}
		if got := answer(n.order, entry).said; n.order.Method == domain.Card && got != "no: bad_value" {
			t.Errorf("%s: captured with a reference: %s", n.name, got)
		}
	}
}

// compare checks a generated file, or writes it with -update.
func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; write it with -update", err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		g, w := "(end)", "(end)"
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Fatalf("%s:%d differs from the rules.\n  file:  %s\n  rules: %s\nIf the rules are right, rewrite it with -update and review the difference.", file, i+1, w, g)
		}
	}
}
