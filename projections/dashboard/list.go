package dashboard

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/queryapi"
)

type tabLink struct {
	Tab     domain.Tab
	Count   int64
	Current bool
}

// nav leads from tab to tab.
type nav struct {
	Tabs []tabLink
}

// navOf is the navigation of a tab's page.
func navOf(c projections.Counts, current domain.Tab) nav {
	var n nav
	for _, t := range domain.Tabs {
		n.Tabs = append(n.Tabs, tabLink{Tab: t, Count: c.Tabs[t], Current: t == current})
	}
	return n
}

type heading struct {
	Text, URL string
	Class     string
	Sorted    string // for aria-sort; empty when the list is not sorted by it
}

type row struct {
	domain.View
	Clerk string // what the tab New says of it: Confirmed or Not confirmed
	Link  string
}

type listPage struct {
	layout
	Tab      domain.Tab
	Nav      nav
	Headings []heading
	Rows     []row
	Query    projections.Query
	From, To string
	// What is selected in the form.
	Status, Payment, Badge, Manufacturer string
	Filtered                             bool
	Parked                               int64  // orders that wait for a decision, in all tabs
	Due                                  int64  // orders to be accepted today
	Missed                               int64  // orders that were to be accepted, and still are
	Next                                 string // URL of the next page
	First                                string // URL of the first page, when this isn't it
	Statuses                             []domain.Status
	Payments                             []domain.PaymentState
	Badges                               []domain.Badge
}

var columnTexts = map[string]string{
	"order_number": "Order", "customer": "Customer", "placed_at": "Placed", "manufacturer": "Manufacturer",
	"total": "Total", "payment": "Payment", "status": "Status", "confirm_by": "Confirm by",
}

func (b *dashboard) list(w http.ResponseWriter, r *http.Request) error {
	ctx, form := r.Context(), r.URL.Query()
	tab := domain.Tab(form.Get("tab"))
	if tab == "" {
		tab = domain.TabNew
	}
	if !slices.Contains(domain.Tabs, tab) {
		return errNoPage
	}
	q := projections.Query{
		Tab: tab, Text: form.Get("q"), Status: some[domain.Status](form, "status"),
		Payment: some[domain.PaymentState](form, "payment"), Badge: some[domain.Badge](form, "badge"),
		Manufacturer: some[string](form, "manufacturer"), Sort: form.Get("sort"), Cursor: form.Get("cursor"),
	}
	var err error
	if q.PlacedFrom, q.PlacedTo, err = queryapi.Between(form.Get("placed_from"), form.Get("placed_to")); err != nil {
		return err
	}
	counts, err := b.Reader.Counts(ctx)
	if err != nil {
		return err
	}
	found, err := b.Reader.List(ctx, q)
	if err != nil {
		return err
	}
	page := listPage{
		layout: b.layout(r, words(tab)+" orders"), Tab: tab, Nav: navOf(counts, tab), Query: q, Headings: headings(form, q.Sort),
		Status: form.Get("status"), Payment: form.Get("payment"), Badge: form.Get("badge"), Manufacturer: form.Get("manufacturer"),
		From: form.Get("placed_from"), To: form.Get("placed_to"), Parked: counts.Parked, Due: counts.Due, Missed: counts.Missed,
		Statuses: domain.Statuses, Payments: domain.PaymentStates, Badges: domain.Badges,
	}
	for _, name := range []string{"q", "status", "payment", "badge", "manufacturer", "placed_from", "placed_to"} {
		page.Filtered = page.Filtered || form.Get(name) != ""
	}
	for _, o := range found.Orders {
		page.Rows = append(page.Rows, b.row(o, tab))
	}
	if found.Next != "" {
		page.Next = with(form, "cursor", found.Next)
	}
	if q.Cursor != "" {
		page.First = with(form, "cursor", "")
	}
	return b.show(w, r, http.StatusOK, "list", page)
}

func (b *dashboard) row(o domain.Order, tab domain.Tab) row {
	w := row{View: domain.Render(o, b.Now()), Clerk: words(o.Status()), Link: "Open"}
	if tab == domain.TabNew {
		w.Clerk, w.Link = "Not confirmed", "Review"
		if o.AcceptedAt != nil {
			w.Clerk = "Confirmed"
		}
	}
	return w
}

// some are the values of a filter; none when it is not set.
func some[T ~string](form url.Values, name string) (values []T) {
	for _, v := range form[name] {
		if v != "" {
			values = append(values, T(v))
		}
	}
	return values
}

// with is the address of the list with one parameter set, or taken away when the value is empty.
func with(form url.Values, name, value string) string {
	changed := url.Values{}
	for k, v := range form {
		if len(v) > 0 && v[0] != "" {
			changed.Set(k, v[0])
		}
	}
	changed.Set(name, value)
	if value == "" {
		changed.Del(name)
	}
	return "/orders?" + changed.Encode()
}

// headings link each column to the list sorted by it, and the sorted one to the other direction.
func headings(form url.Values, sorted string) []heading {
	if sorted == "" {
		sorted = "-placed_at"
	}
	by, descending := strings.CutPrefix(sorted, "-")
	first := url.Values{}
	for k, v := range form {
		if k != "cursor" { // a cursor belongs to one order of the rows
			first[k] = v
		}
	}
	hs := make([]heading, 0, len(projections.SortColumns))
	for _, c := range projections.SortColumns {
		h := heading{Text: columnTexts[c], URL: with(first, "sort", c), Class: c}
		switch {
		case c == by && descending:
			h.Sorted = "descending"
		case c == by:
			h.Sorted, h.URL = "ascending", with(first, "sort", "-"+c)
		}
		hs = append(hs, h)
	}
	return hs
}
