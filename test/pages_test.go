package test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
	"github.com/orderledger/orderledger/test/browser"
)

// site is the dashboard in front of a ledger that holds what a test puts there, be it ever so rare in earnest.
type site struct {
	*testing.T
	*querytest.Ledger
	URL  string
	role atomic.Pointer[domain.Role]
	lag  atomic.Uint64
	deps dashboard.Deps
}

// newSite serves until the test ends; edit changes what the pages are made of.
func newSite(t *testing.T, edit func(*dashboard.Deps)) *site {
	t.Helper()
	browser.Find(t)
	s := &site{T: t, Ledger: querytest.New()}
	s.as(domain.Manager)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	done := make(chan struct{})
	live := dashboard.NewLive(dashboard.LiveDeps{
		Follow: func(after eventstore.Position) queryapi.Follower { return s.Follow(after) },
		Status: func(ctx context.Context) (projections.Status, error) {
			head, err := s.Head(ctx)
			return projections.Status{Checkpoint: head, Head: head, Lag: s.lag.Load()}, err
		},
		Counts: s.Counts, Done: done, Logger: quiet,
	})
	s.deps = dashboard.Deps{
		Reader: s.Ledger, Waiter: s.Ledger, Log: s.Ledger, Acts: noActs{}, Mail: twoLetters{}, Now: s.Now, Logger: quiet, Sandbox: true, Live: live,
		Pacer: somePace{}, Health: func(context.Context) dashboard.Health {
			return dashboard.Health{Facts: []string{"The pages show all that the log holds.", "Nothing waits for Stripe.", "Stripe answers."}}
		},
	}
	if edit != nil {
		edit(&s.deps)
	}
	pages := dashboard.Handler(s.deps)
	mux := http.NewServeMux()
	mux.Handle("GET /static/", dashboard.Static())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		actor := domain.Actor{ID: "maximiliane.von-der-werkstatt@autohaus.example", Role: *s.role.Load(), Via: domain.ViaUI}
		pages.ServeHTTP(w, r.WithContext(domain.WithActor(r.Context(), actor)))
	})
	server := httptest.NewServer(mux)
	s.URL = server.URL
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- live.Run(ctx) }()
	t.Cleanup(func() {
		close(done)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return s
}

// as makes whoever comes next somebody of a role.
func (s *site) as(role domain.Role) { s.role.Store(&role) }

type noActs struct{}

func (noActs) Do(context.Context, dashboard.Act) (eventstore.Position, error) { return 0, nil }

type twoLetters struct{}

func (twoLetters) Resend(context.Context, uuid.UUID, uuid.UUID, string) (eventstore.Position, error) {
	return 0, nil
}
func (twoLetters) HasOutbox() bool { return true }
func (l twoLetters) Outbox(int) ([]dashboard.Letter, int, error) {
	a, _ := l.Letter("m1")
	b := a
	b.ID, b.To, b.Subject = "m2", "somebody.with.a.very.long.address@a-company-with-a-long-name.example", "Your order 20432-ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789 has been shipped, and this is a long subject"
	return []dashboard.Letter{a, b}, 7, nil
}

func (twoLetters) Letter(id string) (dashboard.Letter, error) {
	return dashboard.Letter{
		ID: id, MessageID: "<1@ledger.example>", From: "Harbor Parts <orders@harbor.example>", To: "zoe@example.com", Subject: "Your order 100",
		Text: "Dear Zoë,\n\nwe have your order.\n", HTML: "<p>Dear Zoë,</p><p>we have your order.</p>", At: querytest.Start,
	}, nil
}
func (twoLetters) Previews() []string { return []string{"placed-card", "shipped"} }
func (l twoLetters) Preview(string, domain.Order) (dashboard.Letter, error) {
	return l.Letter("preview")
}

// somePace is a month of work.
type somePace struct{}

func (somePace) Pace(_ context.Context, q projections.PaceQuery) (projections.Pace, error) {
	p := projections.Pace{
		Accept: projections.Spread{Count: 1204, Median: 95 * time.Minute, P90: 9 * time.Hour},
		Ship:   projections.Spread{Count: 1104, Median: 26 * time.Hour, P90: 75 * time.Hour},
	}
	for i := range q.Days {
		n := int64(40 + 25*math.Sin(float64(i)/3))
		p.Days = append(p.Days, projections.Day{
			Begin: q.Last.AddDate(0, 0, i-q.Days+1), Orders: n, Totals: projections.Sums{"USD": n * 12345, "EUR": n * 99},
			Captured: projections.Sums{"USD": n * 11111, "EUR": n * 90}, Refunded: projections.Sums{"USD": n % 7 * 20000},
		})
	}
	return p, nil
}

func (somePace) BadgeCounts(context.Context) (projections.BadgeCounts, error) {
	return projections.BadgeCounts{
		domain.BadgeRefundFailed: {domain.TabPaid: 1, domain.TabShipped: 2}, domain.BadgeAuthorizationExpiring: {domain.TabNew: 14},
		domain.BadgeDisputed: {domain.TabShipped: 1}, domain.BadgeCaptureFailed: {domain.TabNew: 3},
	}, nil
}

// longNames is an order whose texts are as long as they may be, in one word and in many.
func longNames(number string, m domain.Method) domain.Placed {
	p := querytest.Placed(number, m)
	p.Personal.Customer.Name = "Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewissenhaftschaferswessenschafe"
	p.Personal.Customer.Company = strings.TrimSpace(strings.Repeat("Vereinigte Werkstätten ", 8))
	p.Manufacturer = "a-manufacturer-with-a-name-of-sixty-three-characters-in-one-word"[:63]
	return p
}

// fill puts orders at every stage into the site, with what seldom happens.
func (s *site) fill() {
	clerk := domain.Actor{ID: "ada", Role: domain.Clerk, Via: domain.ViaUI}
	asked := domain.CaptureRequested{PaymentIntent: "pi_1", Amount: 47238, Currency: "USD"}
	parked := domain.Parked{Reason: "Stripe is silent: the last of 12 attempts ended after 30s without an answer.", Attempts: 12, StripeRequests: []string{"req_1"}}
	add := func(p domain.Placed, then ...domain.Event) { s.Place(s, clerk, p, then...) }
	add(querytest.Placed("1001", domain.Card))
	add(querytest.Placed("1002", domain.Card), domain.Accepted{})
	add(querytest.Placed("1003", domain.Card), domain.Accepted{}, asked, parked)
	add(longNames("ORDER-NUMBERS-MAY-BE-LONG-0123456789-0123456789-0123456789", domain.Card), domain.Accepted{}, asked, parked)
	add(querytest.Placed("1004", domain.Card), domain.Accepted{}, querytest.Captured("1004"))
	add(querytest.Placed("1005", domain.Account), domain.Accepted{}, domain.Shipped{})
	add(longNames("1006", domain.Account), domain.Accepted{}, domain.Shipped{})
	add(querytest.Placed("1007", domain.Account), domain.Accepted{}, domain.PaymentCaptured{Amount: 47238, Currency: "USD", ExternalReference: "INV-1"},
		domain.Refunded{Amount: 47238, Currency: "USD"})
}

// Every page can be used by everybody: nothing that axe-core finds, light and dark, wide and narrow; and nothing sticks out.
func TestPagesAreAccessible(t *testing.T) {
	s := newSite(t, nil)
	p := browser.Open(t, s.URL)
	look := func(name, path string, status int64) {
		t.Helper()
		if got := p.Open(path); got != status {
			t.Errorf("%s: status %d, want %d", path, got, status)
		}
		p.Await("document.querySelector('#live').dataset.state != ''")
		p.Check(name)
	}
	look("overview-nothing", "/overview?days=7", 200)
	look("parked-empty", "/parked", 200)
	look("obligations-empty", "/obligations", 200)
	s.fill()
	look("overview", "/overview", 200)
	look("parked", "/parked", 200)
	look("obligations", "/obligations", 200)
	look("obligations-none-fits", "/obligations?manufacturer=nobody", 200)
	look("outbox", "/outbox", 200)
	look("letter", "/outbox/m1", 200)
	look("nothing-here", "/nowhere", 404)
	look("bad-query", "/overview?days=x", 400)
	s.as(domain.Auditor)
	look("parked-auditor", "/parked", 200)
	look("obligations-auditor", "/obligations", 200)
	if n := p.Count("main form[method='post'], main .primary"); n != 0 {
		t.Errorf("an auditor has %d forms", n)
	}
	s.as(domain.Shop)
	p.Open("/overview")
	p.Check("not-allowed")

	s.as(domain.Manager)
	s.lag.Store(123456)
	p.Open("/parked")
	p.Await("document.querySelector('#live').dataset.state == 'stale'")
	p.Check("stale")
	p.Open("/parked")
	p.Reads("main", "123456 events behind")
	s.lag.Store(0)
	p.Await("document.querySelector('#live').dataset.state == 'live'")

	p.Open("/overview")
	p.Media("light", true)
	p.Picture("overview-print")
	p.Media("light", false)
}

// Light or dark, and whose times, is chosen in the menu, and holds on every page.
func TestPagesFollowTheirReader(t *testing.T) {
	s := newSite(t, nil)
	p := browser.Open(t, s.URL)
	for _, theme := range []string{"dark", "light"} {
		p.Open("/parked")
		p.Click("details.menu summary")
		p.Check("menu-" + theme)
		p.Follow(fmt.Sprintf(`button[name="theme"][value="%s"]`, theme))
		if got := browser.Eval[string](p, "document.documentElement.dataset.theme + getComputedStyle(document.documentElement).colorScheme"); got != theme+theme {
			t.Errorf("theme %s: %s", theme, got)
		}
		if got := browser.Eval[string](p, "location.pathname"); got != "/parked" {
			t.Errorf("led to %s", got)
		}
	}
	p.Press("\t") // the first thing that the keyboard comes to leads past the navigation
	p.Reads(":focus", "To the content")
	p.Press("\r")
	p.Await("document.activeElement.id == 'main'")
}

// What the other tests look for is found where it is: a page that scrolls sideways, and controls that nobody can press.
func TestPagesThatAreLaidOutWronglyAreFound(t *testing.T) {
	s := newSite(t, nil)
	p := browser.Open(t, s.URL)
	p.Size(390, 844)
	for _, tt := range []struct{ html, finds string }{
		{`<p>Nothing is wrong here: <button>One</button> <button>Two</button></p>`, ""},
		{`<p data-css="width: 500px">Wide</p>`, "too wide"},
		{`<button data-css="position: relative; left: -40px">Half</button>`, "cut off"},
		{`<div data-css="width: 60px; overflow: hidden"><button data-css="width: 200px">Half</button></div>`, "cut off"},
		{`<div class="scroll" data-css="width: 60px"><button data-css="width: 200px">Can be scrolled to</button></div>`, ""},
		{`<button>One</button><button data-css="margin-left: -2em">Two</button>`, "on one another"},
		{`<table class="orders"><tr><td class="order_number"><a href="/">1</a></td></tr></table>`, ""},
	} {
		p.Open("/parked")
		browser.Eval[string](p, fmt.Sprintf(`const main = document.querySelector('main');
			main.innerHTML = %q;
			main.querySelectorAll('[data-css]').forEach(e => { e.style.cssText = e.dataset.css; }); ''`, tt.html))
		if got := strings.Join(p.LaidOut(), "; "); (got == "") != (tt.finds == "") || !strings.Contains(got, tt.finds) {
			t.Errorf("%s: found %q, want %q", tt.html, got, tt.finds)
		}
	}
}
