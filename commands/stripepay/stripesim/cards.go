package stripesim

// card is what a test payment method does.
type card struct {
	brand, last4, funding string
	decline               *decline // at confirmation
	captureDecline        *decline // at capture, the hold stays
	refund                refundCourse
}

// decline is an issuer's no.
type decline struct{ code, declineCode, message string }

// refundCourse is how a refund to the card goes: the status it begins with, and the one that SettleRefund gives it.
type refundCourse struct{ begins, ends string }

var (
	genericDecline = &decline{"card_declined", "generic_decline", "Your card was declined."}
	refundsAtOnce  = refundCourse{begins: statusSucceeded, ends: statusSucceeded}
)

func good(brand, last4, funding string) card {
	return card{brand: brand, last4: last4, funding: funding, refund: refundsAtOnce}
}

func declined(last4, code, declineCode, message string) card {
	c := good("visa", last4, "credit")
	c.decline = &decline{code, declineCode, message}
	return c
}

// cards are the payment methods that can be given. All are Stripe's own test payment methods but pm_card_captureDeclined.
var cards = map[string]card{
	"pm_card_visa":               good("visa", "4242", "credit"),
	"pm_card_visa_debit":         good("visa", "5556", "debit"),
	"pm_card_mastercard":         good("mastercard", "4444", "credit"),
	"pm_card_mastercard_debit":   good("mastercard", "8210", "debit"),
	"pm_card_mastercard_prepaid": good("mastercard", "5100", "prepaid"),
	"pm_card_amex":               good("amex", "8431", "credit"),
	"pm_card_discover":           good("discover", "1117", "credit"),
	"pm_card_diners":             good("diners", "0004", "credit"),
	"pm_card_jcb":                good("jcb", "0505", "credit"),
	"pm_card_unionpay":           good("unionpay", "0005", "credit"),

	"pm_card_chargeDeclined":                           declined("0002", "card_declined", "generic_decline", "Your card was declined."),
	"pm_card_visa_chargeDeclined":                      declined("0002", "card_declined", "generic_decline", "Your card was declined."),
	"pm_card_chargeDeclinedInsufficientFunds":          declined("9995", "card_declined", "insufficient_funds", "Your card has insufficient funds."),
	"pm_card_visa_chargeDeclinedInsufficientFunds":     declined("9995", "card_declined", "insufficient_funds", "Your card has insufficient funds."),
	"pm_card_chargeDeclinedLostCard":                   declined("9987", "card_declined", "lost_card", "Your card was declined."),
	"pm_card_visa_chargeDeclinedLostCard":              declined("9987", "card_declined", "lost_card", "Your card was declined."),
	"pm_card_chargeDeclinedStolenCard":                 declined("9979", "card_declined", "stolen_card", "Your card was declined."),
	"pm_card_visa_chargeDeclinedStolenCard":            declined("9979", "card_declined", "stolen_card", "Your card was declined."),
	"pm_card_chargeDeclinedFraudulent":                 declined("0019", "card_declined", "fraudulent", "Your card was declined."),
	"pm_card_visa_chargeDeclinedVelocityLimitExceeded": declined("6975", "card_declined", "card_velocity_exceeded", "Your card was declined."),
	"pm_card_chargeDeclinedExpiredCard":                declined("0069", "expired_card", "", "Your card has expired."),
	"pm_card_chargeDeclinedIncorrectCvc":               declined("0127", "incorrect_cvc", "", "Your card's security code is incorrect."),
	"pm_card_chargeDeclinedProcessingError":            declined("0119", "processing_error", "", "An error occurred while processing your card. Try again in a little bit."),

	// The charge succeeds. A refund begins as succeeded and fails later.
	"pm_card_refundFail": {brand: "visa", last4: "5126", funding: "credit", refund: refundCourse{statusSucceeded, statusFailed}},
	// The charge succeeds. A refund begins as pending and succeeds later.
	"pm_card_pendingRefund": {brand: "visa", last4: "7726", funding: "credit", refund: refundCourse{statusPending, statusSucceeded}},
	// The simulator's own: the hold succeeds, every capture is declined and leaves the hold as it was.
	"pm_card_captureDeclined": {brand: "visa", last4: "0341", funding: "credit", refund: refundsAtOnce, captureDecline: genericDecline},
}
