package letter

import (
	"strings"
	"time"

	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/domain"
)

// Dealer is who writes.
type Dealer struct{ Name, Email, Phone, URL string }

// Data is what templates of customers' e-mails are given; see the package's documentation.
type Data struct {
	Dealer                        Dealer
	Customer                      Customer
	Order                         Order
	BillTo, ShipTo                []string
	Lines                         []Line
	Subtotal, Freight, Tax, Total string
	Payment                       Payment
	Tracking                      []Parcel
	Fact                          Fact
	Language                      string
}

// Customer is who is written to.
type Customer struct{ Name, Company, Email, Phone, AccountNumber, Greeting string }

// Order is what it is about.
type Order struct{ Number, Placed, ShippingMethod, Manufacturer string }

// Line is one row of an order.
type Line struct{ SKU, Description, Quantity, UnitPrice, Discount, Amount string }

// Payment is how it is paid.
type Payment struct{ Method, Card, Provider string }

// Fact is what the e-mail tells of.
type Fact struct{ Date, Amount, Money, Due string }

// How money went back, beside the settlements of the rules: Fact.Money.
const (
	byStripe  = "stripe"
	elsewhere = "elsewhere"
	onAccount = "account"
	byBank    = "bank"
)

func (w *Writer) data(s notify.Subject) Data {
	o, l := s.Order, w.locale
	c := o.Personal.Customer
	d := Data{
		Dealer: w.config.Dealer, Language: l.Language(),
		Customer: Customer{c.Name, c.Company, c.Email, c.Phone, c.AccountNumber, c.Name},
		Order:    Order{o.OrderNumber, l.Date(o.PlacedAt), o.ShippingMethod, o.Manufacturer},
		ShipTo:   l.Address(o.Personal.ShippingAddress),
		Subtotal: l.Money(o.Currency, o.Subtotal), Total: l.Money(o.Currency, o.Total),
		Payment: Payment{Method: string(o.Method)},
		Fact:    Fact{Date: l.Date(s.Notice.At)},
	}
	if d.Customer.Greeting == "" {
		d.Customer.Greeting = c.Company
	}
	if o.Personal.BillingAddress != o.Personal.ShippingAddress {
		d.BillTo = l.Address(o.Personal.BillingAddress)
	}
	if o.Freight != 0 {
		d.Freight = l.Money(o.Currency, o.Freight)
	}
	if o.Tax != 0 {
		d.Tax = l.Money(o.Currency, o.Tax)
	}
	if o.Method == domain.Card {
		d.Payment.Card, d.Payment.Provider = card(o.Hold), "Stripe"
	}
	for _, line := range o.Lines {
		d.Lines = append(d.Lines, Line{
			line.SKU, line.Description, l.Count(line.Quantity), l.Money(o.Currency, line.UnitPrice), l.Percent(line.DiscountPercent),
			l.Money(o.Currency, line.Amount),
		})
	}
	for _, t := range o.Tracking {
		d.Tracking = append(d.Tracking, parcel(t))
	}
	d.Fact.Amount, d.Fact.Money = w.money(s)
	if there, err := time.LoadLocation(o.Confirm.Zone); err == nil {
		l = l.In(there) // the manufacturer reads it
	}
	d.Fact.Due = l.Moment(o.Confirm.By)
	return d
}

// money is how much a fact moved, and how.
func (w *Writer) money(s notify.Subject) (amount, how string) {
	o := s.Order
	switch e := s.Event.(type) {
	case domain.Refunded:
		switch {
		case o.Method == domain.Account:
			how = onAccount
		case o.TakenElsewhere || e.Source == domain.FromElsewhere:
			how = elsewhere
		default:
			how = byStripe
		}
		return w.locale.Money(e.Currency, e.Amount), how
	case domain.Cancelled:
		amount := o.Total
		if o.Captured() {
			amount = o.Taken
		}
		switch {
		case o.Method == domain.Account:
			how = ""
		case o.TakenElsewhere && e.How != domain.SettledElsewhere:
			how = elsewhere
		case o.Captured() && e.How == domain.NothingToRelease: // a dispute was lost
			how = byBank
		default:
			how = string(e.How)
		}
		return w.locale.Money(o.Currency, amount), how
	case domain.PaymentCaptured:
		return w.locale.Money(e.Currency, e.Amount), ""
	}
	return "", ""
}

// card names a card as its holder knows it.
func card(a domain.Authorization) string {
	if a.Last4 == "" {
		return "your card"
	}
	brand := map[string]string{"visa": "Visa", "mastercard": "Mastercard", "amex": "American Express", "discover": "Discover", "jcb": "JCB", "diners": "Diners Club", "unionpay": "UnionPay"}[strings.ToLower(a.Brand)]
	if brand == "" {
		brand = "card"
	}
	return brand + " ending in " + a.Last4
}

// Digest is what templates of the dealer's e-mails are given.
type Digest struct {
	Dealer   Dealer
	Language string
	Facts    []News
}

// News is one fact for the dealer.
type News struct{ Kind, Title, Order, Customer, Total, Date, Due, Detail string }

func (w *Writer) news(s notify.Subject) News {
	o, l := s.Order, w.locale
	n := News{
		Kind: s.Notice.Kind, Order: o.OrderNumber, Customer: o.Personal.Customer.Name, Total: l.Money(o.Currency, o.Total),
		Date: l.Moment(s.Notice.At),
	}
	if company := o.Personal.Customer.Company; company != "" {
		n.Customer = strings.TrimPrefix(n.Customer+", "+company, ", ")
	}
	switch s.Notice.Kind {
	case KindDealerPlaced:
		n.Title, n.Due = "New order", l.Moment(o.Confirm.By)
	case KindDealerDue:
		n.Title, n.Due = "To be confirmed today", l.Moment(o.Confirm.By)
	case KindDealerExpiring:
		n.Title, n.Due = "The hold on the card ends soon", l.Moment(o.Hold.CaptureBefore)
	case KindDealerRefundFailed:
		n.Title = "A refund failed; the money is still with you"
		if e, ok := s.Event.(domain.RefundFailed); ok {
			n.Detail = e.Message
		}
	case KindDealerParked:
		n.Title = "An operation can't go on by itself and waits for a decision"
		if e, ok := s.Event.(domain.Parked); ok {
			n.Detail = e.Reason
		}
	}
	return n
}

// holdEnds is when a hold is about to end; zero when that is not known.
func holdEnds(a domain.Authorization) time.Time {
	if a.CaptureBefore.IsZero() {
		return time.Time{}
	}
	return a.CaptureBefore.Add(-domain.ExpiryWarning)
}
