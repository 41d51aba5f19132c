package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/orderledger/orderledger/domain"
)

// showOrder prints one order: as a table all that there is to know, in sections for a person; as CSV one row.
func (c *cli) showOrder(v domain.View) error {
	if c.format == "table" {
		_, err := io.WriteString(c.out, c.wholeOrder(v))
		return err
	}
	l := listing{columns: append(orderColumns[:len(orderColumns):len(orderColumns)], "TRACKING", "PAYMENT_INTENT", "CHARGE", "REFUND"), one: true}
	l.add(v, append(orderCells(v), strings.Join(parcels(v), " "), text(v.Payment.PaymentIntent), text(v.Payment.Charge), text(v.Payment.Refund))...)
	return c.print(l)
}

// sheet is text in sections of names and values.
type sheet struct {
	strings.Builder
	bold func(string) string
}

const nameWidth = 18 // of the names of values, with the space behind them

// section begins a section, or none when nothing of it is there: facts are names and values, and empty values are left out.
func (s *sheet) section(title string, facts ...string) {
	empty := true
	for i := 1; i < len(facts); i += 2 {
		empty = empty && facts[i] == ""
	}
	if empty {
		return
	}
	s.title(title)
	for i := 0; i+1 < len(facts); i += 2 {
		if facts[i+1] != "" {
			fmt.Fprintf(s, "  %-*s%s\n", nameWidth, facts[i], printable(facts[i+1]))
		}
	}
}

func (s *sheet) title(title string) {
	if s.Len() > 0 {
		s.WriteByte('\n')
	}
	s.WriteString(s.bold(printable(title)) + "\n")
}

// rows writes rows whose columns are aligned: right ones to the right.
func (s *sheet) rows(rows [][]string, right ...int) {
	widths := map[int]int{}
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			cell = printable(cell)
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			for _, r := range right {
				if r == i {
					cell, pad = pad+cell, ""
				}
			}
			line += "  " + cell + pad
		}
		s.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

func (c *cli) wholeOrder(v domain.View) string {
	s := &sheet{bold: func(t string) string { return t }}
	if c.colours() {
		s.bold = func(t string) string { return "\x1b[1m" + t + "\x1b[0m" }
	}
	pending := ""
	if v.Pending != nil {
		pending = string(*v.Pending) + "; Stripe has not answered yet"
	}
	names := make([]string, len(v.Badges))
	for i, b := range v.Badges {
		names[i] = string(b)
	}
	s.section("Order "+v.OrderNumber,
		"manufacturer", v.Manufacturer, "id", v.ID.String(), "tab", string(v.Tab), "status", string(v.Status),
		"under way", pending, "badges", strings.Join(names, ", "), "version", strconv.Itoa(v.Version))
	s.section("Customer",
		"name", v.Customer.Name, "company", v.Customer.Company, "e-mail", v.Customer.Email, "phone", v.Customer.Phone,
		"customer id", v.Customer.ID, "account number", v.Customer.AccountNumber)
	s.section("Billing address", address(v.BillingAddress)...)
	s.section("Shipping address", append(address(v.ShippingAddress), "shipping method", v.ShippingMethod)...)
	s.lines(v)
	p := v.Payment
	card := strings.TrimSpace(text(p.Brand) + " " + text(p.Last4))
	if p.Last4 != nil {
		card = strings.TrimSpace(text(p.Brand) + " ending in " + *p.Last4)
	}
	s.section("Payment",
		"method", string(p.Method), "state", string(p.State), "amount", p.Currency.Format(p.Amount), "card", card,
		"held until", when(p.CaptureBefore), "payment intent", text(p.PaymentIntent), "charge", text(p.Charge),
		"refund", text(p.Refund), "entry", text(p.ExternalReference), "reversal", text(p.ReversalReference))
	var tracking []string
	for _, t := range v.Tracking {
		tracking = append(tracking, t.Carrier, t.Number)
	}
	s.section("Tracking", tracking...)
	accepted := when(v.AcceptedAt)
	if v.ConfirmedLate {
		accepted += ", late"
	}
	s.section("Dates, in UTC",
		"placed", when(&v.PlacedAt), "confirm by", when(v.ConfirmBy), "accepted", accepted, "captured", when(v.CapturedAt),
		"shipped", when(v.ShippedAt), "refunded", when(v.RefundedAt), "cancelled", when(v.CancelledAt), "archived", when(v.ArchivedAt))
	if len(v.Notes) > 0 {
		s.title("Notes")
		for _, n := range v.Notes {
			fmt.Fprintf(s, "  %s, %s\n", when(&n.At), printable(n.By))
			for line := range strings.Lines(n.Text) {
				fmt.Fprintf(s, "    %s\n", strings.TrimRight(printable(line), " "))
			}
		}
	}
	return s.String()
}

// lines are what was ordered, and the totals.
func (s *sheet) lines(v domain.View) {
	s.title("Lines")
	rows := [][]string{{"SKU", "DESCRIPTION", "QUANTITY", "UNIT PRICE", "DISCOUNT", "AMOUNT"}}
	for _, l := range v.Lines {
		discount := ""
		if l.DiscountPercent != 0 {
			discount = strconv.FormatFloat(l.DiscountPercent, 'f', -1, 64) + " %"
		}
		rows = append(rows, []string{
			l.SKU, l.Description, strconv.FormatInt(l.Quantity, 10), v.Currency.Format(l.UnitPrice), discount, v.Currency.Format(l.Amount),
		})
	}
	for _, total := range []struct {
		name   string
		amount int64
	}{{"subtotal", v.Subtotal}, {"freight", v.Freight}, {"tax", v.Tax}, {"total", v.Total}} {
		rows = append(rows, []string{"", "", "", "", total.name, v.Currency.Format(total.amount)})
	}
	s.rows(rows, 2, 3, 4, 5)
}

func address(a domain.Address) []string {
	place := strings.Join(strings.Fields(strings.Join([]string{a.PostalCode, a.City, a.Region}, " ")), " ")
	return []string{"name", a.Name, "street", a.Line1, "", a.Line2, "place", place, "country", a.Country}
}

// parcels are an order's tracking numbers, as the flag --tracking takes them.
func parcels(v domain.View) []string {
	all := make([]string, len(v.Tracking))
	for i, t := range v.Tracking {
		all[i] = t.Carrier + ":" + t.Number
	}
	return all
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
