package domain

import "slices"

// decideRecording decides the commands by which the saga, the webhook and timers record what happened. The truth from
// outside wins where the rules can hold it; where they can't, the rejection tells the caller to record an external change.
func decideRecording(o Order, c Command) (Event, error) {
	switch c := c.(type) {
	case RecordCaptured:
		return recordCaptured(o, c)
	case RecordCaptureFailed:
		if !o.awaits(c.Answer, ActCapture, ActShip) || o.Captured() {
			return nil, Reject(NotInFlight)
		}
		return CaptureFailed(c), nil
	case RecordAuthorizationExpired:
		return recordExpired(o, c)
	case CompleteShipment:
		switch {
		case o.ShippedAt != nil:
			return nil, nil
		case o.Pending.Act != ActShip || o.Pending.Request != c.Request || !o.Captured():
			return nil, Reject(NotInFlight)
		}
		return Shipped{Tracking: o.Pending.Tracking, Request: c.Request}, nil
	case RecordRefundPending:
		switch {
		case o.RefundPending && o.Refund == c.Refund:
			return nil, nil
		case !o.awaits(c.Answer, ActRefund, ActCancel) || !o.Pending.returns() || o.failed(c.Refund):
			return nil, Reject(NotInFlight)
		case c.Amount != o.Taken:
			return nil, Reject(AmountMismatch)
		}
		return RefundPending(c), nil
	case RecordRefunded:
		return recordRefunded(o, c)
	case RecordRefundFailed:
		return recordRefundFailed(o, c)
	case RecordCancelled:
		return recordCancelled(o, c)
	case RecordCancelFailed:
		if !o.awaits(c.Answer, ActCancel) {
			return nil, Reject(NotInFlight)
		}
		return CancelFailed(c), nil
	case Park:
		switch {
		case o.Pending.Act == "" || o.Pending.Request != c.Request:
			return nil, Reject(NotInFlight)
		case o.Pending.Parked:
			return nil, nil
		}
		return Parked(c), nil
	}
	return recordSeen(o, c)
}

// awaits says whether one of these acts is in flight and this is Stripe's answer to it.
func (o Order) awaits(a Answer, acts ...Act) bool {
	return slices.Contains(acts, o.Pending.Act) && o.Pending.Request == a.Request && a.Source != FromElsewhere
}

// settles says whether one of these acts is in flight, a person decided that it was settled elsewhere, and this is the answer
// that says so.
func (o Order) settles(a Answer, acts ...Act) bool {
	return slices.Contains(acts, o.Pending.Act) && o.Pending.Request == a.Request && o.Pending.Decision == Settle &&
		a.Source == FromElsewhere && a.Reference == o.Pending.Reference
}

// settling says whether a person has decided that the act in flight was settled elsewhere, and it is about to be recorded. What
// Stripe does by itself meanwhile is not the answer: it would be the same money a second time.
func (o Order) settling() bool { return o.Pending.Decision == Settle && !o.Pending.Parked }

// failed says whether this refund of Stripe's failed before: its success, heard of late, is no news.
func (o Order) failed(refund string) bool { return slices.Contains(o.FailedRefunds, refund) }

// sameCapture says whether a capture is the one that the order knows. Any other would be money taken twice.
func (o Order) sameCapture(c RecordCaptured) bool {
	same := c.PaymentIntent == o.Hold.PaymentIntent && c.Amount == o.Taken && c.Currency == o.Currency
	if o.TakenElsewhere {
		return same && c.Source == FromElsewhere && c.Reference == o.Reference
	}
	return same && c.Source != FromElsewhere
}

func recordCaptured(o Order, c RecordCaptured) (Event, error) {
	asked := o.awaits(c.Answer, ActCapture, ActShip)
	switch {
	case o.Method == Account:
		return nil, Reject(NotACardOrder)
	case o.Captured() && o.sameCapture(c):
		return nil, nil
	case o.Captured():
		return nil, Reject(AlreadyCaptured)
	case o.CancelledAt != nil:
		return nil, Reject(AlreadyCancelled)
	case o.Pending.Act == ActCancel, o.settling() && c.Source == FromStripe:
		return nil, Reject(OperationInFlight)
	case o.AcceptedAt == nil:
		return nil, Reject(NotAccepted)
	case c.Currency != o.Currency || c.PaymentIntent != o.Hold.PaymentIntent:
		return nil, Reject(AmountMismatch)
	case c.Amount != o.Total && !(asked && o.Pending.Decision == Adopt && c.Amount > 0 && c.Amount < o.Total):
		return nil, Reject(AmountMismatch)
	case !asked && c.Source != FromStripe && !o.settles(c.Answer, ActCapture, ActShip):
		return nil, Reject(NotInFlight)
	}
	return PaymentCaptured{
		Amount: c.Amount, Currency: c.Currency, PaymentIntent: c.PaymentIntent, Charge: c.Charge, Answer: c.Answer,
	}, nil
}

func recordExpired(o Order, c RecordAuthorizationExpired) (Event, error) {
	switch {
	case o.Method == Account:
		return nil, Reject(NotACardOrder)
	case o.Captured():
		return nil, Reject(AlreadyCaptured)
	case o.CancelledAt != nil:
		return nil, Reject(AlreadyCancelled)
	case c.PaymentIntent != o.Hold.PaymentIntent || c.Source == FromElsewhere:
		return nil, Reject(NotInFlight)
	case o.HoldExpired:
		return nil, nil
	case o.Pending.Act == ActCancel, o.settling():
		return nil, Reject(OperationInFlight)
	}
	return AuthorizationExpired(c), nil
}

func recordRefunded(o Order, c RecordRefunded) (Event, error) {
	switch {
	case o.Method == Account:
		return nil, Reject(NotACardOrder)
	case (o.RefundedAt != nil || o.Settled == ChargeRefunded) && o.Refund == c.Refund:
		return nil, nil
	case o.RefundedAt != nil:
		return nil, Reject(AlreadyRefunded)
	case o.CancelledAt != nil:
		return nil, Reject(AlreadyCancelled)
	case !o.Captured() || o.TakenElsewhere:
		return nil, Reject(NotCaptured)
	case o.failed(c.Refund):
		return nil, Reject(NotInFlight)
	case o.Pending.Act == ActCancel, o.Pending.Act == ActShip, o.settling() && c.Source == FromStripe:
		return nil, Reject(OperationInFlight)
	case c.Amount != o.Taken || c.Currency != o.Currency:
		return nil, Reject(AmountMismatch)
	case !o.awaits(c.Answer, ActRefund) && c.Source != FromStripe && !o.settles(c.Answer, ActRefund):
		return nil, Reject(NotInFlight)
	}
	return Refunded{
		Refund: c.Refund, Amount: c.Amount, Currency: c.Currency, Reason: o.Pending.Reason, Answer: c.Answer,
	}, nil
}

func recordRefundFailed(o Order, c RecordRefundFailed) (Event, error) {
	// A refund can fail after it had succeeded, and before our own answer about it is heard.
	current := c.Refund != "" && c.Refund == o.Refund && !o.failed(c.Refund) && c.Source != FromElsewhere
	undone := o.RefundedAt != nil || o.CancelledAt != nil && o.Settled == ChargeRefunded
	pending := o.RefundPending && o.Pending.Act == ActRefund
	switch {
	case o.Method == Account:
		return nil, Reject(NotACardOrder)
	case o.awaits(c.Answer, ActRefund), current && (undone || pending):
		return RefundFailed(c), nil
	case o.failed(c.Refund):
		return nil, nil
	}
	return nil, Reject(NotInFlight)
}

func recordCancelled(o Order, c RecordCancelled) (Event, error) {
	switch {
	case o.CancelledAt != nil:
		return nil, nil
	case o.settles(c.Answer, ActCancel) && c.How == SettledElsewhere:
	case !o.awaits(c.Answer, ActCancel) || o.failed(c.Refund):
		return nil, Reject(NotInFlight)
	case o.Pending.How == ChargeRefunded && (c.How != ChargeRefunded || c.Amount != o.Taken),
		o.Pending.How == HoldReleased && c.How != HoldReleased && c.How != NothingToRelease:
		return nil, Reject(AmountMismatch)
	}
	return Cancelled{How: c.How, Refund: c.Refund, Reason: o.Pending.Reason, Answer: c.Answer}, nil
}

// recordSeen decides what is only noted: it changes a flag, never the tab.
func recordSeen(o Order, c Command) (Event, error) {
	switch c := c.(type) {
	case RecordDisputeOpened:
		switch {
		case o.Method == Account:
			return nil, Reject(NotACardOrder)
		case !o.Captured() || o.TakenElsewhere:
			return nil, Reject(NotCaptured)
		case slices.ContainsFunc(o.Disputes, func(d Dispute) bool { return d.ID == c.Dispute }):
			return nil, nil
		}
		return DisputeOpened{Dispute: c.Dispute, Amount: c.Amount, Reason: c.Reason}, nil
	case RecordDisputeClosed:
		switch {
		case o.Method == Account:
			return nil, Reject(NotACardOrder)
		case slices.ContainsFunc(o.Disputes, func(d Dispute) bool { return d.ID == c.Dispute && d.Outcome == c.Outcome }):
			return nil, nil
		case !o.Captured() || o.TakenElsewhere:
			return nil, Reject(NotCaptured)
		}
		return DisputeClosed(c), nil
	case RecordExternalChange:
		switch {
		case o.Method == Account:
			return nil, Reject(NotACardOrder)
		case c.Source == FromElsewhere:
			return nil, Reject(NotInFlight)
		case slices.ContainsFunc(o.External, func(e ExternalChange) bool {
			return e.Object == c.Object && e.Change == c.Change && e.Amount == c.Amount
		}):
			return nil, nil
		}
		return ExternalChangeSeen(c), nil
	case RecordConfirmationMissed:
		switch {
		case o.CancelledAt != nil:
			return nil, Reject(AlreadyCancelled)
		case o.AcceptedAt != nil:
			return nil, Reject(AlreadyAccepted)
		case o.ConfirmationMissed:
			return nil, nil
		case c.Now.Before(o.Confirm.By):
			return nil, Reject(NotDue)
		}
		return ConfirmationMissed{ConfirmBy: o.Confirm.By}, nil
	}
	panic("domain: no rule for " + c.CommandName())
}
