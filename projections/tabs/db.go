package tabs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	_ "modernc.org/sqlite" // the database

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
)

const (
	fileName    = "tabs.db"
	rebuildName = "tabs-rebuild.db"
	readers     = 4
	cacheOrders = 16384 // folded orders that the writer keeps
)

// DB is the read model. It is a projections.Reader and a projections.ReadModel.
type DB struct {
	dir   string
	now   func() time.Time
	codec eventstore.Codec
	log   *slog.Logger
	few   int // see fewOrders

	writing sync.Mutex   // held while events are applied
	serving sync.RWMutex // held by readers, and exclusively while a rebuilt file takes the file's place
	f       *file

	rebuilding atomic.Bool
	rebuilt    atomic.Uint64
}

var (
	_ projections.Reader    = (*DB)(nil)
	_ projections.ReadModel = (*DB)(nil)
)

// Options change how a DB works. The zero value is what is used in earnest.
type Options struct {
	Codec eventstore.Codec
	Now   func() time.Time // the clock that the two timed badges are filtered by; time.Now when nil
	// Logger takes what the model says; slog.Default when nil.
	Logger *slog.Logger
}

// Open opens the read model in a folder, which is made if need be. A file of another form, or one that can't be read,
// is thrown away and begun anew: the log has it all. One process and one DB at a time may use a folder.
func Open(dir string, o Options) (*DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	d := &DB{few: fewOrders, dir: dir, now: o.Now, codec: o.Codec, log: o.Logger}
	if d.now == nil {
		d.now = time.Now
	}
	if d.log == nil {
		d.log = slog.Default()
	}
	if err := remove(filepath.Join(dir, rebuildName)); err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	f, err := openFile(filepath.Join(dir, fileName))
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	d.f = f
	return d, nil
}

// Close closes the file. No other method may be running or called afterwards.
func (d *DB) Close() error {
	d.writing.Lock()
	defer d.writing.Unlock()
	d.serving.Lock()
	defer d.serving.Unlock()
	return d.f.close()
}

// file is one open SQLite file, with the writer's memory of it.
type file struct {
	path  string
	write *sql.DB // one connection
	read  *sql.DB

	bulk   atomic.Bool // no indexes yet
	last   projections.Last
	lastN  int64
	orders *lru.Cache[uuid.UUID, known]
	facets map[traits]int64
}

var (
	errForm = errors.New("the file is of another form")
	// errUnfinished: the first filling is not synced, so a file that was left in it may be torn.
	errUnfinished = errors.New("the file was never filled to the end")
)

// openFile opens or begins a file; one of another form is replaced.
func openFile(path string) (*file, error) {
	f, err := tryFile(path)
	if err == nil {
		return f, nil
	}
	if err := remove(path); err != nil {
		return nil, err
	}
	return tryFile(path)
}

// remove removes a database with the files beside it.
func remove(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func tryFile(path string) (_ *file, err error) {
	dsn := "file:" + path + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=temp_store(MEMORY)"
	f := &file{path: path}
	if f.write, err = sql.Open("sqlite", dsn+"&_txlock=immediate&_pragma=cache_size(-131072)&_pragma=wal_autocheckpoint(4000)"); err != nil {
		return nil, err
	}
	f.write.SetMaxOpenConns(1)
	if f.read, err = sql.Open("sqlite", dsn+"&_pragma=query_only(1)&_pragma=cache_size(-16384)&_pragma=mmap_size(1073741824)"); err != nil {
		return nil, err
	}
	f.read.SetMaxOpenConns(readers)
	f.read.SetMaxIdleConns(readers)
	if err = f.begin(context.Background()); err != nil {
		_ = f.close() // the error that counts is begin's
		return nil, err
	}
	return f, nil
}

// begin makes the tables of an empty file and reads what the writer must know.
func (f *file) begin(ctx context.Context) error {
	var tablesThere int
	if err := f.write.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tablesThere); err != nil {
		return err
	}
	if tablesThere == 0 {
		tx, err := f.write.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // nothing is lost after a commit
		if _, err := tx.ExecContext(ctx, tables); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO meta VALUES (?, 0, 1, 0, NULL)`, form); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	var found string
	if err := f.write.QueryRowContext(ctx, `SELECT form FROM meta`).Scan(&found); err != nil {
		return err
	}
	if found != form {
		return errForm
	}
	if err := f.remember(ctx); err != nil {
		return err
	}
	if !f.bulk.Load() {
		return nil
	}
	if tablesThere > 0 {
		return errUnfinished
	}
	_, err := f.write.ExecContext(ctx, `PRAGMA synchronous = OFF`)
	return err
}

// remember reads the writer's memory from the file, in place of what it was before.
func (f *file) remember(ctx context.Context) error {
	var err error
	if f.orders, err = lru.New[uuid.UUID, known](cacheOrders); err != nil {
		return err
	}
	var at, before int64
	var event []byte
	var bulk bool
	if err := f.write.QueryRowContext(ctx, `SELECT checkpoint, before, event, bulk, (SELECT coalesce(max(n), 0) FROM orders) FROM meta`).
		Scan(&at, &before, &event, &bulk, &f.lastN); err != nil {
		return err
	}
	f.last = projections.Last{Before: eventstore.Position(before), Position: eventstore.Position(at)}
	copy(f.last.Event[:], event)
	f.bulk.Store(bulk)
	f.facets = map[traits]int64{}
	all, err := readFacets(ctx, f.write)
	for _, x := range all {
		f.facets[x.traits] = x.id
	}
	return err
}

func (f *file) close() error {
	if f.read == nil {
		return f.write.Close()
	}
	return errors.Join(f.read.Close(), f.write.Close())
}

// Checkpoint implements projections.ReadModel.
func (d *DB) Checkpoint(context.Context) (eventstore.Position, error) {
	d.writing.Lock()
	defer d.writing.Unlock()
	return d.f.last.Position, nil
}

// Last implements projections.ReadModel.
func (d *DB) Last(context.Context) (projections.Last, error) {
	d.writing.Lock()
	defer d.writing.Unlock()
	return d.f.last, nil
}

// Reset implements projections.ReadModel: it begins an empty file.
func (d *DB) Reset(context.Context) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	d.serving.Lock()
	defer d.serving.Unlock()
	d.log.Warn("the read models are of another log, and are built anew", "position", d.f.last.Position)
	path := d.f.path
	if err := d.f.close(); err != nil {
		return err
	}
	return errors.Join(remove(path), d.reopen(path))
}

// CaughtUp implements projections.ReadModel: it makes the indexes of a file that was empty when it was opened.
func (d *DB) CaughtUp(ctx context.Context) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	return d.f.index(ctx)
}

func (f *file) index(ctx context.Context) error {
	if !f.bulk.Load() {
		return nil
	}
	tx, err := f.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing is lost after a commit
	steps := slices.Concat(indexes, loseNames, []string{`INSERT INTO words (rowid, terms) SELECT n, terms FROM orders`})
	for _, step := range steps {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if err := f.settle(ctx); err != nil {
		return err
	}
	f.bulk.Store(false)
	return nil
}

// settle syncs what the filling wrote, and only then says in the file that it was filled to the end.
func (f *file) settle(ctx context.Context) error {
	for _, step := range []string{
		`PRAGMA synchronous = FULL`, `PRAGMA wal_checkpoint(FULL)`, `UPDATE meta SET bulk = 0`, `PRAGMA synchronous = NORMAL`,
	} {
		if _, err := f.write.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	return nil
}
