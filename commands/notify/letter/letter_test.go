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

func TestParcels(t *testing.T) {
	for carrier, want := range map[string]string{"fed ex ground": "FedEx", "dhl_express": "DHL", "Rößle": ""} {
		p := parcel(domain.Tracking{Carrier: carrier, Number: "A 1/&"})
		if known := want != ""; known != (p.URL != "") || p.Number != "A 1/&" || (known && p.Carrier != want) || (!known && p.Carrier != carrier) {
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
