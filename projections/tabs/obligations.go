package tabs

import (
	"context"
	"database/sql"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

// owedColumn is since when an order owes something; null for those that don't.
const owedColumn = "owed_at"

// owedBits are the badges of orders that owe something of a kind; of any kind when it is empty.
func owedBits(kind domain.ObligationKind) int64 {
	if kind == "" {
		return bit(domain.BadgeEntryOwed) | bit(domain.BadgeReversalOwed)
	}
	return bit(kind.Badge())
}

// Obligations implements projections.Reader. What is owed is a trait of facets, so it is counted by their sums and listed, like
// any sorted list, by what an index yields for each of them. The indexes hold the orders that owe something alone.
func (d *DB) Obligations(ctx context.Context, q projections.ObligationQuery) (projections.ObligationPage, error) {
	parsed, err := parseObligations(q)
	if err != nil {
		return projections.ObligationPage{}, err
	}
	d.serving.RLock()
	defer d.serving.RUnlock()
	tx, err := d.f.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return projections.ObligationPage{}, err
	}
	defer tx.Rollback() //nolint:errcheck // it only reads
	l := &lister{query: parsed, tx: tx}
	if err := l.choose(ctx); err != nil {
		return projections.ObligationPage{}, err
	}
	page := projections.ObligationPage{}
	for _, f := range l.facets {
		page.Count += f.orders
	}
	hits, err := l.owed(ctx, q)
	if err != nil {
		return projections.ObligationPage{}, err
	}
	if len(hits) > l.limit {
		hits = hits[:l.limit]
		page.Next = l.cursor(hits[l.limit-1])
	}
	page.Orders, err = l.load(ctx, hits)
	return page, err
}

func (l *lister) owed(ctx context.Context, q projections.ObligationQuery) ([]hit, error) {
	switch {
	case len(l.facets) == 0:
		return nil, nil
	case q.Kind == "" && q.Manufacturer == "": // all that the index holds
		return l.walk(ctx, "1", nil, l.after, l.limit+1)
	case len(l.facets) > manyFacets:
		return l.scan(ctx)
	}
	return l.merge(ctx)
}

func parseObligations(q projections.ObligationQuery) (query, error) {
	if err := oneOf("kind", q.Kind, domain.ObligationKinds); err != nil {
		return query{}, err
	}
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return query{}, err
	}
	asked := projections.Query{Manufacturer: some(q.Manufacturer), Sort: owedColumn + " " + string(q.Kind), Cursor: q.Cursor}
	out := query{Query: asked, sort: owedColumn, column: owedColumn, limit: limit, badges: owedBits(q.Kind)}
	return out, out.resume(asked)
}

// some is a filter by one value; by none when it is empty.
func some(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// pageLimit is how many a page holds.
func pageLimit(asked int) (int, error) {
	switch {
	case asked == 0:
		return projections.DefaultLimit, nil
	case asked < 1 || asked > projections.MaxLimit:
		return 0, projections.BadQuery("limit", "must be 1 to %d", projections.MaxLimit)
	}
	return asked, nil
}
