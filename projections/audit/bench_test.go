package audit_test

import (
	"fmt"
	"testing"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections/audit"
)

// BenchmarkVerify reads a log of 2,000 orders on account, each taken to its archive.
func BenchmarkVerify(b *testing.B) {
	k := newBook()
	for i := range 2000 {
		id := k.place(b, fmt.Sprint(i), domain.Account)
		k.must(b, id, domain.Accept{}, domain.Capture{ExternalReference: "INV"}, domain.Ship{}, domain.Archive{})
	}
	events := 0
	b.ReportAllocs()
	for b.Loop() {
		r, err := audit.Verify(b.Context(), k.store, audit.Options{})
		if err != nil {
			b.Fatal(err)
		}
		events += int(r.Events)
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
