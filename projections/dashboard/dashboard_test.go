package dashboard_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
)

// acts notes what was asked for, and answers as it is told.
type acts struct {
	asked    []dashboard.Act
	position eventstore.Position
	err      error
}

func (a *acts) Do(_ context.Context, act dashboard.Act) (eventstore.Position, error) {
	a.asked = append(a.asked, act)
	return a.position, a.err
}

type site struct {
	t *testing.T
	l *querytest.Ledger
	a *acts
	h http.Handler
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func open(t *testing.T) *site {
	s := &site{t: t, l: querytest.New(), a: &acts{}}
	s.h = dashboard.Handler(dashboard.Deps{
		Reader: s.l, Waiter: s.l, Log: s.l, Acts: s.a, Now: s.l.Now, Sandbox: true,
		Logger: quiet, SignIn: "Ask for a token.", Wait: time.Millisecond,
	})
	return s
}

// do asks as a role and wants a status.
func (s *site) do(role domain.Role, r *http.Request, status int) *httptest.ResponseRecorder {
	s.t.Helper()
	w := httptest.NewRecorder()
	actor := domain.Actor{ID: "the-" + string(role), Role: role, Via: domain.ViaUI}
	s.h.ServeHTTP(w, r.WithContext(domain.WithActor(r.Context(), actor)))
	if w.Code != status {
		s.t.Fatalf("%s %s as %s: %d, want %d:\n%s", r.Method, r.URL, role, w.Code, status, w.Body)
	}
	return w
}

func (s *site) get(role domain.Role, path string, status int) string {
	s.t.Helper()
	return s.do(role, httptest.NewRequest(http.MethodGet, path, nil), status).Body.String()
}

func (s *site) post(role domain.Role, path string, form url.Values, status int) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return s.do(role, r, status)
}

var clerk = domain.Actor{ID: "ada", Role: domain.Clerk, Via: domain.ViaUI}

func path(id uuid.UUID, more ...string) string {
	return "/orders/" + id.String() + strings.Join(more, "")
}

// plain is a page without what keeps people's texts apart from what is around them.
func plain(page string) string { return strings.NewReplacer("<bdi>", "", "</bdi>", "").Replace(page) }

func wantAll(t *testing.T, page string, parts ...string) {
	t.Helper()
	page = plain(page)
	for _, p := range parts {
		if !strings.Contains(page, p) {
			t.Errorf("%q is missing in\n%s", p, page)
		}
	}
}

func wantNone(t *testing.T, page string, parts ...string) {
	t.Helper()
	page = plain(page)
	for _, p := range parts {
		if strings.Contains(page, p) {
			t.Errorf("%q is in\n%s", p, page)
		}
	}
}

func TestRootLeadsToNewOrders(t *testing.T) {
	w := open(t).do(domain.Clerk, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusSeeOther)
	if to := w.Header().Get("Location"); to != "/orders?tab=new" {
		t.Errorf("to %s", to)
	}
}

func TestList(t *testing.T) {
	s := open(t)
	wantAll(t, s.get(domain.Viewer, "/orders", 200), "No new orders", "No money moves", `<strong>the-viewer</strong> <span class="roomy">(viewer)`)
	s.l.Place(t, clerk, querytest.Placed("100", domain.Card))
	s.l.Place(t, clerk, querytest.Placed("101", domain.Card), domain.Accepted{})
	s.l.Place(t, clerk, querytest.Placed("102", domain.Account), domain.Accepted{}, domain.Shipped{})
	page := s.get(domain.Viewer, "/orders?tab=new&sort=-total&status=", 200)
	wantAll(t, page, `aria-current="page">New <span class="count" data-count="new" data-n="2">2</span>`,
		`Shipped <span class="count" data-count="shipped" data-n="1">1</span>`, `Archived <span class="count" data-count="archived" data-n="0">0</span>`, "Un-reviewed", "Accepted", "Review<span", "472.38 USD",
		`sort=total&amp;tab=new">Total`, `class="total" aria-sort="descending"`)
	if n := strings.Count(page, "data-order="); n != 2 {
		t.Errorf("%d rows", n)
	}
	wantAll(t, s.get(domain.Viewer, "/orders?tab=shipped", 200), "Entry owed", "Open<span")
	wantAll(t, s.get(domain.Viewer, "/orders?tab=new&badge=parked", 200), "No order fits", ">Clear all</a>", `value="parked" checked`, "Badge: <strong>Waits for a person</strong>")
	wantAll(t, s.get(domain.Viewer, "/orders?sort=nonsense", 400), "can&#39;t be shown")
	s.get(domain.Viewer, "/orders?tab=nonsense", 400)
}

// What is to be confirmed is counted, marked and shown by the reader's clock; what was confirmed too late says so.
func TestConfirmations(t *testing.T) {
	s := open(t)
	placed := func(number string, by, from time.Duration) domain.Placed {
		p := querytest.Placed(number, domain.Account)
		p.Confirm.By, p.Confirm.DueFrom = querytest.Start.Add(by), querytest.Start.Add(from)
		return p
	}
	wantNone(t, s.get(domain.Clerk, "/orders", 200), "to be confirmed", "not confirmed in time")
	s.l.Place(t, clerk, placed("later", 30*time.Hour, 15*time.Hour))
	s.l.Place(t, clerk, placed("today", 8*time.Hour, -9*time.Hour))
	missed := domain.ConfirmationMissed{ConfirmBy: querytest.Start.Add(time.Second)}
	s.l.Place(t, clerk, placed("missed", time.Second, -9*time.Hour), missed)
	late := s.l.Place(t, clerk, placed("late", time.Second, -9*time.Hour), missed, domain.Accepted{})
	inTime := s.l.Place(t, clerk, placed("in-time", 9*time.Hour, 0), domain.Accepted{})
	page := s.get(domain.Clerk, "/orders?tab=new&sort=confirm_by", 200)
	wantAll(t, page, "1 order is to be confirmed today", "1 order was not confirmed in time", "Confirm today", "Confirmation missed",
		"2026-03-02 17:00", "2026-03-03 15:00", `aria-sort="ascending"`)
	for badge, rows := range map[string]int{"confirmation_due": 1, "confirmation_missed": 2, "confirmation_missed&status=placed": 1} {
		if page := s.get(domain.Clerk, "/orders?tab=new&badge="+badge, 200); strings.Count(page, "data-order=") != rows {
			t.Errorf("badge %s: %d rows, want %d", badge, strings.Count(page, "data-order="), rows)
		}
	}
	wantAll(t, s.get(domain.Clerk, path(late), 200), "UTC</time> <strong>late</strong>", "<strong>Accepted late</strong>", "Confirmation missed", "(America/New_York)")
	wantNone(t, s.get(domain.Clerk, path(inTime), 200), "late</strong>")
}

func TestNextPageKeepsTheQuery(t *testing.T) {
	s := open(t)
	for i := range 51 {
		s.l.Place(t, clerk, querytest.Placed(string(rune('a'+i/26))+string(rune('a'+i%26)), domain.Card))
	}
	page := s.get(domain.Viewer, "/orders?tab=new&sort=total", 200)
	wantAll(t, page, `href="/orders?cursor=50&amp;sort=total&amp;tab=new">Next page`)
	last := s.get(domain.Viewer, "/orders?cursor=50&sort=total&tab=new", 200)
	wantAll(t, last, `href="/orders?sort=total&amp;tab=new">First page`)
	wantNone(t, last, "Next page")
}

// mainOf is the page without what is around it: the menu of whoever looks at it has forms of its own.
func mainOf(page string) string {
	_, rest, _ := strings.Cut(page, `<main id="main" tabindex="-1">`)
	middle, _, _ := strings.Cut(rest, "</main>")
	return middle
}

// forms are the verbs that an order page has a form for.
func forms(page string) string {
	var verbs []string
	for _, part := range strings.Split(page, `data-verb="`)[1:] {
		verb, _, _ := strings.Cut(part, `"`)
		verbs = append(verbs, verb)
	}
	return strings.Join(verbs, " ")
}

func TestFormsForWhatIsAllowed(t *testing.T) {
	s := open(t)
	pending := domain.CaptureRequested{PaymentIntent: "pi_pending", Amount: 47238, Currency: "USD"}
	refunded := domain.Refunded{Refund: "re_1", Amount: 47238, Currency: "USD"}
	for _, c := range []struct {
		number         string
		method         domain.Method
		then           []domain.Event
		clerk, manager string
	}{
		{"new", domain.Card, nil, "accept notes", "accept cancel notes"},
		{"accepted", domain.Card, []domain.Event{domain.Accepted{}}, "capture ship notes", "capture ship cancel notes"},
		{"pending", domain.Card, []domain.Event{domain.Accepted{}, pending}, "notes", "notes"},
		{"paid", domain.Card, []domain.Event{domain.Accepted{}, querytest.Captured("paid")}, "ship notes", "ship refund cancel notes"},
		{"shipped", domain.Card, []domain.Event{domain.Accepted{}, querytest.Captured("shipped"), domain.Shipped{}}, "archive tracking notes", "archive tracking refund notes"},
		{"refunded", domain.Card, []domain.Event{domain.Accepted{}, querytest.Captured("refunded"), refunded}, "archive notes", "archive notes"},
		{"expired", domain.Card, []domain.Event{domain.Accepted{}, domain.AuthorizationExpired{PaymentIntent: "pi_expired"}}, "reauthorize notes", "reauthorize cancel notes"},
		{"archived", domain.Card, []domain.Event{domain.Cancelled{How: domain.HoldReleased}, domain.Archived{}}, "unarchive notes", "unarchive notes"},
		{"onaccount", domain.Account, []domain.Event{domain.Accepted{}}, "ship capture notes", "ship cancel capture notes"},
		{"owed", domain.Account, []domain.Event{domain.Accepted{}, domain.Shipped{}}, "tracking capture notes", "tracking refund capture notes"},
		{"reversal", domain.Account, []domain.Event{domain.Accepted{}, domain.PaymentCaptured{ExternalReference: "I1"}, refunded}, "reversal notes", "reversal notes"},
		{"parked", domain.Card, []domain.Event{domain.Accepted{}, pending, domain.Parked{Reason: "Stripe says both"}}, "notes", "notes"},
	} {
		id := s.l.Place(t, clerk, querytest.Placed(c.number, c.method), c.then...)
		for role, want := range map[domain.Role]string{domain.Viewer: "", domain.Auditor: "", domain.Clerk: c.clerk, domain.Manager: c.manager} {
			page := s.get(role, path(id), 200)
			if got := forms(page); got != want {
				t.Errorf("%s as %s: forms for %q, want %q", c.number, role, got, want)
			}
			if role == domain.Viewer {
				wantNone(t, mainOf(page), "<form", "<button")
			}
		}
	}
}

func TestOrderPageSaysEverything(t *testing.T) {
	s := open(t)
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card), domain.Accepted{},
		domain.NoteAdded{NoteID: uuid.Max, Personal: domain.NoteText{Text: "call first"}},
		domain.CaptureRequested{PaymentIntent: "pi_100", Amount: 47238, Currency: "USD"},
		domain.CaptureFailed{Failure: domain.Failure{Code: "card_declined", Message: "Your card was declined.", DeclineCode: "do_not_honor"}})
	page := s.get(domain.Clerk, path(id), 200)
	wantAll(t, page, "Queso Cabrales", "40.00 USD", "8.5 %", "32.38 USD", "472.38 USD", "Paul Henriot", "vinet@example.com", "26.47.15.10",
		"59 rue de l&#39;Abbaye", "51100 Reims", "Visa •••• 4242", "Hold ends", "8 Mar 2026, 09:00 UTC", "call first", "pi_100",
		"Capture failed", "Your card was declined.", "do_not_honor", "ada (clerk), through the dashboard", path(id, "/events/4"),
		"Stripe refused to take the money", "3 Mar 2026, 09:00 UTC", "America/New_York")
	s.get(domain.Clerk, "/orders/"+uuid.NewString(), 404)
	s.get(domain.Clerk, "/orders/10248", 404)
}

func TestMoneyIsAskedAboutFirst(t *testing.T) {
	s := open(t)
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card), domain.Accepted{})
	page := s.get(domain.Manager, path(id, "/confirm/capture"), 200)
	wantAll(t, page, "472.38 USD are taken from Visa •••• 4242", `method="post"`, `name="confirmed" value="yes"`, `name="version" value="2"`, `name="key" value="`)
	wantAll(t, s.get(domain.Manager, path(id, "/confirm/ship"), 200), "if Stripe refuses", `name="carrier"`)
	wantAll(t, s.get(domain.Manager, path(id, "/confirm/cancel"), 200), "the hold of 472.38 USD on Visa •••• 4242 is released", `name="reason"`)
	wantAll(t, s.get(domain.Manager, path(id, "/confirm/refund"), 409), "nothing to refund", "Look at the order")
	s.get(domain.Clerk, path(id, "/confirm/cancel"), 403)
	s.get(domain.Manager, path(id, "/confirm/accept"), 404)
	s.get(domain.Manager, path(id, "/confirm/nonsense"), 404)

	form := url.Values{"key": {"k1"}, "version": {"2"}}
	for _, verb := range []string{"capture", "ship", "cancel", "refund", "reauthorize"} {
		if to := s.post(domain.Admin, path(id, "/", verb), form, 303).Header().Get("Location"); to != path(id, "/confirm/", verb) {
			t.Errorf("%s leads to %s", verb, to)
		}
	}
	if len(s.a.asked) != 0 {
		t.Fatalf("done without asking: %+v", s.a.asked)
	}
	form.Set("confirmed", "yes")
	if to := s.post(domain.Clerk, path(id, "/capture"), form, 303).Header().Get("Location"); to != path(id, "?did=capture") {
		t.Errorf("leads to %s", to)
	}
	want := dashboard.Act{OrderID: id, Verb: domain.VerbCapture, Key: "k1", Version: 2}
	if len(s.a.asked) != 1 || s.a.asked[0].Key != want.Key || s.a.asked[0].Version != 2 || s.a.asked[0].Verb != want.Verb || s.a.asked[0].OrderID != id {
		t.Errorf("asked %+v", s.a.asked)
	}
}

func TestFormsReachTheActs(t *testing.T) {
	s := open(t)
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Account), domain.Accepted{})
	form := url.Values{
		"key": {"k1"}, "version": {"2"}, "carrier": {" ups ", "", ""}, "number": {"1Z999AA10123456784", "", "3318810025"},
		"confirmed":          {"yes"},
		"external_reference": {" INV-1 "}, "reason": {"why"}, "text": {"a\r\nb"},
	}
	s.post(domain.Clerk, path(id, "/ship"), form, 303)
	f := s.a.asked[0].Form
	if len(f.Tracking) != 2 || f.Tracking[0] != (domain.Tracking{Carrier: "ups", Number: "1Z999AA10123456784"}) ||
		f.Tracking[1] != (domain.Tracking{Carrier: "dhl", Number: "3318810025"}) ||
		f.ExternalReference != "INV-1" || f.Reason != "why" || f.Text != "a\nb" {
		t.Errorf("got %+v", f)
	}
	for _, broken := range []url.Values{
		{"version": {"2"}},
		{"key": {"k"}},
		{"key": {"k"}, "version": {"0"}},
		{"key": {strings.Repeat("k", 65)}, "version": {"2"}},
		{"key": {"k"}, "version": {"2"}, "carrier": {"ups"}},
	} {
		wantAll(t, s.post(domain.Clerk, path(id, "/ship"), broken, 400).Body.String(), "Nothing was changed")
	}
	s.post(domain.Clerk, path(id, "/ship"), url.Values{"text": {strings.Repeat("x", 70_000)}}, 413)
	s.post(domain.Clerk, path(id, "/place"), form, 404)
	s.post(domain.Viewer, path(id, "/ship"), form, 403)
	s.post(domain.Clerk, path(id, "/cancel"), form, 403)
	if len(s.a.asked) != 1 {
		t.Errorf("asked %+v", s.a.asked)
	}
}

func TestWhatCameOfIt(t *testing.T) {
	s := open(t)
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card), domain.Accepted{})
	wantAll(t, s.get(domain.Clerk, path(id, "?did=accept"), 200), "The order is accepted.")
	wantNone(t, mainOf(s.get(domain.Clerk, path(id, "?did=<b>free"), 200)), `role="status"`)
	s.l.Add(t, eventstore.OrderStream(id), clerk, domain.CaptureRequested{PaymentIntent: "pi_100", Amount: 47238, Currency: "USD"})
	wantAll(t, s.get(domain.Clerk, path(id, "?did=capture"), 200), "Stripe has still to answer", "Capture is under way.")

	s.l.Add(t, eventstore.OrderStream(id), clerk, domain.CaptureFailed{Failure: domain.Failure{Message: "declined"}})
	wantAll(t, s.get(domain.Clerk, path(id, "?did=capture"), 200), "The payment is not captured; the timeline says why.")

	form := url.Values{"key": {"k"}, "version": {"1"}}
	s.a.err = domain.Reject(domain.OperationInFlight)
	wantAll(t, s.post(domain.Clerk, path(id, "/accept"), form, 409).Body.String(), "has no answer yet. Wait until it is done", "Nothing was changed", path(id))
	s.a.err = domain.RejectField("/text", domain.TextRequired, "The note is empty.")
	wantAll(t, s.post(domain.Clerk, path(id, "/notes"), form, 422).Body.String(), "The note is empty.")
	s.a.err = &dashboard.StaleError{Expected: 1, Actual: 3}
	wantAll(t, s.post(domain.Clerk, path(id, "/accept"), form, 412).Body.String(), "The order has changed", "Accepted — ada (clerk)", "Capture asked of Stripe")
	s.a.err = eventstore.ErrUnavailable
	w := s.post(domain.Clerk, path(id, "/accept"), form, 503)
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.a.err = os.ErrDeadlineExceeded
	wantNone(t, s.post(domain.Clerk, path(id, "/accept"), form, 500).Body.String(), "i/o timeout")
}

func TestForeignPostsAreRefused(t *testing.T) {
	s := open(t)
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card))
	form := url.Values{"key": {"k"}, "version": {"1"}}.Encode()
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		r := httptest.NewRequest(http.MethodPost, path(id, "/accept"), strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(header, value)
		wantAll(t, s.do(domain.Clerk, r, 403).Body.String(), "came from another site")
	}
	if len(s.a.asked) != 0 {
		t.Errorf("asked %+v", s.a.asked)
	}
}

func TestHostileTextsStayTexts(t *testing.T) {
	s := open(t)
	const evil = `"><script>alert(1)</script>{{.}}`
	p := querytest.Placed(evil, domain.Card)
	p.Personal.Customer = domain.Customer{Name: evil, Company: evil, Email: evil, Phone: evil, ID: evil}
	p.Personal.ShippingAddress.Line1, p.Lines[0].Description, p.Lines[0].SKU, p.ShippingMethod = evil, evil, evil, evil
	id := s.l.Place(t, domain.Actor{ID: evil, Role: domain.Clerk}, p, domain.Accepted{},
		domain.NoteAdded{NoteID: uuid.Max, Personal: domain.NoteText{Text: evil}}, querytest.Captured(evil), domain.Shipped{Tracking: []domain.Tracking{{Carrier: evil, Number: evil}}})
	for _, address := range []string{
		"/orders?tab=shipped", "/orders?tab=shipped&q=" + url.QueryEscape(evil), path(id), path(id, "/confirm/refund"),
		"/orders?tab=shipped&manufacturer=" + url.QueryEscape(evil),
	} {
		page := s.get(domain.Manager, address, 200)
		wantNone(t, page, "<script>", "alert(1)</script", evil)
		if n := strings.Count(page, "<script"); n != 1 {
			t.Errorf("%s: %d scripts", address, n)
		}
	}
}

func TestHeadersAndWhoMayLook(t *testing.T) {
	s := open(t)
	for role, status := range map[domain.Role]int{"": 401, "nobody": 403, domain.Shop: 403, domain.Viewer: 200} {
		w := s.do(role, httptest.NewRequest(http.MethodGet, "/orders", nil), status)
		csp := w.Header().Get("Content-Security-Policy")
		wantAll(t, csp, "default-src 'none'", "frame-ancestors 'none'")
		wantNone(t, csp, "unsafe")
		wantNone(t, w.Body.String(), "<script>", "<style", " style=", " onclick=", " hx-on")
	}
	wantAll(t, s.get("", "/orders", 401), "Ask for a token.")
	wantAll(t, s.get(domain.Viewer, "/nowhere", 404), "There is no such page.")
	s.do(domain.Viewer, httptest.NewRequest(http.MethodGet, "/static/style.css", nil), 404)
}
