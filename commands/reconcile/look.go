package reconcile

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

const (
	// maxStale bounds how often an order is looked at anew because it changed meanwhile.
	maxStale = 5
	maxTries = 5 // of what Stripe did not answer
)

// look compares one order with all that Stripe has of it, as both are now. others are PaymentIntents beside those that the order
// knows. An order that is never the same before and after its payments were read is in flight.
func (r *Run) look(ctx context.Context, order uuid.UUID, others []string) (verdict, error) {
	for range maxStale {
		a, changes, err := load(ctx, r.cfg.Log, r.cfg.Codec, order)
		if err != nil {
			return verdict{}, err
		}
		c, err := r.compare(ctx, a, others)
		if err != nil {
			return verdict{}, err
		}
		stale, err := changed(ctx, r.cfg.Log, a)
		if err != nil {
			return verdict{}, err
		}
		if !stale {
			note(c.found, changes)
			return c.verdict, nil
		}
	}
	return verdict{inFlight: true}, nil
}

func (r *Run) compare(ctx context.Context, a *account, others []string) (*comparison, error) {
	ids := a.payments()
	for _, id := range others {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	c := r.comparison(a)
	var read []commands.PaymentIntent
	for _, id := range ids {
		var pi commands.PaymentIntent
		err := r.patiently(ctx, func() (err error) {
			pi, err = r.cfg.Payments.Read(ctx, id)
			return err
		})
		var no *commands.PaymentRefusal
		switch {
		case errors.As(err, &no) && no.Status == http.StatusNotFound:
			c.missing(id)
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", id, err)
		default:
			c.payment(pi)
			read = append(read, pi)
		}
	}
	c.together(read)
	if c.arriving(read) {
		c.verdict = verdict{inFlight: true}
	}
	return c, nil
}

// arriving says whether a new hold is being put in the place of the order's: the old one is let go before the order knows it.
func (c *comparison) arriving(all []commands.PaymentIntent) bool {
	known := c.account.payments()
	return c.account.exists() && !c.account.captured && slices.ContainsFunc(all, func(pi commands.PaymentIntent) bool {
		return !slices.Contains(known, pi.ID) && held(pi) > 0 && c.now.Sub(pi.Created) < patience
	})
}

// note marks what the order's timeline shows.
func note(found []Difference, changes []domain.ExternalChangeSeen) {
	for i := range found {
		d := &found[i]
		d.Noted = slices.ContainsFunc(changes, func(e domain.ExternalChangeSeen) bool {
			return e.Object == d.PaymentIntent || e.Object == d.Object
		})
	}
}

// patiently asks Stripe again when it wants to be left alone for a while or gave no answer, a few times.
func (r *Run) patiently(ctx context.Context, ask func() error) error {
	for try := 1; ; try++ {
		err := ask()
		var unknown *commands.PaymentUnknown
		if err == nil || ctx.Err() != nil || try == maxTries || !errors.As(err, &unknown) || !passes(unknown.Reason) {
			return err
		}
		wait := time.NewTimer(max(unknown.RetryAfter, time.Duration(try)*time.Second))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
	}
}

// passes says whether asking again is of use.
func passes(why commands.UnknownReason) bool {
	switch why {
	case commands.UnknownRateLimit, commands.UnknownNetwork, commands.UnknownServer, commands.UnknownTimeout:
		return true
	}
	return false
}
