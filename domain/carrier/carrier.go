// Package carrier knows what the tracking numbers of parcel carriers look like: whose a number is, whether its check digit is
// right, and where its parcel can be followed. Nothing of this is a rule of the ledger: carriers have more kinds of numbers
// than anybody publishes, so what looks wrong is a Doubt that a person may overrule.
package carrier

import (
	"net/url"
	"slices"
	"strings"
)

// Carrier is one of those known here.
type Carrier struct {
	Key  string // as programs write it: ups
	Name string // as people do: UPS
	link string // ends where the number follows
}

// All are the carriers known here.
var All = []Carrier{
	{"ups", "UPS", "https://www.ups.com/track?tracknum="},
	{"fedex", "FedEx", "https://www.fedex.com/fedextrack/?trknbr="},
	{"usps", "USPS", "https://tools.usps.com/go/TrackConfirmAction?tLabels="},
	{"dhl", "DHL", "https://www.dhl.com/global-en/home/tracking.html?tracking-id="},
}

// Named finds a carrier however somebody wrote it: "UPS", "Fed Ex", "dhl_express".
func Named(name string) (Carrier, bool) {
	key := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(name))
	for _, service := range []string{"express", "ground", "home", "mail", "paket", "ecommerce"} {
		key = strings.TrimSuffix(key, service)
	}
	i := slices.IndexFunc(All, func(c Carrier) bool { return c.Key == key })
	if i < 0 {
		return Carrier{}, false
	}
	return All[i], true
}

// Link is where a parcel can be followed.
func (c Carrier) Link(number string) string { return c.link + url.QueryEscape(bare(number)) }

// Of is the carrier whose number this is, by its form: one that only one carrier has, or whose check digit is right at one
// carrier alone. False when it is nobody's, or may be that of two.
func Of(number string) (Carrier, bool) {
	n, likely := bare(number), map[string]bool{}
	for _, f := range forms {
		switch {
		case !f.pattern.MatchString(n):
		case f.tells == always:
			return Named(f.carrier)
		case f.tells == whenRight && f.check(n[f.from:]):
			likely[f.carrier] = true
		}
	}
	if len(likely) == 1 {
		for key := range likely {
			return Named(key)
		}
	}
	return Carrier{}, false
}

// Doubt is what looks wrong about a number at a carrier; the zero Doubt is none.
type Doubt string

// The doubts.
const (
	WrongDigit Doubt = "wrong_check_digit" // a digit is mistyped, or two are swapped
	WrongForm  Doubt = "wrong_form"        // too long, too short, or somebody else's
)

// Doubts says what looks wrong about a number at this carrier. Spaces and dashes don't matter, nor does the case.
func (c Carrier) Doubts(number string) Doubt {
	n, d := bare(number), WrongForm
	for _, f := range forms {
		if f.carrier != c.Key || !f.pattern.MatchString(n) {
			continue
		}
		if f.check == nil || f.check(n[f.from:]) {
			return ""
		}
		d = WrongDigit
	}
	return d
}

// bare is a number without what people put between its groups.
func bare(number string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '.', '\t', '\u00a0', '\u202f':
			return -1
		}
		return r
	}, strings.ToUpper(number))
}
