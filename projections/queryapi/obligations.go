package queryapi

import (
	"context"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

type obligationsInput struct {
	After
	Format
	Kind         domain.ObligationKind `query:"kind" enum:"entry,reversal" doc:"Without it both"`
	Manufacturer string                `query:"manufacturer" maxLength:"63"`
}

// Account is whom the business system knows an order's customer as.
type Account struct {
	Name          string `json:"name"`
	Company       string `json:"company"`
	AccountNumber string `json:"account_number"`
}

func accountOf(o domain.Order) Account {
	c := o.Personal.Customer
	return Account{Name: c.Name, Company: c.Company, AccountNumber: c.AccountNumber}
}

// Obligation is what an order owes the business system: the entry of what was shipped on account, or the reversal of what was
// entered, or paid outside Stripe, before the order was refunded or cancelled. capture records the one, reversal the other.
type Obligation struct {
	OrderID      uuid.UUID             `json:"order_id" format:"uuid"`
	OrderNumber  string                `json:"order_number"`
	Version      int                   `json:"version" doc:"The order's, for If-Match"`
	Kind         domain.ObligationKind `json:"kind" enum:"entry,reversal"`
	Since        time.Time             `json:"since" doc:"When the order was shipped, or refunded or cancelled"`
	AgeDays      int                   `json:"age_days" doc:"Whole days since then"`
	Amount       int64                 `json:"amount" doc:"Minor units"`
	Currency     domain.Currency       `json:"currency" doc:"ISO 4217"`
	Method       domain.Method         `json:"method" enum:"card,account" doc:"card: paid outside Stripe all the same"`
	Customer     Account               `json:"customer"`
	Manufacturer string                `json:"manufacturer"`
}

// ObligationList is one page of what is owed, the oldest first.
type ObligationList struct {
	Data       []Obligation `json:"data" nullable:"false"`
	Count      int64        `json:"count" doc:"How many the query has in all, exactly"`
	HasMore    bool         `json:"has_more"`
	NextCursor *string      `json:"next_cursor"`
}

func (a *api) obligations(ctx context.Context, in *obligationsInput) (*huma.StreamResponse, error) {
	if _, err := allow(ctx, domain.PermRead); err != nil {
		return nil, err
	}
	table, err := in.table()
	if err != nil {
		return nil, err
	}
	if err := a.reached(ctx, in.After); err != nil {
		return nil, err
	}
	q := projections.ObligationQuery{Kind: in.Kind, Manufacturer: in.Manufacturer, Cursor: in.Cursor, Limit: in.Limit}
	if table {
		q.Limit = projections.MaxLimit
		return asTable(ctx, a, "obligations", obligationColumns, func(ctx context.Context, cursor string) (tablePage, error) {
			q.Cursor = cursor
			page, err := a.Reader.Obligations(ctx, q)
			out := tablePage{rows: [][]string{}, next: page.Next}
			for _, ob := range a.obligationsOf(page.Orders) {
				out.rows = append(out.rows, ob.cells())
			}
			return out, err
		})
	}
	page, err := a.Reader.Obligations(ctx, q)
	if err != nil {
		return nil, err
	}
	list := ObligationList{Data: a.obligationsOf(page.Orders), Count: page.Count, HasMore: page.Next != ""}
	if page.Next != "" {
		list.NextCursor = &page.Next
	}
	return whole(list), nil
}

func (a *api) obligationsOf(orders []domain.Order) []Obligation {
	list := []Obligation{}
	now := a.Now()
	for _, o := range orders {
		if owes, ok := o.Owes(); ok {
			list = append(list, Obligation{
				OrderID: o.ID, OrderNumber: o.OrderNumber, Version: o.Version, Kind: owes.Kind, Since: owes.Since.UTC(), AgeDays: owes.AgeDays(now),
				Amount: owes.Amount, Currency: o.Currency, Method: o.Method, Customer: accountOf(o), Manufacturer: o.Manufacturer,
			})
		}
	}
	return list
}

// The columns of the tables are relied on by spreadsheets: new ones come last.
var obligationColumns = []string{
	"order_number", "kind", "since_utc", "age_days", "amount", "currency", "customer_name", "company", "account_number", "manufacturer",
	"method", "order_id",
}

func (ob Obligation) cells() []string {
	return []string{
		ob.OrderNumber, string(ob.Kind), timeCell(ob.Since), strconv.Itoa(ob.AgeDays), amountCell(ob.Currency, ob.Amount), string(ob.Currency),
		ob.Customer.Name, ob.Customer.Company, ob.Customer.AccountNumber, ob.Manufacturer, string(ob.Method), ob.OrderID.String(),
	}
}

type recordedInput struct {
	After
	Format
	Kind         domain.ObligationKind `query:"kind" enum:"entry,reversal" doc:"Without it both"`
	Manufacturer string                `query:"manufacturer" maxLength:"63"`
	From         string                `query:"from" maxLength:"40" doc:"Inclusive; a date or an instant, such as 2026-01-01 or 2026-01-01T09:00:00Z"`
	To           string                `query:"to" maxLength:"40" doc:"Exclusive for an instant; a date includes that day"`
}

// Recorded is an entry or a reversal that was recorded of the business system.
type Recorded struct {
	OrderID      uuid.UUID             `json:"order_id" format:"uuid"`
	OrderNumber  string                `json:"order_number"`
	Kind         domain.ObligationKind `json:"kind" enum:"entry,reversal"`
	Reference    string                `json:"reference" doc:"In the business system"`
	RecordedAt   time.Time             `json:"recorded_at"`
	Amount       int64                 `json:"amount" doc:"Minor units; of a reversal, what went back"`
	Currency     domain.Currency       `json:"currency" doc:"ISO 4217"`
	Method       domain.Method         `json:"method" enum:"card,account" doc:"card: paid outside Stripe all the same"`
	Customer     Account               `json:"customer"`
	Manufacturer string                `json:"manufacturer"`
}

// RecordedList is one page of what was recorded, what was recorded first first.
type RecordedList struct {
	Data       []Recorded `json:"data" nullable:"false"`
	HasMore    bool       `json:"has_more"`
	NextCursor *string    `json:"next_cursor"`
}

func (a *api) recorded(ctx context.Context, in *recordedInput) (*huma.StreamResponse, error) {
	if _, err := allow(ctx, domain.PermRead); err != nil {
		return nil, err
	}
	q := projections.RecordedQuery{Kind: in.Kind, Manufacturer: in.Manufacturer, Cursor: in.Cursor, Limit: in.Limit}
	table, err := in.table()
	if err == nil {
		q.From, q.To, err = Period(in.From, in.To)
	}
	if err != nil {
		return nil, err
	}
	if err := a.reached(ctx, in.After); err != nil {
		return nil, err
	}
	if table {
		q.Limit = projections.MaxLimit
		return asTable(ctx, a, "recorded", recordedColumns, func(ctx context.Context, cursor string) (tablePage, error) {
			q.Cursor = cursor
			page, err := a.Reader.Recorded(ctx, q)
			out := tablePage{rows: [][]string{}, next: page.Next}
			for _, r := range recordedOf(page.Recorded) {
				out.rows = append(out.rows, r.cells())
			}
			return out, err
		})
	}
	page, err := a.Reader.Recorded(ctx, q)
	if err != nil {
		return nil, err
	}
	list := RecordedList{Data: recordedOf(page.Recorded), HasMore: page.Next != ""}
	if page.Next != "" {
		list.NextCursor = &page.Next
	}
	return whole(list), nil
}

func recordedOf(rs []projections.Recorded) []Recorded {
	list := []Recorded{}
	for _, r := range rs {
		list = append(list, Recorded{
			OrderID: r.Order.ID, OrderNumber: r.Order.OrderNumber, Kind: r.Kind, Reference: r.Reference, RecordedAt: r.At.UTC(), Amount: r.Amount,
			Currency: r.Order.Currency, Method: r.Order.Method, Customer: accountOf(r.Order), Manufacturer: r.Order.Manufacturer,
		})
	}
	return list
}

var recordedColumns = []string{
	"recorded_at_utc", "kind", "reference", "order_number", "amount", "currency", "customer_name", "company", "account_number",
	"manufacturer", "method", "order_id",
}

func (r Recorded) cells() []string {
	return []string{
		timeCell(r.RecordedAt), string(r.Kind), r.Reference, r.OrderNumber, amountCell(r.Currency, r.Amount), string(r.Currency),
		r.Customer.Name, r.Customer.Company, r.Customer.AccountNumber, r.Manufacturer, string(r.Method), r.OrderID.String(),
	}
}
