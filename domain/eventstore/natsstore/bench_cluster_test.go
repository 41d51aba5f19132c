package natsstore

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
)

// BenchmarkCluster appends as BenchmarkAppend does, to three nats-server processes on this machine with three replicas of the
// log: with the servers' default sync_interval, and with the one that loses nothing with the power.
func BenchmarkCluster(b *testing.B) {
	for _, sync := range []string{"2m", "always"} {
		b.Run("sync="+sync, func(b *testing.B) {
			cl := natstest.NewCluster(b, natstest.ClusterConfig{Servers: 3, SyncInterval: sync})
			for _, writers := range []int{1, 64, 256} {
				b.Run(fmt.Sprint(writers), func(b *testing.B) {
					s, err := Connect(b.Context(), ExternalConfig{
						URL: cl.URL, Ledger: fmt.Sprint("bench-", ledgers.Add(1)), Replicas: 3, Logger: slog.New(slog.DiscardHandler),
					})
					if err != nil {
						b.Fatal(err)
					}
					defer closeBench(b, s)
					if _, err := s.Append(b.Context(), "order-first", eventstore.NoStream, benchEvent()); err != nil {
						b.Fatal(err)
					}
					b.ResetTimer()
					appendConcurrently(b, s, writers, b.N)
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
				})
			}
		})
	}
}
