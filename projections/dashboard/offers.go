package dashboard

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

// offer is one act on the order page: a form when it may be done now, else the reason why not.
type offer struct {
	Verb    domain.Verb
	Label   string
	Icon    string
	Allowed bool
	Why     string // why it is not allowed now
	Confirm bool   // asks in a dialog or on a page of its own, because money or more hangs on it
	Fields  []field
}

// field is one input of an act's form.
type field struct {
	Name, Label, Hint string
	Kind              string // "text", "long", "tracking" or "check"
	Required, Checked bool
	Max               int
	Rows              []domain.Tracking // for tracking: what is there, and empty rows to fill
}

// sequence is the order in which the acts stand on the page.
var sequence = []domain.Verb{
	domain.VerbAccept, domain.VerbCapture, domain.VerbShip, domain.VerbReversal, domain.VerbReauthorize, domain.VerbArchive,
	domain.VerbUnarchive, domain.VerbTracking, domain.VerbRefund, domain.VerbCancel, domain.VerbNote,
}

var labels = map[domain.Verb]string{
	domain.VerbAccept: "Accept", domain.VerbCapture: "Capture payment", domain.VerbShip: "Ship", domain.VerbTracking: "Correct tracking",
	domain.VerbReversal: "Record reversal", domain.VerbReauthorize: "Authorize anew", domain.VerbResume: "Decide what is parked",
	domain.VerbRefund: "Refund", domain.VerbCancel: "Cancel order", domain.VerbArchive: "Archive", domain.VerbUnarchive: "Unarchive",
	domain.VerbNote: "Add note",
}

var verbIcons = map[domain.Verb]string{
	domain.VerbAccept: "check", domain.VerbCapture: "card", domain.VerbShip: "truck", domain.VerbTracking: "edit", domain.VerbReversal: "account",
	domain.VerbReauthorize: "card", domain.VerbRefund: "refund", domain.VerbCancel: "ban", domain.VerbArchive: "archive",
	domain.VerbUnarchive: "undo", domain.VerbNote: "note",
}

// trial is a command that an order whose state allows the verb takes: what only the form can say is made up.
func trial(o domain.Order, v domain.Verb) domain.Command {
	const sample = "what the clerk will say"
	switch v {
	case domain.VerbAccept:
		return domain.Accept{}
	case domain.VerbCapture:
		if o.Method == domain.Card {
			return domain.Capture{}
		}
		return domain.Capture{ExternalReference: sample}
	case domain.VerbShip:
		return domain.Ship{}
	case domain.VerbTracking:
		return domain.CorrectTracking{Tracking: []domain.Tracking{{Carrier: "other", Number: "another"}}}
	case domain.VerbReversal:
		return domain.RecordReversal{ExternalReference: sample}
	case domain.VerbReauthorize:
		return domain.Reauthorize{Authorization: domain.Authorization{
			PaymentIntent: "pi_new", Status: "requires_capture", Amount: o.Total, Currency: o.Currency,
		}}
	case domain.VerbRefund:
		return domain.Refund{}
	case domain.VerbCancel:
		return domain.Cancel{}
	case domain.VerbArchive:
		return domain.Archive{}
	case domain.VerbUnarchive:
		return domain.Unarchive{}
	case domain.VerbNote:
		return domain.AddNote{NoteID: uuid.Nil, Text: sample}
	}
	return nil
}

// possible says whether the rules allow a verb now: nil, a rejection, or errDone when there is nothing left to do.
func possible(o domain.Order, v domain.Verb) error {
	c := trial(o, v)
	if c == nil {
		return errNoPage
	}
	e, err := domain.Decide(o, c)
	if err == nil && e == nil {
		return errDone
	}
	return err
}

var errDone = errors.New("there is nothing left to do")

// offers are the acts of an actor on an order: those possible now, then those worth a reason why not.
func offers(o domain.Order, role domain.Role) (possibles, impossibles []offer) {
	for _, v := range sequence {
		if !role.May(domain.Permission(v)) && others[v] == "" {
			continue
		}
		f := offer{Verb: v, Label: label(o, v), Icon: verbIcons[v], Confirm: asks(o, v), Fields: fields(o, v)}
		err := possible(o, v)
		var rejected *domain.Rejection
		switch {
		case !role.May(domain.Permission(v)):
			if f.Why = others[v]; err == nil && role.May(domain.Permission(domain.VerbAccept)) {
				impossibles = append(impossibles, f)
			}
		case err == nil:
			f.Allowed = true
			possibles = append(possibles, f)
		case o.Pending.Parked: // what it waits for is said once, for all
		case errors.As(err, &rejected) && worthSaying(rejected.Code, v):
			f.Why = rejected.Message
			if last := len(impossibles) - 1; last >= 0 && impossibles[last].Why == f.Why { // the same is said once
				impossibles[last].Label += ", " + lower(f.Label)
			} else {
				impossibles = append(impossibles, f)
			}
		}
	}
	return possibles, impossibles
}

// others are the acts that somebody who works with orders may miss, and who does them.
var others = map[domain.Verb]string{
	domain.VerbRefund: "A manager or an administrator does this.", domain.VerbCancel: "A manager or an administrator does this.",
}

// worthSaying leaves out what nobody would expect to be possible.
func worthSaying(code domain.Code, v domain.Verb) bool {
	switch v {
	case domain.VerbReversal, domain.VerbReauthorize, domain.VerbTracking, domain.VerbAccept:
		return false
	case domain.VerbArchive:
		return code != domain.NotFinished && code != domain.OperationInFlight
	}
	return !slices.Contains([]domain.Code{
		domain.AlreadyCaptured, domain.AlreadyShipped, domain.AlreadyRefunded, domain.AlreadyCancelled, domain.NotFinished,
	}, code)
}

func label(o domain.Order, v domain.Verb) string {
	switch {
	case v == domain.VerbCapture && o.Method == domain.Account:
		return "Record entry"
	case v == domain.VerbShip && takesMoney(o):
		return "Capture and ship"
	case v == domain.VerbCancel && o.AcceptedAt == nil:
		return "Decline order"
	}
	return labels[v]
}

// takesMoney says whether shipping captures first.
func takesMoney(o domain.Order) bool { return o.Method == domain.Card && !o.Captured() }

// asks says whether a verb is asked about on a page of its own first.
func asks(o domain.Order, v domain.Verb) bool {
	switch v {
	case domain.VerbCapture:
		return o.Method == domain.Card
	case domain.VerbShip, domain.VerbTracking, domain.VerbRefund, domain.VerbCancel, domain.VerbReauthorize, domain.VerbResume:
		return true
	}
	return false
}

func fields(o domain.Order, v domain.Verb) []field {
	reference := field{Name: "external_reference", Label: "Reference in the business system", Kind: "text", Required: true, Max: domain.MaxReference}
	if o.Method == domain.Card {
		reference.Label = "Transfer, receipt or entry by which the money was given back"
	}
	reason := field{Name: "reason", Label: "Reason", Hint: "Optional; stays in the ledger", Kind: "long", Max: domain.MaxReason}
	switch v {
	case domain.VerbCapture:
		if o.Method == domain.Account {
			return []field{reference}
		}
	case domain.VerbReversal:
		return []field{reference}
	case domain.VerbShip:
		return []field{{Kind: "tracking", Label: "Tracking numbers", Hint: "Optional. " + carrierHint, Rows: rows(nil)}}
	case domain.VerbTracking:
		return []field{
			{Kind: "tracking", Label: "Tracking numbers", Hint: "These replace the ones before. " + carrierHint, Rows: rows(o.Tracking)},
			{Name: "resend", Kind: "check", Label: "Send the customer the e-mail of the shipment again"},
		}
	case domain.VerbRefund, domain.VerbCancel:
		return []field{reason}
	case domain.VerbReauthorize:
		return []field{{
			Name: "payment_intent", Label: "New PaymentIntent", Kind: "text", Max: 128,
			Hint: "The one that holds the funds anew (pi_…). In the sandbox it may stay empty.",
		}}
	case domain.VerbNote:
		return []field{{Name: "text", Label: "Private note", Kind: "long", Required: true, Max: domain.MaxNote}}
	}
	return nil
}

const carrierHint = "The carrier may stay empty where the number tells it (UPS, FedEx, USPS, DHL)."

// rows are the tracking numbers there are, and room for three more.
func rows(t []domain.Tracking) []domain.Tracking {
	return append(slices.Clone(t), make([]domain.Tracking, max(0, min(3, domain.MaxTracking-len(t))))...)
}

// consequence says what an act does to the money, before it is done.
func consequence(c voice, o domain.Order, v domain.Verb) string {
	amount := c.Format(o.Total)
	switch {
	case v == domain.VerbCapture:
		return fmt.Sprintf("%s are taken from %s.", amount, card(o))
	case v == domain.VerbTracking:
		return "The numbers replace the ones before. No money moves."
	case v == domain.VerbShip && o.Method == domain.Account && !o.Captured():
		return fmt.Sprintf("The order on account over %s is marked as shipped. No card is involved; its entry in the business system is owed until it is recorded here.", amount)
	case v == domain.VerbShip && !takesMoney(o):
		return fmt.Sprintf("The order over %s is marked as shipped. It is paid, so no money moves.", amount)
	case v == domain.VerbShip:
		return fmt.Sprintf("%s are taken from %s. When Stripe has confirmed that, the order is marked as shipped; if Stripe refuses, it is not.",
			amount, card(o))
	case v == domain.VerbRefund && o.TakenElsewhere:
		return fmt.Sprintf("The order over %s is marked as refunded. It was paid outside Stripe: give the money back there, then record the reversal.", amount)
	case v == domain.VerbRefund && o.Method == domain.Card:
		return fmt.Sprintf("The whole amount of %s goes back to %s. This can't be undone.", c.Format(o.Taken), card(o))
	case v == domain.VerbRefund && o.Captured():
		return fmt.Sprintf("The order over %s is marked as refunded. No card is involved: reverse the entry in the business system, then record the reversal.", amount)
	case v == domain.VerbRefund:
		return fmt.Sprintf("The order over %s is marked as refunded. No card is involved, and no entry is recorded.", amount)
	case v == domain.VerbCancel && o.Method == domain.Card:
		return cancelling(c, o)
	case v == domain.VerbCancel:
		return fmt.Sprintf("The order on account over %s is called off; no card is involved. This can't be undone.", amount)
	case v == domain.VerbReauthorize:
		return fmt.Sprintf("A new hold of %s takes the place of the one that is gone. Nothing is taken until the payment is captured.", amount)
	}
	return ""
}

// cancelling says how cancelling lets a card order's money go: as the rules have it.
func cancelling(c voice, o domain.Order) string {
	e, err := domain.Decide(o, domain.Cancel{})
	if err != nil {
		return ""
	}
	request, asks := e.(domain.CancelRequested)
	amount := c.Format(request.Amount)
	switch {
	case asks && request.How == domain.ChargeRefunded:
		return fmt.Sprintf("The order is called off, and the whole charge of %s goes back to %s. This can't be undone.", amount, card(o))
	case asks && o.TakenElsewhere:
		return fmt.Sprintf("The order is called off, and the hold of %s on %s is released. It was paid outside Stripe: give the money back there, then record the reversal. This can't be undone.", amount, card(o))
	case asks:
		return fmt.Sprintf("The order is called off, and the hold of %s on %s is released: nothing is charged. This can't be undone.", amount, card(o))
	case o.Captured():
		return "The order is called off. The bank has given the money back to the customer in a dispute, so none moves. This can't be undone."
	}
	return "The order is called off. The hold on the card is gone already, so no money moves. This can't be undone."
}

// moved is the amount that an act is about: what was taken, where that goes back.
func moved(o domain.Order, v domain.Verb) int64 {
	if o.Captured() && (v == domain.VerbRefund || v == domain.VerbCancel) {
		return o.Taken
	}
	return o.Total
}

// moves says whether an act moves money at Stripe, now or when Stripe has answered.
func moves(o domain.Order, v domain.Verb) bool {
	switch v {
	case domain.VerbCapture, domain.VerbShip:
		return takesMoney(o)
	case domain.VerbRefund:
		return o.Method == domain.Card && !o.TakenElsewhere
	case domain.VerbCancel:
		e, _ := domain.Decide(o, domain.Cancel{})
		_, asks := e.(domain.CancelRequested)
		return asks
	}
	return false
}
