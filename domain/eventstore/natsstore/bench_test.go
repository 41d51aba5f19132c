package natsstore

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// BenchmarkAppend appends events of an order's usual size, each writer to streams of its own, on the disk of the temporary
// folder. Compare group with strict in the same run: both depend on the disk.
func BenchmarkAppend(b *testing.B) {
	for _, durability := range []eventstore.Durability{eventstore.Group, eventstore.Strict} {
		for _, writers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("%s/%d", durability, writers), func(b *testing.B) {
				s := openBench(b, b.TempDir(), durability)
				defer closeBench(b, s)
				b.ResetTimer()
				appendConcurrently(b, s, writers, b.N)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
			})
		}
	}
}

// BenchmarkAppendMany imports: one batch of new streams after the other.
func BenchmarkAppendMany(b *testing.B) {
	s := openBench(b, b.TempDir(), eventstore.Group)
	defer closeBench(b, s)
	b.ResetTimer()
	appendBatches(b, s, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkSubscribe reads a log of b.N events from its beginning.
func BenchmarkSubscribe(b *testing.B) {
	s := openBench(b, b.TempDir(), eventstore.Group)
	defer closeBench(b, s)
	appendBatches(b, s, b.N)
	b.ResetTimer()
	readLog(b, s, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkReadStream reads streams of five events, as a command does that finds its order in no cache.
func BenchmarkReadStream(b *testing.B) {
	s := openBench(b, b.TempDir(), eventstore.Group)
	defer closeBench(b, s)
	const streams, events = 1000, 5
	for i := range streams {
		fillStream(b, s, fmt.Sprintf("order-%d", i), events)
	}
	var next atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			stream := fmt.Sprintf("order-%d", next.Add(1)%streams)
			n := 0
			for _, err := range s.ReadStream(b.Context(), stream, eventstore.NoStream) {
				if err != nil {
					b.Error(err)
					return
				}
				n++
			}
			if n != events {
				b.Errorf("%s has %d events", stream, n)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "streams/s")
}

func openBench(b testing.TB, dir string, d eventstore.Durability) *Store {
	b.Helper()
	s, err := OpenEmbedded(b.Context(), EmbeddedConfig{
		Dir: dir, Ledger: "bench", Durability: d, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func closeBench(b testing.TB, s *Store) {
	b.Helper()
	if err := s.Close(); err != nil {
		b.Error(err)
	}
}

var (
	benchData = []byte(`{"data":"` + strings.Repeat("d", 690) + `"}`)
	benchMeta = []byte(`{"meta":"` + strings.Repeat("m", 290) + `"}`)
)

func benchEvent() eventstore.Event {
	return eventstore.Event{ID: uuid.New(), Type: "PaymentCaptured", Data: benchData, Meta: benchMeta}
}

// appendConcurrently appends n events, five to a stream.
func appendConcurrently(b testing.TB, s *Store, writers, n int) {
	b.Helper()
	g, ctx := errgroup.WithContext(context.Background())
	var taken atomic.Int64
	for w := range writers {
		g.Go(func() error {
			for i := 0; taken.Add(1) <= int64(n); i++ {
				stream, expected := fmt.Sprintf("order-%d-%d", w, i/5), eventstore.Revision(i%5-1)
				if _, err := s.Append(ctx, stream, expected, benchEvent()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

func fillStream(b testing.TB, s *Store, stream string, n int) {
	b.Helper()
	for i := range n {
		if _, err := s.Append(context.Background(), stream, eventstore.Revision(i-1), benchEvent()); err != nil {
			b.Fatal(err)
		}
	}
}

// appendBatches appends n events in batches, to streams that get an event from every batch until they have four.
func appendBatches(b testing.TB, s *Store, n int) {
	b.Helper()
	for done := 0; done < n; {
		batch := make([]eventstore.Proposed, min(n-done, eventstore.MaxBatch))
		group, rev := done/(4*eventstore.MaxBatch), done/eventstore.MaxBatch%4
		for i := range batch {
			batch[i] = eventstore.Proposed{
				Stream: fmt.Sprintf("order-00000000-0000-0000-%06d-%012d", group, i), Expected: eventstore.Revision(rev - 1), Event: benchEvent(),
			}
		}
		if _, err := s.AppendMany(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		done += len(batch)
	}
}

func readLog(b testing.TB, s *Store, n int) {
	b.Helper()
	sub, err := s.Subscribe(context.Background(), 0)
	if err != nil {
		b.Fatal(err)
	}
	defer sub.Close()
	for read := 0; read < n; {
		recs, err := sub.Next(context.Background(), 1000)
		if err != nil {
			b.Fatal(err)
		}
		read += len(recs)
	}
}
