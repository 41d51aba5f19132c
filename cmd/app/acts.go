package app

import (
	"context"
	"errors"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// acts lets the pages' buttons in: the same handler and rules as the API's.
type acts struct{ app *App }

// Do carries out what a clerk asked for with a button.
func (a acts) Do(ctx context.Context, act dashboard.Act) (eventstore.Position, error) {
	actor := domain.ActorFrom(ctx)
	if !actor.Role.May(domain.Permission(act.Verb)) {
		return 0, queryapi.ErrForbidden
	}
	id := commands.CommandID(actor.ID, act.Key)
	command, err := commandOf(act)
	if err != nil {
		return 0, err
	}
	if note, ok := command.(domain.AddNote); ok {
		note.NoteID = id
		command = note
	}
	hash, err := commands.Hash(act.Verb, act.OrderID, command)
	if err != nil {
		return 0, err
	}
	request := commands.Request{
		OrderID: act.OrderID, Command: command, CommandID: id, RequestHash: hash, Actor: actor, IfVersion: &act.Version,
	}
	if act.Verb == domain.VerbNote {
		request.IfVersion = nil // a note is right whatever happened meanwhile
	}
	if act.Verb == domain.VerbTracking && act.Form.Resend {
		if err := a.app.notices().Tells(ctx, commands.ShippedNotice); err != nil {
			return 0, err
		}
	}
	var res commands.Result
	if act.Verb == domain.VerbReauthorize {
		res, err = a.app.placer.Reauthorize(ctx, commands.ReauthorizeRequest{Request: request, PaymentIntent: act.Form.PaymentIntent})
	} else {
		res, err = a.app.handler.Handle(ctx, request)
	}
	if err == nil && act.Verb == domain.VerbTracking && act.Form.Resend {
		again := request
		again.CorrelationID, again.CausationID = id.String(), res.EventID
		var kept commands.Kept
		kept, err = a.app.notices().ResendShipped(ctx, again)
		res.Position = max(res.Position, kept.Position)
	}
	if stale := (*commands.StaleError)(nil); errors.As(err, &stale) {
		return 0, &dashboard.StaleError{Expected: stale.Expected, Actual: stale.Actual}
	}
	if refused := (*commands.PaymentRefusal)(nil); errors.As(err, &refused) {
		return 0, domain.RejectField("/payment_intent", domain.NotAuthorized, "Stripe refused: "+refused.Message)
	}
	return res.Position, err
}

func commandOf(act dashboard.Act) (domain.Command, error) {
	f := act.Form
	for _, t := range []struct {
		field, text string
		limit       int
	}{
		{"/reason", f.Reason, domain.MaxReason}, {"/text", f.Text, domain.MaxNote}, {"/external_reference", f.ExternalReference, domain.MaxReference},
	} {
		if err := domain.CheckText(t.field, t.text, t.limit); err != nil {
			return nil, err
		}
	}
	switch act.Verb {
	case domain.VerbAccept:
		return domain.Accept{}, nil
	case domain.VerbCapture:
		return domain.Capture{ExternalReference: f.ExternalReference}, nil
	case domain.VerbShip:
		return domain.Ship{Tracking: f.Tracking}, nil
	case domain.VerbTracking:
		return domain.CorrectTracking{Tracking: f.Tracking}, nil
	case domain.VerbRefund:
		return domain.Refund{Reason: f.Reason}, nil
	case domain.VerbCancel:
		return domain.Cancel{Reason: f.Reason}, nil
	case domain.VerbArchive:
		return domain.Archive{}, nil
	case domain.VerbUnarchive:
		return domain.Unarchive{}, nil
	case domain.VerbNote:
		return domain.AddNote{Text: f.Text}, nil
	case domain.VerbReversal:
		return domain.RecordReversal{ExternalReference: f.ExternalReference}, nil
	case domain.VerbReauthorize:
		return domain.Reauthorize{Authorization: domain.Authorization{PaymentIntent: f.PaymentIntent}}, nil
	case domain.VerbResume:
		return domain.Resume{Decision: f.Decision, Evidence: f.Reason, Reference: f.Reference}, nil
	}
	return nil, domain.RejectField("/verb", domain.BadValue, "There is no such act.")
}
