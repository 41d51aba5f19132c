package test

import (
	"encoding/json"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/test/testenv"
)

// Whoever wants dates and numbers as their own place has them gets all of them so: percentages, and until when an order is to be
// accepted, too. What the manufacturer's clocks show then stands beside it.
func TestAReadersOwnPlace(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	ledger := testenv.Start(t, testenv.Config(t, "memory"), app.Hooks{Now: func() time.Time { return noon }})
	api := testenv.Client{URL: ledger.URL}
	in := cardOrder(1)
	in.Lines[0].DiscountPercent = 12.5
	line, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	_, _, position := importOrders(t, api, [][]byte{line}, "import")
	api.Tabs(t, position)
	confirm := regexp.MustCompile(`(?s)<dt>Confirm by</dt><dd>(.*?)</dd>`)
	tags := regexp.MustCompile(`<[^>]*>`)
	for place, want := range map[string][2]string{
		"":                      {"12.5%", "March 3, 2026, 12:00 PM UTC"},
		"de-DE|Europe/Berlin":   {"12,5\u00a0%", "3. März 2026, 13:00 CET 3. März 2026, 12:00 UTC (UTC)"},
		"fr-FR|America/Toronto": {"12,5\u00a0%", "3 mars 2026, 07:00 EST 3 mars 2026, 12:00 UTC (UTC)"},
	} {
		a, err := api.Call(t.Context(), http.MethodGet, "/orders/"+in.ID().String(), "", nil, "Cookie", "orderledger_place="+place)
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("%v %d", err, a.Status)
		}
		page := string(a.Body)
		if !strings.Contains(page, want[0]) {
			t.Errorf("%s: %q is not on the page: %s", place, want[0], regexp.MustCompile(`number discount[^<]*<`).FindString(page))
		}
		found := confirm.FindStringSubmatch(page)
		if found == nil {
			t.Fatalf("%s: nothing says until when", place)
		}
		said := strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(found[1], " "))), " ")
		if said != want[1] {
			t.Errorf("%s: confirm by %q, want %q", place, said, want[1])
		}
	}
}
