package dashboard

import (
	"net/http"

	"github.com/orderledger/orderledger/domain"
)

// Dealer is who sends the parcels: the head of a packing slip.
type Dealer struct {
	Name              string
	Address           []string // lines
	Phone, Email, URL string
}

type slipPage struct {
	layout
	Order  domain.View
	Dealer Dealer
	Code   *barcode // of the order's number
	Prices bool
	Other  string         // URL of the slip with prices, or without
	To     domain.Address // the customer, when the order names no address
	Pieces int64
	Lines  string // how many there are
	Stop   string // why nothing should be packed
	Card   string
}

// slip is the sheet that goes into the parcel. It never says anything of private notes.
func (b *dashboard) slip(w http.ResponseWriter, r *http.Request) error {
	o, err := b.load(r)
	if err != nil {
		return err
	}
	page := slipPage{
		layout: b.layout(r, "Packing slip "+o.OrderNumber), Order: domain.Render(o, b.Now()), Dealer: b.Dealer, Code: code128Of(o.OrderNumber),
		Prices: b.SlipPrices, Stop: unfit(o), Card: card(o),
	}
	if asked := r.URL.Query().Get("prices"); asked != "" {
		page.Prices = asked == "yes"
	}
	page.Other = r.URL.Path + "?prices=yes"
	if page.Prices {
		page.Other = r.URL.Path + "?prices=no"
	}
	page.To, page.Lines = o.Personal.ShippingAddress, plural(len(o.Lines), "line")
	if page.To == (domain.Address{}) {
		page.To = domain.Address{Name: o.Personal.Customer.Name, Line1: o.Personal.Customer.Company}
	}
	for _, l := range o.Lines {
		page.Pieces += l.Quantity
	}
	return b.show(w, r, http.StatusOK, "slip", page)
}

// unfit says why an order should not be packed as it stands; empty when it may.
func unfit(o domain.Order) string {
	switch {
	case o.CancelledAt != nil:
		return "This order is cancelled: don't ship it."
	case o.RefundedAt != nil && o.ShippedAt == nil:
		return "This order is refunded: don't ship it."
	case o.Pending.Act == domain.ActCancel:
		return "This order is being cancelled: don't ship it."
	case o.Pending.Act == domain.ActRefund && o.ShippedAt == nil:
		return "This order is being refunded: don't ship it."
	case o.AcceptedAt == nil:
		return "This order is not accepted yet: review it before anything is packed."
	}
	return ""
}
