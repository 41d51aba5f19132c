package reconcile

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// Code names a kind of difference. Codes are stable.
type Code string

// The kinds of differences.
const (
	MissingAtStripe      Code = "missing_at_stripe"
	UnknownOrder         Code = "unknown_order"
	UnknownPayment       Code = "unknown_payment"
	Livemode             Code = "livemode"
	Currency             Code = "currency"
	Amount               Code = "amount"
	CapturedAtStripeOnly Code = "captured_at_stripe_only"
	CapturedInLedgerOnly Code = "captured_in_ledger_only"
	ReleasedAtStripeOnly Code = "released_at_stripe_only"
	ReleasedInLedgerOnly Code = "released_in_ledger_only"
	ExpiredAtStripeOnly  Code = "expired_at_stripe_only"
	ExpiredInLedgerOnly  Code = "expired_in_ledger_only"
	RefundedAtStripeOnly Code = "refunded_at_stripe_only"
	RefundedInLedgerOnly Code = "refunded_in_ledger_only"
	RefundAmount         Code = "refund_amount"
	RefundStatus         Code = "refund_status"
	TwoCaptures          Code = "two_captures_for_one_order"
	DisputeUnknown       Code = "dispute_unknown"
	DisputeStatus        Code = "dispute_status"
	SettledOutOfBand     Code = "settled_out_of_band"
	InFlight             Code = "in_flight"
)

// todo is what a person should do about a difference.
var todo = map[Code]string{
	MissingAtStripe:      "Stripe doesn't show it. Check that the key is of the right account and mode; if it is, find out where the ledger got it from.",
	UnknownOrder:         "Place the order if it is real; else let the hold go, or give the money back, in Stripe's dashboard.",
	UnknownPayment:       "The order is paid by another payment, or not by card. Let this hold go, or give the money back, in Stripe's dashboard.",
	Livemode:             "Test and live payments are mixed up. Check --stripe and the key, and where the order came from.",
	Currency:             "The payment is in another currency than the order. Cancel the order, or give the money back in Stripe's dashboard.",
	Amount:               "Find out which amount is right; charge or give back the rest outside the ledger, and note it on the order.",
	CapturedAtStripeOnly: "Stripe took money that the ledger knows nothing of. Capture the order here to adopt it, or give it back in Stripe's dashboard.",
	CapturedInLedgerOnly: "The ledger believes that it was paid, and Stripe took nothing. Don't ship; find out why, and charge the customer anew.",
	ReleasedAtStripeOnly: "The hold is gone. Reauthorize the order, or cancel it.",
	ReleasedInLedgerOnly: "The customer's funds are still held. Cancel the PaymentIntent in Stripe's dashboard.",
	ExpiredAtStripeOnly:  "The hold has run out. Reauthorize the order, or cancel it.",
	ExpiredInLedgerOnly:  "The customer's funds are still held. Cancel the order, or cancel the PaymentIntent in Stripe's dashboard.",
	RefundedAtStripeOnly: "Money went back that the ledger knows nothing of. Refund or cancel the order here; if it was only a part, decide about the rest.",
	RefundedInLedgerOnly: "The ledger believes that the money went back, and Stripe shows no such refund. Give it back in Stripe's dashboard, or find out where it went.",
	RefundAmount:         "Another amount went back than the ledger says. Give back the rest, or find out who got more.",
	RefundStatus:         "The money may not be back with the customer. Look at the refund in Stripe's dashboard; if it failed, refund the order again.",
	TwoCaptures:          "The customer paid twice. Give one of the payments back in Stripe's dashboard.",
	DisputeUnknown:       "Answer the dispute in Stripe's dashboard. The ledger learns of it by webhook or the next sweep; if it doesn't, check the webhook.",
	DisputeStatus:        "The ledger learns how a dispute ended by webhook or the next sweep; if it doesn't, check the webhook.",
	SettledOutOfBand:     "It was settled outside Stripe, and Stripe moved the money too. Undo one of the two.",
	InFlight:             "An act waits for its answer too long. See orderledger parked list, and /readyz for why Stripe is not asked.",
}

// Codes are all kinds of differences, in alphabetical order.
func Codes() []Code { return slices.Sorted(maps.Keys(todo)) }

// Side is what one side says. Amount is in minor units; State is a word of the ledger's, or Stripe's own status.
type Side struct {
	State    string `json:"state" doc:"none, or how the money stands: the ledger's word for it, or Stripe's own status"`
	Amount   int64  `json:"amount" doc:"Minor units"`
	Currency string `json:"currency,omitempty" required:"false" doc:"ISO 4217"`
}

// Difference is one thing that the ledger and Stripe don't agree on.
type Difference struct {
	Code          Code      `json:"code" doc:"Stable name, for programs"`
	OrderID       uuid.UUID `json:"order_id,omitzero" required:"false" format:"uuid" doc:"For unknown_order, the order that the payment names"`
	OrderNumber   string    `json:"order_number,omitempty" required:"false" doc:"Empty for unknown_order"`
	Manufacturer  string    `json:"manufacturer,omitempty" required:"false"`
	PaymentIntent string    `json:"payment_intent"`
	Object        string    `json:"object" doc:"Stripe's id of what differs: the PaymentIntent, a refund or a dispute"`
	Ledger        Side      `json:"ledger"`
	Stripe        Side      `json:"stripe"`
	// Noted says that the order's timeline shows an external change of this payment: it was seen, and nobody resolved it.
	Noted bool   `json:"noted" doc:"The order's timeline shows that something happened to this payment at Stripe"`
	Todo  string `json:"todo" doc:"What to do, for a person"`
}

// Figures sum a run up. Only a run that came to its end has them.
type Figures struct {
	Since            time.Time           `json:"since" doc:"Orders that came in, and payments that were made, from here on were compared"`
	Position         eventstore.Position `json:"position" doc:"How far the log was read; what differed was looked at again later"`
	Orders           int                 `json:"orders" doc:"Card orders that were compared"`
	Payments         int                 `json:"payments" doc:"PaymentIntents of ours that Stripe showed"`
	Refunds          int                 `json:"refunds" doc:"Refunds of them"`
	Disputes         int                 `json:"disputes" doc:"Disputes of them"`
	NotOurs          int                 `json:"not_ours" doc:"PaymentIntents that belong to no order of this ledger; they were left out"`
	Differences      int                 `json:"differences"`
	InFlight         int                 `json:"in_flight" doc:"Orders left out because an act waits for its answer, and not for long"`
	SettledElsewhere int                 `json:"settled_elsewhere" doc:"Orders whose money was settled outside Stripe, and that Stripe left alone"`
	Seconds          float64             `json:"seconds"`
}

// Phase is what a run is doing.
type Phase string

// The phases, in their order.
const (
	ReadingLog      Phase = "log"
	ReadingRefunds  Phase = "refunds"
	ReadingDisputes Phase = "disputes"
	ReadingPayments Phase = "payments"
	LookingAgain    Phase = "looking_again"
)

// Progress says how far a run is: Done of Total things of its phase; Total is 0 where nobody knows.
type Progress struct {
	Phase Phase `json:"phase" enum:"log,refunds,disputes,payments,looking_again"`
	Done  int   `json:"done"`
	Total int   `json:"total" doc:"0 when it is not known"`
}
