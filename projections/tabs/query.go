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
	badge      int64 // of an event; 0: none is asked for
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
	if err := oneOf("status", q.Status, domain.Statuses); err != nil {
		return query{}, err
	}
	if err := oneOf("payment", q.Payment, domain.PaymentStates); err != nil {
		return query{}, err
	}
	if err := oneOf("method", q.Method, []domain.Method{domain.Card, domain.Account}); err != nil {
		return query{}, err
	}
	if err := oneOf("badge", q.Badge, domain.Badges); err != nil {
		return query{}, err
	}
	if q.Badge != "" && !timed(q.Badge) {
		out.badge = bit(q.Badge)
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
	return (q.Tab == "" || q.Tab == t.tab) && (q.Status == "" || q.Status == t.status) &&
		(q.Payment == "" || q.Payment == t.payment) && (q.Method == "" || q.Method == t.method) &&
		(q.Manufacturer == "" || q.Manufacturer == t.manufacturer) && (q.PlacedBy == "" || q.PlacedBy == t.placedBy) &&
		(q.badge == 0 || q.badge&t.badges != 0)
}

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
	switch q.Badge {
	case domain.BadgeConfirmationDue:
		add("+due_from <= ? AND due_by > ?", instant(q.now), instant(q.now))
	case domain.BadgeAuthorizationExpiring:
		add("+expiring_from <= ?", instant(q.now))
	}
	for _, w := range q.words {
		add("instr(terms, ?)", " "+w)
	}
	return b.String(), args
}

// finders are ways to find all orders of the list that are cheap when these are few.
func (q *query) finders() []condition {
	var list []condition
	switch q.Badge {
	case domain.BadgeConfirmationDue:
		list = append(list, condition{`SELECT n FROM orders WHERE due_from <= ? AND due_by > ?`, []any{instant(q.now), instant(q.now)}})
	case domain.BadgeAuthorizationExpiring:
		list = append(list, condition{`SELECT n FROM orders WHERE expiring_from <= ?`, []any{instant(q.now)}})
	}
	if len(q.words) > 0 {
		list = append(list, condition{`SELECT rowid FROM words WHERE words MATCH ?`, []any{match(q.words)}})
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
	return list
}
