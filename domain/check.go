package domain

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what is taken in.
const (
	MaxLines       = 1000
	MaxText        = 500  // runes of any one field
	MaxNote        = 4000 // runes of a note
	MaxReason      = 500  // runes of a reason or evidence
	MaxReference   = 200  // runes of a reference in somebody else's books
	MaxTracking    = 20   // parcels of one order
	MaxNotes       = 1000 // notes of one order
	maxQuantity    = 1e9  // of one line
	maxViolations  = 50   // reported at once
	maxOrderNumber = 64   // runes
)

var (
	manufacturerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	countryCode      = regexp.MustCompile(`^[A-Z]{2}$`)
	paymentIntentID  = regexp.MustCompile(`^pi_[A-Za-z0-9_]{1,120}$`)
)

// checker collects violations, with the field that each is about.
type checker struct{ found []Violation }

func (c *checker) add(field string, code Code, format string, args ...any) {
	if len(c.found) < maxViolations {
		c.found = append(c.found, Violation{Field: field, Code: code, Message: fmt.Sprintf(format, args...)})
	}
}

// text checks a free text: length, no control characters, valid UTF-8, no card number.
func (c *checker) text(field, s string, limit int, required bool) {
	switch {
	case strings.TrimSpace(s) == "" && required:
		c.add(field, RequiredField, "is required")
	case utf8.RuneCountInString(s) > limit:
		c.add(field, TooLong, "is longer than %d characters", limit)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }):
		c.add(field, BadValue, "holds control characters")
	case HoldsCardNumber(s):
		c.add(field, CardNumberRefused, "holds what looks like a card number, which the ledger does not take")
	}
}

func (c *checker) amount(field string, n int64) {
	if n < 0 || n > MaxAmount {
		c.add(field, BadValue, "must be between 0 and %d minor units", MaxAmount)
	}
}

// rejection is nil when nothing is wrong. Its code is that of the first violation; a card number comes before all.
func (c *checker) rejection(what string) error {
	if len(c.found) == 0 {
		return nil
	}
	first := c.found[0]
	for _, v := range c.found {
		if v.Code == CardNumberRefused {
			first = v
			break
		}
	}
	return &Rejection{
		Code: first.Code, Kind: Invalid, Violations: c.found,
		Message: fmt.Sprintf("%s is not acceptable: %s %s. Correct it and send it again.", what, first.Field, first.Message),
	}
}

// Check says what is wrong with an order, all at once; nil when nothing is.
func (in Intake) Check() error {
	c := &checker{}
	c.text("/order_number", in.OrderNumber, maxOrderNumber, true)
	if in.OrderNumber != strings.TrimSpace(in.OrderNumber) || strings.ContainsAny(in.OrderNumber, "\n\r\t") {
		c.add("/order_number", BadValue, "must not begin or end with white space or hold line breaks")
	}
	if !manufacturerName.MatchString(in.Manufacturer) {
		c.add("/manufacturer", BadValue, "must be a short name of lower-case letters, digits, dashes and underscores")
	}
	switch {
	case in.PlacedAt.IsZero():
		c.add("/placed_at", RequiredField, "is required")
	case in.PlacedAt.Year() < 1900 || in.PlacedAt.Year() > 9999:
		c.add("/placed_at", BadValue, "is not a year between 1900 and 9999")
	}
	c.text("/shipping_method", in.ShippingMethod, MaxText, false)
	in.checkPeople(c)
	in.checkMoney(c)
	switch in.Payment.Method {
	case Card:
		if pi := in.Payment.PaymentIntent; pi != "" && !paymentIntentID.MatchString(pi) {
			c.add("/payment/payment_intent", BadValue, "is not a PaymentIntent's id (pi_…)")
		}
	case Account:
		if in.Payment.PaymentIntent != "" {
			c.add("/payment/payment_intent", BadValue, "has no place on an order on account")
		}
		if in.Customer.AccountNumber == "" {
			c.add("/customer/account_number", AccountNumberRequired, "is required for an order on account")
		}
	case "":
		c.add("/payment/method", RequiredField, "is required")
	default:
		c.add("/payment/method", BadValue, "must be card or account")
	}
	return c.rejection("The order")
}

func (in Intake) checkPeople(c *checker) {
	cu := in.Customer
	if strings.TrimSpace(cu.Name) == "" && strings.TrimSpace(cu.Company) == "" {
		c.add("/customer/name", RequiredField, "or a company is required")
	}
	for _, f := range []struct{ name, value string }{
		{"id", cu.ID}, {"name", cu.Name}, {"company", cu.Company}, {"email", cu.Email}, {"account_number", cu.AccountNumber},
	} {
		c.text("/customer/"+f.name, f.value, MaxText, false)
	}
	if strings.HasPrefix(strings.TrimSpace(cu.Phone), "+") { // an international number is no card number, whatever its digits
		c.text("/customer/phone", strings.TrimLeft(cu.Phone, "+ 0123456789-()./"), MaxText, false)
	} else {
		c.text("/customer/phone", cu.Phone, MaxText, false)
	}
	if cu.Email != "" && (strings.Count(cu.Email, "@") != 1 || strings.ContainsAny(cu.Email, " \t\r\n<>,;") ||
		strings.HasPrefix(cu.Email, "@") || strings.HasSuffix(cu.Email, "@")) {
		c.add("/customer/email", BadValue, "is not an e-mail address")
	}
	in.BillingAddress.check(c, "/billing_address/")
	in.ShippingAddress.check(c, "/shipping_address/")
}

func (a Address) check(c *checker, prefix string) {
	for _, f := range []struct{ name, value string }{
		{"name", a.Name}, {"line1", a.Line1}, {"line2", a.Line2}, {"city", a.City}, {"region", a.Region}, {"postal_code", a.PostalCode},
	} {
		c.text(prefix+f.name, f.value, MaxText, false)
	}
	if a.Country != "" && !countryCode.MatchString(a.Country) {
		c.add(prefix+"country", BadValue, "must be a country code of two capital letters")
	}
}

func (in Intake) checkMoney(c *checker) {
	if _, known := in.Currency.Exponent(); !known {
		c.add("/currency", UnknownCurrency, "is not a currency code of ISO 4217 in capital letters")
	}
	switch n := len(in.Lines); {
	case n == 0:
		c.add("/lines", RequiredField, "needs at least one line")
	case n > MaxLines:
		c.add("/lines", TooLong, "has more than %d lines", MaxLines)
		return
	}
	amounts := make([]int64, len(in.Lines))
	for i, l := range in.Lines {
		at := fmt.Sprintf("/lines/%d/", i)
		c.text(at+"sku", l.SKU, MaxText, true)
		c.text(at+"description", l.Description, MaxText, false)
		c.amount(at+"unit_price", l.UnitPrice)
		c.amount(at+"amount", l.Amount)
		if l.Quantity < 1 || l.Quantity > maxQuantity {
			c.add(at+"quantity", BadValue, "must be between 1 and %d", int64(maxQuantity))
		}
		if !(l.DiscountPercent >= 0 && l.DiscountPercent <= 100) {
			c.add(at+"discount_percent", BadValue, "must be between 0 and 100")
		}
		amounts[i] = l.Amount
	}
	c.amount("/subtotal", in.Subtotal)
	c.amount("/freight", in.Freight)
	c.amount("/tax", in.Tax)
	c.amount("/total", in.Total)
	if in.Payment.Method == Card && in.Total == 0 {
		c.add("/total", BadValue, "must be above zero when paid by card")
	}
	if sum, err := Sum(amounts...); err != nil || sum != in.Subtotal {
		c.add("/subtotal", TotalsMismatch, "must be the sum of the lines' amounts")
	}
	if sum, err := Sum(in.Subtotal, in.Freight, in.Tax); err != nil || sum != in.Total {
		c.add("/total", TotalsMismatch, "must be subtotal + freight + tax")
	}
}

// CheckText refuses a free text that a person sends along (a reason, a note, a reference, evidence).
func CheckText(field, s string, limit int) error {
	c := &checker{}
	c.text(field, s, limit, false)
	return c.rejection("The text")
}

// checkTracking checks parcels. A carrier's name must not hold a card number. Their numbers are not looked at for one: carriers
// give out numbers of 14 to 16 digits too (DPD 14, FedEx Ground 15, Canada Post 16, UPS up to 16 behind its 1Z), and one that
// begins as a card number does has its check digit once in ten times. The two can't be told apart, and a parcel must be shipped.
func checkTracking(tracking []Tracking) error {
	c := &checker{}
	if len(tracking) > MaxTracking {
		c.add("/tracking", TooLong, "has more than %d parcels", MaxTracking)
	}
	for i, t := range tracking {
		for _, f := range []struct{ name, value string }{{"carrier", t.Carrier}, {"number", t.Number}} {
			field := fmt.Sprintf("/tracking/%d/%s", i, f.name)
			switch {
			case strings.TrimSpace(f.value) == "":
				c.add(field, RequiredField, "is required")
			case utf8.RuneCountInString(f.value) > 64:
				c.add(field, TooLong, "is longer than 64 characters")
			case strings.ContainsFunc(f.value, unicode.IsControl):
				c.add(field, BadValue, "holds control characters")
			case f.name == "carrier" && HoldsCardNumber(f.value):
				c.add(field, CardNumberRefused, "holds what looks like a card number, which the ledger does not take")
			}
		}
	}
	return c.rejection("The tracking")
}

// HoldsCardNumber says whether a text holds what looks like a payment card's number: 14 to 16 digits, spaces and dashes
// among them, that begin as card schemes' numbers do and whose check digit is right. What stands before or behind the
// number, such as its expiry, does not hide it.
func HoldsCardNumber(s string) bool {
	var digits []byte // of the run of groups at hand
	var ends []int    // where its groups end, in digits
	for i := 0; i <= len(s); i++ {
		switch {
		case i < len(s) && '0' <= s[i] && s[i] <= '9':
			digits = append(digits, s[i]-'0')
		case i < len(s) && (s[i] == ' ' || s[i] == '-'):
			if n := len(ends); n == 0 || ends[n-1] != len(digits) { // many spaces are one
				ends = append(ends, len(digits))
			}
		default:
			if groupsHoldCardNumber(digits, append(ends, len(digits))) {
				return true
			}
			digits, ends = digits[:0], ends[:0]
		}
	}
	return false
}

// groupsHoldCardNumber says whether neighbouring groups of digits make a card number.
func groupsHoldCardNumber(digits []byte, ends []int) bool {
	begin := 0
	for i := range ends {
		for _, end := range ends[i:] {
			if isCardNumber(digits[begin:end]) {
				return true
			}
			if end-begin > 16 {
				break
			}
		}
		begin = ends[i]
	}
	return false
}

func isCardNumber(d []byte) bool {
	n := len(d)
	if n < 14 || n > 16 {
		return false
	}
	two := int(d[0])*10 + int(d[1])
	four := two*100 + int(d[2])*10 + int(d[3])
	switch {
	case n == 16 && (d[0] == 4 || 51 <= two && two <= 55 || 2221 <= four && four <= 2720 || two == 62 || two == 65 ||
		four == 6011 || two == 35):
	case n == 15 && (two == 34 || two == 37):
	case n == 14 && (two == 36 || two == 38 || 3000 <= four && four <= 3059):
	default:
		return false
	}
	sum := 0
	for i, digit := range d {
		v := int(digit)
		if (n-i)%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}
