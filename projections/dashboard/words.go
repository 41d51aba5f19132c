package dashboard

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/orderledger/orderledger/domain"
)

var functions = template.FuncMap{
	"money": func(c domain.Currency, minor int64) string { return c.Format(minor) },
	"when":  when,
	"words": func(v any) string { return words(v) },
	"badge": badge,
	"short": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
	"due":   due,
	"percent": func(p float64) string {
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", p), "0"), ".") + " %"
	},
	"deref": func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	},
}

// when writes an instant, or a pointer to one, with its zone; nothing for none.
func when(v any) string {
	var t time.Time
	switch v := v.(type) {
	case time.Time:
		t = v
	case *time.Time:
		if v != nil {
			t = *v
		}
	}
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006, 15:04") + " UTC"
}

// due writes an instant as the clocks of its zone show it, with the zone: the same day there may be another one here.
func due(t *time.Time, zone string) string {
	if t == nil {
		return ""
	}
	there, err := time.LoadLocation(zone)
	if err != nil {
		there = time.UTC // this machine does not know the zone
	}
	return t.In(there).Format("2006-01-02 15:04 MST")
}

// special words, where the code's name does not read well.
var special = map[string]string{
	"entry_owed": "Entry owed", "recorded": "Entry recorded", "owed": "Entry owed", "reversal_owed": "Reversal owed",
	"failed": "Capture failed", "expired": "Hold expired", "authorized": "Held", "open": "On account",
	"hold_released": "hold released", "charge_refunded": "charge refunded", "nothing_to_release": "nothing to release",
	"settled_elsewhere": "settled outside Stripe",
	"ui":                "the dashboard", "api": "the API", "nats": "NATS", "cli": "the command line", "saga": "the ledger itself",
	"webhook": "Stripe's webhook",
}

// words says a code's name for people.
func words(v any) string {
	if act, ok := v.(*domain.Act); ok && act != nil {
		v = *act
	}
	s := fmt.Sprint(v)
	if w, ok := special[s]; ok {
		return w
	}
	if s == "" {
		return ""
	}
	s = strings.ReplaceAll(s, "_", " ")
	return strings.ToUpper(s[:1]) + s[1:]
}

var badgeTexts = map[domain.Badge]struct{ text, meaning string }{
	domain.BadgeCaptureFailed:         {"Capture failed", "Stripe refused to take the money. Authorize the payment anew, try again, or cancel the order."},
	domain.BadgeAuthorizationExpiring: {"Hold ends soon", "The hold on the card ends within 48 hours. Capture the payment before; after that it must be authorized anew."},
	domain.BadgeAuthorizationExpired:  {"Hold gone", "The hold on the card is gone, so nothing can be captured or shipped. Authorize the payment anew, or cancel the order."},
	domain.BadgeConfirmationDue:       {"Confirm today", "The manufacturer wants this order accepted today."},
	domain.BadgeConfirmationMissed:    {"Confirmation missed", "The order was not accepted in the manufacturer's time. It can still be accepted."},
	domain.BadgeEntryOwed:             {"Entry owed", "The order left the house on account: make the entry in the business system, then record it here."},
	domain.BadgeReversalOwed:          {"Reversal owed", "Reverse what was entered in the business system or paid outside Stripe, then record the reversal here."},
	domain.BadgeRefundPending:         {"Refund under way", "Stripe took the refund on and has not finished it, which can take days. Until the money is back the order stays in its tab."},
	domain.BadgeRefundFailed:          {"Refund failed", "The refund did not reach the customer: the money is still with you. Refund again, or ask the customer why the bank sent it back."},
	domain.BadgeCancelFailed:          {"Cancelling failed", "The money could not be let go, so the order stands."},
	domain.BadgeDisputed:              {"Disputed", "The customer disputes the charge at the bank. Answer in Stripe's dashboard; until the dispute is closed nothing can be refunded here."},
	domain.BadgeParked:                {"Waits for a person", "An operation can't go on by itself and waits for a manager's decision."},
	domain.BadgeNotificationFailed:    {"E-mail failed", "Somebody could not be told. See below who and why; correct the cause, then send it again."},
}

type badgeView struct{ Text, Meaning, Class string }

func badge(b domain.Badge) badgeView {
	t := badgeTexts[b]
	return badgeView{Text: t.text, Meaning: t.meaning, Class: string(b)}
}

// card names a card for people.
func card(o domain.Order) string {
	if o.Hold.Last4 == "" {
		return "the customer's card"
	}
	brand := o.Hold.Brand
	if brand == "" {
		brand = "card"
	}
	return words(brand) + " •••• " + o.Hold.Last4
}
