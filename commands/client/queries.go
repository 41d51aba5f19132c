package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Query selects orders for a list. The zero Query is every order, newest first.
type Query struct {
	Tab          domain.Tab
	Text         string // words to find
	Status       domain.Status
	Payment      domain.PaymentState
	Method       domain.Method
	Badge        domain.Badge
	Manufacturer string
	PlacedFrom   string // inclusive; a date or an instant
	PlacedTo     string // a date, which is included, or an instant, which is not
	Sort         string // a column; "-" before it for descending
	Cursor       string // NextCursor of the page before, with the same query
	Limit        int    // orders a page
	WaitFor      eventstore.Position
}

// Page is one page of orders. NextCursor is empty on the last.
type Page struct {
	Orders     []domain.View `json:"data"`
	HasMore    bool          `json:"has_more"`
	NextCursor string        `json:"next_cursor"`
}

// Tabs are the numbers of orders in the tabs, exact, as of Position.
type Tabs struct {
	New       int64               `json:"new"`
	Paid      int64               `json:"paid"`
	Shipped   int64               `json:"shipped"`
	Refunded  int64               `json:"refunded"`
	Cancelled int64               `json:"cancelled"`
	Archived  int64               `json:"archived"`
	Position  eventstore.Position `json:"position"`
}

// ParkedQuery selects a page of what is parked. The zero ParkedQuery is the first one.
type ParkedQuery struct {
	Cursor  string // NextCursor of the page before
	Limit   int    // entries a page
	WaitFor eventstore.Position
}

// Parked is a money act that waits for a person's decision, with what one must know of its order.
type Parked struct {
	OrderID      uuid.UUID       `json:"order_id"`
	OrderNumber  string          `json:"order_number"`
	Version      int             `json:"version"` // of the order, for IfVersion
	Customer     string          `json:"customer"`
	Manufacturer string          `json:"manufacturer"`
	Currency     domain.Currency `json:"currency"`
	domain.ParkedView
}

// ParkedPage is one page of what is parked, what was parked first first. NextCursor is empty on the last.
type ParkedPage struct {
	Parked     []Parked `json:"data"`
	HasMore    bool     `json:"has_more"`
	NextCursor string   `json:"next_cursor"`
}

// Entry is one event of an order's timeline.
type Entry struct {
	Position      eventstore.Position `json:"position"`
	Stream        string              `json:"stream"`
	Revision      eventstore.Revision `json:"revision"`
	ID            uuid.UUID           `json:"id"`
	Type          string              `json:"type"`
	OccurredAt    time.Time           `json:"occurred_at"`
	Actor         domain.Actor        `json:"actor"`
	CommandID     uuid.UUID           `json:"command_id"`
	CorrelationID string              `json:"correlation_id"`
	CausationID   uuid.UUID           `json:"causation_id"` // the event that led to it, if one did
	Hash          string              `json:"hash"`
	Data          json.RawMessage     `json:"data"` // the fact, as its type has it
	// How the order stood after the event; empty for notices.
	Tab     domain.Tab    `json:"tab"`
	Status  domain.Status `json:"status"`
	Pending domain.Act    `json:"pending"`
}

// Projection says how far a read model is.
type Projection struct {
	Name       string              `json:"name"`
	Checkpoint eventstore.Position `json:"checkpoint"`
	Head       eventstore.Position `json:"head"`
	Lag        uint64              `json:"lag"` // events that it is behind
	Rebuilding bool                `json:"rebuilding"`
	Rebuilt    eventstore.Position `json:"rebuilt"`
	Error      string              `json:"error"`
}

func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	if q := query.Encode(); q != "" {
		path += "?" + q
	}
	_, _, err := c.send(ctx, &call{method: http.MethodGet, path: path}, out)
	return err
}

// after is the part of a query that makes it see at least a command's effect.
func after(p eventstore.Position) url.Values {
	v := url.Values{}
	if p > 0 {
		v.Set("wait_for", strconv.FormatUint(uint64(p), 10))
	}
	return v
}

// List returns one page of orders.
func (c *Client) List(ctx context.Context, q Query) (Page, error) {
	v := after(q.WaitFor)
	for name, value := range map[string]string{
		"tab": string(q.Tab), "q": q.Text, "status": string(q.Status), "payment": string(q.Payment), "method": string(q.Method),
		"badge": string(q.Badge), "manufacturer": q.Manufacturer, "placed_from": q.PlacedFrom, "placed_to": q.PlacedTo,
		"sort": q.Sort, "cursor": q.Cursor,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	var p Page
	err := c.get(ctx, "/v1/orders", v, &p)
	return p, err
}

// Parked returns one page of the money acts that can't go on by themselves. Resume decides about them.
func (c *Client) Parked(ctx context.Context, q ParkedQuery) (ParkedPage, error) {
	v := after(q.WaitFor)
	if q.Cursor != "" {
		v.Set("cursor", q.Cursor)
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	var p ParkedPage
	err := c.get(ctx, "/v1/parked", v, &p)
	return p, err
}

// Get returns one order, as of waitFor or later.
func (c *Client) Get(ctx context.Context, id uuid.UUID, waitFor eventstore.Position) (domain.View, error) {
	var v domain.View
	err := c.get(ctx, "/v1/orders/"+id.String(), after(waitFor), &v)
	return v, err
}

// Tabs returns the six counts, as of waitFor or later.
func (c *Client) Tabs(ctx context.Context, waitFor eventstore.Position) (Tabs, error) {
	var t Tabs
	err := c.get(ctx, "/v1/tabs", after(waitFor), &t)
	return t, err
}

// Timeline returns all that happened to an order, oldest first; more says that the server cut it.
func (c *Client) Timeline(ctx context.Context, id uuid.UUID) (entries []Entry, more bool, err error) {
	var out struct {
		Data    []Entry `json:"data"`
		HasMore bool    `json:"has_more"`
	}
	err = c.get(ctx, "/v1/orders/"+id.String()+"/events", nil, &out)
	return out.Data, out.HasMore, err
}

// Projections says how far the read models are.
func (c *Client) Projections(ctx context.Context) ([]Projection, error) {
	var out struct {
		Data []Projection `json:"data"`
	}
	err := c.get(ctx, "/v1/projections", nil, &out)
	return out.Data, err
}

// RebuildProjections asks the server to rebuild its read models while it serves; Projections says how far it is.
func (c *Client) RebuildProjections(ctx context.Context, opts ...Option) error {
	r, err := c.command("/v1/projections/rebuild", nothing{}, opts)
	if err != nil {
		return err
	}
	_, _, err = c.send(ctx, r, nil)
	return err
}

// StoreStatus is where the log is, and which of the processes on it acts.
type StoreStatus struct {
	eventstore.Status
	// Acting is nil when no process is known to act.
	Acting *Acting `json:"acting" doc:"The process that asks Stripe, and tells people and other systems; null when none is known to"`
}

// Acting is the process that acts on the outside, of all that work on one log.
type Acting struct {
	_ struct{} `nullable:"true"`

	Process string    `json:"process" doc:"Of this run of it"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	This    bool      `json:"this" doc:"It is the one that answers"`
}

// Store says where the log is, what an acknowledgement is worth, and which process acts.
func (c *Client) Store(ctx context.Context) (StoreStatus, error) {
	var s StoreStatus
	err := c.get(ctx, "/v1/store", nil, &s)
	return s, err
}
