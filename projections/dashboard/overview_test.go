package dashboard_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
)

// pacer tells what a test made up.
type pacer struct {
	pace   projections.Pace
	badges projections.BadgeCounts
	asked  projections.PaceQuery
}

func (p *pacer) Pace(_ context.Context, q projections.PaceQuery) (projections.Pace, error) {
	p.asked = q
	return p.pace, nil
}

func (p *pacer) BadgeCounts(context.Context) (projections.BadgeCounts, error) { return p.badges, nil }

func openOverview(t *testing.T, p *pacer, health dashboard.Health) *site {
	s := open(t)
	s.h = dashboard.Handler(dashboard.Deps{
		Reader: s.l, Waiter: s.l, Log: s.l, Acts: s.a, Now: s.l.Now, Logger: quiet, Pacer: p,
		Health: func(context.Context) dashboard.Health { return health },
	})
	return s
}

func TestOverview(t *testing.T) {
	day := func(i int, orders, placed, captured, refunded int64) projections.Day {
		sums := func(n int64) projections.Sums { return projections.Sums{"USD": n} }
		return projections.Day{Begin: querytest.Start.AddDate(0, 0, i), Orders: orders, Totals: sums(placed), Captured: sums(captured), Refunded: sums(refunded)}
	}
	p := &pacer{
		pace: projections.Pace{
			Days:   []projections.Day{day(-1, 3, 90000, 70000, 0), day(0, 7, 210000, 0, -5000)},
			Accept: projections.Spread{Count: 9, Median: 95 * time.Minute, P90: 50 * time.Hour},
		},
		badges: projections.BadgeCounts{
			domain.BadgeRefundFailed:          {domain.TabPaid: 1, domain.TabShipped: 2},
			domain.BadgeAuthorizationExpiring: {domain.TabNew: 4},
			domain.BadgeDisputed:              {domain.TabShipped: 1},
		},
	}
	s := openOverview(t, p, dashboard.Health{Facts: []string{"Nothing waits for Stripe."}})
	s.l.Place(t, clerk, querytest.Placed("1", domain.Account), domain.Accepted{}, domain.Shipped{})
	page := s.get(domain.Viewer, "/overview", 200)
	wantAll(t, page, `href="/overview" aria-current="page"`, `href="/orders?badge=authorization_expiring&amp;tab=new"><span class="n" data-n="4">4<`,
		`href="/orders?badge=refund_failed&amp;tab=shipped"><span class="n" data-n="3">3<`, `tab=paid">1 in Paid</a>`, `data-count="owed" data-n="1"`,
		`href="/orders?badge=confirmation_missed&amp;sort=confirm_by&amp;status=placed&amp;tab=new"`, "1 Disputed", "All is well.", "Nothing waits for Stripe.",
		"10 orders in 2 days", "700.00 USD captured, -50.00 USD refunded", "1 h 35 min", "2 days 2 h", "None in these days.", "-50.00 USD</td>",
		`<title>2 Mar 2026: 7 orders</title>`)
	wantNone(t, page, " style=", "<style", "Something is wrong")
	if p.asked.Days != 30 || p.asked.Zone != time.UTC {
		t.Errorf("asked %+v", p.asked)
	}
	s.get(domain.Viewer, "/overview?days=90", 200)
	if p.asked.Days != 90 {
		t.Errorf("asked %+v", p.asked)
	}
	for _, days := range []string{"0", "31", "x", "-7"} {
		s.get(domain.Viewer, "/overview?days="+days, 400)
	}
	ill := openOverview(t, p, dashboard.Health{Troubles: []string{"stripe: <no answer>"}})
	wantAll(t, ill.get(domain.Auditor, "/overview", 200), "Something is wrong.", "stripe: &lt;no answer&gt;")
	ill.get(domain.Shop, "/overview", 403)
	open(t).get(domain.Viewer, "/overview", 404)
}

func TestOverviewOfNothing(t *testing.T) {
	p := &pacer{pace: projections.Pace{Days: []projections.Day{{Begin: querytest.Start}}}}
	page := openOverview(t, p, dashboard.Health{}).get(domain.Viewer, "/overview", 200)
	if n := strings.Count(page, "Nothing in these days."); n != 2 {
		t.Errorf("%d charts of nothing", n)
	}
	wantNone(t, page, "<rect")
}

// What people set for their browser counts on every page, and leads nowhere else.
func TestSettings(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		name, value, set, back string
		more                   []string
	}{
		{"theme", "dark", "orderledger_theme=dark;", "/orders?tab=paid", nil},
		{"theme", "", "orderledger_theme=;", "/", []string{"back", "https://evil.example/"}},
		{"place", "mine", "orderledger_place=de-DE|Europe/Berlin;", "/", []string{"zone", "Europe/Berlin", "locale", "de-DE", "back", "//evil.example"}},
		{"place", "dealer", "orderledger_place=;", "/", []string{"back", "/\\evil.example"}},
		{"keys", "off", "orderledger_keys=off;", "/", []string{"back", "javascript:alert(1)"}},
	} {
		form := map[string][]string{c.name: {c.value}, "back": {"/orders?tab=paid"}}
		for i := 0; i+1 < len(c.more); i += 2 {
			form[c.more[i]] = []string{c.more[i+1]}
		}
		w := s.post(domain.Viewer, "/settings", form, 303)
		if set := w.Header().Get("Set-Cookie"); !strings.HasPrefix(set, c.set) || w.Header().Get("Location") != c.back {
			t.Errorf("%s=%s: %s, to %s", c.name, c.value, set, w.Header().Get("Location"))
		}
	}
	for _, form := range []map[string][]string{
		{}, {"place": {"mine"}}, {"place": {"mine"}, "zone": {"../../etc/passwd"}, "locale": {"de"}}, {"place": {"mine"}, "zone": {"Europe/Berlin"}, "locale": {"\x00"}},
	} {
		s.post(domain.Viewer, "/settings", form, 400)
	}
}
