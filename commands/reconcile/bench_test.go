package reconcile_test

import (
	"flag"
	"runtime"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/reconcile"
)

var benchOrders = flag.Int("orders", 1000, "BenchmarkCompare: how many")

// BenchmarkCompare compares many orders, every third of which was refunded, without a rate limit. The memory is what a run holds at
// its most, for each order.
func BenchmarkCompare(b *testing.B) {
	w := newWorld(b)
	defer func() { _ = w.sim.Close() }()
	for n := range *benchOrders {
		id := w.place(visa)
		w.captured(id)
		if n%3 == 0 {
			w.recordRefunded(id, w.refund(id, 0))
		}
	}
	for b.Loop() {
		run, err := reconcile.New(w.config).Begin()
		if err != nil {
			b.Fatal(err)
		}
		before, most := heap(), uint64(0)
		f, err := run.Compare(w.ctx, time.Time{}, func(p reconcile.Progress) {
			if p.Phase == reconcile.ReadingPayments && p.Done >= *benchOrders-100 {
				most = max(most, heap())
			}
		}, func(d reconcile.Difference) error { b.Errorf("%+v", d); return nil })
		if err != nil || f.Orders != *benchOrders || f.Payments != *benchOrders {
			b.Fatalf("%+v, %v", f, err)
		}
		b.ReportMetric(float64(max(most, before)-before)/float64(*benchOrders), "B/order")
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
