package manufacturer

import (
	"slices"
	"time"

	"github.com/rickar/cal/v2"

	"github.com/orderledger/orderledger/commands"
)

// Manufacturer is one of those whose orders come in.
type Manufacturer struct {
	Name     string // as orders name it; Default for all that are not known
	Calendar commands.Calendar
	Contact  Contact
}

// Contact is how a manufacturer is told that an order was not confirmed: in one way, or in none. So there is one message, with one
// receipt.
type Contact struct {
	Email             string
	WebhookURL        string
	WebhookSecretFile string // what its messages are signed with: the current secret and, in a second line, the one before it
	NATSSubject       string // that a stream of JetStream takes
	NATSURL           string // empty: the log's own, where that is an external NATS
	NATSCredsFile     string
}

// Default is the name of the entry for manufacturers that have none of their own.
const Default = "default"

// Book is all manufacturers by name. The zero Book knows none: each has commands.DefaultCalendar and can't be told anything.
type Book map[string]Manufacturer

// Of is the manufacturer of an order: its own entry, else the default one, under its own name.
func (b Book) Of(name string) Manufacturer {
	m, known := b[name]
	if !known {
		m, known = b[Default]
	}
	if !known {
		m.Calendar = commands.DefaultCalendar()
	}
	m.Name = name
	return m
}

// Calendars are the calendars by which the manufacturers that have an entry want their orders confirmed.
func (b Book) Calendars() map[string]commands.Calendar {
	all := make(map[string]commands.Calendar, len(b))
	for name, m := range b {
		all[name] = m.Calendar
	}
	return all
}

// WithoutNATS names the manufacturers that are told on a subject, and name no server of their own.
func (b Book) WithoutNATS() (names []string) {
	for name, m := range b {
		if m.Contact.NATSSubject != "" && m.Contact.NATSURL == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// days are the days of the week as a configuration names them.
var days = map[string]time.Weekday{
	"mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday, "thu": time.Thursday,
	"fri": time.Friday, "sat": time.Saturday, "sun": time.Sunday,
}

func workWeek(works []time.Weekday) *cal.BusinessCalendar {
	c := cal.NewBusinessCalendar()
	for d := time.Sunday; d <= time.Saturday; d++ {
		c.SetWorkday(d, false)
	}
	for _, d := range works {
		c.SetWorkday(d, true)
	}
	return c
}

// yearly is a day off in every year. In years without 29 February that day is none.
func yearly(month time.Month, day int) *cal.Holiday {
	return &cal.Holiday{Name: "day off", Month: month, Day: day, Func: func(h *cal.Holiday, year int) time.Time {
		t := time.Date(year, h.Month, h.Day, 0, 0, 0, 0, time.UTC)
		if t.Month() != h.Month {
			return time.Time{}
		}
		return t
	}}
}

// once is a day off in one year.
func once(t time.Time) *cal.Holiday {
	h := yearly(t.Month(), t.Day())
	h.StartYear, h.EndYear = t.Year(), t.Year()
	return h
}
