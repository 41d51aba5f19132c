package letter

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

// locale writes for readers of one language and place.
type locale struct {
	tag     language.Tag
	base    string // such as de
	region  string // such as DE
	zone    *time.Location
	printer *message.Printer
}

func newLocale(tag language.Tag, zone *time.Location) locale {
	base, _ := tag.Base()
	region, _ := tag.Region()
	return locale{tag: tag, base: base.String(), region: region.String(), zone: zone, printer: message.NewPrinter(tag)}
}

const nbsp = "\u00a0"

// money writes an amount of minor units with the currency's sign where readers expect it. golang.org/x/text knows the signs and the
// digits, and doesn't offer the places.
func (l locale) money(c domain.Currency, minor int64) string {
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

func (l locale) signFirst() bool {
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

func (l locale) spaced(sign string) bool {
	last, _ := utf8.DecodeLastRuneInString(sign)
	return unicode.IsLetter(last) || l.base == "nl" || l.base == "de" || l.base == "pt"
}

func (l locale) count(n int64) string { return l.printer.Sprint(number.Decimal(n)) }

func (l locale) percent(p float64) string {
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

// date writes the day of an instant in the dealer's zone: in words where we have them (golang.org/x/text has none), else as ISO
// 8601, which nobody misreads.
func (l locale) date(t time.Time) string {
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

// moment writes an instant with its time of day and zone.
func (l locale) moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(l.zone)
	clock := t.Format("15:04")
	if l.base == "en" && (l.region == "US" || l.region == "CA" || l.region == "AU" || l.region == "PH") {
		clock = t.Format("3:04") + nbsp + t.Format("PM")
	}
	return l.date(t) + ", " + clock + " " + t.Format("MST")
}

// country names a country in the reader's language.
func (l locale) country(code string) string {
	region, err := language.ParseRegion(code)
	if err != nil {
		return code
	}
	if name := display.Regions(l.tag).Name(region); name != "" {
		return name
	}
	return code
}

// address writes an address as its country's post wants it; the country is named when it is not the dealer's own.
func (l locale) address(a domain.Address) []string {
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
		add(l.country(a.Country))
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
