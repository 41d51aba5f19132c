package tabs

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
)

// facet is a combination of traits that orders have, and how many have it.
type facet struct {
	traits
	id, orders int64
}

type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func readFacets(ctx context.Context, q queryer) ([]facet, error) {
	rows, err := q.QueryContext(ctx, `SELECT facet, tab, status, payment, method, manufacturer, placed_by, currency, badges, orders FROM facets`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []facet
	for rows.Next() {
		var f facet
		if err := rows.Scan(&f.id, &f.tab, &f.status, &f.payment, &f.method, &f.manufacturer, &f.placedBy, &f.currency, &f.badges, &f.orders); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, rows.Err()
}

// due counts what is due at an instant, of which an index holds no more than what nobody has accepted.
const due = `SELECT count(*) FROM orders WHERE due_from <= ? AND due_by > ?`

// Counts implements projections.Reader. The counts change with the rows and are never counted; but what is due, which changes
// with the clock.
func (d *DB) Counts(ctx context.Context) (projections.Counts, error) {
	c := projections.Counts{Tabs: make(map[domain.Tab]int64, len(domain.Tabs))}
	for _, t := range domain.Tabs {
		c.Tabs[t] = 0
	}
	now := instant(d.now())
	d.serving.RLock()
	defer d.serving.RUnlock()
	rows, err := d.f.read.QueryContext(ctx,
		`SELECT '', checkpoint, 0, 0, (`+due+`), 0 FROM meta UNION ALL
		SELECT tab, sum(orders), sum(CASE WHEN badges & ? THEN orders ELSE 0 END), sum(CASE WHEN badges & ? THEN orders ELSE 0 END),
			sum(CASE WHEN badges & ? AND status = ? THEN orders ELSE 0 END),
			sum(CASE WHEN tab = ? AND status = ? THEN orders ELSE 0 END) FROM facets GROUP BY tab`,
		now, now, bit(domain.BadgeParked), owedBits(""), bit(domain.BadgeConfirmationMissed), string(domain.StatusPlaced),
		string(domain.TabNew), string(domain.StatusPlaced))
	if err != nil {
		return c, err
	}
	defer rows.Close()
	for rows.Next() {
		var tab domain.Tab
		var n, parked, owed, confirm, unreviewed int64
		if err := rows.Scan(&tab, &n, &parked, &owed, &confirm, &unreviewed); err != nil {
			return c, err
		}
		if tab == "" {
			c.Position, c.Due = eventstore.Position(n), confirm
			continue
		}
		c.Tabs[tab] = n
		c.Parked += parked
		c.Owed += owed
		c.Missed += confirm
		c.Unreviewed += unreviewed
	}
	return c, rows.Err()
}

// Choices implements projections.Reader.
func (d *DB) Choices(ctx context.Context) (projections.Choices, error) {
	var c projections.Choices
	d.serving.RLock()
	defer d.serving.RUnlock()
	all, err := readFacets(ctx, d.f.read)
	if err != nil {
		return c, err
	}
	for _, f := range all {
		if f.orders > 0 {
			c.Manufacturers, c.Currencies = append(c.Manufacturers, f.manufacturer), append(c.Currencies, f.currency)
		}
	}
	slices.Sort(c.Manufacturers)
	slices.Sort(c.Currencies)
	c.Manufacturers, c.Currencies = slices.Compact(c.Manufacturers), slices.Compact(c.Currencies)
	return c, nil
}

// Tokens implements projections.Reader; oldest first.
func (d *DB) Tokens(ctx context.Context) ([]projections.Token, error) {
	d.serving.RLock()
	defer d.serving.RUnlock()
	rows, err := d.f.read.QueryContext(ctx, `SELECT id, name, role, created, revoked FROM tokens ORDER BY created, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []projections.Token{}
	for rows.Next() {
		var t projections.Token
		var created int64
		var revoked sql.NullInt64
		if err := rows.Scan(&t.ID, &t.Name, &t.Role, &created, &revoked); err != nil {
			return nil, err
		}
		t.Created = time.UnixMicro(created).UTC()
		if revoked.Valid {
			at := time.UnixMicro(revoked.Int64).UTC()
			t.Revoked = &at
		}
		list = append(list, t)
	}
	return list, rows.Err()
}
