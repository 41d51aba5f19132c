package commands

import (
	"context"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// An entry or a reversal in the business system belongs to one order. Whoever records one claims its reference in the same
// append, so of two orders that are given the same one, at once or years apart, the first has it. Nothing gives it back.

// claimReference is the claim that goes with an event which records something of the business system; none with others.
func (h *Handler) claimReference(ctx context.Context, order uuid.UUID, e domain.Event) []Claim {
	kind, reference, ok := domain.RecordedBy(e)
	if !ok {
		return nil
	}
	return []Claim{{
		Stream: eventstore.ReferenceStream(kind, reference),
		Event:  eventstore.ReferenceClaimed{OrderID: order, Kind: kind, Reference: reference},
		TakenBy: func(held domain.Event) error {
			return h.referenceHeld(ctx, order, kind, held)
		},
	}}
}

// referenceHeld says who has a reference. It may be the order itself: what it recorded meanwhile, or claimed when the act was cut
// short (see eventstore.Store.AppendMany), written in another way. The claim is good then, and the order knows the rest.
func (h *Handler) referenceHeld(ctx context.Context, order uuid.UUID, kind domain.ObligationKind, held domain.Event) error {
	claimed, ok := held.(eventstore.ReferenceClaimed)
	if !ok {
		return domain.Reject(domain.ReferenceUsed)
	}
	if claimed.OrderID == order {
		return nil
	}
	other, _, err := h.Load(ctx, claimed.OrderID)
	if err != nil {
		return err
	}
	recorded := other.Entry
	if kind == domain.OwesReversal {
		recorded = other.Reverse
	}
	if eventstore.ReferenceStream(kind, recorded) != eventstore.ReferenceStream(kind, claimed.Reference) {
		return domain.RejectClaimedReference(kind, other)
	}
	return domain.RejectReference(kind, other)
}
