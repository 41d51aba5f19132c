package test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
	"github.com/orderledger/orderledger/test/browser"
	"github.com/orderledger/orderledger/test/testenv"
)

const told = `(() => {
	window.told = [];
	for (const name of ['order', 'placed', 'resync']) document.addEventListener('ledger:' + name, e => told.push(name + ' ' + (e.detail.version || e.detail.count || '')));
	return true;
})()`

// wire is a way to the site that a test can cut.
type wire struct {
	*httptest.Server
	cut atomic.Bool
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.cut.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.Close)
	return w
}

// caughtUp waits until pages are told all that stands in the log.
func (s *site) caughtUp() {
	s.Helper()
	head, err := s.Head(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	ctx, leave := context.WithTimeout(s.Context(), testenv.Patience)
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/live", nil)
	if err != nil {
		s.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	want := fmt.Sprintf("id: %d", head)
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if lines.Text() == want {
			return
		}
	}
	s.Fatalf("pages are not told of position %d", head)
}

// shownAfter is how long it takes from an act of somebody else until an expression is true in the page, by one clock, since the browser
// runs on this machine. A test takes the quickest of a few: the machine may be busy with others.
func shownAfter(p *browser.Page, expression string, act func()) time.Duration {
	p.Helper()
	shown := make(chan float64, 1)
	go func() {
		defer close(shown)
		shown <- browser.Eval[float64](p, `new Promise(done => { const look = () => { if (`+expression+`) done(Date.now()); else setTimeout(look, 2); }; look(); })`)
	}()
	began := time.Now()
	act()
	at, ok := <-shown
	if !ok {
		p.FailNow() // with what the browser said
	}
	return time.Duration(at-float64(began.UnixMilli())) * time.Millisecond
}

// An open page is told of what others do, within 300 ms; it can be paused; and it says when its connection is lost, and comes back.
func TestPagesAreLive(t *testing.T) {
	s := newSite(t, nil)
	clerk := domain.Actor{ID: "ada", Role: domain.Clerk, Via: domain.ViaUI}
	var ids []uuid.UUID
	for i := range 4 {
		ids = append(ids, s.Place(t, clerk, querytest.Placed(fmt.Sprint("1-", i), domain.Account)))
	}
	w := newWire(t, s.URL)
	p := browser.Open(t, w.URL)
	s.caughtUp()
	p.Open("/parked")
	p.Await("document.querySelector('#live').dataset.state == 'live'")
	browser.Eval[bool](p, told)

	var stream string
	fastest := time.Hour
	for i := 0; i < len(ids) && fastest > 300*time.Millisecond; i++ {
		stream = eventstore.OrderStream(ids[i])
		browser.Eval[int](p, "told.length = 0")
		shown := fmt.Sprintf("document.querySelector('nav.where [data-count=owed]').textContent == '%d'", i+1)
		fastest = min(fastest, shownAfter(p, shown, func() { s.Add(t, stream, clerk, domain.Accepted{}, domain.Shipped{}) }))
		p.Await("told.at(-1) == 'order 3' && told.every(t => t == 'order 2' || t == 'order 3')") // together, or one after the other
	}
	if fastest > 300*time.Millisecond {
		t.Errorf("shown after %s", fastest)
	}

	p.Click("#live button")
	p.Await("document.querySelector('#live').dataset.state == 'paused'")
	s.Add(t, stream, clerk, domain.PaymentCaptured{Amount: 1, Currency: "USD", ExternalReference: "I1"})
	s.Place(t, clerk, querytest.Placed("2", domain.Account))
	s.caughtUp()
	p.Open("/parked") // the pause holds for the tab
	p.Await("document.querySelector('#live').dataset.state == 'paused'")
	browser.Eval[bool](p, told)
	s.Place(t, clerk, querytest.Placed("3", domain.Account))
	p.Check("paused")
	if n := browser.Eval[int](p, "told.length"); n != 0 {
		t.Errorf("told %d things while paused", n)
	}
	p.Click("#live button")
	p.Await("told.join() == 'placed 1'")

	w.cut.Store(true)
	w.CloseClientConnections()
	p.Await("document.querySelector('#live').dataset.state == 'lost'")
	p.Check("connection-lost")
	s.Add(t, stream, clerk, domain.NoteAdded{})
	w.cut.Store(false)
	browser.Eval[bool](p, "document.querySelector('#lost button').click() || true") // it may be back by itself, and the button gone
	p.Await("document.querySelector('#live').dataset.state == 'live' && document.querySelector('#lost').hidden")
	p.Await("told.join() == 'placed 1,order 5'") // what was missed is told
}

// Dialogs are for the keyboard, too: the focus goes in, Esc closes, and the focus is where it was. The same address is a page.
func TestPagesOpenDialogs(t *testing.T) {
	s := newSite(t, nil)
	p := browser.Open(t, s.URL)
	p.Open("/parked")
	browser.Eval[bool](p, `(() => {
		document.querySelector('main').insertAdjacentHTML('beforeend', '<p><a id="opener" href="/obligations" data-dialog>Open</a></p>');
		document.querySelector('#opener').focus();
		return true;
	})()`)
	p.Press("\r")
	p.Await("document.querySelector('#dialog').open && document.querySelector('#dialog h1').textContent.startsWith('On account')")
	p.Await("document.querySelector('#dialog').contains(document.activeElement)")
	if got := browser.Eval[string](p, "location.pathname"); got != "/parked" {
		t.Errorf("led to %s", got)
	}
	if n := p.Count("#dialog header, #dialog main"); n != 0 {
		t.Error("the whole page is in the dialog")
	}
	p.Check("dialog")
	p.Press(kb.Escape)
	p.Await("!document.querySelector('#dialog').open && document.activeElement.id == 'opener' && !document.querySelector('#dialog-body').children.length")

	browser.Eval[bool](p, `(() => { Ledger.toast('Order 1001 is accepted.', 'good', {label: 'Undo', run: () => { window.undone = true; }}); Ledger.toast('The order has changed.', 'bad'); return true; })()`)
	p.Check("toasts")
	p.Click(".toast.good button")
	p.Await("window.undone && document.querySelectorAll('.toast').length == 1")
	p.Sound()
}
