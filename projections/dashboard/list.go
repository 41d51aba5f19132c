package dashboard

import (
	"cmp"
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

// listPages are the pages of lists, and of what is done with many orders.
func (b *dashboard) listPages(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", b.page(b.home))
	mux.HandleFunc("GET /orders", b.page(b.list))
	mux.HandleFunc("GET /orders.csv", b.page(b.export))
	mux.HandleFunc("GET /rows", b.page(b.rows))
	mux.HandleFunc("GET /review", b.page(b.review))
	mux.HandleFunc("GET /search", b.page(b.search))
	mux.HandleFunc("GET /palette", b.page(b.palette))
	mux.HandleFunc("GET /keys", b.page(b.keys))
	mux.HandleFunc("GET /views", b.page(b.views))
	if b.Views != nil {
		mux.HandleFunc("POST /views", b.page(b.saveView))
	}
	if b.Jobs == nil {
		return
	}
	mux.HandleFunc("GET /jobs", b.page(b.jobs))
	mux.HandleFunc("POST /jobs", b.page(b.makeJob))
	mux.HandleFunc("POST /jobs/new", b.page(b.plan))
	mux.HandleFunc("GET /jobs/{id}", b.page(b.job))
	mux.HandleFunc("GET /jobs/{id}/results.csv", b.page(b.jobResults))
	mux.HandleFunc("POST /jobs/{id}/cancel", b.page(b.cancelJob))
	mux.HandleFunc("POST /jobs/{id}/retry", b.page(b.retryJob))
}

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

// row is an order in a list. Gone says where it went that was in the list and does not fit it any more; empty while it fits.
type row struct {
	domain.View
	Clerk string // how far it is, for a clerk
	Link  string
	Gone  string
	Due   time.Time // until when it is to be accepted; zero: it needs not be
	Late  bool      // it was to be accepted by now
	Picks bool      // it can be chosen
}

// half is one of the parts of New.
type half struct {
	Name, Count, URL string
	N                int64
	Current          bool
}

// box is one value of a filter, to be ticked.
type box struct {
	Value, Text string
	Ticked      bool
}

type listPage struct {
	layout
	Nav      nav
	Filter   filter
	Query    string // the address's, without a cursor
	Halves   []half // of New
	Headings []heading
	Rows     []row
	Chips    []chip
	Filtered bool
	Wrong    *wrong // why there is no list
	Count    int64  // of the whole list; projections.Uncounted where it is not known
	Counts   projections.Counts
	Next     string // URL of the next page
	First    string // URL of the first page, when this isn't it
	Table    string // URL of the whole list as CSV

	Statuses, Payments, Badges, Manufacturers, Sorts []box
	Currencies                                       []domain.Currency
	OneManufacturer                                  string // where there are too many to be ticked

	Views  viewsMenu
	Verbs  []bulkVerb // what can be done with many at once
	NewKey func() string
}

var columnTexts = map[string]string{
	"order_number": "Order", "customer": "Customer", "placed_at": "Placed", "manufacturer": "Manufacturer",
	"total": "Total", "payment": "Payment", "status": "Status", dueColumn: "Due",
}

// dueColumn is what the column Due is sorted by.
const dueColumn = "confirm_by"

// tickable bounds how many manufacturers are offered to be ticked; of more, one is typed.
const tickable = 40

// asked is what a list's address asks for.
func (b *dashboard) asked(r *http.Request) (f filter, q projections.Query, choices projections.Choices, err error) {
	f, bad := readFilter(r.URL.Query())
	if choices, err = b.Reader.Choices(r.Context()); err != nil || bad != nil {
		return f, q, choices, cmp.Or(err, bad)
	}
	q, err = f.query(choices, b.format(r).Zone())
	return f, q, choices, err
}

// list is a list of orders: a tab, filtered and sorted as its address says.
func (b *dashboard) list(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	f, q, choices, err := b.asked(r)
	var found projections.Page
	if err == nil {
		found, err = b.Reader.List(ctx, q)
	}
	page, status := listPage{NewKey: uuid.NewString}, http.StatusOK
	if bad := (*projections.QueryError)(nil); errors.As(err, &bad) && f.Tab != "" { // else there is nothing that could be corrected
		page.Wrong, status = &[]wrong{wrongOf(bad)}[0], http.StatusBadRequest
	} else if err != nil {
		return err
	}
	page.layout, page.Filter, page.Query = b.layout(r, f.title()), f, f.encode()
	if page.layout.Counts != nil {
		page.Counts = *page.layout.Counts
	} else if page.Counts, err = b.Reader.Counts(ctx); err != nil {
		return err
	}
	if page.Count = found.Count; page.Wrong != nil {
		page.Count = projections.Uncounted
	}
	page.Table = "/orders.csv?" + page.Query
	page.Nav = navOf(page.Counts, domain.Tab(f.Tab))
	page.Halves, page.Headings = halves(f, page.Counts), headings(f)
	page.Chips, page.Filtered = f.chips(), f.filtered()
	page.choices(choices)
	if page.Verbs = b.bulkVerbs(page.Actor.Role); len(page.Verbs) > 0 {
		page.Verbs = append(page.Verbs, bulkVerb{Verb: exportVerb, Text: "Export", Icon: "download"})
	}
	for _, o := range found.Orders {
		page.Rows = append(page.Rows, b.row(o, q, len(page.Verbs) > 0))
	}
	if found.Next != "" {
		page.Next = f.url("cursor", found.Next)
	}
	if q.Cursor != "" {
		page.First = f.url()
	}
	if page.Views, err = b.viewsMenu(ctx, page.Actor, page.Query); err != nil {
		return err
	}
	return b.show(w, r, status, "list", page)
}

// Invalid marks the field of the filters that can't be answered, for templates.
func (p listPage) Invalid(field string) template.HTMLAttr {
	if p.Wrong == nil || p.Wrong.Field != field {
		return ""
	}
	return `aria-invalid="true" aria-describedby="wrong"`
}

func (f *filter) title() string {
	switch {
	case f.Tab != allTabs:
		return words(f.Tab) + " orders"
	case f.Text != "":
		return "Orders found"
	}
	return "All orders"
}

func (p *listPage) choices(c projections.Choices) {
	tick := func(value, text string, ticked []string) box { return box{value, text, slices.Contains(ticked, value)} }
	for _, s := range domain.Statuses {
		p.Statuses = append(p.Statuses, tick(string(s), words(s), p.Filter.Status))
	}
	for _, s := range domain.PaymentStates {
		p.Payments = append(p.Payments, tick(string(s), words(s), p.Filter.Payment))
	}
	for _, s := range domain.Badges {
		p.Badges = append(p.Badges, tick(string(s), badge(s).Text, p.Filter.Badge))
	}
	if len(c.Manufacturers) > tickable {
		p.OneManufacturer = strings.Join(p.Filter.Manufacturer, ",")
	} else {
		for _, m := range c.Manufacturers {
			p.Manufacturers = append(p.Manufacturers, tick(m, m, p.Filter.Manufacturer))
		}
	}
	p.Currencies = c.Currencies
	for _, column := range projections.SortColumns {
		p.Sorts = append(p.Sorts, tick(column, columnTexts[column], []string{p.Filter.Sort}),
			tick("-"+column, columnTexts[column]+", descending", []string{p.Filter.Sort}))
	}
	p.Sorts = slices.DeleteFunc(p.Sorts, func(s box) bool { return s.Value == "-"+dueColumn && !s.Ticked })
}

func (b *dashboard) row(o domain.Order, q projections.Query, picks bool) row {
	now := b.Now()
	w := row{View: domain.Render(o, now), Clerk: words(o.Status()), Link: "Open", Picks: picks}
	if o.Tab() == domain.TabNew && o.AcceptedAt == nil {
		w.Link = "Review"
	}
	w.Due = o.Due()
	w.Late = !w.Due.IsZero() && !now.Before(w.Due)
	if !q.Fits(o, now) {
		w.Gone = "not in this list any more"
		if q.Tab != "" && o.Tab() != q.Tab {
			w.Gone = "now in " + words(o.Tab())
		}
	}
	return w
}

// maxFetched bounds the rows that a page may fetch anew at once.
const maxFetched = projections.DefaultLimit

// rows are the rows of some orders of a list, as they are now: the page puts them in the place of those that it shows.
func (b *dashboard) rows(w http.ResponseWriter, r *http.Request) error {
	ctx, form := r.Context(), r.URL.Query()
	_, q, _, err := b.asked(r)
	if err != nil {
		return err
	}
	ids := form["order"]
	if len(ids) > maxFetched {
		return projections.BadQuery("order", "names more than %d orders", maxFetched)
	}
	page := listPage{layout: layout{Actor: domain.ActorFrom(ctx)}}
	picks := len(b.bulkVerbs(page.Actor.Role)) > 0
	for _, s := range ids {
		id, err := uuid.Parse(s)
		if err != nil {
			return projections.BadQuery("order", "is no order's id")
		}
		o, err := b.Reader.Order(ctx, id)
		if err != nil {
			return err
		}
		page.Rows = append(page.Rows, b.row(o, q, picks))
	}
	return b.part(w, r, http.StatusOK, "list", "rows", page)
}

func halves(f filter, c projections.Counts) []half {
	if f.Tab != string(domain.TabNew) {
		return nil
	}
	all := c.Tabs[domain.TabNew]
	list := []half{
		{Name: "All new", Count: "new", N: all},
		{Name: "Un-reviewed", Count: "unreviewed", N: c.Unreviewed},
		{Name: "Accepted", Count: "accepted", N: all - c.Unreviewed},
	}
	for i, status := range []string{"", string(domain.StatusPlaced), string(domain.StatusAccepted)} {
		list[i].Current = f.half() == status && (status != "" || len(f.Status) == 0)
		list[i].URL = "/orders?" + url.Values{"tab": {f.Tab}}.Encode()
		if status != "" {
			list[i].URL += "&status=" + status
		}
	}
	return list
}

// headings link each column to the list sorted by it, and the sorted one to the other direction.
func headings(f filter) []heading {
	by, descending := strings.CutPrefix(f.order(), "-")
	hs := make([]heading, 0, len(projections.SortColumns))
	for _, c := range projections.SortColumns {
		h := heading{Text: columnTexts[c], URL: f.url("sort", c), Class: c}
		switch {
		case c == by && descending:
			h.Sorted = "descending"
		case c == by && c == dueColumn: // the other way round it would begin with all that is not due at all
			h.Sorted, h.URL = "ascending", f.url("sort", "")
		case c == by:
			h.Sorted, h.URL = "ascending", f.url("sort", "-"+c)
		}
		hs = append(hs, h)
	}
	return hs
}

// review leads to the order that is to be looked at next: of those that nobody has accepted, the one that is due first.
func (b *dashboard) review(w http.ResponseWriter, r *http.Request) error {
	found, err := b.Reader.List(r.Context(), projections.Query{
		Tab: domain.TabNew, Status: []domain.Status{domain.StatusPlaced}, Sort: dueColumn, Limit: 1,
	})
	if err != nil {
		return err
	}
	to := "/orders?tab=new"
	if len(found.Orders) > 0 {
		to = "/orders/" + found.Orders[0].ID.String()
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// matching walks the orders of a list, page by page, at most so many and one more. What is met while others work may be among them
// or not, and nothing is twice.
func (b *dashboard) matching(ctx context.Context, q projections.Query, most int) ([]domain.Order, error) {
	var all []domain.Order
	seen := map[uuid.UUID]bool{}
	q.Cursor, q.Limit = "", projections.MaxLimit
	for {
		page, err := b.Reader.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Orders {
			if !seen[o.ID] {
				seen[o.ID] = true
				all = append(all, o)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" || len(all) > most {
			return all[:min(len(all), most+1)], nil
		}
	}
}

// within bounds how long something may take to be read from the read model or written to somebody slow.
const within = 30 * time.Second
