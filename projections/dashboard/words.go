package dashboard

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"golang.org/x/text/unicode/bidi"

	"github.com/orderledger/orderledger/domain"
)

var functions = template.FuncMap{
	"words":        func(v any) string { return words(v) },
	"badge":        badge,
	"icon":         icon,
	"bdi":          bdi,
	"said":         sayingOf,
	"stateTone":    func(s domain.PaymentState) string { return stateTones[s] },
	"barcodeWidth": func(bars int) string { return fmt.Sprintf("%.1fmm", float64(bars)*narrowest) },
	"rfc":          func(t *time.Time) string { return t.UTC().Format(time.RFC3339) },
	"asset": func(name string) string {
		return map[string]asset{"css": styleSheet, "js": script, "icons": icons, "brand": brand}[name].path
	},
	"deref": func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	},
}

// stateTones are the colours beside the words for what is known of the money.
var stateTones = map[domain.PaymentState]string{
	domain.Authorized: "info", domain.Captured: "good", domain.Expired: "bad", domain.Failed: "bad",
	domain.Open: "info", domain.Owed: "warn", domain.EntryMade: "good", domain.OwesReverse: "warn",
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
	if v == domain.StatusPlaced {
		return "Un-reviewed" // what was placed is all orders
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

var badgeTexts = map[domain.Badge]struct{ icon, tone, text, meaning string }{
	domain.BadgeCaptureFailed:         {"card", "bad", "Capture failed", "Stripe refused to take the money. Authorize the payment anew, try again, or cancel the order."},
	domain.BadgeAuthorizationExpiring: {"clock", "warn", "Hold ends soon", "The hold on the card ends within 48 hours. Capture the payment before; after that it must be authorized anew."},
	domain.BadgeAuthorizationExpired:  {"card", "bad", "Hold gone", "The hold on the card is gone, so nothing can be captured or shipped. Authorize the payment anew, or cancel the order."},
	domain.BadgeConfirmationDue:       {"clock", "warn", "Confirm today", "The manufacturer wants this order accepted today."},
	domain.BadgeConfirmationMissed:    {"alert", "bad", "Confirmation missed", "The order was not accepted in the manufacturer's time. It can still be accepted."},
	domain.BadgeEntryOwed:             {"account", "warn", "Entry owed", "The order left the house on account: make the entry in the business system, then record it here."},
	domain.BadgeReversalOwed:          {"account", "warn", "Reversal owed", "Reverse what was entered in the business system or paid outside Stripe, then record the reversal here."},
	domain.BadgeRefundPending:         {"refund", "info", "Refund under way", "Stripe took the refund on and has not finished it, which can take days. Until the money is back the order stays in its tab."},
	domain.BadgeRefundFailed:          {"alert", "bad", "Refund failed", "The refund did not reach the customer: the money is still with you. Refund again, or ask the customer why the bank sent it back."},
	domain.BadgeCancelFailed:          {"alert", "bad", "Cancelling failed", "The money could not be let go, so the order stands."},
	domain.BadgeDisputed:              {"dispute", "bad", "Disputed", "The customer disputes the charge at the bank. Answer in Stripe's dashboard; until the dispute is closed nothing can be refunded here."},
	domain.BadgeParked:                {"parked", "bad", "Waits for a person", "An operation can't go on by itself and waits for a manager's decision."},
	domain.BadgeNotificationFailed:    {"mail", "bad", "E-mail failed", "Somebody could not be told. See below who and why; correct the cause, then send it again."},
}

// badgeView is a badge as a page shows it: by text and icon, not by its colour (Class) alone.
type badgeView struct{ Text, Meaning, Icon, Class string }

func badge(b domain.Badge) badgeView {
	t := badgeTexts[b]
	return badgeView{Text: t.text, Meaning: t.meaning, Icon: t.icon, Class: t.tone + " " + string(b)}
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

// iconNames are those in the sprite.
var iconNames = func() map[string]bool {
	names := map[string]bool{}
	for part := range strings.SplitSeq(string(icons.plain), `<symbol id="`) {
		if name, _, ok := strings.Cut(part, `" viewBox`); ok {
			names[name] = true
		}
	}
	return names
}()

// icon is a sign beside a text, which says the same; programs that read aloud skip it.
func icon(name string) (template.HTML, error) {
	if !iconNames[name] {
		return "", fmt.Errorf("there is no icon %q", name)
	}
	return template.HTML(`<svg class="icon" aria-hidden="true"><use href="` + icons.path + `#` + name + `"/></svg>`), nil //nolint:gosec // of our own names
}

// saying is a sentence about a page as a whole: kind is done, bad, info, or empty for what waits.
type saying struct{ Kind, Icon, Text string }

func sayingOf(kind, text string) saying {
	signs := map[string]string{"done": "done", "bad": "alert", "info": "info", "": "clock"}
	return saying{Kind: kind, Icon: signs[kind], Text: text}
}

// bdi is a text of people's, in whatever script, apart from what is around it: numbers beside a name that is written from right to left
// stay where they are.
func bdi(v any) template.HTML {
	return template.HTML("<bdi>" + template.HTMLEscaper(v) + "</bdi>") //nolint:gosec // escaped
}

// apart is bdi for sentences.
func apart(s string) string {
	rightToLeft := func(r rune) bool { p, _ := bidi.LookupRune(r); return p.Class() == bidi.R || p.Class() == bidi.AL }
	if !strings.ContainsFunc(s, rightToLeft) {
		return s
	}
	return "\u2068" + s + "\u2069" // FSI, PDI
}
