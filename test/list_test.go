package test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/test/browser"
	"github.com/orderledger/orderledger/test/testenv"
)

// office is a ledger with orders, and a person at its list.
type office struct {
	*browser.Page
	t      *testing.T
	api    testenv.Client
	orders []domain.Intake
}

// openOffice starts a ledger with so many orders: of two manufacturers, by card and on account, dear and cheap, one with long names.
func openOffice(t *testing.T, n int) *office {
	t.Helper()
	browser.Find(t)
	ledger := testenv.Start(t, testenv.Config(t, "memory"), app.Hooks{})
	o := &office{t: t, api: testenv.Client{URL: ledger.URL}}
	o.place(n)
	o.Page = browser.Open(t, ledger.URL)
	return o
}

func sampleOrder(i int) domain.Intake {
	in := cardOrder(i)
	in.Customer = domain.Customer{ID: fmt.Sprintf("K%d", i%7), Name: fmt.Sprintf("Person %d", i), Company: "Example Parts", Email: fmt.Sprintf("p%d@example.com", i)}
	if i%3 == 0 {
		in.Manufacturer = "contoso"
	}
	if i%2 == 0 {
		in.Payment.Method, in.Customer.AccountNumber = domain.Account, "A-7"
	}
	if i == 3 {
		in.OrderNumber = "C-3-" + strings.Repeat("LONG", 12)
		in.Customer.Company = "Vereinigte Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
		in.Manufacturer = "a-manufacturer-whose-name-is-as-long-as-names-may-be-here"
	}
	in.Lines[0].Amount += int64(1000 * i)
	in.Subtotal, in.Total = in.Subtotal+int64(1000*i), in.Total+int64(1000*i)
	in.PlacedAt = in.PlacedAt.Add(time.Duration(i) * 24 * time.Hour)
	return in
}

// place brings more orders in and waits until the pages show them.
func (o *office) place(n int) {
	o.t.Helper()
	var more []domain.Intake
	for range n {
		more = append(more, sampleOrder(len(o.orders)+len(more)+1))
	}
	o.bring(more...)
}

// bring is place, with orders of the test's own.
func (o *office) bring(orders ...domain.Intake) {
	o.t.Helper()
	var lines [][]byte
	for _, in := range orders {
		line, err := json.Marshal(in)
		if err != nil {
			o.t.Fatal(err)
		}
		o.orders, lines = append(o.orders, in), append(lines, line)
	}
	if len(lines) > 0 {
		_, _, position := importOrders(o.t, o.api, lines, fmt.Sprintf("import-%d", len(o.orders)))
		o.api.Tabs(o.t, position)
	}
}

// act carries an act out through the API, as somebody else would, and waits until the pages show it.
func (o *office) act(i int, verb, body string) {
	o.t.Helper()
	id := o.orders[i-1].ID().String()
	a, err := o.api.Call(o.t.Context(), http.MethodGet, "/v1/orders/"+id, "", nil)
	if err != nil || a.Status != http.StatusOK {
		o.t.Fatalf("%v %s", err, a.Body)
	}
	a, err = o.api.Act(o.t.Context(), id, verb, fmt.Sprintf("%s-%d-%d", verb, i, a.Order.Version), a.Order.Version, body)
	if err != nil || a.Status/100 != 2 {
		o.t.Fatalf("%s: %v %s", verb, err, a.Body)
	}
	o.api.Tabs(o.t, a.Position)
}

func row(in domain.Intake) string { return "#o-" + in.ID().String() }

// numbers are the order numbers of the rows, as they stand.
func (o *office) numbers() string {
	o.Helper()
	return browser.Eval[string](o.Page, `[...document.querySelectorAll('table.list td.order_number')].map(e => e.textContent.trim()).join(' ')`)
}

func (o *office) live() {
	o.Helper()
	o.Await("document.querySelector('#live').dataset.state == 'live'")
}

// All that makes a list is in its address: filters, their chips, the order, and the search.
func TestAListIsItsAddress(t *testing.T) {
	o := openOffice(t, 12)
	o.WithoutJavaScript()
	o.act(2, "accept", "{}")
	o.act(4, "accept", "{}")
	o.Open("/orders?tab=new")
	if got := o.numbers(); !strings.HasSuffix(got, "C-2 C-4") {
		t.Errorf("un-reviewed orders do not come first: %s", got)
	}
	o.Reads(".halves", "All new 12 Un-reviewed 10 Accepted 2")
	o.Follow(`.halves a[href$="status=accepted"]`)
	if got := o.numbers(); got != "C-2 C-4" {
		t.Errorf("accepted: %s", got)
	}
	// By Due, what needs not be accepted any more comes last, as the column shows it.
	o.Open("/orders?tab=new&sort=order_number")
	o.Follow(".orders th.confirm_by a")
	due := browser.Eval[string](o.Page, `[...document.querySelectorAll('td.confirm_by')].map(e => e.textContent === '–' ? '–' : 'by').join(' ')`)
	if got := o.numbers(); !strings.HasSuffix(got, "C-2 C-4") || due != strings.Repeat("by ", 10)+"– –" {
		t.Errorf("sorted by due: %s, %s", got, due)
	}
	o.Open("/orders?tab=new")
	o.Click("#filters summary")
	o.Click(`#filters input[name="manufacturer"][value="contoso"]`)
	o.Fill(`#filters input[name="total_from"]`, "80.00")
	o.Fill(`#filters input[name="total_to"]`, "120,5")
	o.Follow(`#filters button.primary`)
	if got := o.numbers(); got != "C-6 C-9" {
		t.Errorf("filtered: %s", got)
	}
	o.Reads("h1", "New orders 2")
	o.Reads(".chips", "Manufacturer: contoso Take this filter away Total from: 80.00 Take this filter away Total to: 120,5 Take this filter away Clear all")
	o.Follow(`.orders th.total a`)
	o.Follow(`.orders th.total a`)
	if got := o.numbers(); got != "C-9 C-6" || o.Count(`th.total[aria-sort="descending"]`) != 1 {
		t.Errorf("sorted: %s", got)
	}
	at := browser.Eval[string](o.Page, "location.pathname + location.search")
	o.Follow(`.chips a[href*="total_to"][href*="tab=new"]:first-of-type`)
	if got := o.numbers(); strings.Contains(got, "C-1 ") || len(strings.Fields(got)) <= 2 {
		t.Errorf("without the first chip: %s", got)
	}
	if o.Open(at); o.numbers() != "C-9 C-6" {
		t.Errorf("the address is another list: %s", o.numbers())
	}
	for _, bad := range []string{
		"tab=nowhere", "status=gone", "total_from=many", "placed_from=yesterday", "sort=colour", "q=" + strings.Repeat("x", 300),
		"manufacturer=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21", "cursor=x", "total_from=9&total_to=1",
	} {
		if status := o.Open("/orders?" + bad); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", bad, status)
		}
	}
	o.Open("/orders?tab=all&status=placed&status=accepted")
	o.Reads(".chips", "Status: Un-reviewed Take this filter away Status: Accepted")
	// What can't be answered is named as the form names it, and what was typed is still there to be corrected.
	for field, tt := range map[string]struct{ typed, says string }{
		"total_from":  {"many", "Total from must be an amount such as 12.50"},
		"total_to":    {"1.005", "Total to must be an amount such as 12.50"},
		"placed_from": {"yesterday", "Placed from must be a date such as 1996-07-04."},
	} {
		if status := o.Open("/orders?tab=new&manufacturer=contoso&" + field + "=" + tt.typed); status != http.StatusBadRequest {
			t.Errorf("%s: %d", field, status)
		}
		o.Reads("main [role=alert]", tt.says)
		if got := o.Value(`#filters[open] input[name="` + field + `"][aria-invalid="true"]`); got != tt.typed {
			t.Errorf("%s: %q is left of %q", field, got, tt.typed)
		}
		if o.Count(`#filters input[value="contoso"]:checked`) != 1 || o.Count(".empty") != 0 {
			t.Errorf("%s: the other filters are lost", field)
		}
	}
	o.Open("/orders?tab=new&total_from=20&total_to=1")
	o.Reads("main [role=alert]", "Total to must not be less than 20.")
	o.Open("/orders?tab=new&total_from=many")
	browser.Eval[string](o.Page, `document.querySelector('#filters input[name="total_from"]').value = '80'`)
	o.Follow(`#filters button.primary`)
	o.Reads(".chips", "Total from: 80")
	// The search leads straight to the order, or lists what it finds.
	for _, tt := range []struct{ text, want string }{
		{"C-7", "Order C-7"}, {"#C-7", "Order C-7"}, {"  # c-7\u00a0", "Order C-7"}, {"p8@example.com", "Order C-8"}, {"person 5", "Orders found 1"}, {"Example", "Orders found 12"}, {"nobody", "Orders found 0"},
	} {
		o.Open("/orders?tab=paid")
		o.Fill("#q", tt.text)
		o.Follow(`.find button`)
		o.Reads("h1", tt.want)
	}
	o.Sound()
}

// seen is how long it takes from an act of somebody else until the page shows it.
func (o *office) seen(i int) time.Duration {
	o.Helper()
	in := o.orders[[]int{0, 4, 5, 2}[i]]
	return shownAfter(o.Page, `document.querySelector('`+row(in)+` td.status').textContent.includes('Accepted')`, func() {
		a, err := o.api.Act(o.t.Context(), in.ID().String(), "accept", "accept-"+in.OrderNumber, 1, "{}")
		if err != nil || a.Status != http.StatusOK {
			o.t.Fatalf("%v %s", err, a.Body)
		}
	})
}

// Somebody else acts, and the row changes where it stands; what is chosen, and where the focus is, stays.
func TestRowsChangeInPlace(t *testing.T) {
	o := openOffice(t, 6)
	o.Open("/orders?tab=new&sort=order_number")
	o.live()
	other := browser.Open(t, o.api.URL)
	other.Open("/orders?tab=new&sort=order_number")
	other.Await("document.querySelector('#live').dataset.state == 'live'")
	one, two := row(o.orders[0]), row(o.orders[1])
	o.Click(one + " td.pick input")
	browser.Eval[bool](o.Page, `document.querySelector('`+one+` td.order_number a').focus() || true`)

	// One clerk acts, and it is on the other one's screen: what the server and the browser do.
	fastest := time.Hour
	for i := 0; i < 4 && fastest > 300*time.Millisecond; i++ {
		fastest = min(fastest, o.seen(i))
	}
	t.Logf("seen after %s", fastest)
	if fastest > 300*time.Millisecond {
		t.Errorf("a change was seen after %s", fastest)
	}
	if !browser.Eval[bool](o.Page, `document.querySelector('`+one+` td.pick input').checked && document.activeElement.closest('tr').id === '`+one[1:]+`'`) {
		t.Error("the row lost its tick or its focus")
	}
	before := o.numbers()

	// An order that leaves the list says where it went, and nothing moves.
	o.act(2, "accept", "{}")
	o.act(2, "ship", `{"tracking":[]}`)
	o.Await(`document.querySelector('` + two + `').classList.contains('gone')`)
	o.Reads(two+" td.status", "now in Shipped")
	o.Reads(`.tabs [data-count="new"]`, "5")
	if after := o.numbers(); after != before {
		t.Errorf("rows moved: %s, then %s", before, after)
	}

	// New orders announce themselves, and come when they are asked for.
	o.place(3)
	o.Await(`!document.querySelector('#newcomers').hidden`)
	o.Reads("#newcomers", "3 new orders — show")
	if after := o.numbers(); after != before {
		t.Errorf("rows moved: %s, then %s", before, after)
	}
	o.Check("list-live")
	o.Follow("#newcomers a")
	if got := o.numbers(); got != "C-1 C-"+strings.TrimPrefix(o.orders[2].OrderNumber, "C-")+" C-4 C-5 C-6 C-7 C-8 C-9" {
		t.Errorf("shown: %s", got)
	}

	// While it is paused nothing changes; then all that was missed does.
	o.live()
	o.Click("#live button")
	o.act(4, "accept", "{}")
	other.Await(`document.querySelector('` + row(o.orders[3]) + ` td.status').textContent.includes('Accepted')`)
	o.Reads(row(o.orders[3])+" td.status", "Un-reviewed")
	o.Click("#live button")
	o.Await(`document.querySelector('` + row(o.orders[3]) + ` td.status').textContent.includes('Accepted')`)
	o.Sound()
}

// Everything by keyboard, which can be switched off.
func TestTheKeyboardAlone(t *testing.T) {
	o := openOffice(t, 5)
	o.Open("/orders?tab=new&sort=-total")
	focus := func(want string) {
		t.Helper()
		o.Await(`document.activeElement.closest('tr')?.id === '` + want[1:] + `'`)
	}
	o.Press("j")
	focus(row(o.orders[4]))
	o.Press("j")
	o.Press("j")
	o.Press("k")
	focus(row(o.orders[3]))
	o.Press("x")
	o.Reads("#picked", "1 order chosen")
	o.Press("x")
	o.Reads("#picked", "Choose orders")

	o.Press("?")
	o.Await("document.querySelector('#dialog').open")
	o.Reads("#dialog h1", "Keyboard")
	o.Press(kb.Escape)
	o.Await("!document.querySelector('#dialog').open")
	focus(row(o.orders[3])) // it returns
	o.Go(kb.Enter)
	o.Reads("h1", "Order C-4")

	o.Press("g")
	o.Go("6")
	o.Reads("h1", "Archived orders")
	o.Press("/")
	o.Await("document.activeElement.id === 'q'")
	browser.Eval[string](o.Page, "document.querySelector('#q').value = ''") // the devtools send a character apart from its key, so nothing can hold it back
	o.Press("C-2")
	o.Go(kb.Enter)
	o.Reads("h1", "Order C-2")

	palette := func() {
		t.Helper()
		browser.Eval[bool](o.Page, `document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'k', ctrlKey: true, bubbles: true, cancelable: true}))`)
		o.Await("document.activeElement.id === 'palette-q'")
	}
	palette()
	o.Press("C-5")
	o.Await("document.querySelectorAll('.orders-found a').length === 1")
	o.Press(kb.ArrowDown)
	o.Go(kb.Enter)
	o.Reads("h1", "Order C-5")
	palette()
	o.Press("archi")
	o.Go(kb.Enter)
	o.Reads("h1", "Archived orders")

	o.Open("/keys")
	o.Follow(`main button[value="off"]`)
	o.Open("/orders?tab=new")
	o.Press("j")
	o.Press("/")
	o.Press("?")
	if browser.Eval[bool](o.Page, "document.activeElement !== document.body || document.querySelector('#dialog').open") {
		t.Error("the shortcuts are off, and do something")
	}
	o.Sound()
}

// The whole list as a table: all pages of it, filtered as it is, and safe to be opened by a spreadsheet.
func TestAListAsATable(t *testing.T) {
	o := openOffice(t, 0)
	var lines [][]byte
	for i := range 450 {
		in := sampleOrder(1000 + i)
		in.Customer.Company = "=cmd|' /C calc'!A0"
		line, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	_, _, position := importOrders(t, o.api, lines, "many")
	o.api.Tabs(t, position)
	a, err := o.api.Call(t.Context(), http.MethodGet, "/orders.csv?tab=new&manufacturer=acme&sort=total", "", nil)
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("%v %d", err, a.Status)
	}
	rows, err := csv.NewReader(bytes.NewReader(a.Body)).ReadAll()
	if err != nil || len(rows) != 301 || rows[1][7] != "'=cmd|' /C calc'!A0" {
		t.Errorf("%d rows, %v: %q", len(rows), err, rows[min(1, len(rows)-1)])
	}
	o.Open("/orders?tab=new")
	if size := browser.Eval[int](o.Page, "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).reduce((sum, e) => sum + e.transferSize, 0)"); size > 150<<10 {
		t.Errorf("the first list takes %d bytes", size)
	} else {
		t.Logf("the first list takes %d bytes", size)
	}
	if foreign := browser.Eval[int](o.Page, "performance.getEntriesByType('resource').filter(e => !e.name.startsWith(location.origin)).length"); foreign != 0 {
		t.Errorf("%d requests went elsewhere", foreign)
	}
}

// Every state of the list can be used by everybody.
func TestListsAreAccessible(t *testing.T) {
	o := openOffice(t, 9)
	o.Open("/orders?tab=new")
	o.live()
	o.act(2, "accept", "{}")
	o.act(4, "accept", "{}")
	o.act(4, "ship", "{}")
	o.act(6, "accept", "{}")
	o.act(6, "ship", "{}")
	o.act(6, "refund", `{"reason":"broken"}`)
	o.Open("/orders?tab=new")
	o.Check("list")
	o.Click(row(o.orders[0]) + " td.pick input")
	o.Click("#filters summary")
	o.Check("list-filter")
	o.Open("/orders?tab=new&status=placed&manufacturer=acme&total_from=10")
	o.Click("#views summary")
	o.Check("list-views")
	for name, path := range map[string]string{
		"list-shipped": "/orders?tab=shipped", "list-none": "/orders?tab=paid", "list-no-match": "/orders?tab=new&q=nothing+like+it",
		"list-found": "/orders?tab=all&q=example", "palette": "/palette?q=person", "keys": "/keys", "views-none": "/views", "jobs-none": "/jobs",
		"list-bad": "/orders?" + url.Values{"total_from": {"x"}}.Encode(),
	} {
		o.Open(path)
		o.Check(name)
	}
	o.Open("/orders?tab=new")
	o.Press("?")
	o.Await("document.querySelector('#dialog').open")
	o.Check("keys-dialog")
}
