package dashboard

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

const obligationsPage = "/obligations"

// owedBox is what a page says of what an order owes the business system.
type owedBox struct {
	domain.Obligation
	Title, Why, Todo string
	Age              string
}

func (b *dashboard) owedOf(c voice, o domain.Order) *owedBox {
	owes, ok := o.Owes()
	if !ok {
		return nil
	}
	box := &owedBox{Obligation: owes, Title: "An entry is owed", Age: days(owes.AgeDays(b.Now()))}
	amount, account := c.Format(owes.Amount), ""
	if n := o.Personal.Customer.AccountNumber; n != "" {
		account = fmt.Sprintf(" (account %s)", n)
	}
	if owes.Kind == domain.OwesEntry {
		box.Why = "Shipped on account, and not entered in the business system yet"
		box.Todo = fmt.Sprintf("Enter %s for %s%s there, then record the entry's number here.",
			amount, apart(cmp.Or(o.Personal.Customer.Company, o.Personal.Customer.Name)), account)
		return box
	}
	box.Title = "A reversal is owed"
	happened := "Refunded"
	if o.RefundedAt == nil {
		happened = "Cancelled"
	}
	if o.TakenElsewhere {
		box.Why = fmt.Sprintf("%s after it was paid outside Stripe, by %s", happened, o.Reference)
		box.Todo = fmt.Sprintf("Give %s back there, then record here by which transfer, receipt or entry.", amount)
		return box
	}
	box.Why = fmt.Sprintf("%s after it was entered in the business system as %s", happened, o.Entry)
	box.Todo = fmt.Sprintf("Reverse the entry of %s there, then record the reversal's number here.", amount)
	return box
}

func days(n int) string {
	switch n {
	case 0:
		return "today"
	case 1:
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// owedRow is one order of the queue.
type owedRow struct {
	domain.View
	Owed *owedBox
	Verb domain.Verb // by which it is recorded; empty when who looks may not
}

type owedPage struct {
	layout
	Count               int64
	Rows                []owedRow
	Kind                domain.ObligationKind
	Kinds               []domain.ObligationKind
	Manufacturer        string
	Filtered            bool
	Said                string
	NewKey              func() string
	MaxReference        int
	Table               string // URL of the table of what is owed
	Next, First, Anyone string // URLs; the last one leads to the whole queue
}

// obligations lists what is owed to the business system, oldest first, with a form to record each.
func (b *dashboard) obligations(w http.ResponseWriter, r *http.Request) error {
	form := r.URL.Query()
	q := projections.ObligationQuery{
		Kind: domain.ObligationKind(form.Get("kind")), Manufacturer: form.Get("manufacturer"), Cursor: form.Get("cursor"),
	}
	found, err := b.Reader.Obligations(r.Context(), q)
	if err != nil {
		return err
	}
	filter := url.Values{}
	for name, value := range map[string]string{"kind": string(q.Kind), "manufacturer": q.Manufacturer} {
		if value != "" {
			filter.Set(name, value)
		}
	}
	page := owedPage{
		layout: b.layout(r, "On account"), Count: found.Count, Kind: q.Kind, Kinds: domain.ObligationKinds,
		Manufacturer: q.Manufacturer, Filtered: len(filter) > 0, NewKey: uuid.NewString, MaxReference: domain.MaxReference,
		Anyone: obligationsPage, Table: "/v1/obligations?" + set(filter, "format", "csv"),
	}
	if page.Said, err = b.recorded(r.Context(), form); err != nil {
		return err
	}
	for _, o := range found.Orders {
		row := owedRow{View: domain.Render(o, b.Now()), Owed: b.owedOf(b.voice(r, o), o)}
		if verb := row.Owed.Kind.Verb(); page.Actor.Role.May(domain.Permission(verb)) {
			row.Verb = verb
		}
		page.Rows = append(page.Rows, row)
	}
	if found.Next != "" {
		page.Next = obligationsPage + "?" + set(filter, "cursor", found.Next)
	}
	if q.Cursor != "" {
		page.First = obligationsPage + "?" + filter.Encode()
	}
	return b.show(w, r, http.StatusOK, "obligations", page)
}

// set is a query with one more value.
func set(form url.Values, name, value string) string {
	more := url.Values{name: {value}}
	for k, v := range form {
		more[k] = v
	}
	return more.Encode()
}

// recorded says what the form that led here has recorded; empty without one.
func (b *dashboard) recorded(ctx context.Context, form url.Values) (string, error) {
	id, err := uuid.Parse(form.Get("recorded"))
	if err != nil {
		return "", nil
	}
	o, err := b.Reader.Order(ctx, id)
	if err != nil {
		return "", err
	}
	rs := o.Recordings()
	if len(rs) == 0 {
		return "", nil
	}
	last := rs[len(rs)-1]
	return fmt.Sprintf("The %s of order %s is recorded: %s.", last.Kind, apart(o.OrderNumber), apart(last.Reference)), nil
}
