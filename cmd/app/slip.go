package app

import (
	"cmp"
	netmail "net/mail"
	"strings"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/projections/dashboard"
)

// Slip says what stands on the packing slips that the pages print: flags of `serve`.
type Slip struct {
	// Address is the dealer's, by post; its lines end with semicolons or line breaks.
	Address string
	Prices  bool
}

// dealer is whom packing slips come from.
func (a *App) dealer() dashboard.Dealer {
	m := a.config.Mail
	d := dashboard.Dealer{Name: m.DealerName, Phone: m.DealerPhone, URL: m.DealerURL, Address: addressLines(a.config.Slip.Address)}
	if reply := cmp.Or(m.ReplyTo, m.From); reply != "" {
		if parsed, err := netmail.ParseAddress(reply); err == nil {
			d.Email = parsed.Address
		}
	}
	if from, err := netmail.ParseAddress(m.From); err == nil {
		d.Name = cmp.Or(d.Name, from.Name)
	}
	d.Name = cmp.Or(d.Name, a.config.Ledger)
	return d
}

func addressLines(text string) (lines []string) {
	for _, l := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ';' }) {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	return lines
}

// waiting says how what an order asked of Stripe stands, as this process's saga knows it.
func (a *App) waiting(order uuid.UUID) (dashboard.Waiting, bool) {
	w, ok := a.saga.Waiting(order)
	return dashboard.Waiting(w), ok
}
