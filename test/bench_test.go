package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/test/testenv"
)

// The whole-system figures: go test ./test -run '^$' -bench 'HTTP|Visible' -benchtime 5s; see scale_test.go for many orders.

func benchClient(b *testing.B, clients int) {
	b.Helper()
	transport := http.DefaultTransport.(*http.Transport)
	transport.MaxIdleConnsPerHost = clients
	b.Cleanup(transport.CloseIdleConnections)
}

// placeMany places n account orders and returns their ids.
func placeMany(b *testing.B, c testenv.Client, prefix string, n int) []string {
	b.Helper()
	var ids []string
	for at := 0; at < n; at += 500 {
		var body strings.Builder
		for i := at; i < min(n, at+500); i++ {
			in := cardOrder(i)
			in.OrderNumber = fmt.Sprintf("%s-%d", prefix, i)
			in.Payment.Method, in.Customer.AccountNumber = domain.Account, "A-1"
			line, err := json.Marshal(in)
			if err != nil {
				b.Fatal(err)
			}
			body.Write(append(line, '\n'))
			ids = append(ids, in.ID().String())
		}
		a, err := c.Call(b.Context(), http.MethodPost, "/v1/imports", "application/x-ndjson", []byte(body.String()),
			"Idempotency-Key", prefix+strconv.Itoa(at))
		if err != nil || a.Status != http.StatusOK {
			b.Fatalf("import: %v %d %.200s", err, a.Status, a.Body)
		}
	}
	return ids
}

func percentile(all []time.Duration, p float64) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, int(p*float64(len(all))))]
}

// BenchmarkCommandsOverHTTP sends notes and accepts from 64 clients to a ledger with an embedded, durable log.
func BenchmarkCommandsOverHTTP(b *testing.B) {
	const clients = 64
	benchClient(b, clients)
	l := testenv.Start(b, testenv.Config(b, "nats"), app.Hooks{})
	c := testenv.Client{URL: l.URL}
	ids := placeMany(b, c, "H", 2000)
	var next atomic.Int64
	taken := make([]time.Duration, b.N)
	b.ResetTimer()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				began := time.Now()
				a, err := c.Act(b.Context(), ids[i%len(ids)], "notes", fmt.Sprintf("bench-%d", i), 0, `{"text":"called the customer"}`)
				if err != nil || a.Status != http.StatusOK {
					b.Errorf("%v %d %s", err, a.Status, a.Body)
					return
				}
				taken[i] = time.Since(began)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
	b.ReportMetric(float64(percentile(taken, 0.99).Microseconds())/1000, "p99-ms")
}

// BenchmarkVisible sends 1,000 commands a second and measures from the command's answer until its tab shows it.
func BenchmarkVisible(b *testing.B) {
	const perSecond = 1000
	benchClient(b, 128)
	var a *app.App
	l := testenv.StartWith(b, testenv.Config(b, "nats"), app.Hooks{}, func(started *app.App) { a = started })
	c := testenv.Client{URL: l.URL}
	ids := placeMany(b, c, "V", max(1000, min(b.N, 20_000)))
	taken := make([]time.Duration, b.N)
	var all sync.WaitGroup
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	b.ResetTimer()
	for i := range b.N {
		<-tick.C
		all.Go(func() {
			r, err := c.Act(b.Context(), ids[i%len(ids)], "notes", fmt.Sprintf("visible-%d", i), 0, `{"text":"called"}`)
			if err != nil || r.Status != http.StatusOK {
				b.Errorf("%v %d %s", err, r.Status, r.Body)
				return
			}
			answered := time.Now()
			if err := a.WaitFor(b.Context(), eventstore.Position(r.Position)); err != nil {
				b.Error(err)
			}
			taken[i] = time.Since(answered)
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
	b.ReportMetric(float64(percentile(taken, 0.99).Microseconds())/1000, "p99-ms")
}
