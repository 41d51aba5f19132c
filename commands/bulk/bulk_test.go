package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/bulk"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

var (
	start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	ada   = domain.Actor{ID: "ada", Role: domain.Clerk, Via: domain.ViaUI}
)

// world is a log with orders in it and jobs over it. made are the jobs that a read model would name.
type world struct {
	t       *testing.T
	log     *memstore.Store
	handler *commands.Handler
	jobs    *bulk.Jobs

	mu    sync.Mutex
	made  []string
	now   time.Time
	role  domain.Role // of ada; empty: none any more
	after func(n int) // called before each act
	acts  int
	hold  func(actor string) // called before each act, too
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, log: memstore.New(), now: start, role: domain.Clerk}
	w.handler = commands.NewHandler(w.log, eventstore.Codec{}, w.clock)
	w.jobs = bulk.NewJobs(w.log, eventstore.Codec{}, w.clock, w.open)
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) open(context.Context) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.made), nil
}

// place brings orders on account in.
func (w *world) place(n int) []eventstore.JobItem {
	w.t.Helper()
	items := make([]eventstore.JobItem, n)
	for i := range items {
		in := domain.Intake{
			OrderNumber: fmt.Sprintf("B-%d", i), Manufacturer: "acme", PlacedAt: start, Currency: "USD", Subtotal: 100, Total: 100,
			Customer:        domain.Customer{ID: "C", Name: "Ada", Email: "ada@example.com", AccountNumber: "A-1"},
			BillingAddress:  domain.Address{Line1: "1", City: "Reims", PostalCode: "51100", Country: "FR"},
			ShippingAddress: domain.Address{Line1: "1", City: "Reims", PostalCode: "51100", Country: "FR"},
			Lines:           []domain.Line{{SKU: "A", Description: "A", Quantity: 1, UnitPrice: 100, Amount: 100}},
			Payment:         domain.Terms{Method: domain.Account},
		}
		_, err := w.handler.Handle(w.t.Context(), commands.Request{
			OrderID: in.ID(), Command: domain.Place{Intake: in, Confirm: domain.Confirmation{By: start.Add(time.Hour), Zone: "UTC"}},
			CommandID: commands.CommandID("store", in.OrderNumber), Actor: domain.Actor{ID: "store", Role: domain.Shop},
		})
		if err != nil {
			w.t.Fatal(err)
		}
		items[i] = eventstore.JobItem{OrderID: in.ID(), Number: in.OrderNumber, Version: 1}
	}
	return items
}

func (w *world) make(key string, p bulk.Plan) bulk.Job {
	w.t.Helper()
	return w.makeAs(ada, key, p)
}

func (w *world) makeAs(who domain.Actor, key string, p bulk.Plan) bulk.Job {
	w.t.Helper()
	j, err := w.jobs.Make(w.t.Context(), who, key, p)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.made, j.ID) {
		w.made = append(w.made, j.ID)
	}
	return j
}

// Handle is the real handler, which first says how many acts there were.
func (w *world) Handle(ctx context.Context, r commands.Request) (commands.Result, error) {
	w.mu.Lock()
	w.acts++
	n, after, hold := w.acts, w.after, w.hold
	w.mu.Unlock()
	if hold != nil {
		hold(r.Actor.ID)
	}
	if after != nil {
		after(n)
	}
	if ctx.Err() != nil {
		return commands.Result{}, ctx.Err()
	}
	return w.handler.Handle(ctx, r)
}

func (w *world) standing(_ context.Context, was domain.Actor, _ time.Time) (domain.Actor, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if was.Role = w.role; w.role == "" {
		return was, bulk.ErrNoLonger
	}
	return was, nil
}

// run runs a runner until stop is called.
func (w *world) run(c bulk.Config) (stop func()) {
	w.t.Helper()
	_, stop = w.runner(c)
	return stop
}

func (w *world) runner(c bulk.Config) (r *bulk.Runner, stop func()) {
	w.t.Helper()
	c.Jobs, c.Handler, c.Standing, c.Asked = w.jobs, w, w.standing, w.open
	c.Poll, c.Flush, c.Rate = 5*time.Millisecond, 5*time.Millisecond, 1e6
	c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	r, err := bulk.NewRunner(c)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Error(err)
			}
		})
	}
	w.t.Cleanup(stop)
	return r, stop
}

// until follows the log until a job is at a state.
func (w *world) until(id string, is func(bulk.Job) bool) bulk.Job {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	sub, err := w.log.Subscribe(ctx, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	for {
		j, err := w.jobs.Read(ctx, id)
		if err != nil {
			w.t.Fatal(err)
		}
		if is(j) {
			return j
		}
		if _, err := sub.Next(ctx, 1000); err != nil {
			w.t.Fatalf("job %s is %s, %d of %d: %v", id, j.State(), j.Done, j.Orders, err)
		}
	}
}

func over(j bulk.Job) bool { return j.State() != bulk.Open }

// events counts the events of a type in all orders, and fails when one order has two.
func (w *world) events(items []eventstore.JobItem, name string) (n int) {
	w.t.Helper()
	for _, it := range items {
		of := 0
		for r, err := range w.log.ReadStream(w.t.Context(), eventstore.OrderStream(it.OrderID), eventstore.NoStream) {
			if err != nil {
				w.t.Fatal(err)
			}
			if r.Type == name {
				of++
			}
		}
		if of > 1 {
			w.t.Errorf("order %s was %s %d times", it.Number, name, of)
		}
		n += of
	}
	return n
}

func TestAJobDoesItsActsOnceAndSaysWhatCameOfEach(t *testing.T) {
	w := newWorld(t)
	items := w.place(30)
	first := w.make("k1", bulk.Plan{Verb: domain.VerbAccept, Items: items[:20]})
	w.run(bulk.Config{})
	if j := w.until(first.ID, over); j.State() != bulk.Finished || j.Counts()[eventstore.JobDone] != 20 || len(j.Undone()) != 0 {
		t.Errorf("%s, %v", j.State(), j.Counts())
	}
	// Of all, those that were not accepted can't be shipped; and those that are accepted twice were so already.
	ship := slices.Clone(items)
	for i := range ship[:20] {
		ship[i].Version = 2
		ship[i].Tracking = []domain.Tracking{{Carrier: "ups", Number: fmt.Sprintf("1Z%d", i)}}
	}
	second := w.make("k2", bulk.Plan{Verb: domain.VerbShip, Items: ship})
	j := w.until(second.ID, over)
	if c := j.Counts(); c[eventstore.JobDone] != 20 || c[eventstore.JobRefused] != 10 || j.Results[25].Code != string(domain.NotAccepted) {
		t.Errorf("%v, %+v", c, j.Results[25])
	}
	if n := w.events(items, "Shipped"); n != 20 {
		t.Errorf("%d shipped", n)
	}
	again := w.make("k3", bulk.Plan{Verb: domain.VerbAccept, Items: items, RetryOf: first.ID})
	if c := w.until(again.ID, over).Counts(); c[eventstore.JobAlready] != 20 || c[eventstore.JobDone] != 10 {
		t.Errorf("%v", c)
	}
	if got := j.Undone(); len(got) != 10 || got[0].Number != "B-20" {
		t.Errorf("to be tried again: %v", got)
	}
	retry := w.make("k4", bulk.Plan{Verb: domain.VerbShip, Items: j.Undone(), RetryOf: j.ID})
	if c := w.until(retry.ID, over).Counts(); c[eventstore.JobRefused] != 10 || w.events(items, "Shipped") != 20 {
		t.Errorf("what changed since was shipped all the same: %v", c) // the versions are those from before
	}
}

// The program dies again and again while acts are under way, and nobody hears what it did: each life does a little more than the one
// before, all of which was done once.
func TestAJobGoesOnAfterACrash(t *testing.T) {
	w := newWorld(t)
	items := w.place(40)
	j := w.make("k", bulk.Plan{Verb: domain.VerbAccept, Items: items})
	for life := range 6 {
		w.die(j, 5+6*life)
	}
	if is, err := w.jobs.Read(t.Context(), j.ID); err != nil || is.Done != 0 || w.events(items, "Accepted") < 31 { // four are under way when it dies
		t.Fatalf("%d are recorded, %d accepted, %v", is.Done, w.events(items, "Accepted"), err)
	}
	w.run(bulk.Config{})
	is := w.until(j.ID, over)
	if n := w.events(items, "Accepted"); n != 40 || is.Counts()[eventstore.JobDone] != 40 {
		t.Errorf("%d accepted, %v", n, is.Counts())
	}
}

// die runs a process that dies at an act: from then on it writes nothing, and what it did was never recorded.
func (w *world) die(j bulk.Job, at int) {
	w.t.Helper()
	log := &mortal{Store: w.log}
	handler := commands.NewHandler(log, eventstore.Codec{}, w.clock)
	died := make(chan struct{})
	acts := 0
	var mu sync.Mutex
	r, err := bulk.NewRunner(bulk.Config{
		Jobs: bulk.NewJobs(log, eventstore.Codec{}, w.clock, w.open), Standing: w.standing, Asked: w.open, Flush: time.Hour, Rate: 1e6,
		Handler: handle(func(ctx context.Context, r commands.Request) (commands.Result, error) {
			mu.Lock()
			if acts++; acts == at {
				log.die()
				close(died)
			}
			mu.Unlock()
			return handler.Handle(ctx, r)
		}),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	<-died
	cancel()
	if err := <-done; err != nil {
		w.t.Error(err)
	}
}

type handle func(context.Context, commands.Request) (commands.Result, error)

func (h handle) Handle(ctx context.Context, r commands.Request) (commands.Result, error) {
	return h(ctx, r)
}

var errDead = errors.New("the process is dead")

// mortal is the log as a process has it, until it dies.
type mortal struct {
	eventstore.Store
	mu   sync.Mutex
	dead bool
}

func (m *mortal) die() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
}

func (m *mortal) Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return eventstore.Recorded{}, errDead
	}
	return m.Store.Append(ctx, stream, expected, e)
}

func TestTwoProcessesAtOneJob(t *testing.T) {
	w := newWorld(t)
	items := w.place(200)
	j := w.make("k", bulk.Plan{Verb: domain.VerbAccept, Items: items})
	w.run(bulk.Config{})
	w.run(bulk.Config{})
	is := w.until(j.ID, over)
	if n := w.events(items, "Accepted"); n != 200 || is.Done != 200 || is.Counts()[eventstore.JobDone] != 200 {
		t.Errorf("%d accepted; %d are recorded, %v", n, is.Done, is.Counts())
	}
}

// Another process takes a job over that it has seen stand still, whatever the clock of the machine says that worked on it before.
func TestAnotherProcessWaitsBeforeItGoesOn(t *testing.T) {
	for _, ahead := range []time.Duration{-24 * time.Hour, 0, 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.now = time.Now().Add(ahead)
			items := w.place(4)
			j := w.make("k", bulk.Plan{Verb: domain.VerbAccept, Items: items})
			w.run(bulk.Config{Patience: time.Minute})
			none := func(when string) {
				t.Helper()
				if n := w.events(items, "Accepted"); n != 0 {
					t.Fatalf("a clock %s ahead, %s: %d accepted", ahead, when, n)
				}
			}
			time.Sleep(50 * time.Second)
			none("before it was patient")
			w.progress(j.ID, 0) // by the other process, which is alive
			time.Sleep(50 * time.Second)
			none("after the other was heard of")
			time.Sleep(11 * time.Second)
			if n, is := w.events(items, "Accepted"), w.until(j.ID, over); n != 3 || is.State() != bulk.Finished {
				t.Errorf("a clock %s ahead: %d accepted, the job is %s", ahead, n, is.State())
			}
		})
	}
}

// progress records a result as the process does that is at a job.
func (w *world) progress(job string, item int) {
	w.t.Helper()
	stream := eventstore.JobStream(job)
	var last eventstore.Recorded
	for r, err := range w.log.ReadStream(w.t.Context(), stream, eventstore.NoStream) {
		if err != nil {
			w.t.Fatal(err)
		}
		last = r
	}
	_, was, err := eventstore.Codec{}.Decode(last)
	if err != nil {
		w.t.Fatal(err)
	}
	e := eventstore.JobProgressed{Results: []eventstore.JobResult{{Item: item, Outcome: eventstore.JobDone}}}
	sealed, err := eventstore.Codec{}.Encode(stream, e)
	if err != nil {
		w.t.Fatal(err)
	}
	env := eventstore.Envelope{
		Schema: eventstore.Codec{}.Schema(e), OccurredAt: w.clock(), Actor: ada, CommandID: commands.CommandID("other", job), CorrelationID: stream,
		Prev: was.Hash,
	}
	sealed.ID = commands.EventID(env.CommandID, stream)
	if sealed, _, err = eventstore.Seal(stream, last.Revision+1, sealed, env); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.log.Append(w.t.Context(), stream, last.Revision, sealed); err != nil {
		w.t.Fatal(err)
	}
}

func TestARoleThatIsRevokedStopsTheJob(t *testing.T) {
	for _, role := range []domain.Role{"", domain.Viewer} {
		w := newWorld(t)
		items := w.place(60)
		w.after = func(n int) {
			if n == 10 {
				w.mu.Lock()
				w.role = role
				w.mu.Unlock()
			}
		}
		j := w.make("k", bulk.Plan{Verb: domain.VerbAccept, Items: items})
		w.run(bulk.Config{Workers: 1})
		is := w.until(j.ID, func(j bulk.Job) bool { return over(j) && j.Done == 10 })
		if is.State() != bulk.Stopped || len(is.Undone()) != 50 || w.events(items, "Accepted") != 10 {
			t.Errorf("%s, %d done, %d accepted", is.State(), is.Done, w.events(items, "Accepted"))
		}
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	items := w.place(60)
	j := w.make("k", bulk.Plan{Verb: domain.VerbAccept, Items: items})
	begun := make(chan *bulk.Runner, 1)
	w.after = func(n int) {
		if n == 10 {
			r := <-begun
			if _, err := w.jobs.Cancel(context.Background(), ada, "cancel", j.ID); err != nil {
				t.Error(err)
			}
			r.Ended(j.ID)
		}
	}
	r, _ := w.runner(bulk.Config{Workers: 1})
	begun <- r
	is := w.until(j.ID, func(j bulk.Job) bool { return over(j) && j.Done >= 10 })
	if is.State() != bulk.Cancelled || is.Done == 60 {
		t.Errorf("%s, %d done", is.State(), is.Done)
	}
	if again, err := w.jobs.Cancel(t.Context(), ada, "cancel", j.ID); err != nil || again.State() != bulk.Cancelled {
		t.Errorf("%v, %v", again.State(), err)
	}
	// What was done is recorded, even what was under way when it was cancelled.
	w.until(j.ID, func(j bulk.Job) bool { return j.Done == w.events(items, "Accepted") })
}

func TestWhatNoJobIs(t *testing.T) {
	w := newWorld(t)
	items := w.place(2)
	many := make([]eventstore.JobItem, bulk.MaxOrders+1)
	for i := range many {
		many[i].OrderID = uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i))
	}
	for _, p := range []bulk.Plan{
		{},
		{Verb: domain.VerbAccept},
		{Verb: domain.VerbRefund, Items: items},
		{Verb: domain.VerbCancel, Items: items},
		{Verb: domain.VerbAccept, Items: []eventstore.JobItem{items[0], items[0]}},
		{Verb: domain.VerbAccept, Items: many},
		{Verb: domain.VerbAccept, Items: []eventstore.JobItem{{OrderID: items[0].OrderID, Tracking: []domain.Tracking{{Number: "1"}}}}},
	} {
		rejected := (*domain.Rejection)(nil)
		if _, err := w.jobs.Make(t.Context(), ada, "k", p); !errors.As(err, &rejected) {
			t.Errorf("%+v: %v", p.Verb, err)
		}
	}
	j := w.make("k", bulk.Plan{Verb: domain.VerbAccept, Items: items})
	if again := w.make("k", bulk.Plan{Verb: domain.VerbAccept, Items: items}); again.ID != j.ID {
		t.Error("the same request made two jobs")
	}
	if _, err := w.jobs.Make(t.Context(), ada, "k", bulk.Plan{Verb: domain.VerbAccept, Items: items[:1]}); !errors.Is(err, commands.ErrKeyReused) {
		t.Error(err)
	}
	for _, id := range []string{"", "x", "0123456789abcdef", "../../etc/passwd"} {
		rejected := (*domain.Rejection)(nil)
		if _, err := w.jobs.Read(t.Context(), id); !errors.As(err, &rejected) || rejected.Code != bulk.JobNotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
	for len(w.made) < bulk.MaxOpen {
		w.made = append(w.made, "")
	}
	rejected := (*domain.Rejection)(nil)
	if _, err := w.jobs.Make(t.Context(), ada, "one more", bulk.Plan{Verb: domain.VerbAccept, Items: items}); !errors.As(err, &rejected) || rejected.Code != bulk.TooManyJobs {
		t.Error(err)
	}
}

// A large job is said in several events, and one that broke off while it was said goes on with the same request.
func TestALargeJob(t *testing.T) {
	w := newWorld(t)
	items := w.place(1200)
	p := bulk.Plan{Verb: domain.VerbAccept, Items: items}
	broken := &mortal{Store: w.log}
	n := 0
	breaking := bulk.NewJobs(appends{broken, func() {
		if n++; n == 3 {
			broken.die()
		}
	}}, eventstore.Codec{}, w.clock, w.open)
	if _, err := breaking.Make(t.Context(), ada, "k", p); !errors.Is(err, errDead) {
		t.Fatal(err)
	}
	j := w.make("k", p)
	if j.State() != bulk.Open || !slices.EqualFunc(j.Items, items, func(a, b eventstore.JobItem) bool { return a.OrderID == b.OrderID }) {
		t.Fatalf("%s with %d items", j.State(), len(j.Items))
	}
	w.run(bulk.Config{})
	if is := w.until(j.ID, over); is.Counts()[eventstore.JobDone] != 1200 {
		t.Errorf("%v", is.Counts())
	}
}

type appends struct {
	*mortal
	before func()
}

func (a appends) Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	a.before()
	return a.mortal.Append(ctx, stream, expected, e)
}
