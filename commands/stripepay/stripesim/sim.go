package stripesim

import (
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

	holdFor      = 7 * 24 * time.Hour
	keysKeptFor  = 24 * time.Hour
	maxBody      = 64 << 10
	maxPage      = 100
	defaultPage  = 10
	maxKeyLength = 255
)

// Option changes a simulator when it is opened.
type Option func(*Sim)

// WithClock replaces time.Now: it stamps objects, ends holds and prunes idempotency keys. It may be called from many
// goroutines.
func WithClock(now func() time.Time) Option { return func(s *Sim) { s.now = now } }

// WithLogger replaces slog.Default. Only the simulator's own failures are logged.
func WithLogger(log *slog.Logger) Option { return func(s *Sim) { s.log = log } }

// Sim is one simulated Stripe account. Its methods may be called from many goroutines; everything happens one at a time.
// What was answered is committed: it survives the process being killed (not the machine losing power).
type Sim struct {
	now func() time.Time

	mu sync.Mutex // guards db: one transaction at a time
	db *store

	log    *slog.Logger
	flight flight
	fault  atomic.Pointer[func(Request) Fault]
	closed chan struct{} // closed by Close: requests held back by a fault are abandoned
	once   sync.Once
}

// Open opens, or makes, the simulator whose state is the SQLite file at path. A file that another process has open is refused.
func Open(path string, options ...Option) (*Sim, error) {
	s := &Sim{now: time.Now, log: slog.Default(), closed: make(chan struct{})}
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

// SettleRefund brings a refund to where its payment method leads: one of pm_card_pendingRefund from pending to succeeded, one of
// pm_card_refundFail from succeeded to failed (the money stays with the account, and the journal says so). A refund that is
// where it belongs stays as it is.
func (s *Sim) SettleRefund(ctx context.Context, id string) error {
	c := &call{ctx: ctx}
	return s.transact(c, func() error {
		r, err := c.refund(id)
		if err != nil {
			return err
		}
		return c.settle(r)
	})
}

// transact runs one unit of work for c. Work that began is finished even if the caller goes away.
func (s *Sim) transact(c *call, work func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.ctx, c.db, c.now = context.WithoutCancel(c.ctx), s.db, s.now()
	if err := s.db.begin(c.ctx); err != nil {
		return err
	}
	if err := work(); err != nil {
		return s.db.rollback(c.ctx, err)
	}
	return s.db.commit(c.ctx)
}

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// randomID gives n random letters and digits.
func randomID(n int) string {
	var b [32]byte
	_, _ = rand.Read(b[:n]) // never fails: it ends the program instead
	for i := range n {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b[:n])
}
