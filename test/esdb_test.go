package test

import (
	"context"
	"encoding/json"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/test/esdbserver"
	"github.com/orderledger/orderledger/test/testenv"
)

// esdbURL is where an EventStoreDB answers: a real one where ORDERLEDGER_TEST_ESDB names it, else the one for tests.
func esdbURL(t *testing.T) string {
	t.Helper()
	if url := os.Getenv("ORDERLEDGER_TEST_ESDB"); url != "" {
		return url
	}
	return esdbserver.Start(t, esdbserver.Options{}).URL()
}

// trouble is a cluster that fails as acts are acknowledged: it changes its leader, loses it, is not ready, restarts as a whole.
type trouble struct {
	cluster *esdbserver.Cluster
	mu      sync.Mutex
	acts    int
	killed  *esdbserver.Node
}

// acted counts an act, and at each sixth something happens.
func (x *trouble) acted() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.acts++
	if x.acts%6 != 0 {
		return
	}
	if x.killed != nil {
		x.cluster.Revive(x.killed)
		x.killed = nil
	}
	nodes := x.cluster.Nodes
	switch n := x.acts / 6; n % 4 {
	case 0:
		x.cluster.Lead(nodes[n/4%len(nodes)])
	case 1:
		x.killed = x.cluster.Kill()
	case 2: // for 15 calls
		var calls atomic.Int64
		for _, node := range nodes {
			node.Faults.Before(func(string) {
				if calls.Add(1) == 15 {
					for _, node := range nodes {
						node.Faults.Down(false)
					}
				}
			})
			node.Faults.Down(true)
		}
	case 3:
		for _, node := range nodes {
			node.Stop()
		}
		for _, node := range nodes {
			node.Restart()
		}
	}
}

// The clerks ship and refund while the log's servers fail in every way, and ask again whatever got no answer. Then nothing is lost
// and nothing doubled, in the log, the tabs and Stripe's own journal; the ledger itself was never restarted.
func TestEventStoreFailsUnderTheLedger(t *testing.T) {
	const orders, clerks = 24, 6
	cluster := esdbserver.StartCluster(t, 3, esdbserver.Options{User: "admin", Password: "changeit", TLS: esdbserver.NewCert(t)})
	sim := simtest.Start(t, stripesim.WithoutEvents())
	config := testenv.Config(t, cluster.URL())
	config.SandboxURL, config.LogLevel = sim.URL, "error"
	ledger := testenv.Start(t, config, app.Hooks{})
	c := testenv.Client{URL: ledger.URL}
	var lines [][]byte
	for i := range orders {
		line, err := json.Marshal(cardOrder(i))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if placed, _, _ := importOrders(t, c, lines, "all"); placed != orders {
		t.Fatalf("%d placed", placed)
	}
	x := &trouble{cluster: cluster}
	work := make(chan int, orders)
	for i := range orders {
		work <- i
	}
	close(work)
	shipped := make([]domain.View, orders)
	var wg sync.WaitGroup
	for range clerks {
		wg.Go(func() {
			for i := range work {
				version := 1
				for _, s := range []step{accept, ship, refund} {
					if s.verb == "refund" && i%2 == 1 {
						continue
					}
					a, err := insist(t.Context(), func(ctx context.Context) (testenv.Answer, error) {
						return do(ctx, c, cardOrder(i), s, s.verb, version)
					})
					if err != nil {
						t.Errorf("order %d: %s: %v", i, s.verb, err)
						return
					}
					version, shipped[i] = a.Order.Version, a.Order
					x.acted()
				}
			}
		})
	}
	wg.Wait()
	if x.acts < 60 && !t.Failed() {
		t.Errorf("%d acts", x.acts)
	}
	for i, o := range shipped {
		want, tab, version := stripesim.Totals{Authorized: 1, Captured: 1}, domain.TabShipped, 5
		if i%2 == 0 {
			want.Refunded, tab, version = 1, domain.TabRefunded, 7
		}
		if o.Tab != tab || o.Version != version {
			t.Errorf("order %d: %s at version %d, want %s at %d", i, o.Tab, o.Version, tab, version)
			continue
		}
		checkTotals(t, sim.Sim, o, want)
	}
	if counts := c.Tabs(t, c.Head(t)); counts["shipped"] != orders/2 || counts["refunded"] != orders/2 {
		t.Errorf("the tabs hold %v", counts)
	}
	ledger.Stop()
	report := verify(t, config)
	t.Logf("%d events, in %d acts", report.Events, x.acts)
}
