package audit

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Entry is one event of a timeline, and how the order stood after it.
type Entry struct {
	Position      eventstore.Position `json:"position"`
	Stream        string              `json:"stream"`
	Revision      eventstore.Revision `json:"revision"`
	EventID       uuid.UUID           `json:"event_id"`
	Type          string              `json:"type"`
	OccurredAt    time.Time           `json:"occurred_at"`
	Actor         domain.Actor        `json:"actor"`
	CommandID     uuid.UUID           `json:"command_id"`
	CorrelationID string              `json:"correlation_id,omitempty"`
	CausationID   uuid.UUID           `json:"causation_id,omitzero"`
	Hash          string              `json:"hash"`
	Data          json.RawMessage     `json:"data"`              // the fact, as stored
	Tab           domain.Tab          `json:"tab,omitempty"`     // of the order after the event; not for notices
	Status        domain.Status       `json:"status,omitempty"`  // likewise
	Pending       domain.Act          `json:"pending,omitempty"` // likewise: the money act in flight
}

// Timeline is all that happened to one order and all that was said to people about it, in the order of the log. A log that
// can read one stream is asked for two; any other is read through. Errors: a rejection order_not_found, a *Difference for
// an event that can't be read, and those of the log.
func Timeline(ctx context.Context, log Log, codec eventstore.Codec, id uuid.UUID) ([]Entry, error) {
	t := &timeline{codec: codec, order: eventstore.OrderStream(id)}
	streams := []string{t.order, "notice-" + id.String()}
	var err error
	if reader, ok := log.(streamReader); ok {
		err = t.read(ctx, reader, streams)
	} else {
		err = follow(ctx, log, 0, func(r eventstore.Recorded) error {
			if !slices.Contains(streams, r.Stream) {
				return nil
			}
			return t.see(r)
		})
	}
	if err == nil && !t.state.Exists() {
		err = domain.Reject(domain.OrderNotFound)
	}
	return t.entries, err
}

type timeline struct {
	codec   eventstore.Codec
	order   string
	state   domain.Order
	entries []Entry
}

func (t *timeline) read(ctx context.Context, log streamReader, streams []string) error {
	for _, s := range streams {
		for r, err := range log.ReadStream(ctx, s, eventstore.NoStream) {
			if err != nil {
				return err
			}
			if err := t.see(r); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(t.entries, func(a, b Entry) int {
		if a.Position < b.Position {
			return -1
		}
		return 1
	})
	return nil
}

func (t *timeline) see(r eventstore.Recorded) error {
	e, env, err := t.codec.Decode(r)
	if err != nil {
		return differs(r, Unreadable, "%v", err)
	}
	entry := Entry{
		Position: r.Position, Stream: r.Stream, Revision: r.Revision, EventID: r.ID, Type: r.Type,
		OccurredAt: env.OccurredAt, Actor: env.Actor, CommandID: env.CommandID, CorrelationID: env.CorrelationID,
		CausationID: env.CausationID, Hash: env.Hash, Data: json.RawMessage(r.Data),
	}
	if r.Stream == t.order {
		t.state = domain.Evolve(t.state, e, eventstore.Stamp(r.Event, env))
		entry.Tab, entry.Status, entry.Pending = t.state.Tab(), t.state.Status(), t.state.Pending.Act
	}
	t.entries = append(t.entries, entry)
	return nil
}
