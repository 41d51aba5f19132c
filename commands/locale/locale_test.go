package locale_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"github.com/orderledger/orderledger/commands/locale"
	"github.com/orderledger/orderledger/domain"
)

const nbsp = "\u00a0"

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestMoney(t *testing.T) {
	for _, c := range []struct {
		tag      string
		currency domain.Currency
		minor    int64
		want     string
	}{
		{"en-US", "USD", 47238, "$472.38"},
		{"en-US", "USD", 999_999_999_999, "$9,999,999,999.99"},
		{"en-US", "JPY", 47238, "¥47,238"},
		{"en-US", "KWD", 47238, "KWD 47.238"},
		{"en-US", "CHF", 5, "CHF 0.05"},
		{"en-GB", "GBP", 100000, "£1,000.00"},
		{"de-DE", "EUR", 123456789, "1.234.567,89 €"},
		{"de-DE", "JPY", 500, "500 ¥"},
		{"de-AT", "EUR", 100, "€ 1,00"},
		{"fr-FR", "EUR", 123456, "1 234,56 €"},
		{"nl-NL", "EUR", 123456, "€ 1.234,56"},
		{"ja-JP", "JPY", 1474051, "￥1,474,051"},
		{"pt-BR", "BRL", 1050, "R$ 10,50"},
	} {
		got := strings.ReplaceAll(locale.New(language.MustParse(c.tag), time.UTC).Money(c.currency, c.minor), nbsp, " ")
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.tag, got, c.want)
		}
	}
}

func TestDates(t *testing.T) {
	at := time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC)
	for _, c := range []struct{ tag, zone, date, moment string }{
		{"en-US", "America/New_York", "March 1, 2026", "March 1, 2026, 6:30 PM EST"},
		{"en-GB", "Europe/London", "1 March 2026", "1 March 2026, 23:30 GMT"},
		{"de-DE", "Europe/Berlin", "2. März 2026", "2. März 2026, 00:30 CET"},
		{"fr-FR", "Europe/Paris", "2 mars 2026", "2 mars 2026, 00:30 CET"},
		{"es-ES", "UTC", "1 de marzo de 2026", "1 de marzo de 2026, 23:30 UTC"},
		{"nb-NO", "UTC", "1. mars 2026", "1. mars 2026, 23:30 UTC"},
		{"ja-JP", "Asia/Tokyo", "2026年3月2日", "2026年3月2日, 08:30 JST"},
		{"cs-CZ", "UTC", "2026-03-01", "2026-03-01, 23:30 UTC"},
	} {
		l := locale.New(language.MustParse(c.tag), zone(t, c.zone))
		if d, m := l.Date(at), strings.ReplaceAll(l.Moment(at), nbsp, " "); d != c.date || m != c.moment {
			t.Errorf("%s: %q, %q; want %q, %q", c.tag, d, m, c.date, c.moment)
		}
	}
}

func TestAddresses(t *testing.T) {
	a := domain.Address{Name: "N", Line1: "1 St", City: "C", Region: "R", PostalCode: "P"}
	for _, c := range []struct{ tag, country, want string }{
		{"en-US", "US", "N|1 St|C, R P"},
		{"en-US", "", "N|1 St|C, R P"},
		{"en-US", "CA", "N|1 St|C, R P|Canada"},
		{"en-US", "GB", "N|1 St|C|R|P|United Kingdom"},
		{"de-DE", "DE", "N|1 St|P C"},
		{"de-DE", "FR", "N|1 St|P C|Frankreich"},
		{"en-US", "IT", "N|1 St|P C (R)|Italy"},
		{"en-US", "JP", "N|1 St|P C, R|Japan"},
	} {
		a.Country = c.country
		if got := strings.Join(locale.New(language.MustParse(c.tag), time.UTC).Address(a), "|"); got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.country, c.tag, got, c.want)
		}
	}
	if got := locale.New(language.English, time.UTC).Address(domain.Address{Country: "US", PostalCode: "62701"}); len(got) != 1 || got[0] != "62701" {
		t.Errorf("%q", got)
	}
}

// A language whose months are known has twelve of them.
func TestMonths(t *testing.T) {
	for _, tag := range strings.Fields("en de fr es it nl pt sv da no pl fi nb nn") {
		l, seen := locale.New(language.MustParse(tag), time.UTC), map[string]bool{}
		for m := range 12 {
			d := l.Date(time.Date(2026, time.Month(m+1), 11, 0, 0, 0, 0, time.UTC))
			if seen[d] || strings.Contains(d, "-") {
				t.Errorf("%s: %q", tag, d)
			}
			seen[d] = true
		}
	}
}

func TestShort(t *testing.T) {
	at := time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC)
	for _, c := range []struct{ tag, zone, want string }{
		{"en-US", "America/New_York", "03/01/2026 6:30 PM"},
		{"en-GB", "Europe/London", "01/03/2026 23:30"},
		{"de-DE", "Europe/Berlin", "02.03.2026 00:30"},
		{"sv-SE", "UTC", "2026-03-01 23:30"},
		{"en-CA", "UTC", "2026-03-01 11:30 PM"},
	} {
		if got := strings.ReplaceAll(locale.New(language.MustParse(c.tag), zone(t, c.zone)).Short(at), nbsp, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.tag, got, c.want)
		}
	}
	if got := locale.New(language.English, time.UTC).Short(time.Time{}); got != "" {
		t.Errorf("nothing: %q", got)
	}
}
