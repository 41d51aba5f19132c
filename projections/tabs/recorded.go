package tabs

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

// recorded writes what a batch changed in what is recorded of an order.
func (b *writer) recorded(ctx context.Context, t *touched) error {
	was, is := t.was.order.Recordings(), t.order.Recordings()
	for _, r := range was {
		if slices.Contains(is, r) {
			continue
		}
		if err := b.exec(ctx, `DELETE FROM recorded WHERE at = ? AND n = ? AND kind = ?`, instant(r.At), t.was.n, string(r.Kind)); err != nil {
			return err
		}
	}
	for _, r := range is {
		if slices.Contains(was, r) {
			continue
		}
		if err := b.exec(ctx, `INSERT INTO recorded VALUES (?, ?, ?)`, instant(r.At), t.was.n, string(r.Kind)); err != nil {
			return err
		}
	}
	return nil
}

// Recorded implements projections.Reader. It walks what was recorded in the period; what was recorded at one instant stands in
// the order in which the orders arrived.
func (d *DB) Recorded(ctx context.Context, q projections.RecordedQuery) (projections.RecordedPage, error) {
	parsed, err := parseRecorded(q)
	if err != nil {
		return projections.RecordedPage{}, err
	}
	d.serving.RLock()
	defer d.serving.RUnlock()
	tx, err := d.f.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return projections.RecordedPage{}, err
	}
	defer tx.Rollback() //nolint:errcheck // it only reads
	l := &lister{query: parsed, tx: tx}
	hits, err := l.recorded(ctx, q)
	if err != nil {
		return projections.RecordedPage{}, err
	}
	page := projections.RecordedPage{}
	if len(hits) > l.limit {
		hits = hits[:l.limit]
		page.Next = l.cursor(hits[l.limit-1])
	}
	page.Recorded, err = l.recordings(ctx, hits)
	return page, err
}

func parseRecorded(q projections.RecordedQuery) (query, error) {
	if err := oneOf("kind", q.Kind, domain.ObligationKinds); err != nil {
		return query{}, err
	}
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return query{}, err
	}
	asked := projections.Query{
		Manufacturer: some(q.Manufacturer), PlacedFrom: q.From, PlacedTo: q.To, Sort: "recorded " + string(q.Kind), Cursor: q.Cursor,
	}
	out := query{Query: asked, limit: limit}
	return out, out.resume(asked)
}

// recorded are the places of a page; a hit's key is when and what.
func (l *lister) recorded(ctx context.Context, q projections.RecordedQuery) ([]hit, error) {
	from, where, args := "recorded", []string{"1"}, []any{}
	add := func(sql string, more ...any) { where, args = append(where, sql), append(args, more...) }
	if !q.From.IsZero() {
		add("at >= ?", instant(q.From))
	}
	if !q.To.IsZero() {
		add("at < ?", instant(q.To))
	}
	if q.Kind != "" {
		add("kind = ?", string(q.Kind))
	}
	if q.Manufacturer != "" {
		from = "recorded CROSS JOIN orders USING (n) CROSS JOIN facets USING (facet)" // in this order: by time
		add("manufacturer = ?", q.Manufacturer)
	}
	if l.after != nil {
		add("(at, n, kind) > (?, ?, ?)", l.after.key.Number, l.after.n, l.after.key.Text)
	}
	rows, err := l.tx.QueryContext(ctx, fmt.Sprintf(`SELECT at, n, kind FROM %s WHERE %s ORDER BY at, n, kind LIMIT %d`,
		from, strings.Join(where, " AND "), l.limit+1), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var hits []hit
	for rows.Next() {
		var h hit
		if err := rows.Scan(&h.key.Number, &h.n, &h.key.Text); err != nil {
			return nil, err
		}
		hits = append(hits, h)
	}
	return hits, rows.Err()
}

// recordings reads the orders of a page; an order may stand on it twice.
func (l *lister) recordings(ctx context.Context, hits []hit) ([]projections.Recorded, error) {
	var once []hit
	at := map[int64]int{}
	for _, h := range hits {
		if _, seen := at[h.n]; !seen {
			at[h.n] = len(once)
			once = append(once, h)
		}
	}
	orders, err := l.load(ctx, once)
	if err != nil {
		return nil, err
	}
	out := make([]projections.Recorded, 0, len(hits))
	for _, h := range hits {
		o := orders[at[h.n]]
		for _, r := range o.Recordings() {
			if r.Kind == domain.ObligationKind(h.key.Text) {
				out = append(out, projections.Recorded{Order: o, Recording: r})
			}
		}
	}
	return out, nil
}
