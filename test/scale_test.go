package test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/test/testenv"
)

// What orders cost: go test ./test -run '^$' -bench Scale -benchtime 1x -orders 2000000 -timeout 3h

var orders = flag.Int("orders", 20_000, "orders of BenchmarkScale (with four events each; it measures at half as many, too) and of BenchmarkOrderPage")

// BenchmarkScale fills a log with -orders orders, and one with half as many, and reports for each what the log alone and a whole
// ledger take: on disk, in memory, and in time to start again, after a clean stop and after kill -9. Then it reports the line
// through the two: what each million orders take, and what is taken without any.
func BenchmarkScale(b *testing.B) {
	var half, all costs
	for _, n := range []int{*orders / 2, *orders} {
		b.Run(fmt.Sprintf("orders=%d", n), func(b *testing.B) {
			for range b.N {
				half, all = all, costOf(b, n)
			}
			for i, unit := range units {
				b.ReportMetric(all[i], unit)
			}
		})
	}
	million := func(i int) float64 { return (all[i] - half[i]) / float64(*orders-*orders/2) * 1e6 }
	b.Run("each-million", func(b *testing.B) {
		for i, unit := range units {
			b.ReportMetric(million(i), unit)
		}
	})
	b.Run("without-any", func(b *testing.B) {
		for i, unit := range units {
			b.ReportMetric(all[i]-million(i)*float64(*orders)/1e6, unit)
		}
	})
}

// costs are figures in these units.
type costs [len(units)]float64

var units = [...]string{
	"log-MiB", "log-RSS-MiB", "log-open-s", "log-open-after-kill-s", "tabs-MiB", "tabs-build-s", "ledger-RSS-MiB", "ledger-start-s",
}

func costOf(b *testing.B, n int) (c costs) {
	b.Helper()
	config := testenv.Config(b, "nats")
	fill(b, config, n)
	c[0] = diskMiB(b, filepath.Join(config.Data, "log"))

	alone := childConfig{App: config, LogAlone: true}
	p, _ := started(b, alone) // waits until all that was filled in is on disk
	p.stop()
	p, c[2] = started(b, alone)
	c[1] = rssMiB(b, p)
	p.kill()
	p, c[3] = started(b, alone)
	p.stop()

	p, c[5] = started(b, childConfig{App: config}) // makes the read models
	p.stop()
	c[4] = diskMiB(b, filepath.Join(config.Data, "projections"))
	p, c[7] = started(b, childConfig{App: config})
	c[6] = rssMiB(b, p)
	p.stop()
	return c
}

// started starts a process, and says after how many seconds it was ready.
func started(b *testing.B, c childConfig) (*child, float64) {
	b.Helper()
	began := time.Now()
	p := startChild(b, c)
	if !c.LogAlone {
		testenv.AwaitReadyWithin(b, p.url, time.Hour)
	}
	return p, time.Since(began).Seconds()
}

// rssMiB is the memory that a process has.
func rssMiB(b *testing.B, p *child) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Skipf("what memory a process has is read from /proc: %v", err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	kb, err := strconv.ParseFloat(string(bytes.Fields(rest)[0]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}

func diskMiB(b *testing.B, dir string) float64 {
	b.Helper()
	var size int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return float64(size) / (1 << 20)
}

// fill writes the history of n orders, which are placed, accepted, entered and shipped.
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
		orders := min(eventstore.MaxBatch, n-done)
		prev := make([]string, orders)
		for step := range 4 {
			batch := make([]eventstore.Proposed, orders)
			for i := range orders {
				in := cardOrder(done + i)
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
		done += orders
	}
}
