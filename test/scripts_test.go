package test

import (
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/test/browser"
	"github.com/orderledger/orderledger/test/testenv"
)

// mixed are the texts in scripts that are written from right to left which could change where their neighbours stand: nothing keeps them
// apart. Raw events, fields and what only the browser shows (titles, options) can't.
const mixed = `(() => {
	const bad = [], walk = document.createTreeWalker(document.querySelector('dialog[open]') || document.querySelector('main'), NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const node = walk.currentNode, text = node.textContent.trim().replaceAll(/\u2068[^\u2069]*\u2069/g, '');
		if (!/[\u0590-\u06ff]/.test(text) || node.parentElement.closest('textarea, option, pre, .hidden, [hidden]')) continue;
		let apart = node.parentElement;
		while (apart.localName !== 'main' && !/isolate|plaintext/.test(getComputedStyle(apart).unicodeBidi)) apart = apart.parentElement;
		const around = apart.textContent.trim();
		if (around !== node.textContent.trim() && apart.localName !== 'bdi' && !apart.matches('.what > span')) bad.push(apart.outerHTML.slice(0, 200));
	}
	return bad.join('\\n');
})()`

// Names, addresses, numbers and notes may be Hebrew or Arabic: what stands beside them, amounts above all, stays where it is.
func TestNamesInOtherScripts(t *testing.T) {
	browser.Find(t)
	ledger := testenv.Start(t, testenv.Config(t, "memory"), app.Hooks{})
	o := &office{t: t, api: testenv.Client{URL: ledger.URL}}
	in := sampleOrder(2) // on account
	in.OrderNumber, in.Manufacturer, in.ShippingMethod = "הזמנה-7", "acme", "شحن 24"
	in.Customer.Name, in.Customer.Company, in.Customer.Phone = "דוד לוי", "חלפים 2000 בע״מ", "04-555 01"
	in.ShippingAddress = domain.Address{Name: "דוד לוי", Line1: "רחוב הנמל 12", Line2: "קומה 3", City: "חיפה", PostalCode: "33031", Region: "צפון", Country: "IL"}
	in.BillingAddress = domain.Address{Name: "أحمد", Line1: "شارع 5", City: "حيفا", PostalCode: "33032", Country: "IL"}
	in.Lines[0].SKU, in.Lines[0].Description = "מק-1", "מסנן 40 מ״מ"
	o.bring(in)
	o.Page = browser.Open(t, ledger.URL)
	page := "/orders/" + in.ID().String()
	o.act(1, "accept", "{}")
	o.act(1, "notes", `{"text":"להתקשר לפני 12:00"}`)
	look := func(name string) {
		t.Helper()
		if bad := browser.Eval[string](o.Page, mixed); bad != "" {
			t.Errorf("%s:\n%s", name, bad)
		}
		o.Picture("scripts-" + name)
	}
	open := func(name, path string) {
		t.Helper()
		o.Open(path)
		look(name)
	}
	open("list", "/orders?tab=new&q=חלפים")
	open("order", page)
	left := func(selector string) float64 {
		return browser.Eval[float64](o.Page, `document.querySelector('`+selector+`').getBoundingClientRect().left`)
	}
	if left(".sub bdi") >= left(".sub .amount") {
		t.Error("the amount stands on the other side of the name")
	}
	open("confirm", page+"/confirm/ship")
	open("slip", page+"/packing-slip")
	open("palette", "/palette?q="+"חלפים")
	o.Open("/orders?tab=new")
	o.tick(row(in))
	o.Follow(`#bulkbar button[value="archive"]`)
	look("plan")
	o.Follow("main form button.primary")
	o.jobOver()
	look("job")
	o.act(1, "ship", `{"tracking":[{"carrier":"שליח","number":"12-34 א"}]}`)
	open("order-shipped", page)
	open("obligations", "/obligations")
	o.Open("/orders?tab=shipped&manufacturer=acme")
	o.Click("#views summary")
	o.Fill(`#views input[name="name"]`, "חיפה 5")
	o.Follow(`#views button`)
	look("view")
	o.Open("/views")
	for deadline := time.Now().Add(testenv.Patience); !strings.Contains(o.Text("main"), "חיפה 5") && time.Now().Before(deadline); {
		o.Open("/views")
	}
	look("views")
	o.Sound()
}
