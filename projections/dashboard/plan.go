package dashboard

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/queryapi"
)

const (
	maxPlan   = 4 << 20 // bytes of a form that chooses orders
	maxSample = 8       // orders that are shown before many are acted on
	maxWhy    = 6       // reasons, and lines, that are shown
)

// planPage asks before something is done with many orders: how many, which, and which can't.
type planPage struct {
	layout
	Verb     domain.Verb
	What     string
	Key      string
	All      bool
	Query    string // of the list, when all of it was chosen
	Expected int
	Chosen   string // ids of the orders, when they were chosen one by one
	Lines    string // ship: the tracking numbers as lines of CSV
	Asks     bool   // ship: the lines are still to be filled in
	Orders   int
	Sample   []row
	More     int // orders that the sample leaves out
	Refused  int
	Refusals []refusedFor
	Captures []string // what is taken from cards on the way
	Problems []string // ship: lines that can't be used
	Changed  bool     // the list has changed since it was chosen
	Back     string
}

// refusedFor is why some orders can't be acted on, as it stands.
type refusedFor struct {
	Why    string
	Orders []string // their numbers, the first few
	N      int
}

// chosen is what a form chose.
type chosen struct {
	orders   []domain.Order
	tracking map[uuid.UUID][]domain.Tracking
	problems []string
}

// plan shows what is about to be done, and makes nothing.
func (b *dashboard) plan(w http.ResponseWriter, r *http.Request) error { return b.planned(w, r, false) }

// makeJob makes the job that a plan showed.
func (b *dashboard) makeJob(w http.ResponseWriter, r *http.Request) error {
	return b.planned(w, r, true)
}

func (b *dashboard) planned(w http.ResponseWriter, r *http.Request, confirmed bool) error {
	form, err := readPlan(w, r)
	if err != nil {
		return err
	}
	p := planPage{
		Verb: domain.Verb(form.Get("verb")), Key: cmp.Or(form.Get("key"), uuid.NewString()), All: form.Get("all") == "yes", Query: form.Get("query"),
		Lines: form.Get("lines"),
	}
	if p.Verb != exportVerb && doing[p.Verb] == "" || len(p.Key) > maxKey {
		return errForm
	}
	if p.Verb != exportVerb && !domain.ActorFrom(r.Context()).Role.May(domain.Permission(p.Verb)) {
		return queryapi.ErrForbidden
	}
	if p.Verb == exportVerb && p.All {
		http.Redirect(w, r, "/orders.csv?"+p.Query, http.StatusSeeOther)
		return nil
	}
	p.Back = "/orders?" + p.Query
	if confirmed {
		id, found, err := b.Jobs.Made(r.Context(), p.Key, p.asks(form))
		if err != nil {
			return b.refuseList(w, r, err, p.Back, "Back to the list")
		}
		if found { // the same form, sent again: what it meant then
			http.Redirect(w, r, "/jobs/"+id, http.StatusSeeOther)
			return nil
		}
	}
	c, err := b.choose(r, &p, form)
	if err != nil {
		return err
	}
	if refused := b.tooMuch(c, p); refused != nil {
		return b.refuseList(w, r, refused, p.Back, "Back to the list")
	}
	if p.Verb == exportVerb {
		return b.exportOrders(r.Context(), w, c.orders)
	}
	p.Asks = p.Verb == domain.VerbShip && (!form.Has("lines") || form.Get("edit") == "yes")
	p.Changed = confirmed && p.All && p.Lines == "" && strconv.Itoa(len(c.orders)) != form.Get("expected")
	if confirmed && !p.Changed && !p.Asks && len(c.problems) == 0 {
		return b.begin(w, r, p, c, p.asks(form))
	}
	b.describePlan(r, &p, c)
	p.layout = b.layout(r, p.What)
	p.layout.Section = "orders"
	status := http.StatusOK
	if p.Changed {
		status = http.StatusConflict
	}
	return b.show(w, r, status, "plan", p)
}

// asks is a plan as its form says it, before it is looked up which orders that means.
func (p *planPage) asks(form url.Values) JobPlan {
	said := url.Values{}
	for _, name := range []string{"query", "all", "expected", "order", "orders", "lines"} {
		said[name] = form[name]
	}
	return JobPlan{Verb: p.Verb, Asked: said.Encode()}
}

func (b *dashboard) begin(w http.ResponseWriter, r *http.Request, p planPage, c chosen, plan JobPlan) error {
	plan.Items = make([]eventstore.JobItem, len(c.orders))
	for i, o := range c.orders {
		plan.Items[i] = eventstore.JobItem{OrderID: o.ID, Number: o.OrderNumber, Version: o.Version, Tracking: c.tracking[o.ID]}
	}
	id, position, err := b.Jobs.Make(r.Context(), p.Key, plan)
	if err != nil {
		return b.refuseList(w, r, err, p.Back, "Back to the list")
	}
	b.settle(r.Context(), position)
	http.Redirect(w, r, "/jobs/"+id, http.StatusSeeOther)
	return nil
}

// readPlan reads a form that chooses orders, with or without a file of tracking numbers, whose lines then stand for those typed.
func readPlan(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxPlan)
	err := r.ParseMultipartForm(maxPlan)
	if errors.Is(err, http.ErrNotMultipart) {
		return r.PostForm, nil
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, err
	}
	if err != nil {
		return nil, errForm
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }() // in memory, by the limit
	file, _, err := r.FormFile("file")
	if err != nil {
		return r.PostForm, nil // none was chosen
	}
	defer func() { _ = file.Close() }() // only read
	lines, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	if len(lines) > 0 {
		r.PostForm.Set("lines", string(lines))
	}
	return r.PostForm, nil
}

// choose finds the orders that a form means: those of the lines, all of the list, or those that were ticked.
func (b *dashboard) choose(r *http.Request, p *planPage, form url.Values) (chosen, error) {
	ctx := r.Context()
	if p.Verb == domain.VerbShip && form.Has("lines") {
		return b.fromLines(ctx, p.Lines)
	}
	asked, err := url.ParseQuery(p.Query)
	if err != nil {
		return chosen{}, errForm
	}
	f, err := readFilter(asked)
	if err != nil {
		return chosen{}, err
	}
	p.Query = f.encode()
	p.Back = "/orders?" + p.Query
	if p.All {
		leave, err := b.walk(ctx)
		if err != nil {
			return chosen{}, err
		}
		defer leave()
		choices, err := b.Reader.Choices(ctx)
		if err != nil {
			return chosen{}, err
		}
		q, err := f.query(choices, b.format(r).Zone())
		if err != nil {
			return chosen{}, err
		}
		orders, err := b.matching(ctx, q, MaxJobOrders)
		return chosen{orders: orders}, err
	}
	ids := form["order"]
	if s := form.Get("orders"); s != "" {
		ids = append(ids, strings.Split(s, ",")...)
	}
	var c chosen
	seen := map[uuid.UUID]bool{}
	for _, s := range ids {
		id, err := uuid.Parse(s)
		if err != nil {
			return chosen{}, errForm
		}
		if seen[id] || len(c.orders) > MaxJobOrders {
			continue
		}
		seen[id] = true
		o, err := b.Reader.Order(ctx, id)
		if err != nil {
			return chosen{}, err
		}
		c.orders = append(c.orders, o)
	}
	return c, nil
}

func (b *dashboard) tooMuch(c chosen, p planPage) error {
	say := func(format string, args ...any) error {
		return &domain.Rejection{Code: domain.BadValue, Kind: domain.Invalid, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case len(c.orders) > MaxJobOrders:
		return say("More than %d orders are chosen, which is the most at once. Filter the list further, and do it in several steps.", MaxJobOrders)
	case len(c.orders) == 0 && len(c.problems) == 0 && p.Lines == "":
		return say("No order is chosen. Tick some in the list, or all that match.")
	}
	return nil
}

// describePlan says what would come of a plan as it stands.
func (b *dashboard) describePlan(r *http.Request, p *planPage, c chosen) {
	p.What, p.Orders, p.Expected = what(p.Verb, len(c.orders)), len(c.orders), len(c.orders)
	if p.Problems = c.problems; len(p.Problems) > maxWhy {
		p.Problems = append(p.Problems[:maxWhy:maxWhy], fmt.Sprintf("… and %d more lines.", len(c.problems)-maxWhy))
	}
	why := map[string]int{}
	taken := map[domain.Currency]int64{}
	ids := make([]string, len(c.orders))
	for i, o := range c.orders {
		ids[i] = o.ID.String()
		if len(p.Sample) < maxSample {
			p.Sample = append(p.Sample, b.row(o, projections.Query{}, false))
		}
		_, err := domain.Decide(o, commandOf(p.Verb, c.tracking[o.ID]))
		rejected := (*domain.Rejection)(nil)
		if errors.As(err, &rejected) {
			p.Refused++
			at, known := why[rejected.Message]
			if !known && len(p.Refusals) < maxWhy {
				at = len(p.Refusals)
				why[rejected.Message], known = at, true
				p.Refusals = append(p.Refusals, refusedFor{Why: rejected.Message})
			}
			if known {
				one := &p.Refusals[at]
				if one.N++; len(one.Orders) < maxSample {
					one.Orders = append(one.Orders, o.OrderNumber)
				}
			}
		} else if p.Verb == domain.VerbShip && o.Method == domain.Card && !o.Captured() {
			taken[o.Currency] += o.Total
		}
	}
	p.More = len(c.orders) - len(p.Sample)
	for _, currency := range slices.Sorted(mapKeys(taken)) {
		p.Captures = append(p.Captures, b.format(r).Money(currency, taken[currency]))
	}
	switch {
	case p.Asks && p.Lines == "":
		p.Lines = linesOf(c.orders)
	case !p.All && p.Lines == "":
		p.Chosen = strings.Join(ids, ",")
	}
}

func mapKeys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func commandOf(verb domain.Verb, tracking []domain.Tracking) domain.Command {
	switch verb {
	case domain.VerbShip:
		return domain.Ship{Tracking: tracking}
	case domain.VerbArchive:
		return domain.Archive{}
	}
	return domain.Accept{}
}
