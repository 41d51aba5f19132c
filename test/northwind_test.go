package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/test/testenv"
)

// step is one act of the scripted clerk; the key makes it the same act whenever it is sent again.
type step struct {
	verb, body string
	wait       bool // for Stripe
	versioned  bool
}

var (
	accept  = step{verb: "accept"}
	ship    = step{verb: "ship", body: `{"tracking":[{"carrier":"ups","number":"1Z999AA10123456784"}]}`, wait: true, versioned: true}
	refund  = step{verb: "refund", body: `{"reason":"sent back"}`, wait: true, versioned: true}
	cancel  = step{verb: "cancel", body: `{"reason":"out of stock"}`, wait: true, versioned: true}
	archive = step{verb: "archive"}
)

func reversal(in domain.Intake) step {
	return step{verb: "reversal", body: fmt.Sprintf(`{"external_reference":"CN-%s"}`, in.OrderNumber)}
}

func capture(in domain.Intake) step {
	s := step{verb: "capture", body: "{}", wait: true, versioned: true}
	if in.Payment.Method == domain.Account {
		s.body = fmt.Sprintf(`{"external_reference":"INV-%s"}`, in.OrderNumber)
	}
	return s
}

// path is what the clerk does with the i-th order, and the tab where it ends. Ten ways, so that every tab is reached by card
// and by account orders.
func path(i int, in domain.Intake) (steps []step, tab string) {
	pay := capture(in)
	account := in.Payment.Method == domain.Account
	switch i % 10 {
	case 0:
		return nil, "new"
	case 1:
		return []step{accept}, "new"
	case 2:
		return []step{accept, pay}, "paid"
	case 3:
		return []step{accept, ship}, "shipped"
	case 4:
		return []step{accept, pay, ship}, "shipped"
	case 5:
		return []step{accept, pay, refund}, "refunded"
	case 6:
		return []step{cancel}, "cancelled"
	case 7:
		return []step{accept, pay, cancel}, "cancelled"
	case 8:
		return []step{accept, pay, ship, archive}, "archived"
	}
	if account {
		return []step{accept, pay, ship, refund, reversal(in), archive}, "archived"
	}
	return []step{accept, pay, ship, refund, archive}, "archived"
}

// work takes one order along its path. Every act has a key of its own, so a clerk who lost an answer sends the act again.
func work(ctx context.Context, c testenv.Client, i int, in domain.Intake) error {
	steps, _ := path(i, in)
	version := 1
	for n, s := range steps {
		headers := []string{"Idempotency-Key", fmt.Sprintf("clerk-%s-%d", in.OrderNumber, n)}
		if s.versioned {
			headers = append(headers, "If-Match", fmt.Sprintf(`"%d"`, version))
		}
		if s.wait {
			headers = append(headers, "Prefer", "wait=20")
		}
		a, err := c.Call(ctx, http.MethodPost, "/v1/orders/"+in.ID().String()+"/"+s.verb, "application/json", []byte(s.body), headers...)
		if err != nil {
			return err
		}
		if a.Status != http.StatusOK {
			return fmt.Errorf("order %s: %s: %d %s", in.OrderNumber, s.verb, a.Status, a.Body)
		}
		version = a.Order.Version
	}
	return nil
}

func importOrders(t *testing.T, c testenv.Client, lines [][]byte, key string) (placed, exists int, position uint64) {
	t.Helper()
	a, err := c.Call(t.Context(), http.MethodPost, "/v1/imports", "application/x-ndjson", bytes.Join(lines, []byte("\n")), "Idempotency-Key", key)
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("import: %v %d %.300s", err, a.Status, a.Body)
	}
	var r struct {
		Results  []struct{ Status, Message string }
		Position uint64
	}
	if err := json.Unmarshal(a.Body, &r); err != nil {
		t.Fatal(err)
	}
	for _, line := range r.Results {
		switch line.Status {
		case "placed":
			placed++
		case "exists":
			exists++
		default:
			t.Errorf("%s: %s", line.Status, line.Message)
		}
	}
	return placed, exists, r.Position
}

func TestEightHundredAndThirtyOrdersThroughEveryPath(t *testing.T) {
	for _, store := range []string{"memory", "nats"} {
		t.Run(store, func(t *testing.T) {
			lines, orders := testenv.Orders(t, "testdata/northwind-orders.jsonl")
			l := testenv.Start(t, testenv.Config(t, store), app.Hooks{})
			c := testenv.Client{URL: l.URL}
			if placed, exists, _ := importOrders(t, c, lines, "first"); placed != 830 || exists != 0 {
				t.Fatalf("placed %d, existed %d", placed, exists)
			}
			placed, exists, position := importOrders(t, c, lines, "second")
			if placed != 0 || exists != 830 {
				t.Fatalf("again: placed %d, existed %d", placed, exists)
			}
			if n := c.Tabs(t, position); n["new"] != 830 {
				t.Fatalf("tabs %v", n)
			}
			g, ctx := errgroup.WithContext(t.Context())
			g.SetLimit(16)
			want := map[string]int64{}
			for i, in := range orders {
				_, tab := path(i, in)
				want[tab]++
				g.Go(func() error { return work(ctx, c, i, in) })
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			head := c.Head(t)
			got := c.Tabs(t, head)
			for _, tab := range domain.Tabs {
				if got[string(tab)] != want[string(tab)] {
					t.Errorf("%s: %d orders, want %d", tab, got[string(tab)], want[string(tab)])
				}
			}
			if sum := sumOfTotals(t, c); sum != 133073598 {
				t.Errorf("the totals sum to %d", sum)
			}
		})
	}
}

func sumOfTotals(t *testing.T, c testenv.Client) int64 {
	t.Helper()
	var sum int64
	for cursor := ""; ; {
		a, err := c.Call(t.Context(), http.MethodGet, "/v1/orders?limit=200&cursor="+cursor, "", nil)
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("list: %v %s", err, a.Body)
		}
		var page struct {
			Data       []domain.View
			HasMore    bool   `json:"has_more"`
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal(a.Body, &page); err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Data {
			sum += o.Total
		}
		if !page.HasMore {
			return sum
		}
		cursor = page.NextCursor
	}
}
