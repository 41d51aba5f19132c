package commands

import (
	"time"

	"github.com/rickar/cal/v2"

	"github.com/orderledger/orderledger/domain"
)

// Calendar computes the manufacturer's clock of an order: a number of business days in a time zone. It is asked once, when
// the ledger takes the order in; what it said is stored.
type Calendar struct {
	Name string
	Zone *time.Location
	Days int // business days to confirm
	Work *cal.BusinessCalendar
	// Open and Close are the working hours, as times of the day on its clock. Zero and zero: the whole day.
	Open, Close time.Duration
}

// DefaultCalendar is one business day, Monday to Friday, in UTC.
func DefaultCalendar() Calendar {
	return Calendar{Name: "weekdays", Zone: time.UTC, Days: 1, Work: cal.NewBusinessCalendar()}
}

const day = 24 * time.Hour

// ConfirmBy is when an order that arrived at an instant must be confirmed. What arrives in working hours has until the same time
// of day, so many business days later. What arrives outside of them, or on a day off, waits until work begins again: that
// business day is the first, and the last one's closing time is the end.
func (c Calendar) ConfirmBy(arrived time.Time) domain.Confirmation {
	opens, closes := c.Open, c.Close
	if closes == 0 {
		closes = day
	}
	local := arrived.In(c.Zone)
	today := dateOf(local)
	hour, minute, second := local.Clock()
	clock := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second

	due, until := today, clock
	switch worked := c.works(today); {
	case worked && opens < clock && clock < closes:
		due = c.after(today, c.Days)
	case worked && clock <= opens:
		due, until = c.after(today, c.Days-1), closes
	default:
		due, until = c.after(today, c.Days), closes
	}
	return domain.Confirmation{
		By: due.at(until, c.Zone).UTC(), DueFrom: due.at(0, c.Zone).UTC(), Zone: c.Zone.String(), Calendar: c.Name,
	}
}

// farthest bounds how far a business day is looked for: a calendar without one must not hang the ledger.
const farthest = 3 * 366

// after is the nth business day behind a day; the day itself for none.
func (c Calendar) after(d date, n int) date {
	for range farthest {
		if n <= 0 {
			break
		}
		if d++; c.works(d) {
			n--
		}
	}
	return d
}

func (c Calendar) works(d date) bool { return c.Work.IsWorkday(d.at(0, time.UTC)) }

// date is a day of the calendar, wherever: so many days after 1 January 1970.
type date int

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / int64(day/time.Second))
}

// at is the instant at which a zone's clocks show a time of this day. Of two, when clocks are set back, it is the first; where
// clocks are set forward over it, it is when they are. (time.Date promises neither.)
func (d date) at(clock time.Duration, zone *time.Location) time.Time {
	shown := time.Unix(int64(d)*int64(day/time.Second), 0).UTC().Add(clock)
	_, before := shown.Add(-day).In(zone).Zone()
	_, after := shown.Add(day).In(zone).Zone()
	first := shown.Add(-time.Duration(before) * time.Second).In(zone)
	if _, offset := first.Zone(); offset == before {
		return first
	}
	second := shown.Add(-time.Duration(after) * time.Second).In(zone)
	if _, offset := second.Zone(); offset == after {
		return second
	}
	change, _ := first.ZoneBounds()
	return change
}
