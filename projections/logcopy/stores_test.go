package logcopy_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
	"github.com/orderledger/orderledger/projections/logcopy"
)

// kinds are the stores that logs are copied between: each makes an empty one that is gone with the test. A new kind of store is
// one more line.
var kinds = map[string]func(testing.TB) eventstore.Store{
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
			if _, err := s.AppendMany(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b = nil
		}
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

// BenchmarkCopy copies logs between embedded stores: of orders that are worked on a thousand beside each other, and one after the
// other.
func BenchmarkCopy(b *testing.B) {
	for _, beside := range []int{1000, 1} {
		b.Run(fmt.Sprintf("beside=%d", beside), func(b *testing.B) {
			const events = 20_000
			source := embedded(b)
			ledgerLike(b, source, events, beside)
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				target := embedded(b)
				b.StartTimer()
				if _, err := logcopy.Copy(b.Context(), source, target, logcopy.Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
