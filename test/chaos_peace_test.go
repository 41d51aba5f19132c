package test

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// peacefulOrders are taken after the chaos, along every path.
const peacefulOrders = 12

// front is one process's own way to Stripe: what it asks Stripe to do is known to be its.
type front struct {
	url string
	mu  sync.Mutex
	did []string
}

func startFront(t *testing.T, stripe string) *front {
	t.Helper()
	to, err := url.Parse(stripe)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) } // of a process that was killed
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if acts := []string{"/capture", "/cancel", "/refunds"}; r.Method == http.MethodPost &&
			slices.ContainsFunc(acts, func(act string) bool { return strings.HasSuffix(r.URL.Path, act) }) {
			f.mu.Lock()
			f.did = append(f.did, r.URL.Path)
			f.mu.Unlock()
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// acts are what the process has asked Stripe to do.
func (f *front) acts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.did)
}

// peace is a time in which nothing is killed or paused, and one process holds the lease from its beginning to its end.
type peace struct {
	holder int // -1: there was none
	before []outside
	after  []outside
	told   int // messages to the other system before
}

// outside is what one process has done on the outside.
type outside struct {
	stripe []string
	mails  map[string]string
	public string // how many events it has published
}

func (f *fleet) outside(t *testing.T) (all []outside) {
	t.Helper()
	for i, p := range f.processes {
		all = append(all, outside{f.fronts[i].acts(), outbox(t, p.config.Data), p.metrics(t)["public_events_total"]})
	}
	return all
}

// turns is how often any process took the lease.
func (f *fleet) turns(t *testing.T) (turns string) {
	t.Helper()
	for _, p := range f.processes {
		turns += p.metrics(t)["lease_taken_total"] + " "
	}
	return turns
}

// live takes orders in peace, from so many on, and returns how many there are then.
func (f *fleet) live(t *testing.T, orders int) int {
	t.Helper()
	for began := time.Now(); time.Since(began) < settling; { // a machine that is busy may make even a process that is well lose its turn
		holder, _ := f.holder(t.Context())
		f.peace = peace{holder: holder, before: f.outside(t), told: f.hook.count()}
		turns := f.turns(t)
		var clients sync.WaitGroup
		for i := range peacefulOrders {
			clients.Go(func() {
				c := &chaosClient{fleet: f, random: rand.New(rand.NewPCG(f.seed, uint64(i)+1000))}
				if err := c.take(t.Context(), orders+i+1); err != nil {
					t.Errorf("in peace, order %d: %v", orders+i+1, err)
				}
			})
		}
		clients.Wait()
		orders += peacefulOrders
		f.settle(t, orders)
		f.peace.after = f.outside(t)
		if f.peace.holder >= 0 && f.turns(t) == turns {
			return orders
		}
		f.peace.holder = -1
	}
	return orders
}

// checkPeace sees to it that in peace all that was done on the outside was done by the one process that held the lease, once.
func (f *fleet) checkPeace(t *testing.T) {
	t.Helper()
	if f.peace.holder < 0 {
		t.Error("no process kept the lease for a dozen orders")
		return
	}
	for i, p := range f.processes {
		before, after := f.peace.before[i], f.peace.after[i]
		acts, mails := f.fronts[i].acts(), outbox(t, p.config.Data)
		asked, wrote := len(acts)-len(before.stripe), len(mails)-len(before.mails)
		switch {
		case i != f.peace.holder && (asked != 0 || wrote != 0):
			t.Errorf("process %d, which did not hold the lease, asked Stripe for %v and wrote %d e-mails", i, acts[len(before.stripe):], wrote)
		case i != f.peace.holder && before.public != after.public:
			t.Errorf("process %d, which did not hold the lease, published events: %s, then %s", i, before.public, after.public)
		case i == f.peace.holder && (asked == 0 || wrote == 0):
			t.Errorf("process %d, which held the lease, asked Stripe for %d acts and wrote %d e-mails: nothing was tried", i, asked, wrote)
		}
		once := map[string]bool{}
		for _, act := range acts[len(before.stripe):] {
			if once[act] && !strings.HasSuffix(act, "/refunds") {
				t.Errorf("process %d asked Stripe twice for %s", i, act)
			}
			once[act] = true
		}
	}
	ids := f.hook.messages()
	known, told := map[string]bool{}, map[string]int{}
	for _, id := range ids[:f.peace.told] {
		known[id] = true
	}
	for _, id := range ids[f.peace.told:] {
		if told[id]++; !known[id] && told[id] > 1 {
			t.Errorf("another system was told of %s %d times", id, told[id])
		}
	}
	if len(told) == 0 {
		t.Error("another system was told of nothing: nothing was tried")
	}
}
