package queryapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
)

type listInput struct {
	After
	Format
	Tab          domain.Tab            `query:"tab" enum:"new,paid,shipped,refunded,cancelled,archived"`
	Text         string                `query:"q" maxLength:"200" doc:"The whole of an order number, tracking number, e-mail address or id of Stripe's; else words of order number, customer, company, e-mail address and tracking number, whose beginnings do. Accents and case are ignored"`
	Status       []domain.Status       `query:"status" maxItems:"20" doc:"Any of these, separated by commas" enum:"placed,accepted,paid,shipped,refunded,cancelled"`
	Payment      []domain.PaymentState `query:"payment" maxItems:"20" doc:"Any of these, separated by commas" enum:"authorized,captured,released,refunded,expired,failed,open,owed,recorded,reversal_owed,reversed"`
	Method       domain.Method         `query:"method" enum:"card,account"`
	Badge        []domain.Badge        `query:"badge" maxItems:"20" doc:"Any of these, separated by commas" enum:"capture_failed,authorization_expiring,authorization_expired,confirmation_due,confirmation_missed,entry_owed,reversal_owed,refund_pending,refund_failed,cancel_failed,disputed,parked,notification_failed"`
	Manufacturer []string              `query:"manufacturer" maxItems:"20" doc:"Any of these, separated by commas"`
	Customer     string                `query:"customer" maxLength:"500" doc:"The store's id of the customer"`
	Currency     domain.Currency       `query:"currency" maxLength:"3"`
	TotalFrom    int64                 `query:"total_from" minimum:"0" doc:"Minor units, inclusive"`
	TotalTo      int64                 `query:"total_to" minimum:"0" doc:"Minor units, inclusive"`
	PlacedFrom   string                `query:"placed_from" doc:"Inclusive; a date or an instant, such as 1996-07-04 or 1996-07-04T09:00:00Z"`
	PlacedTo     string                `query:"placed_to" doc:"Exclusive for an instant; a date includes that day"`
	Sort         string                `query:"sort" maxLength:"40" doc:"order_number, customer, placed_at, manufacturer, total, payment, status or confirm_by (orders that nobody has to accept any more are last); - before it for descending; without it -placed_at"`
}

// OrderList is one page of orders.
type OrderList struct {
	Data       []domain.View `json:"data" nullable:"false"`
	HasMore    bool          `json:"has_more"`
	NextCursor *string       `json:"next_cursor"`
}

func (a *api) list(ctx context.Context, in *listInput) (*huma.StreamResponse, error) {
	actor, err := allow(ctx, domain.PermRead, domain.PermReadOwn)
	if err != nil {
		return nil, err
	}
	table, err := in.table()
	if err != nil {
		return nil, err
	}
	q := projections.Query{
		Tab: in.Tab, Text: in.Text, Status: in.Status, Payment: in.Payment, Method: in.Method, Badge: in.Badge,
		Manufacturer: in.Manufacturer, Customer: in.Customer, Currency: in.Currency,
		TotalFrom: in.TotalFrom, TotalTo: in.TotalTo, Sort: in.Sort, Cursor: in.Cursor, Limit: in.Limit,
	}
	if !actor.Role.May(domain.PermRead) {
		q.PlacedBy = actor.ID
	}
	if q.PlacedFrom, q.PlacedTo, err = Between(in.PlacedFrom, in.PlacedTo); err != nil {
		return nil, err
	}
	if err := a.reached(ctx, in.After); err != nil {
		return nil, err
	}
	if table {
		q.Limit = projections.MaxLimit
		return asTable(ctx, a, "orders", OrderColumns, func(ctx context.Context, cursor string) (tablePage, error) {
			q.Cursor = cursor
			page, err := a.Reader.List(ctx, q)
			return tablePage{OrderRows(page.Orders, a.Now()), page.Next}, err
		})
	}
	page, err := a.Reader.List(ctx, q)
	if err != nil {
		return nil, err
	}
	list := OrderList{Data: make([]domain.View, len(page.Orders)), HasMore: page.Next != ""}
	now := a.Now()
	for i, o := range page.Orders {
		list.Data[i] = domain.Render(o, now)
	}
	if page.Next != "" {
		list.NextCursor = &page.Next
	}
	return whole(list), nil
}

// OrderColumns are the columns of a table of orders. They are relied on by spreadsheets: new ones come last.
var OrderColumns = []string{
	"order_number", "manufacturer", "tab", "status", "placed_at_utc", "confirm_by_utc", "customer_name", "company", "email",
	"account_number", "total", "currency", "method", "payment", "payment_intent", "badges", "accepted_at_utc", "captured_at_utc",
	"shipped_at_utc", "refunded_at_utc", "cancelled_at_utc", "archived_at_utc", "tracking", "shipping_method", "order_id",
}

// OrderRows are orders as rows of a table, as they are at an instant. WriteRows makes its cells safe.
func OrderRows(orders []domain.Order, now time.Time) [][]string {
	rows := make([][]string, len(orders))
	for i, o := range orders {
		badges, tracking := []string{}, []string{}
		for _, b := range o.Badges(now) {
			badges = append(badges, string(b))
		}
		for _, t := range o.Tracking {
			tracking = append(tracking, strings.TrimSpace(t.Carrier+" "+t.Number))
		}
		c := o.Personal.Customer
		rows[i] = []string{
			o.OrderNumber, o.Manufacturer, string(o.Tab()), string(o.Status()), timeCell(o.PlacedAt), maybeTime(&o.Confirm.By), c.Name, c.Company,
			c.Email, c.AccountNumber, amountCell(o.Currency, o.Total), string(o.Currency), string(o.Method), string(o.PaymentState()),
			o.Hold.PaymentIntent, strings.Join(badges, " "), maybeTime(o.AcceptedAt), maybeTime(o.CapturedAt), maybeTime(o.ShippedAt),
			maybeTime(o.RefundedAt), maybeTime(o.CancelledAt), maybeTime(o.ArchivedAt), strings.Join(tracking, ", "), o.ShippingMethod, o.ID.String(),
		}
	}
	return rows
}

func maybeTime(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return timeCell(*t)
}

// Between reads the bounds of a query's time span: each empty, an instant of RFC 3339, or a date (UTC). A date as the upper
// bound includes its day. Errors wrap projections.ErrBadQuery.
func Between(from, to string) (lower, upper time.Time, err error) {
	return between("placed_from", from, "placed_to", to)
}

// Period is Between for the parameters from and to.
func Period(from, to string) (lower, upper time.Time, err error) {
	return between("from", from, "to", to)
}

func between(fromName, from, toName, to string) (lower, upper time.Time, err error) {
	if lower, _, err = bound(fromName, from); err != nil {
		return lower, upper, err
	}
	upper, date, err := bound(toName, to)
	if date {
		upper = upper.AddDate(0, 0, 1)
	}
	return lower, upper, err
}

func bound(name, s string) (t time.Time, date bool, err error) {
	if s == "" {
		return t, false, nil
	}
	if t, err = time.Parse(time.DateOnly, s); err == nil {
		return t, true, nil
	}
	if t, err = time.Parse(time.RFC3339, s); err == nil {
		return t, false, nil
	}
	return t, false, projections.BadQuery(name, "is neither a date nor an instant, such as 1996-07-04 or 1996-07-04T09:00:00Z")
}

// TabCounts are the numbers of orders in the tabs, exact, as of Position.
type TabCounts struct {
	New       int64               `json:"new"`
	Paid      int64               `json:"paid"`
	Shipped   int64               `json:"shipped"`
	Refunded  int64               `json:"refunded"`
	Cancelled int64               `json:"cancelled"`
	Archived  int64               `json:"archived"`
	Position  eventstore.Position `json:"position"`
}

type tabsOutput struct{ Body TabCounts }

func (a *api) tabs(ctx context.Context, in *After) (*tabsOutput, error) {
	if _, err := allow(ctx, domain.PermRead); err != nil {
		return nil, err
	}
	if err := a.reached(ctx, *in); err != nil {
		return nil, err
	}
	c, err := a.Reader.Counts(ctx)
	if err != nil {
		return nil, err
	}
	return &tabsOutput{Body: TabCounts{
		New: c.Tabs[domain.TabNew], Paid: c.Tabs[domain.TabPaid], Shipped: c.Tabs[domain.TabShipped],
		Refunded: c.Tabs[domain.TabRefunded], Cancelled: c.Tabs[domain.TabCancelled], Archived: c.Tabs[domain.TabArchived],
		Position: c.Position,
	}}, nil
}

type orderInput struct {
	After
	ID   string `path:"id" maxLength:"64" doc:"The order's id"`
	Seen string `header:"If-None-Match" doc:"The ETag that the caller has: answered with 304 when it still stands"`
}

type orderOutput struct {
	Status int
	ETag   string `header:"ETag" doc:"The order's version, quoted; for If-Match"`
	Body   *domain.View
}

func (a *api) order(ctx context.Context, in *orderInput) (*orderOutput, error) {
	o, err := a.visible(ctx, in.ID, in.After)
	if err != nil {
		return nil, err
	}
	out := &orderOutput{Status: http.StatusOK, ETag: strconv.Quote(strconv.Itoa(o.Version))}
	view := domain.Render(o, a.Now())
	out.Body = &view
	if matches(in.Seen, out.ETag) {
		out.Status = http.StatusNotModified // huma writes no body then
	}
	return out, nil
}

// visible returns an order that the actor may see. One that they may not see is not found, so that nobody learns of it.
func (a *api) visible(ctx context.Context, id string, after After) (domain.Order, error) {
	actor, err := allow(ctx, domain.PermRead, domain.PermReadOwn)
	if err != nil {
		return domain.Order{}, err
	}
	orderID, err := uuid.Parse(id)
	if err != nil {
		return domain.Order{}, domain.Reject(domain.OrderNotFound)
	}
	if err := a.reached(ctx, after); err != nil {
		return domain.Order{}, err
	}
	o, err := a.Reader.Order(ctx, orderID)
	if err == nil && !actor.Role.May(domain.PermRead) && o.PlacedBy != actor.ID {
		return domain.Order{}, domain.Reject(domain.OrderNotFound)
	}
	return o, err
}

// matches says whether an If-None-Match names the entity tag; weak and strong tags compare alike here.
func matches(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == etag || tag == "*" {
			return true
		}
	}
	return false
}
