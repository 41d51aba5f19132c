package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
)

var (
	entered = domain.PaymentCaptured{Amount: 47238, Currency: "USD", ExternalReference: "INV-1"}
	givenUp = domain.Refunded{Amount: 47238, Currency: "USD"}
)

func paidElsewhere(number string) domain.PaymentCaptured {
	e := querytest.Captured(number)
	e.Answer = domain.Answer{Source: domain.FromElsewhere, Reference: "wire 4711"}
	return e
}

func TestWhatIsOwedIsExplained(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		number string
		method domain.Method
		then   []domain.Event
		says   []string
	}{
		{"entry", domain.Account, []domain.Event{domain.Accepted{}, domain.Shipped{}}, []string{
			"An entry is owed", "Shipped on account, and not entered in the business system yet: since <time datetime=\"2026-03-02T09:02:00Z\">2 Mar 2026, 09:02 UTC</time>", "(today)",
			"Enter 472.38 USD for Vins et alcools Chevalier (account A-77) there", "record the entry&#39;s number", `<details class="act" id="capture" open>`,
		}},
		{"refunded", domain.Account, []domain.Event{domain.Accepted{}, entered, givenUp}, []string{
			"A reversal is owed", "Refunded after it was entered in the business system as INV-1", "Reverse the entry of 472.38 USD there",
		}},
		{"cancelled", domain.Account, []domain.Event{domain.Accepted{}, entered, domain.Cancelled{How: domain.NothingToRelease}}, []string{
			"Cancelled after it was entered in the business system as INV-1",
		}},
		{"card", domain.Card, []domain.Event{domain.Accepted{}, paidElsewhere("card"), givenUp}, []string{
			"Refunded after it was paid outside Stripe, by wire 4711", "Give 472.38 USD back there", "by which transfer, receipt or entry",
		}},
	} {
		id := s.l.Place(t, clerk, querytest.Placed(c.number, c.method), c.then...)
		for _, role := range []domain.Role{domain.Viewer, domain.Clerk} {
			says := c.says
			if role == domain.Viewer && strings.Contains(says[len(says)-1], "<details") {
				says = says[:len(says)-1] // no form for those who only look
			}
			wantAll(t, s.get(role, path(id), 200), says...)
		}
	}
	id := s.l.Place(t, clerk, querytest.Placed("nothing", domain.Account), domain.Accepted{}, entered, domain.Shipped{})
	wantNone(t, s.get(domain.Clerk, path(id), 200), "is owed")
}

func TestQueueOfWhatIsOwed(t *testing.T) {
	s := open(t)
	wantAll(t, s.get(domain.Viewer, "/obligations", 200), "Nothing is owed", `href="/obligations" aria-current="page">`, `data-count="owed" data-n="0"`)
	wantNone(t, mainOf(s.get(domain.Viewer, "/orders", 200)), "/obligations")
	first := s.l.Place(t, clerk, querytest.Placed("200", domain.Account), domain.Accepted{}, domain.Shipped{})
	reversal := s.l.Place(t, clerk, querytest.Placed("201", domain.Account), domain.Accepted{}, entered, givenUp)
	wantAll(t, s.get(domain.Viewer, "/orders?tab=archived", 200), `data-count="owed" data-n="2"`)
	for i := range 50 {
		number := string(rune('a'+i/26)) + string(rune('a'+i%26))
		s.l.Place(t, clerk, querytest.Placed(number, domain.Account), domain.Accepted{}, domain.Shipped{})
	}
	page := s.get(domain.Clerk, "/obligations", 200)
	wantAll(t, page, `<h1>On account <span class="count">52</span>`, "472.38 USD", "Account A-77", "Vins et alcools Chevalier",
		`action="`+path(first, "/capture")+`"`, `action="`+path(reversal, "/reversal")+`"`, `name="version" value="3"`, `name="version" value="4"`,
		`href="/v1/obligations?format=csv"`, `href="/obligations?cursor=50">Next page`, "Refunded after it was entered in the business system as INV-1",
		`action="/v1/obligations/recorded"`, "required")
	if strings.Index(page, ">200<") > strings.Index(page, ">201<") || strings.Index(page, ">201<") > strings.Index(page, ">aa<") {
		t.Error("the oldest does not stand first")
	}
	page = s.get(domain.Viewer, "/obligations?kind=reversal&manufacturer=northwind", 200)
	wantAll(t, page, `<h1>On account <span class="count">1</span>`, `href="/v1/obligations?format=csv&amp;kind=reversal&amp;manufacturer=northwind"`, ">Clear<", ">Open<")
	wantNone(t, mainOf(page), `method="post"`, ">200<")
	wantAll(t, s.get(domain.Viewer, "/obligations?cursor=50&kind=entry", 200), `href="/obligations?kind=entry">First page`)
	wantAll(t, s.get(domain.Viewer, "/obligations?manufacturer=nobody", 200), "Nothing of this is owed", `<h1>On account <span class="count">0</span>`)
	s.do(domain.Shop, httptest.NewRequest(http.MethodGet, "/obligations", nil), 403)
	s.get(domain.Viewer, "/obligations?cursor=x", 400)
}

func TestRecordingFromTheQueueLeadsBackThere(t *testing.T) {
	s := open(t)
	id := s.l.Place(t, clerk, querytest.Placed("200", domain.Account), domain.Accepted{}, domain.Shipped{})
	form := url.Values{"key": {"k"}, "version": {"3"}, "external_reference": {" INV-1 "}, "from": {"obligations"}}
	s.post(domain.Viewer, path(id, "/capture"), form, 403)
	back := s.post(domain.Clerk, path(id, "/capture"), form, 303).Header().Get("Location")
	if back != "/obligations?recorded="+id.String() || len(s.a.asked) != 1 || s.a.asked[0].Form.ExternalReference != "INV-1" || s.a.asked[0].Version != 3 {
		t.Fatalf("leads to %s, asked %+v", back, s.a.asked)
	}
	wantNone(t, s.get(domain.Clerk, back, 200), "is recorded:") // it is not, here
	s.l.Add(t, eventstore.OrderStream(id), clerk, entered)
	wantAll(t, s.get(domain.Clerk, back, 200), "The entry of order 200 is recorded: INV-1.", "Nothing is owed")
	wantNone(t, s.get(domain.Clerk, "/obligations?recorded=x", 200), "is recorded:")
	s.get(domain.Clerk, "/obligations?recorded="+uuid.NewString(), 404)

	form.Del("from")
	if to := s.post(domain.Clerk, path(id, "/capture"), form, 303).Header().Get("Location"); to != path(id, "?did=capture") {
		t.Errorf("from the order's own page it leads to %s", to)
	}
}

func TestAReferenceOfAnotherOrderLeadsThere(t *testing.T) {
	s := open(t)
	id := s.l.Place(t, clerk, querytest.Placed("200", domain.Account), domain.Accepted{}, domain.Shipped{})
	other := s.l.Place(t, clerk, querytest.Placed("100", domain.Account), domain.Accepted{}, entered)
	s.a.err = domain.RejectReference(domain.OwesEntry, domain.Order{ID: other, OrderNumber: "100", Manufacturer: "northwind"})
	form := url.Values{"key": {"k"}, "version": {"3"}, "external_reference": {"INV-1"}, "from": {"obligations"}}
	wantAll(t, s.post(domain.Clerk, path(id, "/capture"), form, 409).Body.String(),
		"it is that of the entry of order 100 of northwind", `href="`+path(other)+`">Look at the other order`, `href="`+path(id)+`">Look at the order`)
}
