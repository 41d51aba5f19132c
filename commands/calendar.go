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
}

// DefaultCalendar is one business day, Monday to Friday, in UTC.
func DefaultCalendar() Calendar {
	return Calendar{Name: "weekdays", Zone: time.UTC, Days: 1, Work: cal.NewBusinessCalendar()}
}

// ConfirmBy is when an order that arrived at an instant must be confirmed: at the same time of day, so many business days
// later. An order that arrives on a day off counts from the end of that day.
func (c Calendar) ConfirmBy(arrived time.Time) domain.Confirmation {
	local := arrived.In(c.Zone)
	for !c.Work.IsWorkday(local) {
		y, m, d := local.Date()
		local = time.Date(y, m, d+1, 0, 0, 0, 0, c.Zone)
	}
	for left := c.Days; left > 0; {
		y, m, d := local.Date()
		hh, mm, ss := local.Clock()
		local = time.Date(y, m, d+1, hh, mm, ss, 0, c.Zone)
		if c.Work.IsWorkday(local) {
			left--
		}
	}
	y, m, d := local.Date()
	return domain.Confirmation{
		By: local.UTC(), DueFrom: time.Date(y, m, d, 0, 0, 0, 0, c.Zone).UTC(), Zone: c.Zone.String(), Calendar: c.Name,
	}
}
