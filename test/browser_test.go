package test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/test/browser"
	"github.com/orderledger/orderledger/test/testenv"
)

// A clerk works in a real Chromium that runs no JavaScript: what the pages offer is all there is.

// clerk is somebody at a browser, in front of a ledger.
type clerk struct {
	*browser.Page
	t   *testing.T
	api testenv.Client
}

// newClerk starts a ledger and opens a tab; both end with the test.
func newClerk(t *testing.T) clerk {
	t.Helper()
	browser.Find(t)
	ledger := testenv.Start(t, testenv.Config(t, "memory"), app.Hooks{})
	c := clerk{t: t, Page: browser.Open(t, ledger.URL), api: testenv.Client{URL: ledger.URL}}
	c.WithoutJavaScript()
	return c
}

// another opens another tab of the same browser.
func (c clerk) another() clerk {
	c.Helper()
	c.Page = c.Another()
	c.WithoutJavaScript()
	return c
}

// onlyIn opens a tab, and checks by all six counts that the one order there is is in it.
func (c clerk) onlyIn(tab domain.Tab) {
	c.Helper()
	c.Open("/orders?tab=" + string(tab))
	for _, other := range domain.Tabs {
		want := "0"
		if other == tab {
			want = "1"
		}
		if got := c.Text(`nav.tabs a[href="/orders?tab=` + string(other) + `"] .count`); got != want {
			c.Fatalf("on the tab %s: %s orders in %s, want %s", tab, got, other, want)
		}
	}
	c.Reads(`nav.tabs a[aria-current="page"] .count`, "1")
	c.Reads("table.orders td.order_number", "C-1")
}

// place sends a card order of 25.00 USD in and waits until the pages show it.
func (c clerk) place(n int) domain.Intake {
	c.Helper()
	in := cardOrder(n)
	line, err := json.Marshal(in)
	if err != nil {
		c.Fatal(err)
	}
	_, _, position := importOrders(c.t, c.api, [][]byte{line}, "import-"+in.OrderNumber)
	c.api.Tabs(c.TB, position)
	return in
}

// happened waits until the pages show an event of an order. Stripe answers in its own time.
func (c clerk) happened(in domain.Intake, event string) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Ctx, testenv.Patience)
	defer cancel()
	if err := awaitEvent(ctx, c.api, in.ID(), event); err != nil {
		c.Fatalf("order %s: %v", in.OrderNumber, err)
	}
}

// order is an order as the API shows it, and how many events of a type it has.
func (c clerk) order(in domain.Intake, event string) (o domain.View, events int) {
	c.Helper()
	path := "/v1/orders/" + in.ID().String()
	a, err := c.api.Call(c.Ctx, http.MethodGet, path, "", nil)
	if err != nil || a.Status != http.StatusOK {
		c.Fatalf("show: %v %s", err, a.Body)
	}
	timeline, err := c.api.Call(c.Ctx, http.MethodGet, path+"/events", "", nil)
	if err != nil || timeline.Status != http.StatusOK {
		c.Fatalf("events: %v %s", err, timeline.Body)
	}
	var list struct{ Data []struct{ Type string } }
	if err := json.Unmarshal(timeline.Body, &list); err != nil {
		c.Fatal(err)
	}
	for _, e := range list.Data {
		if e.Type == event {
			events++
		}
	}
	return a.Order, events
}

func act(verb string) string { return `form[data-verb="` + verb + `"] button` }

const confirmed = `main form[method="post"] button`

// The whole way of an order through the pages, from New to Archived.
func TestClerkWithoutJavaScript(t *testing.T) {
	c := newClerk(t)
	in := c.place(1)
	page := "/orders/" + in.ID().String()

	c.onlyIn(domain.TabNew)
	c.Reads("table.orders td.status", "Un-reviewed")
	c.Reads("table.orders td.open a", "Review")
	c.Follow("table.orders td.open a")
	c.Reads("h1", "Order C-1 Un-reviewed")
	c.Reads("main", "ada@example.com")
	c.Follow(act("accept"))
	c.Reads(".said.done", "The order is accepted.")
	c.onlyIn(domain.TabNew)
	c.Reads("table.orders td.status", "Accepted")

	// Before money moves, a page asks; going back does nothing.
	c.Open(page)
	c.Follow(act("capture"))
	c.Reads("p.lead", "$25.00 are taken from Visa •••• 4242.")
	c.Follow("p.choice a")
	if o, n := c.order(in, "CaptureRequested"); n != 0 || o.Version != 2 {
		t.Fatalf("asking did something: version %d", o.Version)
	}
	c.Follow(act("capture"))
	c.Follow(confirmed)
	c.happened(in, "PaymentCaptured")
	c.Open(page + "?did=capture")
	c.Reads(".said.done", "The payment is captured.")
	c.onlyIn(domain.TabPaid)

	c.Follow("table.orders td.open a")
	c.Follow(act("ship"))
	c.Reads("p.lead", "It is paid, so no money moves.")
	c.Fill(`input[name="number"]`, "1Z999AA10123456785")
	if status := c.Follow(confirmed); status != http.StatusUnprocessableEntity { // a digit is mistyped, and nobody is told that it shipped
		t.Errorf("status %d", status)
	}
	c.Reads(".said.bad", "UPS 1Z999AA10123456785: The check digit is wrong")
	c.Do(chromedp.SetValue(chromedp.CSS(`input[name="number"]`), "1Z999AA10123456784"))
	c.Follow(confirmed)
	c.Reads(".said.done", "The order is shipped.")
	c.Reads("main", "1Z999AA10123456784")
	c.onlyIn(domain.TabShipped)

	c.Follow("table.orders td.open a")
	c.Follow(act("refund"))
	c.Reads("p.lead", "The whole amount of $25.00 goes back to Visa •••• 4242. This can't be undone.")
	c.Fill(`textarea[name="reason"]`, "sent back")
	c.Follow(confirmed)
	c.happened(in, "Refunded")
	c.onlyIn(domain.TabRefunded)

	c.Follow("table.orders td.open a")
	c.Follow(act("archive"))
	c.Reads(".said.done", "The order is archived.")
	c.Follow(act("undo"))
	c.Reads(".said.done", "The order is back in Refunded.")
	c.Follow(act("archive"))
	c.onlyIn(domain.TabArchived)

	// The order as it stood: links lead through its past, where nothing can be done.
	c.Follow("table.orders td.open a")
	c.Follow("a[rel=prev]")
	c.Reads("h1", "Order C-1 Refunded")
	c.Reads("#scrub", "Nothing can be done in the past.")
	c.Open(page + "?version=2")
	c.Reads("h1", "Order C-1 Accepted")
	c.Reads("#scrub", "You see the order as it stood after event 2 of 10: Accepted")
	c.Follow("a#scrub-now")
	c.Reads("h1", "Order C-1 Refunded, archived")
	o, captures := c.order(in, "PaymentCaptured")
	if captures != 1 || !o.Archived || len(o.Tracking) != 1 || o.Status != domain.StatusRefunded {
		t.Errorf("%d captures, %+v", captures, o)
	}
}

// Somebody else was faster: the button of the old page does nothing, and its answer says what changed.
func TestStalePage(t *testing.T) {
	c := newClerk(t)
	in := c.place(1)
	page := "/orders/" + in.ID().String()
	c.Open(page)
	c.Follow(act("cancel"))
	a, err := c.api.Act(t.Context(), in.ID().String(), "accept", "faster", 0, "{}")
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("accept: %v %s", err, a.Body)
	}
	if status := c.Follow(confirmed); status != http.StatusPreconditionFailed {
		t.Errorf("status %d", status)
	}
	c.Reads("h1", "The order has changed")
	c.Reads("main li", "Accepted")
	c.Reads("main li", "local (admin), through the API")
	o, cancels := c.order(in, "CancelRequested")
	if cancels != 0 || o.Version != 2 || o.Tab != domain.TabNew {
		t.Errorf("the stale page did something: %+v", o)
	}
	c.Follow("section.message a.button")
	c.Reads("h1", "Order C-1 Accepted")
}

// The same form, sent twice, is one act: what an impatient clerk, or a browser that lost its connection, does. The second is
// answered as the first, not as a page that has grown old.
func TestSameFormTwice(t *testing.T) {
	first := newClerk(t)
	in := first.place(1)
	page := "/orders/" + in.ID().String()
	second := first.another()
	for _, form := range []struct {
		page, verb, field string
		said              string
		event             string
	}{
		{page: page, verb: "accept", said: "The order is accepted.", event: "Accepted"},
		{page: page + "/confirm/capture", verb: "capture", event: "CaptureRequested"},
		{page: page, verb: "notes", field: "textarea", said: "The note is added.", event: "NoteAdded"},
	} {
		at := `form[method="post"][action$="/` + form.verb + `"] `
		for _, c := range []clerk{first, second} {
			c.Open(form.page)
			if form.field != "" {
				c.Fill(at+form.field, "call first")
			}
		}
		key := at + `input[name="key"]`
		second.Do(chromedp.SetAttributeValue(chromedp.CSS(key), "value", first.Value(key)))
		for i, c := range []clerk{first, second} {
			if status := c.Follow(at + "button"); status != http.StatusOK {
				t.Errorf("%s, time %d: status %d, %s", form.verb, i+1, status, c.Text("main"))
			}
			if form.said != "" {
				c.Reads(".said.done", form.said)
			}
		}
		if form.verb == "capture" {
			first.happened(in, "PaymentCaptured")
		}
		if _, n := first.order(in, form.event); n != 1 {
			t.Errorf("%d events %s", n, form.event)
		}
	}
	if o, _ := first.order(in, "PaymentCaptured"); o.Version != 5 || o.Tab != domain.TabPaid || len(o.Notes) != 1 {
		t.Errorf("the order after all: %+v", o)
	}
}
