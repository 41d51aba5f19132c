package domain

import (
	"time"

	"github.com/google/uuid"
)

// Command is something that somebody wants of one order. Decide says what comes of it.
type Command interface {
	// CommandName is the command's name, for messages and for the table of transitions.
	CommandName() string
}

// Verb is a command's short name in the API, the command line and the page.
type Verb string

// The verbs that people and stores use.
const (
	VerbPlace       Verb = "place"
	VerbAccept      Verb = "accept"
	VerbCapture     Verb = "capture"
	VerbShip        Verb = "ship"
	VerbTracking    Verb = "tracking"
	VerbRefund      Verb = "refund"
	VerbCancel      Verb = "cancel"
	VerbArchive     Verb = "archive"
	VerbUnarchive   Verb = "unarchive"
	VerbReauthorize Verb = "reauthorize"
	VerbReversal    Verb = "reversal"
	VerbNote        Verb = "notes"
	VerbResume      Verb = "resume"
)

// Commands of people and stores.
type (
	// Place brings an order in. Authorization is what Stripe says of its PaymentIntent (card orders).
	Place struct {
		Intake        Intake
		Authorization Authorization
		Confirm       Confirmation
	}
	// Accept confirms an order.
	Accept struct{}
	// Capture takes the held money; on account it records the entry, whose reference is then required.
	Capture struct{ ExternalReference string }
	// Ship sends an order off; a held card is captured first.
	Ship struct{ Tracking []Tracking }
	// CorrectTracking replaces the tracking numbers of a shipped order.
	CorrectTracking struct{ Tracking []Tracking }
	// Refund gives the whole amount back.
	Refund struct{ Reason string }
	// Cancel calls an order off that has not shipped; before accepting, that is how an order is declined.
	Cancel struct{ Reason string }
	// Archive puts a finished order out of the way.
	Archive struct{}
	// Unarchive puts it back.
	Unarchive struct{}
	// Reauthorize puts a new hold in the place of one that is gone.
	Reauthorize struct{ Authorization Authorization }
	// RecordReversal records the reversal's reference of an order on account.
	RecordReversal struct{ ExternalReference string }
	// AddNote adds a private note; the same NoteID is added once.
	AddNote struct {
		NoteID uuid.UUID
		Text   string
	}
	// Resume decides about a parked effect. Adopt wants evidence, Settle the reference by which it was settled.
	Resume struct {
		Decision            Decision
		Evidence, Reference string
	}
)

// Recording commands: given by the saga, the webhook and timers alone. Request is the event that asked.
type (
	// RecordCaptured records that Stripe took the money.
	RecordCaptured struct {
		PaymentIntent, Charge string
		Amount                int64
		Currency              Currency
		Answer
	}
	// RecordCaptureFailed records Stripe's definite no.
	RecordCaptureFailed struct {
		Failure
		Answer
	}
	// RecordAuthorizationExpired records that the hold is gone.
	RecordAuthorizationExpired struct {
		PaymentIntent, Reason string
		Answer
	}
	// CompleteShipment ships an order whose shipment waited for the capture that has now succeeded.
	CompleteShipment struct{ Request uuid.UUID }
	// RecordRefundPending records that Stripe took a refund on.
	RecordRefundPending struct {
		Refund string
		Amount int64
		Answer
	}
	// RecordRefunded records that the whole amount is back with the customer.
	RecordRefunded struct {
		Refund   string
		Amount   int64
		Currency Currency
		Answer
	}
	// RecordRefundFailed records that a refund did not happen, or was taken back.
	RecordRefundFailed struct {
		Refund string
		Failure
		Answer
	}
	// RecordCancelled records how a cancelled order's money was let go.
	RecordCancelled struct {
		How    Settlement
		Refund string
		Amount int64 // what was refunded, for ChargeRefunded
		Answer
	}
	// RecordCancelFailed records that the money could not be let go.
	RecordCancelFailed struct {
		Failure
		Answer
	}
	// RecordDisputeOpened and RecordDisputeClosed set and clear the flag.
	RecordDisputeOpened struct {
		Dispute, Reason string
		Amount          int64
	}
	RecordDisputeClosed struct{ Dispute, Outcome string }
	// RecordExternalChange records what Stripe says and the ledger did not ask for.
	RecordExternalChange struct {
		Object, Change string
		Amount         int64
		Answer
	}
	// RecordConfirmationMissed records that confirm_by passed.
	RecordConfirmationMissed struct{ Now time.Time }
	// Park stops an effect that can't go on by itself.
	Park struct {
		Request        uuid.UUID
		Reason         string
		Attempts       int
		StripeRequests []string
	}
)

func (Place) CommandName() string                      { return "Place" }
func (Accept) CommandName() string                     { return "Accept" }
func (Capture) CommandName() string                    { return "Capture" }
func (Ship) CommandName() string                       { return "Ship" }
func (CorrectTracking) CommandName() string            { return "CorrectTracking" }
func (Refund) CommandName() string                     { return "Refund" }
func (Cancel) CommandName() string                     { return "Cancel" }
func (Archive) CommandName() string                    { return "Archive" }
func (Unarchive) CommandName() string                  { return "Unarchive" }
func (Reauthorize) CommandName() string                { return "Reauthorize" }
func (RecordReversal) CommandName() string             { return "RecordReversal" }
func (AddNote) CommandName() string                    { return "AddNote" }
func (Resume) CommandName() string                     { return "Resume" }
func (RecordCaptured) CommandName() string             { return "RecordCaptured" }
func (RecordCaptureFailed) CommandName() string        { return "RecordCaptureFailed" }
func (RecordAuthorizationExpired) CommandName() string { return "RecordAuthorizationExpired" }
func (CompleteShipment) CommandName() string           { return "CompleteShipment" }
func (RecordRefundPending) CommandName() string        { return "RecordRefundPending" }
func (RecordRefunded) CommandName() string             { return "RecordRefunded" }
func (RecordRefundFailed) CommandName() string         { return "RecordRefundFailed" }
func (RecordCancelled) CommandName() string            { return "RecordCancelled" }
func (RecordCancelFailed) CommandName() string         { return "RecordCancelFailed" }
func (RecordDisputeOpened) CommandName() string        { return "RecordDisputeOpened" }
func (RecordDisputeClosed) CommandName() string        { return "RecordDisputeClosed" }
func (RecordExternalChange) CommandName() string       { return "RecordExternalChange" }
func (RecordConfirmationMissed) CommandName() string   { return "RecordConfirmationMissed" }
func (Park) CommandName() string                       { return "Park" }
