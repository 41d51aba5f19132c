package test

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/test/testenv"
)

// BenchmarkOrderPage asks for pages of orders at random, each with ten events: what the server takes, and what the slowest hundredth
// takes.
func BenchmarkOrderPage(b *testing.B) {
	c := testenv.Config(b, "nats")
	c.Durability = "group"
	ledger := testenv.Start(b, c, app.Hooks{})
	client := testenv.Client{URL: ledger.URL}
	benchClient(b, 1)
	ids := placeMany(b, client, "page", *orders)
	seen := map[string]bool{}
	for range 200 {
		id := ids[rand.IntN(len(ids))]
		if seen[id] {
			continue
		}
		seen[id] = true
		for i, verb := range []string{"accept", "notes", "notes", "notes", "ship", "notes", "notes", "notes", "notes"} {
			body := map[string]string{"notes": `{"text":"the customer called again"}`}[verb]
			if body == "" {
				body = "{}"
			}
			version := 0
			if verb == "ship" {
				version = 5
			}
			if a, err := client.Act(b.Context(), id, verb, string(rune('a'+i)), version, body); err != nil || a.Status != http.StatusOK {
				b.Fatalf("%s: %v %s", verb, err, a.Body)
			}
		}
	}
	client.Tabs(b, client.Head(b))
	var worked []string
	for id := range seen {
		worked = append(worked, id)
	}
	var times []time.Duration
	for b.Loop() {
		id := worked[rand.IntN(len(worked))]
		begin := time.Now()
		a, err := client.Call(b.Context(), http.MethodGet, "/orders/"+id, "", nil)
		if err != nil || a.Status != http.StatusOK {
			b.Fatalf("%v %d", err, a.Status)
		}
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
}
