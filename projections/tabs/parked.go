package tabs

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"math"

	"github.com/orderledger/orderledger/projections"
)

// parkedList stands in a cursor for the query that it is of.
const parkedList = "parked"

// Parked implements projections.Reader. It walks an index that holds the parked orders alone.
func (d *DB) Parked(ctx context.Context, cursor string, limit int) (projections.Page, error) {
	if limit == 0 {
		limit = projections.DefaultLimit
	}
	if limit < 1 || limit > projections.MaxLimit {
		return projections.Page{}, projections.BadQuery("limit", "must be 1 to %d", projections.MaxLimit)
	}
	after := place{Key: key{Number: math.MinInt64}}
	if cursor != "" {
		b, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || json.Unmarshal(b, &after) != nil || after.Query != parkedList {
			return projections.Page{}, projections.BadQuery("cursor", "is not one of this list; begin again without it")
		}
	}
	d.serving.RLock()
	defer d.serving.RUnlock()
	tx, err := d.f.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return projections.Page{}, err
	}
	defer tx.Rollback() //nolint:errcheck // it only reads
	l := &lister{query: query{identity: parkedList}, tx: tx}
	hits, err := l.parked(ctx, after, limit+1)
	if err != nil {
		return projections.Page{}, err
	}
	page := projections.Page{}
	if len(hits) > limit {
		hits = hits[:limit]
		page.Next = l.cursor(hits[limit-1])
	}
	page.Orders, err = l.load(ctx, hits)
	return page, err
}

// parkedQuery is what the index by_parked answers by itself.
const parkedQuery = `SELECT n, parked_at FROM orders WHERE parked_at IS NOT NULL AND (parked_at, n) > (?, ?) ORDER BY parked_at, n LIMIT ?`

func (l *lister) parked(ctx context.Context, after place, limit int) ([]hit, error) {
	rows, err := l.tx.QueryContext(ctx, parkedQuery, after.Key.Number, after.N, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var hits []hit
	for rows.Next() {
		var h hit
		if err := rows.Scan(&h.n, &h.key.Number); err != nil {
			return nil, err
		}
		hits = append(hits, h)
	}
	return hits, rows.Err()
}
