package domain

import (
	"slices"
	"strings"
)

// Decide says what comes of a command: at most one event. No event and no error means that the act is done already. The
// error is a *Rejection, and then nothing happens. Evolve(o, event) is the order afterwards.
func Decide(o Order, c Command) (Event, error) {
	if p, ok := c.(Place); ok {
		return decidePlace(o, p)
	}
	if !o.Exists() {
		return nil, Reject(OrderNotFound)
	}
	switch c := c.(type) {
	case Accept:
		return decideAccept(o)
	case Capture:
		return decideCapture(o, c)
	case Ship:
		return decideShip(o, c)
	case CorrectTracking:
		return decideTracking(o, c)
	case Refund:
		return decideRefund(o, c)
	case Cancel:
		return decideCancel(o, c)
	case Archive:
		return decideArchive(o)
	case Unarchive:
		if o.ArchivedAt == nil {
			return nil, nil
		}
		return Unarchived{}, nil
	case Reauthorize:
		return decideReauthorize(o, c)
	case RecordReversal:
		return decideReversal(o, c)
	case AddNote:
		return decideNote(o, c)
	case Resume:
		return decideResume(o, c)
	}
	return decideRecording(o, c)
}

func decidePlace(o Order, c Place) (Event, error) {
	in := c.Intake
	if err := in.Check(); err != nil {
		return nil, err
	}
	if o.Exists() {
		if o.ContentHash == in.Hash() {
			return nil, nil
		}
		return nil, Reject(OrderExists)
	}
	if in.Payment.Method == Card {
		if err := checkAuthorization(c.Authorization, in.ID().String(), in.Total, in.Currency); err != nil {
			return nil, err
		}
	}
	return Placed{
		OrderNumber: in.OrderNumber, Manufacturer: in.Manufacturer, PlacedAt: in.PlacedAt.UTC(),
		ShippingMethod: in.ShippingMethod, Lines: in.Lines, Currency: in.Currency,
		Subtotal: in.Subtotal, Freight: in.Freight, Tax: in.Tax, Total: in.Total,
		Method: in.Payment.Method, Authorization: c.Authorization, Confirm: c.Confirm, ContentHash: in.Hash(),
		Personal: PersonalData{Customer: in.Customer, BillingAddress: in.BillingAddress, ShippingAddress: in.ShippingAddress},
	}, nil
}

// checkAuthorization wants a PaymentIntent that holds exactly the total and belongs to no other order.
func checkAuthorization(a Authorization, orderID string, total int64, currency Currency) error {
	switch {
	case a.PaymentIntent == "":
		return RejectField("/payment/payment_intent", PaymentIntentRequired,
			"Card orders need the PaymentIntent that holds the funds.")
	case a.OrderID != "" && a.OrderID != orderID:
		return Reject(PaymentInUse)
	case a.Status != "requires_capture":
		return Reject(NotAuthorized)
	case a.Amount != total || a.Currency != currency:
		return Reject(AmountMismatch)
	}
	return nil
}

func decideAccept(o Order) (Event, error) {
	switch {
	case o.CancelledAt != nil:
		return nil, Reject(AlreadyCancelled)
	case o.AcceptedAt != nil:
		return nil, nil
	case o.Pending.Act != "":
		return nil, Reject(OperationInFlight)
	}
	return Accepted{}, nil
}

// processable is what capturing and shipping have in common.
func processable(o Order) error {
	switch {
	case o.CancelledAt != nil:
		return Reject(AlreadyCancelled)
	case o.RefundedAt != nil:
		return Reject(AlreadyRefunded)
	case o.ArchivedAt != nil:
		return Reject(IsArchived)
	case o.Pending.Act != "":
		return Reject(OperationInFlight)
	case o.AcceptedAt == nil:
		return Reject(NotAccepted)
	}
	return nil
}

func decideCapture(o Order, c Capture) (Event, error) {
	if o.Method == Card && c.ExternalReference != "" { // whoever means an entry must not take money
		return nil, RejectField("/external_reference", BadValue,
			"A reference is for orders on account. This order is paid by card: leave it out to take the held money.")
	}
	if err := processable(o); err != nil {
		return nil, err
	}
	if o.Method == Account {
		switch ref := strings.TrimSpace(c.ExternalReference); {
		case ref == "":
			return nil, RejectField("/external_reference", ReferenceRequired, sentences[ReferenceRequired])
		case o.Captured() && o.Entry == ref:
			return nil, nil
		case o.Captured():
			return nil, Reject(AlreadyCaptured)
		default:
			return PaymentCaptured{Amount: o.Total, Currency: o.Currency, ExternalReference: ref}, nil
		}
	}
	switch {
	case o.Captured():
		return nil, nil
	case o.HoldExpired:
		return nil, Reject(AuthorizationGone)
	}
	return CaptureRequested{PaymentIntent: o.Hold.PaymentIntent, Amount: o.Total, Currency: o.Currency}, nil
}

func decideShip(o Order, c Ship) (Event, error) {
	if o.ShippedAt != nil && o.RefundedAt == nil && o.ArchivedAt == nil && o.Pending.Act == "" {
		if len(c.Tracking) == 0 || slices.Equal(c.Tracking, o.Tracking) {
			return nil, nil
		}
		return nil, Reject(AlreadyShipped)
	}
	if err := processable(o); err != nil {
		return nil, err
	}
	if err := checkTracking(c.Tracking); err != nil {
		return nil, err
	}
	switch {
	case o.Method == Account || o.Captured():
		return Shipped{Tracking: c.Tracking}, nil
	case o.HoldExpired:
		return nil, Reject(AuthorizationGone)
	}
	return ShipRequested{
		PaymentIntent: o.Hold.PaymentIntent, Amount: o.Total, Currency: o.Currency, Tracking: c.Tracking,
	}, nil
}

func decideTracking(o Order, c CorrectTracking) (Event, error) {
	switch {
	case o.ShippedAt == nil:
		return nil, Reject(NotShipped)
	case o.ArchivedAt != nil:
		return nil, Reject(IsArchived)
	case slices.Equal(c.Tracking, o.Tracking):
		return nil, nil
	}
	if err := checkTracking(c.Tracking); err != nil {
		return nil, err
	}
	return TrackingCorrected(c), nil
}

func decideRefund(o Order, c Refund) (Event, error) {
	switch {
	case o.CancelledAt != nil:
		return nil, Reject(AlreadyCancelled)
	case o.RefundedAt != nil:
		return nil, nil
	case o.ArchivedAt != nil:
		return nil, Reject(IsArchived)
	case o.Pending.Act != "":
		return nil, Reject(OperationInFlight)
	case !o.Captured() && o.ShippedAt == nil:
		return nil, Reject(NotCaptured)
	case o.outsideStripe():
		return Refunded{Amount: o.Total, Currency: o.Currency, Reason: c.Reason}, nil
	}
	if err := o.frozen(); err != nil {
		return nil, err
	}
	return RefundRequested{
		PaymentIntent: o.Hold.PaymentIntent, Charge: o.Charge, Amount: o.Taken, Currency: o.Currency, Reason: c.Reason,
	}, nil
}

func decideCancel(o Order, c Cancel) (Event, error) {
	switch {
	case o.CancelledAt != nil:
		return nil, nil
	case o.RefundedAt != nil:
		return nil, Reject(AlreadyRefunded)
	case o.ShippedAt != nil:
		return nil, Reject(CannotCancelShipped)
	case o.Pending.Act != "":
		return nil, Reject(OperationInFlight)
	case o.Disputed():
		return nil, Reject(Disputed)
	case o.Method == Account, o.HoldExpired && !o.Captured(), o.lost():
		return Cancelled{How: NothingToRelease, Reason: c.Reason}, nil
	}
	request := CancelRequested{
		How: HoldReleased, PaymentIntent: o.Hold.PaymentIntent, Amount: o.Total, Currency: o.Currency, Reason: c.Reason,
	}
	if o.Captured() && !o.TakenElsewhere {
		request.How, request.Charge, request.Amount = ChargeRefunded, o.Charge, o.Taken
	}
	return request, nil
}

func decideArchive(o Order) (Event, error) {
	switch {
	case o.ArchivedAt != nil:
		return nil, nil
	case o.Pending.Act != "":
		return nil, Reject(OperationInFlight)
	case o.ShippedAt == nil && o.RefundedAt == nil && o.CancelledAt == nil:
		return nil, Reject(NotFinished)
	case o.EntryIsOwed():
		return nil, Reject(EntryOwed)
	case o.ReversalIsOwed():
		return nil, Reject(ReversalOwed)
	}
	return Archived{}, nil
}

func decideReauthorize(o Order, c Reauthorize) (Event, error) {
	switch {
	case o.Method == Account:
		return nil, Reject(NotACardOrder)
	case o.CancelledAt != nil:
		return nil, Reject(AlreadyCancelled)
	case o.Captured():
		return nil, Reject(AlreadyCaptured)
	case o.Pending.Act != "":
		return nil, Reject(OperationInFlight)
	case c.Authorization.PaymentIntent == o.Hold.PaymentIntent && !o.HoldExpired && !o.CaptureFailed:
		return nil, nil
	case !o.HoldExpired && !o.CaptureFailed:
		return nil, Reject(AuthorizationAlive)
	}
	if err := checkAuthorization(c.Authorization, o.ID.String(), o.Total, o.Currency); err != nil {
		return nil, err
	}
	return Reauthorized{Authorization: c.Authorization, Replaces: o.Hold.PaymentIntent}, nil
}

func decideReversal(o Order, c RecordReversal) (Event, error) {
	ref := strings.TrimSpace(c.ExternalReference)
	switch {
	case o.Reverse != "" && o.Reverse == ref:
		return nil, nil
	case o.Reverse != "":
		return nil, Reject(AlreadyReversed)
	case !o.ReversalIsOwed():
		return nil, Reject(NoReversalOwed)
	case ref == "":
		return nil, RejectField("/external_reference", ReferenceRequired, sentences[ReferenceRequired])
	}
	return ReversalRecorded{ExternalReference: ref}, nil
}

func decideNote(o Order, c AddNote) (Event, error) {
	if slices.ContainsFunc(o.Notes, func(n Note) bool { return n.ID == c.NoteID }) {
		return nil, nil
	}
	if strings.TrimSpace(c.Text) == "" {
		return nil, RejectField("/text", TextRequired, sentences[TextRequired])
	}
	if len(o.Notes) >= MaxNotes {
		return nil, RejectField("/text", TooLong, "The order has as many notes as it can hold.")
	}
	return NoteAdded{NoteID: c.NoteID, Personal: NoteText{Text: c.Text}}, nil
}

func decideResume(o Order, c Resume) (Event, error) {
	if !o.Pending.Parked {
		return nil, Reject(NotParked)
	}
	evidence, reference := strings.TrimSpace(c.Evidence), strings.TrimSpace(c.Reference)
	if err := checkDecision(c.Decision, evidence, reference); err != nil {
		return nil, err
	}
	switch {
	case slices.Contains(o.Decisions(), c.Decision):
	case o.Pending.Act == ActShip:
		return nil, RejectField("/decision", BadValue, "The payment is captured, so only the shipment is left. Retry completes it and asks Stripe for nothing.")
	default:
		return nil, o.frozen()
	}
	return Resumed{Request: o.Pending.Request, Decision: c.Decision, Evidence: evidence, Reference: reference}, nil
}

// checkDecision checks what a person says of a decision, whatever the order.
func checkDecision(d Decision, evidence, reference string) error {
	switch {
	case !slices.Contains([]Decision{Retry, Adopt, Settle, Abandon}, d):
		return RejectField("/decision", BadValue, "Decide retry, adopt, settle or abandon.")
	case d == Adopt && evidence == "":
		return RejectField("/evidence", EvidenceRequired, sentences[EvidenceRequired])
	case d == Settle && reference == "":
		return RejectField("/reference", ReferenceRequired, "Say by which transfer, receipt or entry it was settled outside Stripe.")
	case d != Settle && reference != "":
		return RejectField("/reference", BadValue, "A reference belongs to the decision settle.")
	}
	if err := CheckText("/evidence", evidence, MaxReason); err != nil {
		return err
	}
	return CheckText("/reference", reference, MaxReference)
}
