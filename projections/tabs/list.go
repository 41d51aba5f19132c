package tabs

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

const (
	// fewOrders is up to how many found orders are all looked at; of more, an index is walked in the list's order.
	fewOrders = 4000
	// manyNamed is up to how many orders one name leads to all of them; more have only an e-mail address in common, which is found
	// by its words.
	manyNamed = 50_000
	// manyFacets is from how many facets on one index over all orders is walked instead of one place for each facet.
	manyFacets = 64
)

// hit is an order in a list: its row, and what the list is sorted by.
type hit struct {
	n   int64
	key key
}

// lister answers one query in one read transaction.
type lister struct {
	query
	tx     *sql.Tx
	few    int     // fewOrders, but in tests
	facets []facet // that the query's filters leave
	all    int64   // orders, whatever their facet
	count  int64   // orders of the whole list, once hits knows it; else projections.Uncounted
}

// List implements projections.Reader. What is equal in the sorted column stands in the order of its arrival in the log.
// Payment and status sort as they follow each other in a lifecycle, order numbers by the numbers in them, customers and
// numbers whatever their case and accents. By confirm_by, orders that nobody has to accept any more are behind all others.
func (d *DB) List(ctx context.Context, q projections.Query) (projections.Page, error) {
	parsed, err := parse(q, d.now())
	if err != nil {
		return projections.Page{}, err
	}
	d.serving.RLock()
	defer d.serving.RUnlock()
	tx, err := d.f.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return projections.Page{}, err
	}
	defer tx.Rollback() //nolint:errcheck // it only reads
	l := &lister{query: parsed, tx: tx, few: d.few}
	if err := l.choose(ctx); err != nil {
		return projections.Page{}, err
	}
	hits, err := l.hits(ctx, !d.f.bulk.Load())
	if err != nil {
		return projections.Page{}, err
	}
	page := projections.Page{Count: l.count}
	if len(hits) > l.limit {
		hits = hits[:l.limit]
		page.Next = l.cursor(hits[l.limit-1])
	}
	page.Orders, err = l.load(ctx, hits)
	return page, err
}

// choose finds the facets whose orders the query wants.
func (l *lister) choose(ctx context.Context) error {
	all, err := readFacets(ctx, l.tx)
	for _, f := range all {
		l.all += f.orders
		if f.orders > 0 && l.wants(f.traits) {
			l.facets = append(l.facets, f)
			if f.badges&l.badges != 0 {
				l.badged = append(l.badged, f.id)
			}
		}
	}
	return err
}

// hits are the rows of the page, and one more if there is one.
func (l *lister) hits(ctx context.Context, indexed bool) ([]hit, error) {
	l.count = 0
	if len(l.facets) == 0 {
		return nil, nil
	}
	if indexed && l.Text != "" {
		found, err := named(ctx, l.tx, l.Text, manyNamed+1)
		if err != nil {
			return nil, err
		}
		if 0 < len(found) && len(found) <= manyNamed {
			l.words = nil // they are what was looked for, whatever words they hold
			return l.among(ctx, found)
		}
	}
	if l.nothing {
		return nil, nil
	}
	if rest, _ := l.rest(); rest == "" {
		for _, f := range l.facets {
			l.count += f.orders
		}
	} else {
		l.count = projections.Uncounted
	}
	if indexed {
		for _, few := range l.finders() {
			rows, ok, err := l.find(ctx, few)
			if err != nil {
				return nil, err
			}
			if ok {
				return l.among(ctx, rows)
			}
		}
		rows, ok, err := l.findWords(ctx)
		if err != nil {
			return nil, err
		}
		if ok {
			return l.among(ctx, rows)
		}
	}
	if l.column != "" && l.scans() {
		return l.scan(ctx)
	}
	return l.merge(ctx)
}

// scans says whether one index over all orders is better walked than one place for each facet: when facets are many, or
// when something else than facets filters, since then some of them may hold nothing that is wanted.
func (l *lister) scans() bool {
	var chosen int64
	for _, f := range l.facets {
		chosen += f.orders
	}
	rest, _ := l.rest()
	return len(l.facets) > manyFacets || rest != "" && chosen > l.all/10
}

// find returns the rows that a finder finds, if they are few.
func (l *lister) find(ctx context.Context, c condition) ([]int64, bool, error) {
	rows, err := l.tx.QueryContext(ctx, c.sql+fmt.Sprintf(" LIMIT %d", l.few+1), c.args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	var found []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, false, err
		}
		found = append(found, n)
	}
	return found, len(found) <= l.few, rows.Err()
}

// among picks the page from a few rows, and counts the list.
func (l *lister) among(ctx context.Context, rows []int64) ([]hit, error) {
	l.count = 0
	if len(rows) == 0 {
		return nil, nil
	}
	traits := make(map[int64]facet, len(l.facets))
	for _, f := range l.facets {
		traits[f.id] = f
	}
	where, args := l.rest()
	found, err := l.tx.QueryContext(ctx, `SELECT n, facet, `+l.keyColumn()+` FROM orders WHERE n IN (`+join(rows)+`)`+where, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var hits []hit
	for found.Next() {
		var h hit
		var facet int64
		if err := found.Scan(&h.n, &facet, l.into(&h.key)); err != nil {
			return nil, err
		}
		f, wanted := traits[facet]
		if l.column == "" {
			h.key = l.keyOf(f.traits)
		}
		if wanted {
			l.count++
		}
		if wanted && (l.after == nil || l.compare(h, *l.after) > 0) {
			hits = append(hits, h)
		}
	}
	slices.SortFunc(hits, l.compare)
	return hits[:min(len(hits), l.limit+1)], found.Err()
}

// scan walks the index on the column alone and passes over rows of other facets. The plus signs here and in rest keep SQLite
// from an index on what is only a filter.
func (l *lister) scan(ctx context.Context) ([]hit, error) {
	ids := make([]int64, len(l.facets))
	for i, f := range l.facets {
		ids[i] = f.id
	}
	return l.walk(ctx, `+facet IN (`+join(ids)+`)`, nil, l.after, l.limit+1)
}

// walkQuery selects the next rows of an index, in the list's order.
func (q *query) walkQuery(first string, args []any, after *hit, limit int) (string, []any) {
	where, more := q.rest()
	args = append(args, more...)
	column, direction, beyond := q.keyColumn(), "ASC", ">"
	if q.descending {
		direction, beyond = "DESC", "<"
	}
	order := column + " " + direction + ", n " + direction
	switch {
	case q.column == "":
		order = "n " + direction
		if after != nil {
			where, args = where+" AND n "+beyond+" ?", append(args, after.n)
		}
	case after != nil:
		where, args = where+" AND ("+column+", n) "+beyond+" (?, ?)", append(args, q.value(after.key), after.n)
	}
	return `SELECT n, ` + column + ` FROM orders WHERE ` + first + where + fmt.Sprintf(` ORDER BY %s LIMIT %d`, order, limit), args
}

// walk returns the next rows of an index.
func (l *lister) walk(ctx context.Context, first string, args []any, after *hit, limit int) ([]hit, error) {
	query, args := l.walkQuery(first, args, after, limit)
	rows, err := l.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	hits := make([]hit, 0, limit)
	for rows.Next() {
		var h hit
		if err := rows.Scan(&h.n, l.into(&h.key)); err != nil {
			return nil, err
		}
		hits = append(hits, h)
	}
	return hits, rows.Err()
}

// source is one facet's part of a list, read a piece at a time.
type source struct {
	facet facet
	hits  []hit
	last  *hit // where the next piece begins
	piece int
	over  bool
}

// fill reads the next piece when nothing is at hand.
func (l *lister) fill(ctx context.Context, s *source) error {
	if len(s.hits) > 0 || s.over {
		return nil
	}
	hits, err := l.walk(ctx, `facet = ?`, []any{s.facet.id}, s.last, s.piece)
	if err != nil {
		return err
	}
	if l.column == "" {
		for i := range hits {
			hits[i].key = l.keyOf(s.facet.traits)
		}
	}
	s.over = len(hits) < s.piece
	s.piece = l.limit + 1
	if len(hits) > 0 {
		s.hits, s.last = hits, &hits[len(hits)-1]
	}
	return nil
}

// merge merges the facets' parts. Where the list is sorted by what a facet's orders have in common, the facets stand one
// group after another, and only those that are reached are read.
func (l *lister) merge(ctx context.Context) ([]hit, error) {
	var page []hit
	for _, group := range l.groups() {
		sources := make([]*source, len(group))
		for i, f := range group {
			sources[i] = &source{facet: f, last: l.after, piece: l.limit/len(group) + 4}
			if l.column == "" && l.after != nil && l.compareKeys(l.keyOf(f.traits), l.after.key) != 0 {
				sources[i].last = nil // a group behind the cursor's begins at its beginning
			}
		}
		for len(page) <= l.limit {
			var next *source
			for _, s := range sources {
				if err := l.fill(ctx, s); err != nil {
					return nil, err
				}
				if len(s.hits) > 0 && (next == nil || l.compare(s.hits[0], next.hits[0]) < 0) {
					next = s
				}
			}
			if next == nil {
				break
			}
			page = append(page, next.hits[0])
			next.hits = next.hits[1:]
		}
	}
	return page, nil
}

// groups are the facets in the order of the list, those with equal keys together; what lies before the cursor is left out.
func (l *lister) groups() [][]facet {
	if l.column != "" {
		return [][]facet{l.facets}
	}
	var ahead []facet
	for _, f := range l.facets {
		if l.after == nil || l.compareKeys(l.keyOf(f.traits), l.after.key) >= 0 {
			ahead = append(ahead, f)
		}
	}
	slices.SortFunc(ahead, func(a, b facet) int { return l.compareKeys(l.keyOf(a.traits), l.keyOf(b.traits)) })
	var groups [][]facet
	for i, f := range ahead {
		if i == 0 || l.keyOf(f.traits) != l.keyOf(ahead[i-1].traits) {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], f)
	}
	return groups
}

// compareKeys says which of two keys stands first in the list.
func (l *lister) compareKeys(a, b key) int {
	c := cmp.Or(cmp.Compare(a.Text, b.Text), cmp.Compare(a.Number, b.Number))
	if l.descending {
		return -c
	}
	return c
}

func (l *lister) compare(a, b hit) int {
	if c := l.compareKeys(a.key, b.key); c != 0 || !l.descending {
		return cmp.Or(c, cmp.Compare(a.n, b.n))
	}
	return cmp.Compare(b.n, a.n)
}

// load reads the orders of a page.
func (l *lister) load(ctx context.Context, hits []hit) ([]domain.Order, error) {
	orders := make([]domain.Order, len(hits))
	if len(hits) == 0 {
		return orders, nil
	}
	at, ns := make(map[int64]int, len(hits)), make([]int64, len(hits))
	for i, h := range hits {
		at[h.n], ns[i] = i, h.n
	}
	rows, err := l.tx.QueryContext(ctx, `SELECT n, doc FROM docs WHERE n IN (`+join(ns)+`)`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var doc sql.RawBytes
		if err := rows.Scan(&n, &doc); err != nil {
			return nil, err
		}
		if err := readDoc(doc, &orders[at[n]]); err != nil {
			return nil, err
		}
	}
	return orders, rows.Err()
}

// join writes numbers as a list of SQL.
func join(ns []int64) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ns), " ", ","), "[]")
}

// Order implements projections.Reader.
func (d *DB) Order(ctx context.Context, id uuid.UUID) (domain.Order, error) {
	d.serving.RLock()
	defer d.serving.RUnlock()
	n, o, err := orderIn(ctx, d.f.read, id)
	if err == nil && n == 0 {
		err = domain.Reject(domain.OrderNotFound)
	}
	return o, err
}

// orderIn is an order with its number; zero when there is none.
func orderIn(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, id uuid.UUID,
) (n int64, o domain.Order, err error) {
	var doc []byte
	err = q.QueryRowContext(ctx, `SELECT n, doc FROM orders JOIN docs USING (n) WHERE id = ?`, id[:]).Scan(&n, &doc)
	if err == sql.ErrNoRows { //nolint:errorlint // never wrapped by Scan
		return 0, o, nil
	}
	if err == nil {
		err = readDoc(doc, &o)
	}
	return n, o, err
}
