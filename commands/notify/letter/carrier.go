package letter

import (
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/carrier"
)

// Parcel is a parcel as a customer can follow it.
type Parcel struct {
	Carrier, Number string
	URL             string // empty for a carrier that is not known
}

func parcel(t domain.Tracking) Parcel {
	c, ok := carrier.Named(t.Carrier)
	if !ok {
		return Parcel{Carrier: t.Carrier, Number: t.Number}
	}
	return Parcel{Carrier: c.Name, Number: t.Number, URL: c.Link(t.Number)}
}
