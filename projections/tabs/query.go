package tabs

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

// key is what a list is sorted by, in one row: a text or a number.
type key struct {
	Text   string `json:"t,omitempty"`
	Number int64  `json:"i,omitempty"`
}

// condition is a piece of SQL with its arguments.
type condition struct {
	sql  string
	args []any
}

// query is a checked projections.Query.
type query struct {
	projections.Query
	sort       string // the column's name
	column     string // the same, when it is a column of orders; empty when it is one of facets
	descending bool
	limit      int
	after      *hit // from the cursor
	identity   string
	badges     int64       // those that are asked for and come with events
	clocked    []condition // those that are asked for and come with the clock
	badged     []int64     // where both are asked for: the facets that have the former
	words      []string
	nothing    bool // the text holds no word that could be found
	now        time.Time
}

// maxWords bounds how many words of a search are looked at.
const maxWords = 10

// parse checks a query as it is asked at an instant.
func parse(q projections.Query, now time.Time) (query, error) {
	out := query{Query: q, limit: q.Limit, now: now}
	if out.limit == 0 {
		out.limit = projections.DefaultLimit
	}
	if out.limit < 1 || out.limit > projections.MaxLimit {
		return query{}, projections.BadQuery("limit", "must be 1 to %d", projections.MaxLimit)
	}
	if q.Sort == "" {
		q.Sort = "-placed_at"
	}
	out.sort, out.descending = strings.CutPrefix(q.Sort, "-")
	if !slices.Contains(projections.SortColumns, out.sort) {
		return query{}, projections.BadQuery("sort", "must be one of %s; - before it for descending", strings.Join(projections.SortColumns, ", "))
	}
	if slices.Contains(columns, out.sort) {
		out.column = out.sort
	}
	if err := oneOf("tab", q.Tab, domain.Tabs); err != nil {
		return query{}, err
	}
	if err := someOf("status", q.Status, domain.Statuses); err != nil {
		return query{}, err
	}
	if err := someOf("payment", q.Payment, domain.PaymentStates); err != nil {
		return query{}, err
	}
	if err := oneOf("method", q.Method, []domain.Method{domain.Card, domain.Account}); err != nil {
		return query{}, err
	}
	if err := someOf("badge", q.Badge, domain.Badges); err != nil {
		return query{}, err
	}
	if len(q.Manufacturer) > projections.MaxValues {
		return query{}, tooMany("manufacturer")
	}
	if q.TotalFrom < 0 || q.TotalTo < 0 || q.TotalTo != 0 && q.TotalTo < q.TotalFrom {
		return query{}, projections.BadQuery("total_to", "must not be below total_from, and neither below zero")
	}
	for _, b := range q.Badge {
		switch b {
		case domain.BadgeConfirmationDue:
			out.clocked = append(out.clocked, condition{`due_from <= ? AND due_by > ?`, []any{instant(now), instant(now)}})
		case domain.BadgeAuthorizationExpiring:
			out.clocked = append(out.clocked, condition{`expiring_from <= ?`, []any{instant(now)}})
		default:
			out.badges |= bit(b)
		}
	}
	if strings.TrimSpace(q.Text) != "" {
		out.words = wordsOf(q.Text)
		out.words = out.words[:min(len(out.words), maxWords)]
		out.nothing = len(out.words) == 0
	}
	return out, out.resume(q)
}

func oneOf[T ~string](name string, value T, all []T) error {
	if value != "" && !slices.Contains(all, value) {
		return projections.BadQuery(name, "must not be %q: there is none of that name", string(value))
	}
	return nil
}

func someOf[T ~string](name string, values, all []T) error {
	if len(values) > projections.MaxValues {
		return tooMany(name)
	}
	for _, v := range values {
		if !slices.Contains(all, v) {
			return projections.BadQuery(name, "must not be %q: there is none of that name", string(v))
		}
	}
	return nil
}

func tooMany(name string) error {
	return projections.BadQuery(name, "must not have more than %d values", projections.MaxValues)
}

// place is what a cursor says.
type place struct {
	Query string `json:"q"` // of which query
	Key   key    `json:"k"`
	N     int64  `json:"n"`
}

// resume reads the cursor, which must be of the same query.
func (q *query) resume(asked projections.Query) error {
	cursor := asked.Cursor
	asked.Cursor, asked.Limit = "", 0
	asked.PlacedFrom, asked.PlacedTo = asked.PlacedFrom.UTC(), asked.PlacedTo.UTC()
	b, err := json.Marshal(asked)
	if err != nil {
		return projections.BadQuery("query", "can't be read: %v", err)
	}
	sum := sha256.Sum256(b)
	q.identity = base64.RawURLEncoding.EncodeToString(sum[:9])
	if cursor == "" {
		return nil
	}
	var p place
	if b, err = base64.RawURLEncoding.DecodeString(cursor); err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil || p.Query != q.identity {
		return projections.BadQuery("cursor", "is not one of this list; begin again without it")
	}
	q.after = &hit{n: p.N, key: p.Key}
	return nil
}

// cursor is where a list goes on behind a row.
func (q *query) cursor(h hit) string {
	b, err := json.Marshal(place{Query: q.identity, Key: h.key, N: h.n})
	if err != nil {
		panic(err) // plain values
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// wants says whether the filters leave a facet's orders.
func (q *query) wants(t traits) bool {
	return (q.Tab == "" || q.Tab == t.tab) && anyOf(q.Status, t.status) && anyOf(q.Payment, t.payment) &&
		(q.Method == "" || q.Method == t.method) && anyOf(q.Manufacturer, t.manufacturer) &&
		(q.PlacedBy == "" || q.PlacedBy == t.placedBy) && (q.Currency == "" || q.Currency == t.currency) &&
		(q.badges == 0 || len(q.clocked) > 0 || q.badges&t.badges != 0)
}

func anyOf[T comparable](wanted []T, v T) bool { return len(wanted) == 0 || slices.Contains(wanted, v) }

// keyOf is the key of a facet's orders, in a list that is sorted by one.
func (q *query) keyOf(t traits) key {
	switch q.sort {
	case "payment":
		return key{Number: int64(slices.Index(domain.PaymentStates, t.payment))}
	case "status":
		return key{Number: int64(slices.Index(domain.Statuses, t.status))}
	}
	return key{Text: t.manufacturer}
}

// text says whether the list's keys are texts.
func (q *query) text() bool { return q.column == "order_number" || q.column == "customer" }

func (q *query) keyColumn() string {
	if q.column == "" {
		return "0"
	}
	return q.column
}

func (q *query) into(k *key) any {
	if q.text() {
		return &k.Text
	}
	return &k.Number
}

func (q *query) value(k key) any {
	if q.text() {
		return k.Text
	}
	return k.Number
}

// rest are the conditions that no facet answers, each led by AND.
func (q *query) rest() (string, []any) {
	var b strings.Builder
	var args []any
	add := func(sql string, more ...any) {
		b.WriteString(" AND " + sql)
		args = append(args, more...)
	}
	placed := "+placed_at"
	if q.column == "placed_at" {
		placed = "placed_at"
	}
	if !q.PlacedFrom.IsZero() {
		add(placed+" >= ?", instant(q.PlacedFrom))
	}
	if !q.PlacedTo.IsZero() {
		add(placed+" < ?", instant(q.PlacedTo))
	}
	if q.column == owedColumn {
		add(owedColumn + " IS NOT NULL") // so that SQLite takes the indexes of those alone
	}
	if q.Customer != "" {
		add("+customer_id = ?", q.Customer)
	}
	total := "+total"
	if q.column == "total" {
		total = "total"
	}
	if q.TotalFrom != 0 {
		add(total+" >= ?", q.TotalFrom)
	}
	if q.TotalTo != 0 {
		add(total+" <= ?", q.TotalTo)
	}
	if len(q.clocked) > 0 {
		var either []string
		var of []any
		for _, c := range q.clocked {
			either, of = append(either, "(+"+c.sql+")"), append(of, c.args...)
		}
		if len(q.badged) > 0 {
			either = append(either, "+facet IN ("+join(q.badged)+")")
		}
		add("("+strings.Join(either, " OR ")+")", of...)
	}
	for _, w := range q.words {
		add("instr(terms, ?)", " "+w)
	}
	return b.String(), args
}

// finders are ways to find all orders of the list that are cheap when these are few.
func (q *query) finders() []condition {
	var list []condition
	if len(q.clocked) > 0 {
		var c condition
		parts := make([]string, 0, 3)
		for _, one := range q.clocked {
			parts, c.args = append(parts, `SELECT n FROM orders WHERE `+one.sql), append(c.args, one.args...)
		}
		if len(q.badged) > 0 {
			parts = append(parts, `SELECT n FROM orders WHERE facet IN (`+join(q.badged)+`)`)
		}
		c.sql = strings.Join(parts, ` UNION ALL `)
		list = append(list, c)
	}
	if q.Customer != "" {
		list = append(list, condition{`SELECT n FROM orders WHERE customer_id = ?`, []any{q.Customer}})
	}
	if q.column != "placed_at" && !(q.PlacedFrom.IsZero() && q.PlacedTo.IsZero()) {
		c := condition{sql: `SELECT n FROM orders WHERE 1`}
		if !q.PlacedFrom.IsZero() {
			c.sql, c.args = c.sql+` AND placed_at >= ?`, append(c.args, instant(q.PlacedFrom))
		}
		if !q.PlacedTo.IsZero() {
			c.sql, c.args = c.sql+` AND placed_at < ?`, append(c.args, instant(q.PlacedTo))
		}
		list = append(list, c)
	}
	if q.column != "total" && (q.TotalFrom != 0 || q.TotalTo != 0) {
		c := condition{`SELECT n FROM orders WHERE total >= ?`, []any{q.TotalFrom}}
		if q.TotalTo != 0 {
			c.sql, c.args = c.sql+` AND total <= ?`, append(c.args, q.TotalTo)
		}
		list = append(list, c)
	}
	return list
}
