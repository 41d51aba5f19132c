package stripepay

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/form"
)

var _ commands.PaymentLists = (*Client)(nil)

const (
	onAPage      = 100    // Stripe's most
	maxPages     = 10_000 // of a list: a million objects
	maxPagesOfPI = 100    // of what belongs to one PaymentIntent
)

// Intents implements commands.PaymentLists. Brand, Last4 and CaptureBefore are left out, too. A list of more than a million ends
// with an error, as every list does.
func (c *Client) Intents(ctx context.Context, since time.Time) iter.Seq2[commands.PaymentIntent, error] {
	return all(maxPages, func(after *string) (page[commands.PaymentIntent], error) {
		return c.intentPage(ctx, &stripe.PaymentIntentListParams{CreatedRange: from(since)}, onAPage, after)
	})
}

// Refunds implements commands.PaymentLists. Refunds of charges that belong to no PaymentIntent are left out.
func (c *Client) Refunds(ctx context.Context, since time.Time) iter.Seq2[commands.PaymentRefund, error] {
	return all(maxPages, func(after *string) (page[commands.PaymentRefund], error) {
		return c.refundPage(ctx, &stripe.RefundListParams{CreatedRange: from(since)}, onAPage, after)
	})
}

// Disputes implements commands.PaymentLists. Disputes of charges that belong to no PaymentIntent are left out.
func (c *Client) Disputes(ctx context.Context, since time.Time) iter.Seq2[commands.PaymentDispute, error] {
	return all(maxPages, func(after *string) (page[commands.PaymentDispute], error) {
		return c.disputePage(ctx, &stripe.DisputeListParams{CreatedRange: from(since)}, onAPage, after)
	})
}

// Undelivered implements commands.PaymentLists. Stripe keeps events for 30 days. Events that no PaymentIntent can be behind are
// left out, as the webhook endpoint leaves them. SHA256 is of the event as it stands in the list.
func (c *Client) Undelivered(ctx context.Context, since time.Time) iter.Seq2[commands.PaymentEvent, error] {
	return all(maxPages, func(after *string) (page[commands.PaymentEvent], error) {
		return c.eventPage(ctx, &stripe.EventListParams{
			CreatedRange: from(since), DeliverySuccess: stripe.Bool(false), Types: stripe.StringSlice(EventTypes()),
		}, onAPage, after)
	})
}

// refundsOf are all refunds of a PaymentIntent, oldest first.
func (c *Client) refundsOf(ctx context.Context, pi commands.PaymentIntent) ([]commands.PaymentRefund, error) {
	return oldestFirst(all(maxPagesOfPI, func(after *string) (page[commands.PaymentRefund], error) {
		p, err := c.refundPage(ctx, &stripe.RefundListParams{PaymentIntent: stripe.String(pi.ID)}, onAPage, after)
		for _, r := range p.rows {
			if r.PaymentIntent != pi.ID || r.Currency != pi.Currency {
				return page[commands.PaymentRefund]{}, unexpected(nil)
			}
		}
		return p, err
	}))
}

// disputesOf are all disputes of a PaymentIntent, oldest first. A dispute may be in another currency than the payment.
func (c *Client) disputesOf(ctx context.Context, pi commands.PaymentIntent) ([]commands.PaymentDispute, error) {
	return oldestFirst(all(maxPagesOfPI, func(after *string) (page[commands.PaymentDispute], error) {
		p, err := c.disputePage(ctx, &stripe.DisputeListParams{PaymentIntent: stripe.String(pi.ID)}, onAPage, after)
		for _, d := range p.rows {
			if d.PaymentIntent != pi.ID {
				return page[commands.PaymentDispute]{}, unexpected(nil)
			}
		}
		return p, err
	}))
}

func (c *Client) intentPage(
	ctx context.Context, asked *stripe.PaymentIntentListParams, limit int64, after *string,
) (p page[commands.PaymentIntent], err error) {
	call, err := c.begin(ctx, "")
	if err != nil {
		return p, err
	}
	defer call.end(&err)
	asked.ListParams = call.list(limit, after)
	pages := c.intents.List(asked)
	got := pages.PaymentIntentList()
	if err := pages.Err(); err != nil {
		return p, classify(err, got.LastResponse)
	}
	return toPage(got.Data, got.HasMore, got.LastResponse, func(pi *stripe.PaymentIntent) (commands.PaymentIntent, string, bool, error) {
		row, err := toIntent(pi, got.LastResponse)
		return row, pi.ID, true, err
	})
}

func (c *Client) refundPage(
	ctx context.Context, asked *stripe.RefundListParams, limit int64, after *string,
) (p page[commands.PaymentRefund], err error) {
	call, err := c.begin(ctx, "")
	if err != nil {
		return p, err
	}
	defer call.end(&err)
	asked.ListParams = call.list(limit, after)
	pages := c.refunds.List(asked)
	got := pages.RefundList()
	if err := pages.Err(); err != nil {
		return p, classify(err, got.LastResponse)
	}
	return toPage(got.Data, got.HasMore, got.LastResponse, func(r *stripe.Refund) (commands.PaymentRefund, string, bool, error) {
		row, err := toRefund(r, got.LastResponse)
		return row, r.ID, row.PaymentIntent != "", err
	})
}

func (c *Client) disputePage(
	ctx context.Context, asked *stripe.DisputeListParams, limit int64, after *string,
) (p page[commands.PaymentDispute], err error) {
	call, err := c.begin(ctx, "")
	if err != nil {
		return p, err
	}
	defer call.end(&err)
	asked.ListParams = call.list(limit, after)
	pages := c.disputes.List(asked)
	got := pages.DisputeList()
	if err := pages.Err(); err != nil {
		return p, classify(err, got.LastResponse)
	}
	return toPage(got.Data, got.HasMore, got.LastResponse, func(d *stripe.Dispute) (commands.PaymentDispute, string, bool, error) {
		row, err := toDispute(d, got.LastResponse)
		return row, d.ID, row.PaymentIntent != "", err
	})
}

// eventList is a page of events as they came: what a webhook's body is read by reads them.
type eventList struct {
	stripe.APIResource
	stripe.ListMeta
	Data []*json.RawMessage `json:"data"`
}

func (c *Client) eventPage(
	ctx context.Context, asked *stripe.EventListParams, limit int64, after *string,
) (p page[commands.PaymentEvent], err error) {
	call, err := c.begin(ctx, "")
	if err != nil {
		return p, err
	}
	defer call.end(&err)
	asked.ListParams = call.list(limit, after)
	query, got := &form.Values{}, eventList{}
	form.AppendTo(query, asked)
	if err := c.backend.CallRaw(http.MethodGet, "/v1/events", c.key, query, asked.GetParams(), &got); err != nil {
		return p, classify(err, got.LastResponse)
	}
	return toPage(got.Data, got.HasMore, got.LastResponse, func(raw *json.RawMessage) (commands.PaymentEvent, string, bool, error) {
		e, about, err := readEvent(*raw)
		if err != nil && e.ID != "" { // one that can't be read must not hide those behind it
			c.log.WarnContext(ctx, "stripe: an event of the list can't be read", "event", e.ID, "type", e.Type, "error", err)
			return e, e.ID, false, nil
		}
		if err != nil {
			err = unexpected(got.LastResponse)
		}
		return e, e.ID, about == ours, err
	})
}

// page is a part of a list, newest first.
type page[T any] struct {
	rows []T
	last string // id of the last object, which the next page begins after
	more bool
}

// toPage converts what Stripe answered. Convert says what a row is, its id, and whether it is wanted.
func toPage[R, T any](data []*R, more bool, last *stripe.APIResponse, convert func(*R) (T, string, bool, error)) (page[T], error) {
	if data == nil || last == nil || (more && len(data) == 0) { // an empty list is not nil
		return page[T]{}, unexpected(last)
	}
	p := page[T]{more: more}
	for _, r := range data {
		if r == nil {
			return page[T]{}, unexpected(last)
		}
		row, id, wanted, err := convert(r)
		if err != nil {
			return page[T]{}, err
		}
		if wanted {
			p.rows = append(p.rows, row)
		}
		p.last = id
	}
	return p, nil
}

// all reads page after page, and most of them at the most. stripe-go's own iterator can't be bounded page by page.
func all[T any](most int, read func(after *string) (page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		var after *string
		for range most {
			p, err := read(after)
			if err != nil {
				yield(none, err)
				return
			}
			for _, row := range p.rows {
				if !yield(row, nil) {
					return
				}
			}
			if !p.more {
				return
			}
			if after != nil && *after == p.last {
				break // Stripe goes in a circle
			}
			after = &p.last
		}
		yield(none, unexpected(nil))
	}
}

func oldestFirst[T any](newestFirst iter.Seq2[T, error]) ([]T, error) {
	var rows []T
	for row, err := range newestFirst {
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	slices.Reverse(rows)
	return rows, nil
}

// list are the parameters of one page.
func (k *call) list(limit int64, after *string) stripe.ListParams {
	return stripe.ListParams{Context: k.params.Context, Single: true, Limit: stripe.Int64(limit), StartingAfter: after}
}

// from asks for what was created at an instant or later; nil, for all, when it is zero.
func from(since time.Time) *stripe.RangeQueryParams {
	if since.IsZero() {
		return nil
	}
	return &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}
}
