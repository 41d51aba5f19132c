package dashboard_test

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
)

// openWith is open with other parts.
func openWith(t *testing.T, edit func(*site, *dashboard.Deps)) *site {
	s := &site{t: t, l: querytest.New(), a: &acts{}}
	d := dashboard.Deps{
		Reader: s.l, Waiter: s.l, Log: s.l, Acts: s.a, Now: s.l.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Wait: time.Millisecond,
	}
	edit(s, &d)
	s.h = dashboard.Handler(d)
	return s
}

// An order can be seen as it stood after each of its events, with what had been said by then, and nothing can be done there.
func TestOrderAsItStood(t *testing.T) {
	s := openMail(t, &letters{})
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card), domain.Accepted{})
	s.l.Add(t, eventstore.NoticeStream(id), clerk, eventstore.NotificationSent{Notice: uuid.New(), Kind: "customer.placed", Recipient: "customer", Channel: "smtp"})
	s.l.Add(t, eventstore.OrderStream(id), clerk, querytest.Captured("100"),
		domain.NoteAdded{NoteID: uuid.Max, Personal: domain.NoteText{Text: "call first"}}, domain.Shipped{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z999AA10123456784"}}})
	for _, c := range []struct {
		version    int
		says, none []string
	}{
		{1, []string{"Un-reviewed</span>", "Held", "after event", "1 of 5: Order placed", "?version=2"}, []string{"Accepted</strong>", "Accepted</dt>", "call first", "told", "1Z999AA10123456784", "?version=0"}},
		{2, []string{"Accepted</span>", "Held", "Customer told", "?version=1", "?version=3"}, []string{"Payment captured</strong>", "call first"}},
		{4, []string{"Paid</span>", "Captured", "ch_100", "call first"}, []string{"1Z999AA10123456784"}},
	} {
		page := mainOf(s.get(domain.Admin, path(id, "?version=", strconv.Itoa(c.version)), 200))
		wantAll(t, page, append(c.says, "You see the order as it stood", "Nothing can be done in the past", "Back to now")...)
		wantNone(t, page, append(c.none, "<form", "<button", "What can be done now")...)
	}
	now := s.get(domain.Admin, path(id, "?version=5"), 200)
	wantAll(t, now, "5 of 5: Shipped", "What can be done now", "1Z999AA10123456784")
	wantNone(t, now, "as it stood</strong>", "Back to now")
	for _, wrong := range []string{"0", "-1", "6", "x", "99999999999999999999"} {
		wantAll(t, s.get(domain.Admin, path(id, "?version=", wrong), 404), "The order never was at such a version.")
	}
}

// behind is a read model that does not know the last events, or the order at all.
type behind struct {
	*querytest.Ledger
	order domain.Order
}

func (b behind) Order(context.Context, uuid.UUID) (domain.Order, error) {
	if !b.order.Exists() {
		return domain.Order{}, domain.Reject(domain.OrderNotFound)
	}
	return b.order, nil
}

func (b behind) History(ctx context.Context, id uuid.UUID, limit int) (projections.History, error) {
	h, err := b.Ledger.History(ctx, id, limit)
	h.Order, h.Events, h.Position = domain.Order{}, h.Events[:min(b.order.Version, len(h.Events))], 0
	if len(h.Events) > 0 {
		h.Order, h.Position = b.order, h.Events[len(h.Events)-1].Position
	}
	return h, err
}

// The page of an order is what the log says, however far behind the read model is; whom nobody could tell is the model's to know.
func TestOrderIsNeverOlderThanTheLog(t *testing.T) {
	for _, known := range []int{0, 1} {
		model := &behind{}
		s := openWith(t, func(s *site, d *dashboard.Deps) { model.Ledger, d.Reader = s.l, model })
		id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card))
		if known > 0 {
			model.order, _ = s.l.Order(t.Context(), id)
			model.order.Untold = []uuid.UUID{uuid.New()}
		}
		s.l.Add(t, eventstore.OrderStream(id), clerk, domain.Accepted{})
		page := s.get(domain.Manager, path(id), 200)
		wantAll(t, page, "Accepted</span>", `data-verb="capture"`, `name="seen" value="2"`)
		if told := strings.Contains(page, "E-mail failed"); told != (known > 0) {
			t.Errorf("known to version %d: %v", known, told)
		}
		s.get(domain.Manager, path(uuid.New()), 404)
	}
}

// altered is a log that somebody has laid hands on.
type altered struct{ *querytest.Ledger }

func (a altered) ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error] {
	return func(yield func(eventstore.Recorded, error) bool) {
		for r, err := range a.Ledger.ReadStream(ctx, stream, after) {
			r.Data = []byte(strings.Replace(string(r.Data), "47238", "00001", 1))
			if !yield(r, err) {
				return
			}
		}
	}
}

// Every event's stored bytes are one click away for who may see the order, and so is whether they are what was recorded.
func TestRawEvents(t *testing.T) {
	s := openMail(t, &letters{})
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card), domain.Accepted{}, querytest.Captured("100"))
	s.l.Add(t, eventstore.NoticeStream(id), clerk, eventstore.NotificationSent{Notice: uuid.New(), Kind: "customer.placed", Recipient: "customer", Channel: "smtp"})
	page := s.get(domain.Viewer, path(id), 200)
	for _, event := range []string{"/events/0", "/events/1", "/events/2", "/notices/0"} {
		wantAll(t, page, path(id, event))
		wantAll(t, s.get(domain.Viewer, path(id, event), 200), "The hash is that of these bytes", "&#34;command_id&#34;", "&#34;hash&#34;")
	}
	wantAll(t, s.get(domain.Viewer, path(id, "/events/0"), 200), "this is the stream's first event", "&#34;order_number&#34;: &#34;100&#34;", "Order placed")
	wantAll(t, s.get(domain.Viewer, path(id, "/events/2"), 200), "Payment captured", "&#34;charge&#34;: &#34;ch_100&#34;")
	for _, wrong := range []string{"/events/3", "/events/-1", "/events/x", "/notices/1", "/events/9223372036854775808"} {
		s.get(domain.Viewer, path(id, wrong), 404)
	}
	s.get(domain.Viewer, path(uuid.New(), "/events/0"), 404)
	s.get(domain.Shop, path(id, "/events/0"), 403)
	s.get("", path(id, "/events/0"), 401)

	s = openWith(t, func(s *site, d *dashboard.Deps) { d.Log = altered{s.l} })
	id = s.l.Place(t, clerk, querytest.Placed("100", domain.Card), domain.Accepted{})
	wantAll(t, s.get(domain.Auditor, path(id, "/events/0"), 200), "This event is not what was recorded.", "audit verify")
}

// What looks wrong about a tracking number is said, and the clerk may overrule it; what the ledger can't do without is asked for.
func TestDoubtsAboutTrackingNumbers(t *testing.T) {
	s := open(t)
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Account), domain.Accepted{})
	for _, c := range []struct {
		carrier, number string
		says            string // empty: nothing is doubted
		must            bool
		kept            string // the carrier that the ledger is told
	}{
		{"", "1Z999AA10123456784", "", false, "ups"},
		{"UPS", "1Z999AA10123456784", "", false, "UPS"},
		{"fed ex ground", "568283610012734", "", false, "fed ex ground"},
		{"Rößle & Söhne", "R/7", "", false, "Rößle & Söhne"},
		{"ups", "1Z999AA10123456785", "UPS <code>1Z999AA10123456785</code>: The check digit is wrong", false, "ups"},
		{"", "1Z999AA10123456785", "The check digit is wrong", false, "ups"},
		{"fedex", "1Z999AA10123456784", "This looks like a number of UPS, not of FedEx.", false, "fedex"},
		{"usps", "12", "USPS has no numbers of this form", false, "usps"},
		{"", "R/7", "Name the carrier", true, ""},
		{"ups", "", "The parcel has no number.", true, ""},
	} {
		s.a.asked = nil
		form := url.Values{"key": {"k"}, "version": {"2"}, "carrier": {c.carrier}, "number": {c.number}, "confirmed": {"yes"}}
		if c.says != "" {
			page := s.post(domain.Clerk, path(id, "/ship"), form, 422).Body.String()
			wantAll(t, page, c.says, "Nothing is done yet", `value="k"`)
			if strings.Contains(page, `name="anyway"`) == c.must {
				t.Errorf("%s %s: can be overruled: %v", c.carrier, c.number, !c.must)
			}
			form.Set("anyway", "yes")
		}
		status := 303
		if c.must {
			status = 422
		}
		s.post(domain.Clerk, path(id, "/ship"), form, status)
		if len(s.a.asked) != map[bool]int{false: 1, true: 0}[c.must] {
			t.Errorf("%s %s: asked %+v", c.carrier, c.number, s.a.asked)
		} else if !c.must && s.a.asked[0].Form.Tracking[0] != (domain.Tracking{Carrier: c.kept, Number: c.number}) {
			t.Errorf("%s %s: kept %+v", c.carrier, c.number, s.a.asked[0].Form.Tracking)
		}
	}

	// What the ledger has taken before is not doubted again.
	taken := domain.Tracking{Carrier: "ups", Number: "1Z-ODD"}
	id = s.l.Place(t, clerk, querytest.Placed("101", domain.Account), domain.Accepted{}, domain.Shipped{Tracking: []domain.Tracking{taken}})
	s.post(domain.Clerk, path(id, "/tracking"), url.Values{
		"key": {"k"}, "version": {"3"}, "carrier": {"ups", ""}, "number": {"1Z-ODD", "3318810025"}, "confirmed": {"yes"},
	}, 303)
}

// Archiving can be undone for ten seconds where it was done, by who may.
func TestUndo(t *testing.T) {
	var now time.Time
	s := openWith(t, func(_ *site, d *dashboard.Deps) { d.Now = func() time.Time { return now } })
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card), domain.Cancelled{How: domain.HoldReleased}, domain.Archived{})
	archived := querytest.Start.Add(2 * time.Minute)
	for after, left := range map[time.Duration]string{0: "10", 9500 * time.Millisecond: "1", 10 * time.Second: "", time.Hour: "", -time.Minute: ""} {
		now = archived.Add(after)
		page := s.get(domain.Clerk, path(id, "?did=archive"), 200)
		wantAll(t, page, "The order is archived.")
		if got := strings.Contains(page, `data-undo="`+left+`"`); got != (left != "") {
			t.Errorf("after %s: %v, want %q s", after, got, left)
		}
	}
	now = archived
	wantNone(t, s.get(domain.Viewer, path(id, "?did=archive"), 200), "data-undo")
	wantNone(t, s.get(domain.Clerk, path(id), 200), "data-undo")
}

// What Stripe is asked stands on the page while there is no answer, with how often and when it is asked again.
func TestUnderWay(t *testing.T) {
	var waiting *dashboard.Waiting
	s := openWith(t, func(_ *site, d *dashboard.Deps) {
		d.Waiting = func(uuid.UUID) (dashboard.Waiting, bool) {
			if waiting == nil {
				return dashboard.Waiting{}, false
			}
			return *waiting, true
		}
	})
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card), domain.Accepted{}, domain.CaptureRequested{PaymentIntent: "pi_100", Amount: 47238, Currency: "USD"})
	wantAll(t, s.get(domain.Clerk, path(id), 200), "Stripe is asked to take 472.38 USD from Visa •••• 4242", "Stripe has still to answer.", "Held")
	waiting = &dashboard.Waiting{Tries: 3, Next: querytest.Start.Add(time.Hour)}
	page := s.get(domain.Manager, path(id), 200)
	wantAll(t, page, "Stripe gave no answer, 3 times", "2 Mar 2026, 10:00 UTC", "Capture payment, capture and ship, refund, cancel order</dt>")
	if n := strings.Count(page, "has no answer yet"); n != 1 {
		t.Errorf("said %d times", n)
	}
	waiting.TakenOn = true
	wantAll(t, s.get(domain.Clerk, path(id), 200), "Stripe has taken it on and needs its time")
}

// Answers say how long they took, and by which of Stripe's ids they are found there.
func TestTimelineNamesStripesIDs(t *testing.T) {
	s := open(t)
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card), domain.Accepted{}, domain.CaptureRequested{PaymentIntent: "pi_100", Amount: 47238, Currency: "USD"})
	var request uuid.UUID
	for r := range s.l.ReadStream(t.Context(), eventstore.OrderStream(id), 1) {
		request = r.ID
	}
	captured := querytest.Captured("100")
	captured.Request, captured.StripeRequest = request, "req_77"
	s.l.Add(t, eventstore.OrderStream(id), domain.Actor{ID: "saga", Role: domain.System, Via: domain.ViaSaga}, captured)
	wantAll(t, s.get(domain.Viewer, path(id), 200), "charge <code>ch_100</code>", "request <code>req_77</code>", "after 1 min", "saga (system), through the ledger itself",
		"PaymentIntent <code>pi_100</code>")
}

// What somebody's role does not allow is said, with who does it, where the rules would allow it.
func TestReasonsOfTheRole(t *testing.T) {
	s := open(t)
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card))
	wantAll(t, s.get(domain.Clerk, path(id), 200), "<dt>Decline order</dt><dd>A manager or an administrator does this.</dd>")
	wantNone(t, s.get(domain.Manager, path(id), 200), "A manager or an administrator does this.")
	for _, role := range []domain.Role{domain.Viewer, domain.Auditor} {
		wantNone(t, s.get(role, path(id), 200), "does this.", "What can be done now")
	}
}

// A dialog says what has happened since the page that it was opened from.
func TestConfirmingFromAnOldPage(t *testing.T) {
	s := open(t)
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card), domain.Accepted{})
	page := s.get(domain.Clerk, path(id, "/confirm/capture?seen=1"), 200)
	wantAll(t, page, "Since your page was made", "Accepted — ada (clerk)", `name="version" value="2"`)
	for _, seen := range []string{"2", "3", "0", "x", ""} {
		wantNone(t, s.get(domain.Clerk, path(id, "/confirm/capture?seen=", seen), 200), "Since your page was made")
	}
	r := httptest.NewRequest(http.MethodGet, path(id, "/confirm/capture"), nil)
	r.Header.Set("Ledger-Part", "dialog")
	part := s.do(domain.Clerk, r, 200).Body.String()
	wantAll(t, part, "472.38 USD are taken from Visa •••• 4242", "<dt>Currency</dt><dd>USD</dd>", "<dt>Card</dt><dd>Visa •••• 4242</dd>")
	wantNone(t, part, "<html", "<header")
}

// The packing slip says what goes into the parcel, for whom and from whom; prices only when so wished, private notes never.
func TestPackingSlip(t *testing.T) {
	prices := true
	build := func() *site {
		return openWith(t, func(_ *site, d *dashboard.Deps) {
			d.Dealer, d.SlipPrices = dashboard.Dealer{Name: "Harbor Parts", Address: []string{"12 Quay St", "Portland"}}, prices
		})
	}
	s := build()
	place := func(number string, then ...domain.Event) uuid.UUID {
		return s.l.Place(t, clerk, querytest.Placed(number, domain.Card), append([]domain.Event{domain.NoteAdded{NoteID: uuid.Max, Personal: domain.NoteText{Text: "a bad payer"}}}, then...)...)
	}
	id := place("100", domain.Accepted{})
	slip := path(id, "/packing-slip")
	page := s.get(domain.Viewer, slip, 200)
	wantAll(t, page, "Harbor Parts", "12 Quay St<br>Portland", "59 rue de l&#39;Abbaye", "NW-11", "<strong>12</strong>", `aria-label="Barcode of order 100"`, "472.38 USD", "?prices=no")
	wantNone(t, page, "a bad payer", "don&#39;t ship", " style=")
	wantNone(t, s.get(domain.Viewer, slip+"?prices=no", 200), "USD", "Visa", "Unit price")
	prices = false
	s = build()
	place("100", domain.Accepted{})
	wantNone(t, s.get(domain.Viewer, slip, 200), "USD", "Visa")
	wantAll(t, s.get(domain.Viewer, slip+"?prices=yes", 200), "472.38 USD")
	for number, c := range map[string]struct {
		then []domain.Event
		says string
	}{
		"new":       {nil, "not accepted yet"},
		"cancelled": {[]domain.Event{domain.Cancelled{How: domain.HoldReleased}}, "This order is cancelled: don&#39;t ship it."},
		"refunded":  {[]domain.Event{domain.Accepted{}, querytest.Captured("refunded"), domain.Refunded{Amount: 47238, Currency: "USD"}}, "This order is refunded: don&#39;t ship it."},
	} {
		wantAll(t, s.get(domain.Viewer, path(place(number, c.then...), "/packing-slip"), 200), c.says)
	}
	wantNone(t, s.get(domain.Viewer, path(place("Ünïcode"), "/packing-slip"), 200), "<svg class=\"barcode\"")
	s.get(domain.Shop, slip, 403)
	s.get(domain.Viewer, path(uuid.New(), "/packing-slip"), 404)
}
