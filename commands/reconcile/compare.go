package reconcile

import (
	"fmt"
	"slices"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

// patience is how long an act, or an order that a payment names, may be on its way.
const patience = 15 * time.Minute

// verdict is what a comparison has come to.
type verdict struct {
	found     []Difference
	inFlight  bool // an act is on its way, and not for long
	elsewhere bool // settled outside Stripe, which left the money alone
}

// comparison is one order against what Stripe says of its payments.
type comparison struct {
	account *account
	live    bool // what payments should be
	now     time.Time
	verdict
}

// payment compares one PaymentIntent that is the order's, was, or names it. Its refunds and disputes must be complete.
func (c *comparison) payment(pi commands.PaymentIntent) {
	switch a := c.account; {
	case pi.ID == a.hold && a.hold != "":
		c.current(pi)
	case slices.Contains(a.replaced, pi.ID):
		c.replaced(pi)
	default:
		c.stray(pi)
	}
}

// held is what could be taken now.
func held(pi commands.PaymentIntent) int64 {
	if pi.Status != "requires_capture" {
		return 0
	}
	return pi.Capturable
}

// back is what refunds have given back or are about to.
func back(pi commands.PaymentIntent) (sum int64) {
	for _, r := range pi.Refunds {
		if !undone(r) {
			sum += r.Amount
		}
	}
	return sum
}

func undone(r commands.PaymentRefund) bool { return r.Status == "failed" || r.Status == "canceled" }

// kept is what was taken and not given back.
func kept(pi commands.PaymentIntent) int64 { return max(0, pi.Received-back(pi)) }

// moves says whether a PaymentIntent holds money of the customer's or has any.
func moves(pi commands.PaymentIntent) bool {
	return held(pi) > 0 || kept(pi) > 0 || pi.Status == "processing"
}

// stray looks at a PaymentIntent that names the order and that the order does not know: an attempt that came to nothing is none
// of the ledger's business.
func (c *comparison) stray(pi commands.PaymentIntent) {
	switch a := c.account; {
	case !moves(pi):
	case c.now.Sub(pi.Created) < patience:
		c.inFlight = true
	case !a.exists():
		c.differs(UnknownOrder, pi, pi.ID, Side{State: "none"}, standing(pi))
	default:
		c.differs(UnknownPayment, pi, pi.ID, Side{State: "none"}, standing(pi))
	}
}

// replaced looks at a hold that Reauthorize has put another one in the place of.
func (c *comparison) replaced(pi commands.PaymentIntent) {
	c.mode(pi)
	gone := c.side("replaced", 0)
	switch {
	case kept(pi) > 0:
		c.differs(CapturedAtStripeOnly, pi, pi.ID, gone, standing(pi))
	case held(pi) > 0:
		c.differs(ReleasedInLedgerOnly, pi, pi.ID, gone, standing(pi))
	}
}

func (c *comparison) mode(pi commands.PaymentIntent) {
	if pi.Livemode != c.live {
		c.differs(Livemode, pi, pi.ID, c.side(modeOf(c.live), c.account.total), Side{modeOf(pi.Livemode), pi.Amount, pi.Currency})
	}
}

func modeOf(live bool) string {
	if live {
		return "live"
	}
	return "test"
}

// current compares the payment that the order rests on.
func (c *comparison) current(pi commands.PaymentIntent) {
	a := c.account
	c.mode(pi)
	c.disputes(pi)
	if pi.Currency != string(a.currency) {
		c.differs(Currency, pi, pi.ID, c.ledger(), standing(pi))
		return
	}
	switch {
	case pi.Status == "processing":
		c.inFlight = true
	case a.moving():
		c.moving(pi)
	case !a.captured:
		c.untaken(pi)
	case a.takenElsewhere:
		c.settledElsewhere(pi, kept(pi))
		if a.settled == domain.HoldReleased && held(pi) > 0 {
			c.differs(ReleasedInLedgerOnly, pi, pi.ID, c.side("released", 0), standing(pi))
		}
	case pi.Received == 0:
		c.differs(CapturedInLedgerOnly, pi, pi.ID, c.ledger(), standing(pi))
	default:
		if pi.Received != a.taken {
			c.differs(Amount, pi, pi.ID, c.side("taken", a.taken), standing(pi))
		}
		c.refunds(pi)
	}
}

// settledElsewhere looks at money that a person has settled outside Stripe, which must not have moved at Stripe too.
func (c *comparison) settledElsewhere(pi commands.PaymentIntent, moved int64) {
	if moved == 0 {
		c.elsewhere = true
		return
	}
	s := standing(pi)
	s.Amount = moved
	c.differs(SettledOutOfBand, pi, pi.ID, c.ledger(), s)
}

// moving looks at an order with an act in flight, of which the ledger does not say what came of it. A refund that Stripe works on,
// too, is as it should be, however long that takes.
func (c *comparison) moving(pi commands.PaymentIntent) {
	a := c.account
	atWork := a.refundPending && slices.ContainsFunc(pi.Refunds, func(r commands.PaymentRefund) bool {
		return r.ID == a.refund && r.Status != "succeeded" && !undone(r)
	})
	if atWork || c.now.Sub(a.since) < patience {
		c.inFlight = true
		return
	}
	c.differs(InFlight, pi, pi.ID, c.ledger(), standing(pi))
}

// untaken compares a payment of which the ledger has taken nothing.
func (c *comparison) untaken(pi commands.PaymentIntent) {
	a := c.account
	closed := a.cancelled || a.expired
	switch {
	case a.settled == domain.SettledElsewhere:
		c.settledElsewhere(pi, kept(pi))
	case pi.Received > 0:
		if !closed || kept(pi) > 0 {
			c.differs(CapturedAtStripeOnly, pi, pi.ID, c.ledger(), standing(pi))
		}
	case pi.Status == "requires_capture":
		switch {
		case a.cancelled:
			c.differs(ReleasedInLedgerOnly, pi, pi.ID, c.ledger(), standing(pi))
		case a.expired:
			c.differs(ExpiredInLedgerOnly, pi, pi.ID, c.ledger(), standing(pi))
		case pi.Capturable != a.total:
			c.differs(Amount, pi, pi.ID, c.ledger(), standing(pi))
		}
	case closed:
	case pi.Status == "canceled" && ranOut(pi):
		c.differs(ExpiredAtStripeOnly, pi, pi.ID, c.ledger(), standing(pi))
	case pi.Status == "canceled", !a.captureFailed:
		c.differs(ReleasedAtStripeOnly, pi, pi.ID, c.ledger(), standing(pi))
	}
}

func ranOut(pi commands.PaymentIntent) bool {
	return pi.CancellationReason == "automatic" || pi.CancellationReason == "expired"
}

// refunds compares what went back of a payment that both sides say was taken.
func (c *comparison) refunds(pi commands.PaymentIntent) {
	a, sum := c.account, back(pi)
	atStripe := Side{"refunded", sum, pi.Currency}
	if a.givenElsewhere {
		c.settledElsewhere(pi, sum)
		return
	}
	if a.given == 0 {
		if sum > 0 {
			c.differs(RefundedAtStripeOnly, pi, lastRefund(pi), c.ledger(), atStripe)
		}
		return
	}
	at := slices.IndexFunc(pi.Refunds, func(r commands.PaymentRefund) bool { return r.ID == a.refund })
	switch {
	case at < 0:
		if sum == 0 {
			atStripe.State = "none"
		}
		c.differs(RefundedInLedgerOnly, pi, a.refund, c.ledger(), atStripe)
	case pi.Refunds[at].Status != "succeeded":
		r := pi.Refunds[at]
		c.differs(RefundStatus, pi, a.refund, c.ledger(), Side{"refund " + r.Status, r.Amount, r.Currency})
	case sum != a.given:
		c.differs(RefundAmount, pi, a.refund, c.ledger(), atStripe)
	}
}

func lastRefund(pi commands.PaymentIntent) string {
	for _, r := range slices.Backward(pi.Refunds) {
		if !undone(r) {
			return r.ID
		}
	}
	return pi.ID
}

func (c *comparison) disputes(pi commands.PaymentIntent) {
	for _, d := range pi.Disputes {
		atStripe := Side{"dispute " + d.Status, d.Amount, d.Currency}
		at := slices.IndexFunc(c.account.disputes, func(known domain.Dispute) bool { return known.ID == d.ID })
		if at < 0 {
			c.differs(DisputeUnknown, pi, d.ID, c.side("none", 0), atStripe)
			continue
		}
		outcome := c.account.disputes[at].Outcome
		if (d.Closed() && outcome != d.Status) || (!d.Closed() && outcome != "") {
			c.differs(DisputeStatus, pi, d.ID, disputed(outcome), atStripe)
		}
	}
	for _, known := range c.account.disputes {
		if !slices.ContainsFunc(pi.Disputes, func(d commands.PaymentDispute) bool { return d.ID == known.ID }) {
			c.differs(MissingAtStripe, pi, known.ID, disputed(known.Outcome), Side{State: "none"})
		}
	}
}

func disputed(outcome string) Side {
	if outcome == "" {
		outcome = "open"
	}
	return Side{State: "dispute " + outcome}
}

// missing says that Stripe doesn't show one of the order's PaymentIntents.
func (c *comparison) missing(id string) {
	c.differs(MissingAtStripe, commands.PaymentIntent{ID: id}, id, c.ledger(), Side{State: "none"})
}

// together looks at all payments of the order: a second one that was taken is worse than one that is only not known.
func (c *comparison) together(all []commands.PaymentIntent) {
	for i := range c.found {
		d := &c.found[i]
		if d.Code != CapturedAtStripeOnly && d.Code != UnknownPayment {
			continue
		}
		here, other := false, c.account.captured && d.PaymentIntent != c.account.hold
		for _, pi := range all {
			if pi.ID == d.PaymentIntent {
				here = kept(pi) > 0
			} else {
				other = other || kept(pi) > 0
			}
		}
		if here && other {
			d.Code, d.Todo, d.Ledger = TwoCaptures, todo[TwoCaptures], c.ledger()
		}
	}
}

func (c *comparison) differs(code Code, pi commands.PaymentIntent, object string, ledger, atStripe Side) {
	if object == "" {
		object = pi.ID
	}
	c.found = append(c.found, Difference{
		Code: code, OrderID: c.account.order, OrderNumber: c.account.number, Manufacturer: c.account.manufacturer,
		PaymentIntent: pi.ID, Object: object, Ledger: ledger, Stripe: atStripe, Todo: todo[code],
	})
}

func (c *comparison) side(state string, amount int64) Side {
	return Side{state, amount, string(c.account.currency)}
}

// ledger is how the order's money stands, as the ledger says it.
func (c *comparison) ledger() Side {
	a := c.account
	switch {
	case a.moving() && a.parked:
		return c.side(fmt.Sprintf("%s parked", a.pending), c.asked())
	case a.moving():
		return c.side(fmt.Sprintf("%s requested", a.pending), c.asked())
	case a.settled == domain.SettledElsewhere, a.givenElsewhere, a.takenElsewhere && !a.cancelled && !a.refunded:
		return c.side("settled elsewhere", max(a.taken, a.total))
	case a.given > 0:
		return c.side("refunded", a.given)
	case a.captured:
		return c.side("taken", a.taken)
	case a.cancelled:
		return c.side("released", 0)
	case a.expired:
		return c.side("expired", 0)
	}
	return c.side("held", a.total)
}

// asked is how much the act in flight is about.
func (c *comparison) asked() int64 {
	if c.account.captured {
		return c.account.taken
	}
	return c.account.total
}

// standing is how a PaymentIntent's money stands, as Stripe says it.
func standing(pi commands.PaymentIntent) Side {
	s := Side{State: pi.Status, Amount: held(pi), Currency: pi.Currency}
	switch {
	case pi.Received > 0:
		s.Amount = pi.Received
	case pi.CancellationReason != "":
		s.State += " (" + pi.CancellationReason + ")"
	}
	switch sum := back(pi); {
	case sum == 0:
	case sum < pi.Received:
		s.State += ", partly refunded"
	default:
		s.State += ", refunded"
	}
	return s
}
