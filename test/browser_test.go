package test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/test/testenv"
)

// A clerk works in a real Chromium that runs no JavaScript: what the pages offer is all there is.

// browser finds the Chromium that the tests use.
func browser(t *testing.T) string {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless-shell", "chrome"}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing := "needs Chromium or Chrome in the path, as one of: " + strings.Join(names, ", ")
	if os.Getenv("ORDERLEDGER_TEST_REQUIRE") == "all" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// clerk is somebody at a browser, in front of a ledger.
type clerk struct {
	t   *testing.T
	ctx context.Context // of the browser's tab
	api testenv.Client
}

// newClerk starts a ledger and a browser; both end with the test.
func newClerk(t *testing.T) clerk {
	t.Helper()
	path := browser(t)
	ledger := testenv.Start(t, testenv.Config(t, "memory"), app.Hooks{})
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)
	bounded, stop := context.WithTimeout(context.Background(), 90*time.Second) // t.Context ends before the browser can be closed
	allocator, free := chromedp.NewExecAllocator(bounded, options...)
	ctx, closeTab := chromedp.NewContext(allocator, chromedp.WithLogf(t.Logf), chromedp.WithErrorf(t.Logf))
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("close the browser: %v", err)
		}
		closeTab()
		free()
		stop()
	})
	if err := chromedp.Do(ctx); err != nil { // the browser lives as long as the context that starts it
		t.Fatalf("start %s: %v", path, err)
	}
	c := clerk{t: t, ctx: ctx, api: testenv.Client{URL: ledger.URL}}
	c.withoutJavaScript()
	return c
}

// withoutJavaScript turns JavaScript off in the tab, and sees that it is off.
func (c clerk) withoutJavaScript() {
	c.t.Helper()
	c.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	c.do(chromedp.Navigate(`data:text/html,<p>written</p><script>document.querySelector("p").textContent = "scripted"</script>`))
	if got := c.text("p"); got != "written" {
		c.t.Fatalf("JavaScript is on: %q", got)
	}
}

// another opens another tab of the same browser; it is closed with the test.
func (c clerk) another() clerk {
	c.t.Helper()
	ctx, closeTab := chromedp.NewContext(c.ctx)
	c.t.Cleanup(closeTab)
	if err := chromedp.Do(ctx); err != nil {
		c.t.Fatal(err)
	}
	c.ctx = ctx
	c.withoutJavaScript()
	return c
}

func (c clerk) do(steps ...chromedp.Action[chromedp.Void]) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		c.t.Fatal(err)
	}
}

// open goes to a page of the ledger.
func (c clerk) open(path string) {
	c.t.Helper()
	c.do(chromedp.Navigate(c.api.URL + path))
}

// click clicks on what leads to another page, waits for that, and returns its HTTP status.
func (c clerk) click(selector chromedp.CSS) int64 {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 20*time.Second)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, chromedp.Click(selector))
	if err != nil {
		c.t.Fatalf("click on %s: %v", selector, err)
	}
	return response.Status
}

// fill types into a field.
func (c clerk) fill(selector chromedp.CSS, text string) {
	c.t.Helper()
	c.do(chromedp.SendKeys(selector, text))
}

// text is what the first element that fits says.
func (c clerk) text(selector chromedp.CSS) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 20*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.TextContent(selector))
	if err != nil {
		c.t.Fatalf("text of %s: %v", selector, err)
	}
	return strings.Join(strings.Fields(text), " ")
}

// value is what a field holds.
func (c clerk) value(selector chromedp.CSS) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 20*time.Second)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Value(selector))
	if err != nil {
		c.t.Fatalf("value of %s: %v", selector, err)
	}
	return value
}

// reads checks that an element says something.
func (c clerk) reads(selector chromedp.CSS, want string) {
	c.t.Helper()
	if got := c.text(selector); !strings.Contains(got, want) {
		c.t.Fatalf("%s says %q, want %q; the page:\n%s", selector, got, want, c.text("main"))
	}
}

// onlyIn opens a tab, and checks by all six counts that the one order there is is in it.
func (c clerk) onlyIn(tab domain.Tab) {
	c.t.Helper()
	c.open("/orders?tab=" + string(tab))
	for _, other := range domain.Tabs {
		want := "0"
		if other == tab {
			want = "1"
		}
		if got := c.text(chromedp.CSS(`nav.tabs a[href="/orders?tab=` + string(other) + `"] .count`)); got != want {
			c.t.Fatalf("on the tab %s: %s orders in %s, want %s", tab, got, other, want)
		}
	}
	c.reads(`nav.tabs a[aria-current="page"] .count`, "1")
	c.reads("table.orders td.order_number", "C-1")
}

// place sends a card order of 25.00 USD in and waits until the pages show it.
func (c clerk) place(n int) domain.Intake {
	c.t.Helper()
	in := cardOrder(n)
	line, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	_, _, position := importOrders(c.t, c.api, [][]byte{line}, "import-"+in.OrderNumber)
	c.api.Tabs(c.t, position)
	return in
}

// happened waits until the pages show an event of an order. Stripe answers in its own time.
func (c clerk) happened(in domain.Intake, event string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 20*time.Second)
	defer cancel()
	if err := awaitEvent(ctx, c.api, in.ID(), event); err != nil {
		c.t.Fatalf("order %s: %v", in.OrderNumber, err)
	}
}

// order is an order as the API shows it, and how many events of a type it has.
func (c clerk) order(in domain.Intake, event string) (o domain.View, events int) {
	c.t.Helper()
	path := "/v1/orders/" + in.ID().String()
	a, err := c.api.Call(c.ctx, http.MethodGet, path, "", nil)
	if err != nil || a.Status != http.StatusOK {
		c.t.Fatalf("show: %v %s", err, a.Body)
	}
	timeline, err := c.api.Call(c.ctx, http.MethodGet, path+"/events", "", nil)
	if err != nil || timeline.Status != http.StatusOK {
		c.t.Fatalf("events: %v %s", err, timeline.Body)
	}
	var list struct{ Data []struct{ Type string } }
	if err := json.Unmarshal(timeline.Body, &list); err != nil {
		c.t.Fatal(err)
	}
	for _, e := range list.Data {
		if e.Type == event {
			events++
		}
	}
	return a.Order, events
}

func act(verb string) chromedp.CSS { return chromedp.CSS(`form[data-verb="` + verb + `"] button`) }

const confirmed chromedp.CSS = `main form[method="post"] button`

// The whole way of an order through the pages, from New to Archived.
func TestClerkWithoutJavaScript(t *testing.T) {
	c := newClerk(t)
	in := c.place(1)
	page := "/orders/" + in.ID().String()

	c.onlyIn(domain.TabNew)
	c.reads("table.orders td.status", "Not confirmed")
	c.reads("table.orders td.open a", "Review")
	c.click("table.orders td.open a")
	c.reads("h1", "Order C-1 Placed")
	c.reads("main", "ada@example.com")
	c.click(act("accept"))
	c.reads("p.said.done", "The order is accepted.")
	c.onlyIn(domain.TabNew)
	c.reads("table.orders td.status", "Confirmed")

	// Before money moves, a page asks; going back does nothing.
	c.open(page)
	c.click(act("capture"))
	c.reads("p.lead", "$25.00 are taken from Visa •••• 4242.")
	c.click("p.choice a")
	if o, n := c.order(in, "CaptureRequested"); n != 0 || o.Version != 2 {
		t.Fatalf("asking did something: version %d", o.Version)
	}
	c.click(act("capture"))
	c.click(confirmed)
	c.happened(in, "PaymentCaptured")
	c.open(page + "?did=capture")
	c.reads("p.said.done", "The payment is captured.")
	c.onlyIn(domain.TabPaid)

	c.click("table.orders td.open a")
	c.fill(`form[data-verb="ship"] input[name="carrier"]`, "ups")
	c.fill(`form[data-verb="ship"] input[name="number"]`, "1Z999AA10123456784")
	c.click(act("ship"))
	c.reads("p.said.done", "The order is shipped.")
	c.reads("main", "1Z999AA10123456784")
	c.onlyIn(domain.TabShipped)

	c.click("table.orders td.open a")
	c.click(act("refund"))
	c.reads("p.lead", "The whole amount of $25.00 goes back to Visa •••• 4242. This can't be undone.")
	c.fill(`textarea[name="reason"]`, "sent back")
	c.click(confirmed)
	c.happened(in, "Refunded")
	c.onlyIn(domain.TabRefunded)

	c.click("table.orders td.open a")
	c.click(act("archive"))
	c.reads("p.said.done", "Archive: done.")
	c.onlyIn(domain.TabArchived)
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
	c.open(page)
	c.click(act("cancel"))
	a, err := c.api.Act(t.Context(), in.ID().String(), "accept", "faster", 0, "{}")
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("accept: %v %s", err, a.Body)
	}
	if status := c.click(confirmed); status != http.StatusPreconditionFailed {
		t.Errorf("status %d", status)
	}
	c.reads("h1", "The order has changed")
	c.reads("main li", "Accepted")
	c.reads("main li", "local (admin), through the API")
	o, cancels := c.order(in, "CancelRequested")
	if cancels != 0 || o.Version != 2 || o.Tab != domain.TabNew {
		t.Errorf("the stale page did something: %+v", o)
	}
	c.click("section.message a.button")
	c.reads("h1", "Order C-1 Accepted")
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
			c.open(form.page)
			if form.field != "" {
				c.do(chromedp.Click(chromedp.CSS("details:has(" + at + ") summary")))
				c.fill(chromedp.CSS(at+form.field), "call first")
			}
		}
		key := chromedp.CSS(at + `input[name="key"]`)
		second.do(chromedp.SetAttributeValue(key, "value", first.value(key)))
		for i, c := range []clerk{first, second} {
			if status := c.click(chromedp.CSS(at + "button")); status != http.StatusOK {
				t.Errorf("%s, time %d: status %d, %s", form.verb, i+1, status, c.text("main"))
			}
			if form.said != "" {
				c.reads("p.said.done", form.said)
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
