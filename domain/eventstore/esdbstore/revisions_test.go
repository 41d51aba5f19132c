package esdbstore

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
)

func TestRevisionsAreBounded(t *testing.T) {
	r := newRevisions()
	name := func(i int) string { return fmt.Sprintf("order-%036d", i) }
	const all = 3 * revisionsKept
	for i := range all {
		r.set(name(i), eventstore.Revision(i))
		r.set("order-hot", eventstore.Revision(i))
		if n := len(r.young) + len(r.old); n > revisionsKept {
			t.Fatalf("%d streams are remembered, at most %d may be", n, revisionsKept)
		}
	}
	for i := all - revisionsKept/2 + 1; i < all; i++ {
		if rev, ok := r.get(name(i)); !ok || rev != eventstore.Revision(i) {
			t.Fatalf("of stream %d: %d, %v", i, rev, ok)
		}
	}
	if rev, ok := r.get("order-hot"); !ok || rev != all-1 {
		t.Errorf("of a stream in use: %d, %v", rev, ok)
	}
	if _, ok := r.get(name(0)); ok {
		t.Error("the oldest is remembered")
	}
}

// BenchmarkRevisions says how much memory a full one takes.
func BenchmarkRevisions(b *testing.B) {
	for range b.N {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := newRevisions()
		for i := 0; len(r.young)+len(r.old) < revisionsKept-1; i++ {
			r.set(fmt.Sprintf("order-%036d", i), 3)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MB")
		runtime.KeepAlive(r)
	}
}
