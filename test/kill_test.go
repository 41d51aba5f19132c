package test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/test/loopback"
	"github.com/orderledger/orderledger/test/testenv"
)

var (
	kills    = flag.Int("kills", 10, "how often TestKilledAtRandomMoments kills the ledger")
	seedFlag = flag.Uint64("seed", 0, "of the choices of TestKilledAtRandomMoments and TestThreeProcesses, as they log it; 0: a new one")
)

// newSeed is what a test makes its choices by.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := cmp.Or(*seedFlag, rand.Uint64())
	t.Logf("again: -seed %d", seed)
	return seed
}

// ledgerOfManyLives is where the ledger answers, whichever process it is; and what it acknowledged.
type ledgerOfManyLives struct {
	mu    sync.Mutex
	alive chan struct{} // closed while a process is ready
	acked []acknowledged
	count chan int // gets the number of acknowledgements
}

type acknowledged struct {
	order    domain.Intake
	step     int
	position uint64
	version  int
}

func (l *ledgerOfManyLives) lives(yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if yes {
		close(l.alive)
	} else {
		l.alive = make(chan struct{})
	}
}

func (l *ledgerOfManyLives) wait(ctx context.Context) error {
	l.mu.Lock()
	alive := l.alive
	l.mu.Unlock()
	select {
	case <-alive:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *ledgerOfManyLives) ack(a acknowledged) {
	l.mu.Lock()
	l.acked = append(l.acked, a)
	n := len(l.acked)
	l.mu.Unlock()
	select {
	case l.count <- n:
	default: // nobody counts just now
	}
}

// The scripted clerk takes the 830 orders through every path while the process is killed at random moments and started again.
// After each death the log passes its audit and holds all that was acknowledged; at the end every order is where it should be,
// with as many events as its path has, and Stripe's own journal has each charge and each refund once.
func TestKilledAtRandomMoments(t *testing.T) {
	lines, orders := testenv.Orders(t, "testdata/northwind-orders.jsonl")
	sim := simtest.Start(t, stripesim.WithoutEvents()) // what Stripe tells is kept in the log, too, whoever asks
	config := testenv.Config(t, "nats")
	config.SandboxURL, config.Listen, config.LogLevel = sim.URL, loopback.Free(t), "error"
	c := testenv.Client{URL: "http://" + config.Listen}

	p := startChild(t, childConfig{App: config}).ready()
	importOrders(t, c, lines, "import")
	ledger := &ledgerOfManyLives{alive: make(chan struct{}), count: make(chan int, 1)}
	ledger.lives(true)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	work := make(chan int)
	clerks := sync.WaitGroup{}
	for range 12 {
		clerks.Go(func() {
			for i := range work {
				if err := persist(ctx, c, ledger, i, orders[i]); err != nil {
					t.Errorf("order %s: %v", orders[i].OrderNumber, err)
				}
			}
		})
	}
	go func() {
		defer close(work)
		for i := range orders {
			select {
			case work <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	done := make(chan struct{})
	go func() { clerks.Wait(); close(done) }()

	seed := newSeed(t)
	random := rand.New(rand.NewPCG(seed, 1))
	const acks = 2000 // about as many as the paths have steps; the kills are spread over them
	deaths := 0
	for next := 1 + random.IntN(max(1, acks / *kills)); deaths < *kills; {
		finished := false
		select {
		case n := <-ledger.count:
			if n < next {
				continue
			}
			next = n + 1 + random.IntN(max(1, 2*acks/(*kills)*7/10))
		case <-done:
			finished = true
		}
		if finished {
			break
		}
		ledger.lives(false)
		p.kill()
		deaths++
		ledger.mu.Lock()
		last := uint64(0)
		for _, a := range ledger.acked {
			last = max(last, a.position)
		}
		ledger.mu.Unlock()
		if report := verify(t, config); uint64(report.Position) < last {
			t.Fatalf("death %d: the log ends at %d, and %d was acknowledged", deaths, report.Position, last)
		}
		p = startChild(t, childConfig{App: config}).ready()
		ledger.lives(true)
	}
	<-done
	if deaths < *kills/2 {
		t.Errorf("only %d deaths of %d", deaths, *kills)
	}
	checkAcknowledged(t, c, ledger, orders)
	checkTabs(t, c, orders)
	p.stop()
	report := verify(t, config)
	t.Logf("%d deaths, %d commands acknowledged, %d events", deaths, len(ledger.acked), report.Events)
	checkJournal(t, sim, orders)
}

// persist takes an order along its path; an act whose answer is lost is sent again, the same, until it is answered.
func persist(ctx context.Context, c testenv.Client, l *ledgerOfManyLives, i int, in domain.Intake) error {
	steps, _ := path(i, in)
	version := 1
	for n, s := range steps {
		a, err := insist(ctx, func(ctx context.Context) (testenv.Answer, error) {
			if err := l.wait(ctx); err != nil {
				return testenv.Answer{}, err
			}
			return do(ctx, c, in, s, fmt.Sprintf("step-%d", n), version)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.verb, err)
		}
		version = a.Order.Version
		l.ack(acknowledged{order: in, step: n, position: a.Position, version: version})
	}
	return nil
}

// insist asks until it is done, and Stripe has answered, whatever is lost on the way.
func insist(ctx context.Context, ask func(context.Context) (testenv.Answer, error)) (testenv.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, testenv.Patience)
	defer cancel()
	for {
		a, err := ask(ctx)
		switch {
		case err == nil && a.Status == http.StatusOK && a.Order.Pending == nil:
			return a, nil
		case err == nil && a.Status >= 400 && a.Status != http.StatusServiceUnavailable:
			return a, fmt.Errorf("%d %.200s", a.Status, a.Body)
		case ctx.Err() != nil:
			return a, fmt.Errorf("not done in time: %d %.200s, %w", a.Status, a.Body, cmp.Or(err, ctx.Err()))
		}
		wait(ctx, rand.N(50*time.Millisecond))
	}
}

// checkAcknowledged sends every acknowledged command again: each is known, and answered as the first time.
func checkAcknowledged(t *testing.T, c testenv.Client, l *ledgerOfManyLives, orders []domain.Intake) {
	t.Helper()
	index := map[string]int{}
	for i, in := range orders {
		index[in.OrderNumber] = i
	}
	before := c.Head(t)
	versions := map[string]int{}
	for _, a := range l.acked {
		steps, _ := path(index[a.order.OrderNumber], a.order)
		version := max(1, versions[a.order.OrderNumber])
		got, err := do(t.Context(), c, a.order, steps[a.step], fmt.Sprintf("step-%d", a.step), version)
		if err != nil || got.Status != http.StatusOK || !got.Replayed || got.Order.Version != a.version {
			t.Fatalf("order %s, %s, acknowledged at version %d: %v %d, replayed %v, version %d",
				a.order.OrderNumber, steps[a.step].verb, a.version, err, got.Status, got.Replayed, got.Order.Version)
		}
		versions[a.order.OrderNumber] = a.version
	}
	if acts := c.OfOrders(t, before); len(acts) > 0 {
		t.Errorf("asking again appended %v", acts)
	}
}

func checkTabs(t *testing.T, c testenv.Client, orders []domain.Intake) {
	t.Helper()
	want := map[string]int64{}
	for i, in := range orders {
		_, tab := path(i, in)
		want[tab]++
	}
	got := c.Tabs(t, c.Head(t))
	for _, tab := range domain.Tabs {
		if got[string(tab)] != want[string(tab)] {
			t.Errorf("%s: %d orders, want %d", tab, got[string(tab)], want[string(tab)])
		}
	}
}

// checkJournal holds Stripe's own journal against the paths: what was to be captured, released and refunded was, once.
func checkJournal(t *testing.T, sim *simtest.Running, orders []domain.Intake) {
	t.Helper()
	totals, err := sim.Sim.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byOrder := map[string]int{}
	for i, in := range orders {
		byOrder[in.ID().String()] = i
	}
	cards := 0
	for pi, got := range totals {
		i, ok := byOrder[got.OrderID]
		if !ok {
			t.Errorf("%s belongs to no order", pi)
			continue
		}
		cards++
		in := orders[i]
		steps, _ := path(i, in)
		var captured, released, refunded int64
		for _, s := range steps {
			switch {
			case s.verb == "capture", s.verb == "ship":
				captured = in.Total
			case s.verb == "refund", s.verb == "cancel" && captured > 0:
				refunded = in.Total
			case s.verb == "cancel":
				released = in.Total
			}
		}
		if got.Authorized != in.Total || got.Captured != captured || got.Released != released || got.Refunded != refunded ||
			got.Captures > 1 || got.Refunds > 1 {
			t.Errorf("order %s: Stripe moved %+v, want captured %d, released %d, refunded %d", in.OrderNumber, got, captured, released, refunded)
		}
	}
	if cards != 447 {
		t.Errorf("%d card orders at Stripe, want 447", cards)
	}
}
