// Package browser drives a real Chromium for tests of the pages: as a person would, by keyboard and pointer, and as a critic would, with
// axe-core and screenshots. One Chromium serves a whole test binary; every Page has cookies of its own.
package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", os.Getenv("ORDERLEDGER_TEST_SCREENSHOTS"), "folder that pictures of the pages are written to")

const (
	step     = 20 * time.Second // for one thing that a test does
	starting = 2 * time.Minute  // for Chromium to be there
)

// Find finds the Chromium that tests use, or skips the test; where nothing may be skipped, the test fails.
func Find(t testing.TB) string {
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

var shared struct {
	sync.Mutex
	ctx  context.Context // of the browser; nil before the first page
	stop []func()
}

// start returns the context of the one browser, which is started when the first test asks.
func start(t testing.TB) context.Context {
	t.Helper()
	path := Find(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.ctx != nil {
		return shared.ctx
	}
	data, err := os.MkdirTemp("", "orderledger-browser-")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(data), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
	)
	alive, stop := context.WithCancel(context.Background()) // it outlives the test
	late := time.AfterFunc(starting, stop)
	defer late.Stop()
	allocator, free := chromedp.NewExecAllocator(alive, options...)
	ctx, leave := chromedp.NewContext(allocator)
	shared.stop = []func(){func() { _ = os.RemoveAll(data) }, stop, free, leave, func() { _ = chromedp.Cancel(ctx) }}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	shared.ctx = ctx
	return ctx
}

// Close ends the Chromium, if one was started. TestMain calls it after the tests.
func Close() {
	shared.Lock()
	defer shared.Unlock()
	for i := len(shared.stop) - 1; i >= 0; i-- {
		shared.stop[i]()
	}
	shared.ctx, shared.stop = nil, nil
}

// Page is one tab of a browser, in front of a ledger. Used by one goroutine.
type Page struct {
	testing.TB
	Ctx  context.Context
	Base string // the ledger's address

	mu     sync.Mutex
	faults []string // what the browser complained of
}

// Open opens a tab with cookies of its own; it is closed with the test. JavaScript is on, unless WithoutJavaScript is called.
func Open(t testing.TB, base string) *Page {
	t.Helper()
	return open(t, start(t), base, chromedp.WithNewBrowserContext())
}

// Another opens another tab of the same person: with the same cookies.
func (p *Page) Another() *Page {
	p.Helper()
	return open(p.TB, p.Ctx, p.Base)
}

func open(t testing.TB, parent context.Context, base string, options ...chromedp.ContextOption) *Page {
	t.Helper()
	p := &Page{TB: t, Base: base}
	ctx, leave := chromedp.NewContext(parent, append(options, chromedp.WithListener(p.listen))...)
	t.Cleanup(leave)
	p.Ctx = ctx
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as the context that opens it
		t.Fatal(err)
	}
	p.Do(chromedp.EmulateViewport(1280, 900))
	p.Media("light", false)
	return p
}

// listen keeps what the browser complains of: scripts that fail, and what the policy forbids.
func (p *Page) listen(event any) {
	fault := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			fault += " " + x.Description
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == "error" && e.Entry.Source != "network" { // a status that a test asks for is no fault
			fault = e.Entry.Text
		}
	}
	if fault != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.faults = append(p.faults, fault)
	}
}

// Sound fails the test when the browser complained of anything so far.
func (p *Page) Sound() {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		p.Errorf("the browser complains: %s", f)
	}
	p.faults = nil
}

// WithoutJavaScript turns JavaScript off in the tab, and sees that it is off.
func (p *Page) WithoutJavaScript() {
	p.Helper()
	p.Call(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	})
	p.Do(chromedp.Navigate(`data:text/html,<p>written</p><script>document.querySelector("p").textContent = "scripted"</script>`))
	if got := p.Text("p"); got != "written" {
		p.Fatalf("JavaScript is on: %q", got)
	}
}

// Call speaks with the browser directly.
func (p *Page) Call(f func(context.Context, *chromedp.Target) error) {
	p.Helper()
	p.Do(chromedp.Func(f))
}

// Do carries out actions, in bounded time.
func (p *Page) Do(actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Ctx, step)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// Run carries out an action and returns what it says.
func Run[T any](p *Page, what string, action chromedp.Action[T]) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Ctx, step)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		p.Fatalf("%s: %v", what, err)
	}
	return v
}

// Open goes to a page of the ledger and returns its HTTP status.
func (p *Page) Open(path string) int64 {
	p.Helper()
	return p.leads("open "+path, chromedp.Navigate(p.Base+path))
}

// Follow clicks on what leads to another page, waits for that, and returns its HTTP status.
func (p *Page) Follow(selector string) int64 {
	p.Helper()
	return p.leads("click on "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Go presses keys that lead to another page, waits for that, and returns its HTTP status.
func (p *Page) Go(keys string) int64 {
	p.Helper()
	return p.leads("press "+keys, chromedp.KeyEvent(keys))
}

func (p *Page) leads(what string, action chromedp.Action[chromedp.Void]) int64 {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Ctx, step)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, action)
	if err != nil {
		p.Fatalf("%s: %v", what, err)
	}
	return response.Status
}

// Click clicks on what does something in the page.
func (p *Page) Click(selector string) {
	p.Helper()
	p.Do(chromedp.Click(chromedp.CSS(selector)))
}

// Fill types into a field.
func (p *Page) Fill(selector, text string) {
	p.Helper()
	p.Do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Upload chooses files in a field.
func (p *Page) Upload(selector string, files ...string) {
	p.Helper()
	p.Do(chromedp.SetUploadFiles(chromedp.CSS(selector), files))
}

// Press presses keys, wherever the focus is; see chromedp/kb for those without a letter.
func (p *Page) Press(keys string) {
	p.Helper()
	p.Do(chromedp.KeyEvent(keys))
}

// Text is what the first element that fits says, its white space made plain.
func (p *Page) Text(selector string) string {
	p.Helper()
	return strings.Join(strings.Fields(Run(p, "text of "+selector, chromedp.TextContent(chromedp.CSS(selector)))), " ")
}

// Value is what a field holds.
func (p *Page) Value(selector string) string {
	p.Helper()
	return Run(p, "value of "+selector, chromedp.Value(chromedp.CSS(selector)))
}

// Reads waits until an element says something.
func (p *Page) Reads(selector, want string) {
	p.Helper()
	says := fmt.Sprintf("document.querySelector(%q)?.textContent.replace(/\\s+/g, ' ').includes(%q)", selector, want)
	if err := p.await(says); err != nil {
		p.Fatalf("%s does not say %q: %v; the page:\n%s", selector, want, err, p.Text("main"))
	}
}

// Count is how many elements fit.
func (p *Page) Count(selector string) int {
	p.Helper()
	return Eval[int](p, fmt.Sprintf("document.querySelectorAll(%q).length", selector))
}

// Eval is the value of a JavaScript expression, which may be a promise.
func Eval[T any](p *Page, expression string) T {
	p.Helper()
	return Run(p, expression, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Await waits until a JavaScript expression is true.
func (p *Page) Await(expression string) {
	p.Helper()
	if err := p.await(expression); err != nil {
		p.Fatalf("await %s: %v; the page:\n%s", expression, err, p.Text("body"))
	}
}

// await begins anew when the page is left for another one meanwhile, or when it is not far enough to answer.
func (p *Page) await(expression string) error {
	ctx, cancel := context.WithTimeout(p.Ctx, step)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Poll[bool]("!!("+expression+")", chromedp.WithPollingInterval(20*time.Millisecond)))
		if err == nil || pause(ctx) != nil {
			return err
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}

// Media makes the system dark or light, and for paper.
func (p *Page) Media(scheme string, print bool) {
	p.Helper()
	params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}
	if print {
		params.Media = "print"
	}
	p.Call(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, params)
		return err
	})
}

// Size makes the window so many CSS pixels wide and high.
func (p *Page) Size(width, height int64) {
	p.Helper()
	p.Do(chromedp.EmulateViewport(width, height))
}

// Picture writes what the page looks like into the folder of -screenshots, whole; nothing without that folder.
func (p *Page) Picture(name string) {
	p.Helper()
	if *screenshots == "" {
		return
	}
	if err := os.MkdirAll(*screenshots, 0o750); err != nil {
		p.Fatal(err)
	}
	png := Run(p, "picture", chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o600); err != nil {
		p.Fatal(err)
	}
}
