package domain_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

// violation says an error's code and what it names, such as "totals_mismatch /subtotal totals_mismatch".
func violations(err error) string {
	var r *domain.Rejection
	if !errors.As(err, &r) {
		return fmt.Sprint(err)
	}
	said := string(r.Code)
	for _, v := range r.Violations {
		said += " " + v.Field + "=" + string(v.Code)
	}
	return said
}

func TestCheck(t *testing.T) {
	const pan = "4242 4242 4242 4242"
	for _, tt := range []struct {
		name   string
		change func(*domain.Intake)
		want   string
	}{
		{"a good order", func(*domain.Intake) {}, "<nil>"},
		{"a line's amount need not be quantity × price", func(in *domain.Intake) { in.Lines[0].UnitPrice = 1 }, "<nil>"},
		{"no number", func(in *domain.Intake) { in.OrderNumber = " " }, "required /order_number=required /order_number=bad_value"},
		{"a number with a line break", func(in *domain.Intake) { in.OrderNumber = "1\n2" }, "bad_value /order_number=bad_value"},
		{"a number too long", func(in *domain.Intake) { in.OrderNumber = strings.Repeat("9", 65) }, "too_long /order_number=too_long"},
		{"a number that hides a card's", func(in *domain.Intake) { in.OrderNumber = pan }, "card_number_refused /order_number=card_number_refused"},
		{"a manufacturer in capitals", func(in *domain.Intake) { in.Manufacturer = "Northwind" }, "bad_value /manufacturer=bad_value"},
		{"no instant", func(in *domain.Intake) { in.PlacedAt = in.PlacedAt.AddDate(-3000, 0, 0) }, "bad_value /placed_at=bad_value"},
		{"nobody", func(in *domain.Intake) { in.Customer = domain.Customer{} }, "required /customer/name=required"},
		{"a control character", func(in *domain.Intake) { in.Customer.Name = "a\x00b" }, "bad_value /customer/name=bad_value"},
		{"no UTF-8", func(in *domain.Intake) { in.Customer.Name = "a\xff" }, "bad_value /customer/name=bad_value"},
		{"a name too long", func(in *domain.Intake) { in.Customer.Name = strings.Repeat("é", domain.MaxText+1) }, "too_long /customer/name=too_long"},
		{"a name just not too long", func(in *domain.Intake) { in.Customer.Name = strings.Repeat("é", domain.MaxText) }, "<nil>"},
		{"an e-mail of two", func(in *domain.Intake) { in.Customer.Email = "a@b@c" }, "bad_value /customer/email=bad_value"},
		{"an e-mail that injects a header", func(in *domain.Intake) { in.Customer.Email = "a@b\nBcc:c" }, "bad_value /customer/email=bad_value"},
		{"a phone with sixteen digits", func(in *domain.Intake) { in.Customer.Phone = "+" + pan }, "<nil>"},
		{"a card number as phone", func(in *domain.Intake) { in.Customer.Phone = pan }, "card_number_refused /customer/phone=card_number_refused"},
		{"a card number in an address", func(in *domain.Intake) { in.ShippingAddress.Line2 = "card " + pan + " 12/34" }, "card_number_refused /shipping_address/line2=card_number_refused"},
		{"a country by name", func(in *domain.Intake) { in.BillingAddress.Country = "France" }, "bad_value /billing_address/country=bad_value"},
		{"an unknown currency", func(in *domain.Intake) { in.Currency = "usd" }, "unknown_currency /currency=unknown_currency"},
		{"no lines", func(in *domain.Intake) { in.Lines = nil }, "required /lines=required /subtotal=totals_mismatch"},
		{"too many lines", func(in *domain.Intake) { in.Lines = make([]domain.Line, domain.MaxLines+1) }, "too_long /lines=too_long"},
		{"a line without article", func(in *domain.Intake) { in.Lines[1].SKU = "" }, "required /lines/1/sku=required"},
		{"a line of nothing", func(in *domain.Intake) { in.Lines[0].Quantity = 0 }, "bad_value /lines/0/quantity=bad_value"},
		{"a discount above all", func(in *domain.Intake) { in.Lines[0].DiscountPercent = 101 }, "bad_value /lines/0/discount_percent=bad_value"},
		{"a negative line", func(in *domain.Intake) { in.Lines[0].Amount, in.Lines[1].Amount = -1, 44001 }, "bad_value /lines/0/amount=bad_value"},
		{"a subtotal that is none", func(in *domain.Intake) { in.Lines[0].Amount++ }, "totals_mismatch /subtotal=totals_mismatch"},
		{"a total that is none", func(in *domain.Intake) { in.Tax = 1 }, "totals_mismatch /total=totals_mismatch"},
		{"a total beyond all", func(in *domain.Intake) { in.Freight, in.Total = domain.MaxAmount, domain.MaxAmount+44000 }, "bad_value /total=bad_value"},
		{"a card order for nothing", func(in *domain.Intake) {
			in.Lines[0].Amount, in.Lines[1].Amount, in.Subtotal, in.Freight, in.Total = 0, 0, 0, 0, 0
		}, "bad_value /total=bad_value"},
		{"no payment method", func(in *domain.Intake) { in.Payment = domain.Terms{} }, "required /payment/method=required"},
		{"cash", func(in *domain.Intake) { in.Payment = domain.Terms{Method: "cash"} }, "bad_value /payment/method=bad_value"},
		{"a charge for a hold", func(in *domain.Intake) { in.Payment.PaymentIntent = "ch_1" }, "bad_value /payment/payment_intent=bad_value"},
		{"an account with a card", func(in *domain.Intake) { in.Payment.Method = domain.Account }, "bad_value /payment/payment_intent=bad_value"},
		{"an account without number", func(in *domain.Intake) {
			in.Payment = domain.Terms{Method: domain.Account}
			in.Customer.AccountNumber = ""
		}, "account_number_required /customer/account_number=account_number_required"},
		{"a card number comes before all else", func(in *domain.Intake) { in.Manufacturer, in.ShippingMethod = "", pan }, "card_number_refused /manufacturer=bad_value /shipping_method=card_number_refused"},
	} {
		in := goodIntake(domain.Card)
		tt.change(&in)
		err := in.Check()
		if got := violations(err); got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.name, got, tt.want)
		}
		if strings.Contains(fmt.Sprint(err), "4242") {
			t.Errorf("%s: the card number is repeated: %v", tt.name, err)
		}
	}
}

func TestCheckReportsAtMostFifty(t *testing.T) {
	in := goodIntake(domain.Card)
	in.Lines = make([]domain.Line, domain.MaxLines)
	var r *domain.Rejection
	if !errors.As(in.Check(), &r) || len(r.Violations) != 50 {
		t.Errorf("%d violations, want 50", len(r.Violations))
	}
}

func TestTrackingAndTexts(t *testing.T) {
	o := given(t, append(paid[:4:4], domain.Ship{})...)
	for _, tt := range []struct {
		name     string
		tracking []domain.Tracking
		want     string
	}{
		{"no carrier", []domain.Tracking{{Number: "1"}}, "required /tracking/0/carrier=required"},
		{"no number", []domain.Tracking{parcel[0], {Carrier: "ups", Number: " "}}, "required /tracking/1/number=required"},
		{"a number too long", []domain.Tracking{{Carrier: "ups", Number: strings.Repeat("1", 65)}}, "too_long /tracking/0/number=too_long"},
		{"a line break", []domain.Tracking{{Carrier: "ups", Number: "1\n2"}}, "bad_value /tracking/0/number=bad_value"},
		{"too many", slices.Repeat(parcel, domain.MaxTracking+1), "too_long /tracking=too_long"},
		{"a card number as the carrier", []domain.Tracking{{Carrier: "4242 4242 4242 4242", Number: "1"}}, "card_number_refused /tracking/0/carrier=card_number_refused"},
		{"UPS, with sixteen digits like a card's", []domain.Tracking{{Carrier: "ups", Number: "1Z4242424242424242"}}, "<nil>"},
		{"sixteen digits are no card number here", []domain.Tracking{{Carrier: "fedex", Number: "4242424242424242"}}, "<nil>"},
	} {
		if _, err := domain.Decide(o, domain.CorrectTracking{Tracking: tt.tracking}); violations(err) != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, violations(err), tt.want)
		}
	}
	for text, want := range map[string]string{
		"damaged": "<nil>", "": "<nil>", "two\nlines": "<nil>", "\x07": "bad_value /reason=bad_value", "12345678901": "too_long /reason=too_long",
	} {
		if got := violations(domain.CheckText("/reason", text, 10)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestHoldsCardNumber(t *testing.T) {
	for text, want := range map[string]bool{
		"4242424242424242":                true,
		"4242 4242 4242 4242":             true,
		"4242-4242-4242-4242":             true,
		"pay with 4242424242424242, yes?": true,
		"4242 4242 4242 4242 12/34":       true, // the expiry behind it
		"no. 7 4242 4242 4242 4242 123":   true,
		"4242  4242  4242  4242":          true,
		"5555555555554444":                true, // Mastercard
		"2223003122003222":                true, // Mastercard, 2-series
		"378282246310005":                 true, // American Express
		"6011111111111117":                true, // Discover
		"30569309025904":                  true, // Diners
		"3566002020360505":                true, // JCB
		"6200000000000005":                true, // UnionPay
		"4242424242424241":                false,
		"42424242424242424":               false, // seventeen digits in one
		"1Z999AA10123456784":              false,
		"9999999999999995":                false, // no scheme begins so
		"1234567890123":                   false,
		"":                                false,
		strings.Repeat("4 ", 2000):        false,
		"4" + strings.Repeat(" ", 100000): false,
	} {
		if got := domain.HoldsCardNumber(text); got != want {
			t.Errorf("%.40q: %t", text, got)
		}
	}
}

// OrderID and Intake.Hash stand in every log: they may never change.
func TestIdentitiesAreForEver(t *testing.T) {
	if got, want := domain.OrderID("northwind", "10248"), uuid.MustParse("b02664a0-a5ba-5b0e-bb2b-234b1479c514"); got != want {
		t.Errorf("order id %s, want %s", got, want)
	}
	if domain.OrderID("northwind", "10248") != goodIntake(domain.Card).ID() {
		t.Error("an intake's id is not its order's")
	}
	if domain.OrderID("a", "bc") == domain.OrderID("ab", "c") {
		t.Error("two orders share an id")
	}
	stored, err := os.ReadFile(filepath.Join("testdata", "intake.json"))
	if err != nil {
		t.Fatal(err)
	}
	var in domain.Intake
	if err := domain.DecodeJSON(stored, &in); err != nil {
		t.Fatal(err)
	}
	const want = "f8ef2ca6dd0e28c9cf0d9017e43cd12d4c774aed4392cd9c51051580485873bd"
	if got := in.Hash(); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var again domain.Intake
	if err := domain.DecodeJSON(b, &again); err != nil || again.Hash() != want {
		t.Errorf("said again: %s, %v", again.Hash(), err)
	}
	for name, change := range map[string]func(*domain.Intake){
		"number": func(in *domain.Intake) { in.OrderNumber += "1" }, "line": func(in *domain.Intake) { in.Lines[0].Amount++ },
		"country": func(in *domain.Intake) { in.ShippingAddress.Country = "DE" },
		"payment": func(in *domain.Intake) { in.Payment.PaymentIntent = "pi_2" },
	} {
		other := again
		other.Lines = slices.Clone(again.Lines)
		if change(&other); other.Hash() == want {
			t.Errorf("another %s has the same hash", name)
		}
	}
}
