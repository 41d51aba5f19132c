package reconcile

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
)

// reach is how much further back Stripe is listed than orders are compared: a payment is older than its order, seldom by more than
// the life of a hold. What the lists don't show is read by its id.
const reach = 7 * 24 * time.Hour

// lists reads what Stripe has, compares it with the book while it goes by, and keeps what must be looked at again.
type lists struct {
	run   *Run
	book  *book
	since time.Time

	refunds  map[string][]commands.PaymentRefund // of PaymentIntents that the book knows
	disputes map[string][]commands.PaymentDispute
	suspects suspects
	figures  Figures
}

// read reads all lists. It does not return before each has come to its end, or with an error.
func (l *lists) read(ctx context.Context) error {
	for _, list := range []func(context.Context) error{l.readRefunds, l.readDisputes, l.readIntents} {
		if err := l.run.patiently(ctx, func() error { return list(ctx) }); err != nil {
			return fmt.Errorf("list what Stripe has: %w", err)
		}
	}
	for id, p := range l.book.payments {
		a := l.book.accounts[p.order]
		// An order that is not compared is looked at when something was done to its payment.
		if !p.listed && (a != nil && l.covers(a) || l.newsOf(id)) {
			l.suspects.add(p.order, id)
		}
	}
	return nil
}

func (l *lists) covers(a *account) bool { return !a.received.Before(l.since) }

// newsOf says whether a payment was given back or disputed since.
func (l *lists) newsOf(paymentIntent string) bool {
	for _, r := range l.refunds[paymentIntent] {
		if !r.Created.Before(l.since) {
			return true
		}
	}
	for _, d := range l.disputes[paymentIntent] {
		if !d.Created.Before(l.since) {
			return true
		}
	}
	return false
}

// each hands every thing of a list to see.
func each[T any](r *Run, phase Phase, list iter.Seq2[T, error], see func(T)) (n int, err error) {
	r.progress(Progress{Phase: phase})
	for x, err := range list {
		if err != nil {
			return n, err
		}
		see(x)
		if n++; n%100 == 0 {
			r.progress(Progress{Phase: phase, Done: n})
		}
	}
	return n, nil
}

func (l *lists) readRefunds(ctx context.Context) error {
	found := map[string][]commands.PaymentRefund{}
	ours := 0
	_, err := each(l.run, ReadingRefunds, l.run.cfg.Lists.Refunds(ctx, l.from()), func(r commands.PaymentRefund) {
		if l.book.payments[r.PaymentIntent] == nil {
			return
		}
		if !r.Created.Before(l.since) {
			ours++
		}
		found[r.PaymentIntent] = append(found[r.PaymentIntent], commands.PaymentRefund{
			ID: r.ID, Status: r.Status, Amount: r.Amount, Currency: r.Currency, Created: r.Created,
		})
	})
	l.refunds, l.figures.Refunds = found, ours
	return err
}

func (l *lists) readDisputes(ctx context.Context) error {
	found := map[string][]commands.PaymentDispute{}
	ours := 0
	_, err := each(l.run, ReadingDisputes, l.run.cfg.Lists.Disputes(ctx, l.from()), func(d commands.PaymentDispute) {
		if l.book.payments[d.PaymentIntent] == nil {
			return
		}
		if !d.Created.Before(l.since) {
			ours++
		}
		found[d.PaymentIntent] = append(found[d.PaymentIntent], commands.PaymentDispute{
			ID: d.ID, Status: d.Status, Amount: d.Amount, Currency: d.Currency, Created: d.Created,
		})
	})
	l.disputes, l.figures.Disputes = found, ours
	return err
}

func (l *lists) from() time.Time { return l.since.Add(-reach) }

func (l *lists) readIntents(ctx context.Context) error {
	f := l.figures
	f.Payments, f.NotOurs, f.InFlight, f.SettledElsewhere = 0, 0, 0, 0
	_, err := each(l.run, ReadingPayments, l.run.cfg.Lists.Intents(ctx, l.from()), func(pi commands.PaymentIntent) {
		order, ours := l.orderOf(pi)
		switch {
		case !ours:
			if !pi.Created.Before(l.since) {
				f.NotOurs++
			}
			return
		case order == nil:
			if !pi.Created.Before(l.since) {
				f.Payments++
			}
			return
		}
		f.Payments++
		pi.Refunds, pi.Disputes = l.refunds[pi.ID], l.disputes[pi.ID]
		c := l.run.comparison(order)
		c.payment(pi)
		if len(c.found) > 0 {
			l.suspects.add(order.order, pi.ID)
			return
		}
		if c.inFlight {
			f.InFlight++
		}
		if c.elsewhere {
			f.SettledElsewhere++
		}
	})
	l.figures = f
	return err
}

// orderOf finds the account that a listed PaymentIntent is to be compared with; nil when there is nothing to compare, or it is to
// be looked at by itself. Claims come before metadata, which anybody can change who has the key.
func (l *lists) orderOf(pi commands.PaymentIntent) (a *account, ours bool) {
	if p := l.book.payments[pi.ID]; p != nil {
		a = l.book.accounts[p.order]
		if a == nil { // claimed by an order on account
			p.listed = true
			l.stray(p.order, pi)
			return nil, true
		}
		if p.listed = l.covers(a); !p.listed {
			return nil, true
		}
		return a, true
	}
	order, err := uuid.Parse(pi.OrderID)
	if err != nil {
		return nil, false
	}
	l.stray(order, pi)
	return nil, true
}

// stray keeps a PaymentIntent that no order knows, if any money hangs on it.
func (l *lists) stray(order uuid.UUID, pi commands.PaymentIntent) {
	if pi.Created.Before(l.since) {
		return
	}
	if held(pi) > 0 || pi.Received > 0 || pi.Status == "processing" {
		l.suspects.add(order, pi.ID)
	}
}

// suspects are the orders that must be looked at again, in the order in which they were found, with what else was found of each.
type suspects struct {
	orders   []uuid.UUID
	payments map[uuid.UUID][]string
}

func (s *suspects) add(order uuid.UUID, paymentIntent string) {
	if s.payments == nil {
		s.payments = map[uuid.UUID][]string{}
	}
	known, seen := s.payments[order]
	if !seen {
		s.orders = append(s.orders, order)
	}
	for _, id := range known {
		if id == paymentIntent {
			return
		}
	}
	s.payments[order] = append(known, paymentIntent)
}
