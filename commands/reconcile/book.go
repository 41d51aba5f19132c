package reconcile

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Log is what is read of the log; an eventstore.Store is one.
type Log interface {
	Head(ctx context.Context) (eventstore.Position, error)
	Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error)
	ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error]
}

// book is what the log says of all card orders' money, up to a position.
type book struct {
	position eventstore.Position
	accounts map[uuid.UUID]*account
	payments map[string]*payment
	words    map[string]string // manufacturers and currencies: the same few again and again
}

// payment is a PaymentIntent that the ledger knows.
type payment struct {
	order  uuid.UUID
	listed bool // Stripe has shown it in this run
}

const (
	pageSize     = 1000
	tellProgress = 5000 // events
)

// readBook folds the log up to its head as it is now.
func readBook(ctx context.Context, log Log, codec eventstore.Codec, progress func(Progress)) (*book, error) {
	b := &book{accounts: map[uuid.UUID]*account{}, payments: map[string]*payment{}, words: map[string]string{}}
	end, err := log.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	b.position = end
	if end == 0 {
		return b, nil
	}
	sub, err := log.Subscribe(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	defer func() { _ = sub.Close() }() // only read from: closing it has nothing to lose
	for last, events := eventstore.Position(0), 0; last < end; {
		page, err := sub.Next(ctx, pageSize)
		if err != nil {
			return nil, fmt.Errorf("read the log after position %d: %w", last, err)
		}
		for _, r := range page {
			if last = r.Position; last > end {
				break
			}
			if err := b.see(codec, r); err != nil {
				return nil, err
			}
			if events++; events%tellProgress == 0 {
				progress(Progress{Phase: ReadingLog, Done: events})
			}
		}
	}
	return b, nil
}

func (b *book) see(codec eventstore.Codec, r eventstore.Recorded) error {
	if paymentIntent, ok := strings.CutPrefix(r.Stream, eventstore.PaymentStream("")); ok {
		return b.claim(codec, r, paymentIntent)
	}
	order, ok := eventstore.OrderOf(r.Stream)
	if !ok {
		return nil
	}
	a := b.accounts[order]
	if a == nil && r.Revision > 0 { // an order on account
		return nil
	}
	if a != nil && aside[r.Type] {
		a.events++
		return nil
	}
	e, env, err := codec.Decode(r)
	if err != nil {
		return err
	}
	if placed, ok := e.(domain.Placed); ok {
		if placed.Method != domain.Card {
			return nil
		}
		a = &account{order: order}
		b.accounts[order] = a
	}
	if a == nil {
		return fmt.Errorf("%w: order %s begins with %s at position %d", eventstore.ErrBroken, order, r.Type, r.Position)
	}
	a.see(e, env.OccurredAt)
	a.events++
	a.manufacturer, a.currency = b.word(a.manufacturer), domain.Currency(b.word(string(a.currency)))
	b.owns(order, a.hold)
	return nil
}

func (b *book) claim(codec eventstore.Codec, r eventstore.Recorded, paymentIntent string) error {
	e, _, err := codec.Decode(r)
	if err != nil {
		return err
	}
	if claimed, ok := e.(eventstore.PaymentClaimed); ok {
		b.owns(claimed.OrderID, paymentIntent)
	}
	return nil
}

func (b *book) owns(order uuid.UUID, paymentIntent string) {
	if paymentIntent != "" && b.payments[paymentIntent] == nil {
		b.payments[paymentIntent] = &payment{order: order}
	}
}

func (b *book) word(s string) string {
	if w, ok := b.words[s]; ok {
		return w
	}
	b.words[s] = s
	return s
}

// oldest is when the oldest order came in that is open or younger than an age; now less that age when there is none.
func (b *book) oldest(now time.Time, age time.Duration) time.Time {
	limit := now.Add(-age)
	first := time.Time{}
	for _, a := range b.accounts {
		if (a.open() || !a.received.Before(limit)) && (first.IsZero() || a.received.Before(first)) {
			first = a.received
		}
	}
	if first.IsZero() {
		return limit
	}
	return first
}

// load folds one order anew, as the log tells it now; the account of an order that was never placed does not exist. changes are the
// external changes that its timeline shows.
func load(ctx context.Context, log Log, codec eventstore.Codec, order uuid.UUID) (a *account, changes []domain.ExternalChangeSeen, err error) {
	a = &account{order: order}
	for r, err := range log.ReadStream(ctx, eventstore.OrderStream(order), eventstore.NoStream) {
		if err != nil {
			return nil, nil, fmt.Errorf("read order %s: %w", order, err)
		}
		e, env, err := codec.Decode(r)
		if err != nil {
			return nil, nil, err
		}
		if seen, ok := e.(domain.ExternalChangeSeen); ok {
			changes = append(changes, seen)
		}
		a.see(e, env.OccurredAt)
		a.events++
	}
	return a, changes, nil
}

// changed says whether an order has more events than a load of it saw.
func changed(ctx context.Context, log Log, a *account) (bool, error) {
	for _, err := range log.ReadStream(ctx, eventstore.OrderStream(a.order), eventstore.Revision(a.events-1)) {
		return err == nil, err
	}
	return false, nil
}
