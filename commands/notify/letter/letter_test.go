package letter

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/domain"
)

var update = flag.Bool("update", false, "rewrite testdata")

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func writer(t *testing.T, tag language.Tag, place string, templates string) *Writer {
	t.Helper()
	w, err := New(Config{
		Dealer: Dealer{Name: "Harbor Parts & Söhne", Email: "orders@harbor.example", Phone: "+1 555 0199", URL: "https://harbor.example"},
		Locale: tag, Zone: zone(t, place), Templates: templates, DealerAddress: "boss@harbor.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// What every e-mail says is in testdata, for a card order and one on account, in three languages and currencies.
func TestGoldenEmails(t *testing.T) {
	for _, place := range []struct {
		tag      language.Tag
		zone     string
		currency domain.Currency
	}{
		{language.AmericanEnglish, "America/New_York", "USD"},
		{language.MustParse("de-DE"), "Europe/Berlin", "EUR"},
		{language.MustParse("ja-JP"), "Asia/Tokyo", "JPY"},
	} {
		w := writer(t, place.tag, place.zone, "")
		for _, name := range Names {
			t.Run(place.tag.String()+"/"+name, func(t *testing.T) {
				for i, s := range samples(name) {
					if s.Order.OrderNumber == "10248" {
						s.Order.Currency = place.currency
						if e, ok := s.Event.(domain.Refunded); ok {
							e.Currency = place.currency
							s.Event = e
						}
						if e, ok := s.Event.(domain.PaymentCaptured); ok {
							e.Currency = place.currency
							s.Event = e
						}
					}
					m, err := one(w, name, s)
					if err != nil {
						t.Fatal(err)
					}
					file := filepath.Join("testdata", place.tag.String(), fmt.Sprintf("%s-%d", name, i+1))
					golden(t, file+".txt", "Subject: "+m.Subject+"\n\n"+m.Text)
					golden(t, file+".html", m.HTML)
				}
			})
		}
	}
}

func one(w *Writer, name string, s notify.Subject) (notify.Message, error) {
	if name == "dealer" {
		return w.toDealer([]notify.Subject{s})
	}
	m, err := w.toCustomer(s)
	if err == notify.ErrNoAddress { // the bare sample
		return w.Render(name, w.data(s))
	}
	return m, err
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
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
		got := strings.ReplaceAll(newLocale(language.MustParse(c.tag), time.UTC).money(c.currency, c.minor), nbsp, " ")
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
		l := newLocale(language.MustParse(c.tag), zone(t, c.zone))
		if d, m := l.date(at), strings.ReplaceAll(l.moment(at), nbsp, " "); d != c.date || m != c.moment {
			t.Errorf("%s: %q, %q; want %q, %q", c.tag, d, m, c.date, c.moment)
		}
	}
	for base, names := range months {
		if n := len(strings.Fields(names)); n != 12 {
			t.Errorf("%s has %d months", base, n)
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
		if got := strings.Join(newLocale(language.MustParse(c.tag), time.UTC).address(a), "|"); got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.country, c.tag, got, c.want)
		}
	}
	if got := newLocale(language.English, time.UTC).address(domain.Address{Country: "US", PostalCode: "62701"}); len(got) != 1 || got[0] != "62701" {
		t.Errorf("%q", got)
	}
}

func TestParcels(t *testing.T) {
	for carrier, want := range map[string]string{
		"ups": "UPS", "UPS": "UPS", "FedEx": "FedEx", "fed ex ground": "FedEx", "USPS": "USPS", "dhl_express": "DHL", "DHL Paket": "DHL",
		"Rößle": "", "other": "", "express": "", "": "",
	} {
		p := parcel(domain.Tracking{Carrier: carrier, Number: "A 1/&"})
		if known := want != ""; known != (p.URL != "") || (known && (p.Carrier != want || !strings.HasSuffix(p.URL, "A1%2F%26"))) || (!known && p.Carrier != carrier) {
			t.Errorf("%q: %+v", carrier, p)
		}
	}
}

// A dealer's own template takes the place of ours; one that can't be read, or fails on an order, is refused with its file and line.
func TestOwnTemplates(t *testing.T) {
	for _, c := range []struct{ name, file, content, why string }{
		{"its own", "shipped.txt", "{{define \"subject\"}}Unterwegs: {{.Order.Number}}{{end}}{{define \"content\"}}Hallo {{.Customer.Name}}{{end}}", ""},
		{"a field that is none", "shipped.html", "{{define \"content\"}}\n\n{{.Ordr.Number}}{{end}}", "shipped.html:3"},
		{"not closed", "refunded.txt", "{{define \"subject\"}}x{{end}}\n{{define \"content\"}}\n{{if .Total}}", "refunded.txt:3"},
		{"in one case only", "cancelled-card.txt", "{{define \"subject\"}}x{{end}}\n{{define \"content\"}}{{if eq .Fact.Money \"settled_elsewhere\"}}\n{{.Nothing}}{{end}}{{end}}", "cancelled-card.txt:3"},
		{"no subject", "refunded.txt", "{{define \"content\"}}x{{end}}", `does not define "subject"`},
		{"a subject of two lines", "refunded.txt", "{{define \"subject\"}}x\ny{{end}}{{define \"content\"}}x{{end}}", "one line"},
		{"misspelt", "shiped.txt", "x", "shiped.txt is no e-mail's"},
		{"a layout that fails", "layout.html", "{{.Nobody}}{{template \"content\" .}}", "layout.html:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			w, err := New(Config{Templates: dir})
			if c.why != "" {
				if err == nil || !strings.Contains(err.Error(), c.why) || !strings.Contains(err.Error(), dir) && !strings.Contains(c.why, " ") {
					t.Errorf("error %v, want one about %q", err, c.why)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m, err := w.toCustomer(samples("shipped")[0])
			if err != nil || m.Subject != "Unterwegs: 10248" || !strings.HasPrefix(m.Text, "Hallo Zoë") || !strings.Contains(m.HTML, "left our house") {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
	if _, err := New(Config{Templates: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("a folder that is not there is taken")
	}
}

func TestExport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mine")
	written, err := Export(dir)
	if err != nil || len(written) != 2*(len(Names)+1) {
		t.Errorf("%d files, %v", len(written), err)
	}
	if _, err := New(Config{Templates: dir}); err != nil {
		t.Error(err)
	}
	if written, err = Export(dir); err != nil || len(written) != 0 {
		t.Errorf("written over: %q, %v", written, err)
	}
}

func TestNobodyToWriteTo(t *testing.T) {
	w := writer(t, language.AmericanEnglish, "UTC", "")
	s := samples("shipped")[1]
	if _, err := w.toCustomer(s); err != notify.ErrNoAddress {
		t.Error(err)
	}
}

func TestPreviewOfEveryEmail(t *testing.T) {
	w := writer(t, language.AmericanEnglish, "UTC", "")
	for _, name := range Names {
		m, err := w.Preview(name, Sample(domain.Card, "USD"), sampleAt)
		if err != nil || m.Subject == "" || m.HTML == "" || m.Text == "" || strings.Contains(m.HTML, "<script") {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	if _, err := w.Preview("layout", Sample(domain.Card, "USD"), sampleAt); err == nil {
		t.Error("the layout is no e-mail")
	}
}
