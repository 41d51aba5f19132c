package dashboard

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

// Pacer tells how the work goes; *tabs.DB does.
type Pacer interface {
	Pace(ctx context.Context, q projections.PaceQuery) (projections.Pace, error)
	BadgeCounts(ctx context.Context) (projections.BadgeCounts, error)
}

// Health says how the ledger is, in sentences.
type Health struct {
	Troubles []string // what is wrong; none when all is well
	Facts    []string // such as how far the pages are
}

const overviewPath = "/overview"

// spans are the numbers of days that the overview can show; the first one is what it shows by itself.
var spans = []int{30, 7, 90}

// call is one thing that somebody has to do, or nothing of it.
type call struct {
	Text, Icon, Tone string
	Hint             string
	N                int64
	Name             string // of the count, where it is live
	URL              string
	In               []place // where they are, when they are in more than one tab
}

type place struct {
	Tab domain.Tab
	N   int64
	URL string
}

type spanLink struct {
	Days    int
	Current bool
}

type overviewPage struct {
	layout
	Calls        []call
	Also         []call // what is there, and not among the usual
	Health       Health
	Days         int
	Spans        []spanLink
	Orders       chart
	Money        []chart // one for each currency
	Rows         []projections.Day
	Currencies   []domain.Currency
	Accept, Ship *spreadView
}

type spreadView struct {
	Count       int64
	Median, P90 string
}

// overview is the morning's page: what has to be done today, how the work goes, and how the ledger is.
func (b *dashboard) overview(w http.ResponseWriter, r *http.Request) error {
	days := spans[0]
	if s := r.URL.Query().Get("days"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || !slices.Contains(spans, n) {
			return projections.BadQuery("days", "is %q; use 7, 30 or 90", s)
		}
		days = n
	}
	format := b.format(r)
	pace, err := b.Pacer.Pace(r.Context(), projections.PaceQuery{Last: b.Now(), Days: days, Zone: format.Zone()})
	if err != nil {
		return err
	}
	badges, err := b.Pacer.BadgeCounts(r.Context())
	if err != nil {
		return err
	}
	page := overviewPage{layout: b.layout(r, "Overview"), Days: days, Rows: slices.Clone(pace.Days), Accept: spreadOf(pace.Accept), Ship: spreadOf(pace.Ship)}
	if page.layout.Counts == nil {
		return fmt.Errorf("the overview has no counts")
	}
	page.Calls, page.Also = calls(*page.layout.Counts, badges)
	if b.Health != nil {
		page.Health = b.Health(r.Context())
	}
	for _, n := range []int{7, 30, 90} {
		page.Spans = append(page.Spans, spanLink{n, n == days})
	}
	page.Orders = ordersChart(pace.Days, format)
	page.Currencies = currencies(pace.Days)
	for _, c := range page.Currencies {
		page.Money = append(page.Money, moneyChart(pace.Days, c, format))
	}
	slices.Reverse(page.Rows) // the newest day is what one looks for
	return b.show(w, r, http.StatusOK, "overview", page)
}

// listURL is the list of a tab's orders with a badge.
func listURL(tab domain.Tab, badge domain.Badge, more ...string) string {
	q := url.Values{"tab": {string(tab)}, "badge": {string(badge)}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return "/orders?" + q.Encode()
}

func calls(c projections.Counts, badges projections.BadgeCounts) (usual, also []call) {
	usual = []call{
		{
			Text: "Due today", Hint: "to be accepted", Icon: "clock", Tone: "warn", N: c.Due, Name: "due",
			URL: listURL(domain.TabNew, domain.BadgeConfirmationDue, "sort", "confirm_by"),
		},
		{
			Text: "Missed", Hint: "not accepted in time", Icon: "alert", Tone: "bad", N: c.Missed, Name: "missed",
			URL: listURL(domain.TabNew, domain.BadgeConfirmationMissed, "status", string(domain.StatusPlaced), "sort", "confirm_by"),
		},
		badgeCall("Holds about to end", "capture within 48 hours", domain.BadgeAuthorizationExpiring, badges),
		{Text: "Parked", Hint: "a manager decides", Icon: "parked", Tone: "bad", N: c.Parked, Name: "parked", URL: "/parked"},
		badgeCall("Refunds failed", "the money is still here", domain.BadgeRefundFailed, badges),
		{Text: "On account", Hint: "owed to the business system", Icon: "account", Tone: "warn", N: c.Owed, Name: "owed", URL: obligationsPage},
	}
	for _, b := range []domain.Badge{
		domain.BadgeCaptureFailed, domain.BadgeAuthorizationExpired, domain.BadgeCancelFailed, domain.BadgeDisputed, domain.BadgeNotificationFailed,
	} {
		if badges.Of(b) > 0 {
			also = append(also, badgeCall(badgeTexts[b].text, "", b, badges))
		}
	}
	return usual, also
}

// badgeCall leads to the orders with a badge: to the tab that has most of them, and to the others.
func badgeCall(text, hint string, b domain.Badge, badges projections.BadgeCounts) call {
	c := call{Text: text, Hint: hint, Icon: badgeTexts[b].icon, Tone: badgeTexts[b].tone, N: badges.Of(b), URL: listURL(domain.TabNew, b)}
	for _, tab := range domain.Tabs {
		if n := badges[b][tab]; n > 0 {
			c.In = append(c.In, place{tab, n, listURL(tab, b)})
		}
	}
	slices.SortStableFunc(c.In, func(x, y place) int { return cmp.Compare(y.N, x.N) })
	if len(c.In) > 0 {
		c.URL = c.In[0].URL
	}
	if len(c.In) < 2 {
		c.In = nil
	}
	return c
}

// currencies are those of a span, the one with most orders' worth first.
func currencies(days []projections.Day) []domain.Currency {
	sum := projections.Sums{}
	for _, d := range days {
		for _, sums := range []projections.Sums{d.Totals, d.Captured, d.Refunded} {
			for c, n := range sums {
				sum[c] += max(n, -n)
			}
		}
	}
	list := slices.Collect(maps.Keys(sum))
	slices.SortFunc(list, func(x, y domain.Currency) int { return cmp.Or(cmp.Compare(sum[y], sum[x]), cmp.Compare(x, y)) })
	return list
}

func spreadOf(s projections.Spread) *spreadView {
	if s.Count == 0 {
		return nil
	}
	return &spreadView{Count: s.Count, Median: lasting(s.Median), P90: lasting(s.P90)}
}

// lasting says a duration in the two units that matter.
func lasting(d time.Duration) string {
	d = d.Round(time.Second)
	two := func(big, small int, unit, part string) string {
		if small == 0 {
			return fmt.Sprintf("%d %s", big, unit)
		}
		return fmt.Sprintf("%d %s %d %s", big, unit, small, part)
	}
	minutes := int(d.Round(time.Minute).Minutes())
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes < 48*60:
		return two(minutes/60, minutes%60, "h", "min")
	}
	hours := int(d.Round(time.Hour).Hours())
	return two(hours/24, hours%24, "days", "h")
}
