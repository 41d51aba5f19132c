package stripesim

// The shapes here are Stripe's, API version 2023-10-16, and are also what the simulator stores, without what never changes: that
// is in the embedded fixed… structs, taken away before storing (stored) and put back after (whole). A field of type any that
// is never set is one that Stripe answers with null for what this simulator does.

const (
	statusSucceeded             = "succeeded"
	statusFailed                = "failed"
	statusPending               = "pending"
	statusCanceled              = "canceled"
	statusRequiresAction        = "requires_action"
	statusRequiresCapture       = "requires_capture"
	statusRequiresConfirmation  = "requires_confirmation"
	statusRequiresPaymentMethod = "requires_payment_method"
)

type paymentIntent struct {
	*fixedIntent

	ID                 string            `json:"id"`
	Amount             int64             `json:"amount"`
	AmountCapturable   int64             `json:"amount_capturable"`
	AmountReceived     int64             `json:"amount_received"`
	CanceledAt         *int64            `json:"canceled_at"`
	CancellationReason *string           `json:"cancellation_reason"`
	CaptureMethod      string            `json:"capture_method"`
	ClientSecret       string            `json:"client_secret"`
	Created            int64             `json:"created"`
	Currency           string            `json:"currency"`
	Description        *string           `json:"description"`
	LastPaymentError   *apiError         `json:"last_payment_error"`
	LatestCharge       any               `json:"latest_charge"` // its id; in an expanded answer, the charge
	Metadata           map[string]string `json:"metadata"`
	PaymentMethod      *string           `json:"payment_method"`
	Status             string            `json:"status"`
}

// fixedIntent is what every PaymentIntent here has in common.
type fixedIntent struct {
	Object                    string         `json:"object"`
	AmountDetails             amountDetails  `json:"amount_details"`
	Application               any            `json:"application"`
	ApplicationFeeAmount      any            `json:"application_fee_amount"`
	AutomaticPaymentMethods   any            `json:"automatic_payment_methods"`
	ConfirmationMethod        string         `json:"confirmation_method"`
	Customer                  any            `json:"customer"`
	Invoice                   any            `json:"invoice"`
	Livemode                  bool           `json:"livemode"`
	NextAction                any            `json:"next_action"`
	OnBehalfOf                any            `json:"on_behalf_of"`
	PaymentMethodOptions      map[string]any `json:"payment_method_options"`
	PaymentMethodTypes        []string       `json:"payment_method_types"`
	Processing                any            `json:"processing"`
	ReceiptEmail              any            `json:"receipt_email"`
	Review                    any            `json:"review"`
	SetupFutureUsage          any            `json:"setup_future_usage"`
	Shipping                  any            `json:"shipping"`
	Source                    any            `json:"source"`
	StatementDescriptor       any            `json:"statement_descriptor"`
	StatementDescriptorSuffix any            `json:"statement_descriptor_suffix"`
	TransferData              any            `json:"transfer_data"`
	TransferGroup             any            `json:"transfer_group"`
}

type amountDetails struct {
	Tip struct{} `json:"tip"`
}

type charge struct {
	*fixedCharge

	ID                   string            `json:"id"`
	Amount               int64             `json:"amount"`
	AmountCaptured       int64             `json:"amount_captured"`
	AmountRefunded       int64             `json:"amount_refunded"` // what was let go and what was given back
	BalanceTransaction   *string           `json:"balance_transaction"`
	Captured             bool              `json:"captured"`
	Created              int64             `json:"created"`
	Currency             string            `json:"currency"`
	Description          *string           `json:"description"`
	Dispute              any               `json:"dispute"` // its id; in an expanded answer, the dispute
	Disputed             bool              `json:"disputed"`
	FailureCode          *string           `json:"failure_code"`
	FailureMessage       *string           `json:"failure_message"`
	Metadata             map[string]string `json:"metadata"`
	Outcome              outcome           `json:"outcome"`
	Paid                 bool              `json:"paid"`
	PaymentIntent        any               `json:"payment_intent"` // its id; in an expanded answer, the PaymentIntent
	PaymentMethod        string            `json:"payment_method"`
	PaymentMethodDetails methodDetails     `json:"payment_method_details"`
	ReceiptURL           *string           `json:"receipt_url"`
	Refunded             bool              `json:"refunded"`
	Status               string            `json:"status"`
}

// fixedCharge is what every charge here has in common.
type fixedCharge struct {
	Object                        string         `json:"object"`
	Application                   any            `json:"application"`
	ApplicationFee                any            `json:"application_fee"`
	ApplicationFeeAmount          any            `json:"application_fee_amount"`
	BillingDetails                billingDetails `json:"billing_details"`
	CalculatedStatementDescriptor string         `json:"calculated_statement_descriptor"`
	Customer                      any            `json:"customer"`
	Destination                   any            `json:"destination"`
	FailureBalanceTransaction     any            `json:"failure_balance_transaction"`
	FraudDetails                  struct{}       `json:"fraud_details"`
	Invoice                       any            `json:"invoice"`
	Livemode                      bool           `json:"livemode"`
	OnBehalfOf                    any            `json:"on_behalf_of"`
	Order                         any            `json:"order"`
	RadarOptions                  struct{}       `json:"radar_options"`
	ReceiptEmail                  any            `json:"receipt_email"`
	ReceiptNumber                 any            `json:"receipt_number"`
	Review                        any            `json:"review"`
	Shipping                      any            `json:"shipping"`
	Source                        any            `json:"source"`
	SourceTransfer                any            `json:"source_transfer"`
	StatementDescriptor           any            `json:"statement_descriptor"`
	StatementDescriptorSuffix     any            `json:"statement_descriptor_suffix"`
	TransferData                  any            `json:"transfer_data"`
	TransferGroup                 any            `json:"transfer_group"`
}

type billingDetails struct {
	Address struct {
		City       any `json:"city"`
		Country    any `json:"country"`
		Line1      any `json:"line1"`
		Line2      any `json:"line2"`
		PostalCode any `json:"postal_code"`
		State      any `json:"state"`
	} `json:"address"`
	Email any `json:"email"`
	Name  any `json:"name"`
	Phone any `json:"phone"`
}

type outcome struct {
	NetworkStatus string  `json:"network_status"`
	Reason        *string `json:"reason"`
	RiskLevel     string  `json:"risk_level"`
	RiskScore     int     `json:"risk_score"`
	SellerMessage string  `json:"seller_message"`
	Type          string  `json:"type"`
}

type methodDetails struct {
	Card cardDetails `json:"card"`
	Type string      `json:"type"`
}

type cardDetails struct {
	*fixedCard

	AmountAuthorized int64  `json:"amount_authorized"`
	Brand            string `json:"brand"`
	CaptureBefore    int64  `json:"capture_before,omitempty"` // for holds alone
	ExpMonth         int    `json:"exp_month"`
	ExpYear          int    `json:"exp_year"`
	Fingerprint      string `json:"fingerprint"`
	Funding          string `json:"funding"`
	Last4            string `json:"last4"`
	Network          string `json:"network"`
	// Overcapture is made of AmountAuthorized, and not stored.
	Overcapture *overcapture `json:"overcapture,omitempty"`
}

type overcapture struct {
	MaximumAmountCapturable int64  `json:"maximum_amount_capturable"`
	Status                  string `json:"status"`
}

// fixedCard is what every card here has in common.
type fixedCard struct {
	Checks struct {
		AddressLine1Check      any    `json:"address_line1_check"`
		AddressPostalCodeCheck any    `json:"address_postal_code_check"`
		CVCCheck               string `json:"cvc_check"`
	} `json:"checks"`
	Country                  string            `json:"country"`
	ExtendedAuthorization    map[string]string `json:"extended_authorization"`
	IncrementalAuthorization map[string]string `json:"incremental_authorization"`
	Installments             any               `json:"installments"`
	Mandate                  any               `json:"mandate"`
	Multicapture             map[string]string `json:"multicapture"`
	NetworkToken             map[string]bool   `json:"network_token"`
	ThreeDSecure             any               `json:"three_d_secure"`
	Wallet                   any               `json:"wallet"`
}

type refund struct {
	*fixedRefund

	ID                 string  `json:"id"`
	Amount             int64   `json:"amount"`
	BalanceTransaction *string `json:"balance_transaction"`
	Charge             any     `json:"charge"` // its id; in an expanded answer, the charge
	Created            int64   `json:"created"`
	Currency           string  `json:"currency"`
	FailureReason      string  `json:"failure_reason,omitempty"`
	// FailureTransaction is the movement of what came home.
	FailureTransaction string `json:"failure_balance_transaction,omitempty"`

	Metadata      map[string]string `json:"metadata"`
	PaymentIntent any               `json:"payment_intent"` // its id; in an expanded answer, the PaymentIntent
	Reason        *string           `json:"reason"`
	Status        string            `json:"status"`
}

// fixedRefund is what every refund here has in common.
type fixedRefund struct {
	Object                 string      `json:"object"`
	DestinationDetails     destination `json:"destination_details"`
	ReceiptNumber          any         `json:"receipt_number"`
	SourceTransferReversal any         `json:"source_transfer_reversal"`
	TransferReversal       any         `json:"transfer_reversal"`
}

type destination struct {
	Card struct {
		ReferenceStatus string `json:"reference_status"`
		ReferenceType   string `json:"reference_type"`
		Type            string `json:"type"`
	} `json:"card"`
	Type string `json:"type"`
}

type list struct {
	Object  string `json:"object"`
	Data    []any  `json:"data"`
	HasMore bool   `json:"has_more"`
	URL     string `json:"url"`
}

// record is a PaymentIntent with the one charge that it may have made, as stored.
type record struct {
	Intent paymentIntent `json:"intent"`
	Charge *charge       `json:"charge,omitempty"`
	Card   string        `json:"card,omitempty"` // the test payment method that was given, such as pm_card_visa
	// Refunded is how much of the captured amount is given back, or on its way.
	Refunded int64 `json:"refunded,omitempty"`
}

// fixed… are shared by all objects and never changed.
var (
	theIntent = &fixedIntent{
		Object: "payment_intent", ConfirmationMethod: "automatic", PaymentMethodTypes: []string{"card"},
		PaymentMethodOptions: map[string]any{"card": map[string]any{
			"installments": nil, "mandate_options": nil, "network": nil, "request_three_d_secure": "automatic",
		}},
	}
	theCharge = &fixedCharge{Object: "charge", CalculatedStatementDescriptor: "ORDERLEDGER SANDBOX"}
	theCard   = func() *fixedCard {
		unavailable := map[string]string{"status": "unavailable"}
		c := &fixedCard{
			Country: "US", ExtendedAuthorization: map[string]string{"status": "disabled"}, IncrementalAuthorization: unavailable,
			Multicapture: unavailable, NetworkToken: map[string]bool{"used": false},
		}
		c.Checks.CVCCheck = "pass"
		return c
	}()
	theRefund = func() *fixedRefund {
		r := &fixedRefund{Object: "refund", DestinationDetails: destination{Type: "card"}}
		r.DestinationDetails.Card.ReferenceStatus = "pending"
		r.DestinationDetails.Card.ReferenceType = "acquirer_reference_number"
		r.DestinationDetails.Card.Type = "refund"
		return r
	}()
)

// whole puts back what is not stored.
func (r *record) whole() *record {
	r.Intent.fixedIntent = theIntent
	if r.Charge != nil {
		card := &r.Charge.PaymentMethodDetails.Card
		r.Charge.fixedCharge, card.fixedCard = theCharge, theCard
		card.Overcapture = &overcapture{MaximumAmountCapturable: card.AmountAuthorized, Status: "unavailable"}
	}
	return r
}

// stored gives a copy without what is not stored.
func (r *record) stored() *record {
	bare := *r
	bare.Intent.fixedIntent = nil
	if r.Charge != nil {
		ch := *r.Charge
		ch.fixedCharge, ch.PaymentMethodDetails.Card.fixedCard, ch.PaymentMethodDetails.Card.Overcapture = nil, nil, nil
		bare.Charge = &ch
	}
	return &bare
}

// whole puts back what is not stored.
func (b *refund) whole() *refund {
	b.fixedRefund = theRefund
	return b
}

// stored gives a copy without what is not stored.
func (b *refund) stored() *refund {
	bare := *b
	bare.fixedRefund = nil
	return &bare
}
