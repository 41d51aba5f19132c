package domain_test

import (
	"errors"
	"math"
	"testing"
	"testing/quick"

	"github.com/orderledger/orderledger/domain"
)

func TestExponents(t *testing.T) {
	for _, tt := range []struct {
		currency domain.Currency
		digits   int
		known    bool
	}{
		{"JPY", 0, true},
		{"KRW", 0, true},
		{"USD", 2, true},
		{"EUR", 2, true},
		{"KWD", 3, true},
		{"TND", 3, true},
		{"CLF", 4, true},
		{"usd", 0, false},
		{"XXX", 0, false},
		{"", 0, false},
	} {
		if digits, known := tt.currency.Exponent(); digits != tt.digits || known != tt.known {
			t.Errorf("%q: %d, %t; want %d, %t", tt.currency, digits, known, tt.digits, tt.known)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		currency domain.Currency
		minor    int64
		want     string
	}{
		{"USD", 47238, "472.38 USD"},
		{"USD", 0, "0.00 USD"},
		{"USD", 7, "0.07 USD"},
		{"USD", -7, "-0.07 USD"},
		{"USD", -47238, "-472.38 USD"},
		{"JPY", 500, "500 JPY"},
		{"JPY", -500, "-500 JPY"},
		{"KWD", 1, "0.001 KWD"},
		{"KWD", 1234567, "1234.567 KWD"},
		{"CLF", 12345, "1.2345 CLF"},
		{"XXX", 12345, "12345 XXX"},
		{"USD", domain.MaxAmount, "9999999999.99 USD"},
		{"USD", math.MaxInt64, "92233720368547758.07 USD"},
		{"USD", math.MinInt64, "-92233720368547758.08 USD"},
		{"JPY", math.MinInt64, "-9223372036854775808 JPY"},
	} {
		if got := tt.currency.Format(tt.minor); got != tt.want {
			t.Errorf("%s %d: %q, want %q", tt.currency, tt.minor, got, tt.want)
		}
	}
}

func TestSum(t *testing.T) {
	for _, tt := range []struct {
		amounts []int64
		want    int64
		err     error
	}{
		{nil, 0, nil},
		{[]int64{1, 2, -3}, 0, nil},
		{[]int64{math.MaxInt64}, math.MaxInt64, nil},
		{[]int64{math.MaxInt64, 1}, 0, domain.ErrOverflow},
		{[]int64{math.MaxInt64, -1, 1}, math.MaxInt64, nil},
		{[]int64{math.MinInt64}, math.MinInt64, nil},
		{[]int64{math.MinInt64, -1}, 0, domain.ErrOverflow},
		{[]int64{math.MinInt64, math.MaxInt64}, -1, nil},
		{[]int64{math.MaxInt64, math.MaxInt64, math.MinInt64}, 0, domain.ErrOverflow}, // also on the way
	} {
		if got, err := domain.Sum(tt.amounts...); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%v: %d, %v; want %d, %v", tt.amounts, got, err, tt.want, tt.err)
		}
	}
}

// Two amounts add up wherever the plain sum does not wrap around.
func TestSumOfTwo(t *testing.T) {
	right := func(a, b int64) bool {
		plain := a + b
		wraps := (a < 0) == (b < 0) && (plain < 0) != (a < 0)
		got, err := domain.Sum(a, b)
		return wraps == (err != nil) && (wraps || got == plain)
	}
	if err := quick.Check(right, nil); err != nil {
		t.Error(err)
	}
}
