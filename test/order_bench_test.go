package test

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/orderledger/orderledger/test/testenv"
)

// BenchmarkOrderPage asks a ledger of -orders orders for the pages of any of them: what one takes, and what the slowest hundredth takes.
func BenchmarkOrderPage(b *testing.B) {
	config := testenv.Config(b, "nats")
	fill(b, config, *orders)
	p, _ := started(b, childConfig{App: config})
	defer p.stop()
	client := testenv.Client{URL: p.url}
	var times []time.Duration
	for b.Loop() {
		path := "/orders/" + cardOrder(rand.IntN(*orders)).ID().String()
		begin := time.Now()
		a, err := client.Call(b.Context(), http.MethodGet, path, "", nil)
		if err != nil || a.Status != http.StatusOK {
			b.Fatalf("%v %d", err, a.Status)
		}
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
}
