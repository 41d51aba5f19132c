package tabs

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/orderledger/orderledger/domain"
)

// traits are what all orders of a facet have in common.
type traits struct {
	tab          domain.Tab
	status       domain.Status
	payment      domain.PaymentState
	method       domain.Method
	manufacturer string
	placedBy     string
	currency     domain.Currency
	badges       int64 // bit i: domain.Badges[i]; never the timed ones
}

func traitsOf(o domain.Order) traits {
	t := traits{
		tab: o.Tab(), status: o.Status(), payment: o.PaymentState(), method: o.Method,
		manufacturer: o.Manufacturer, placedBy: o.PlacedBy, currency: o.Currency,
	}
	for _, b := range o.Badges(time.Time{}) {
		if !timed(b) {
			t.badges |= bit(b)
		}
	}
	return t
}

func bit(b domain.Badge) int64 { return 1 << slices.Index(domain.Badges, b) }

// timed says whether a badge comes with the clock, not with an event.
func timed(b domain.Badge) bool {
	return b == domain.BadgeConfirmationDue || b == domain.BadgeAuthorizationExpiring
}

// instant is a time as a column holds it: microseconds, since nanoseconds don't reach the year 9999.
func instant(t time.Time) int64 { return t.UnixMicro() }

// never sorts behind every instant.
const never = math.MaxInt64

// dueKey is until when an order is to be accepted, as a list is sorted by it.
func dueKey(o domain.Order) int64 {
	if by := o.Due(); !by.IsZero() {
		return instant(by)
	}
	return never
}

// times are the columns of the timed badges, each nil while the badge can't come, and since when something is parked or owed, if it is.
func times(o domain.Order) (dueFrom, dueBy, expiringFrom, parkedAt, owedAt any) {
	if o.AwaitsConfirmation() {
		dueFrom, dueBy = instant(o.Confirm.DueFrom), instant(o.Confirm.By)
	}
	if end := o.Hold.CaptureBefore; o.AwaitsCapture() && !end.IsZero() {
		expiringFrom = instant(end.Add(-domain.ExpiryWarning))
	}
	if o.Pending.Parked {
		parkedAt = instant(o.Pending.ParkedAt)
	}
	if owes, ok := o.Owes(); ok {
		owedAt = instant(owes.Since)
	}
	return dueFrom, dueBy, expiringFrom, parkedAt, owedAt
}

// numberKey sorts order numbers as people do: 9 before 10, R9 before R10. Each run of digits is led by its length.
func numberKey(s string) string {
	var b strings.Builder
	for s = fold(s); s != ""; {
		i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		switch {
		case i < 0:
			i = len(s)
			fallthrough
		case i > 0:
			digits := strings.TrimLeft(s[:i], "0")
			b.WriteByte(byte('0' + len(digits)))
			b.WriteString(digits)
			s = s[i:]
		default:
			j := strings.IndexFunc(s, func(r rune) bool { return '0' <= r && r <= '9' })
			if j < 0 {
				j = len(s)
			}
			b.WriteString(s[:j])
			s = s[j:]
		}
	}
	return b.String()
}

// customerKey sorts customers by company, else by name, whatever their case and accents.
func customerKey(c domain.Customer) string {
	if c.Company != "" {
		return fold(c.Company)
	}
	return fold(c.Name)
}

// letters are folded by hand: what Unicode doesn't take apart and people type as plain letters.
var letters = strings.NewReplacer("ß", "ss", "ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "æ", "ae", "œ", "oe", "ı", "i", "ħ", "h")

// fold makes texts equal that differ by case, accents or compatibility forms alone.
func fold(s string) string {
	if ascii(s) {
		return strings.ToLower(s)
	}
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(s))
	return letters.Replace(s)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// wordsOf cuts a text into folded words of letters, digits and underscores.
func wordsOf(s string) []string {
	return strings.FieldsFunc(fold(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_'
	})
}

// termsOf are the words that an order is found by, each led by a space. Stripe's ids are not among them: whoever looks for one has
// the whole of it, and finds it by its name.
func termsOf(o domain.Order) string {
	c := o.Personal.Customer
	texts := []string{o.OrderNumber, c.Name, c.Company, c.Email}
	for _, t := range o.Tracking {
		texts = append(texts, t.Number)
	}
	var b strings.Builder
	for _, s := range texts {
		for _, w := range wordsOf(s) {
			b.WriteByte(' ')
			b.WriteString(w)
		}
	}
	return b.String()
}

// match writes words as a query of FTS5: each a prefix, all required. They hold letters, digits and underscores only, so
// nothing a user types reaches the query language.
func match(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString(strconv.Quote(w))
		b.WriteByte('*')
	}
	return b.String()
}
