package tabs_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/tabs"
)

// BenchmarkVisible appends 1,000 events a second and reports how long each takes from there to the read model.
func BenchmarkVisible(b *testing.B) {
	store := memstore.New()
	fill(b, store, 20_000)
	db, err := tabs.Open(b.TempDir(), tabs.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(b.Context())
	p := projections.NewProjector("tabs", store, db)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	if err := p.WaitReady(ctx); err != nil {
		b.Fatal(err)
	}
	type step struct {
		at       eventstore.Position
		appended time.Time
	}
	steps, waited := make(chan step, 4096), make(chan []time.Duration)
	go func() {
		var took []time.Duration
		for s := range steps {
			if err := p.WaitFor(ctx, s.at); err != nil {
				b.Error(err)
			}
			took = append(took, time.Since(s.appended))
		}
		waited <- took
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 20_000; b.Loop(); i++ {
		<-tick.C
		stream, events := sample(i)
		r, err := store.Append(ctx, stream, eventstore.NoStream, record(b, stream, 0, events[0]))
		if err != nil {
			b.Fatal(err)
		}
		steps <- step{r.Position, time.Now()}
	}
	close(steps)
	took := <-waited
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}
