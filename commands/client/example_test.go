package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
)

var orderID = domain.OrderID("northwind", "10248")

// ledger stands in for a running ledger: it gives each path one answer.
func ledger(answers map[string]string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"code":"not_accepted","detail":"The order is not accepted yet. Review and accept it first."}`)
			return
		}
		w.Header().Set("Ledger-Position", "7")
		_, _ = io.WriteString(w, answer)
	}))
}

// A clerk accepts an order; the position makes the next query see it.
func Example() {
	server := ledger(map[string]string{
		"/v1/orders/" + orderID.String() + "/accept": `{"order_number":"10248","version":2,"status":"accepted"}`,
		"/v1/tabs": `{"new":1,"position":7}`,
	})
	defer server.Close()

	ctx := context.Background()
	c, err := client.New(client.Config{Server: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	done, err := c.Accept(ctx, orderID)
	if err != nil {
		fmt.Println(err)
		return
	}
	tabs, err := c.Tabs(ctx, done.Position)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(done.Order.Status, "at position", done.Position, "new orders:", tabs.New)
	// Output: accepted at position 7 new orders: 1
}

// Money acts name the version that the clerk looked at. A key that is kept makes the request safe to repeat after a crash, and
// Wait asks for Stripe's answer.
func ExampleClient_Capture() {
	server := ledger(map[string]string{
		"/v1/orders/" + orderID.String() + "/capture": `{"version":4,"tab":"paid"}`,
	})
	defer server.Close()

	c, err := client.New(client.Config{Server: server.URL, Token: "olt_…"})
	if err != nil {
		fmt.Println(err)
		return
	}
	done, err := c.Capture(context.Background(), orderID, 2, "", client.Key("capture-10248"), client.Wait(10*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(done.Order.Tab, done.Pending)
	// Output: paid false
}

// A no of the rules is a Problem with a stable code.
func ExampleIsCode() {
	server := ledger(nil)
	defer server.Close()

	c, err := client.New(client.Config{Server: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Ship(context.Background(), uuid.New(), 1, []domain.Tracking{{Carrier: "ups", Number: "1Z…"}})
	if client.IsCode(err, "not_accepted") {
		fmt.Println(err)
	}
	// Output: The order is not accepted yet. Review and accept it first. (409 not_accepted)
}

// Orders of any number are imported in requests of a bounded size.
func ExampleClient_ImportAll() {
	server := ledger(map[string]string{
		"/v1/imports": `{"results":[{"line":1,"status":"placed"},{"line":2,"status":"rejected","message":"…"}],"position":7}`,
	})
	defer server.Close()

	c, err := client.New(client.Config{Server: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	for part, err := range c.ImportAll(context.Background(), strings.NewReader("{}\n\n{}\n")) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, r := range part.Results {
			fmt.Println("line", r.Line, r.Status)
		}
	}
	// Output:
	// line 1 placed
	// line 3 rejected
}

// A manager looks at what can't go on by itself, and decides. The version makes sure that nobody else has decided meanwhile.
func ExampleClient_Parked() {
	server := ledger(map[string]string{
		"/v1/parked": `{"data":[{"order_id":"` + orderID.String() + `","order_number":"10248","version":4,"act":"capture",
			"amount":47238,"currency":"USD","reason":"Stripe is silent.","attempts":12,"decisions":["retry","adopt","settle","abandon"]}]}`,
		"/v1/orders/" + orderID.String() + "/resume": `{"version":6,"tab":"paid"}`,
	})
	defer server.Close()

	ctx := context.Background()
	c, err := client.New(client.Config{Server: server.URL, Token: "olt_…"})
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := c.Parked(ctx, client.ParkedQuery{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range page.Parked {
		fmt.Println(p.OrderNumber, p.Act, p.Currency.Format(p.Amount), p.Reason)
		done, err := c.Resume(ctx, p.OrderID, domain.Resume{Decision: domain.Settle, Reference: "wire 4711"},
			client.IfVersion(p.Version), client.Wait(10*time.Second))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(done.Order.Tab, done.Pending)
	}
	// Output:
	// 10248 capture 472.38 USD Stripe is silent.
	// paid false
}

// The ledger is compared with Stripe. Only an answer that ends in figures is whole.
func ExampleClient_Reconcile() {
	server := ledger(map[string]string{
		"/v1/money/reconcile": `{"progress":{"phase":"payments","done":100}}
{"difference":{"code":"refunded_at_stripe_only","order_number":"10248","ledger":{"state":"taken","amount":47238},"stripe":{"state":"refunded","amount":1000}}}
{"figures":{"orders":50,"differences":1}}
`,
	})
	defer server.Close()

	c, err := client.New(client.Config{Server: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	for line, err := range c.Reconcile(context.Background(), time.Time{}) {
		switch {
		case err != nil:
			fmt.Println("not finished:", err)
		case line.Difference != nil:
			d := line.Difference
			fmt.Println(d.OrderNumber, d.Code, d.Ledger.Amount, "against", d.Stripe.Amount)
		case line.Figures != nil:
			fmt.Println(line.Figures.Differences, "difference in", line.Figures.Orders, "orders")
		}
	}
	// Output:
	// 10248 refunded_at_stripe_only 47238 against 1000
	// 1 difference in 50 orders
}

// Another system is told of shipments from now on. It keeps the secret, and verifies with it what it is sent.
func ExampleClient_AddEndpoint() {
	server := ledger(map[string]string{
		"/v1/webhook-endpoints":                       `{"id":"8f14e45fceea167a","state":"active","types":["Shipped"],"secret":"whsec_…"}`,
		"/v1/webhook-endpoints/8f14e45fceea167a/test": `{"ok":false,"status":404,"answer":"no such page"}`,
	})
	defer server.Close()

	ctx := context.Background()
	c, err := client.New(client.Config{Server: server.URL, Token: "olt_…"})
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := c.AddEndpoint(ctx, client.NewEndpoint{URL: "https://shop.example/hooks", Types: []string{"Shipped"}}, client.Key("shop-hooks"))
	if err != nil {
		fmt.Println(err)
		return
	}
	test, err := c.TestEndpoint(ctx, e.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.State, e.Secret, "test:", test.OK, test.Status, test.Answer)
	// Output: active whsec_… test: false 404 no such page
}

// An endpoint that could not be reached for three days waits for a person, who decides.
func ExampleClient_Endpoints() {
	server := ledger(map[string]string{
		"/v1/webhook-endpoints": `{"data":[{"id":"8f14e45fceea167a","url":"https://shop.example/hooks","state":"parked",
			"parked":{"attempts":87,"reason":"it answered 500 Internal Server Error"}}]}`,
		"/v1/webhook-endpoints/8f14e45fceea167a/retry": `{"id":"8f14e45fceea167a","state":"active"}`,
	})
	defer server.Close()

	ctx := context.Background()
	c, err := client.New(client.Config{Server: server.URL, Token: "olt_…"})
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := c.Endpoints(ctx, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range list {
		if e.Parked == nil {
			continue
		}
		fmt.Println(e.URL, e.Parked.Attempts, "attempts:", e.Parked.Reason)
		e, err := c.RetryDelivery(ctx, e.ID)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.State)
	}
	// Output:
	// https://shop.example/hooks 87 attempts: it answered 500 Internal Server Error
	// active
}
