package test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/test/testenv"
)

// BenchmarkOrderPage asks a ledger of -orders orders for the pages of any of them: what one takes, what the slowest hundredth takes, and how
// much of a processor the ledger needs for one, which other work on the machine does not blur.
func BenchmarkOrderPage(b *testing.B) {
	config := testenv.Config(b, "nats")
	fill(b, config, *orders)
	p, _ := started(b, childConfig{App: config})
	defer p.stop()
	client := testenv.Client{URL: p.url}
	var times []time.Duration
	worked := processorTime(b, p)
	for b.Loop() {
		path := "/orders/" + cardOrder(rand.IntN(*orders)).ID().String()
		begin := time.Now()
		a, err := client.Call(b.Context(), http.MethodGet, path, "", nil)
		if err != nil || a.Status != http.StatusOK {
			b.Fatalf("%v %d", err, a.Status)
		}
		times = append(times, time.Since(begin))
	}
	worked = processorTime(b, p) - worked
	slices.Sort(times)
	b.ReportMetric(float64(worked.Microseconds())/1000/float64(len(times)), "processor-ms")
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
}

// processorTime is how long a process has worked.
func processorTime(b *testing.B, p *child) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		b.Skipf("how long a process has worked is read from /proc: %v", err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from the third on; the fourteenth and fifteenth are meant
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}
