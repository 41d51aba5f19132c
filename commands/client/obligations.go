package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// ObligationQuery selects what orders owe the external business system. The zero ObligationQuery is the first page of all.
type ObligationQuery struct {
	Kind         domain.ObligationKind
	Manufacturer string
	Cursor       string // NextCursor of the page before, with the same query
	Limit        int    // entries a page
	WaitFor      eventstore.Position
}

// Account is whom the business system knows an order's customer as.
type Account struct {
	Name          string `json:"name"`
	Company       string `json:"company"`
	AccountNumber string `json:"account_number"`
}

// Obligation is what an order owes: the entry of what was shipped on account, which Capture records, or the reversal of what
// was entered, or paid outside Stripe, before the order was refunded or cancelled, which RecordReversal records.
type Obligation struct {
	OrderID      uuid.UUID             `json:"order_id"`
	OrderNumber  string                `json:"order_number"`
	Version      int                   `json:"version"` // of the order
	Kind         domain.ObligationKind `json:"kind"`
	Since        time.Time             `json:"since"`
	AgeDays      int                   `json:"age_days"` // whole days
	Amount       int64                 `json:"amount"`
	Currency     domain.Currency       `json:"currency"`
	Method       domain.Method         `json:"method"`
	Customer     Account               `json:"customer"`
	Manufacturer string                `json:"manufacturer"`
}

// ObligationPage is one page of what is owed, the oldest first. Count is how many the query has in all. NextCursor is empty on
// the last page.
type ObligationPage struct {
	Obligations []Obligation `json:"data"`
	Count       int64        `json:"count"`
	HasMore     bool         `json:"has_more"`
	NextCursor  string       `json:"next_cursor"`
}

// RecordedQuery selects what was recorded of the business system. The zero RecordedQuery is the first page of all.
type RecordedQuery struct {
	Kind         domain.ObligationKind
	Manufacturer string
	From         string // inclusive; a date or an instant
	To           string // a date, which is included, or an instant, which is not
	Cursor       string // NextCursor of the page before, with the same query
	Limit        int    // entries a page
	WaitFor      eventstore.Position
}

// Recorded is an entry or a reversal that was recorded, with its reference in the business system.
type Recorded struct {
	OrderID      uuid.UUID             `json:"order_id"`
	OrderNumber  string                `json:"order_number"`
	Kind         domain.ObligationKind `json:"kind"`
	Reference    string                `json:"reference"`
	RecordedAt   time.Time             `json:"recorded_at"`
	Amount       int64                 `json:"amount"`
	Currency     domain.Currency       `json:"currency"`
	Method       domain.Method         `json:"method"`
	Customer     Account               `json:"customer"`
	Manufacturer string                `json:"manufacturer"`
}

// RecordedPage is one page of what was recorded, what was recorded first first. NextCursor is empty on the last.
type RecordedPage struct {
	Recorded   []Recorded `json:"data"`
	HasMore    bool       `json:"has_more"`
	NextCursor string     `json:"next_cursor"`
}

const (
	obligationsPath = "/v1/obligations"
	recordedPath    = "/v1/obligations/recorded"
)

func (q ObligationQuery) values() url.Values {
	return values(q.WaitFor, q.Limit, map[string]string{
		"kind": string(q.Kind), "manufacturer": q.Manufacturer, "cursor": q.Cursor,
	})
}

func (q RecordedQuery) values() url.Values {
	return values(q.WaitFor, q.Limit, map[string]string{
		"kind": string(q.Kind), "manufacturer": q.Manufacturer, "from": q.From, "to": q.To, "cursor": q.Cursor,
	})
}

// values are a query's parameters; what is empty or zero is left out.
func values(waitFor eventstore.Position, limit int, texts map[string]string) url.Values {
	v := after(waitFor)
	for name, value := range texts {
		if value != "" {
			v.Set(name, value)
		}
	}
	if limit != 0 {
		v.Set("limit", strconv.Itoa(limit))
	}
	return v
}

// Obligations returns one page of what orders owe the business system.
func (c *Client) Obligations(ctx context.Context, q ObligationQuery) (ObligationPage, error) {
	var p ObligationPage
	err := c.get(ctx, obligationsPath, q.values(), &p)
	return p, err
}

// Recorded returns one page of what was recorded of the business system.
func (c *Client) Recorded(ctx context.Context, q RecordedQuery) (RecordedPage, error) {
	var p RecordedPage
	err := c.get(ctx, recordedPath, q.values(), &p)
	return p, err
}

// ObligationsCSV writes all that the query selects as a table, with a header row; the query's Cursor and Limit must be empty.
// After an error what was written is not all: ErrCutShort when the answer broke off.
func (c *Client) ObligationsCSV(ctx context.Context, q ObligationQuery, to io.Writer) error {
	return c.table(ctx, obligationsPath, q.values(), to)
}

// RecordedCSV is ObligationsCSV for what was recorded.
func (c *Client) RecordedCSV(ctx context.Context, q RecordedQuery, to io.Writer) error {
	return c.table(ctx, recordedPath, q.values(), to)
}

func (c *Client) table(ctx context.Context, path string, query url.Values, to io.Writer) error {
	query.Set("format", "csv")
	res, err := c.openPatiently(ctx, &call{method: http.MethodGet, path: path + "?" + query.Encode()})
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end, or given up
	body := &source{Reader: res.Body}
	if _, err := io.Copy(to, body); body.err != nil {
		return errors.Join(ErrCutShort, body.err)
	} else if err != nil { // it can't be written
		return err
	}
	return ctx.Err()
}

// source remembers why it could not be read on.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
