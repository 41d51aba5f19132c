package dashboard

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

// allTabs stands in a list's address for no tab in particular.
const allTabs = "all"

// Limits of a list's address.
const (
	maxValue   = 200  // bytes of one value
	maxAddress = 2000 // bytes in all
)

// filter is what a list's address says: all that makes the list, so that the address is the list.
type filter struct {
	Tab                                    string // one of domain.Tabs, or allTabs
	Status, Payment, Badge, Manufacturer   []string
	Text, Customer, Method                 string
	From, To, TotalFrom, TotalTo, Currency string // as they were typed
	Sort, Cursor                           string
}

// several are the filters that take several values, in the order of the address; single those that take one.
func (f *filter) several() []param[[]string] {
	return []param[[]string]{{"status", &f.Status}, {"payment", &f.Payment}, {"badge", &f.Badge}, {"manufacturer", &f.Manufacturer}}
}

func (f *filter) single() []param[string] {
	return []param[string]{
		{"q", &f.Text},
		{"customer", &f.Customer},
		{"method", &f.Method},
		{"placed_from", &f.From},
		{"placed_to", &f.To},
		{"total_from", &f.TotalFrom},
		{"total_to", &f.TotalTo},
		{"currency", &f.Currency},
	}
}

type param[T any] struct {
	name  string
	value *T
}

// readFilter reads a list's address. What it does not know is left out, as other pages' parameters are. Errors: projections.ErrBadQuery,
// beside the filter as it was asked for.
func readFilter(form url.Values) (filter, error) {
	f := filter{Tab: form.Get("tab"), Sort: form.Get("sort"), Cursor: form.Get("cursor")}
	for _, p := range f.several() {
		for _, v := range form[p.name] {
			for v := range strings.SplitSeq(v, ",") {
				if v = strings.TrimSpace(v); v != "" && !slices.Contains(*p.value, v) {
					*p.value = append(*p.value, v)
				}
			}
		}
	}
	for _, p := range f.single() {
		*p.value = strings.TrimSpace(form.Get(p.name))
	}
	if f.Tab == "" {
		f.Tab = string(domain.TabNew)
	}
	if n := len(f.encode()); n > maxAddress {
		return filter{}, projections.BadQuery("the address", "is longer than %d bytes; take some filters away", maxAddress)
	}
	for _, p := range f.single() {
		if len(*p.value) > maxValue {
			return f, projections.BadQuery(p.name, "is longer than %d bytes", maxValue)
		}
	}
	if f.Tab != allTabs && !slices.Contains(domain.Tabs, domain.Tab(f.Tab)) {
		return f, projections.BadQuery("tab", "must be one of %s, or %s", joined(domain.Tabs), allTabs)
	}
	return f, nil
}

func joined[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

// values are the address's parameters, without a cursor: the list from its beginning.
func (f *filter) values() url.Values {
	v := url.Values{"tab": {f.Tab}}
	for _, p := range f.several() {
		if len(*p.value) > 0 {
			v[p.name] = *p.value
		}
	}
	for _, p := range f.single() {
		if *p.value != "" {
			v.Set(p.name, *p.value)
		}
	}
	if f.Sort != "" {
		v.Set("sort", f.Sort)
	}
	return v
}

func (f *filter) encode() string { return f.values().Encode() }

// url is the address of the list, with some parameters set, or taken away when the value is empty: name, value, and so on.
func (f *filter) url(changes ...string) string {
	v := f.values()
	for i := 0; i+1 < len(changes); i += 2 {
		if v.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			v.Del(changes[i])
		}
	}
	return "/orders?" + v.Encode()
}

// URL is the list from its beginning; Everywhere is the same in all tabs; Half is for templates, too.
func (f filter) URL() string        { return f.url() }
func (f filter) Everywhere() string { return f.url("tab", allTabs, "status", "") }
func (f filter) Half() string       { return f.half() }

// filtered says whether anything but the tab chooses the orders. The two halves of New are no filters, but like tabs.
func (f *filter) filtered() bool {
	for _, p := range f.several() {
		if len(*p.value) > 0 && !(p.name == "status" && f.half() != "") {
			return true
		}
	}
	for _, p := range f.single() {
		if *p.value != "" {
			return true
		}
	}
	return false
}

// half is which half of New is shown: placed (nobody has looked at them) or accepted; empty when it is both.
func (f *filter) half() string {
	if f.Tab == string(domain.TabNew) && len(f.Status) == 1 && (f.Status[0] == string(domain.StatusPlaced) || f.Status[0] == string(domain.StatusAccepted)) {
		return f.Status[0]
	}
	return ""
}

// order is the column that the list is sorted by, as Query.Sort names it: New begins with what nobody has looked at, and that with
// what is due first.
func (f *filter) order() string {
	switch {
	case f.Sort != "":
		return f.Sort
	case f.half() == string(domain.StatusPlaced):
		return dueColumn
	case f.Tab == string(domain.TabNew):
		return "status"
	}
	return "-placed_at"
}

// query is the list as the read model knows it. Dates are days where the reader is. Errors: projections.ErrBadQuery.
func (f *filter) query(c projections.Choices, zone *time.Location) (projections.Query, error) {
	q := projections.Query{
		Text: f.Text, Status: names[domain.Status](f.Status), Payment: names[domain.PaymentState](f.Payment), Badge: names[domain.Badge](f.Badge),
		Manufacturer: f.Manufacturer, Customer: f.Customer, Method: domain.Method(f.Method), Currency: domain.Currency(strings.ToUpper(f.Currency)),
		Sort: f.order(), Cursor: f.Cursor,
	}
	if f.Tab != allTabs {
		q.Tab = domain.Tab(f.Tab)
	}
	var err error
	if q.PlacedFrom, err = day("placed_from", f.From, zone, 0); err != nil {
		return q, err
	}
	if q.PlacedTo, err = day("placed_to", f.To, zone, 1); err != nil {
		return q, err
	}
	if f.TotalFrom == "" && f.TotalTo == "" {
		return q, nil
	}
	if q.Currency == "" && len(c.Currencies) == 1 {
		q.Currency = c.Currencies[0]
	}
	if q.Currency == "" && len(c.Currencies) > 1 {
		return q, projections.BadQuery("currency", "must say in which one the amounts are: %s", joined(c.Currencies))
	}
	if q.TotalFrom, err = amount("total_from", f.TotalFrom, q.Currency); err != nil {
		return q, err
	}
	if q.TotalTo, err = amount("total_to", f.TotalTo, q.Currency); err == nil && f.TotalTo != "" && q.TotalTo < q.TotalFrom {
		return q, projections.BadQuery("total_to", "must not be less than %s", f.TotalFrom)
	}
	return q, err
}

func names[T ~string](values []string) []T {
	list := make([]T, len(values))
	for i, v := range values {
		list[i] = T(v)
	}
	return list
}

// day reads a date, of which it is the beginning, or so many days later; or an instant.
func day(name, s string, zone *time.Location, later int) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return t.AddDate(0, 0, later), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Time{}, projections.BadQuery(name, "must be a date such as 1996-07-04")
}

// amount reads an amount as people write it, such as 12.50, into minor units.
func amount(name, s string, c domain.Currency) (int64, error) {
	if s == "" {
		return 0, nil
	}
	bad := projections.BadQuery(name, "must be an amount such as 12.50, without signs for thousands")
	digits, known := c.Exponent()
	if !known {
		digits = 2
	}
	whole, cents, _ := strings.Cut(strings.Replace(s, ",", ".", 1), ".")
	if whole == "" || len(cents) > digits || strings.ContainsFunc(whole+cents, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, bad
	}
	n, err := strconv.ParseInt(whole+cents+strings.Repeat("0", digits-len(cents)), 10, 64)
	if err != nil || n > domain.MaxAmount {
		return 0, bad
	}
	return n, nil
}

// wrong is what of an address can't be answered, in a clerk's words.
type wrong struct{ Field, Name, Why string }

func wrongOf(e *projections.QueryError) wrong {
	w := wrong{Field: e.Parameter, Name: chipNames[e.Parameter], Why: e.Why}
	if w.Name == "" {
		w.Name = strings.ToUpper(e.Parameter[:1]) + e.Parameter[1:]
	}
	return w
}

// Title says what comes of it.
func (w wrong) Title() string { return badList }

// String is a sentence.
func (w wrong) String() string { return w.Name + " " + w.Why + "." }

// chip is a filter that is in force, and the address of the list without it.
type chip struct{ Name, Text, Without string }

func (f *filter) chips() []chip {
	var list []chip
	for _, p := range f.several() {
		if p.name == "status" && f.half() != "" {
			continue
		}
		for i, v := range *p.value {
			without := f.values()
			without[p.name] = slices.Concat((*p.value)[:i], (*p.value)[i+1:])
			list = append(list, chip{chipNames[p.name], chipText(p.name, v), "/orders?" + without.Encode()})
		}
	}
	for _, p := range f.single() {
		if *p.value == "" || p.name == "currency" && (f.TotalFrom != "" || f.TotalTo != "") {
			continue
		}
		text := chipText(p.name, *p.value)
		if strings.HasPrefix(p.name, "total") && f.Currency != "" {
			text += " " + strings.ToUpper(f.Currency)
		}
		list = append(list, chip{chipNames[p.name], text, f.url(p.name, "")})
	}
	return list
}

var chipNames = map[string]string{
	"status": "Status", "payment": "Payment", "badge": "Badge", "manufacturer": "Manufacturer", "q": "Search", "customer": "Customer",
	"tab": "In", "sort": "Sorted by", "cursor": "This page of the list",
	"method": "Paid", "placed_from": "Placed from", "placed_to": "Placed to", "total_from": "Total from", "total_to": "Total to", "currency": "Currency",
}

func chipText(name, value string) string {
	switch name {
	case "status":
		return words(domain.Status(value))
	case "payment":
		return words(value)
	case "method":
		return map[string]string{"card": "by card", "account": "on account"}[value]
	case "badge":
		return badge(domain.Badge(value)).Text
	}
	return value
}
