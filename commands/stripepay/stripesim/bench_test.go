package stripesim_test

import (
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

// BenchmarkLife takes payments through authorize, read, capture and refund over HTTP, on a file, by 16 clients: four requests
// and three movements of money each.
func BenchmarkLife(b *testing.B) {
	sim := simtest.Open(b, filepath.Join(b.TempDir(), "stripe.db"))
	var n atomic.Int64
	b.SetParallelism(16 / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			life(b, sim, strconv.FormatInt(n.Add(1), 10))
		}
	})
	b.ReportMetric(float64(4*b.N)/b.Elapsed().Seconds(), "requests/s")
}

func life(b *testing.B, sim *simtest.Running, n string) {
	ctx := b.Context()
	r := commands.PaymentRequest{Key: "a" + n, OrderID: n, Request: n, Amount: 47238, Currency: "USD"}
	pi, err := sim.Payments.Authorize(ctx, r, "pm_card_visa")
	if err != nil {
		b.Error(err)
		return
	}
	r.PaymentIntent = pi.ID
	_, err1 := sim.Payments.Read(ctx, pi.ID)
	r.Key = "c" + n
	_, err2 := sim.Payments.Capture(ctx, r)
	r.Key = "r" + n
	_, err3 := sim.Payments.Refund(ctx, r)
	if err1 != nil || err2 != nil || err3 != nil {
		b.Error(err1, err2, err3)
	}
}

// BenchmarkImport authorizes 447 orders, as many as the sample data has cards, by 8 clients.
func BenchmarkImport(b *testing.B) {
	for b.Loop() {
		sim := simtest.Open(b, filepath.Join(b.TempDir(), "stripe.db"))
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for n := worker; n < 447; n += 8 {
					key := strconv.Itoa(n)
					if _, err := sim.Payments.Authorize(b.Context(), commands.PaymentRequest{Key: key, OrderID: key, Amount: 47238, Currency: "USD"}, "pm_card_visa"); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
}

// BenchmarkTake authorizes and captures, one after the other, in memory and without a network: what a seeded simulation costs.
func BenchmarkTake(b *testing.B) {
	for name, options := range map[string][]stripesim.Option{"events": nil, "silent": {stripesim.WithoutEvents()}} {
		b.Run(name, func(b *testing.B) {
			sim, err := stripesim.New(options...)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = sim.Close() }()
			payments, err := stripepay.New(stripepay.Config{
				Mode: stripepay.Sandbox, Key: simtest.Key, URL: "http://stripe.invalid", Transport: sim.Transport(),
			})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				n++
				key := strconv.Itoa(n)
				r := commands.PaymentRequest{Key: "a" + key, OrderID: key, Request: key, Amount: 47238, Currency: "USD"}
				pi, err := payments.Authorize(b.Context(), r, "pm_card_visa")
				if err != nil {
					b.Fatal(err)
				}
				r.Key, r.PaymentIntent = "c"+key, pi.ID
				if _, err := payments.Capture(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
