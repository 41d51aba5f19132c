package stripesim

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"modernc.org/sqlite" // also the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// store is the simulator's state in one SQLite connection. It is not for several goroutines at once.
type store struct {
	pool  *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt

	nextDue time.Time // nothing is due before; zero when that is not known
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
	if err := migrate(ctx, conn); err != nil {
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

// each reads rows to the end; read gets each row's Scan.
func (s *store) each(ctx context.Context, query string, args []any, read func(scan func(...any) error) error) error {
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := read(rows.Scan); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
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
	s.nextDue = time.Time{}
	return errors.Join(cause, s.exec(ctx, "ROLLBACK"))
}
