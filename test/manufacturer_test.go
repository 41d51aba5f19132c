package test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands/manufacturer"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/test/testenv"
)

// A whole ledger was down when an order's confirmation fell due: on its start it records that, with the right time, and tells the
// manufacturer, once; the order can still be accepted, and is late.
func TestManufacturerIsToldOnStart(t *testing.T) {
	c := testenv.Config(t, "nats")
	c.Mail.Notify = app.NotifyOn
	var err error
	c.Manufacturers, err = manufacturer.Parse(map[string]any{
		"northwind": map[string]any{"time-zone": "America/Chicago", "holidays": "us", "work-hours": "08:00-17:00", "email": "orders@northwind.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	friday := time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC) // eleven o'clock there
	at := func(begin time.Time) app.Hooks {
		started := time.Now()
		return app.Hooks{Now: func() time.Time { return begin.Add(time.Since(started)) }}
	}
	l := testenv.Start(t, c, at(friday))
	id := place(t, l, `{"order_number":"10248","placed_at":"2026-11-20T16:59:00Z","manufacturer":"northwind",
		"customer":{"name":"Zoë","account_number":"A-1"},"lines":[{"sku":"A","quantity":1,"amount":100}],
		"currency":"USD","subtotal":100,"total":100,"payment":{"method":"account"}}`)
	l.Stop()

	for range 2 { // the second start changes nothing
		l = testenv.Start(t, c, at(friday.Add(4*24*time.Hour)))
		receipts(t, l, id, 1)
		l.Stop()
		if mails := outbox(t, c.Data); len(mails) != 1 {
			t.Fatalf("%d e-mails", len(mails))
		}
	}
	for _, mail := range outbox(t, c.Data) {
		for _, said := range []string{"orders@northwind.example", "10248", "11:00", "CST"} {
			if !strings.Contains(mail, said) {
				t.Errorf("%q is missing in\n%s", said, mail)
			}
		}
	}
	l = testenv.Start(t, c, at(friday.Add(4*24*time.Hour)))
	defer l.Stop()
	accepted, err := testenv.Client{URL: l.URL}.Act(t.Context(), id, "accept", "accept", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	o := accepted.Order
	monday := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	if o.ConfirmBy.Sub(monday).Abs() > time.Minute || o.ConfirmZone != "America/Chicago" || !o.ConfirmedLate ||
		!slices.Contains(o.Badges, domain.BadgeConfirmationMissed) {
		t.Errorf("%+v", o)
	}
}
