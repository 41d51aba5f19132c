package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

func TestTheWholeOrder(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	pending, intent, brand, last4 := domain.ActCapture, "pi_1", "visa", "4242"
	v := domain.View{
		ID: uuid.MustParse("98bffb69-2a63-5c7c-b7d1-58e940deb68f"), OrderNumber: "O-1", Manufacturer: "acme", Version: 4,
		Tab: domain.TabNew, Status: domain.StatusAccepted, Pending: &pending, Badges: []domain.Badge{domain.BadgeParked, domain.BadgeDisputed},
		Customer:        domain.Customer{Name: "Zo\u00eb \x1b[31mred", Company: "Garage"},
		ShippingAddress: domain.Address{Line1: "1 quai", City: "Reims", PostalCode: "51100", Country: "FR"}, ShippingMethod: "Ground",
		Lines: []domain.Line{
			{SKU: "X", Description: "Br\u00e4ke", Quantity: 12, UnitPrice: 1000, DiscountPercent: 12.5, Amount: 10500}, {SKU: "LONG-1", Quantity: 1, Amount: 5},
		},
		Currency: "USD", Subtotal: 10505, Freight: 100, Total: 10605,
		Payment: domain.PaymentView{
			Method: domain.Card, State: domain.Authorized, Amount: 10605, Currency: "USD", PaymentIntent: &intent, Brand: &brand, Last4: &last4,
			CaptureBefore: &at,
		},
		Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z1"}, {Carrier: "dhl", Number: "7"}},
		PlacedAt: at, AcceptedAt: &at,
		Notes: []domain.Note{{Text: "call first\nand again\x07", By: "ada", At: at}},
	}
	var out bytes.Buffer
	if err := (&cli{out: &out, format: "table", noColor: true}).showOrder(v); err != nil {
		t.Fatal(err)
	}
	const want = `Order O-1
  manufacturer      acme
  id                98bffb69-2a63-5c7c-b7d1-58e940deb68f
  tab               new
  status            accepted
  under way         capture; Stripe has not answered yet
  badges            parked, disputed
  version           4

Customer
  name              Zoë  [31mred
  company           Garage

Shipping address
  street            1 quai
  place             51100 Reims
  country           FR
  shipping method   Ground

Lines
  SKU     DESCRIPTION  QUANTITY  UNIT PRICE  DISCOUNT      AMOUNT
  X       Bräke              12   10.00 USD    12.5 %  105.00 USD
  LONG-1                      1    0.00 USD              0.05 USD
                                             subtotal  105.05 USD
                                              freight    1.00 USD
                                                  tax    0.00 USD
                                                total  106.05 USD

Payment
  method            card
  state             authorized
  amount            106.05 USD
  card              visa ending in 4242
  held until        2026-03-02 09:30
  payment intent    pi_1

Tracking
  ups               1Z1
  dhl               7

Dates, in UTC
  placed            2026-03-02 09:30
  accepted          2026-03-02 09:30

Notes
  2026-03-02 09:30, ada
    call first
    and again
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
