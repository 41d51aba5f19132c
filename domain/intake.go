package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Intake is an order as a store hands it over, in JSON. Amounts are minor units of Currency.
type Intake struct {
	OrderNumber     string    `json:"order_number" doc:"The store's number, unique within the manufacturer" maxLength:"64"`
	PlacedAt        time.Time `json:"placed_at" doc:"When the store says that the order was placed"`
	Manufacturer    string    `json:"manufacturer" doc:"Short name of the manufacturer" maxLength:"63"`
	Customer        Customer  `json:"customer"`
	BillingAddress  Address   `json:"billing_address,omitzero" required:"false"`
	ShippingAddress Address   `json:"shipping_address,omitzero" required:"false"`
	ShippingMethod  string    `json:"shipping_method,omitempty" required:"false"`
	Lines           []Line    `json:"lines" minItems:"1" maxItems:"1000"`
	Currency        Currency  `json:"currency" doc:"ISO 4217" example:"USD"`
	Subtotal        int64     `json:"subtotal" doc:"Sum of the lines' amounts, minor units"`
	Freight         int64     `json:"freight" required:"false" doc:"Minor units"`
	Tax             int64     `json:"tax" required:"false" doc:"Minor units"`
	Total           int64     `json:"total" doc:"Subtotal + freight + tax, minor units"`
	Payment         Terms     `json:"payment"`
}

// Customer is who ordered. Personal data.
type Customer struct {
	ID            string `json:"id,omitempty" required:"false"`
	Name          string `json:"name,omitempty" required:"false"`
	Company       string `json:"company,omitempty" required:"false"`
	Email         string `json:"email,omitempty" required:"false"`
	Phone         string `json:"phone,omitempty" required:"false"`
	AccountNumber string `json:"account_number,omitempty" required:"false" doc:"Required when the order is paid on account"`
}

// Address is a postal address. Personal data.
type Address struct {
	Name       string `json:"name,omitempty" required:"false"`
	Line1      string `json:"line1,omitempty" required:"false"`
	Line2      string `json:"line2,omitempty" required:"false"`
	City       string `json:"city,omitempty" required:"false"`
	Region     string `json:"region,omitempty" required:"false"`
	PostalCode string `json:"postal_code,omitempty" required:"false"`
	Country    string `json:"country,omitempty" required:"false" doc:"ISO 3166-1 alpha-2"`
}

// Line is one row of an order. Amount is what the store says; it need not be quantity × unit price.
type Line struct {
	SKU             string  `json:"sku"`
	Description     string  `json:"description,omitempty" required:"false"`
	Quantity        int64   `json:"quantity" minimum:"1"`
	UnitPrice       int64   `json:"unit_price" required:"false"`
	DiscountPercent float64 `json:"discount_percent,omitempty" required:"false"`
	Amount          int64   `json:"amount"`
}

// Method is how an order is paid.
type Method string

// The payment methods.
const (
	Card    Method = "card"
	Account Method = "account"
)

// Terms are an order's payment terms as the store states them.
type Terms struct {
	Method        Method `json:"method" enum:"card,account"`
	PaymentIntent string `json:"payment_intent,omitempty" required:"false" doc:"Stripe's PaymentIntent that holds the funds; card orders only"`
}

// orderNamespace makes order ids; changing it would give every order a new id.
var orderNamespace = uuid.MustParse("6f1d3c4e-2a57-5b0e-9c68-0d6b8f5f2a11")

// OrderID is the id of the order with this number at this manufacturer: the same order has the same id on every store.
func OrderID(manufacturer, number string) uuid.UUID {
	return uuid.NewSHA1(orderNamespace, []byte(manufacturer+"\x00"+number))
}

// ID is the order's id.
func (in Intake) ID() uuid.UUID { return OrderID(in.Manufacturer, in.OrderNumber) }

// Hash identifies the content: two intakes with the same hash are the same order said twice. It is the SHA-256, in hex, of
// the canonical JSON.
func (in Intake) Hash() string {
	in.PlacedAt = in.PlacedAt.UTC()
	b, err := json.Marshal(in)
	if err != nil {
		panic("intake can't be marshalled: " + err.Error()) // plain fields only; NaN is refused by the decoder
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
