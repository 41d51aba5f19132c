package stripepay

import (
	"fmt"
	"math"
	"net/http"

	"github.com/orderledger/orderledger/commands"
)

// The ledger counts in the minor units of ISO 4217, Stripe in its own (https://docs.stripe.com/currencies). They are the same
// for every currency that is not listed here.
//
//	ISK, UGX            ISO has no decimals; Stripe has two, which must be 00
//	MGA                 ISO has two decimals; Stripe has none
//	BHD JOD KWD OMR TND three decimals with both; Stripe wants the last to be 0
//	IQD LYD CLF UYW     three or four decimals in ISO; Stripe charges no card in them
var (
	timesHundred = map[string]bool{"ISK": true, "UGX": true}
	byHundred    = map[string]bool{"MGA": true}
	lastDigit0   = map[string]bool{"BHD": true, "JOD": true, "KWD": true, "OMR": true, "TND": true}
	notAtStripe  = map[string]bool{"IQD": true, "LYD": true, "CLF": true, "UYW": true}
)

// toStripe converts an amount of the ledger's minor units, exactly or not at all. The currency is in upper case.
func toStripe(amount int64, currency string) (int64, error) {
	switch {
	case amount < 0, notAtStripe[currency]:
		return 0, notRepresentable(amount, currency, "ledger")
	case timesHundred[currency]:
		if amount > math.MaxInt64/100 {
			return 0, notRepresentable(amount, currency, "ledger")
		}
		return amount * 100, nil
	case byHundred[currency]:
		if amount%100 != 0 {
			return 0, notRepresentable(amount, currency, "ledger")
		}
		return amount / 100, nil
	case lastDigit0[currency] && amount%10 != 0:
		return 0, notRepresentable(amount, currency, "ledger")
	}
	return amount, nil
}

// fromStripe converts an amount of Stripe's units, exactly or not at all. The currency is in upper case.
func fromStripe(amount int64, currency string) (int64, error) {
	switch {
	case amount < 0, notAtStripe[currency]:
		return 0, notRepresentable(amount, currency, "Stripe")
	case timesHundred[currency]:
		if amount%100 != 0 {
			return 0, notRepresentable(amount, currency, "Stripe")
		}
		return amount / 100, nil
	case byHundred[currency]:
		if amount > math.MaxInt64/100 {
			return 0, notRepresentable(amount, currency, "Stripe")
		}
		return amount * 100, nil
	}
	return amount, nil
}

func notRepresentable(amount int64, currency, units string) error {
	return &commands.PaymentRefusal{
		Status: http.StatusBadRequest, Type: "invalid_request_error", Code: "amount_not_representable",
		Message: fmt.Sprintf("%d %s in the units of the %s has no exact counterpart on the other side", amount, currency, units),
	}
}
