package test

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"testing"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/test/browser"
	"github.com/orderledger/orderledger/test/loopback"
	"github.com/orderledger/orderledger/test/testenv"
)

// strict is a Stripe that refuses to capture for one order.
type strict struct {
	commands.Payments
	order string
}

// Capture implements commands.Payments.
func (s strict) Capture(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	if r.OrderID == s.order {
		return commands.PaymentIntent{}, &commands.PaymentRefusal{Status: 402, Type: "card_error", Code: "card_declined", Message: "Your card was declined."}
	}
	return s.Payments.Capture(ctx, r)
}

// Card orders are shipped many at once while Stripe is slow, and the program stops before it has answered. What it says when the program
// runs again is what came of the job: on its page, in its table, in the list of jobs, and in what is tried again.
func TestWhatStripeSaysLaterSettlesAJob(t *testing.T) {
	browser.Find(t)
	config := testenv.Config(t, "nats")
	config.Listen = loopback.Free(t)
	ledger := testenv.Start(t, config, app.Hooks{Payments: func(p commands.Payments) commands.Payments { return slow{p, nil} }})
	o := &office{t: t, api: testenv.Client{URL: ledger.URL}}
	o.place(7)
	o.act(5, "accept", "{}")
	o.act(7, "accept", "{}")
	o.Page = browser.Open(t, ledger.URL)
	o.Open("/orders?tab=new&status=accepted")
	o.tick(row(o.orders[4]), row(o.orders[6]))
	o.Follow(`#bulkbar button[value="ship"]`)
	o.Follow("main form button.primary")
	o.Follow("main form[action='/jobs'] button.primary")
	o.Await(`document.querySelector('#job')?.dataset.waits === '2'`)
	o.Reads("#job", "waits for Stripe")
	o.Reads(".chips", "Asked of Stripe 2")
	if o.Count(`form[action$="/retry"]`) != 0 {
		t.Error("what is not answered can be tried again")
	}
	o.Check("job-waits", "light")
	job := browser.Eval[string](o.Page, "location.pathname")
	o.jobsSay("Waits for Stripe")
	ledger.Stop()

	declined := o.orders[4]
	ledger = testenv.Start(t, config, app.Hooks{Payments: func(p commands.Payments) commands.Payments { return strict{p, declined.ID().String()} }})
	o.Open(job)
	o.Await(`document.querySelector('#job')?.dataset.waits === '0'`) // the page follows by itself
	o.Reads(".chips", "Refused 1Done 1")
	o.Reads(".results tbody tr", "C-5 Refused The payment could not be captured, so it is not shipped. Your card was declined.")
	o.Reads(`form[action$="/retry"] button`, "Retry what failed (1)")
	a, err := o.api.Call(t.Context(), http.MethodGet, job+"/results.csv", "", nil)
	rows, csvErr := csv.NewReader(bytes.NewReader(a.Body)).ReadAll()
	if err != nil || csvErr != nil || len(rows) != 3 || rows[1][1] != "refused" || rows[1][2] != "card_declined" || rows[2][1] != "done" {
		t.Errorf("%q, %v, %v", rows, err, csvErr)
	}
	o.Follow(`form[action$="/retry"] button`)
	o.Reads("h1", "Ship 1 order")
	o.jobsSay("Finished, not all of it")
	o.Sound()
	ledger.Stop()
}
