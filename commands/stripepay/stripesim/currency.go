package stripesim

import (
	"fmt"
	"strconv"
	"strings"
)

// Amounts are in Stripe's units: two decimals unless listed here. https://docs.stripe.com/currencies
const (
	minAmount = 50
	maxAmount = 99999999
)

// presentment holds the currencies that Stripe charges cards in.
var presentment = setOf(`usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad
	cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl hrk htg huf idr ils
	inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn
	nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb
	tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw`)

var (
	zeroDecimal  = setOf("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
	threeDecimal = setOf("bhd jod kwd omr tnd")
	// wholeOnly are counted with two decimals that must be zero, for the sake of old integrations.
	wholeOnly = setOf("isk ugx")
)

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// checkCurrency gives the currency in lower case, as Stripe keeps it.
func checkCurrency(given string) (string, error) {
	currency := strings.ToLower(given)
	if !presentment[currency] {
		return "", invalid("currency", "", "Invalid currency: "+currency+". Stripe currently does not support this currency.")
	}
	return currency, nil
}

// checkAmount applies Stripe's limits for a new charge.
func checkAmount(amount int64, currency string) error {
	switch {
	case amount > maxAmount:
		return invalid("amount", "amount_too_large", "Amount must be no more than "+format(maxAmount, currency))
	case amount < minAmount:
		return invalid("amount", "amount_too_small", "Amount must be at least "+format(minAmount, currency))
	}
	return checkDecimals(amount, currency)
}

// checkDecimals applies the rules for currencies whose last digits must be zero.
func checkDecimals(amount int64, currency string) error {
	switch {
	case wholeOnly[currency] && amount%100 != 0:
		return invalid("amount", "invalid_charge_amount_no_decimal_compatible", fmt.Sprintf(
			"Invalid amount. Currency %s has become effectively zero-decimal and charged amounts must be evenly divisible by 100. See https://stripe.com/docs/currencies#special-cases for more information.",
			strings.ToUpper(currency)))
	case threeDecimal[currency] && amount%10 != 0:
		return invalid("amount", "invalid_charge_amount", fmt.Sprintf(
			"Invalid amount. Amounts in %s must be rounded to the nearest ten. See https://stripe.com/docs/currencies#three-decimal for more information.",
			strings.ToUpper(currency)))
	}
	return nil
}

// format writes an amount for a message, such as "999999.99 usd".
func format(amount int64, currency string) string {
	digits := 2
	switch {
	case zeroDecimal[currency]:
		digits = 0
	case threeDecimal[currency]:
		digits = 3
	}
	s := strconv.FormatInt(amount, 10)
	if digits > 0 {
		for len(s) <= digits {
			s = "0" + s
		}
		s = s[:len(s)-digits] + "." + s[len(s)-digits:]
	}
	return s + " " + currency
}
