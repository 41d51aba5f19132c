package commandapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

// registerActs adds the endpoints of all commands on an order that is there.
func (s *server) registerActs() {
	registerAct(s, plainAct(domain.VerbAccept, "Accept an order",
		"A clerk reviewed and confirmed it; the manufacturer's clock stops.", domain.Accept{}, domain.AlreadyCancelled))
	s.registerMoneyActs()
	registerAct(s, act[TrackingBody]{
		verb: domain.VerbTracking, summary: "Correct the tracking numbers", required: true,
		description: "Replaces the tracking numbers of a shipped order.",
		codes:       []domain.Code{domain.NotShipped, domain.IsArchived, commands.NotNotified},
		command: func(b TrackingBody, _ uuid.UUID) (domain.Command, error) {
			return domain.CorrectTracking{Tracking: b.Tracking}, nil
		},
		carryOut: s.correctTracking,
	})
	registerAct(s, plainAct(domain.VerbArchive, "Archive an order", "Puts a finished order out of the way.", domain.Archive{},
		domain.NotFinished, domain.EntryOwed, domain.ReversalOwed, domain.OperationInFlight))
	registerAct(s, plainAct(domain.VerbUnarchive, "Unarchive an order", "Puts an archived order back in its tab.", domain.Unarchive{}))
	registerAct(s, act[NoteBody]{
		verb: domain.VerbNote, summary: "Add a note", description: "Adds a private note.", required: true,
		codes: []domain.Code{domain.TextRequired},
		command: func(b NoteBody, id uuid.UUID) (domain.Command, error) {
			return domain.AddNote{NoteID: id, Text: b.Text}, domain.CheckText("/text", b.Text, domain.MaxNote)
		},
	})
	registerAct(s, act[ReversalBody]{
		verb: domain.VerbReversal, summary: "Record a reversal", required: true,
		description: "The business system shows the reversal of a refunded or cancelled order on account.",
		codes:       []domain.Code{domain.NoReversalOwed, domain.AlreadyReversed, domain.ReferenceRequired},
		command: func(b ReversalBody, _ uuid.UUID) (domain.Command, error) {
			return domain.RecordReversal(b), domain.CheckText("/external_reference", b.ExternalReference, maxReference)
		},
	})
	registerAct(s, act[ResumeBody]{
		verb: domain.VerbResume, summary: "Decide about a parked operation", required: true,
		description: "A money operation that can't go on by itself is tried again, taken as Stripe shows it, settled outside Stripe, or given up.",
		codes: []domain.Code{
			domain.NotParked, domain.EvidenceRequired, domain.ReferenceRequired, domain.Disputed, domain.DisputeLost,
		},
		command: func(b ResumeBody, _ uuid.UUID) (domain.Command, error) { return domain.Resume(b), nil },
	})
}

// registerMoneyActs adds the endpoints of the commands that may move money.
func (s *server) registerMoneyActs() {
	registerAct(s, act[CaptureBody]{
		verb: domain.VerbCapture, summary: "Capture the payment", versioned: true,
		description: "Takes the held money; on account, records the entry in the business system.",
		codes: []domain.Code{
			domain.NotAccepted, domain.AlreadyCaptured, domain.AlreadyCancelled, domain.AlreadyRefunded, domain.IsArchived,
			domain.OperationInFlight, domain.AuthorizationGone, domain.ReferenceRequired,
		},
		command: func(b CaptureBody, _ uuid.UUID) (domain.Command, error) {
			return domain.Capture(b), domain.CheckText("/external_reference", b.ExternalReference, maxReference)
		},
	})
	registerAct(s, act[ShipBody]{
		verb: domain.VerbShip, summary: "Ship an order", versioned: true,
		description: "Sends the order off; money that is only held is captured first.",
		codes: []domain.Code{
			domain.NotAccepted, domain.AlreadyShipped, domain.AlreadyCancelled, domain.AlreadyRefunded, domain.IsArchived,
			domain.OperationInFlight, domain.AuthorizationGone,
		},
		command: func(b ShipBody, _ uuid.UUID) (domain.Command, error) { return domain.Ship(b), nil },
	})
	registerAct(s, act[ReasonBody]{
		verb: domain.VerbRefund, summary: "Refund an order", versioned: true,
		description: "Gives the whole amount back.",
		codes: []domain.Code{
			domain.NotCaptured, domain.AlreadyCancelled, domain.IsArchived, domain.OperationInFlight, domain.Disputed,
			domain.DisputeLost,
		},
		command: func(b ReasonBody, _ uuid.UUID) (domain.Command, error) {
			return domain.Refund(b), domain.CheckText("/reason", b.Reason, domain.MaxReason)
		},
	})
	registerAct(s, act[ReasonBody]{
		verb: domain.VerbCancel, summary: "Cancel an order", versioned: true,
		description: "Calls off an order that has not shipped, and lets its money go; before accepting, this declines it.",
		codes: []domain.Code{
			domain.CannotCancelShipped, domain.AlreadyRefunded, domain.OperationInFlight, domain.Disputed,
		},
		command: func(b ReasonBody, _ uuid.UUID) (domain.Command, error) {
			return domain.Cancel(b), domain.CheckText("/reason", b.Reason, domain.MaxReason)
		},
	})
	registerAct(s, act[ReauthorizeBody]{
		verb: domain.VerbReauthorize, summary: "Put a new hold on the customer's card",
		description: "Replaces a hold that is gone or could not be captured.",
		codes: []domain.Code{
			domain.NotACardOrder, domain.AlreadyCancelled, domain.AlreadyCaptured, domain.OperationInFlight,
			domain.AuthorizationAlive, domain.NotAuthorized, domain.AmountMismatch, domain.PaymentInUse,
			domain.PaymentIntentRequired, CodePaymentRefused, CodePaymentUnavailable,
		},
		command: func(b ReauthorizeBody, _ uuid.UUID) (domain.Command, error) {
			err := domain.CheckText("/payment_intent", b.PaymentIntent, maxReference)
			return domain.Reauthorize{Authorization: domain.Authorization{PaymentIntent: b.PaymentIntent}}, err
		},
		carryOut: func(ctx context.Context, r commands.Request, b ReauthorizeBody) (commands.Result, error) {
			return s.Placer.Reauthorize(ctx, commands.ReauthorizeRequest{Request: r, PaymentIntent: b.PaymentIntent})
		},
	})
}

// plainAct is an act that needs nothing said.
func plainAct(verb domain.Verb, summary, description string, c domain.Command, codes ...domain.Code) act[None] {
	return act[None]{
		verb: verb, summary: summary, description: description, codes: codes,
		command: func(None, uuid.UUID) (domain.Command, error) { return c, nil },
	}
}
