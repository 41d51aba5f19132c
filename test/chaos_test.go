package test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
	"github.com/orderledger/orderledger/test/loopback"
	"github.com/orderledger/orderledger/test/testenv"
)

var chaos = flag.Duration("chaos", 8*time.Second, "how long TestThreeProcesses kills, pauses and restarts processes")

const (
	chaosProcesses = 3
	chaosClients   = 32
	// maxTakeover is within what another process acts when the one that did is gone.
	maxTakeover = 15 * time.Second

	chaosAnswer = 4 * time.Second // within what a process answers that is not paused
	settling    = 5 * time.Minute // for all to be done and quiet
)

// Three processes serve one log in an external NATS, and one Stripe, which tells any of them what happens. Thirty-two clients take
// orders along every path, each request to any process, sent again until it is answered, while processes are killed, paused for so
// long that another takes over, and restarted. At the end each acknowledged command is in the log once, Stripe's journal and the
// ledger agree, every process's tabs are those that the log says, and other people's systems were told of everything in order.
func TestThreeProcesses(t *testing.T) {
	seed := newSeed(t)
	f := startFleet(t, seed)
	f.addEndpoint(t)

	ctx, over := context.WithTimeout(t.Context(), *chaos)
	defer over()
	var clients sync.WaitGroup
	var orders atomic.Int64
	for i := range chaosClients {
		clients.Go(func() {
			c := &chaosClient{fleet: f, random: rand.New(rand.NewPCG(seed, uint64(i)+100))}
			for ctx.Err() == nil && !t.Failed() {
				n := int(orders.Add(1))
				if err := c.take(t.Context(), n); err != nil {
					t.Errorf("order %d: %v", n, err)
				}
			}
		})
	}
	f.torment(ctx, t)
	f.recover(t)
	clients.Wait()
	if t.Failed() {
		return
	}
	f.settle(t, int(orders.Load()))
	all := f.live(t, int(orders.Load()))
	f.quiet()
	f.settle(t, all)
	f.check(t, all)
	for _, p := range f.processes {
		p.child.stop()
	}
	f.checkPeace(t)
	f.checkStopped(t, all)
}

// fleet is the processes on one log.
type fleet struct {
	seed      uint64
	sim       *simtest.Running
	processes []*fleetProcess
	fronts    []*front // of the processes, in their order
	hook      *recorder
	quiet     func() // Stripe tells nothing any more: what it would tell yet is known

	mu    sync.Mutex
	acked []chaosAck

	settled   uint64 // where the log ended when nothing was open any more
	takeovers []time.Duration
	deeds     map[string]int
	peace     peace
}

type fleetProcess struct {
	config app.Config
	child  *child
}

func (p *fleetProcess) client() testenv.Client {
	return testenv.Client{URL: "http://" + p.config.Listen}
}

func startFleet(t *testing.T, seed uint64) *fleet {
	t.Helper()
	server := natstest.Start(t)
	f := &fleet{seed: seed, sim: simtest.Open(t, filepath.Join(t.TempDir(), "stripe.db")), hook: newRecorder(t), deeds: map[string]int{}}
	shared := t.TempDir()
	secret, key := filepath.Join(shared, "stripe-webhook-secret"), filepath.Join(shared, "webhook-key")
	const whsec = "whsec_of_the_fleet"
	if err := os.WriteFile(secret, []byte(whsec+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range chaosProcesses {
		front := startFront(t, f.sim.URL)
		f.fronts = append(f.fronts, front)
		c := testenv.Config(t, server.URL)
		c.Ledger, c.Listen, c.LogLevel = "chaos", loopback.Free(t), "error"
		c.SandboxURL, c.StripeWebhookSecret, c.WebhookKey, c.WebhookAllowPrivate = front.url, secret, key, true
		c.Mail.Notify = app.NotifyOn
		f.processes = append(f.processes, &fleetProcess{config: c})
	}
	for _, p := range f.processes { // the first makes the log and the key
		p.child = startChild(t, childConfig{App: p.config}).ready()
	}
	deliverer, err := f.sim.Sim.Deliver(stripesim.DelivererConfig{
		URL: "http://any" + stripepay.WebhookPath, Secret: whsec, Transport: &anyProcess{fleet: f, random: rand.New(rand.NewPCG(seed, 2))},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.quiet = sync.OnceFunc(deliverer.Stop)
	t.Cleanup(f.quiet)
	return f
}

// anyProcess carries each request to some process, as a load balancer that does not look at health.
type anyProcess struct {
	fleet  *fleet
	mu     sync.Mutex
	random *rand.Rand
}

func (a *anyProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	i := a.random.IntN(len(a.fleet.processes))
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	r = r.Clone(ctx)
	r.URL.Host = a.fleet.processes[i].config.Listen
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		cancel()
		return nil, err
	}
	context.AfterFunc(r.Context(), cancel)
	return res, nil
}

// chaosClient takes orders along their paths.
type chaosClient struct {
	fleet  *fleet
	random *rand.Rand
}

type chaosAck struct{ order, step, version int }

func chaosOrder(n int) domain.Intake {
	in := cardOrder(n)
	in.OrderNumber = fmt.Sprint("CH-", n)
	if n%3 == 0 {
		in.Payment, in.Customer.AccountNumber = domain.Terms{Method: domain.Account}, "A-1"
	}
	return in
}

func (c *chaosClient) take(ctx context.Context, n int) error {
	in := chaosOrder(n)
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if err := c.place(ctx, in, body); err != nil {
		return fmt.Errorf("place: %w", err)
	}
	version, at := 1, uint64(0)
	steps, tab := path(n, in)
	for i, s := range steps {
		headers := []string{"Idempotency-Key", fmt.Sprintf("chaos-%s-%d", in.OrderNumber, i), "Prefer", "wait=3"}
		if s.versioned {
			headers = append(headers, "If-Match", fmt.Sprintf(`"%d"`, version))
		}
		a, err := c.persist(ctx, "/v1/orders/"+in.ID().String()+"/"+s.verb, "application/json", []byte(s.body), headers...)
		if err != nil {
			return fmt.Errorf("%s: %w", s.verb, err)
		}
		version = a.Order.Version
		at = a.Position
		c.fleet.ack(chaosAck{n, i, version})
	}
	return c.reads(ctx, in, tab, at)
}

// place imports one order, as often as it takes.
func (c *chaosClient) place(ctx context.Context, in domain.Intake, body []byte) error {
	for began := time.Now(); ; wait(ctx, 20*time.Millisecond) {
		a, err := c.persist(ctx, "/v1/imports", "application/x-ndjson", body, "Idempotency-Key", "place-"+in.OrderNumber)
		if err != nil {
			return err
		}
		var r struct {
			Results []struct{ Status, Message string }
		}
		if err := json.Unmarshal(a.Body, &r); err != nil || len(r.Results) != 1 {
			return fmt.Errorf("%v: %s", err, a.Body)
		}
		if s := r.Results[0].Status; s == "placed" || s == "exists" {
			return nil
		}
		if time.Since(began) > testenv.Patience {
			return fmt.Errorf("not in time: %s", a.Body)
		}
	}
}

// persist sends a request to one process after the other, until one says that it is done.
func (c *chaosClient) persist(ctx context.Context, path, contentType string, body []byte, headers ...string) (testenv.Answer, error) {
	return insist(ctx, func(ctx context.Context) (testenv.Answer, error) {
		return c.call(ctx, http.MethodPost, path, contentType, body, headers...)
	})
}

func (c *chaosClient) call(ctx context.Context, method, path, contentType string, body []byte, headers ...string) (testenv.Answer, error) {
	limited, cancel := context.WithTimeout(ctx, chaosAnswer)
	defer cancel()
	p := c.fleet.processes[c.random.IntN(len(c.fleet.processes))]
	return p.client().Call(limited, method, path, contentType, body, headers...)
}

// reads shows that another process shows what one has acknowledged.
func (c *chaosClient) reads(ctx context.Context, in domain.Intake, tab string, at uint64) error {
	a, err := c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/orders/%s?wait_for=%d", in.ID(), at), "", nil)
	if err == nil && a.Status == http.StatusOK && string(a.Order.Tab) != tab {
		return fmt.Errorf("another process shows it in %s at %d, not in %s", a.Order.Tab, at, tab)
	}
	return nil // a process that is gone says nothing
}

func (f *fleet) ack(a chaosAck) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acked = append(f.acked, a)
}

// torment does something to one process after the other until the context ends.
func (f *fleet) torment(ctx context.Context, t *testing.T) {
	random := rand.New(rand.NewPCG(f.seed, 1))
	for n := 0; ctx.Err() == nil; n++ {
		wait(ctx, time.Duration(random.Int64N(int64(2*time.Second))))
		holder, _ := f.holder(ctx)
		i := random.IntN(chaosProcesses)
		if holder >= 0 && (n == 0 || random.IntN(3) > 0) {
			i = holder
		}
		p := f.processes[i]
		if ctx.Err() != nil {
			return
		}
		deed := []string{"killed", "paused", "restarted"}[(n+int(f.seed%3))%3]
		t.Logf("%s: process %d, which acts: %v", deed, i, i == holder)
		f.deeds[deed]++
		switch deed {
		case "killed":
			p.child.kill()
		case "paused":
			p.signal(t, syscall.SIGSTOP)
		case "restarted":
			p.child.stop()
		}
		var watch sync.WaitGroup
		if i == holder {
			watch.Go(func() { f.takenOver(t, deed, time.Now()) })
		}
		switch deed {
		case "killed": // at times another takes over meanwhile, at times itself
			wait(ctx, time.Duration(random.Int64N(int64(13*time.Second))))
			p.child = startChild(t, childConfig{App: p.config}).ready()
		case "paused":
			wait(t.Context(), 5*time.Second+time.Duration(random.Int64N(int64(15*time.Second)))) // at times it keeps the lease
			p.signal(t, syscall.SIGCONT)
		case "restarted":
			p.child = startChild(t, childConfig{App: p.config}).ready()
		}
		watch.Wait()
	}
}

// takenOver waits until a process acts, and notes how long that took by its own word, since it may be slow to answer.
func (f *fleet) takenOver(t *testing.T, deed string, began time.Time) {
	for time.Since(began) < 2*maxTakeover {
		if i, since := f.holder(t.Context()); i >= 0 {
			took := min(time.Since(began), max(0, since.Add(time.Second).Sub(began))) // it leaves the second's parts out
			f.takeovers = append(f.takeovers, took)
			t.Logf("process %d acts after %s", i, took.Round(time.Millisecond))
			return
		}
		wait(t.Context(), 50*time.Millisecond)
	}
	t.Errorf("nobody acts %s after the one that did was %s", time.Since(began), deed)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// holder is the process that says that it acts, and since when; -1 for none. A process that is paused says nothing.
func (f *fleet) holder(ctx context.Context) (process int, since time.Time) {
	ctx, cancel := context.WithTimeout(ctx, chaosAnswer)
	defer cancel()
	type acting struct {
		Since time.Time
		This  bool
	}
	says := make([]acting, len(f.processes))
	answers := make(chan int, len(f.processes))
	for i, p := range f.processes {
		go func() {
			var s struct{ Acting *acting }
			a, err := p.client().Call(ctx, http.MethodGet, "/v1/store", "", nil)
			if err == nil && a.Status == http.StatusOK && json.Unmarshal(a.Body, &s) == nil && s.Acting != nil {
				says[i] = *s.Acting
			}
			answers <- i
		}()
	}
	for range f.processes {
		if i := <-answers; says[i].This {
			return i, says[i].Since
		}
	}
	return -1, time.Time{}
}

func (p *fleetProcess) signal(t *testing.T, s syscall.Signal) {
	if err := p.child.cmd.Process.Signal(s); err != nil {
		t.Errorf("%s: %v", s, err)
	}
}

// recover sees to it that all processes run and are well.
func (f *fleet) recover(t *testing.T) {
	t.Helper()
	for _, p := range f.processes {
		p.child.ready()
	}
}

// metrics are some of a process's figures.
func (p *fleetProcess) metrics(t *testing.T) map[string]string {
	t.Helper()
	a, err := p.client().Call(t.Context(), http.MethodGet, "/metrics", "", nil)
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("metrics: %v %d", err, a.Status)
	}
	figures := map[string]string{}
	for line := range strings.SplitSeq(string(a.Body), "\n") {
		if name, value, ok := strings.Cut(line, " "); ok {
			figures[strings.TrimPrefix(name, "orderledger_")] = value
		}
	}
	return figures
}

// settle waits until nothing is open any more and every process knows all of the log; exactly one of them acts then.
func (f *fleet) settle(t *testing.T, orders int) {
	t.Helper()
	public := 0
	for n := 1; n <= orders; n++ {
		for _, fact := range facts(n, chaosOrder(n)) {
			if slices.Contains(publicTypes, fact) {
				public++
			}
		}
	}
	var why string
	for start := time.Now(); time.Since(start) < settling; wait(t.Context(), 100*time.Millisecond) {
		why = ""
		acts := 0
		heads := map[string]bool{}
		for i, p := range f.processes {
			m := p.metrics(t)
			heads[m["log_head"]] = true
			if m["lease_held"] == "1" {
				acts++
			}
			for _, name := range []string{"saga_open", "saga_hints", "notices_open", "projection_lag_events"} {
				if m[name] != "0" {
					why += fmt.Sprintf("process %d: %s %s. ", i, name, m[name])
				}
			}
		}
		told, _ := f.hook.told()
		switch {
		case len(told) < public:
			why += fmt.Sprintf("another system was told of %d events of %d", len(told), public)
		case acts != 1:
			why += fmt.Sprintf("%d processes act", acts)
		case len(heads) != 1:
			why += fmt.Sprintf("the log ends at %v", slices.Sorted(maps.Keys(heads)))
		case why == "":
			f.settled = f.processes[0].client().Head(t)
			return
		}
	}
	t.Fatal("the ledger does not settle: " + why)
}
