package dashboard

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// maxLines bounds the lines of tracking numbers.
const maxLines = 2 * MaxJobOrders

var lineColumns = []string{"order_number", "manufacturer", "carrier", "tracking_number"}

// aliases are what the columns are called elsewhere.
var aliases = map[string]string{
	"order": "order_number", "order number": "order_number", "number": "order_number", "tracking": "tracking_number",
	"tracking number": "tracking_number", "trackingnumber": "tracking_number", "ordernumber": "order_number",
}

// columnsBy are the columns of lines without a header, by how many they are.
var columnsBy = map[int][]string{
	1: {"order_number"}, 2: {"order_number", "tracking_number"}, 3: {"order_number", "carrier", "tracking_number"}, 4: lineColumns,
}

// linesOf are lines to be filled in, one for each order.
func linesOf(orders []domain.Order) string {
	var out bytes.Buffer
	rows := [][]string{lineColumns}
	for _, o := range orders {
		rows = append(rows, []string{o.OrderNumber, o.Manufacturer, "", ""})
	}
	_ = queryapi.WriteRows(&out, rows) // into memory
	return out.String()
}

// line is one line of tracking numbers.
type line struct {
	at                                    int
	number, manufacturer, carrier, parcel string
}

// readLines reads lines of CSV, whether they are separated by commas, semicolons or, as spreadsheets paste them, tabs.
func readLines(text string) ([]line, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	first, _, _ := strings.Cut(strings.TrimLeft(text, "\r\n"), "\n")
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.TrimLeadingSpace, r.LazyQuotes = -1, true, true
	for _, sign := range []rune{'\t', ';', ','} {
		if strings.ContainsRune(first, sign) {
			r.Comma = sign
			break
		}
	}
	if r.Comma == '\t' {
		r.TrimLeadingSpace = false // an empty cell is one
	}
	var lines []line
	var columns []string
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, domain.RejectField("/lines", domain.BadValue, "The lines can't be read as CSV: "+err.Error()+".")
		}
		if len(lines) == maxLines {
			return nil, domain.RejectField("/lines", domain.TooLong, fmt.Sprintf("There are more than %d lines. Send them in several steps.", maxLines))
		}
		at, _ := r.FieldPos(0)
		if columns == nil {
			if columns = header(cells); columns != nil {
				continue
			}
			columns = columnsBy[len(cells)]
		}
		if columns == nil {
			return nil, domain.RejectField("/lines", domain.BadValue, "The first line names no columns. Begin with: "+strings.Join(lineColumns, ",")+".")
		}
		lines = append(lines, lineOf(at, columns, cells))
	}
}

// header are the columns that a first line names; nil when it names no order number, and so is no header.
func header(cells []string) []string {
	columns := make([]string, len(cells))
	for i, c := range cells {
		c = strings.ToLower(strings.TrimSpace(c))
		if columns[i] = c; aliases[c] != "" {
			columns[i] = aliases[c]
		}
	}
	if !slices.Contains(columns, "order_number") {
		return nil
	}
	return columns
}

func lineOf(at int, columns, cells []string) line {
	l := line{at: at}
	for i, name := range columns {
		if i >= len(cells) {
			break
		}
		cell := strings.TrimSpace(cells[i])
		if bare, quoted := strings.CutPrefix(cell, "'"); quoted && queryapi.Cell(bare) == cell {
			cell = bare // as our own tables write it
		}
		switch name {
		case "order_number":
			l.number = cell
		case "manufacturer":
			l.manufacturer = cell
		case "carrier":
			l.carrier = cell
		case "tracking_number":
			l.parcel = cell
		}
	}
	return l
}

// fromLines finds the orders that lines name. Several lines of one order are its several parcels. A line that names none, or may
// mean several, is a problem, and so is a line that could not be taken.
func (b *dashboard) fromLines(ctx context.Context, text string) (chosen, error) {
	c := chosen{tracking: map[uuid.UUID][]domain.Tracking{}}
	lines, err := readLines(text)
	if rejected := (*domain.Rejection)(nil); errors.As(err, &rejected) {
		c.problems = []string{rejected.Message}
		return c, nil
	}
	found := map[[2]string]domain.Order{}
	seen := map[uuid.UUID]bool{}
	for _, l := range lines {
		if l.number == "" && l.parcel == "" && l.carrier == "" {
			continue
		}
		key := [2]string{l.number, l.manufacturer}
		o, known := found[key]
		if !known {
			var why string
			if o, why, err = b.numbered(ctx, l); err != nil {
				return c, err
			}
			if why != "" {
				c.problems = append(c.problems, fmt.Sprintf("Line %d: %s", l.at, why))
				continue
			}
			found[key] = o
		}
		if !seen[o.ID] {
			seen[o.ID] = true
			c.orders = append(c.orders, o)
		}
		if t := (domain.Tracking{Carrier: l.carrier, Number: l.parcel}); t != (domain.Tracking{}) && !slices.Contains(c.tracking[o.ID], t) {
			c.tracking[o.ID] = append(c.tracking[o.ID], t)
		}
	}
	if len(c.orders) == 0 && len(c.problems) == 0 {
		c.problems = []string{"There is no line that names an order."}
	}
	return c, nil
}

// numbered is the order that a line names, or why it is none.
func (b *dashboard) numbered(ctx context.Context, l line) (o domain.Order, why string, err error) {
	if l.number == "" {
		return o, "it names no order.", nil
	}
	named, err := b.Reader.Named(ctx, l.number)
	if err != nil {
		return o, "", err
	}
	var fit []domain.Order
	for _, n := range named {
		if strings.EqualFold(n.OrderNumber, l.number) && (l.manufacturer == "" || n.Manufacturer == strings.ToLower(l.manufacturer)) {
			fit = append(fit, n)
		}
	}
	switch {
	case len(fit) == 0:
		return o, fmt.Sprintf("there is no order %s%s.", quoted(l.number), of(l.manufacturer)), nil
	case len(fit) > 1:
		return o, fmt.Sprintf("several manufacturers have an order %s: say which in a column manufacturer.", quoted(l.number)), nil
	}
	return fit[0], "", nil
}

func of(manufacturer string) string {
	if manufacturer == "" {
		return ""
	}
	return " of " + shorten(manufacturer)
}

// quoted is what a line said, in quotes.
func quoted(s string) string { return apart(strconv.Quote(shorten(s))) }

func shorten(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}

func trackingText(list []domain.Tracking) string {
	texts := make([]string, len(list))
	for i, t := range list {
		texts[i] = strings.TrimSpace(t.Carrier + " " + t.Number)
	}
	return strings.Join(texts, ", ")
}
