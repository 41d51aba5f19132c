package manufacturer_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/manufacturer"
)

func TestParse(t *testing.T) {
	book, err := parse(t, `
manufacturers:
  acme:
    time-zone: America/Chicago
    work-days: [mon, tue, wed, thu, fri, sat]
    work-hours: "08:00-17:30"
    holidays: [us, "no"]
    days-off: [2026-11-27, 12-24]
    days-to-confirm: 2
    email: orders@acme.example
  hooked: {webhook-url: https://acme.example/hooks, webhook-secret-file: /etc/acme}
  streamed: {nats-subject: acme.orders.missed, nats-url: "nats://acme.example:4222", nats-creds-file: /etc/creds}
  plain:
  us: {holidays: us}
  own: {days-off: 12-24}
`)
	if err != nil {
		t.Fatal(err)
	}
	acme := book.Of("acme")
	if c := acme.Calendar; c.Zone.String() != "America/Chicago" || c.Days != 2 || c.Open != 8*time.Hour || c.Close != 17*time.Hour+30*time.Minute {
		t.Errorf("%+v", c)
	}
	for name, want := range map[string]manufacturer.Contact{
		"acme":     {Email: "orders@acme.example"},
		"hooked":   {WebhookURL: "https://acme.example/hooks", WebhookSecretFile: "/etc/acme"},
		"streamed": {NATSSubject: "acme.orders.missed", NATSURL: "nats://acme.example:4222", NATSCredsFile: "/etc/creds"},
	} {
		if got := book.Of(name).Contact; got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for name, calendar := range map[string]string{
		"acme": "mon,tue,wed,thu,fri,sat+us+no+own", "plain": "weekdays", "us": "us", "own": "weekdays+own", "unknown": "weekdays",
	} {
		if m := book.Of(name); m.Calendar.Name != calendar || m.Name != name {
			t.Errorf("%s: %q, %q", name, m.Name, m.Calendar.Name)
		}
	}
	if c := manufacturer.Book(nil).Of("acme"); c.Calendar.Name != "weekdays" || c.Contact != (manufacturer.Contact{}) {
		t.Errorf("nobody is known: %+v", c)
	}
}

// Everything that is wrong is said at once, each with its key and what to do.
func TestParseSaysAllThatIsWrong(t *testing.T) {
	_, err := parse(t, `
manufacturers:
  Acme Inc.: {}
  text: hello
  bad:
    timezone: UTC
    time-zone: America/Gotham
    work-days: [monday]
    work-hours: "17:00-08:00"
    holidays: [us, atlantis]
    days-off: [2026-02-30, 13-01]
    days-to-confirm: 0
    email: "Acme <orders@acme.example>"
    webhook-url: ftp://acme.example
    nats-subject: acme.*
  lonely: {webhook-url: https://acme.example/hooks}
  both: {email: orders@acme.example, nats-subject: acme.orders}
  loose: {nats-url: "nats://acme.example"}
  odd: {time-zone: Local, work-days: [], work-hours: 8, holidays: [1], days-off: 5, days-to-confirm: one, email: 7, webhook-url: "https://me:secret@acme.example", webhook-secret-file: [], nats-subject: "", nats-url: "http://x", nats-creds-file: 3}
`)
	if err == nil {
		t.Fatal("nothing is wrong?")
	}
	said := strings.Split(err.Error(), "\n")
	for key, advice := range map[string]string{
		"Acme Inc.": "lower-case letters", "text": "key: value", "lonely": "together", "both": "give one of", "loose": "go with nats-subject",
		"odd.nats-url": "nats://", "odd.nats-creds-file": "credentials",
		"bad.timezone": "use days-off, days-to-confirm", "bad.time-zone": "America/Chicago", "bad.work-days": `"monday"`, "bad.work-hours": "08:00-17:30",
		"bad.holidays": "ar, at, au-act", "bad.days-off": `"2026-02-30"`, "bad.days-to-confirm": "from 1 to", "bad.email": "orders@acme.example",
		"bad.webhook-url": "https://acme.example/hooks", "bad.nats-subject": "acme.orders.missed",
		"odd.time-zone": "UTC", "odd.work-days": "at least one", "odd.work-hours": "00:00-24:00", "odd.holidays": "de-by", "odd.days-off": "12-24",
		"odd.days-to-confirm": "business days", "odd.email": `"7"`, "odd.webhook-url": "without a user", "odd.webhook-secret-file": "whsec_",
		"odd.nats-subject": "dots",
	} {
		if !slices.ContainsFunc(said, func(s string) bool {
			return strings.HasPrefix(s, manufacturer.Key+"."+key+": ") && strings.Contains(s, advice)
		}) {
			t.Errorf("nothing says %q of %s", advice, key)
		}
	}
	for _, s := range said {
		if strings.Contains(s, "secret@") {
			t.Errorf("a password is repeated: %s", s)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
	for _, text := range []string{"manufacturers: acme", "manufacturers: [acme]", "manufacturers: 1"} {
		if _, err := parse(t, text); err == nil || !strings.Contains(err.Error(), "one entry for each manufacturer") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Each holiday calendar keeps Christmas, or New Year's Day, in the years to come, and none keeps every day.
func TestHolidays(t *testing.T) {
	names := manufacturer.Holidays()
	if len(names) < 60 || !slices.IsSorted(names) {
		t.Errorf("%d calendars: %v", len(names), names)
	}
	for _, name := range names {
		book, err := manufacturer.Parse(map[string]any{"acme": map[string]any{"holidays": name, "work-days": []any{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}}})
		if err != nil {
			t.Fatal(err)
		}
		work := book.Of("acme").Calendar.Work
		for year := 2026; year < 2036; year++ {
			off := 0
			for d := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() == year; d = d.AddDate(0, 0, 1) {
				if !work.IsWorkday(d) {
					off++
				}
			}
			if off < 4 || off > 40 {
				t.Errorf("%s: %d days off in %d", name, off, year)
			}
		}
	}
}
