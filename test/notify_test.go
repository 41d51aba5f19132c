package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/test/testenv"
)

// outbox are the e-mails that a ledger has put into its folder.
func outbox(t *testing.T, data string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "outbox", "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	mails := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		mails[filepath.Base(f)] = string(b)
	}
	return mails
}

// receipts waits until an order's timeline holds so many of them, and returns the notices' ids by their kinds.
func receipts(t *testing.T, l *testenv.Ledger, id string, n int) map[string]string {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(testenv.Patience); ; <-tick.C {
		res, err := http.Get(l.URL + "/v1/orders/" + id + "/events")
		if err != nil {
			t.Fatal(err)
		}
		var list struct {
			Data []struct {
				Type string
				Data struct{ Kind, Notice string }
			}
		}
		err = json.NewDecoder(res.Body).Decode(&list)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		found, kinds := 0, map[string]string{}
		for _, e := range list.Data {
			if e.Type == "NotificationSent" {
				found++
				kinds[e.Data.Kind] = e.Data.Notice
			}
		}
		if found == n {
			return kinds
		}
		if found > n || time.Now().After(deadline) {
			t.Fatalf("%d receipts, want %d", found, n)
		}
	}
}

func post(t *testing.T, l *testenv.Ledger, path, body, key, version string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	if version != "" {
		r.Header.Set("If-Match", `"`+version+`"`)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= 300 {
		var b bytes.Buffer
		_, _ = b.ReadFrom(res.Body)
		t.Fatalf("%s: %d %s", path, res.StatusCode, &b)
	}
}

// A whole ledger tells a customer of their order, once: not again when it starts anew, with its snapshot or without, nor when its
// read models are rebuilt; and of nothing that was there before people were told at all.
func TestCustomersAreToldOnce(t *testing.T) {
	c := testenv.Config(t, "nats") // nobody is told
	order := `{"order_number":"%s","placed_at":"1996-07-04T09:00:00Z","manufacturer":"northwind",
		"customer":{"name":"Zoë","email":"zoe@example.com","account_number":"A-1"},"lines":[{"sku":"A","quantity":1,"amount":100}],
		"currency":"USD","subtotal":100,"total":100,"payment":{"method":"account"}}`
	l := testenv.Start(t, c, app.Hooks{})
	post(t, l, "/v1/orders", fmt.Sprintf(order, "before"), "before", "")
	l.Stop()

	c.Mail.Notify = app.NotifyOn
	l = testenv.Start(t, c, app.Hooks{})
	placed := place(t, l, fmt.Sprintf(order, "10248"))
	post(t, l, "/v1/orders/"+placed+"/accept", "", "accept", "")
	post(t, l, "/v1/orders/"+placed+"/ship", `{"tracking":[{"carrier":"ups","number":"1Z1"}]}`, "ship", "2")
	notices := receipts(t, l, placed, 2)
	first := outbox(t, c.Data)
	if len(first) != 2 {
		t.Errorf("%d e-mails", len(first))
	}
	l.Stop()

	for range 2 {
		l = testenv.Start(t, c, app.Hooks{})
		post(t, l, "/v1/projections/rebuild", "", "rebuild", "")
		receipts(t, l, placed, 2)
		l.Stop()
		if again := outbox(t, c.Data); len(again) != 2 {
			t.Errorf("%d e-mails after a restart", len(again))
		}
		if err := os.RemoveAll(filepath.Join(c.Data, "notify")); err != nil {
			t.Fatal(err)
		}
	}

	l = testenv.Start(t, c, app.Hooks{})
	post(t, l, "/v1/orders/"+placed+"/tracking", `{"tracking":[{"carrier":"fedex","number":"7712"}],"resend":true}`, "tracking", "")
	receipts(t, l, placed, 3)
	post(t, l, "/v1/orders/"+placed+"/notifications/"+notices["customer.placed"]+"/resend", "", "resend", "")
	receipts(t, l, placed, 4)
	l.Stop()
	corrected := 0
	for name, mail := range outbox(t, c.Data) {
		if _, old := first[name]; !old && strings.Contains(mail, "fedextrack") {
			corrected++
		}
		if first[name] != "" && first[name] != mail {
			t.Errorf("%s was changed", name)
		}
	}
	if n := len(outbox(t, c.Data)); n != 4 || corrected != 1 {
		t.Errorf("%d e-mails, %d with the corrected number", n, corrected)
	}
}

// place brings an order in and returns its id.
func place(t *testing.T, l *testenv.Ledger, order string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.URL+"/v1/orders", strings.NewReader(order))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "place")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var v struct{ ID string }
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil || v.ID == "" {
		t.Fatalf("%d, %v", res.StatusCode, err)
	}
	return v.ID
}
