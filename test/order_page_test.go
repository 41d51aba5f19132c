package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/test/browser"
	"github.com/orderledger/orderledger/test/testenv"
)

// A clerk works in a real Chromium with JavaScript: the same forms, in dialogs, and pages that stay what the ledger says.

// slow is a Stripe that answers when it is told to.
type slow struct {
	commands.Payments
	answer chan struct{}
}

// Capture implements commands.Payments.
func (s slow) Capture(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	select {
	case <-s.answer:
	case <-ctx.Done():
		return commands.PaymentIntent{}, ctx.Err()
	}
	return s.Payments.Capture(ctx, r)
}

// desk starts a ledger, and opens a tab with JavaScript in front of it.
func desk(t *testing.T, hooks app.Hooks) clerk {
	t.Helper()
	browser.Find(t)
	ledger := testenv.Start(t, testenv.Config(t, "memory"), hooks)
	return clerk{t: t, Page: browser.Open(t, ledger.URL), api: testenv.Client{URL: ledger.URL}}
}

// look opens an order, and waits until the page is told of changes.
func (c clerk) look(in domain.Intake) {
	c.Helper()
	c.Open("/orders/" + in.ID().String())
	c.Await("document.querySelector('#live').dataset.state == 'live'")
}

func (c clerk) await(selector, text string) {
	c.Helper()
	c.Await(fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q)", selector, text))
}

// leads does what leads to another page, and waits for that.
func (c clerk) leads(action chromedp.Action[chromedp.Void]) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Ctx, testenv.Patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, action); err != nil {
		c.Fatal(err)
	}
}

// atAccepted is a desk in front of a card order that was just accepted.
func atAccepted(t *testing.T) (clerk, domain.Intake) {
	t.Helper()
	c := desk(t, app.Hooks{})
	in := c.place(1)
	c.look(in)
	c.Follow("#act-accept")
	return c, in
}

// ask presses a button that asks first, and waits for its dialog.
func (c clerk) ask(verb string) {
	c.Helper()
	c.Click("#act-" + verb)
	c.Await(heeds)
}

// heeds is true of a dialog that asks, and takes an answer.
const heeds = "document.querySelector('#dialog[open][data-heeds] #dialog-body form')"

const yes = `#dialog-body form[method="post"] button`

// other does something through the API, as somebody else does at the same time.
func (c clerk) other(in domain.Intake, verb, key string, version int, body string) {
	c.Helper()
	a, err := c.api.Act(c.Ctx, in.ID().String(), verb, key, version, body)
	if err != nil || a.Status >= 300 {
		c.Fatalf("%s: %v %s", verb, err, a.Body)
	}
}

// The life of a card order through dialogs. While Stripe is asked the page says so, and shows no money that has not moved; the answer
// comes by itself.
func TestCardOrderAtTheDesk(t *testing.T) {
	answer := make(chan struct{})
	c := desk(t, app.Hooks{Payments: func(p commands.Payments) commands.Payments { return slow{p, answer} }})
	in := c.place(1)
	c.look(in)
	c.Follow("#act-accept")
	c.Reads(".said.done", "The order is accepted.")

	// Esc closes the dialog, and the focus is where it was.
	c.ask("capture")
	for want, selector := range map[string]string{
		"$25.00 are taken from Visa •••• 4242.": "#dialog .lead", "USD": "#dialog .facts", "Visa •••• 4242": "#dialog .facts", "Capture payment · $25.00": yes,
	} {
		c.Reads(selector, want)
	}
	if inside := browser.Eval[bool](c.Page, "document.querySelector('#dialog').contains(document.activeElement)"); !inside {
		t.Error("the focus is not in the dialog")
	}
	c.Check("dialog-capture", "light")
	c.Press(kb.Escape)
	c.Await("!document.querySelector('#dialog').open")
	if at := browser.Eval[string](c.Page, "document.activeElement.id"); at != "act-capture" {
		t.Errorf("the focus is at %q", at)
	}

	c.ask("capture")
	c.Follow(yes)
	c.Reads("#under-way", "Stripe is asked to take $25.00 from Visa •••• 4242")
	c.Reads(".side section", "Held")
	if n := c.Count("#act-capture, #act-ship, #act-cancel"); n != 0 {
		t.Errorf("%d buttons while Stripe is asked", n)
	}
	c.Await("document.querySelector('#live').dataset.state == 'live'")
	close(answer)
	c.await(".said.done", "The payment is captured.")
	c.await(".side section", "Captured")
	if n := c.Count("#under-way"); n != 0 {
		t.Error("still under way")
	}

	// A mistyped tracking number is asked about, and can be used all the same.
	c.ask("ship")
	c.Fill(`#dialog input[name="number"]`, "1Z999AA10123456785")
	if status := c.Follow(yes); status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", status)
	}
	c.Reads(".said.bad", "The check digit is wrong")
	c.Check("tracking-doubted", "dark")
	c.Click(`input[name="anyway"]`)
	c.Follow(confirmed)
	c.Reads(".said.done", "The order is shipped.")
	if href := browser.Eval[string](c.Page, "document.querySelector('.parcels a').href"); href != "https://www.ups.com/track?tracknum=1Z999AA10123456785" {
		t.Errorf("the parcel is followed at %s", href)
	}

	c.ask("refund")
	c.Reads("#dialog .lead", "The whole amount of $25.00 goes back to Visa •••• 4242.")
	c.Check("dialog-refund", "phone")
	c.Follow(yes)
	c.await(".said.done", "The order is refunded.")

	// Archiving can be taken back for a moment, and by the page's own button after that.
	c.Follow("#act-archive")
	c.Reads("#undo", "Undo (")
	c.Check("order-undo", "narrow-dark")
	c.Follow("#undo button")
	c.Reads(".said.done", "The order is back in Refunded.")
	c.Follow("#act-archive")
	c.Do(chromedp.SetAttributeValue(chromedp.CSS("#undo"), "data-undo", "1"))
	c.Await("!document.querySelector('#undo')")
	c.Reads(".acts", "Unarchive")

	// Every event's bytes are one click away.
	c.Click(".timeline li:first-child a[data-dialog]")
	c.Await("document.querySelector('#dialog').open && document.querySelector('#dialog pre')")
	c.Reads("#dialog", "The hash is that of these bytes")
	c.Reads("#dialog pre", `"order_number": "C-1"`)
	c.Check("dialog-event", "dark")
	c.Sound()
}

// The life of an order on account: no card, a reference for what the business system holds.
func TestAccountOrderAtTheDesk(t *testing.T) {
	c := desk(t, app.Hooks{})
	in := cardOrder(7)
	in.Payment.Method, in.Customer.AccountNumber = domain.Account, "A-77"
	line, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	_, _, position := importOrders(t, c.api, [][]byte{line}, "import")
	c.api.Tabs(t, position)
	c.look(in)
	c.Follow("#act-accept")
	c.ask("ship")
	c.Reads("#dialog .lead", "No card is involved; its entry in the business system is owed until it is recorded here.")
	c.Check("dialog-ship-account", "dark")
	c.Follow(yes)
	c.Reads(".owed", "An entry is owed")
	c.Fill(`#capture input[name="external_reference"]`, "INV-7")
	c.Follow("#act-capture")
	c.Reads(".said.done", "The entry is recorded.")
	c.ask("refund")
	c.Fill("#dialog textarea", "sent back")
	c.Follow(yes)
	c.Reads(".owed", "A reversal is owed")
	c.Fill(`#reversal input[name="external_reference"]`, "CR-7")
	c.Follow("#act-reversal")
	c.Reads(".said.done", "The reversal is recorded.")
	c.Follow("#act-archive")
	c.Reads("h1", "Refunded, archived")
	c.Sound()
}

// A click too many is one act, in the page and in a dialog.
func TestDoubleClickAtTheDesk(t *testing.T) {
	c := desk(t, app.Hooks{})
	in := c.place(1)
	c.look(in)
	twice := func(selector, event string) {
		t.Helper()
		c.leads(chromedp.DoubleClick(chromedp.CSS(selector)))
		c.happened(in, event)
		c.await(".timeline", map[string]string{"Accepted": "Accepted", "PaymentCaptured": "Payment captured"}[event])
		if _, n := c.order(in, event); n != 1 {
			t.Errorf("%d events %s", n, event)
		}
	}
	twice("#act-accept", "Accepted")
	c.Open("/orders/" + in.ID().String())
	c.Do(chromedp.DoubleClick(chromedp.CSS("#act-capture")))
	c.Await(heeds)
	if o, n := c.order(in, "CaptureRequested"); n != 0 || o.Version != 2 {
		t.Fatalf("what asks was clicked twice, and %d captures are asked for, version %d", n, o.Version)
	}
	twice(yes, "PaymentCaptured")
	if o, n := c.order(in, "CaptureRequested"); n != 1 || o.Version != 4 {
		t.Errorf("%d captures asked for, version %d", n, o.Version)
	}
}

// Two clerks at two browsers. Who looks sees what the other does, at once; who is about to do something is told, and nothing moves
// under their hands; and who does it all the same does nothing, and reads what has changed.
func TestTwoClerksAtOnce(t *testing.T) {
	c := desk(t, app.Hooks{})
	in := c.place(1)
	c.look(in)
	second := c
	second.Page = browser.Open(t, c.Base)
	second.look(in)

	second.Follow("#act-accept")
	c.await("h1", "Accepted")
	c.await("#announce", "Accepted (local (admin), through the dashboard)")

	// In a form that is being filled in, nothing is taken away.
	c.Fill(`.note-form textarea`, "Customer wants it")
	second.Fill(`.note-form textarea`, "Call before delivery")
	second.Follow("#act-notes")
	c.Await("!document.querySelector('#news').hidden")
	c.Reads("#news", "Meanwhile this order has changed: Note added (local (admin), through the dashboard).")
	if got := c.Value(".note-form textarea"); got != "Customer wants it" {
		t.Errorf("what was typed is %q", got)
	}
	c.Check("order-meanwhile", "phone")
	c.Click("#news-show")
	c.await(".note", "Call before delivery")

	c.ask("cancel")
	second.ask("capture")
	second.Follow(yes)
	c.Await("document.querySelector('#dialog .meanwhile')")
	c.Reads("#dialog .meanwhile", "look again before you decide")
	c.Check("dialog-meanwhile", "narrow-dark")
	if status := c.Follow(yes); status != http.StatusPreconditionFailed {
		t.Errorf("status %d", status)
	}
	c.Reads("main li", "Capture asked of Stripe — local (admin), through the dashboard")
	c.Check("stale", "light")
	if o, n := c.order(in, "CancelRequested"); n != 0 || o.CancelledAt != nil {
		t.Error("the stale dialog did something")
	}
	c.happened(in, "PaymentCaptured")
	c.look(in)
	c.ask("cancel")
	c.Reads("#dialog .lead", "the whole charge of $25.00 goes back")
	c.Sound()
}

// A dialog that is opened from a page which has grown old says what has happened since.
func TestDialogFromAnOldPage(t *testing.T) {
	c := desk(t, app.Hooks{})
	in := c.place(1)
	c.look(in)
	browser.Eval[int](c.Page, "(Ledger.pause(), 1)")
	c.other(in, "accept", "faster", 0, "{}")
	c.happened(in, "Accepted")
	c.ask("cancel")
	c.Reads("#dialog .said", "Since your page was made, this has happened:")
	c.Reads("#dialog .said li", "Accepted — local (admin), through the API")
	c.Follow(yes)
	c.happened(in, "Cancelled")
	browser.Eval[int](c.Page, "(Ledger.resume(), 1)")
	c.await("h1", "Cancelled")
}

// Nobody needs a pointer.
func TestOrderByKeyboard(t *testing.T) {
	c := desk(t, app.Hooks{})
	in := c.place(1)
	c.look(in)
	reach := func(id string) {
		t.Helper()
		for range 60 {
			if browser.Eval[string](c.Page, "document.activeElement.id") == id {
				return
			}
			c.Press(kb.Tab)
		}
		t.Fatalf("the keyboard does not reach %s", id)
	}
	reach("act-accept")
	c.leads(chromedp.KeyEvent(kb.Enter))
	c.await(".said.done", "The order is accepted.")
	reach("act-capture")
	c.Press(kb.Enter)
	c.Await(heeds)
	for !browser.Eval[bool](c.Page, "document.activeElement.matches('#dialog-body form[method=post] button')") {
		c.Press(kb.Tab)
	}
	c.leads(chromedp.KeyEvent(kb.Enter))
	c.await(".side section", "Captured")

	// The slider goes through the past, keeps the focus, and is in the address.
	reach("scrub-range")
	c.Press(kb.ArrowLeft)
	c.await("h1", "Accepted")
	c.Await("location.search == '?version=3'")
	c.Await("document.activeElement.id == 'scrub-range'")
	c.Press(kb.Home)
	c.await("h1", "Un-reviewed")
	c.await("#scrub", "as it stood after event 1 of 4: Order placed")
	if n := c.Count(".acts, form[method=post]:not([action='/settings'])"); n != 0 {
		t.Errorf("%d things can be done in the past", n)
	}
	c.Check("order-past", "dark")
	c.Do(chromedp.NavigateBack())
	c.await("#scrub", "event 3 of 4")
	c.Press(kb.End)
	reach("scrub-now")
	c.Press(kb.Enter)
	c.await("h1", "Paid")
	c.Sound()
}

// The packing slip is a sheet: with a barcode, without prices when so wished, and without what is around it on the screen.
func TestPackingSlipOnPaper(t *testing.T) {
	c := desk(t, app.Hooks{})
	in := c.place(1)
	c.other(in, "accept", "k", 0, "{}")
	path := "/orders/" + in.ID().String() + "/packing-slip"
	c.Open(path)
	c.Reads(".slip", "$25.00")
	c.Check("packing-slip")
	c.Follow("a[href$='prices=no']")
	if text := c.Text(".slip"); strings.Contains(text, "$") || !strings.Contains(text, "P-1") {
		t.Errorf("the slip without prices says %s", text)
	}
	c.Media("light", true)
	c.Picture("packing-slip-paper")
	if seen := browser.Eval[int](c.Page, "[...document.querySelectorAll('.top, .foot, .slip-tools button, .crumb')].filter(e => e.offsetParent).length"); seen != 0 {
		t.Errorf("%d parts of the screen are on paper", seen)
	}
	for name, size := range map[string][2]float64{"A4": {8.27, 11.69}, "Letter": {8.5, 11}} {
		var sheet []byte
		c.Call(func(ctx context.Context, target *chromedp.Target) error {
			r, err := cdp.Call(ctx, target, page.PrintToPDF, page.PrintToPDFParams{PaperWidth: size[0], PaperHeight: size[1]})
			if err == nil {
				sheet = r.Data
			}
			return err
		})
		if pages := bytes.Count(sheet, []byte("/Type /Page\n")); !bytes.HasPrefix(sheet, []byte("%PDF")) || pages != 1 {
			t.Errorf("%s: %d sheets", name, pages)
		}
	}
}
