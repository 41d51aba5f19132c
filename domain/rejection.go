package domain

import (
	"fmt"

	"github.com/google/uuid"
)

// Kind sorts rejections for those who answer them.
type Kind int

// The kinds of rejections.
const (
	Rule      Kind = iota // the order's state forbids it
	Invalid               // what was sent is not acceptable, whatever the state
	Malformed             // what was sent can't be read
	Missing               // there is no such order
)

// Code is a rejection's stable name, for programs.
type Code string

// Rejection is a no of the rules: not a fault. Message is a sentence for a clerk that says what to do.
type Rejection struct {
	Code       Code
	Kind       Kind
	Message    string
	Violations []Violation // what is wrong where; for Invalid only
	Other      uuid.UUID   // the other order that is in the way, if one is
}

// Violation is one thing wrong with what was sent. Field is a JSON pointer such as /lines/0/amount.
type Violation struct {
	Field   string `json:"field"`
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

func (r *Rejection) Error() string { return fmt.Sprintf("%s: %s", r.Code, r.Message) }

// The codes of rejections by the rules.
const (
	OrderNotFound       Code = "order_not_found"
	OrderExists         Code = "order_exists"
	NotAccepted         Code = "not_accepted"
	AlreadyAccepted     Code = "already_accepted"
	AlreadyCaptured     Code = "already_captured"
	NotCaptured         Code = "not_captured"
	AlreadyShipped      Code = "already_shipped"
	NotShipped          Code = "not_shipped"
	AlreadyRefunded     Code = "already_refunded"
	AlreadyCancelled    Code = "already_cancelled"
	CannotCancelShipped Code = "cannot_cancel_shipped"
	OperationInFlight   Code = "operation_in_flight"
	AuthorizationGone   Code = "authorization_expired"
	AuthorizationAlive  Code = "authorization_alive"
	IsArchived          Code = "archived"
	NotFinished         Code = "not_finished"
	EntryOwed           Code = "entry_owed"
	ReversalOwed        Code = "reversal_owed"
	NoReversalOwed      Code = "no_reversal_owed"
	AlreadyReversed     Code = "already_reversed"
	ReferenceUsed       Code = "reference_used"
	NotACardOrder       Code = "not_a_card_order"
	Disputed            Code = "disputed"
	DisputeLost         Code = "dispute_lost"
	NotInFlight         Code = "not_in_flight"
	NotParked           Code = "not_parked"
	NotDue              Code = "not_due"
	AmountMismatch      Code = "amount_mismatch"
	NotAuthorized       Code = "payment_not_authorized"
	PaymentInUse        Code = "payment_intent_in_use"
)

// The codes of what was sent.
const (
	MalformedJSON         Code = "malformed_json"
	UnknownField          Code = "unknown_field"
	DuplicateField        Code = "duplicate_field"
	WrongType             Code = "wrong_type"
	RequiredField         Code = "required"
	BadValue              Code = "bad_value"
	TooLong               Code = "too_long"
	TotalsMismatch        Code = "totals_mismatch"
	CardNumberRefused     Code = "card_number_refused"
	UnknownCurrency       Code = "unknown_currency"
	AccountNumberRequired Code = "account_number_required"
	PaymentIntentRequired Code = "payment_intent_required"
	ReferenceRequired     Code = "external_reference_required"
	TextRequired          Code = "text_required"
	EvidenceRequired      Code = "evidence_required"
)

var sentences = map[Code]string{
	OrderNotFound:       "There is no such order.",
	OrderExists:         "An order with this number exists already with other content. Orders don't change: cancel it, or use another number.",
	NotAccepted:         "The order is not accepted yet. Review and accept it first.",
	AlreadyAccepted:     "The order is accepted already.",
	AlreadyCaptured:     "The payment is captured already.",
	NotCaptured:         "Nothing is captured or shipped, so there is nothing to refund. To call the order off, cancel it.",
	AlreadyShipped:      "The order is shipped already. To change its tracking numbers, correct the tracking.",
	NotShipped:          "The order is not shipped yet.",
	AlreadyRefunded:     "The order is refunded.",
	AlreadyCancelled:    "The order is cancelled.",
	CannotCancelShipped: "The order has left the house, so it can't be cancelled. Refund it instead.",
	OperationInFlight:   "Another money operation of this order has no answer yet. Wait until it is done, then look at the order again.",
	AuthorizationGone:   "The hold on the customer's card is gone. Authorize the payment anew, or cancel the order.",
	AuthorizationAlive:  "The hold on the customer's card is alive, so no new one is needed.",
	IsArchived:          "The order is archived. Unarchive it first.",
	NotFinished:         "Only shipped, refunded or cancelled orders can be archived.",
	EntryOwed:           "The order is shipped on account and its entry in the business system is still owed. Record it first.",
	ReversalOwed:        "What was entered or settled outside Stripe must be reversed there first. Record the reversal.",
	NoReversalOwed:      "There is no entry to reverse.",
	AlreadyReversed:     "The reversal is recorded already with another reference.",
	ReferenceUsed:       "The reference is recorded for another order already.",
	NotACardOrder:       "The customer pays on account: there is no card to authorize.",
	Disputed:            "The customer disputes the charge at the bank, so it can't be refunded until the dispute is closed.",
	DisputeLost:         "The bank gave the money back to the customer in a dispute, so a refund would give it twice. An order that has not shipped can be cancelled.",
	NotInFlight:         "The order does not wait for this answer.",
	NotParked:           "No operation of this order is parked.",
	NotDue:              "The confirmation is not due yet.",
	AmountMismatch:      "The amount or the currency at Stripe is not the order's.",
	NotAuthorized:       "The PaymentIntent does not hold funds that wait for capture.",
	PaymentInUse:        "The PaymentIntent belongs to another order.",

	ReferenceRequired: "Orders on account need the reference of the entry in the business system.",
	TextRequired:      "The note is empty.",
	EvidenceRequired:  "Say what at Stripe shows that it happened, such as the id of the charge or refund.",
}

// Reject returns the rejection by the rules that has this code.
func Reject(code Code) *Rejection {
	kind := Rule
	if code == OrderNotFound {
		kind = Missing
	}
	return &Rejection{Code: code, Kind: kind, Message: sentences[code]}
}

// RejectField returns the rejection of one field's content.
func RejectField(field string, code Code, message string) *Rejection {
	return &Rejection{
		Code: code, Kind: Invalid, Message: message,
		Violations: []Violation{{Field: field, Code: code, Message: message}},
	}
}

// RejectReference returns the rejection of a reference under which another order's entry or reversal was recorded.
func RejectReference(kind ObligationKind, other Order) *Rejection {
	r := Reject(ReferenceUsed)
	r.Other = other.ID
	r.Message = fmt.Sprintf("This reference is recorded already: it is that of the %s of order %s of %s. Look which of the two it belongs to.",
		kind, other.OrderNumber, other.Manufacturer)
	return r
}

// RejectClaimedReference returns the rejection of a reference that was claimed for another order, which has not recorded it: the
// act that claimed it was cut short or refused, or is under way.
func RejectClaimedReference(kind ObligationKind, other Order) *Rejection {
	r := Reject(ReferenceUsed)
	r.Other = other.ID
	r.Message = fmt.Sprintf("This reference was taken for the %s of order %s of %s, where it is not recorded so far. Look which of the two it belongs to.",
		kind, other.OrderNumber, other.Manufacturer)
	return r
}
