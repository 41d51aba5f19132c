package manufacturer_test

import (
	"testing"
	"time"

	"github.com/knadh/koanf/parsers/yaml"

	"github.com/orderledger/orderledger/commands/manufacturer"
)

// parse reads manufacturers as a configuration says them.
func parse(t *testing.T, text string) (manufacturer.Book, error) {
	t.Helper()
	raw, err := yaml.Parser().Unmarshal([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return manufacturer.Parse(raw[manufacturer.Key])
}

const makers = `
manufacturers:
  acme:     {time-zone: America/New_York, work-hours: "08:00-17:00", holidays: us}
  slow:     {time-zone: America/New_York, work-hours: "08:00-17:00", holidays: us, days-to-confirm: 3}
  always:   {time-zone: America/New_York, work-days: [mon, tue, wed, thu, fri, sat, sun]}
  bayern:   {time-zone: Europe/Berlin, work-hours: "07:30-16:15", holidays: de-by, days-off: [12-24, 12-31, 2026-05-15]}
  london:   {time-zone: Europe/London, work-hours: "09:00-17:30", holidays: gb}
  tokyo:    {time-zone: Asia/Tokyo, work-hours: "09:00-18:00", holidays: jp}
  auckland: {time-zone: Pacific/Auckland, work-hours: "08:00-16:00", holidays: nz}
  samoa:    {time-zone: Pacific/Pago_Pago, work-hours: "08:00-16:00"}
  cairo:    {time-zone: Africa/Cairo, work-days: [sun, mon, tue, wed, thu], days-off: [02-29]}
  default:  {time-zone: Europe/Paris, holidays: fr}
`

// All times are the manufacturer's own, with the offset that its clocks have.
func TestConfirmBy(t *testing.T) {
	book, err := parse(t, makers)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, maker, arrived, by, day string }{
		{"in working hours: the same time", "acme", "2026-11-23T10:15:07-05:00", "2026-11-24T10:15:07-05:00", "2026-11-24"},
		{"at opening: it has this whole day", "acme", "2026-11-23T08:00:00-05:00", "2026-11-23T17:00:00-05:00", "2026-11-23"},
		{"a second later", "acme", "2026-11-23T08:00:01-05:00", "2026-11-24T08:00:01-05:00", "2026-11-24"},
		{"a second before opening: by closing of that day", "acme", "2026-11-23T07:59:59-05:00", "2026-11-23T17:00:00-05:00", "2026-11-23"},
		{"a second before closing", "acme", "2026-11-23T16:59:59-05:00", "2026-11-24T16:59:59-05:00", "2026-11-24"},
		{"at closing: by closing of the next day", "acme", "2026-11-23T17:00:00-05:00", "2026-11-24T17:00:00-05:00", "2026-11-24"},
		{"at night", "acme", "2026-11-24T02:00:00-05:00", "2026-11-24T17:00:00-05:00", "2026-11-24"},
		{"over the weekend", "acme", "2026-11-20T16:00:00-05:00", "2026-11-23T16:00:00-05:00", "2026-11-23"},
		{"Friday night", "acme", "2026-11-20T22:00:00-05:00", "2026-11-23T17:00:00-05:00", "2026-11-23"},
		{"on a Saturday", "acme", "2026-11-21T10:00:00-05:00", "2026-11-23T17:00:00-05:00", "2026-11-23"},
		{"another day there: Sunday evening, Monday in Greenwich", "acme", "2026-11-23T01:00:00Z", "2026-11-23T17:00:00-05:00", "2026-11-23"},

		{"over Thanksgiving", "acme", "2026-11-25T10:00:00-05:00", "2026-11-27T10:00:00-05:00", "2026-11-27"},
		{"on Thanksgiving", "acme", "2026-11-26T10:00:00-05:00", "2026-11-27T17:00:00-05:00", "2026-11-27"},
		{"a holiday on a Saturday is kept on Friday", "acme", "2026-07-02T10:00:00-04:00", "2026-07-06T10:00:00-04:00", "2026-07-06"},
		{"a holiday on a Sunday is kept on Monday", "acme", "2027-07-02T10:00:00-04:00", "2027-07-06T10:00:00-04:00", "2027-07-06"},
		{"New Year's Day on a Saturday is kept in the old year", "acme", "2021-12-30T10:00:00-05:00", "2022-01-03T10:00:00-05:00", "2022-01-03"},
		{"over the new year", "acme", "2026-12-31T16:30:00-05:00", "2027-01-04T16:30:00-05:00", "2027-01-04"},
		{"Christmas and Boxing Day, both moved", "london", "2027-12-24T12:00:00Z", "2027-12-29T12:00:00Z", "2027-12-29"},
		{"a holiday that moves with Easter", "bayern", "2026-04-02T12:00:00+02:00", "2026-04-07T12:00:00+02:00", "2026-04-07"},
		{"of this state only", "bayern", "2026-01-05T12:00:00+01:00", "2026-01-07T12:00:00+01:00", "2026-01-07"},
		{"own day of every year, then holidays, a weekend", "bayern", "2026-12-23T12:00:00+01:00", "2026-12-28T12:00:00+01:00", "2026-12-28"},
		{"own day of one year: after Ascension", "bayern", "2026-05-13T12:00:00+02:00", "2026-05-18T12:00:00+02:00", "2026-05-18"},
		{"not of another one", "bayern", "2028-05-12T12:00:00+02:00", "2028-05-15T12:00:00+02:00", "2028-05-15"},
		{"golden week", "tokyo", "2026-05-01T12:00:00+09:00", "2026-05-07T12:00:00+09:00", "2026-05-07"},

		{"three days", "slow", "2026-11-16T10:00:00-05:00", "2026-11-19T10:00:00-05:00", "2026-11-19"},
		{"three days before opening: the first is this one", "slow", "2026-11-16T06:00:00-05:00", "2026-11-18T17:00:00-05:00", "2026-11-18"},
		{"three days over a weekend and a holiday", "slow", "2026-11-24T10:00:00-05:00", "2026-11-30T10:00:00-05:00", "2026-11-30"},

		{"clocks go forward over the weekend: 71 hours", "acme", "2026-03-06T10:00:00-05:00", "2026-03-09T10:00:00-04:00", "2026-03-09"},
		{"clocks go back over the weekend: 73 hours", "acme", "2026-10-30T10:00:00-04:00", "2026-11-02T10:00:00-05:00", "2026-11-02"},
		{"the time that clocks skip", "always", "2026-03-07T02:30:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08"},
		{"the time that clocks show twice: its first", "always", "2026-10-31T01:30:00-04:00", "2026-11-01T01:30:00-04:00", "2026-11-01"},
		{"arriving in the time that clocks show twice, its second", "always", "2026-11-01T01:30:00-05:00", "2026-11-02T01:30:00-05:00", "2026-11-02"},
		{"a day of 23 hours is one day", "always", "2026-03-08T12:00:00-04:00", "2026-03-09T12:00:00-04:00", "2026-03-09"},
		{"clocks go forward at midnight: the day begins at one", "cairo", "2026-04-23T12:00:00+02:00", "2026-04-26T12:00:00+03:00", "2026-04-26"},
		{"southern summer begins", "auckland", "2026-09-25T09:00:00+12:00", "2026-09-28T09:00:00+13:00", "2026-09-28"},

		{"to the leap day", "acme", "2028-02-28T10:00:00-05:00", "2028-02-29T10:00:00-05:00", "2028-02-29"},
		{"from the leap day", "acme", "2028-02-29T10:00:00-05:00", "2028-03-01T10:00:00-05:00", "2028-03-01"},
		{"no leap day this year", "acme", "2026-02-27T10:00:00-05:00", "2026-03-02T10:00:00-05:00", "2026-03-02"},
		{"the leap day off", "cairo", "2028-02-28T10:00:00+02:00", "2028-03-01T10:00:00+02:00", "2028-03-01"},
		{"and nothing in its place", "cairo", "2027-02-28T10:00:00+02:00", "2027-03-01T10:00:00+02:00", "2027-03-01"},

		{"a day ahead", "auckland", "2026-11-22T21:00:00Z", "2026-11-24T10:00:00+13:00", "2026-11-24"},
		{"a day behind: still Sunday", "samoa", "2026-11-23T09:00:00Z", "2026-11-23T16:00:00-11:00", "2026-11-23"},
		{"unknown: as the default says", "somebody", "2026-07-13T10:00:00+02:00", "2026-07-15T10:00:00+02:00", "2026-07-15"},
		{"no hours: Saturday counts from Monday", "somebody", "2026-11-21T10:00:00+01:00", "2026-11-24T00:00:00+01:00", "2026-11-23"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := book.Of(tt.maker).Calendar
			got := c.ConfirmBy(instant(t, tt.arrived))
			if !got.By.Equal(instant(t, tt.by)) {
				t.Errorf("by %s, want %s", got.By.In(c.Zone).Format(time.RFC3339), tt.by)
			}
			if from := got.DueFrom.In(c.Zone); from.Format(time.DateOnly) != tt.day || from.Add(-time.Second).Format(time.DateOnly) == tt.day {
				t.Errorf("due from %s, want the beginning of %s", from.Format(time.RFC3339), tt.day)
			}
			if got.By.Location() != time.UTC || got.DueFrom.Location() != time.UTC || got.Zone != c.Zone.String() || got.Calendar != c.Name {
				t.Errorf("%+v", got)
			}
			if !got.Due(got.By.Add(-time.Second)) || got.Due(got.By) {
				t.Error("it is not due up to its end")
			}
		})
	}
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Whatever the hour, an order has the time of its business days, and a later one is not due earlier; but where clocks are set
// back, and so show the same time of arrival twice.
func TestConfirmByGrowsWithTime(t *testing.T) {
	book, err := parse(t, makers)
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range book {
		last := time.Time{}
		for at := instant(t, "2027-12-01T00:00:00Z"); at.Before(instant(t, "2029-01-10T00:00:00Z")); at = at.Add(17 * time.Minute) {
			got := m.Calendar.ConfirmBy(at)
			if got.By.Before(last.Add(-time.Hour)) || !got.By.After(at) || got.By.Sub(at) > 20*24*time.Hour || !got.DueFrom.Before(got.By) {
				t.Fatalf("%s: arrived %s, by %s, due from %s; the one before by %s", name, at, got.By, got.DueFrom, last)
			}
			last = got.By
		}
	}
}
