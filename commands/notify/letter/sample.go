package letter

import (
	"errors"
	"fmt"
	"time"

	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/domain"
)

// sampleAt is when all that happens to sample orders happens.
var sampleAt = time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)

// Sample is an order that templates are tried with, with whatever an order can have.
func Sample(method domain.Method, currency domain.Currency) domain.Order {
	in := domain.Intake{
		OrderNumber: "10248", PlacedAt: sampleAt.Add(-26 * time.Hour), Manufacturer: "northwind", ShippingMethod: "Federal Shipping",
		Customer: domain.Customer{
			ID: "VINET", Name: "Zoë Ångström", Company: "Łódź Motors & Söhne", Email: "zoe@example.com", Phone: "+1 555 0100",
		},
		BillingAddress:  domain.Address{Name: "Łódź Motors & Söhne", Line1: "59 rue de l'Abbaye", City: "Reims", PostalCode: "51100", Country: "FR"},
		ShippingAddress: domain.Address{Name: "Zoë Ångström", Line1: "1 Main St", Line2: "Dock 4", City: "Springfield", Region: "IL", PostalCode: "62701", Country: "US"},
		Lines: []domain.Line{
			{SKU: "NW-11", Description: "Queso <Cabrales> & co", Quantity: 1200, UnitPrice: 1400, DiscountPercent: 12.5, Amount: 1_470_000},
			{SKU: "NW-42", Quantity: 1, UnitPrice: 5, Amount: 5},
		},
		Currency: currency, Subtotal: 1_470_005, Freight: 3238, Tax: 808, Total: 1_474_051, Payment: domain.Terms{Method: method},
	}
	placed := domain.Placed{
		OrderNumber: in.OrderNumber, Manufacturer: in.Manufacturer, PlacedAt: in.PlacedAt, ShippingMethod: in.ShippingMethod,
		Lines: in.Lines, Currency: currency, Subtotal: in.Subtotal, Freight: in.Freight, Tax: in.Tax, Total: in.Total, Method: method,
		Confirm:  domain.Confirmation{By: sampleAt.Add(24 * time.Hour), DueFrom: sampleAt.Add(14 * time.Hour), Zone: "America/Chicago", Calendar: "us"},
		Personal: domain.PersonalData{Customer: in.Customer, BillingAddress: in.BillingAddress, ShippingAddress: in.ShippingAddress},
	}
	if method == domain.Card {
		placed.Authorization = domain.Authorization{
			PaymentIntent: "pi_1", Amount: in.Total, Currency: currency, Brand: "visa", Last4: "4242", CaptureBefore: sampleAt.Add(72 * time.Hour),
		}
	} else {
		placed.Personal.Customer.AccountNumber = "A-1007"
	}
	return domain.Evolve(domain.Order{}, placed, domain.Stamp{At: sampleAt})
}

// shippedSample is the order with parcels of carriers that are known, and of one that isn't.
func shippedSample(o domain.Order) domain.Order {
	o.Tracking = []domain.Tracking{
		{Carrier: "ups", Number: "1Z999AA10123456784"},
		{Carrier: "FedEx Ground", Number: "7712 3456 7890"},
		{Carrier: "USPS", Number: "9400100000000000000000"},
		{Carrier: "DHL Express", Number: "1234567890"},
		{Carrier: "Rößle & Söhne", Number: "R/7"},
	}
	return o
}

// samples are the subjects that an e-mail is tried with: all that makes a difference to what is written.
func samples(name string) []notify.Subject {
	var list []notify.Subject
	add := func(kind string, o domain.Order, e domain.Event) {
		list = append(list, notify.Subject{Notice: notify.Notice{Kind: kind, At: sampleAt, Order: o.ID}, Order: o, Event: e})
	}
	byCard, account := Sample(domain.Card, "USD"), Sample(domain.Account, "EUR")
	bare := domain.Order{Method: domain.Card, OrderNumber: "1", Currency: "JPY", Lines: []domain.Line{{SKU: "A", Quantity: 1}}}
	switch name {
	case "placed-card":
		add(KindPlaced, byCard, domain.Placed{})
		add(KindPlaced, bare, domain.Placed{})
	case "placed-account":
		add(KindPlaced, account, domain.Placed{})
	case "shipped":
		add(KindShipped, shippedSample(byCard), domain.Shipped{})
		add(KindShipped, bare, domain.Shipped{})
	case "cancelled-card":
		for _, how := range []domain.Settlement{domain.HoldReleased, domain.ChargeRefunded, domain.NothingToRelease, domain.SettledElsewhere} {
			add(KindCancelled, byCard, domain.Cancelled{How: how})
		}
		taken := byCard
		taken.CapturedAt, taken.Taken = &sampleAt, taken.Total
		add(KindCancelled, taken, domain.Cancelled{How: domain.NothingToRelease})
		taken.TakenElsewhere = true
		add(KindCancelled, taken, domain.Cancelled{How: domain.HoldReleased})
	case "cancelled-account":
		add(KindCancelled, account, domain.Cancelled{})
	case "refunded":
		add(KindRefunded, byCard, domain.Refunded{Amount: byCard.Total, Currency: byCard.Currency})
		add(KindRefunded, byCard, domain.Refunded{Amount: 1, Currency: "USD", Answer: domain.Answer{Source: domain.FromElsewhere}})
		add(KindRefunded, account, domain.Refunded{Amount: account.Total, Currency: account.Currency})
	case "accepted":
		add(KindAccepted, byCard, domain.Accepted{})
	case "captured":
		add(KindCaptured, byCard, domain.PaymentCaptured{Amount: byCard.Total, Currency: byCard.Currency})
		add(KindCaptured, account, domain.PaymentCaptured{Amount: account.Total, Currency: account.Currency})
	case "archived":
		add(KindArchived, byCard, domain.Archived{})
	case "confirmation-missed":
		add(KindMissed, account, domain.ConfirmationMissed{ConfirmBy: account.Confirm.By})
	case "dealer":
		add(KindDealerPlaced, account, domain.Placed{})
		add(KindDealerDue, account, domain.Placed{})
		add(KindDealerExpiring, byCard, domain.Placed{})
		add(KindDealerRefundFailed, byCard, domain.RefundFailed{Failure: domain.Failure{Message: "Stripe could not give the money back."}})
		add(KindDealerParked, byCard, domain.Parked{Reason: "Stripe is silent."})
	}
	return list
}

// check writes every e-mail about every sample, in the dealer's own words.
func (w *Writer) check() error {
	var errs []error
	for _, name := range Names {
		for _, err := range w.try(name) {
			errs = append(errs, fmt.Errorf("e-mail %s: %w", name, err))
			break // the first says where
		}
	}
	return errors.Join(errs...)
}

func (w *Writer) try(name string) (errs []error) {
	list := samples(name)
	if name == "dealer" {
		_, all := w.toDealer(list)
		_, one := w.toDealer(list[:1])
		for _, err := range []error{all, one} {
			if err != nil {
				errs = append(errs, err)
			}
		}
		return errs
	}
	for _, s := range list {
		if _, err := w.Render(name, w.data(s)); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
