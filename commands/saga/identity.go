package saga

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

// commandID is the id of a recording command. It follows from what is recorded, so that recording the same thing again, by
// whichever way it was learned, is recognised for ever: an answer is one for each request, what came from outside one for each
// object and what became of it.
func commandID(order uuid.UUID, c domain.Command) uuid.UUID {
	if request := requestOf(c); request != uuid.Nil {
		return uuid.NewSHA1(request, []byte(c.CommandName()))
	}
	return uuid.NewSHA1(order, []byte(c.CommandName()+" "+objectOf(c)))
}

func requestOf(c domain.Command) uuid.UUID {
	switch c := c.(type) {
	case domain.RecordCaptured:
		return c.Request
	case domain.RecordCaptureFailed:
		return c.Request
	case domain.RecordAuthorizationExpired:
		return c.Request
	case domain.CompleteShipment:
		return c.Request
	case domain.RecordRefundPending:
		return c.Request
	case domain.RecordRefunded:
		return c.Request
	case domain.RecordRefundFailed:
		return c.Request
	case domain.RecordCancelled:
		return c.Request
	case domain.RecordCancelFailed:
		return c.Request
	case domain.Park:
		return c.Request
	}
	return uuid.Nil
}

func objectOf(c domain.Command) string {
	switch c := c.(type) {
	case domain.RecordCaptured:
		return c.PaymentIntent
	case domain.RecordAuthorizationExpired:
		return c.PaymentIntent
	case domain.RecordRefunded:
		return c.Refund
	case domain.RecordRefundFailed:
		return c.Refund
	case domain.RecordDisputeOpened:
		return c.Dispute
	case domain.RecordDisputeClosed:
		return c.Dispute + " " + c.Outcome
	case domain.RecordExternalChange:
		return fmt.Sprint(c.Object, " ", c.Change, " ", c.Amount)
	}
	return ""
}
