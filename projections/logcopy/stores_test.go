package logcopy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/esdbstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
	"github.com/orderledger/orderledger/projections/logcopy"
	"github.com/orderledger/orderledger/test/esdbserver"
)

// kinds are the stores that logs are copied between: each makes an empty one that is gone with the test. A new kind of store is
// one more line.
var kinds = map[string]func(testing.TB) eventstore.Store{
	"esdb":     esdb,
	"memory":   func(testing.TB) eventstore.Store { return memstore.New() },
	"embedded": embedded,
	"nats":     external,
}

func embedded(t testing.TB) eventstore.Store {
	s, err := natsstore.OpenEmbedded(context.Background(), natsstore.EmbeddedConfig{
		Dir: filepath.Join(t.TempDir(), "log"), Ledger: "copied", Logger: slog.New(slog.DiscardHandler),
	})
	return opened(t, s, err)
}

func external(t testing.TB) eventstore.Store {
	s, err := natsstore.Connect(context.Background(), natsstore.ExternalConfig{
		URL: natstest.Start(t).URL, Ledger: "copied", Logger: slog.New(slog.DiscardHandler),
	})
	return opened(t, s, err)
}

func esdb(t testing.TB) eventstore.Store { return esdbOf(t, esdbserver.Start(t, esdbserver.Options{})) }

func esdbOf(t testing.TB, n *esdbserver.Node) eventstore.Store {
	s, err := esdbstore.Connect(context.Background(), esdbstore.Config{
		URL: n.URL(), Ledger: "copied", Logger: slog.New(slog.DiscardHandler),
	})
	return opened(t, s, err)
}

func opened(t testing.TB, s eventstore.Store, err error) eventstore.Store {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ledgerLike writes a log in which each stream gets four events, so many streams beside each other, of all categories.
func ledgerLike(t testing.TB, s eventstore.Store, events, beside int) {
	t.Helper()
	a := newAuthor(s)
	var b []eventstore.Proposed
	for i := range events {
		group, n := i/(4*beside), i%beside
		category := eventstore.Categories[n%len(eventstore.Categories)]
		b = append(b, a.propose(t, fmt.Sprintf("%s-%d-%d", category, group, n)))
		if len(b) == eventstore.MaxBatch || i == events-1 {
			appendAll(t, s, b)
			b = nil
		}
	}
}

func appendAll(t testing.TB, s eventstore.Store, b []eventstore.Proposed) {
	t.Helper()
	if o, ok := s.(eventstore.OrderedAppender); ok {
		if err := o.AppendInOrder(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	} else if _, err := s.AppendMany(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func TestFromAnyStoreToAnyStore(t *testing.T) {
	for from, source := range kinds {
		for to, target := range kinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				s, d := source(t), target(t)
				ledgerLike(t, s, 400, 25)
				res, err := logcopy.Copy(t.Context(), s, d, logcopy.Options{})
				if err != nil || res.Copied != 400 {
					t.Fatalf("%+v, %v", res, err)
				}
				newAuthor(s).write(t, "order-new")
				if res, err = logcopy.Copy(t.Context(), s, d, logcopy.Options{}); err != nil || res.Copied != 1 || res.Events != 401 {
					t.Fatalf("%+v, %v", res, err)
				}
				wantCopy(t, d, read(t, s))
			})
		}
	}
}

// Where batches are not atomic a copy takes few calls all the same.
func TestACopyIsNotOneByOne(t *testing.T) {
	source := memstore.New()
	ledgerLike(t, source, 2500, 25)
	node := esdbserver.Start(t, esdbserver.Options{})
	target := esdbOf(t, node)
	var calls atomic.Int64
	node.Faults.Before(func(string) { calls.Add(1) })
	if _, err := logcopy.Copy(t.Context(), source, target, logcopy.Options{}); err != nil {
		t.Fatal(err)
	}
	node.Faults.Before(nil)
	if n := calls.Load(); n > 100 {
		t.Errorf("%d calls for 2500 events", n)
	}
	wantCopy(t, target, read(t, source))
}

// Killed at every append that the server carries out, each life that gets one done, a copy into an EventStoreDB goes on.
func TestKilledAtEveryAppendOnItsWay(t *testing.T) {
	source := memstore.New()
	ledgerLike(t, source, 150, 7)
	want := read(t, source)
	for _, at := range []int64{1, 2, 3, 20, 21, 60, 149, 150} {
		node := esdbserver.Start(t, esdbserver.Options{})
		ctx, kill := context.WithCancel(t.Context())
		var n atomic.Int64
		node.Faults.Batch(func() esdbserver.BatchFault {
			if n.Add(1) == at {
				kill()
			}
			return esdbserver.NoFault
		})
		target := esdbOf(t, node)
		if _, err := logcopy.Copy(ctx, source, target, logcopy.Options{Batch: 40}); err == nil || ctx.Err() == nil {
			t.Fatalf("killed at %d: %v", at, err)
		}
		node.Faults.Batch(nil)
		if _, err := logcopy.Copy(t.Context(), source, target, logcopy.Options{Batch: 40}); err != nil {
			t.Fatalf("killed at %d, again: %v", at, err)
		}
		wantCopy(t, target, want)
	}
}

// The target's nodes lose the lead, die and come back while events are on their way.
func TestACopyThroughLeaderChanges(t *testing.T) {
	source := memstore.New()
	ledgerLike(t, source, 4000, 50)
	c := esdbserver.StartCluster(t, 3, esdbserver.Options{})
	target, err := esdbstore.Connect(t.Context(), esdbstore.Config{URL: c.URL(), Ledger: "copied", Logger: slog.New(slog.DiscardHandler)})
	opened(t, target, err)
	turns := make(chan int, 100)
	var n atomic.Int64
	for _, node := range c.Nodes {
		node.Faults.Batch(func() esdbserver.BatchFault {
			if i := n.Add(1); i%500 == 0 {
				turns <- int(i / 500)
			}
			return esdbserver.NoFault
		})
	}
	over := make(chan struct{})
	var trouble sync.WaitGroup
	trouble.Go(func() {
		var killed *esdbserver.Node
		for {
			select {
			case turn := <-turns:
				switch turn % 3 {
				case 0:
					c.Lead(c.Nodes[turn/3%3])
				case 1:
					killed = c.Kill()
				case 2:
					c.Revive(killed)
				}
			case <-over:
				return
			}
		}
	})
	if _, err := logcopy.Copy(t.Context(), source, target, logcopy.Options{}); err != nil {
		t.Error(err)
	}
	close(over)
	trouble.Wait()
	wantCopy(t, target, read(t, source))
}

// A server that took events out of their order holds no beginning of a copy any more, and this is said.
func TestATargetThatTakesEventsOutOfOrder(t *testing.T) {
	source := memstore.New()
	ledgerLike(t, source, 2000, 25)
	node := esdbserver.Start(t, esdbserver.Options{})
	target := esdbOf(t, node)
	var n atomic.Int64
	node.Faults.Batch(func() esdbserver.BatchFault {
		if n.Add(1) == 500 {
			return esdbserver.NotReadyLate
		}
		return esdbserver.NoFault
	})
	_, err := logcopy.Copy(t.Context(), source, target, logcopy.Options{})
	node.Faults.Batch(nil)
	for range 2 {
		if diverged := (*logcopy.DivergedError)(nil); !errors.As(err, &diverged) {
			t.Fatalf("%v, want that it diverged", err)
		}
		_, err = logcopy.Copy(t.Context(), source, target, logcopy.Options{})
	}
}

// BenchmarkCopy copies logs of orders that are worked on a thousand beside each other, and one after the other: between embedded stores,
// and from memory into EventStoreDB and back, where the server and its log in memory are in this process, too.
func BenchmarkCopy(b *testing.B) {
	memory := func(testing.TB) eventstore.Store { return memstore.New() }
	for _, c := range []struct {
		name     string
		from, to func(testing.TB) eventstore.Store
	}{{"embedded", embedded, embedded}, {"into-esdb", memory, esdb}, {"out-of-esdb", esdb, memory}} {
		for _, beside := range []int{1000, 1} {
			b.Run(fmt.Sprintf("%s/beside=%d", c.name, beside), func(b *testing.B) {
				const events = 20_000
				source := c.from(b)
				ledgerLike(b, source, events, beside)
				b.ResetTimer()
				for range b.N {
					b.StopTimer()
					target := c.to(b)
					b.StartTimer()
					if _, err := logcopy.Copy(b.Context(), source, target, logcopy.Options{}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}
