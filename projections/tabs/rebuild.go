package tabs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
)

// Report says what a rebuild found.
type Report struct {
	Position eventstore.Position `json:"position"` // at which the two were compared
	Orders   int64               `json:"orders"`   // in the rebuilt file
	// Different is the number of rows (orders, names, tokens, jobs, views, paces, counts) that differ; Examples names the first of
	// them: order ids, or token-<id>, recorded-<id>-<kind>, name-<key>-<id>, job-<id>, view-<id>, pace-<slot>-<what>-<mark> and
	// tab-<tab>.
	Different int64    `json:"different"`
	Examples  []string `json:"examples,omitempty"`
}

const (
	maxExamples  = 100
	rebuildBatch = 4000
)

// ErrRebuilding means that a rebuild is under way already.
var ErrRebuilding = errors.New("a rebuild is under way")

// Rebuilding says whether a rebuild is under way, and how far it is.
func (d *DB) Rebuilding() (bool, eventstore.Position) {
	return d.rebuilding.Load(), eventstore.Position(d.rebuilt.Load())
}

// Rebuild builds a new file from the log while the old one serves and follows, compares the two as they stand at the same
// position, and puts the new one in the old one's place whatever the comparison found: the log is right. Readers wait for
// the exchange and never fail of it. One rebuild at a time: ErrRebuilding. projections.ErrCatchingUp before the model has
// caught up for the first time. After an error the old file goes on.
func (d *DB) Rebuild(ctx context.Context, log eventstore.Store) (Report, error) {
	if !d.rebuilding.CompareAndSwap(false, true) {
		return Report{}, ErrRebuilding
	}
	defer d.rebuilding.Store(false)
	d.rebuilt.Store(0)
	path := filepath.Join(d.dir, rebuildName)
	if err := remove(path); err != nil {
		return Report{}, fmt.Errorf("rebuild: %w", err)
	}
	fresh, err := tryFile(path)
	if err != nil {
		return Report{}, fmt.Errorf("rebuild: %w", err)
	}
	report, err := d.replace(ctx, log, fresh)
	if err != nil {
		return report, fmt.Errorf("rebuild: %w", errors.Join(err, fresh.close(), remove(path)))
	}
	return report, nil
}

// replace fills a fresh file, compares it and puts it in the place of the one in use.
func (d *DB) replace(ctx context.Context, log eventstore.Store, fresh *file) (Report, error) {
	r := &refill{db: d, log: log, file: fresh}
	defer r.close()
	if d.filling() {
		return Report{}, projections.ErrCatchingUp
	}
	target, err := d.Checkpoint(ctx)
	if err == nil {
		err = r.to(ctx, target)
	}
	if err == nil {
		err = fresh.index(ctx)
	}
	if err != nil {
		return Report{}, err
	}
	report, err := r.compare(ctx)
	if err != nil {
		return report, err
	}
	d.writing.Lock() // the projector waits from here on
	defer d.writing.Unlock()
	if err := r.to(ctx, d.f.last.Position); err != nil {
		return report, err
	}
	return report, d.swap(ctx, fresh)
}

// refill reads the log into a file.
type refill struct {
	db   *DB
	log  eventstore.Store
	file *file
	sub  eventstore.Subscription
	left []eventstore.Recorded // read, and beyond where the file was to go
}

func (r *refill) close() {
	if r.sub != nil {
		_ = r.sub.Close() // nothing was written through it
	}
}

// to applies the log up to a position, which must be one that the read model in use has handled, and not beyond.
func (r *refill) to(ctx context.Context, target eventstore.Position) (err error) {
	if r.sub == nil {
		if r.sub, err = r.log.Subscribe(ctx, r.file.last.Position); err != nil {
			return err
		}
	}
	for r.file.last.Position < target {
		if len(r.left) == 0 {
			if r.left, err = r.sub.Next(ctx, rebuildBatch); err != nil {
				return err
			}
		}
		n := 0
		for n < len(r.left) && r.left[n].Position <= target {
			n++
		}
		if n == 0 {
			return fmt.Errorf("%w: position %d is missing", eventstore.ErrGap, target)
		}
		if _, err := r.file.apply(ctx, r.db.codec, r.left[:n]); err != nil {
			return err
		}
		r.left = r.left[n:]
		r.db.rebuilt.Store(uint64(r.file.last.Position))
	}
	return nil
}

// compare brings the file to where the one in use is, and compares the two as they stand there. While their rows are
// compared the one in use goes on.
func (r *refill) compare(ctx context.Context) (Report, error) {
	old, at, err := r.snapshot(ctx)
	if err != nil {
		return Report{}, err
	}
	defer old.Rollback() //nolint:errcheck // it only reads
	report := Report{Position: at}
	for _, c := range comparisons {
		if err := report.compare(ctx, old, r.file.read, c); err != nil {
			return report, err
		}
	}
	return report, r.file.read.QueryRowContext(ctx, `SELECT count(*) FROM orders`).Scan(&report.Orders)
}

// snapshot holds the file in use as it stands when the new one has reached it.
func (r *refill) snapshot(ctx context.Context) (*sql.Tx, eventstore.Position, error) {
	r.db.writing.Lock()
	defer r.db.writing.Unlock()
	at := r.db.f.last.Position
	if err := r.to(ctx, at); err != nil {
		return nil, at, err
	}
	tx, err := r.db.f.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, at, err
	}
	var seen int64 // the snapshot begins with the first read
	if err := tx.QueryRowContext(ctx, `SELECT checkpoint FROM meta`).Scan(&seen); err != nil {
		return nil, at, errors.Join(err, tx.Rollback())
	}
	return tx, at, nil
}

// comparisons are queries that give, for each thing in a fixed order, its name and all that is kept of it. Numbers that a
// file gives out itself are left out.
var comparisons = []string{
	`SELECT id, json_array(tab, status, payment, method, manufacturer, placed_by, currency, badges, order_number, customer, placed_at, total,
		confirm_by, customer_id, due_from, due_by, expiring_from, parked_at, owed_at, terms, hex(doc),
		(SELECT group_concat(concat_ws('-', at, place, hex(event)), ' ' ORDER BY at) FROM events WHERE events.n = orders.n)) FROM orders JOIN docs USING (n) JOIN facets USING (facet) ORDER BY id`,
	`SELECT 'recorded-' || lower(hex(id)) || '-' || kind AS name, json_array(at) FROM recorded JOIN orders USING (n) ORDER BY name`,
	`SELECT 'name-' || key || '-' || lower(hex(id)) AS name, '' FROM names JOIN orders USING (n) ORDER BY name`,
	`SELECT 'token-' || id, json_array(name, role, created, revoked) FROM tokens ORDER BY id`,
	`SELECT 'pace-' || slot || '-' || what || '-' || mark AS name, json_array(n, amount) FROM pace WHERE n <> 0 OR amount <> 0 ORDER BY name`,
	`SELECT 'job-' || id, json_array(maker, verb, orders, retry_of, made, planned, done, failed, asked, ended) FROM jobs ORDER BY id`,
	`SELECT 'view-' || id, json_array(owner, name, query, shared) FROM views ORDER BY id`,
	`SELECT stream, json_array(view) FROM homes ORDER BY stream`,
	`SELECT 'tab-' || tab, json_array(sum(orders)) FROM facets GROUP BY tab HAVING sum(orders) > 0 ORDER BY tab`,
}

// compare walks two files side by side.
func (r *Report) compare(ctx context.Context, old, fresh queryer, query string) error {
	a, err := old.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := fresh.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer b.Close()
	x, y := line{rows: a}, line{rows: b}
	if err := errors.Join(x.next(), y.next()); err != nil {
		return err
	}
	for !x.over || !y.over {
		inX, inY := !x.over && (y.over || x.id <= y.id), !y.over && (x.over || y.id <= x.id)
		if inX != inY || x.content != y.content {
			r.differs(x.id, y.id, inX)
		}
		if inX {
			err = x.next()
		}
		if inY && err == nil {
			err = y.next()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) differs(x, y string, inX bool) {
	name := y
	if inX {
		name = x
	}
	if len(name) == 16 {
		if id, err := uuid.FromBytes([]byte(name)); err == nil {
			name = id.String()
		}
	}
	if r.Different++; len(r.Examples) < maxExamples {
		r.Examples = append(r.Examples, name)
	}
}

// line is where a comparison is in one of the files.
type line struct {
	rows        *sql.Rows
	id, content string
	over        bool
}

func (l *line) next() error {
	if !l.rows.Next() {
		l.over = true
		return l.rows.Err()
	}
	return l.rows.Scan(&l.id, &l.content)
}

// swap puts the fresh file in the place of the one in use, while no reader reads and nothing is applied. Renaming is what
// decides: before it the old file is found when the program starts again, after it the new one.
func (d *DB) swap(ctx context.Context, fresh *file) error {
	if _, err := fresh.write.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		return err
	}
	d.serving.Lock()
	defer d.serving.Unlock()
	path := d.f.path
	if err := errors.Join(fresh.close(), d.f.close()); err != nil {
		return errors.Join(err, d.reopen(path))
	}
	err := os.Rename(fresh.path, path)
	return errors.Join(err, d.reopen(path))
}

// reopen opens the file that stands at the path.
func (d *DB) reopen(path string) error {
	f, err := tryFile(path)
	if err == nil {
		d.f = f
	}
	return err
}

// filling says whether the file in use was empty and has not caught up yet.
func (d *DB) filling() bool {
	d.serving.RLock()
	defer d.serving.RUnlock()
	return d.f.bulk.Load()
}
