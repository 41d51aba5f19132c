package dashboard_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
)

// letters is an outbox of one e-mail, and notes what is to be sent again.
type letters struct {
	asked []uuid.UUID
	keys  []string
	none  bool
	err   error
}

const nasty = `<p>Dear Zoë<script>alert(1)</script><img src="https://evil.example/x"></p>`

func (l *letters) Resend(_ context.Context, _, notice uuid.UUID, key string) (eventstore.Position, error) {
	l.asked, l.keys = append(l.asked, notice), append(l.keys, key)
	return 1, l.err
}
func (l *letters) HasOutbox() bool { return !l.none }
func (l *letters) Outbox(int) ([]dashboard.Letter, int, error) {
	return []dashboard.Letter{{ID: "m1", To: "Zoë <zoe@example.com>", Subject: "<b>Your order</b>"}}, 7, nil
}

func (l *letters) Letter(id string) (dashboard.Letter, error) {
	if id != "m1" {
		return dashboard.Letter{}, &domain.Rejection{Kind: domain.Missing, Message: "No such e-mail."}
	}
	return dashboard.Letter{ID: id, Subject: "Your order", To: "zoe@example.com", Text: "Dear <Zoë>", HTML: nasty}, nil
}
func (l *letters) Previews() []string { return []string{"shipped"} }
func (l *letters) Preview(name string, o domain.Order) (dashboard.Letter, error) {
	if name != "shipped" {
		return dashboard.Letter{}, &domain.Rejection{Kind: domain.Missing, Message: "No such e-mail."}
	}
	return dashboard.Letter{Subject: "Your order " + o.OrderNumber, HTML: nasty}, nil
}

func openMail(t *testing.T, l *letters) *site {
	s := &site{t: t, l: querytest.New(), a: &acts{}}
	s.h = dashboard.Handler(dashboard.Deps{
		Reader: s.l, Waiter: s.l, Log: s.l, Acts: s.a, Mail: l, Now: s.l.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Wait: time.Millisecond,
	})
	return s
}

func TestOutboxIsShown(t *testing.T) {
	s := openMail(t, &letters{})
	wantAll(t, s.get(domain.Viewer, "/outbox", 200), "zoe@example.com", `href="/outbox/m1"`, "&lt;b&gt;Your order", ">7<", "Older ones")
	page := s.do(domain.Viewer, httptest.NewRequest(http.MethodGet, "/outbox/m1", nil), 200)
	wantAll(t, page.Body.String(), `sandbox=""`, `src="/outbox/m1/html"`, "Dear &lt;Zoë&gt;")
	wantNone(t, mainOf(page.Body.String()), "<script")
	s.get(domain.Viewer, "/outbox/none", 404)
	s.get("", "/outbox", 401)
	s.get(domain.Shop, "/outbox/m1/html", 403)
	wantAll(t, s.get(domain.Viewer, "/orders", 200), `href="/outbox"`)
	none := openMail(t, &letters{none: true})
	none.get(domain.Viewer, "/outbox", 404)
	wantNone(t, none.get(domain.Viewer, "/orders", 200), `href="/outbox"`)
}

// An e-mail's own HTML runs nothing and loads nothing, in its frame or out of it.
func TestEmailsAreHarmless(t *testing.T) {
	s := openMail(t, &letters{})
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card))
	for _, where := range []string{"/outbox/m1/html", path(id, "/preview/shipped/html")} {
		w := s.do(domain.Viewer, httptest.NewRequest(http.MethodGet, where, nil), 200)
		policy := w.Header().Get("Content-Security-Policy")
		for _, part := range []string{"sandbox;", "default-src 'none'", "img-src data:", "frame-ancestors 'self'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: %q lacks %q", where, policy, part)
			}
		}
		if strings.Contains(policy, "script") || strings.Contains(policy, "allow-") {
			t.Errorf("%s: %q", where, policy)
		}
	}
	page := s.get(domain.Viewer, path(id, "/preview/shipped"), 200)
	wantAll(t, page, "It is not sent", path(id, "/preview/shipped/html"), "Your order 100")
	wantNone(t, mainOf(page), "<script")
	s.get(domain.Viewer, path(id, "/preview/nothing"), 404)
}

func TestWhatPeopleWereTold(t *testing.T) {
	l := &letters{}
	s := openMail(t, l)
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card))
	sent, failed, mute := uuid.New(), uuid.New(), uuid.New()
	for _, e := range []domain.Event{
		eventstore.NotificationSent{Notice: sent, Kind: "customer.placed", Recipient: "customer", Channel: "smtp"},
		eventstore.NotificationFailed{Notice: failed, Kind: "customer.shipped", Recipient: "customer", Code: "refused", Reason: "The mail server refused it: 550."},
		eventstore.NotificationFailed{Notice: mute, Kind: "customer.refunded", Recipient: "customer", Code: eventstore.NoticeNoAddress, Reason: "The order names no e-mail address."},
	} {
		s.l.Add(t, eventstore.NoticeStream(id), clerk, e)
	}
	page := s.get(domain.Clerk, path(id), 200)
	wantAll(t, page, "What people were told", "Order received", "Sent by e-mail", "Send again", "refused it: 550", "Customer told: order received",
		"Customer could not be told: shipped", "Customer not told: refunded", path(id, "/notices/", failed.String(), "/resend"))
	wantNone(t, s.get(domain.Viewer, path(id), 200), "/resend")

	form := url.Values{"key": {"k1"}}
	if to := s.post(domain.Clerk, path(id, "/notices/", failed.String(), "/resend"), form, 303).Header().Get("Location"); to != path(id, "?did=resend") {
		t.Errorf("to %s", to)
	}
	if len(l.asked) != 1 || l.asked[0] != failed || l.keys[0] != "k1" {
		t.Errorf("%v %v", l.asked, l.keys)
	}
	wantAll(t, s.get(domain.Clerk, path(id, "?did=resend"), 200), "It is sent again")
	s.post(domain.Viewer, path(id, "/notices/", failed.String(), "/resend"), form, 403)
	s.post(domain.Clerk, path(id, "/notices/x/resend"), form, 400)
	s.post(domain.Clerk, path(id, "/notices/", failed.String(), "/resend"), url.Values{}, 400)
	l.err = &domain.Rejection{Code: "not_notified", Message: "Switched off."}
	wantAll(t, s.post(domain.Clerk, path(id, "/notices/", failed.String(), "/resend"), form, 409).Body.String(), "Switched off.")
	if len(l.asked) != 2 {
		t.Errorf("%d asked", len(l.asked))
	}
}

// Correcting tracking numbers offers to tell the customer, and does not force it.
func TestTrackingOffersToTellTheCustomer(t *testing.T) {
	s := openMail(t, &letters{})
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Account), domain.Accepted{}, domain.Shipped{})
	wantAll(t, s.get(domain.Clerk, path(id, "/confirm/tracking"), 200), `type="checkbox" name="resend" value="yes"`)
	form := url.Values{"key": {"k"}, "version": {"3"}, "carrier": {"ups"}, "number": {"1Z999AA10123456784"}, "confirmed": {"yes"}}
	s.post(domain.Clerk, path(id, "/tracking"), form, 303)
	form.Set("resend", "yes")
	s.post(domain.Clerk, path(id, "/tracking"), form, 303)
	if len(s.a.asked) != 2 || s.a.asked[0].Form.Resend || !s.a.asked[1].Form.Resend {
		t.Errorf("%+v", s.a.asked)
	}
}
