package natsapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"golang.org/x/time/rate"

	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/share"
)

// flushPatience bounds how long the last answers may take to reach the server.
const flushPatience = 5 * time.Second

// How often a sender is told that there is no room.
const (
	refusalsPerSecond = 100
	refusalsAtOnce    = 1000
)

// Name is the service's.
const Name = "orderledger"

// Config says what a Service works with. Conn, Ledger, Version, API, Handler and Auth are required.
type Config struct {
	// Conn is a connection of the service's own, to the account that holds the log. It stays the caller's to close.
	Conn    *nats.Conn
	Ledger  string
	Version string
	// API describes what Handler answers. Handler expects the actor in the request's context.
	API     *huma.OpenAPI
	Handler http.Handler
	// Auth recognises who sends a token. Nobody is let in without one, but an account's clients: see Account.
	Auth commandapi.Auth
	// Account says as whom the clients of another account act, when they send no token; access.ErrUnauthenticated for an account that
	// is not let in. Nil: none is. The account was said by the server.
	Account func(ctx context.Context, name string) (domain.Actor, error)
	Logger  *slog.Logger // default slog.Default
	// Workers is how many requests are answered at once, default 256; Queue how many more may wait, default 1024; QueueBytes how
	// large all of them may be together, default 64 MiB. What comes when there is no room is answered 503 at once; who has as much of
	// it as is left for all others is answered 429.
	Workers, Queue, QueueBytes int
	// Timeout bounds a request, its wait among the others included; default 40 s, which is longer than any request waits for Stripe.
	Timeout time.Duration
}

func (c Config) withDefaults() Config {
	c.Workers, c.Queue = cmp.Or(c.Workers, 256), cmp.Or(c.Queue, 1024)
	c.QueueBytes = cmp.Or(c.QueueBytes, 64<<20)
	c.Timeout = cmp.Or(c.Timeout, commandapi.MaxWait+10*time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Auth.Via, c.Auth.ForbidAnonymous, c.Auth.Refuse = domain.ViaNATS, true, nil
	return c
}

// Service answers requests. Several of one ledger, in any number of processes, share them.
type Service struct {
	cfg       Config
	identity  micro.ServiceIdentity
	started   time.Time
	endpoints []*endpoint
	subs      []*nats.Subscription
	drained   sync.WaitGroup // of subs

	base     context.Context // of all requests
	cut      context.CancelFunc
	underway sync.WaitGroup
	room     *share.Room
	known    *lru.Cache[[sha256.Size]byte, string] // as whom they act who sent what hashes to it
	told     *lru.Cache[string, *rate.Limiter]     // how often senders may be told that there is no room

	refused, ignored atomic.Int64
}

// Stats are the service's figures since it started.
type Stats struct {
	Requests int64 // that were answered
	Errors   int64 // of those, with a problem
	Refused  int64 // because there was no room, or none for this sender; who has been told so often enough is not answered
	Ignored  int64 // that could not be answered, and were not looked at
}

// Start begins to answer.
func Start(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	operations, err := operationsOf(cfg.API)
	if err != nil {
		return nil, fmt.Errorf("nats service: %w", err)
	}
	known, err := lru.New[[sha256.Size]byte, string](maxKnown)
	if err != nil {
		return nil, err
	}
	told, err := lru.New[string, *rate.Limiter](maxKnown)
	if err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, started: time.Now().UTC(), room: share.NewRoom(cfg.Workers, cfg.Queue, cfg.QueueBytes), known: known, told: told,
		identity: micro.ServiceIdentity{Name: Name, ID: rand.Text(), Version: cfg.Version, Metadata: map[string]string{"ledger": cfg.Ledger}},
	}
	s.base, s.cut = context.WithCancel(context.Background())
	for _, o := range operations {
		s.endpoints = append(s.endpoints, newEndpoint(o, cfg.Ledger))
	}
	if err := s.subscribe(); err != nil {
		for _, sub := range s.subs {
			_ = sub.Unsubscribe() // the connection is the caller's to close
		}
		return nil, fmt.Errorf("nats service: %w", err)
	}
	return s, nil
}

func (s *Service) subscribe() error {
	for _, e := range s.endpoints {
		sub, err := s.cfg.Conn.QueueSubscribe(e.subject, micro.DefaultQueueGroup, func(m *nats.Msg) { s.receive(e, m) })
		if err != nil {
			return err
		}
		s.subs = append(s.subs, sub)
	}
	return s.subscribeControl()
}

// Stop lets those requests be answered that have come in, and takes no more. Its context's end cuts off those that are left.
func (s *Service) Stop(ctx context.Context) error {
	for _, sub := range s.subs {
		s.drained.Add(1)
		done := sync.OnceFunc(s.drained.Done)
		sub.SetClosedHandler(func(string) { done() })
		if err := sub.Drain(); err != nil { // the connection is closed, or the subscription
			done()
		}
	}
	done := make(chan struct{})
	go func() {
		s.drained.Wait()
		s.underway.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = errors.New("requests on NATS were cut off")
	}
	s.cut()
	if err != nil {
		return err
	}
	if err := s.cfg.Conn.FlushTimeout(flushPatience); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("the last answers on NATS: %w", err)
	}
	return nil
}

// Stats are the figures of now.
func (s *Service) Stats() Stats {
	st := Stats{Refused: s.refused.Load(), Ignored: s.ignored.Load()}
	for _, e := range s.endpoints {
		e.mu.Lock()
		st.Requests += int64(e.stats.NumRequests)
		st.Errors += int64(e.stats.NumErrors)
		e.mu.Unlock()
	}
	return st
}

// answerable says whether an answer can go where a request wants it: to an inbox. Everything else would let who may send a request
// have us publish what they may not, such as messages that the log would take for events.
func (s *Service) answerable(m *nats.Msg) bool {
	if strings.HasPrefix(m.Reply, "_") && !strings.HasPrefix(m.Reply, s.cfg.Ledger+".") {
		return true
	}
	s.ignored.Add(1)
	s.cfg.Logger.Debug("a request on NATS has no inbox to be answered to, and was ignored", "subject", m.Subject)
	return false
}

// receive takes a request in. It does not block.
func (s *Service) receive(e *endpoint, m *nats.Msg) {
	began := time.Now()
	if !s.answerable(m) {
		return
	}
	given := headers(m)
	from := s.sender(m, given)
	p, err := s.room.Enter(from, m.Size())
	if err != nil {
		s.refused.Add(1)
		if s.tells(from, began) {
			s.respond(e, m, began, problem(noPlace(err)))
		}
		return
	}
	s.underway.Go(func() {
		ctx, cancel := context.WithTimeout(s.base, s.cfg.Timeout)
		defer cancel()
		if err := p.Wait(ctx); err != nil {
			s.respond(e, m, began, problem(commandapi.From(err)))
			return
		}
		defer p.Leave()
		s.respond(e, m, began, s.answer(ctx, e, m, given))
	})
}

// tells says whether a sender is to be told that there is no room: each request would hold up those of others behind it by what the
// answer costs, so who goes on all the same is told so often and no more.
func (s *Service) tells(from string, now time.Time) bool {
	l, ok := s.told.Get(from)
	if !ok {
		l = rate.NewLimiter(refusalsPerSecond, refusalsAtOnce)
		if before, ok, _ := s.told.PeekOrAdd(from, l); ok {
			l = before
		}
	}
	return l.AllowN(now, 1)
}

// noPlace is what who gets no place is told.
func noPlace(err error) *commandapi.Problem {
	p := commandapi.New(http.StatusServiceUnavailable, commandapi.CodeUnavailable,
		"Too many requests wait for an answer. Send the same request again, with the same Idempotency-Key.")
	if errors.Is(err, share.ErrYours) {
		p = commandapi.New(http.StatusTooManyRequests, commandapi.CodeRateLimited,
			"You have as many requests underway as one sender may have. Wait for their answers, then send the same request again, with the same Idempotency-Key.")
	}
	p.RetryAfter = time.Second
	return p
}

// answer carries a request out.
func (s *Service) answer(ctx context.Context, e *endpoint, m *nats.Msg, given http.Header) (a *recorder) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Logger.Error("a request on NATS failed", "subject", m.Subject, "panic", p)
			a = problem(commandapi.From(fmt.Errorf("panic: %v", p)))
		}
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/", http.NoBody)
	if err != nil {
		return problem(commandapi.From(err))
	}
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner, err := e.operation.request(r.Context(), given, m.Data)
		if err != nil {
			commandapi.From(err).Write(w)
			return
		}
		s.cfg.Handler.ServeHTTP(w, inner)
	})
	w := newRecorder()
	account, imported := requestor(m)
	switch {
	case given.Get("Authorization") == "" && imported && s.cfg.Account != nil:
		actor, err := s.cfg.Account(ctx, account)
		if err != nil {
			return problem(commandapi.Answer(ctx, s.cfg.Logger, err))
		}
		actor.Via = domain.ViaNATS
		next.ServeHTTP(w, r.WithContext(domain.WithActor(ctx, actor)))
	default:
		r.Header["Authorization"] = slices.Clone(given["Authorization"])
		commandapi.Authenticate(s.cfg.Auth)(s.remember(given, next)).ServeHTTP(w, r)
		if w.status == http.StatusUnauthorized {
			s.forget(given)
		}
	}
	return w
}
