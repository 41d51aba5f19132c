package queryapi_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/queryapi"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
)

func entered(reference string) domain.PaymentCaptured {
	return domain.PaymentCaptured{Amount: 47238, Currency: "USD", ExternalReference: reference}
}

// owing is a ledger with two entries owed (of them one to acme), a reversal owed on account, one of a card order that was paid
// outside Stripe, and two recordings.
func owing(t *testing.T) *querytest.Ledger {
	l := querytest.New()
	refunded := domain.Refunded{Amount: 47238, Currency: "USD"}
	l.Place(t, clerk, querytest.Placed("100", domain.Account), domain.Accepted{}, domain.Shipped{})
	acme := querytest.Placed("101", domain.Account)
	acme.Manufacturer, acme.Personal.Customer.Company = "acme", "=HYPERLINK(\"http://evil\")"
	l.Place(t, clerk, acme, domain.Accepted{}, domain.Shipped{})
	l.Place(t, clerk, querytest.Placed("102", domain.Account), domain.Accepted{}, entered("INV-102"), refunded)
	outside := querytest.Captured("103")
	outside.Answer = domain.Answer{Source: domain.FromElsewhere, Reference: "wire 4711"}
	l.Place(t, clerk, querytest.Placed("103", domain.Card), domain.Accepted{}, outside, refunded)
	l.Place(t, clerk, querytest.Placed("104", domain.Account), domain.Accepted{}, entered("@INV-104"), refunded, domain.ReversalRecorded{ExternalReference: "CN-104"})
	return l
}

func TestObligations(t *testing.T) {
	url := serve(t, owing(t), func(d *queryapi.Deps) {
		d.Now = func() time.Time { return querytest.Start.Add(49 * time.Hour) }
	})
	for query, want := range map[string]string{
		"":                             "4: 100 entry 101 entry 102 reversal 103 reversal",
		"?kind=entry":                  "2: 100 entry 101 entry",
		"?kind=reversal":               "2: 102 reversal 103 reversal",
		"?manufacturer=acme":           "1: 101 entry",
		"?kind=reversal&format=json":   "2: 102 reversal 103 reversal",
		"?manufacturer=nobody":         "0:",
		"?limit=1":                     "4: 100 entry",
		"?limit=1&cursor=3&wait_for=4": "4: 103 reversal",
	} {
		list := decode[queryapi.ObligationList](t, read(t, ask(t, "viewer", url+"/v1/obligations"+query), 200))
		got := fmt.Sprint(list.Count, ":")
		for _, ob := range list.Data {
			got += fmt.Sprint(" ", ob.OrderNumber, " ", ob.Kind)
		}
		if got != want || list.HasMore != (list.NextCursor != nil) {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	first := decode[queryapi.ObligationList](t, read(t, ask(t, "viewer", url+"/v1/obligations?limit=1"), 200)).Data[0]
	if want := (queryapi.Obligation{
		OrderID: domain.OrderID("northwind", "100"), OrderNumber: "100", Version: 3, Kind: domain.OwesEntry, Since: querytest.Start.Add(2 * time.Minute),
		AgeDays: 2, Amount: 47238, Currency: "USD", Method: domain.Account, Manufacturer: "northwind",
		Customer: queryapi.Account{Name: "Paul Henriot", Company: "Vins et alcools Chevalier", AccountNumber: "A-77"},
	}); first != want {
		t.Errorf("got %+v, want %+v", first, want)
	}
	for query, status := range map[string]int{
		"?kind=debt": 422, "?limit=0": 422, "?cursor=x": 400, "?format=xml": 422, "?wait_for=999": 503, "?format=csv&limit=1": 400,
		"?format=csv&cursor=1": 400, "?tab=new": 422,
		"/recorded?from=yesterday": 400, "/recorded?to=x": 400, "/recorded?kind=debt": 422, "/recorded?wait_for=999": 503,
	} {
		read(t, ask(t, "viewer", serve(t, owing(t), func(d *queryapi.Deps) { d.Wait = time.Millisecond })+"/v1/obligations"+query), status)
	}
}

func TestRecorded(t *testing.T) {
	url := serve(t, owing(t))
	for query, want := range map[string]string{
		"":                        "INV-102 @INV-104 CN-104",
		"?kind=entry":             "INV-102 @INV-104",
		"?kind=reversal":          "CN-104",
		"?manufacturer=acme":      "",
		"?limit=1&cursor=1":       "@INV-104",
		"?from=2026-03-02":        "INV-102 @INV-104 CN-104",
		"?from=2026-03-03":        "",
		"?to=2026-03-01":          "",
		"?to=2026-03-02":          "INV-102 @INV-104 CN-104",
		"?to=2026-03-02T09:09Z":   "bad",
		"?to=2026-03-02T09:08:0Z": "bad",
		"?from=2026-03-02T09:09:00Z&to=2026-03-02T09:17:00Z": "@INV-104",
	} {
		status := 200
		if want == "bad" {
			status = 400
		}
		body := read(t, ask(t, "viewer", url+"/v1/obligations/recorded"+query), status)
		if status != 200 {
			continue
		}
		var got []string
		for _, r := range decode[queryapi.RecordedList](t, body).Data {
			got = append(got, r.Reference)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
}

func TestTablesForTheBookkeeper(t *testing.T) {
	l := owing(t)
	url := serve(t, l, func(d *queryapi.Deps) { d.Now = func() time.Time { return querytest.Start.Add(49 * time.Hour) } })
	res := ask(t, "auditor", url+"/v1/obligations?format=csv")
	id := func(manufacturer, number string) string { return domain.OrderID(manufacturer, number).String() }
	want := `order_number,kind,since_utc,age_days,amount,currency,customer_name,company,account_number,manufacturer,method,order_id
100,entry,2026-03-02 09:02:00,2,472.38,USD,Paul Henriot,Vins et alcools Chevalier,A-77,northwind,account,` + id("northwind", "100") + `
101,entry,2026-03-02 09:05:00,2,472.38,USD,Paul Henriot,"'=HYPERLINK(""http://evil"")",A-77,acme,account,` + id("acme", "101") + `
102,reversal,2026-03-02 09:09:00,2,472.38,USD,Paul Henriot,Vins et alcools Chevalier,A-77,northwind,account,` + id("northwind", "102") + `
103,reversal,2026-03-02 09:13:00,2,472.38,USD,Paul Henriot,Vins et alcools Chevalier,,northwind,card,` + id("northwind", "103") + `
`
	if got := read(t, res, 200); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if h := res.Header; h.Get("Content-Type") != "text/csv; charset=utf-8; header=present" || h.Get("Content-Disposition") != `attachment; filename="obligations-2026-03-04.csv"` {
		t.Errorf("headers %v", h)
	}
	res = ask(t, "auditor", url+"/v1/obligations/recorded?kind=entry", "Accept", "text/csv, application/json;q=0.5")
	want = `recorded_at_utc,kind,reference,order_number,amount,currency,customer_name,company,account_number,manufacturer,method,order_id
2026-03-02 09:08:00,entry,INV-102,102,472.38,USD,Paul Henriot,Vins et alcools Chevalier,A-77,northwind,account,` + id("northwind", "102") + `
2026-03-02 09:16:00,entry,'@INV-104,104,472.38,USD,Paul Henriot,Vins et alcools Chevalier,A-77,northwind,account,` + id("northwind", "104") + `
`
	if got := read(t, res, 200); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for accept, kind := range map[string]string{
		"text/csv": "text/csv", "*/*": "application/json", "application/json, text/csv;q=0.9": "application/json", "text/html,*/*;q=0.8": "application/json",
		"text/plain": "application/json",
	} {
		if res := ask(t, "auditor", url+"/v1/obligations?kind=entry", "Accept", accept); !strings.HasPrefix(res.Header.Get("Content-Type"), kind) {
			t.Errorf("%s: %s", accept, res.Header.Get("Content-Type"))
		}
	}
	if res := ask(t, "auditor", url+"/v1/obligations?format=json", "Accept", "text/csv"); res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("format beats Accept: %s", res.Header.Get("Content-Type"))
	}
}

func TestCellsAreNoFormulas(t *testing.T) {
	for cell, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", "plain": "plain", "": "", " ": " ", " =1": "' =1", "\n=1": "'\n=1", "\u00a0@x": "'\u00a0@x",
		"＝1+1": "'＝1+1", "＠x": "'＠x", "1-1": "1-1", "Ärger": "Ärger",
	} {
		if got := queryapi.Cell(cell); got != want {
			t.Errorf("%q: %q, want %q", cell, got, want)
		}
	}
}

// many is a reader of many orders that owe an entry. It fails, or calls back, when asked for a page behind the first.
type many struct {
	projections.Reader
	orders int
	second func(context.Context) error
}

func (m many) Obligations(ctx context.Context, q projections.ObligationQuery) (projections.ObligationPage, error) {
	var from int
	if q.Cursor != "" {
		if err := m.second(ctx); err != nil {
			return projections.ObligationPage{}, err
		}
		if _, err := fmt.Sscan(q.Cursor, &from); err != nil {
			return projections.ObligationPage{}, err
		}
	}
	at := querytest.Start
	page := projections.ObligationPage{Page: projections.Page{Count: int64(m.orders)}}
	for i := from; i < min(m.orders, from+q.Limit); i++ {
		page.Orders = append(page.Orders, domain.Order{ID: uuid.Max, OrderNumber: fmt.Sprint(i), Method: domain.Account, ShippedAt: &at, Total: 5, Currency: "JPY"})
	}
	if from+q.Limit < m.orders {
		page.Next = fmt.Sprint(from + q.Limit)
	}
	return page, ctx.Err()
}

func TestTablesAreWholeOrCut(t *testing.T) {
	l := querytest.New()
	with := func(m many, change ...func(*queryapi.Deps)) string {
		m.Reader, m.orders = l, 1000
		return serve(t, l, append(change, func(d *queryapi.Deps) { d.Reader = m })...) + "/v1/obligations?format=csv"
	}
	body := read(t, ask(t, "viewer", with(many{second: func(context.Context) error { return nil }})), 200)
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != 1001 || rows[1000][0] != "999" || rows[1000][4] != "5" {
		t.Errorf("%d rows, %v", len(rows), err)
	}

	done := make(chan struct{})
	for name, url := range map[string]string{
		"broken": with(many{second: func(context.Context) error { return errors.New("disk") }}),
		"stopping": with(many{second: func(ctx context.Context) error { close(done); <-ctx.Done(); return ctx.Err() }}, func(d *queryapi.Deps) {
			d.Done = done
		}),
	} {
		var body bytes.Buffer
		if _, err := body.ReadFrom(ask(t, "viewer", url).Body); err == nil || !strings.HasPrefix(body.String(), "order_number,") {
			t.Errorf("%s: %v: %.200s", name, err, &body)
		}
	}
}

func TestTablesAreBounded(t *testing.T) {
	l := owing(t)
	url := serve(t, l, func(d *queryapi.Deps) { d.MaxStreams = 1 })
	open := ask(t, "viewer", url+"/v1/events")
	read(t, ask(t, "viewer", url+"/v1/obligations?format=csv"), 503)
	read(t, ask(t, "viewer", url+"/v1/obligations"), 200)
	_ = open.Body.Close()
}
