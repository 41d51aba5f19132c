package carrier

import (
	"strings"
	"testing"
)

// Numbers that carriers and standards publish as samples, and whose they are when nobody says so.
var samples = []struct{ carrier, number, of string }{
	{"ups", "1Z999AA10123456784", "ups"},
	{"ups", "1Z 5R8 939 03 5756 7127", "ups"},
	{"ups", "1z879e930346834440", "ups"},
	{"ups", "1Z410E7W0392751591", "ups"},
	{"ups", "1Z8V92A70367203024", "ups"},
	{"ups", "T1234567890", ""},
	{"fedex", "986578788855", "fedex"},
	{"fedex", "4771-7908-1230", "fedex"},
	{"fedex", "799531274483", "fedex"},
	{"fedex", "790535312317", "fedex"},
	{"fedex", "974367662710", "fedex"},
	{"fedex", "0414 4176 0228 964", "fedex"},
	{"fedex", "568283610012000", "fedex"},
	{"fedex", "568283610012734", "fedex"},
	{"fedex", "000123450000000027", "fedex"},
	{"fedex", "9611020987654312345672", "fedex"},
	{"fedex", "9622001900000000000000776632517510", "fedex"},
	{"fedex", "9632001560123456789900794808390594", "fedex"},
	{"fedex", "1001921334250001000300779017972697", "fedex"},
	{"fedex", "61299998820821171811", "fedex"},
	{"fedex", "9261292700768711948021", "fedex"},
	{"usps", "0307 1790 0005 2348 3741", "usps"},
	{"usps", "7112 3456 7891 2345 6787", "usps"},
	{"usps", "7196 9010 7560 0307 7385", "usps"},
	{"usps", "9400 1112 0108 0805 4830 16", "usps"},
	{"usps", "9361289878700317633795", "usps"},
	{"usps", "9405803699300124287899", "usps"},
	{"usps", "9505 5110 6960 5048 6006 24", "usps"},
	{"usps", "92748931507708513018050063", "usps"},
	{"usps", "420221539101026837331000039521", "usps"},
	{"usps", "4201002334249200190132607600833457", "usps"},
	{"usps", "RB123456785US", "usps"},
	{"usps", "RR 473 124 829 GB", ""},
	{"usps", "EE876543216CN", ""},
	{"dhl", "3318810025", "dhl"},
	{"dhl", "8487135506", "dhl"},
	{"dhl", "1099255990", "dhl"},
	{"dhl", "3821724944", "dhl"},
	{"dhl", "JJD0099999999", "dhl"},
	{"dhl", "JVGL0999999990", "dhl"},
	{"dhl", "GM2951173225174494", "dhl"},
	{"dhl", "RB123456785DE", "dhl"},
	{"dhl", "00340434292135100186", "dhl"},
	{"dhl", "9400111201080805483016", "usps"},
}

func TestSamples(t *testing.T) {
	for _, s := range samples {
		c, ok := Named(s.carrier)
		if !ok {
			t.Fatalf("%s is no carrier", s.carrier)
		}
		if d := c.Doubts(s.number); d != "" {
			t.Errorf("%s %s: %s", s.carrier, s.number, d)
		}
		if of, _ := Of(s.number); of.Key != s.of {
			t.Errorf("%s is of %q, want %q", s.number, of.Key, s.of)
		}
	}
}

// One digit mistyped is noticed, which is what check digits are for: always by GS1's sum, and mostly by the others (to UPS's 0 and
// 5 are the same where a digit counts twice; S10 has two remainders for one digit; a mod 7 can't tell 0 from 7).
func TestMistypedDigitsAreNoticed(t *testing.T) {
	for _, c := range []struct {
		carrier, number string
		from            int // where the digits of the sum begin
		least           float64
	}{
		{"fedex", "568283610012734", 0, 1},
		{"fedex", "9611020987654312345672", 7, 1},
		{"usps", "9400111201080805483016", 2, 1},
		{"dhl", "00340434292135100186", 2, 1},
		{"ups", "1Z999AA10123456784", 2, .9},
		{"fedex", "986578788855", 0, .9},
		{"usps", "RB123456785US", 2, .9},
		{"dhl", "3318810025", 0, .9},
	} {
		known, _ := Named(c.carrier)
		wrong, noticed := 0, 0
		for i := c.from; i < len(c.number); i++ {
			for d := byte('0'); d <= '9' && c.number[i] <= '9'; d++ {
				if d == c.number[i] {
					continue
				}
				wrong++
				if known.Doubts(c.number[:i]+string(d)+c.number[i+1:]) == WrongDigit {
					noticed++
				}
			}
		}
		if wrong < 80 || float64(noticed) < c.least*float64(wrong) {
			t.Errorf("%s: %d of %d noticed", c.number, noticed, wrong)
		}
	}
}

func TestDoubts(t *testing.T) {
	for _, c := range []struct {
		carrier, number string
		want            Doubt
		of              string
	}{
		{"ups", "1Z999AA10123456785", WrongDigit, "ups"},
		{"ups", "1Z999AA1012345678", WrongForm, ""},
		{"ups", "1Z999AA1012345678X", WrongDigit, "ups"},
		{"fedex", "996578788855", WrongDigit, ""},
		{"fedex", "1Z999AA10123456784", WrongForm, "ups"},
		{"usps", "0307 1790 0005 2348 3742", WrongDigit, ""},
		{"usps", "RB123456784US", WrongDigit, "usps"},
		{"dhl", "3318810010", WrongDigit, ""},
		{"dhl", "", WrongForm, ""},
		{"dhl", "१२३", WrongForm, ""},
		{"ups", strings.Repeat("9", 64), WrongForm, ""},
	} {
		known, _ := Named(c.carrier)
		of, _ := Of(c.number)
		if got := known.Doubts(c.number); got != c.want || of.Key != c.of {
			t.Errorf("%s at %s: %q, of %q", c.number, c.carrier, got, of.Key)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"ups": "UPS", "UPS": "UPS", "FedEx": "FedEx", "fed ex ground": "FedEx", "USPS": "USPS", "dhl_express": "DHL", "DHL Paket": "DHL",
		"DHL eCommerce": "DHL", "Rößle": "", "other": "", "express": "", "": "",
	} {
		if c, ok := Named(name); c.Name != want || ok != (want != "") {
			t.Errorf("%q is %+v", name, c)
		}
	}
	for _, c := range All {
		if got := c.Link("A 1/&"); !strings.HasPrefix(got, "https://") || !strings.HasSuffix(got, "=A1%2F%26") {
			t.Errorf("%s: %s", c.Name, got)
		}
	}
}

// Whatever a clerk types is answered.
func FuzzDoubts(f *testing.F) {
	for _, s := range samples {
		f.Add(s.number)
	}
	f.Fuzz(func(t *testing.T, number string) {
		Of(number)
		for _, c := range All {
			c.Doubts(number)
		}
	})
}
