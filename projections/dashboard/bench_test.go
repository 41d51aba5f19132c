package dashboard_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
	"github.com/orderledger/orderledger/projections/tabs"
)

// BenchmarkListPage makes whole pages of the read model in ORDERLEDGER_BENCH_DIR, which BenchmarkList of projections/tabs leaves there.
func BenchmarkListPage(b *testing.B) {
	dir := os.Getenv("ORDERLEDGER_BENCH_DIR")
	if dir == "" {
		b.Skip("needs the folder of a read model in ORDERLEDGER_BENCH_DIR")
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	db, err := tabs.Open(dir, tabs.Options{Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if at, err := db.Checkpoint(b.Context()); err != nil || at == 0 {
		b.Fatalf("an empty read model: %v", err)
	}
	h := dashboard.Handler(dashboard.Deps{
		Reader: db, Waiter: querytest.New(), Log: querytest.New(), Acts: &acts{}, Now: func() time.Time { return now },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	for _, path := range []string{
		"/orders?tab=new", "/orders?tab=new&status=placed", "/orders?tab=shipped&sort=-total", "/orders?tab=archived",
		"/orders?tab=all&q=buyer77%40example.com", "/orders?tab=all&q=muller+4711", "/orders?tab=shipped&manufacturer=acme&status=shipped&total_from=100&total_to=200",
		"/orders?tab=new&badge=confirmation_due&badge=parked", "/search?q=pi_00012345",
	} {
		b.Run(path, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r = r.WithContext(domain.WithActor(r.Context(), domain.Actor{ID: "ada", Role: domain.Clerk, Via: domain.ViaUI}))
				w := httptest.NewRecorder()
				began := time.Now()
				h.ServeHTTP(w, r)
				took = append(took, time.Since(began))
				if w.Code >= http.StatusBadRequest {
					b.Fatalf("%d: %.300s", w.Code, w.Body)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
