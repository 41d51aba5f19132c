package saga

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

// universe is a ledger, Stripe, clerks and processes, in which nothing happens but what a seed says: one step at a time, with no
// real time and no network. The parts are the real ones: the rules, the handler, React, Judge, Observe and the attempts of the
// saga, the stripe-go client, the webhook endpoint, the simulator of Stripe. Only the loop that says when is the seed's.
type universe struct {
	t     testing.TB
	seed  uint64
	rng   *rand.Rand
	now   time.Time
	log   *memstore.Store
	sim   *stripesim.Sim
	shop  *stripepay.Client // the store's own, which makes the payments
	procs []*proc
	acts  []*fiber // that are under way
	on    *fiber   // that runs now

	orders   []*simOrder
	intakes  []domain.Intake // that have not arrived yet
	arriving int             // how many placements are under way
	faults   float64         // the share of requests to Stripe that fail
	logFault float64         // the share of appends that fail
	oracle   *oracle
	verbose  bool
	trace    io.Writer
	n        int // for ids
}

type simOrder struct {
	id       uuid.UUID
	payments []string // PaymentIntents
}

const simTotal = 47238

var errSimDead = errors.New("the process is dead")

func newUniverse(t testing.TB, seed uint64) (*universe, func() string) {
	u := &universe{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC), log: memstore.New(),
	}
	sum := fnv.New64a()
	u.trace = sum
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)})
	sim, err := stripesim.New(
		stripesim.WithClock(u.clock), stripesim.WithRand(source), stripesim.WithLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		t.Fatal(err)
	}
	u.sim = sim
	sim.Fail(u.fault)
	u.shop = u.client(nil)
	u.oracle = newOracle(u)
	return u, func() string { return fmt.Sprintf("%016x", sum.Sum64()) }
}

func (u *universe) close() {
	for _, f := range u.acts {
		f.stop()
	}
	if err := u.sim.Close(); err != nil {
		u.t.Error(err)
	}
}

func (u *universe) clock() time.Time { return u.now }

func (u *universe) id() uuid.UUID {
	u.n++
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, u.seed, " ", u.n))
}

func (u *universe) chance(p float64) bool { return u.rng.Float64() < p }

func (u *universe) failf(format string, args ...any) {
	u.t.Helper()
	u.t.Errorf("seed %d: %s", u.seed, fmt.Sprintf(format, args...))
}

func (u *universe) note(format string, args ...any) {
	fmt.Fprintf(u.trace, format+"\n", args...)
	if u.verbose {
		u.t.Logf("%s  %s", u.now.Format("01-02 15:04:05"), fmt.Sprintf(format, args...))
	}
}

// fault is what goes wrong with a request to Stripe.
func (u *universe) fault(r stripesim.Request) stripesim.Fault {
	if u.on == nil || u.on.proc == nil || !u.chance(u.faults) {
		return stripesim.Fault{}
	}
	kinds := []stripesim.Kind{
		stripesim.DropBefore, stripesim.DropAfter, stripesim.ErrorBefore, stripesim.ErrorAfter, stripesim.RateLimited,
		stripesim.Truncated, stripesim.Garbled, stripesim.Unauthorized, stripesim.Forbidden, stripesim.KeyInUse,
	}
	kind := kinds[u.rng.IntN(len(kinds))]
	u.note("fault %d at %s %s", kind, r.Method, r.Path)
	return stripesim.Fault{Kind: kind}
}

// fiber is something under way that can be left alone between any two of its steps.
type fiber struct {
	name  string
	proc  *proc // whose it is; nil for the store's and Stripe's own
	yield func(struct{}) bool
	next  func() (struct{}, bool)
	stop  func()
	done  func() // when it has ended
}

func (u *universe) spawn(p *proc, name string, do, done func()) {
	f := &fiber{name: name, proc: p, done: done}
	f.next, f.stop = iter.Pull(func(yield func(struct{}) bool) {
		f.yield = yield
		do()
	})
	u.acts = append(u.acts, f)
	u.note("begins %s", name)
	u.resume(f)
}

func (u *universe) resume(f *fiber) {
	before := u.on
	u.on = f
	_, more := f.next()
	u.on = before
	u.oracle.look()
	if more {
		return
	}
	u.acts = slices.DeleteFunc(u.acts, func(a *fiber) bool { return a == f })
	if f.done != nil {
		f.done()
	}
}

// step is a place at which a process may be left alone, or die.
func (u *universe) step(p *proc) error {
	if f := u.on; f != nil {
		f.yield(struct{}{})
	}
	if p != nil && p.dead {
		return errSimDead
	}
	return nil
}

// simLog is the log as a process sees it.
type simLog struct {
	*memstore.Store
	u *universe
	p *proc
}

func (l simLog) lost() error {
	if l.u.chance(l.u.logFault) {
		return fmt.Errorf("%w: for a moment", eventstore.ErrUnavailable)
	}
	return nil
}

func (l simLog) Append(ctx context.Context, stream string, at eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	if err := errors.Join(l.u.step(l.p), l.lost()); err != nil {
		return eventstore.Recorded{}, err
	}
	r, err := l.Store.Append(ctx, stream, at, e)
	l.u.note("append %s to %s at %s: %v", e.Type, stream, at, err)
	if dead := errors.Join(l.u.step(l.p), l.lost()); dead != nil {
		return eventstore.Recorded{}, dead
	}
	return r, err
}

func (l simLog) AppendMany(ctx context.Context, all []eventstore.Proposed) ([]eventstore.Recorded, error) {
	if err := l.u.step(l.p); err != nil {
		return nil, err
	}
	r, err := l.Store.AppendMany(ctx, all)
	if dead := l.u.step(l.p); dead != nil {
		return nil, dead
	}
	return r, err
}

func (l simLog) ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error] {
	if err := l.u.step(l.p); err != nil {
		return func(yield func(eventstore.Recorded, error) bool) { yield(eventstore.Recorded{}, err) }
	}
	return l.Store.ReadStream(ctx, stream, after)
}

// simWire carries a process's requests to Stripe.
type simWire struct {
	u    *universe
	p    *proc
	next http.RoundTripper
}

func (w simWire) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := w.u.step(w.p); err != nil {
		return nil, err
	}
	res, err := w.next.RoundTrip(r)
	w.u.note("asked %s %s: %v", r.Method, r.URL.Path, err)
	if dead := w.u.step(w.p); dead != nil {
		return nil, dead
	}
	return res, err
}

func (u *universe) client(p *proc) *stripepay.Client {
	c, err := stripepay.New(stripepay.Config{
		Mode: stripepay.Sandbox, Key: "sk_test_simulation", URL: "http://stripe.invalid",
		Transport: simWire{u, p, u.sim.Transport()}, Now: u.clock, Rand: func() float64 { return 0.5 },
	})
	if err != nil {
		u.t.Fatal(err)
	}
	return c
}

// proc is one process: handler, saga, webhook endpoint.
type proc struct {
	u       *universe
	n       int
	dead    bool
	paused  bool // a zombie, until it goes on
	saga    *Saga
	placer  *commands.Placer
	webhook http.Handler
	at      eventstore.Position
	jobs    map[string]*simJob
}

type simJob struct {
	task
	busy     bool
	answered bool // until the log is read on
}

// start starts a process, from a snapshot when there is one.
func (u *universe) start(from *proc) {
	p := &proc{u: u, n: len(u.procs), jobs: map[string]*simJob{}}
	log := simLog{u.log, u, p}
	client := u.client(p)
	handler := commands.NewHandler(log, eventstore.Codec{}, u.clock)
	s, err := New(Config{
		Log: log, Handler: handler, Payments: client, Lists: client, Now: u.clock, Logger: slog.New(slog.DiscardHandler),
		Rand: func() float64 { return 0.5 },
	})
	if err != nil {
		u.t.Fatal(err)
	}
	p.saga = s
	p.placer = &commands.Placer{Handler: handler, Payments: client, Calendar: commands.DefaultCalendar(), Authorize: true}
	p.webhook = stripepay.Webhook(stripepay.WebhookConfig{
		Mode: stripepay.Sandbox, Secrets: []string{"whsec_simulation"}, Receiver: commands.Inbox{Handler: handler}, Now: u.clock,
		Logger: slog.New(slog.DiscardHandler),
	})
	if from != nil {
		at := snapshot{}
		for _, e := range from.saga.state {
			at.Open = append(at.Open, e)
		}
		for _, h := range from.saga.watched.Holds {
			at.Holds = append(at.Holds, h)
		}
		for _, c := range from.saga.watched.Clocks {
			at.Clocks = append(at.Clocks, c)
		}
		for _, h := range from.saga.watched.Hints {
			at.Hints = append(at.Hints, h)
		}
		s.state, s.watched = at.folded()
		p.at = from.at
	}
	u.procs = append(u.procs, p)
	p.learn(1 << 30) // it acts only when it knows the log as it was
	for _, j := range p.open() {
		j.readFirst = true
	}
	u.note("process %d starts at %d", p.n, p.at)
}

// learn folds up to n more events of the log.
func (p *proc) learn(n int) {
	head, err := p.u.log.Head(context.Background())
	if err != nil {
		p.u.t.Fatal(err)
	}
	if head <= p.at {
		return
	}
	sub, err := p.u.log.Subscribe(context.Background(), p.at)
	if err != nil {
		p.u.t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	for n > 0 && p.at < head {
		batch, err := sub.Next(context.Background(), min(n, 500))
		if err != nil {
			p.u.t.Fatal(err)
		}
		for _, r := range batch {
			p.at, n = r.Position, n-1
			f, relevant, err := factOf(eventstore.Codec{}, r)
			if err != nil {
				p.u.t.Fatal(err)
			}
			if relevant {
				p.saga.state, _ = React(p.saga.state, f)
				p.saga.watched.Watch(f)
			}
		}
	}
	for _, j := range p.jobs {
		j.answered = false
	}
}

// open are the jobs that a process could be at now, in an order that follows from the log alone.
func (p *proc) open() []*simJob {
	want := map[string]task{}
	for _, e := range p.saga.state {
		if !e.Parked {
			want[effectKey(e.Order)] = task{effect: e}
		}
	}
	for _, h := range p.saga.watched.Hints {
		want[hintKey(h.ID)] = task{hint: h}
	}
	for _, h := range p.saga.watched.Holds {
		if !h.Until.IsZero() && !p.u.now.Before(h.Until) {
			want[holdKey(h.Order)] = task{hold: h}
		}
	}
	for _, c := range p.saga.watched.Clocks {
		if !p.u.now.Before(c.Until) {
			want[clockKey(c.Order)] = task{clock: c}
		}
	}
	var keys []string
	for key, t := range want {
		t.key = key
		switch j := p.jobs[key]; {
		case j == nil:
			p.jobs[key] = &simJob{task: t}
		case t.effect.Request != j.effect.Request:
			if !j.busy {
				p.jobs[key] = &simJob{task: t}
			}
		default:
			t.tries, t.readFirst = j.tries, j.readFirst || t.effect != j.effect
			j.task = t
		}
		if j := p.jobs[key]; !j.busy && !j.answered {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	all := make([]*simJob, len(keys))
	for i, key := range keys {
		all[i] = p.jobs[key]
	}
	return all
}

func (p *proc) begin(j *simJob) {
	j.busy = true
	var o outcome
	t := j.task
	p.u.spawn(p, fmt.Sprintf("process %d: %s", p.n, t.key), func() {
		o = p.saga.attempt(context.Background(), t)
	}, func() {
		j.busy, j.answered, j.tries, j.readFirst = false, o.answered, o.tries, true
		p.u.note("process %d: %s ends: %v", p.n, t.key, o.err)
	})
}

// deliver hands one of Stripe's events to a process's endpoint.
func (u *universe) deliver(p *proc, d stripesim.Delivery) {
	u.spawn(p, fmt.Sprintf("process %d is told %s", p.n, d.Event), func() {
		r, err := d.Request(context.Background(), "http://ledger.invalid"+stripepay.WebhookPath, u.now, "whsec_simulation")
		if err != nil {
			u.t.Fatal(err)
		}
		answer := httptest.NewRecorder()
		p.webhook.ServeHTTP(answer, r)
		if answer.Code == http.StatusOK {
			if err := u.sim.Delivered(context.Background(), d.Event); err != nil {
				u.t.Fatal(err)
			}
		} else if answer.Code < 500 {
			u.failf("a webhook was answered %d: %s", answer.Code, answer.Body)
		}
	}, nil)
}

func (u *universe) order(id uuid.UUID) domain.Order {
	var o domain.Order
	for r, err := range u.log.ReadStream(context.Background(), eventstore.OrderStream(id), eventstore.NoStream) {
		if err != nil {
			u.t.Fatal(err)
		}
		e, env, err := eventstore.Codec{}.Decode(r)
		if err != nil {
			u.t.Fatal(err)
		}
		o = domain.Evolve(o, e, eventstore.Stamp(r.Event, env))
	}
	return o
}

// living are the processes that are neither dead nor paused.
func (u *universe) living() []*proc {
	return slices.DeleteFunc(slices.Clone(u.procs), func(p *proc) bool { return p.dead || p.paused })
}

func isLedgers(key string) bool { return strings.HasPrefix(key, "orderledger-") }
