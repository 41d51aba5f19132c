package test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/test/testenv"
)

// The whole-system figures: go test ./test -run '^$' -bench . -benchtime 5s [-events 1000000]

var events = flag.Int("events", 40_000, "events in the log of BenchmarkStart")

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

// BenchmarkStart opens a ledger whose log holds -events events until it is ready, and reports what memory it then has.
func BenchmarkStart(b *testing.B) {
	config := testenv.Config(b, "nats")
	fill(b, config, *events)
	first := startChildForBench(b, config) // makes the read models
	first()
	b.ResetTimer()
	for range b.N {
		stop := startChildForBench(b, config)
		b.StopTimer()
		stop()
		b.StartTimer()
	}
	b.StopTimer()
	b.ReportMetric(float64(*events), "events")
	b.ReportMetric(lastRSS, "RSS-MiB")
}

var lastRSS float64

// startChildForBench starts a ledger in a process of its own, waits until it is ready, and returns what stops it.
func startChildForBench(b *testing.B, c app.Config) func() {
	b.Helper()
	p := startChild(b, childConfig{App: c})
	testenv.AwaitReadyWithin(b, p.url, 10*time.Minute)
	return func() {
		if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)); err == nil {
			if _, rest, ok := strings.Cut(string(status), "VmRSS:"); ok {
				kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				if err == nil {
					lastRSS = kb / 1024
				}
			}
		}
		p.stop()
	}
}

// fill writes a history of n events: orders that are placed, accepted, entered and shipped.
func fill(b *testing.B, c app.Config, n int) {
	b.Helper()
	ctx := context.Background()
	log, err := app.OpenLog(ctx, c, app.NewLogger(c, os.Stderr))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := log.Close(); err != nil {
			b.Error(err)
		}
	}()
	codec := eventstore.Codec{}
	actor := domain.Actor{ID: "bench", Role: domain.Admin, Via: domain.ViaAPI}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for done := 0; done < n; {
		orders := min(eventstore.MaxBatch, (n-done+3)/4)
		prev := make([]string, orders)
		for step := range 4 {
			batch := make([]eventstore.Proposed, orders)
			for i := range orders {
				in := cardOrder(done/4 + i)
				in.Payment.Method, in.Customer.AccountNumber = domain.Account, "A-1"
				var e domain.Event
				switch step {
				case 0:
					e, err = domain.Decide(domain.Order{}, domain.Place{Intake: in, Confirm: commands.DefaultCalendar().ConfirmBy(at)})
				case 1:
					e = domain.Accepted{}
				case 2:
					e = domain.PaymentCaptured{Amount: in.Total, Currency: in.Currency, ExternalReference: "INV-1"}
				case 3:
					e = domain.Shipped{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z999AA10123456784"}}}
				}
				if err != nil {
					b.Fatal(err)
				}
				stream := eventstore.OrderStream(in.ID())
				encoded, err := codec.Encode(stream, e)
				if err != nil {
					b.Fatal(err)
				}
				id := commands.CommandID("bench", fmt.Sprintf("%s/%d", in.OrderNumber, step))
				encoded.ID = commands.EventID(id, stream)
				encoded, prev[i], err = eventstore.Seal(stream, eventstore.Revision(step), encoded, eventstore.Envelope{
					Schema: 1, OccurredAt: at, Actor: actor, CommandID: id, CorrelationID: id.String(), Prev: prev[i],
				})
				if err != nil {
					b.Fatal(err)
				}
				batch[i] = eventstore.Proposed{Stream: stream, Expected: eventstore.Revision(step - 1), Event: encoded}
			}
			if _, err := log.AppendMany(ctx, batch); err != nil {
				b.Fatal(err)
			}
		}
		done += 4 * orders
	}
}
