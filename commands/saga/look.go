package saga

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

// Outcomes of what Stripe told, as StripeEventHandled keeps them.
const (
	outcomeRecorded = "recorded"    // something followed
	outcomeKnown    = "nothing new" // the ledger knew it, or it changes nothing
	outcomeForeign  = "not ours"    // the payment belongs to no order of this ledger
	outcomeOrphan   = "no order"    // the payment names an order that never came
	outcomeUnshown  = "not shown"   // the payment is an order's, and Stripe does not show it: the key may be another account's
)

// orphanPatience is how long an order that a payment names may take to arrive.
const orphanPatience = 72 * time.Hour

// maxStale bounds how often one look is begun anew because the order changed meanwhile.
const maxStale = 10

// look reads what is true of a PaymentIntent and records what is new of an order; it returns whether anything was, and the
// PaymentIntent. The order is read first, and nothing is recorded when it has changed since: so an old truth is never taken for
// a new one, however long this process was held up. Errors: a *commands.PaymentRefusal when Stripe does not show the payment,
// a rejection order_not_found, those of Payments and of the log.
func (s *Saga) look(ctx context.Context, order uuid.UUID, paymentIntent string, by domain.Actor, cause uuid.UUID) (bool, commands.PaymentIntent, error) {
	var news bool
	for range maxStale {
		o, _, err := s.cfg.Handler.Load(ctx, order)
		if err != nil {
			return news, commands.PaymentIntent{}, err
		}
		if paymentIntent == "" {
			paymentIntent = o.Hold.PaymentIntent
		}
		pi, err := s.cfg.Payments.Read(ctx, paymentIntent)
		if err != nil {
			return news, pi, fmt.Errorf("read the payment: %w", err)
		}
		recorded, err := s.observe(ctx, o, pi, by, cause)
		news = news || recorded
		if stale := (*commands.StaleError)(nil); !errors.As(err, &stale) {
			return news, pi, err
		}
	}
	return news, commands.PaymentIntent{}, fmt.Errorf("order %s changes too quickly to be looked at", order)
}

// observe records what is new of an order, as long as nobody else changes it.
func (s *Saga) observe(ctx context.Context, o domain.Order, pi commands.PaymentIntent, by domain.Actor, cause uuid.UUID) (bool, error) {
	version, news := o.Version, false
	for _, c := range Observe(o, pi) {
		who := by
		if requestOf(c) != uuid.Nil {
			who = actor // it answers what the ledger asked
		}
		res, err := s.cfg.Handler.Handle(ctx, commands.Request{
			OrderID: o.ID, Command: c, CommandID: commandID(o.ID, c), Actor: who, IfVersion: &version, CausationID: cause,
		})
		if err != nil {
			return news, fmt.Errorf("record %s: %w", c.CommandName(), err)
		}
		if res.Replayed { // it stands in the log already: what the order is now must be looked at
			continue
		}
		if res.Event != nil {
			version, news = version+1, true
			s.cfg.Logger.Info("saga: seen at Stripe", "order", o.ID, "command", c.CommandName(), "payment_intent", pi.ID,
				"stripe_request", pi.RequestID)
		}
	}
	return news, nil
}

// followHint looks at what Stripe told of, and says in the log what came of it.
func (s *Saga) followHint(ctx context.Context, h Hint) error {
	order, pi, err := s.concerns(ctx, h)
	var no *commands.PaymentRefusal
	switch {
	case errors.As(err, &no), err == nil && order == uuid.Nil:
		return s.handled(ctx, h, outcomeForeign, uuid.Nil)
	case err != nil:
		return err
	}
	news, _, err := s.look(ctx, order, pi, commands.Stripe(domain.ViaWebhook), h.Event)
	var rejected *domain.Rejection
	switch {
	case errors.As(err, &rejected) && rejected.Code == domain.OrderNotFound:
		if s.cfg.Now().Sub(h.At) < orphanPatience {
			return fmt.Errorf("%w: order %s is not here yet", errAtWork, order)
		}
		return s.handled(ctx, h, outcomeOrphan, order)
	case errors.As(err, &no):
		return s.handled(ctx, h, outcomeUnshown, order)
	case err != nil:
		return err
	case news:
		return s.handled(ctx, h, outcomeRecorded, order)
	}
	return s.handled(ctx, h, outcomeKnown, order)
}

// concerns finds the order that a hint is about; the zero UUID when it is none of this ledger's. Claims come first, since Stripe's
// metadata can be changed by anybody who has the key.
func (s *Saga) concerns(ctx context.Context, h Hint) (uuid.UUID, string, error) {
	if h.PaymentIntent == "" {
		return uuid.Nil, "", nil
	}
	order, claimed, err := s.inbox().OrderOf(ctx, h.PaymentIntent)
	if err != nil || claimed {
		return order, h.PaymentIntent, err
	}
	pi, err := s.cfg.Payments.Read(ctx, h.PaymentIntent)
	if err != nil {
		return uuid.Nil, "", fmt.Errorf("read the payment: %w", err)
	}
	order, err = uuid.Parse(pi.OrderID)
	if err != nil {
		order = uuid.Nil // somebody else's metadata
	}
	return order, pi.ID, nil
}

func (s *Saga) handled(ctx context.Context, h Hint, outcome string, order uuid.UUID) error {
	if err := s.inbox().Handled(ctx, h.ID, outcome, order); err != nil {
		return fmt.Errorf("record that %s is handled: %w", h.ID, err)
	}
	return nil
}

func (s *Saga) inbox() commands.Inbox { return commands.Inbox{Handler: s.cfg.Handler} }

// followHold looks at funds whose time is over.
func (s *Saga) followHold(ctx context.Context, h Hold) error {
	_, pi, err := s.look(ctx, h.Order, h.PaymentIntent, commands.Stripe(domain.ViaSaga), uuid.Nil)
	if err == nil && pi.Status == "requires_capture" {
		return fmt.Errorf("%w: it still holds the funds", errAtWork)
	}
	return err
}
