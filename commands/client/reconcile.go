package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// Side is what the ledger, or Stripe, says of a payment. Amount is in minor units.
type Side struct {
	State    string `json:"state"` // the ledger's word, or Stripe's own status; none
	Amount   int64  `json:"amount"`
	Currency string `json:"currency,omitempty"`
}

// Difference is one thing that the ledger and Stripe don't agree on. OrderNumber is empty when there is no such order.
type Difference struct {
	Code          string    `json:"code"` // stable, such as captured_at_stripe_only
	OrderID       uuid.UUID `json:"order_id,omitzero"`
	OrderNumber   string    `json:"order_number,omitempty"`
	Manufacturer  string    `json:"manufacturer,omitempty"`
	PaymentIntent string    `json:"payment_intent"`
	Object        string    `json:"object"` // Stripe's id of what differs
	Ledger        Side      `json:"ledger"`
	Stripe        Side      `json:"stripe"`
	Noted         bool      `json:"noted"` // the order's timeline shows that something happened to the payment
	Todo          string    `json:"todo"`  // what to do, for a person
}

// ReconcileFigures sum a comparison up.
type ReconcileFigures struct {
	Since            time.Time           `json:"since"`    // what came in or was made from here on was compared
	Position         eventstore.Position `json:"position"` // how far the log was read
	Orders           int                 `json:"orders"`   // on card
	Payments         int                 `json:"payments"`
	Refunds          int                 `json:"refunds"`
	Disputes         int                 `json:"disputes"`
	NotOurs          int                 `json:"not_ours"` // payments at Stripe that belong to no order of this ledger
	Differences      int                 `json:"differences"`
	InFlight         int                 `json:"in_flight"`         // orders left out, since an act waits for its answer
	SettledElsewhere int                 `json:"settled_elsewhere"` // orders settled outside Stripe, which left them alone
	Seconds          float64             `json:"seconds"`
}

// ReconcileProgress says how far a comparison is: Done of Total things of its phase; Total is 0 where nobody knows.
type ReconcileProgress struct {
	Phase string `json:"phase"` // log, refunds, disputes, payments, looking_again
	Done  int    `json:"done"`
	Total int    `json:"total"`
}

// ReconcileLine is one of three: how far the comparison is, a difference, or, at last, the figures.
type ReconcileLine struct {
	Progress   *ReconcileProgress `json:"progress"`
	Difference *Difference        `json:"difference"`
	Figures    *ReconcileFigures  `json:"figures"`
}

// ErrCutShort means that an answer broke off before its end. Asking again begins anew.
var ErrCutShort = errors.New("the ledger's answer was cut short")

// Reconcile lets the ledger compare itself with Stripe, both ways, and yields what it says while it does; the zero instant is
// since the oldest card order that is open or younger than 180 days. The last line holds the figures, or the sequence ends in an
// error: then the comparison was not finished, and what was yielded is not all. It is not begun anew by itself once it has begun.
func (c *Client) Reconcile(ctx context.Context, since time.Time) iter.Seq2[ReconcileLine, error] {
	return func(yield func(ReconcileLine, error) bool) {
		r := &call{method: http.MethodGet, path: "/v1/money/reconcile"}
		if !since.IsZero() {
			r.path += "?since=" + url.QueryEscape(since.UTC().Format(time.RFC3339))
		}
		res, err := c.openPatiently(ctx, r)
		if err != nil {
			yield(ReconcileLine{}, err)
			return
		}
		whole := false
		more, _, err := lines(res, func(line []byte) (bool, error) {
			var l struct {
				ReconcileLine
				Error *Problem `json:"error"`
			}
			if err := json.Unmarshal(line, &l); err != nil {
				return false, fmt.Errorf("reconcile: %w", err)
			}
			if l.Error != nil {
				return false, l.Error
			}
			whole = l.Figures != nil
			return yield(l.ReconcileLine, nil) && !whole, nil
		})
		switch {
		case ctx.Err() != nil && !whole:
			err = ctx.Err()
		case more: // it ended by itself, and not with the figures
			err = errors.Join(ErrCutShort, err)
		}
		if err != nil {
			yield(ReconcileLine{}, err)
		}
	}
}

// openPatiently opens a stream, and tries again while the server is not ready.
func (c *Client) openPatiently(ctx context.Context, r *call) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		res, err := c.open(ctx, r)
		after, again := retry(err)
		if err == nil || !again || attempt >= c.config.Attempts || ctx.Err() != nil {
			return res, err
		}
		if err := pause(ctx, max(after, backoff(attempt))); err != nil {
			return nil, err
		}
	}
}
