package queryapi

import (
	"cmp"
	"context"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

type parkedInput struct {
	After
	Cursor string `query:"cursor" maxLength:"1000" doc:"next_cursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" doc:"Entries a page; without it 50"`
}

// Parked is a money act that waits for a person's decision, with what one must know of its order.
type Parked struct {
	_ struct{} `nullable:"false"` // unlike a view's

	OrderID      uuid.UUID       `json:"order_id" format:"uuid"`
	OrderNumber  string          `json:"order_number"`
	Version      int             `json:"version" doc:"The order's, for If-Match"`
	Customer     string          `json:"customer" doc:"The customer's name, else the company's"`
	Manufacturer string          `json:"manufacturer"`
	Currency     domain.Currency `json:"currency" doc:"ISO 4217"`
	domain.ParkedView
}

// ParkedList is one page of what is parked, what was parked first first.
type ParkedList struct {
	Data       []Parked `json:"data" nullable:"false"`
	HasMore    bool     `json:"has_more"`
	NextCursor *string  `json:"next_cursor"`
}

type parkedOutput struct{ Body ParkedList }

func (a *api) parked(ctx context.Context, in *parkedInput) (*parkedOutput, error) {
	if _, err := allow(ctx, domain.PermRead); err != nil {
		return nil, err
	}
	if err := a.reached(ctx, in.After); err != nil {
		return nil, err
	}
	page, err := a.Reader.Parked(ctx, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &parkedOutput{Body: ParkedList{Data: []Parked{}, HasMore: page.Next != ""}}
	for _, o := range page.Orders {
		if view := domain.RenderParked(o); view != nil {
			out.Body.Data = append(out.Body.Data, Parked{
				OrderID: o.ID, OrderNumber: o.OrderNumber, Version: o.Version, Manufacturer: o.Manufacturer, Currency: o.Currency,
				Customer: cmp.Or(o.Personal.Customer.Name, o.Personal.Customer.Company), ParkedView: *view,
			})
		}
	}
	if page.Next != "" {
		out.Body.NextCursor = &page.Next
	}
	return out, nil
}
