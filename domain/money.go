package domain

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// ErrOverflow means that a sum of money leaves the range of int64.
var ErrOverflow = errors.New("the amount is too large")

// MaxAmount is the largest amount that the ledger takes, in minor units: twelve digits, as Stripe's largest.
const MaxAmount int64 = 999_999_999_999

// Exponents of ISO 4217: how many digits stand behind the point. Currencies not listed have two.
const (
	exponent0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
	exponent2 = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF " +
		"CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL " +
		"HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR " +
		"MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP " +
		"SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR " +
		"ZMW ZWG"
	exponent3 = "BHD IQD JOD KWD LYD OMR TND"
	exponent4 = "CLF UYW"
)

var exponents = func() map[Currency]int {
	m := map[Currency]int{}
	for e, list := range map[int]string{0: exponent0, 2: exponent2, 3: exponent3, 4: exponent4} {
		for _, code := range strings.Fields(list) {
			m[Currency(code)] = e
		}
	}
	return m
}()

// Currency is an ISO 4217 code in upper case, such as "USD".
type Currency string

// Exponent is the number of minor-unit digits of ISO 4217 (JPY 0, USD 2, KWD 3), and whether the currency exists.
func (c Currency) Exponent() (digits int, known bool) {
	digits, known = exponents[c]
	return digits, known
}

// Format writes an amount of minor units for people: 47238 USD is "472.38 USD", 500 JPY is "500 JPY".
func (c Currency) Format(minor int64) string {
	digits, known := c.Exponent()
	if !known || digits == 0 {
		return fmt.Sprintf("%d %s", minor, c)
	}
	sign, abs := "", uint64(minor)
	if minor < 0 {
		sign, abs = "-", -abs
	}
	unit := uint64(math.Pow10(digits))
	return fmt.Sprintf("%s%d.%0*d %s", sign, abs/unit, digits, abs%unit, c)
}

// Sum adds amounts of minor units, or returns ErrOverflow.
func Sum(amounts ...int64) (int64, error) {
	var sum int64
	for _, a := range amounts {
		if (a > 0 && sum > math.MaxInt64-a) || (a < 0 && sum < math.MinInt64-a) {
			return 0, ErrOverflow
		}
		sum += a
	}
	return sum, nil
}
