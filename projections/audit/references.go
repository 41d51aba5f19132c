package audit

import (
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// claim is who claimed a reference in the business system, by which command. Orders that were recorded before there were
// claims have none.
type claim struct {
	at             eventstore.Recorded // without its bytes; the zero Recorded once the order has recorded it
	order, command uuid.UUID
}

// misplaced says why a claim does not stand where its reference is claimed; empty when it does.
func misplaced(stream string, e eventstore.ReferenceClaimed) string {
	if home := eventstore.ReferenceStream(e.Kind, e.Reference); stream != home {
		return "its reference is claimed in a stream of its own, " + home
	}
	return ""
}

// claimed keeps who has claimed a reference.
func (v *verifier) claimed(r eventstore.Recorded, e domain.Event, env eventstore.Envelope) {
	if claimed, ok := e.(eventstore.ReferenceClaimed); ok {
		r.Data, r.Meta = nil, nil
		v.claims[r.Stream] = &claim{at: r, order: claimed.OrderID, command: env.CommandID}
	}
}

// records says why an order must not record the reference that its event holds; empty when it may, or there is none.
func (v *verifier) records(r eventstore.Recorded, e domain.Event, env eventstore.Envelope) string {
	kind, reference, ok := domain.RecordedBy(e)
	if !ok {
		return ""
	}
	c := v.claims[eventstore.ReferenceStream(kind, reference)]
	switch order, _ := eventstore.OrderOf(r.Stream); {
	case c == nil:
		return ""
	case c.order != order:
		return "its reference is claimed by order " + c.order.String()
	case c.command != env.CommandID:
		return "its reference is claimed by another command, " + c.command.String()
	}
	c.at = eventstore.Recorded{}
	return ""
}

// unused is the first claim whose order never recorded what it claims; both are appended at once.
func (v *verifier) unused() error {
	var first *claim
	for _, c := range v.claims {
		if c.at.Position != 0 && (first == nil || c.at.Position < first.at.Position) {
			first = c
		}
	}
	if first == nil {
		return nil
	}
	return differs(first.at, BadRule, "it claims a reference that order %s has not recorded", first.order)
}
