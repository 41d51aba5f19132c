package stripepay

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/orderledger/orderledger/commands"
)

func TestMoneyBothWays(t *testing.T) {
	const no = -1
	for _, c := range []struct {
		currency       string
		ledger, stripe int64 // no where there is no counterpart
	}{
		{"USD", 47238, 47238},
		{"USD", 0, 0},
		{"JPY", 500, 500},
		{"ISK", 5, 500},
		{"ISK", no, 510},
		{"UGX", 5, 500},
		{"UGX", no, 1},
		{"UGX", math.MaxInt64/100 + 1, no},
		{"MGA", 500, 5},
		{"MGA", 510, no},
		{"MGA", no, math.MaxInt64/100 + 1},
		{"KWD", 5120, 5120},
		{"KWD", 5124, no},
		{"TND", 1, no},
		{"IQD", 1000, no},
		{"LYD", no, 1000},
		{"CLF", 10000, no},
		{"HUF", 1045, 1045},
		{"TWD", 80045, 80045},
	} {
		if c.ledger != no {
			wants(t, c.currency, "to", toStripe, c.ledger, c.stripe)
		}
		if c.stripe != no {
			wants(t, c.currency, "from", fromStripe, c.stripe, c.ledger)
		}
	}
	wants(t, "USD", "to", toStripe, -2, -1)
	wants(t, "USD", "from", fromStripe, -2, -1)
}

// wants expects convert(amount) to be want, or a refusal when want is -1.
func wants(t *testing.T, currency, way string, convert func(int64, string) (int64, error), amount, want int64) {
	t.Helper()
	got, err := convert(amount, currency)
	var refusal *commands.PaymentRefusal
	switch {
	case want == -1:
		if !errors.As(err, &refusal) || refusal.Code != "amount_not_representable" {
			t.Errorf("%s %d %s: %d, %v", way, amount, currency, got, err)
		}
	case err != nil || got != want:
		t.Errorf("%s %d %s: %d, %v, want %d", way, amount, currency, got, err, want)
	}
}

func TestMoneyComesBackAsItWent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom([]string{"USD", "EUR", "JPY", "ISK", "UGX", "MGA", "KWD", "BHD", "JOD", "OMR", "TND", "IQD"}).Draw(t, "currency")
		amount := rapid.Int64Min(0).Draw(t, "amount")
		there, err := toStripe(amount, currency)
		if err != nil {
			t.Skip("refused")
		}
		back, err := fromStripe(there, currency)
		if err != nil || back != amount {
			t.Fatalf("%d %s → %d → %d, %v", amount, currency, there, back, err)
		}
	})
}
