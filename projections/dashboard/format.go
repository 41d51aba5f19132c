package dashboard

import (
	"fmt"
	"html/template"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/orderledger/orderledger/domain"
)

// Format writes money and times for readers of one place.
type Format interface {
	Money(c domain.Currency, minor int64) string
	Count(n int64) string
	Percent(p float64) string  // of so many hundredths, such as 12.5 %
	Day(t time.Time) string    // such as 2 March 2026
	Moment(t time.Time) string // with the time of day and the zone
	Short(t time.Time) string  // the same for a narrow column, without the zone
	// There is Moment as the clocks of another zone show it: the same day there may be another one here.
	There(t time.Time, zone *time.Location) string
	Zone() *time.Location
	Language() string // by which scripts write numbers; BCP 47
}

// Place is where a reader is: the dealer's for the zero Place, else their own.
type Place struct{ Locale, Zone string }

// formats are the templates for readers of each place, made when the first one comes.
type formats struct {
	of      func(Place) (Format, error)
	dealers Format
	pages   *lru.Cache[Place, written]
}

// written are the pages as readers of one place see them.
type written struct {
	Format
	pages map[string]*template.Template
}

// places bounds how many places' templates are kept.
const places = 32

func newFormats(of func(Place) (Format, error)) *formats {
	f := &formats{of: of, dealers: plain{}}
	if of != nil {
		if dealers, err := of(Place{}); err == nil {
			f.dealers = dealers
		}
	}
	f.pages, _ = lru.New[Place, written](places) // the size is a constant above zero
	return f
}

// at returns the pages for a place; the dealer's when it is none that we know.
func (f *formats) at(p Place) written {
	if w, ok := f.pages.Get(p); ok {
		return w
	}
	w := written{Format: f.dealers, pages: map[string]*template.Template{}}
	if p != (Place{}) && f.of != nil {
		own, err := f.of(p)
		if err != nil {
			return f.at(Place{})
		}
		w.Format = own
	}
	for name, page := range pages() {
		w.pages[name] = template.Must(template.Must(page.Clone()).Funcs(w.functions()), nil)
	}
	f.pages.Add(p, w)
	return w
}

// functions are those of the templates that depend on who reads.
func (w written) functions() template.FuncMap {
	return template.FuncMap{
		"money": w.Money,
		"count": func(n any) string {
			switch n := n.(type) {
			case int64:
				return w.Count(n)
			case int:
				return w.Count(int64(n))
			}
			return fmt.Sprint(n)
		},
		"percent": func(p any) string {
			switch p := p.(type) {
			case int:
				return w.Percent(float64(p))
			case float64:
				return w.Percent(p)
			}
			return fmt.Sprint(p)
		},
		"there":  w.there,
		"when":   func(v any) template.HTML { return timeElement(v, w.Moment) },
		"day":    func(v any) template.HTML { return timeElement(v, w.Day) },
		"short":  func(v any) template.HTML { return timeElement(v, w.Short) },
		"moment": func(t time.Time) string { return w.Moment(t) },
	}
}

// there writes an instant as the clocks of a zone show it; nothing where they show what the reader's do.
func (w written) there(t *time.Time, zone string) template.HTML {
	if t == nil || zone == "" {
		return ""
	}
	loc, err := time.LoadLocation(zone)
	if err != nil { // this machine does not know the zone
		return ""
	}
	const clock = "2006-01-02 15:04 MST"
	if t.In(loc).Format(clock) == t.In(w.Zone()).Format(clock) {
		return ""
	}
	return timeElement(t, func(t time.Time) string { return w.There(t, loc) })
}

// timeElement writes an instant, or a pointer to one, as a <time> that programs can read, too; nothing for none.
func timeElement(v any, write func(time.Time) string) template.HTML {
	var t time.Time
	switch v := v.(type) {
	case time.Time:
		t = v
	case *time.Time:
		if v != nil {
			t = *v
		}
	}
	if t.IsZero() {
		return ""
	}
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `">` + template.HTMLEscapeString(write(t)) + `</time>`) //nolint:gosec // escaped
}

// plain is the format where none is given: UTC, and currencies by their codes.
type plain struct{}

func (plain) Money(c domain.Currency, minor int64) string { return c.Format(minor) }
func (plain) Count(n int64) string                        { return fmt.Sprint(n) }
func (plain) Percent(p float64) string                    { return fmt.Sprintf("%.4g %%", p) }
func (plain) Day(t time.Time) string                      { return t.UTC().Format("2 Jan 2006") }
func (plain) Moment(t time.Time) string                   { return t.UTC().Format("2 Jan 2006, 15:04") + " UTC" }

func (plain) Short(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
func (plain) There(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2 Jan 2006, 15:04 MST")
}

func (plain) Zone() *time.Location { return time.UTC }
func (plain) Language() string     { return "en" }

// format is how the reader of a request wants money and times.
func (b *dashboard) format(r *http.Request) Format { return b.formats.at(placeOf(r)) }

// voice says sums of one order's money, and times, in sentences.
type voice struct {
	in       Format
	currency domain.Currency
}

// Format says an amount.
func (v voice) Format(minor int64) string { return v.in.Money(v.currency, minor) }

// voice is how the pages speak of an order to who reads.
func (b *dashboard) voice(r *http.Request, o domain.Order) voice {
	return voice{b.format(r), o.Currency}
}
