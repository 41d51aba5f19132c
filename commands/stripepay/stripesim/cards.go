package stripesim

import "slices"

// card is what a test payment method does.
type card struct {
	brand, last4, funding string
	decline               *decline // at confirmation
	captureDecline        *decline // at capture, the hold stays
	refund                course
	dispute               *disputed // of what was captured; nil for none
}

// decline is an issuer's no.
type decline struct{ code, declineCode, message string }

// course is the statuses that an object has one after another, as time goes by.
type course []string

// after gives the status that follows; nothing follows the last, nor one that is not of the course.
func (c course) after(status string) (next string, found bool) {
	i := slices.Index(c, status)
	if i < 0 || i+1 == len(c) {
		return "", false
	}
	return c[i+1], true
}

// disputed is what the customer tells the bank, and how that goes on.
type disputed struct {
	reason string
	course course
}

var (
	genericDecline = &decline{"card_declined", "generic_decline", "Your card was declined."}
	refundsAtOnce  = course{statusSucceeded}

	fraudIsLost = &disputed{"fraudulent", course{disputeNeedsResponse, disputeUnderReview, disputeLost}}
	goodsAreWon = &disputed{"product_not_received", course{disputeNeedsResponse, disputeUnderReview, disputeWon}}
	inquiryEnds = &disputed{"fraudulent", course{inquiryNeedsResponse, inquiryUnderReview, inquiryClosed}}
)

func good(brand, last4, funding string) card {
	return card{brand: brand, last4: last4, funding: funding, refund: refundsAtOnce}
}

func declined(last4, code, declineCode, message string) card {
	c := good("visa", last4, "credit")
	c.decline = &decline{code, declineCode, message}
	return c
}

func withRefund(last4 string, statuses ...string) card {
	c := good("visa", last4, "credit")
	c.refund = statuses
	return c
}

func withDispute(last4 string, d *disputed) card {
	c := good("visa", last4, "credit")
	c.dispute = d
	return c
}

// cards are the payment methods that can be given. All are Stripe's own test payment methods but those that say otherwise.
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
	"pm_card_refundFail": withRefund("5126", statusSucceeded, statusFailed),
	// The charge succeeds. A refund begins as pending and succeeds later.
	"pm_card_pendingRefund": withRefund("7726", statusPending, statusSucceeded),

	// The charge succeeds. What is captured is disputed later: as fraud, which is lost in the end; as not received, which is won; and
	// as an inquiry, which moves no money and ends by itself.
	"pm_card_createDispute":                   withDispute("0259", fraudIsLost),
	"pm_card_createDisputeProductNotReceived": withDispute("2685", goodsAreWon),
	"pm_card_createDisputeInquiry":            withDispute("1976", inquiryEnds),

	// The simulator's own: the hold succeeds, every capture is declined and leaves the hold as it was.
	"pm_card_captureDeclined": {brand: "visa", last4: "0341", funding: "credit", refund: refundsAtOnce, captureDecline: genericDecline},
	// The simulator's own: a refund begins as pending, and fails; or succeeds, and then fails after all.
	"pm_card_pendingRefundFail":      withRefund("7734", statusPending, statusFailed),
	"pm_card_pendingRefundFailLater": withRefund("7742", statusPending, statusSucceeded, statusFailed),
}
