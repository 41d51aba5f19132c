package test

import (
	"context"
	"flag"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
	"github.com/orderledger/orderledger/test/testenv"
)

var clusterFaults = flag.Int("faults", 1, "how many of natstest.Faults TestLedgerOnAFailingCluster makes, one after the other")

// The scripted clerks take the 830 orders through every path while the NATS cluster below the ledger breaks, in one way after the
// other. Each time an order is then accepted, paid by the saga and shown in time (see GoesOnBy), and nobody has touched the ledger.
// In the end every acknowledged command is known, the tabs and Stripe's journal are what the paths make of them, and the log
// passes its audit.
func TestLedgerOnAFailingCluster(t *testing.T) { // not in parallel: it has ten seconds, of which a choice of leaders takes nine
	lines, orders := testenv.Orders(t, "testdata/northwind-orders.jsonl")
	sim := simtest.Start(t, stripesim.WithoutEvents()) // what Stripe tells is kept in the log, too, whoever asks
	cl := natstest.NewCluster(t, natstest.ClusterConfig{Servers: 3, Divisible: true})
	config := testenv.Config(t, cl.URL)
	config.SandboxURL, config.Replicas, config.LogLevel = sim.URL, 3, "error"
	running := testenv.Start(t, config, app.Hooks{})
	c := testenv.Client{URL: running.URL}
	importOrders(t, c, lines, "import")

	ledger := &ledgerOfManyLives{alive: make(chan struct{}), count: make(chan int, 1)}
	ledger.lives(true)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	probes := probeOrders(t, orders, 2**clusterFaults)
	done := clerksAtWork(t, ctx, c, ledger, orders, probes)
	probe := func() chan error {
		i := probes[0]
		probes = probes[1:]
		answer := make(chan error, 1)
		go func() { answer <- persist(ctx, c, ledger, i, orders[i]) }()
		return answer
	}
	for i := range *clusterFaults {
		awaitWork(ledger, done, (i+1)*2000/(*clusterFaults+1)) // the work has about 2000 steps
		f := natstest.Faults[i%len(natstest.Faults)]
		began := time.Now()
		end := f.Make(cl, cl.Leader(config.Ledger))
		during := probe()
		if f.Ends {
			select { // it lasts until it would have been noticed, or the ledger goes on without an end of it
			case err := <-during:
				during <- err
			case <-time.After(10 * time.Second):
			}
			end()
			began = time.Now()
			mustGoOn(t, during, began, cl.GoesOnBy(config.Ledger, began), "the end of: "+f.Name)
		} else {
			mustGoOn(t, during, began, cl.GoesOnBy(config.Ledger, began), f.Name)
			end()
			began = time.Now()
		}
		mustGoOn(t, probe(), began, cl.GoesOnBy(config.Ledger, began), "the end of: "+f.Name)
	}
	<-done
	checkAcknowledged(t, c, ledger, orders)
	checkTabs(t, c, orders)
	running.Stop()
	report := verify(t, config)
	t.Logf("%d commands acknowledged, %d events", len(ledger.acked), report.Events)
	checkJournal(t, sim, orders)
}

// probeOrders finds card orders whose path is that they are accepted and paid: they need commands and the saga, and the tabs.
func probeOrders(t *testing.T, orders []domain.Intake, n int) []int {
	t.Helper()
	var probes []int
	for i, in := range orders {
		if _, tab := path(i, in); tab == "paid" && in.Payment.Method == domain.Card && len(probes) < n {
			probes = append(probes, i)
		}
	}
	if len(probes) < n {
		t.Fatalf("the orders are enough for %d faults", len(probes)/2)
	}
	return probes
}

// clerksAtWork takes the orders along their paths, but for some, and returns a channel that is closed when that is done.
func clerksAtWork(t *testing.T, ctx context.Context, c testenv.Client, ledger *ledgerOfManyLives, orders []domain.Intake, but []int) chan struct{} {
	t.Helper()
	work, done := make(chan int, len(orders)), make(chan struct{})
	for i := range orders {
		if !slices.Contains(but, i) {
			work <- i
		}
	}
	close(work)
	var clerks sync.WaitGroup
	for range 12 {
		clerks.Go(func() {
			for i := range work {
				if err := persist(ctx, c, ledger, i, orders[i]); err != nil && ctx.Err() == nil {
					t.Errorf("order %s: %v", orders[i].OrderNumber, err)
				}
			}
		})
	}
	go func() { clerks.Wait(); close(done) }()
	return done
}

// awaitWork waits until n commands were acknowledged, or there is nothing left to do.
func awaitWork(ledger *ledgerOfManyLives, done chan struct{}, n int) {
	for {
		select {
		case acked := <-ledger.count:
			if acked >= n {
				return
			}
		case <-done:
			return
		}
	}
}

// mustGoOn waits for a probe.
func mustGoOn(t *testing.T, probe chan error, since, until time.Time, after string) {
	t.Helper()
	limit := time.NewTimer(time.Until(until))
	defer limit.Stop()
	select {
	case err := <-probe:
		if err != nil {
			t.Errorf("after %s: %v", after, err)
		}
		t.Logf("%5d ms: an order was paid after %s", time.Since(since).Milliseconds(), after)
	case <-limit.C:
		t.Errorf("after %s: no order was paid within %v", after, until.Sub(since))
		if err := <-probe; err != nil {
			t.Errorf("after %s: %v", after, err)
		}
		t.Logf("it took %v", time.Since(since))
	}
}
