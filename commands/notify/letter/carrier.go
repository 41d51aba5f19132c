package letter

import (
	"net/url"
	"strings"

	"github.com/orderledger/orderledger/domain"
)

// carriers are those whose parcels can be followed by a link that ends in the number.
var carriers = map[string]struct{ name, link string }{
	"ups":   {"UPS", "https://www.ups.com/track?tracknum="},
	"fedex": {"FedEx", "https://www.fedex.com/fedextrack/?trknbr="},
	"usps":  {"USPS", "https://tools.usps.com/go/TrackConfirmAction?tLabels="},
	"dhl":   {"DHL", "https://www.dhl.com/global-en/home/tracking.html?tracking-id="},
}

// Parcel is a parcel as a customer can follow it.
type Parcel struct {
	Carrier, Number string
	URL             string // empty for a carrier that is not known
}

// parcel finds the carrier however a clerk wrote it: "UPS", "Fed Ex", "dhl_express".
func parcel(t domain.Tracking) Parcel {
	key := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(t.Carrier))
	for _, service := range []string{"express", "ground", "home", "mail", "paket"} {
		key = strings.TrimSuffix(key, service)
	}
	c, ok := carriers[key]
	if !ok {
		return Parcel{Carrier: t.Carrier, Number: t.Number}
	}
	return Parcel{Carrier: c.name, Number: t.Number, URL: c.link + url.QueryEscape(strings.ReplaceAll(t.Number, " ", ""))}
}
