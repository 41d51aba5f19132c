package stripesim

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// APIVersion is the only version that is served.
	APIVersion = "2023-10-16"

	holdFor      = 7 * day
	keysKeptFor  = day
	maxBody      = 64 << 10
	maxPage      = 100
	defaultPage  = 10
	maxKeyLength = 255
)

// Option changes a simulator when it is opened.
type Option func(*Sim)

// WithClock replaces time.Now: it stamps objects, says what is due (see Advance) and prunes idempotency keys. It may be called from
// many goroutines.
func WithClock(now func() time.Time) Option { return func(s *Sim) { s.now = now } }

// WithLogger replaces slog.Default. Only the simulator's own failures are logged.
func WithLogger(log *slog.Logger) Option { return func(s *Sim) { s.log = log } }

// Sim is one simulated Stripe account. Its methods may be called from many goroutines; everything happens one at a time.
// What was answered is committed: it survives the process being killed (not the machine losing power).
type Sim struct {
	now func() time.Time

	mu    sync.Mutex // guards the next four: one transaction at a time
	db    *store
	told  []eventRow // by the transaction, and not stored yet
	news  bool       // the transaction stored events
	stamp int64      // of the newest object's id

	ids          ids
	times        Times
	eventVersion string
	silent       bool          // makes no events
	woken        chan struct{} // has room for one: there are new events

	log    *slog.Logger
	flight flight

	carried carried
	fault   atomic.Pointer[func(Request) Fault]
	closed  chan struct{} // closed by Close: requests held back by a fault are abandoned
	once    sync.Once
}

// Open opens, or makes, the simulator whose state is the SQLite file at path. A file that another process has open is refused.
func Open(path string, options ...Option) (*Sim, error) {
	s := &Sim{
		now: time.Now, log: slog.Default(), ids: ids{source: bufio.NewReader(rand.Reader)}, times: usualTimes, eventVersion: APIVersion,
		woken: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	for _, option := range options {
		option(s)
	}
	db, err := openStore(path)
	if err != nil {
		return nil, fmt.Errorf("open stripesim at %s: %w", path, err)
	}
	s.db = db
	return s, nil
}

// New makes a simulator in memory; its state ends with Close.
func New(options ...Option) (*Sim, error) { return Open(":memory:", options...) }

// Close ends the simulator. Stop serving it first (see Serve): requests that come later are answered with 500.
func (s *Sim) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		s.carried.end()
		s.mu.Lock()
		defer s.mu.Unlock()
		err = s.db.close()
	})
	return err
}

// Handler serves Stripe's API below /v1/ and the simulator's own below /_sim/.
func (s *Sim) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sim/journal", s.serveJournal)
	mux.HandleFunc("/", s.serveAPI)
	return mux
}

// transact runs one unit of work for c, after everything that was due before it. Work that began is finished even if the caller
// goes away.
func (s *Sim) transact(c *call, work func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.ctx, c.sim, c.db, c.now = context.WithoutCancel(c.ctx), s, s.db, s.now()
	s.told, s.news = s.told[:0], false
	if err := s.db.begin(c.ctx); err != nil {
		return err
	}
	for _, step := range []func() error{c.catchUp, c.storeEvents, work, c.storeEvents} {
		if err := step(); err != nil {
			return s.db.rollback(c.ctx, err)
		}
	}
	if err := s.db.commit(c.ctx); err != nil {
		return err
	}
	if s.news {
		s.wake()
	}
	return nil
}
