package test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/test/browser"
	"github.com/orderledger/orderledger/test/loopback"
	"github.com/orderledger/orderledger/test/testenv"
)

// jobOver waits until the page's job is over and Stripe has answered; without JavaScript somebody has to look again.
func (o *office) jobOver() {
	o.Helper()
	for deadline := time.Now().Add(testenv.Patience); o.Count(`#job[data-open="true"], #job:not([data-waits="0"])`) > 0; {
		if time.Now().After(deadline) {
			o.Fatalf("the job is not over: %s", o.Text("main"))
		}
		o.Open(browser.Eval[string](o.Page, "location.pathname + location.search"))
	}
}

// jobsSay opens the list of jobs, which is told of them a little later than a job's own page.
func (o *office) jobsSay(text string) {
	o.Helper()
	for deadline := time.Now().Add(testenv.Patience); ; {
		o.Open("/jobs")
		if strings.Contains(o.Text(".jobs tbody"), text) {
			return
		}
		if time.Now().After(deadline) {
			o.Fatalf("%q is not in the list of jobs: %s", text, o.Text(".jobs tbody"))
		}
	}
}

func (o *office) tick(selectors ...string) {
	o.Helper()
	for _, s := range selectors {
		o.Click(s + " td.pick input")
	}
}

// Many orders at once, without JavaScript: accepted, shipped with pasted tracking numbers of which some are wrong, and what failed tried
// again when somebody has seen to it.
func TestManyOrdersAtOnce(t *testing.T) {
	for name, check := range map[string]func(*office, string){
		"without JavaScript": func(o *office, name string) {},
		"with it":            func(o *office, name string) { o.Check(name) },
	} {
		t.Run(name, func(t *testing.T) {
			o := openOffice(t, 8)
			if name == "without JavaScript" {
				o.WithoutJavaScript()
			}
			manyAtOnce(t, o, check)
		})
	}
}

func manyAtOnce(t *testing.T, o *office, check func(*office, string)) {
	o.Open("/orders?tab=new&sort=order_number&manufacturer=acme")
	if got := o.numbers(); got != "C-1 C-2 C-4 C-5 C-7 C-8" {
		t.Fatalf("the list: %s", got)
	}
	o.tick(row(o.orders[0]), row(o.orders[1]), row(o.orders[3]))
	o.Follow(`#bulkbar button[value="accept"]`)
	o.Reads("h1", "Accept 3 orders?")
	check(o, "plan-accept")
	back := browser.Eval[string](o.Page, `document.querySelector('.crumb a').getAttribute('href')`)
	if !strings.Contains(back, "manufacturer=acme") {
		t.Errorf("leads back to %s", back)
	}
	o.Follow("main form button.primary")
	o.jobOver()
	o.Reads("main", "finished")
	o.Reads(".chips", "Done 3")
	o.Reads("header .name", "local")

	// Nothing is chosen, and what can't be done many at once.
	o.Open("/orders?tab=new")
	if status := o.Follow(`#bulkbar button[value="accept"]`); status != http.StatusUnprocessableEntity {
		t.Errorf("nothing chosen: %d", status)
	}
	for _, verb := range []string{"refund", "cancel", "", "capture"} {
		status, _, err := o.send("/jobs/new", "verb="+verb+"&order="+o.orders[0].ID().String())
		if err != nil || status != http.StatusBadRequest {
			t.Errorf("%s in bulk: %d, %v", verb, status, err)
		}
	}

	// Shipping begins with lines to be filled in. Wrong ones are named before anything is done.
	o.Open("/orders?tab=new&status=accepted&sort=order_number")
	o.tick(row(o.orders[0]), row(o.orders[1]))
	o.Follow(`#bulkbar button[value="ship"]`)
	check(o, "plan-ship")
	if got := o.Value("textarea.lines"); got != "order_number,manufacturer,carrier,tracking_number\nC-1,acme,,\nC-2,acme,,\n" {
		t.Errorf("the lines: %q", got)
	}
	paste := func(lines string) {
		t.Helper()
		browser.Eval[string](o.Page, fmt.Sprintf(`document.querySelector('textarea.lines').value = %q`, lines))
		o.Follow("main form button.primary")
	}
	paste("Order number;Carrier;Tracking number\nC-1;ups;1Z999AA10123456784\nC-99;ups;1Z9\nC-2;;\n")
	o.Reads("h1", "Some lines can't be used")
	o.Reads(".problems", `Line 3: there is no order "C-99".`)
	check(o, "plan-problems")
	// C-5 is not accepted, so it will be refused, and the page says so.
	paste("order_number\tcarrier\ttracking_number\nC-1\tups\t1Z999AA10123456784\nC-1\tups\t1Z999AA10123456785\nC-2\t\t\nC-5\tups\t1Z5\n")
	o.Reads("h1", "Ship 3 orders?")
	o.Reads(".plan .said", "1 of them can't be, as it stands")
	o.Reads("main", "$35.00 are taken from the customers' cards")
	check(o, "plan-ship-confirm")
	o.Follow("main form[action='/jobs'] button.primary")
	o.jobOver()
	o.Reads(".chips", "Refused 1")
	o.Reads(".results", "is not accepted yet")
	check(o, "job")
	first := browser.Eval[string](o.Page, "location.pathname")

	o.act(5, "accept", "{}")
	o.Open(first)
	o.Follow(`form[action$="/retry"] button`)
	o.jobOver()
	o.Reads("main", "what was left of another job")
	o.Reads("main .by", "local")
	if n := o.Count(".results tbody tr"); n != 1 {
		t.Errorf("%d orders were tried again", n)
	}
	for i, want := range map[int]int{1: 2, 2: 0, 5: 1} {
		in := o.orders[i-1]
		if err := awaitEvent(t.Context(), o.api, in.ID(), "Shipped"); err != nil {
			t.Fatal(err)
		}
		a, err := o.api.Call(t.Context(), http.MethodGet, "/v1/orders/"+in.ID().String(), "", nil)
		if err != nil || len(a.Order.Tracking) != want {
			t.Errorf("C-%d has %d parcels, want %d, %v", i, len(a.Order.Tracking), want, err)
		}
	}

	// The results, and the list of jobs.
	a, err := o.api.Call(t.Context(), http.MethodGet, first+"/results.csv", "", nil)
	rows, csvErr := csv.NewReader(bytes.NewReader(a.Body)).ReadAll()
	if err != nil || csvErr != nil || len(rows) != 4 || rows[3][1] != "refused" || rows[3][2] != "not_accepted" {
		t.Errorf("%q, %v, %v", rows, err, csvErr)
	}
	o.jobsSay("Finished, not all of it")
	check(o, "jobs")
	o.Sound()
}

// All that match are those that match when it is confirmed, and as many as the page said.
func TestAllThatMatch(t *testing.T) {
	o := openOffice(t, 80)
	o.Open("/orders?tab=new&manufacturer=acme")
	o.Click("#all")
	o.Reads("#picked", "All that match are chosen")
	o.Follow(`#bulkbar button[value="accept"]`)
	o.Reads("h1", "Accept 54 orders?")
	o.Check("plan-all")
	o.place(2) // of which one matches, too
	if status := o.Follow("main form button.primary"); status != http.StatusConflict {
		t.Errorf("a list that has changed: %d", status)
	}
	o.Reads("main", "The list has changed. It holds 55 orders now.")
	o.Follow("main form button.primary")
	o.Await(`document.querySelector('#job').dataset.open === 'false'`)
	o.Reads(".chips", "Done 55")
	if got := o.api.Tabs(t, 0)["new"]; got != 82 {
		t.Errorf("%d new", got)
	}
	o.Open("/orders?tab=new")
	o.Reads(".halves", "Accepted 55")
	o.Sound()
}

// send posts a form as the browser would, and says where it leads.
func (o *office) send(path, form string) (status int, leads string, err error) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, o.api.URL+path, strings.NewReader(form))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := stay.Do(req)
	if err != nil {
		return 0, "", err
	}
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Location"), nil
}

// A file of tracking numbers is as good as lines that are pasted, and one that is no such thing is named.
func TestTrackingNumbersFromAFile(t *testing.T) {
	o := openOffice(t, 2)
	o.act(2, "accept", "{}")
	o.WithoutJavaScript()
	dir := t.TempDir()
	for name, content := range map[string]string{"good.csv": "\ufeffC-2,'=1Z2\n", "bad.csv": "a,b,c,d,e\n1,2,3,4,5\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.Open("/orders?tab=new")
	o.tick(row(o.orders[1]))
	o.Follow(`#bulkbar button[value="ship"]`)
	o.Upload(`input[type="file"]`, filepath.Join(dir, "bad.csv"))
	o.Follow("main form button.primary")
	o.Reads(".problems", "The first line names no columns")
	o.Upload(`input[type="file"]`, filepath.Join(dir, "good.csv"))
	o.Follow("main form button.primary")
	o.Reads("h1", "Ship 1 order?")
	o.Follow("main form[action='/jobs'] button.primary")
	o.jobOver()
	o.Reads(".results", "=1Z2")
}

// Lists are saved under names, shared, and begun with: each person's own, by forms alone.
func TestSavedViews(t *testing.T) {
	browser.Find(t)
	ledger := testenv.Start(t, testenv.Config(t, "memory"), app.Hooks{})
	o := &office{t: t, api: testenv.Client{URL: ledger.URL}}
	o.place(4)
	people := map[string]*browser.Page{}
	for _, who := range []struct{ name, role string }{{"ada", "clerk"}, {"ben", "clerk"}, {"vera", "viewer"}} {
		secret, _ := tokenOf(t, o.api, who.name, who.role)
		p := browser.Open(t, ledger.URL)
		p.WithoutJavaScript()
		p.Open("/sign-in")
		p.Fill(`input[name="token"]`, secret)
		p.Follow(`main form button`)
		people[who.name] = p
	}
	ada, ben, vera := people["ada"], people["ben"], people["vera"]
	o.Page = ada

	ada.Open("/orders?tab=new&manufacturer=contoso&sort=-total")
	ada.Click("#views summary")
	ada.Fill(`#views input[name="name"]`, "Contoso, dear first")
	ada.Click(`#views input[name="shared"]`)
	ada.Click(`#views input[name="home"]`)
	ada.Follow(`#views button`)
	ada.Reads("h1", "Contoso, dear first")
	ada.Open("/")
	ada.Reads("h1", "Contoso, dear first")
	ada.Open("/orders?tab=new&q=ada")
	ada.Click("#views summary")
	ada.Fill(`#views input[name="name"]`, "Mine alone")
	ada.Follow(`#views button`)

	ben.Open("/orders?tab=new")
	ben.Click("#views summary")
	if text := ben.Text("#views"); !strings.Contains(text, "Contoso, dear first ada's") || strings.Contains(text, "Mine alone") {
		t.Errorf("ben sees %s", text)
	}
	ben.Open("/views")
	if ben.Count(".rename") != 0 {
		t.Error("ben may change ada's view")
	}
	ben.Follow(".views form button") // begin with it
	ben.Reads(".said.done", "You begin with this view")
	ben.Open("/")
	ben.Reads("h1", "Contoso, dear first")
	vera.Open("/orders?tab=new")
	if vera.Count(`form[action="/views"]`)+vera.Count("#bulkbar")+vera.Count("td.pick") != 0 {
		t.Error("a viewer sees buttons")
	}
	if vera.Count(".viewlinks a") != 1 {
		t.Error("a viewer does not see what is shared")
	}
	if status := vera.Open("/views"); status != http.StatusOK || vera.Count(".views form") != 0 {
		t.Errorf("a viewer's views: %d", status)
	}

	ada.Open("/views")
	seen := browser.Open(t, ledger.URL) // what is shared, with JavaScript
	seen.Open("/views")
	seen.Check("views")
	browser.Eval[string](ada, `document.querySelector('.rename input[name="name"]').value = "Contoso"`)
	ada.Follow(".rename button")
	ada.Reads(".said.done", "The view is saved.")
	ben.Open("/")
	ben.Reads("h1", "Contoso")
	browser.Eval[string](ada, `document.querySelector('.rename input[name="name"]').value = " "`)
	if status := ada.Follow(".rename button"); status != http.StatusUnprocessableEntity {
		t.Errorf("a view without a name: %d", status)
	}
	ada.Open("/views")
	ada.Follow(".views .danger")
	ada.Reads(".said.done", "The view is removed.")
	for _, p := range []*browser.Page{ada, ben} {
		p.Open("/")
		p.Reads("h1", "New orders")
	}
}

// A job belongs to its maker; managers and auditors see it, and whoever may not act has no button.
func TestWhoSeesAJob(t *testing.T) {
	browser.Find(t)
	ledger := testenv.Start(t, testenv.Config(t, "memory"), app.Hooks{})
	o := &office{t: t, api: testenv.Client{URL: ledger.URL}, Page: browser.Open(t, ledger.URL)}
	o.place(2)
	o.Open("/orders?tab=new")
	o.tick(row(o.orders[0]))
	o.Follow(`#bulkbar button[value="archive"]`)
	o.Reads(".plan .said", "None of them can be")
	o.Follow("main form button.primary")
	o.Await(`document.querySelector('#job').dataset.open === 'false'`)
	path := browser.Eval[string](o.Page, "location.pathname")
	for _, tt := range []struct {
		name, role string
		status     int
		retries    bool
	}{{"cleo", "clerk", 404, false}, {"mia", "manager", 200, true}, {"otto", "auditor", 200, false}, {"vic", "viewer", 404, false}} {
		secret, _ := tokenOf(t, o.api, tt.name, tt.role)
		api := testenv.Client{URL: ledger.URL, Token: secret}
		for _, p := range []string{path, path + "/results.csv"} {
			a, _ := api.Call(t.Context(), http.MethodGet, p, "", nil)
			if a.Status != tt.status {
				t.Errorf("%s gets %s: %d, want %d", tt.role, p, a.Status, tt.status)
			}
			if p == path && strings.Contains(string(a.Body), "/retry") != tt.retries {
				t.Errorf("%s may try again: %v", tt.role, !tt.retries)
			}
		}
	}
}

// The program is killed in the middle of a job, twice, and the job goes on when it runs again: each act once, each with its result.
func TestAJobOutlivesTheProgram(t *testing.T) {
	config := testenv.Config(t, "nats")
	config.LogLevel, config.Listen = "error", loopback.Free(t)
	o := &office{t: t, api: testenv.Client{URL: "http://" + config.Listen}}
	p := startChild(t, childConfig{App: config}).ready()
	o.place(40)
	p.stop()
	form := url.Values{"verb": {"accept"}, "all": {"yes"}, "expected": {"40"}, "query": {"tab=new"}, "key": {"job-1"}}
	path := ""
	for _, dieAt := range []int64{40, 30} { // each append is two steps
		p = startChild(t, childConfig{App: config, DieAt: dieAt})
		p.readyOrDead() // the job goes on before the program is ready
		if path == "" { // an impatient clerk sends the form again when no answer comes
			_, path, _ = o.send("/jobs", form.Encode())
		}
		<-p.gone
	}
	p = startChild(t, childConfig{App: config}).ready()
	status, again, err := o.send("/jobs", form.Encode())
	if err != nil || status != http.StatusSeeOther || !strings.HasPrefix(again, "/jobs/") || path != "" && path != again {
		t.Errorf("the same form made %s, then %s: %d, %v", path, again, status, err)
	}
	path = again
	for deadline := time.Now().Add(testenv.Patience); ; {
		a, err := o.api.Call(t.Context(), http.MethodGet, path+"/results.csv", "", nil)
		rows, csvErr := csv.NewReader(bytes.NewReader(a.Body)).ReadAll()
		if err != nil || csvErr != nil || len(rows) != 41 {
			t.Fatalf("%v, %v, %d rows", err, csvErr, len(rows))
		}
		done := 0
		for _, row := range rows[1:] {
			if row[1] == "done" {
				done++
			}
		}
		if done == 40 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of 40 are done", done)
		}
	}
	for _, in := range o.orders {
		a, err := o.api.Call(t.Context(), http.MethodGet, "/v1/orders/"+in.ID().String()+"/events", "", nil)
		var list struct {
			Data []struct {
				Type  string
				Actor struct{ ID string }
			}
		}
		if err != nil || json.Unmarshal(a.Body, &list) != nil || len(list.Data) != 2 || list.Data[1].Type != "Accepted" || list.Data[1].Actor.ID != "local" {
			t.Errorf("order %s: %v %s", in.OrderNumber, err, a.Body)
		}
	}
	p.stop()
}
