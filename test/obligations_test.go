package test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
	"github.com/orderledger/orderledger/test/testenv"
)

// What the 383 orders on account of the sample come to.
const (
	accountOrders = 383
	accountTotal  = 67465548
)

// owed is one line of GET /v1/obligations or /v1/obligations/recorded, as far as these tests look at it.
type owed struct {
	OrderID     string `json:"order_id"`
	OrderNumber string `json:"order_number"`
	Version     int
	Kind        string
	Amount      int64
	Reference   string
	Customer    struct {
		AccountNumber string `json:"account_number"`
	}
}

// obligations reads a list through all its pages: what stands there, its sum, and the count that it gives.
func obligations(t *testing.T, c testenv.Client, path string, position uint64) (all []owed, sum, count int64) {
	t.Helper()
	for cursor := ""; ; {
		a, err := c.Call(t.Context(), http.MethodGet, fmt.Sprintf("%s&limit=100&wait_for=%d&cursor=%s", path, position, cursor), "", nil)
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("%s: %v %d %s", path, err, a.Status, a.Body)
		}
		var page struct {
			Data       []owed
			Count      int64
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal(a.Body, &page); err != nil {
			t.Fatal(err)
		}
		all, count = append(all, page.Data...), page.Count
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	for _, o := range all {
		sum += o.Amount
	}
	return all, sum, count
}

// table reads a list as CSV, with its header: how many rows, and the sum of the amounts in minor units of a dollar.
func table(t *testing.T, c testenv.Client, path string) (rows int, sum int64) {
	t.Helper()
	a, err := c.Call(t.Context(), http.MethodGet, path, "", nil, "Accept", "text/csv")
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("%s: %v %d %s", path, err, a.Status, a.Body)
	}
	lines, err := csv.NewReader(strings.NewReader(string(a.Body))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range lines[0] {
		column[name] = i
	}
	for _, line := range lines[1:] {
		minor, err := strconv.ParseInt(strings.Replace(line[column["amount"]], ".", "", 1), 10, 64)
		if err != nil || line[column["currency"]] != "USD" {
			t.Fatalf("%v: %v", line, err)
		}
		sum += minor
	}
	return len(lines) - 1, sum
}

// give sends an act about an order, which must be taken.
func give(ctx context.Context, c testenv.Client, id, verb, key string, version int, body string) error {
	a, err := c.Act(ctx, id, verb, key, version, body)
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("%s %s: %d %s", verb, id, a.Status, a.Body)
	}
	return err
}

func reference(kind, number string) string {
	return fmt.Sprintf(`{"external_reference":"%s-%s"}`, kind, number)
}

// Every order on account is shipped, entered and, every second one, refunded and reversed. At each step the queue, its count,
// the table and the sums are exactly what they must be.
func TestBookkeepersQueue(t *testing.T) {
	for _, store := range []string{"memory", "nats"} {
		t.Run(store, func(t *testing.T) {
			config := testenv.Config(t, store)
			l := testenv.Start(t, config, app.Hooks{})
			c := testenv.Client{URL: l.URL}
			lines, orders := testenv.Orders(t, "testdata/northwind-orders.jsonl")
			importOrders(t, c, lines, "all")
			var accounts []domain.Intake
			for _, in := range orders {
				if in.Payment.Method == domain.Account {
					accounts = append(accounts, in)
				}
			}
			each := func(act func(ctx context.Context, i int, in domain.Intake) error) {
				t.Helper()
				g, ctx := errgroup.WithContext(t.Context())
				g.SetLimit(16)
				for i, in := range accounts {
					g.Go(func() error { return act(ctx, i, in) })
				}
				if err := g.Wait(); err != nil {
					t.Fatal(err)
				}
			}
			holds := func(path string, number int, total int64) []owed {
				t.Helper()
				all, sum, count := obligations(t, c, path, c.Head(t))
				if len(all) != number || sum != total || (count != int64(number) && !strings.Contains(path, "recorded")) {
					t.Fatalf("%s: %d, counted %d, sum %d; want %d, %d", path, len(all), count, sum, number, total)
				}
				if rows, sum := table(t, c, path); rows != number || sum != total {
					t.Fatalf("%s: a table of %d rows, sum %d; want %d, %d", path, rows, sum, number, total)
				}
				return all
			}
			const queue, recorded = "/v1/obligations?", "/v1/obligations/recorded?"
			holds(queue, 0, 0)

			each(func(ctx context.Context, _ int, in domain.Intake) error {
				if err := give(ctx, c, in.ID().String(), "accept", "accept", 0, "{}"); err != nil {
					return err
				}
				return give(ctx, c, in.ID().String(), "ship", "ship", 2, "{}")
			})
			for _, ob := range holds(queue+"kind=entry", accountOrders, accountTotal) {
				if ob.Version != 3 || ob.Customer.AccountNumber == "" {
					t.Errorf("%+v", ob)
				}
			}
			holds(queue+"kind=reversal", 0, 0)
			holds(queue+"manufacturer=northwind", accountOrders, accountTotal)

			each(func(ctx context.Context, _ int, in domain.Intake) error {
				return give(ctx, c, in.ID().String(), "capture", "entry", 3, reference("INV", in.OrderNumber))
			})
			holds(queue, 0, 0)
			holds(recorded, accountOrders, accountTotal)

			reversals, reversed := 0, int64(0)
			for i, in := range accounts {
				if i%2 == 0 {
					reversals, reversed = reversals+1, reversed+in.Total
				}
			}
			each(func(ctx context.Context, i int, in domain.Intake) error {
				if i%2 == 1 {
					return nil
				}
				return give(ctx, c, in.ID().String(), "refund", "refund", 4, "{}")
			})
			for _, ob := range holds(queue, reversals, reversed) {
				if ob.Kind != "reversal" {
					t.Errorf("%+v", ob)
				}
			}
			// A reversal may have its entry's number: each kind is numbered by itself.
			each(func(ctx context.Context, i int, in domain.Intake) error {
				if i%2 == 1 {
					return nil
				}
				return give(ctx, c, in.ID().String(), "reversal", "reversal", 5, reference("INV", in.OrderNumber))
			})
			holds(queue, 0, 0)
			holds(recorded+"kind=reversal", reversals, reversed)
			holds(recorded, accountOrders+reversals, accountTotal+reversed)
			holds(recorded+"to=2000-01-01", 0, 0)
			l.Stop()
			if store == "nats" {
				verify(t, config)
			}
		})
	}
}

// Two ledgers work on one log. Each order is given the same reference by the other one at the same moment: one of them has it.
func TestOneReferenceFromTwoProcesses(t *testing.T) {
	for store, start := range map[string]func(*testing.T) string{
		"nats-server": func(t *testing.T) string { return natstest.Start(t).URL }, "esdb": esdbURL,
	} {
		t.Run(store, func(t *testing.T) { oneReference(t, start(t)) })
	}
}

func oneReference(t *testing.T, address string) {
	ledger := "references-" + uuid.NewString()[:8] // the server may have been used before
	var clients [2]testenv.Client
	for i := range clients {
		config := testenv.Config(t, address)
		config.Ledger = ledger
		clients[i] = testenv.Client{URL: testenv.Start(t, config, app.Hooks{}).URL}
	}
	lines, orders := testenv.Orders(t, "testdata/northwind-orders.jsonl")
	importOrders(t, clients[0], lines, "all")
	var ids []string
	for _, in := range orders {
		if in.Payment.Method == domain.Account && len(ids) < 20 {
			ids = append(ids, in.ID().String())
			if err := give(t.Context(), clients[len(ids)%2], in.ID().String(), "accept", "accept", 0, "{}"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := 0; i < len(ids); i += 2 {
		var answers [2]testenv.Answer
		var wg sync.WaitGroup
		for n := range answers {
			wg.Go(func() {
				var err error
				if answers[n], err = clients[n].Act(context.Background(), ids[i+n], "capture", "entry", 2, reference("INV", strconv.Itoa(i))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		won := 0
		if answers[1].Status == http.StatusOK {
			won = 1
		}
		lost := answers[1-won]
		if answers[won].Status != http.StatusOK || lost.Code != "reference_used" || !strings.Contains(string(lost.Body), ids[i+won]) {
			t.Errorf("%d %s and %d %s", answers[0].Status, answers[0].Body, answers[1].Status, answers[1].Body)
		}
	}
	for _, c := range clients {
		if recorded, _, _ := obligations(t, c, "/v1/obligations/recorded?", clients[0].Head(t)); len(recorded) != len(ids)/2 {
			t.Errorf("%d are recorded, want %d", len(recorded), len(ids)/2)
		}
	}
}
