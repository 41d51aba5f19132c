package saga

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

// swept is when what a webhook should have told was last looked for.
type swept struct {
	Events time.Time `json:"events,omitzero"` // undelivered events
	All    time.Time `json:"all,omitzero"`    // everything that is not final
}

const (
	// Stripe goes on trying to deliver an event for three days; a sweep looks back further than the last one by an hour, since
	// lists and clocks may lag.
	undeliveredFor = 72 * time.Hour
	sweepOverlap   = time.Hour
)

// sweep looks for what was missed, as often as it is due, until the context ends. What fails is tried again, less and less often.
func (l *loop) sweep(ctx context.Context, t *turn) error {
	if l.cfg.Lists == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.live:
	}
	for failed := 0; ; {
		at := l.lastSwept()
		now := l.cfg.Now()
		due := min(at.Events.Add(l.cfg.EventsEvery).Sub(now), at.All.Add(l.cfg.SweepEvery).Sub(now))
		if failed > 0 {
			due = max(due, l.backoff(l.cfg.MinBackoff, l.cfg.MaxBackoff, failed))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(max(0, due)):
		}
		if err := l.sweepWhatIsDue(ctx); err != nil && ctx.Err() == nil {
			failed++
			l.cfg.Logger.Warn("saga: the sweep did not come to its end", "error", err)
		} else {
			failed = 0
		}
	}
}

// reconcileFirst compares everything with Stripe, until that has succeeded once, if it is asked for.
func (l *loop) reconcileFirst(ctx context.Context, t *turn) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.live:
		return nil
	case <-t.known:
	}
	for n := 0; ; n++ {
		l.stands(errReconciling)
		err := l.SweepAll(ctx, l.cfg.Now().Add(-l.cfg.ReconcileSpan))
		if err == nil {
			l.stands(nil)
			l.sweptNow(func(s *swept) { s.All = l.cfg.Now() })
			close(t.reconciled)
			return nil
		}
		if ctx.Err() != nil {
			l.stands(nil)
			return ctx.Err()
		}
		l.cfg.Logger.Warn("saga: can't compare with Stripe yet; nothing is asked before that", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(l.backoff(l.cfg.MinBackoff, l.cfg.MaxBackoff, n)):
		}
	}
}

func (l *loop) lastSwept() swept {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at.Swept
}

func (l *loop) sweepWhatIsDue(ctx context.Context) error {
	at, now := l.lastSwept(), l.cfg.Now()
	if !now.Before(at.Events.Add(l.cfg.EventsEvery)) {
		since := now.Add(-undeliveredFor)
		if since.Before(at.Events) {
			since = at.Events
		}
		if err := l.SweepEvents(ctx, since.Add(-sweepOverlap)); err != nil {
			return err
		}
		l.sweptNow(func(s *swept) { s.Events = now })
	}
	if !now.Before(at.All.Add(l.cfg.SweepEvery)) {
		if err := l.SweepAll(ctx, now.Add(-l.cfg.SweepSpan)); err != nil {
			return err
		}
		l.sweptNow(func(s *swept) { s.All = now })
	}
	return nil
}

func (l *loop) sweptNow(set func(*swept)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	set(&l.at.Swept)
}

// SweepEvents takes in what Stripe could not deliver since an instant, as if its webhook had come.
func (s *Saga) SweepEvents(ctx context.Context, since time.Time) error {
	for e, err := range s.cfg.Lists.Undelivered(ctx, since) {
		if err != nil {
			return fmt.Errorf("list undelivered events: %w", err)
		}
		if _, err := s.inbox().Receive(ctx, e, domain.ViaSaga); err != nil {
			return fmt.Errorf("keep %s: %w", e.ID, err)
		}
	}
	return nil
}

// SweepAll compares everything that Stripe has since an instant, and every hold that is watched, with the ledger, and looks at
// each payment that differs.
func (s *Saga) SweepAll(ctx context.Context, since time.Time) error {
	w := &sweeper{saga: s, orders: map[string]uuid.UUID{}, looked: map[string]bool{}}
	for _, part := range []func(context.Context, time.Time) error{w.intents, w.refunds, w.disputes, w.holds} {
		if err := part(ctx, since); err != nil {
			return err
		}
	}
	return nil
}

// sweeper is one sweep.
type sweeper struct {
	saga   *Saga
	orders map[string]uuid.UUID // of PaymentIntents; zero for those that are not ours
	looked map[string]bool      // PaymentIntents
}

func (w *sweeper) intents(ctx context.Context, since time.Time) error {
	for pi, err := range w.saga.cfg.Lists.Intents(ctx, since) {
		if err != nil {
			return fmt.Errorf("list payments: %w", err)
		}
		o, err := w.order(ctx, pi.ID, pi.OrderID)
		if err != nil {
			return err
		}
		if pi.ID == o.Hold.PaymentIntent && pi.Status == "requires_capture" {
			w.looked[pi.ID] = true // it is as it should be
		}
		if len(Observe(o, pi)) > 0 {
			if err := w.look(ctx, o, pi.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *sweeper) refunds(ctx context.Context, since time.Time) error {
	return sweepEach(ctx, w, w.saga.cfg.Lists.Refunds(ctx, since), func(r commands.PaymentRefund) string { return r.PaymentIntent },
		func(o domain.Order, r commands.PaymentRefund) bool {
			over := o.RefundedAt != nil || o.CancelledAt != nil
			return undone(r) && !(over && r.ID == o.Refund) || r.Status == "succeeded" && over && r.ID == o.Refund
		})
}

func (w *sweeper) disputes(ctx context.Context, since time.Time) error {
	return sweepEach(ctx, w, w.saga.cfg.Lists.Disputes(ctx, since), func(d commands.PaymentDispute) string { return d.PaymentIntent },
		func(o domain.Order, d commands.PaymentDispute) bool {
			for _, known := range o.Disputes {
				if known.ID == d.ID {
					return d.Closed() == (known.Outcome != "")
				}
			}
			return false
		})
}

// sweepEach looks at the payment of each thing of a list that is not known as it is.
func sweepEach[T any](ctx context.Context, w *sweeper, list iter.Seq2[T, error], payment func(T) string, known func(domain.Order, T) bool) error {
	for x, err := range list {
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		pi := payment(x)
		if pi == "" {
			continue
		}
		o, err := w.order(ctx, pi, "")
		if err != nil {
			return err
		}
		if o.Exists() && !known(o, x) {
			if err := w.look(ctx, o, pi); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds looks at the holds that are watched and that the list of payments did not show as they should be: they are older.
func (w *sweeper) holds(ctx context.Context, _ time.Time) error {
	for _, h := range w.saga.watchedHolds() {
		if w.looked[h.PaymentIntent] {
			continue
		}
		if err := w.look(ctx, domain.Order{ID: h.Order}, h.PaymentIntent); err != nil {
			return err
		}
	}
	return nil
}

func (s *Saga) watchedHolds() []Hold {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedHolds(s.watched.Holds)
}

func sortedHolds(holds map[uuid.UUID]Hold) []Hold {
	return slices.SortedFunc(maps.Values(holds), func(a, b Hold) int { return slices.Compare(a.Order[:], b.Order[:]) })
}

// order finds the order of a payment; the zero Order when it is none of this ledger's.
func (w *sweeper) order(ctx context.Context, paymentIntent, named string) (domain.Order, error) {
	id, known := w.orders[paymentIntent]
	if !known {
		var err error
		if id, err = w.resolve(ctx, paymentIntent, named); err != nil {
			return domain.Order{}, err
		}
		w.orders[paymentIntent] = id
	}
	if id == uuid.Nil {
		return domain.Order{}, nil
	}
	o, _, err := w.saga.cfg.Handler.Load(ctx, id)
	var missing *domain.Rejection
	if errors.As(err, &missing) {
		return domain.Order{}, nil
	}
	return o, err
}

func (w *sweeper) resolve(ctx context.Context, paymentIntent, named string) (uuid.UUID, error) {
	if id, err := uuid.Parse(named); err == nil {
		return id, nil
	}
	id, _, err := w.saga.concerns(ctx, Hint{PaymentIntent: paymentIntent})
	var no *commands.PaymentRefusal
	if errors.As(err, &no) {
		return uuid.Nil, nil
	}
	return id, err
}

// look looks at one payment, at most once in a sweep. A payment that Stripe doesn't show is left to the comparison that a person
// asks for; it holds nothing up.
func (w *sweeper) look(ctx context.Context, o domain.Order, paymentIntent string) error {
	if w.looked[paymentIntent] {
		return nil
	}
	w.looked[paymentIntent] = true
	_, _, err := w.saga.look(ctx, o.ID, paymentIntent, commands.Stripe(domain.ViaSaga), uuid.Nil)
	var no *commands.PaymentRefusal
	if errors.As(err, &no) {
		w.saga.cfg.Logger.Warn("saga: Stripe does not show a payment of the ledger", "order", o.ID, "payment_intent", paymentIntent, "stripe_request", no.RequestID)
		return nil
	}
	return err
}
