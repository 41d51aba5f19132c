package eventstore

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/orderledger/orderledger/domain"
)

// ErrUnknownType means that an event's type or schema is not one that this program reads: the log is newer than the program.
var ErrUnknownType = errors.New("the event's type or schema is not known")

// Protect turns personal data into what is stored, and back; subject is the stream that it belongs to. It is the seam by
// which a key per customer can seal it before hashing. Nil stores it as it is.
type Protect func(subject string, personal json.RawMessage) (json.RawMessage, error)

// Codec is the one owner of the stored form of events. The zero Codec is ready. Safe for many goroutines.
type Codec struct {
	Seal, Open Protect
}

// entry says how one event type is stored. Upcast turns the data of an older schema into the current one's.
type entry struct {
	schema int
	decode func(data []byte) (domain.Event, error)
	upcast map[int]func(data []byte) ([]byte, error)
}

func plain[E domain.Event](schema int) entry {
	return entry{schema: schema, decode: func(data []byte) (domain.Event, error) {
		var e E
		err := json.Unmarshal(data, &e)
		return e, err
	}}
}

// entries are all event types of the log: those of orders, and the companions'.
var entries = map[string]entry{
	"Placed": plain[domain.Placed](1), "Accepted": plain[domain.Accepted](1),
	"ConfirmationMissed": plain[domain.ConfirmationMissed](1), "CaptureRequested": plain[domain.CaptureRequested](1),
	"ShipRequested": plain[domain.ShipRequested](1), "PaymentCaptured": plain[domain.PaymentCaptured](1),
	"CaptureFailed": plain[domain.CaptureFailed](1), "AuthorizationExpired": plain[domain.AuthorizationExpired](1),
	"Reauthorized": plain[domain.Reauthorized](1), "Shipped": plain[domain.Shipped](1),
	"TrackingCorrected": plain[domain.TrackingCorrected](1), "RefundRequested": plain[domain.RefundRequested](1),
	"RefundPending": plain[domain.RefundPending](1), "Refunded": plain[domain.Refunded](1),
	"RefundFailed": plain[domain.RefundFailed](1), "ReversalRecorded": plain[domain.ReversalRecorded](1),
	"CancelRequested": plain[domain.CancelRequested](1), "Cancelled": plain[domain.Cancelled](1),
	"CancelFailed": plain[domain.CancelFailed](1), "DisputeOpened": plain[domain.DisputeOpened](1),
	"DisputeClosed": plain[domain.DisputeClosed](1), "ExternalChangeSeen": plain[domain.ExternalChangeSeen](1),
	"Parked": plain[domain.Parked](1), "Resumed": plain[domain.Resumed](1),
	"Archived": plain[domain.Archived](1), "Unarchived": plain[domain.Unarchived](1), "NoteAdded": plain[domain.NoteAdded](1),

	"TokenCreated": plain[TokenCreated](1), "TokenRevoked": plain[TokenRevoked](1),
	"PaymentClaimed": plain[PaymentClaimed](1), "ReferenceClaimed": plain[ReferenceClaimed](1), "KeyReserved": plain[KeyReserved](1),
	"StripeEventReceived": plain[StripeEventReceived](1), "StripeEventHandled": plain[StripeEventHandled](1),

	"NotificationsBegan": plain[NotificationsBegan](1), "NotificationRequested": plain[NotificationRequested](1),
	"NotificationSent": plain[NotificationSent](1), "NotificationFailed": plain[NotificationFailed](1),
	"NotificationsBatched": plain[NotificationsBatched](1),
	"EndpointAdded":        plain[EndpointAdded](1), "EndpointSecretRotated": plain[EndpointSecretRotated](1),
	"EndpointDisabled": plain[EndpointDisabled](1), "EndpointEnabled": plain[EndpointEnabled](1),
	"EndpointRemoved": plain[EndpointRemoved](1), "EndpointDelivered": plain[EndpointDelivered](1),
	"DeliveryParked": plain[DeliveryParked](1), "DeliveryResumed": plain[DeliveryResumed](1),

	"JobMade": plain[JobMade](1), "JobPlanned": plain[JobPlanned](1), "JobProgressed": plain[JobProgressed](1),
	"JobSettled": plain[JobSettled](1), "JobEnded": plain[JobEnded](1),
	"ViewSaved": plain[ViewSaved](1), "ViewRemoved": plain[ViewRemoved](1), "HomeViewChosen": plain[HomeViewChosen](1),
}

// Types lists the event types that the codec knows, with the schema that it writes.
func Types() map[string]int {
	m := make(map[string]int, len(entries))
	for name, e := range entries {
		m[name] = e.schema
	}
	return m
}

// Encode writes an event's Data; ID and Meta are the caller's (see Seal).
func (c Codec) Encode(stream string, e domain.Event) (Event, error) {
	var stored any = e
	switch e := e.(type) {
	case domain.Placed:
		personal, err := c.protect(c.Seal, stream, e.Personal)
		if err != nil {
			return Event{}, err
		}
		stored = storedPlaced{e, personal}
	case domain.NoteAdded:
		personal, err := c.protect(c.Seal, stream, e.Personal)
		if err != nil {
			return Event{}, err
		}
		stored = storedNote{e, personal}
	case ViewSaved:
		personal, err := c.protect(c.Seal, stream, e.Personal)
		if err != nil {
			return Event{}, err
		}
		stored = storedView{e, personal}
	}
	data, err := json.Marshal(stored)
	if err != nil {
		return Event{}, fmt.Errorf("encode %s: %w", e.EventType(), err)
	}
	return Event{Type: e.EventType(), Data: data}, nil
}

// storedPlaced, storedNote and storedView put what Protect made of the personal data in the place of the plain field.
type storedPlaced struct {
	domain.Placed
	Personal json.RawMessage `json:"personal"`
}

type storedNote struct {
	domain.NoteAdded
	Personal json.RawMessage `json:"personal"`
}

type storedView struct {
	ViewSaved
	Personal json.RawMessage `json:"personal"`
}

func (c Codec) protect(with Protect, subject string, personal any) (json.RawMessage, error) {
	raw, err := json.Marshal(personal)
	if err != nil || with == nil {
		return raw, err
	}
	return with(subject, raw)
}

// Schema is the schema version that Encode writes for an event.
func (c Codec) Schema(e domain.Event) int { return entries[e.EventType()].schema }

// Decode reads a recorded event. An older schema is read through its upcasters. Errors wrap ErrUnknownType or ErrBroken and
// name the place.
func (c Codec) Decode(r Recorded) (domain.Event, Envelope, error) {
	env, err := ReadEnvelope(r.Event)
	if err != nil {
		return nil, Envelope{}, err
	}
	en, ok := entries[r.Type]
	if !ok || env.Schema > en.schema || env.Schema < 1 {
		return nil, env, fmt.Errorf("%w: %s schema %d at position %d (%s, %s); run a newer version of the program",
			ErrUnknownType, r.Type, env.Schema, r.Position, r.Stream, r.Revision)
	}
	data := r.Data
	for v := env.Schema; v < en.schema && err == nil; v++ {
		data, err = en.upcast[v](data)
	}
	if err == nil && c.Open != nil {
		data, err = c.unprotect(r, data)
	}
	var e domain.Event
	if err == nil {
		e, err = en.decode(data)
	}
	if err != nil {
		return nil, env, fmt.Errorf("%w: %s at position %d (%s, %s): %w", ErrBroken, r.Type, r.Position, r.Stream, r.Revision, err)
	}
	return e, env, nil
}

func (c Codec) unprotect(r Recorded, data []byte) ([]byte, error) {
	if r.Type != "Placed" && r.Type != "NoteAdded" && r.Type != "ViewSaved" {
		return data, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	personal, err := c.Open(r.Stream, members["personal"])
	if err != nil {
		return nil, err
	}
	members["personal"] = personal
	return json.Marshal(members)
}

// Stamp is what an order keeps of an event's envelope.
func Stamp(e Event, env Envelope) domain.Stamp {
	return domain.Stamp{ID: e.ID, At: env.OccurredAt, Actor: env.Actor}
}
