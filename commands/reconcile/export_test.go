package reconcile

import (
	"context"
	"fmt"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// SameAs says where the fold of an order's money is another than the domain's own.
func SameAs(ctx context.Context, log Log, o domain.Order) error {
	a, _, err := load(ctx, log, eventstore.Codec{}, o.ID)
	if err != nil {
		return err
	}
	for name, pair := range map[string][2]any{
		"events": {a.events, o.Version}, "number": {a.number, o.OrderNumber}, "manufacturer": {a.manufacturer, o.Manufacturer},
		"received": {a.received, o.ReceivedAt}, "currency": {a.currency, o.Currency}, "total": {a.total, o.Total},
		"hold": {a.hold, o.Hold.PaymentIntent}, "taken": {a.taken, o.Taken}, "refund": {a.refund, o.Refund},
		"settled": {a.settled, o.Settled}, "disputes": {outcomes(a.disputes), outcomes(o.Disputes)},
		"pending": {a.pending, o.Pending.Act}, "since": {a.since, o.Pending.Since}, "how": {a.how, o.Pending.How}, "parked": {a.parked, o.Pending.Parked},
		"expired": {a.expired, o.HoldExpired}, "captureFailed": {a.captureFailed, o.CaptureFailed}, "captured": {a.captured, o.Captured()},
		"refundPending": {a.refundPending, o.RefundPending}, "refunded": {a.refunded, o.RefundedAt != nil},
		"cancelled": {a.cancelled, o.CancelledAt != nil}, "shipped": {a.shipped, o.ShippedAt != nil},
	} {
		if pair[0] != pair[1] {
			return fmt.Errorf("order %s: %s is %v here, %v in the domain", o.OrderNumber, name, pair[0], pair[1])
		}
	}
	return nil
}

func outcomes(disputes []domain.Dispute) (s string) {
	for _, d := range disputes {
		s += d.ID + " " + d.Outcome + "\n"
	}
	return s
}
