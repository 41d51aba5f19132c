// Package locale writes money, dates and addresses as readers of one language and place expect them. It knows no words beside the names
// of months: those are its callers'.
package locale

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"github.com/orderledger/orderledger/domain"
)

// Locale writes for readers of one language and place, whose clocks are those of one zone.
type Locale struct {
	tag     language.Tag
	base    string // such as de
	region  string // such as DE
	zone    *time.Location
	printer *message.Printer
}

// New returns the locale of a language and place, and a zone.
func New(tag language.Tag, zone *time.Location) Locale {
	base, _ := tag.Base()
	region, _ := tag.Region()
	return Locale{tag: tag, base: base.String(), region: region.String(), zone: zone, printer: message.NewPrinter(tag)}
}

// In is the locale with the clocks of another zone.
func (l Locale) In(zone *time.Location) Locale {
	l.zone = zone
	return l
}

// Zone is whose clocks it shows.
func (l Locale) Zone() *time.Location { return l.zone }

// Language is the language and place, as BCP 47 has it.
func (l Locale) Language() string { return l.tag.String() }

const nbsp = "\u00a0"

// Money writes an amount of minor units with the currency's sign where readers expect it. golang.org/x/text knows the signs and the
// digits, and doesn't offer the places.
func (l Locale) Money(c domain.Currency, minor int64) string {
	digits, known := c.Exponent()
	unit, err := currency.ParseISO(string(c))
	if !known || err != nil {
		return c.Format(minor)
	}
	// At most twelve digits: a float64 holds them all.
	amount := l.printer.Sprint(number.Decimal(float64(minor)/math.Pow10(digits), number.Scale(digits)))
	sign := l.printer.Sprint(currency.Symbol(unit))
	switch {
	case !l.signFirst():
		return amount + nbsp + sign
	case l.spaced(sign):
		return sign + nbsp + amount
	}
	return sign + amount
}

func (l Locale) signFirst() bool {
	switch l.base {
	case "en", "ja", "zh", "ko", "th", "hi", "nl":
		return true
	case "pt":
		return l.region == "BR"
	case "de":
		return l.region == "AT" || l.region == "CH" || l.region == "LI"
	case "es":
		return l.region != "ES"
	}
	return false
}

func (l Locale) spaced(sign string) bool {
	last, _ := utf8.DecodeLastRuneInString(sign)
	return unicode.IsLetter(last) || l.base == "nl" || l.base == "de" || l.base == "pt"
}

// Count writes a number of things.
func (l Locale) Count(n int64) string { return l.printer.Sprint(number.Decimal(n)) }

// Percent writes so many hundredths; nothing for zero.
func (l Locale) Percent(p float64) string {
	if p == 0 {
		return ""
	}
	return l.printer.Sprint(number.Percent(p/100, number.MaxFractionDigits(2)))
}

// months are the names of months as they stand in a date.
var months = map[string]string{
	"en": "January February March April May June July August September October November December",
	"de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
	"fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
	"es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
	"it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
	"nl": "januari februari maart april mei juni juli augustus september oktober november december",
	"pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
	"sv": "januari februari mars april maj juni juli augusti september oktober november december",
	"da": "januar februar marts april maj juni juli august september oktober november december",
	"no": "januar februar mars april mai juni juli august september oktober november desember",
	"pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
	"fi": "tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta heinäkuuta elokuuta syyskuuta lokakuuta marraskuuta joulukuuta",
}

// Date writes the day of an instant in the zone: in words where we have them (golang.org/x/text has none), else as ISO
// 8601, which nobody misreads.
func (l Locale) Date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(l.zone)
	base := l.base
	if base == "nb" || base == "nn" {
		base = "no"
	}
	switch base {
	case "ja", "zh":
		return fmt.Sprintf("%d年%d月%d日", t.Year(), t.Month(), t.Day())
	case "ko":
		return fmt.Sprintf("%d년 %d월 %d일", t.Year(), t.Month(), t.Day())
	}
	names, ok := months[base]
	if !ok {
		return t.Format(time.DateOnly)
	}
	month := strings.Fields(names)[t.Month()-1]
	day, year := strconv.Itoa(t.Day()), strconv.Itoa(t.Year())
	switch base {
	case "en":
		if l.region == "US" || l.region == "CA" || l.region == "PH" {
			return month + " " + day + ", " + year
		}
	case "de", "da", "no", "fi":
		return day + ". " + month + " " + year
	case "es", "pt":
		return day + " de " + month + " de " + year
	}
	return day + " " + month + " " + year
}

// Moment writes an instant with its time of day and zone.
func (l Locale) Moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return l.Date(t) + ", " + l.Clock(t) + " " + t.In(l.zone).Format("MST")
}

// Clock writes an instant's time of day.
func (l Locale) Clock(t time.Time) string {
	t = t.In(l.zone)
	if l.base == "en" && (l.region == "US" || l.region == "CA" || l.region == "AU" || l.region == "PH") {
		return t.Format("3:04") + nbsp + t.Format("PM")
	}
	return t.Format("15:04")
}

// Short writes an instant in numbers, for a narrow column: the zone must be said elsewhere. Where days and months stand in an order that
// we don't know, it is ISO 8601's.
func (l Locale) Short(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	layouts := map[string]string{
		"de": "02.01.2006", "fr": "02/01/2006", "es": "02/01/2006", "it": "02/01/2006", "pt": "02/01/2006", "nl": "02-01-2006", "pl": "02.01.2006",
		"fi": "2.1.2006", "da": "02.01.2006", "nb": "02.01.2006", "nn": "02.01.2006", "no": "02.01.2006",
	}
	layout, known := layouts[l.base]
	switch {
	case l.base == "en" && (l.region == "US" || l.region == "PH"):
		layout = "01/02/2006"
	case l.base == "en" && (l.region == "GB" || l.region == "IE" || l.region == "AU" || l.region == "NZ" || l.region == "IN"):
		layout = "02/01/2006"
	case !known:
		layout = time.DateOnly
	}
	return t.In(l.zone).Format(layout) + " " + l.Clock(t)
}

// Country names a country in the reader's language.
func (l Locale) Country(code string) string {
	region, err := language.ParseRegion(code)
	if err != nil {
		return code
	}
	if name := display.Regions(l.tag).Name(region); name != "" {
		return name
	}
	return code
}

// Address writes an address as its country's post wants it; the country is named when it is not the locale's own.
func (l Locale) Address(a domain.Address) []string {
	var lines []string
	add := func(parts ...string) {
		if s := strings.TrimSpace(strings.Join(parts, "")); s != "" {
			lines = append(lines, s)
		}
	}
	add(a.Name)
	add(a.Line1)
	add(a.Line2)
	switch a.Country {
	case "US", "CA", "AU", "": // City, Region Code
		city := a.City
		if city != "" && a.Region != "" {
			city += ", "
		}
		add(city, a.Region, gap(a.City+a.Region, a.PostalCode), a.PostalCode)
	case "GB", "IE", "IN", "NZ", "ZA": // the code below, or behind, the town
		add(a.City)
		add(a.Region)
		add(a.PostalCode)
	case "JP", "CN", "KR", "TW", "BR", "MX": // the region counts
		add(a.PostalCode, gap(a.PostalCode, a.City), a.City, comma(a.City, a.Region), a.Region)
	case "IT", "ES": // the province in brackets
		province := a.Region
		if province != "" {
			province = " (" + province + ")"
		}
		add(a.PostalCode, gap(a.PostalCode, a.City), a.City, province)
	default: // Code City; the region is not written
		add(a.PostalCode, gap(a.PostalCode, a.City), a.City)
		if a.PostalCode == "" {
			add(a.Region)
		}
	}
	if a.Country != "" && a.Country != l.region {
		add(l.Country(a.Country))
	}
	return lines
}

func gap(before, after string) string {
	if before == "" || after == "" {
		return ""
	}
	return " "
}

func comma(before, after string) string {
	if before == "" || after == "" {
		return ""
	}
	return ", "
}
