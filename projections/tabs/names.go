package tabs

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

// nameOf is a text as names are compared: without white space, which people type into tracking numbers, accents and case.
func nameOf(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, fold(s))
}

// nameKey is the number that stands for a name in the index. Nobody can find two names of one number.
func nameKey(name string) int64 {
	sum := sha256.Sum256([]byte(name))
	return int64(binary.BigEndian.Uint64(sum[:])) //nolint:gosec // all 64 bits, whatever their sign
}

// namesOf are an order's names.
func namesOf(o domain.Order) []string {
	var names []string
	add := func(s string) {
		if n := nameOf(s); n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for _, s := range []string{o.OrderNumber, o.Personal.Customer.Email, o.Hold.PaymentIntent, o.Charge, o.Refund} {
		add(s)
	}
	for _, t := range o.Tracking {
		add(t.Number)
	}
	return names
}

// names writes what a batch changed in an order's names.
func (b *writer) names(ctx context.Context, t *touched) error {
	was, is := namesOf(t.was.order), namesOf(t.order)
	lose := `DELETE FROM names WHERE key = ? AND n = ?`
	if b.bulk.Load() { // there is no index by which it could be found
		lose = `INSERT INTO lost_names SELECT ?, ?, max(rowid) FROM names`
	}
	for _, name := range was {
		if !slices.Contains(is, name) {
			if err := b.exec(ctx, lose, nameKey(name), t.was.n); err != nil {
				return err
			}
		}
	}
	for _, name := range is {
		if !slices.Contains(was, name) {
			if err := b.exec(ctx, `INSERT INTO names VALUES (?, ?)`, nameKey(name), t.was.n); err != nil {
				return err
			}
		}
	}
	return nil
}

// loseNames takes out of a file that was filled, and has its indexes now, the names that orders lost meanwhile.
var loseNames = []string{
	`DELETE FROM names WHERE rowid IN (SELECT names.rowid FROM lost_names CROSS JOIN names USING (key, n) WHERE names.rowid <= through)`,
	`DELETE FROM lost_names`,
}

// named are the numbers of the orders that a text names, the latest to arrive first. It needs the index. People write #10248 for
// 10248.
func named(ctx context.Context, q queryer, text string, limit int) ([]int64, error) {
	name := nameOf(text)
	found, err := ofName(ctx, q, name, limit)
	if plain := strings.TrimLeft(name, "#"); err == nil && len(found) == 0 && plain != name {
		return ofName(ctx, q, plain, limit)
	}
	return found, err
}

func ofName(ctx context.Context, q queryer, name string, limit int) (found []int64, err error) {
	if name == "" {
		return nil, nil
	}
	rows, err := q.QueryContext(ctx, `SELECT n FROM names WHERE key = ? ORDER BY n DESC LIMIT ?`, nameKey(name), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		found = append(found, n)
	}
	return found, rows.Err()
}

// Named implements projections.Reader. Before the file has caught up for the first time only an id names an order.
func (d *DB) Named(ctx context.Context, text string) ([]domain.Order, error) {
	if id, err := uuid.Parse(strings.TrimSpace(text)); err == nil {
		o, err := d.Order(ctx, id)
		if rejected := (*domain.Rejection)(nil); errors.As(err, &rejected) {
			return nil, nil
		}
		return []domain.Order{o}, err
	}
	d.serving.RLock()
	defer d.serving.RUnlock()
	if d.f.bulk.Load() {
		return nil, nil
	}
	tx, err := d.f.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() //nolint:errcheck // it only reads
	found, err := named(ctx, tx, text, projections.MaxNamed)
	if err != nil {
		return nil, err
	}
	hits := make([]hit, len(found))
	for i, n := range found {
		hits[i].n = n
	}
	return (&lister{tx: tx}).load(ctx, hits)
}
