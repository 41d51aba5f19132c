package stripesim

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"time"

	"modernc.org/sqlite" // also the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const schema = `
CREATE TABLE IF NOT EXISTS intents (
	seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, charge TEXT NOT NULL, doc BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS refunds (
	seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, intent TEXT NOT NULL, doc BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS refunds_of_intent ON refunds (intent, seq);
CREATE TABLE IF NOT EXISTS answers (
	seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, path TEXT NOT NULL, fingerprint BLOB NOT NULL,
	request_id TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS journal (
	n INTEGER PRIMARY KEY, at INTEGER NOT NULL, act TEXT NOT NULL, payment_intent TEXT NOT NULL, charge TEXT NOT NULL,
	refund TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL, order_id TEXT NOT NULL,
	request_id TEXT NOT NULL, idempotency_key TEXT NOT NULL);
`

// store is the simulator's state in one SQLite connection. It is not for several goroutines at once.
type store struct {
	pool  *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func openStore(path string) (*store, error) {
	q := url.Values{"_pragma": {
		"busy_timeout(1000)", "locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(NORMAL)", "temp_store(MEMORY)",
	}}
	pool, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(explain(err), pool.Close())
	}
	if _, err := conn.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(explain(err), conn.Close(), pool.Close())
	}
	return &store{pool: pool, conn: conn, stmts: map[string]*sql.Stmt{}}, nil
}

// explain says in words what a locked file means.
func explain(err error) error {
	var failed *sqlite.Error
	if errors.As(err, &failed) && failed.Code()&0xff == sqlite3.SQLITE_BUSY {
		return fmt.Errorf("another process has the file open: %w", err)
	}
	return err
}

func (s *store) close() error {
	var errs []error
	for _, stmt := range s.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.conn.Close(), s.pool.Close())...)
}

// stmt prepares each text once. The texts are the program's own constants, so there are few.
func (s *store) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, ok := s.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.stmts[query] = stmt
	return stmt, nil
}

func (s *store) exec(ctx context.Context, query string, args ...any) error {
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(ctx, args...)
	return err
}

// get reads one row into dest; found is false when there is none.
func (s *store) get(ctx context.Context, query string, args []any, dest ...any) (found bool, err error) {
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return false, err
	}
	err = stmt.QueryRowContext(ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// docs reads rows of one document each, to the end.
func (s *store) docs(ctx context.Context, query string, args ...any) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		stmt, err := s.stmt(ctx, query)
		if err != nil {
			yield(nil, err)
			return
		}
		rows, err := stmt.QueryContext(ctx, args...)
		if err != nil {
			yield(nil, err)
			return
		}
		for rows.Next() {
			var doc []byte
			if err := rows.Scan(&doc); err != nil {
				yield(nil, errors.Join(err, rows.Close()))
				return
			}
			if !yield(doc, nil) {
				break
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			yield(nil, err)
		}
	}
}

func (s *store) begin(ctx context.Context) error { return s.exec(ctx, "BEGIN") }

func (s *store) commit(ctx context.Context) error {
	if err := s.exec(ctx, "COMMIT"); err != nil {
		return s.rollback(ctx, err)
	}
	return nil
}

// rollback undoes the transaction and gives its cause back.
func (s *store) rollback(ctx context.Context, cause error) error {
	return errors.Join(cause, s.exec(ctx, "ROLLBACK"))
}

func (s *store) insertRecord(ctx context.Context, r *record) error {
	doc, err := json.Marshal(r.stored())
	if err != nil {
		return err
	}
	var chargeID string
	if r.Charge != nil {
		chargeID = r.Charge.ID
	}
	return s.exec(ctx, `INSERT INTO intents (id, created, charge, doc) VALUES (?, ?, ?, ?)`, r.Intent.ID, r.Intent.Created, chargeID, doc)
}

func (s *store) updateRecord(ctx context.Context, r *record) error {
	doc, err := json.Marshal(r.stored())
	if err != nil {
		return err
	}
	return s.exec(ctx, `UPDATE intents SET doc = ? WHERE id = ?`, doc, r.Intent.ID)
}

// record reads a PaymentIntent; nil when there is none.
func (s *store) record(ctx context.Context, id string) (*record, error) {
	var doc []byte
	found, err := s.get(ctx, `SELECT doc FROM intents WHERE id = ?`, []any{id}, &doc)
	if err != nil || !found {
		return nil, err
	}
	return decodeRecord(doc)
}

func (s *store) insertRefund(ctx context.Context, r *refund) error {
	doc, err := json.Marshal(r.stored())
	if err != nil {
		return err
	}
	return s.exec(ctx, `INSERT INTO refunds (id, created, intent, doc) VALUES (?, ?, ?, ?)`, r.ID, r.Created, r.PaymentIntent, doc)
}

func (s *store) updateRefund(ctx context.Context, r *refund) error {
	doc, err := json.Marshal(r.stored())
	if err != nil {
		return err
	}
	return s.exec(ctx, `UPDATE refunds SET doc = ? WHERE id = ?`, doc, r.ID)
}

func decodeRecord(doc []byte) (*record, error) {
	r := &record{}
	if err := json.Unmarshal(doc, r); err != nil {
		return nil, fmt.Errorf("a stored PaymentIntent can't be read: %w", err)
	}
	return r.whole(), nil
}

func decodeRefund(doc []byte) (*refund, error) {
	b := &refund{}
	if err := json.Unmarshal(doc, b); err != nil {
		return nil, fmt.Errorf("a stored refund can't be read: %w", err)
	}
	return b.whole(), nil
}
