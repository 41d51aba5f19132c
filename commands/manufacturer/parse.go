package manufacturer

import (
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	_ "time/tzdata" // zones are known where the machine knows none

	"github.com/rickar/cal/v2"

	"github.com/orderledger/orderledger/commands"
)

// Key is where the manufacturers stand in the configuration.
const Key = "manufacturers"

// Limits of what a configuration may say.
const (
	maxDays     = 60  // business days to confirm
	maxDaysOff  = 366 // own days off of one manufacturer
	maxHolidays = 10  // holiday calendars of one manufacturer
)

var (
	name     = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`) // as the rules take it in orders
	subject  = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	clock    = regexp.MustCompile(`^(\d\d):(\d\d)-(\d\d):(\d\d)$`)
	settings = map[string]func(*entry, any) error{
		"time-zone": (*entry).zone, "work-days": (*entry).workDays, "work-hours": (*entry).workHours, "holidays": (*entry).holidays,
		"days-off": (*entry).daysOff, "days-to-confirm": (*entry).days, "email": (*entry).email, "webhook-url": (*entry).webhook,
		"webhook-secret-file": (*entry).secret, "nats-subject": (*entry).nats, "nats-url": (*entry).natsURL, "nats-creds-file": (*entry).natsCreds,
	}
)

// entry is a manufacturer that is being read.
type entry struct {
	Manufacturer
	week, own string   // of the calendar's name: its days, when they are others than usual, and that it has days off of its own
	calendars []string // of holidays
	off       []*cal.Holiday
}

// Parse reads the manufacturers of a configuration: what YAML says under Key. The error names all that is wrong, each with
// its key and what to do.
func Parse(raw any) (Book, error) {
	if raw == nil {
		return nil, nil
	}
	all, ok := raw.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: write one entry for each manufacturer, such as %s: {acme: {time-zone: America/Chicago}}", Key, Key)
	}
	book, errs := Book{}, []error{}
	for _, n := range slices.Sorted(maps.Keys(all)) {
		m, err := parse(n, all[n])
		book[n] = m
		errs = append(errs, err)
	}
	return book, errors.Join(errs...)
}

func parse(n string, raw any) (Manufacturer, error) {
	path, errs := Key+"."+n, []error{}
	if !name.MatchString(n) {
		errs = append(errs, fmt.Errorf("%s: name it as orders do: lower-case letters, digits, dashes and underscores", path))
	}
	said, ok := raw.(map[string]any)
	if !ok && raw != nil {
		return Manufacturer{}, errors.Join(append(errs, fmt.Errorf("%s: write its settings below it, each as key: value", path))...)
	}
	e := &entry{Manufacturer: Manufacturer{Name: n, Calendar: commands.DefaultCalendar()}}
	for _, key := range slices.Sorted(maps.Keys(said)) {
		set, known := settings[key]
		if !known {
			errs = append(errs, fmt.Errorf("%s.%s: no such setting; use %s", path, key, strings.Join(slices.Sorted(maps.Keys(settings)), ", ")))
		} else if err := set(e, said[key]); err != nil {
			errs = append(errs, fmt.Errorf("%s.%s: %w", path, key, err))
		}
	}
	for _, why := range e.Contact.wrong() {
		errs = append(errs, fmt.Errorf("%s: %s", path, why))
	}
	e.finish()
	return e.Manufacturer, errors.Join(errs...)
}

// wrong says what of a contact doesn't fit together.
func (c Contact) wrong() (why []string) {
	ways := 0
	for _, way := range []string{c.Email, c.WebhookURL + c.WebhookSecretFile, c.NATSSubject} {
		if way != "" {
			ways++
		}
	}
	if ways > 1 {
		why = append(why, "give one of email, webhook-url and nats-subject: it is told once")
	}
	if (c.WebhookURL == "") != (c.WebhookSecretFile == "") {
		why = append(why, "give webhook-url and webhook-secret-file together: its messages are signed")
	}
	if c.NATSURL+c.NATSCredsFile != "" && (c.NATSSubject == "" || c.NATSURL == "") {
		why = append(why, "nats-url and nats-creds-file go with nats-subject, and credentials with a URL")
	}
	return why
}

// finish puts the calendar together, and names it.
func (e *entry) finish() {
	e.Calendar.Work.AddHoliday(e.off...)
	if e.week == "" && len(e.calendars) == 0 {
		e.week = e.Calendar.Name
	}
	parts := append(append([]string{e.week}, e.calendars...), e.own)
	e.Calendar.Name = strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "+")
}

func (e *entry) zone(v any) error {
	s, _ := v.(string)
	zone, err := time.LoadLocation(s)
	if err != nil || s == "" || s == "Local" {
		return fmt.Errorf("%q is no time zone; use a name such as America/Chicago, Europe/Berlin or UTC", fmt.Sprint(v))
	}
	e.Calendar.Zone = zone
	return nil
}

func (e *entry) workDays(v any) error {
	list, err := texts(v)
	var works []time.Weekday
	for _, s := range list {
		d, known := days[s]
		if !known {
			return fmt.Errorf("%q is no day; list some of mon, tue, wed, thu, fri, sat, sun", s)
		}
		works = append(works, d)
	}
	if err != nil || len(works) == 0 {
		return errors.New("list at least one of mon, tue, wed, thu, fri, sat, sun, such as [mon, tue, wed, thu, fri]")
	}
	e.Calendar.Work, e.week = workWeek(works), strings.Join(list, ",")
	return nil
}

func (e *entry) workHours(v any) error {
	s, _ := v.(string)
	opens, closes, ok := hours(s)
	if !ok {
		return fmt.Errorf(`%q: write when work begins and ends on one day, such as "08:00-17:30"; "00:00-24:00" is the whole day`, fmt.Sprint(v))
	}
	e.Calendar.Open, e.Calendar.Close = opens, closes
	return nil
}

func hours(s string) (opens, closes time.Duration, ok bool) {
	m := clock.FindStringSubmatch(s)
	if m == nil {
		return 0, 0, false
	}
	var times [2]time.Duration
	for i := range times {
		hour, minute := int(m[2*i+1][0]-'0')*10+int(m[2*i+1][1]-'0'), int(m[2*i+2][0]-'0')*10+int(m[2*i+2][1]-'0')
		if minute > 59 {
			return 0, 0, false
		}
		times[i] = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	}
	return times[0], times[1], times[0] < times[1] && times[1] <= 24*time.Hour
}

func (e *entry) holidays(v any) error {
	list, err := texts(v)
	if err != nil || len(list) == 0 || len(list) > maxHolidays {
		return fmt.Errorf("name one to %d holiday calendars, such as us or [de-by, at]", maxHolidays)
	}
	for _, s := range list {
		h, known := holidays[s]
		if !known {
			return fmt.Errorf("there is no holiday calendar %q; use some of %s", s, strings.Join(Holidays(), ", "))
		}
		e.off = append(e.off, h...)
	}
	e.calendars = list
	return nil
}

func (e *entry) daysOff(v any) error {
	list, err := texts(v)
	if err != nil || len(list) == 0 || len(list) > maxDaysOff {
		return fmt.Errorf("list one to %d days, such as [2026-11-27, 12-24]", maxDaysOff)
	}
	for _, s := range list {
		date, err := time.Parse(time.DateOnly, s)
		if err == nil {
			e.off = append(e.off, once(date))
		} else if date, err = time.Parse(time.DateOnly, "2000-"+s); err == nil { // a leap year
			e.off = append(e.off, yearly(date.Month(), date.Day()))
		} else {
			return fmt.Errorf("%q is no day; write 2026-11-27 for one day, or 12-24 for a day of every year", s)
		}
	}
	e.own = "own"
	return nil
}

func (e *entry) days(v any) error {
	n, ok := v.(int)
	if !ok || n < 1 || n > maxDays {
		return fmt.Errorf("%v: must be a number of business days from 1 to %d", v, maxDays)
	}
	e.Calendar.Days = n
	return nil
}

func (e *entry) email(v any) error {
	s, _ := v.(string)
	address, err := mail.ParseAddress(s)
	if err != nil || address.Address != s {
		return fmt.Errorf("%q is no e-mail address; write one alone, such as orders@acme.example", fmt.Sprint(v))
	}
	e.Contact.Email = s
	return nil
}

func (e *entry) webhook(v any) error {
	s, _ := v.(string)
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return errors.New("write an address such as https://acme.example/hooks, without a user or a password")
	}
	e.Contact.WebhookURL = s
	return nil
}

func (e *entry) secret(v any) error {
	s, _ := v.(string)
	if s == "" {
		return errors.New("name the file that holds the secret (whsec_…)")
	}
	e.Contact.WebhookSecretFile = s
	return nil
}

func (e *entry) nats(v any) error {
	s, _ := v.(string)
	if !subject.MatchString(s) || len(s) > 200 {
		return fmt.Errorf("%q is no subject to publish on; use words of letters, digits, dashes and underscores with dots between them, such as acme.orders.missed", fmt.Sprint(v))
	}
	e.Contact.NATSSubject = s
	return nil
}

func (e *entry) natsURL(v any) error {
	s, _ := v.(string)
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "nats" && u.Scheme != "tls") {
		return errors.New("write an address such as nats://acme.example:4222, without a password; credentials are in nats-creds-file")
	}
	e.Contact.NATSURL = s
	return nil
}

func (e *entry) natsCreds(v any) error {
	s, _ := v.(string)
	if s == "" {
		return errors.New("name the file that holds the credentials")
	}
	e.Contact.NATSCredsFile = s
	return nil
}

// texts reads a text or a list of texts. A date that YAML has understood is a text again.
func texts(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		switch s := item.(type) {
		case string:
			out = append(out, s)
		case time.Time:
			out = append(out, s.Format(time.DateOnly))
		default:
			return nil, fmt.Errorf("%v is not a text", item)
		}
	}
	return out, nil
}
