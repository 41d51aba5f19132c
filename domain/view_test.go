package domain_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

var rewriteViews = flag.Bool("rewrite-views", false, "rewrite the golden files of Render")

// viewed are orders whose JSON the golden files hold: all there is, on a card and on account, and next to nothing.
func viewed() map[string]domain.Order {
	at := func(day int) *time.Time {
		t := time.Date(1996, 7, day, 11, 0, 0, 0, time.FixedZone("CEST", 2*60*60))
		return &t
	}
	address := domain.Address{
		Name: "Vins et alcools Chevalier", Line1: "59 rue de l'Abbaye", Line2: "2e étage", City: "Reims", Region: "Marne",
		PostalCode: "51100", Country: "FR",
	}
	card := domain.Order{
		ID: domain.OrderID("northwind", "10248"), Version: 7, OrderNumber: "10248", Manufacturer: "northwind", PlacedBy: "shop",
		PlacedAt: *at(4), ReceivedAt: *at(4), ShippingMethod: "Federal Shipping",
		Lines:    []domain.Line{{SKU: "NW-11", Description: "Queso Cabrales", Quantity: 12, UnitPrice: 1400, DiscountPercent: 2.5, Amount: 44000}},
		Currency: "USD", Subtotal: 44000, Freight: 3238, Tax: 0, Total: 47238,
		Personal: domain.PersonalData{
			Customer:       domain.Customer{ID: "VINET", Name: "Paul Henriot", Company: "Vins et alcools Chevalier", Email: "vinet@example.com", Phone: "26.47.15.10"},
			BillingAddress: address, ShippingAddress: address,
		},
		Confirm: domain.Confirmation{By: *at(5), DueFrom: *at(5), Zone: "Europe/Paris", Calendar: "fr"},
		Method:  domain.Card, Hold: domain.Authorization{PaymentIntent: "pi_1", Brand: "visa", Last4: "4242", CaptureBefore: *at(11)},
		Charge: "ch_1", Refund: "re_1", AcceptedAt: at(5), CapturedAt: at(6), ShippedAt: at(7),
		Taken: 47238,
		Pending: domain.Pending{
			Act: domain.ActRefund, Request: uuid.Max, Since: *at(8), Parked: true, ParkedAt: *at(9), Why: "Stripe is silent",
			Attempts: 12, Requests: []string{"req_1", "req_2"},
		},
		RefundPending: true,
		External:      []domain.ExternalChange{{Object: "re_9", Change: "refunded_partly", Amount: 100, At: *at(8)}},
		Tracking:      []domain.Tracking{{Carrier: "ups", Number: "1Z999AA10123456784"}},
		Notes:         []domain.Note{{ID: uuid.Max, Text: "call first", By: "ada", At: *at(6)}},
		Disputes:      []domain.Dispute{{ID: "dp_1"}},
	}
	account := domain.Order{
		ID: domain.OrderID("northwind", "10249"), Version: 5, OrderNumber: "10249", Manufacturer: "northwind", PlacedAt: *at(5),
		Lines:    []domain.Line{{SKU: "NW-14", Quantity: 9, Amount: 500}},
		Currency: "JPY", Subtotal: 500, Total: 500,
		Personal: domain.PersonalData{Customer: domain.Customer{Company: "Toms Spezialitäten", AccountNumber: "TOMSP"}},
		Method:   domain.Account, Entry: "INV-1", Reverse: "CR-1", Taken: 500,
		AcceptedAt: at(5), CapturedAt: at(6), ShippedAt: at(6), RefundedAt: at(7), ArchivedAt: at(8),
	}
	settled := domain.Order{
		ID: domain.OrderID("northwind", "10250"), Version: 6, OrderNumber: "10250", Manufacturer: "northwind", PlacedAt: *at(5),
		Lines:    []domain.Line{{SKU: "NW-41", Quantity: 1, Amount: 7700}},
		Currency: "USD", Subtotal: 7700, Total: 7700,
		Method: domain.Card, Hold: domain.Authorization{PaymentIntent: "pi_3"}, Taken: 7700, TakenElsewhere: true, Reference: "wire 4711",
		AcceptedAt: at(5), CapturedAt: at(6),
	}
	return map[string]domain.Order{
		"card": card, "account": account, "settled": settled,
		"bare": {ID: uuid.Max, Version: 1, OrderNumber: "1", Method: domain.Card, PlacedAt: *at(4), CancelledAt: at(5)},
	}
}

func TestRender(t *testing.T) {
	for name, order := range viewed() {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(domain.Render(order, time.Date(1996, 7, 10, 0, 0, 0, 0, time.UTC)), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			file := filepath.Join("testdata", "view-"+name+".json")
			if *rewriteViews {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// A view that is changed leaves the order alone: orders are kept and shared.
func TestRenderSharesNothing(t *testing.T) {
	order := viewed()["card"]
	v := domain.Render(order, order.PlacedAt)
	v.Lines[0].SKU, v.Notes[0].Text, v.Tracking[0].Number, *v.Pending = "x", "x", "x", "x"
	v.ExternalChanges[0].Object, v.Parked.StripeRequests[0], *v.Payment.AmountCaptured = "x", "x", 0
	*v.AcceptedAt, *v.ConfirmBy, *v.Payment.Charge = time.Time{}, time.Time{}, "x"
	if !reflect.DeepEqual(order, viewed()["card"]) {
		t.Errorf("the order changed: %+v", order)
	}
}
