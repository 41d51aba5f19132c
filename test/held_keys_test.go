package test

import (
	"context"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/test/browser"
)

// key makes one key event, as a keyboard does.
func key(p *browser.Page, e input.DispatchKeyEventParams) {
	p.Helper()
	p.Call(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, input.DispatchKeyEvent, e)
		return err
	})
}

// A key that is held down opens a dialog, and does not answer it, too.
func TestAHeldKeyDoesNotConfirm(t *testing.T) {
	c, in := atAccepted(t)
	repeat := true
	version := 2
	hold := func(verb string, e input.DispatchKeyEventParams) {
		t.Helper()
		// The dialog comes when the key is down, however quick it is.
		browser.Eval[bool](c.Page, `document.querySelector('#act-`+verb+`').focus(), window.fetched = fetch,
			window.fetch = async (...of) => { await new Promise((go) => { window.go = go; }); return fetched(...of); }, true`)
		e.Type = input.DispatchKeyEventTypeKeyDown
		key(c.Page, e)
		if e.Key == " " { // which presses a button when it is let go
			key(c.Page, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Code: e.Code, Key: e.Key, WindowsVirtualKeyCode: e.WindowsVirtualKeyCode})
			key(c.Page, e)
		}
		c.Await("window.go")
		browser.Eval[bool](c.Page, "window.fetch = fetched, go(), delete window.go")
		c.Await(heeds)
		e.AutoRepeat = &repeat
		for range 5 {
			key(c.Page, e)
		}
		e.Type, e.Text, e.AutoRepeat = input.DispatchKeyEventTypeKeyUp, "", nil
		key(c.Page, e)
		if o, n := c.order(in, "CaptureRequested"); o.Version != version {
			t.Fatalf("a held %q confirmed: %s, %d captures", e.Key, verb, n)
		}
		if !browser.Eval[bool](c.Page, "document.querySelector('#dialog').open") {
			t.Fatalf("a held %q left the dialog: %s", e.Key, verb)
		}
		c.Press(kb.Escape)
		c.Await("!document.querySelector('#dialog').open")
	}
	enter := input.DispatchKeyEventParams{Code: "Enter", Key: "Enter", Text: "\r", WindowsVirtualKeyCode: 13}
	space := input.DispatchKeyEventParams{Code: "Space", Key: " ", Text: " ", WindowsVirtualKeyCode: 32}
	for _, verb := range []string{"capture", "ship", "cancel"} {
		hold(verb, enter)
	}
	hold("capture", space)
	c.ask("capture")
	browser.Eval[bool](c.Page, `document.querySelector('`+yes+`').focus(), true`)
	c.leads(chromedp.KeyEvent(kb.Enter)) // pressed once more, it confirms
	c.await(".said.done", "The payment is captured.")
	c.look(in)
	version = 4
	for _, verb := range []string{"refund", "cancel"} {
		hold(verb, enter)
	}
	c.Sound()
}

// What is pressed in the moment in which a dialog comes was not meant for it.
func TestADialogIsNotAnsweredBeforeItCanBeRead(t *testing.T) {
	c, _ := atAccepted(t)
	browser.Eval[bool](c.Page, `(() => {
		window.sent = [];
		addEventListener('submit', (e) => { if (e.target.method === 'post') { sent.push(!e.defaultPrevented); e.preventDefault(); } });
		return true;
	})()`)
	for range 2 {
		browser.Eval[bool](c.Page, `(async () => {
			const button = document.querySelector('#act-capture');
			sent.length = 0;
			await Ledger.dialog(button.form.action + '?seen=2', button);
			document.querySelector('`+yes+`').click();
			return true;
		})()`)
		c.Await(heeds)
		browser.Eval[bool](c.Page, `document.querySelector('`+yes+`').click(), true`)
		if sent := browser.Eval[[]bool](c.Page, "sent"); !slices.Equal(sent, []bool{false, true}) {
			t.Errorf("clicks that were sent, at once and after a while: %v", sent)
		}
		c.Press(kb.Escape)
		c.Await("!document.querySelector('#dialog').open")
	}
	c.Sound()
}

// A dialog that is closed can be opened again at once, before the browser has told of the close.
func TestADialogOpensAgainAtOnce(t *testing.T) {
	c, _ := atAccepted(t)
	wrong := browser.Eval[[]string](c.Page, `(async () => {
		const box = document.querySelector('#dialog'), wrong = [];
		const frames = () => new Promise((told) => requestAnimationFrame(() => requestAnimationFrame(told)));
		for (let i = 0; i < 20; i++) {
			const verb = i % 2 ? 'ship' : 'capture', button = document.querySelector('#act-' + verb);
			await Ledger.dialog(button.form.action + '?seen=2', button);
			await frames();
			const form = document.querySelector('#dialog-body form[method="post"]');
			if (!box.open || !form?.action.endsWith('/' + verb) || !form.contains(document.activeElement)) {
				wrong.push(i + ' ' + verb + ': open ' + box.open + ', ' + form?.action + ', focus on ' + document.activeElement.outerHTML.slice(0, 80));
			}
			box.close();
		}
		await frames();
		const left = document.querySelector('#dialog-body').innerHTML, at = document.activeElement.id;
		if (left || at !== 'act-ship') wrong.push('closed: focus on ' + at + ', left ' + left);
		const button = document.querySelector('#act-ship');
		await Ledger.dialog(button.form.action + '?seen=2', button);
		box.close();
		await Promise.all([Ledger.dialog(button.form.action + '?seen=2', button), Ledger.dialog(button.form.action + '?seen=2', button)]);
		if (!box.open) wrong.push('asked for twice, not shown');
		if (document.querySelector('.toast')) wrong.push('asked for twice: ' + document.querySelector('.toast').textContent);
		box.close();
		document.querySelector('#act-cancel').focus();
		await frames();
		if (document.activeElement.id !== 'act-cancel') wrong.push('the focus was moved on to act-cancel, and taken back to ' + document.activeElement.id);
		return wrong;
	})()`)
	for _, w := range wrong {
		t.Error(w)
	}
	browser.Eval[bool](c.Page, `window.fetch = () => Promise.reject(new TypeError('no network')), true`)
	c.Click("#act-capture")
	c.Reads("#alerts", "The ledger does not answer. Try again.")
	if browser.Eval[bool](c.Page, "document.querySelector('#dialog').open") {
		t.Error("a dialog without anything in it")
	}
	c.Sound()
}

// Where digits need Shift, as on French keyboards, g and the digit's key go to a tab without it.
func TestDigitsOfAFrenchKeyboard(t *testing.T) {
	c := desk(t, app.Hooks{})
	c.Open("/orders?tab=new")
	for _, e := range []input.DispatchKeyEventParams{
		{Code: "Digit3", Key: "\"", Text: "\"", WindowsVirtualKeyCode: 51},
		{Code: "Digit2", Key: "2", Text: "2", WindowsVirtualKeyCode: 50, Modifiers: 8},
		{Code: "Numpad6", Key: "6", Text: "6", WindowsVirtualKeyCode: 102},
	} {
		c.Press("g")
		e.Type = input.DispatchKeyEventTypeKeyDown
		c.leads(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, input.DispatchKeyEvent, e)
			return err
		}))
		want := map[string]string{"Digit3": "?tab=shipped", "Digit2": "?tab=paid", "Numpad6": "?tab=archived"}[e.Code]
		if at := browser.Eval[string](c.Page, "location.search"); at != want {
			t.Errorf("g %s leads to %s", e.Key, at)
		}
	}
}
