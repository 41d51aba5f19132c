package queryapi

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// MaxTimeline is how many of an order's events, oldest first, a timeline shows; the log has them all.
const MaxTimeline = 10_000

// Entry is one event of an order's timeline.
type Entry struct {
	Position      eventstore.Position `json:"position"`
	Stream        string              `json:"stream" doc:"order-… for what happened to the order, notice-… for what was said about it"`
	Revision      eventstore.Revision `json:"revision"`
	ID            uuid.UUID           `json:"id" format:"uuid"`
	Type          string              `json:"type"`
	OccurredAt    time.Time           `json:"occurred_at"`
	Actor         domain.Actor        `json:"actor"`
	CommandID     uuid.UUID           `json:"command_id" format:"uuid" doc:"The request that it is the answer to"`
	CorrelationID string              `json:"correlation_id,omitempty" required:"false"`
	CausationID   uuid.UUID           `json:"causation_id,omitzero" required:"false" format:"uuid" doc:"The event that led to it, if one did"`
	Hash          string              `json:"hash" doc:"Over the event and all before it in its stream"`
	Data          domain.Event        `json:"data" doc:"The fact, as its type has it"`
	Tab           domain.Tab          `json:"tab,omitempty" required:"false" doc:"Of the order after the event; not for notices"`
	Status        domain.Status       `json:"status,omitempty" required:"false" doc:"Likewise"`
	Pending       domain.Act          `json:"pending,omitempty" required:"false" doc:"Likewise: the money act in flight"`
	Late          bool                `json:"late,omitempty" required:"false" doc:"Of Accepted: the manufacturer's time was over"`
}

// Timeline is all that happened to an order and what was said to people about it, oldest first, at most MaxTimeline; more
// says that there is more. Errors: those of the log, and of an event that can't be read. An order without events has none.
func Timeline(ctx context.Context, log Log, codec eventstore.Codec, id uuid.UUID) (entries []Entry, more bool, err error) {
	entries = []Entry{}
	state := domain.Order{}
	for _, stream := range []string{eventstore.OrderStream(id), eventstore.NoticeStream(id)} {
		n := 0
		for r, err := range log.ReadStream(ctx, stream, eventstore.NoStream) {
			if err != nil {
				return nil, false, err
			}
			if n++; n > MaxTimeline {
				more = true
				break
			}
			e, env, err := codec.Decode(r)
			if err != nil {
				return nil, false, err
			}
			entry := Entry{
				Position: r.Position, Stream: r.Stream, Revision: r.Revision, ID: r.ID, Type: r.Type,
				OccurredAt: env.OccurredAt, Actor: env.Actor, CommandID: env.CommandID, CorrelationID: env.CorrelationID,
				CausationID: env.CausationID, Hash: env.Hash, Data: e,
			}
			if stream == eventstore.OrderStream(id) {
				state = domain.Evolve(state, e, eventstore.Stamp(r.Event, env))
				entry.Tab, entry.Status, entry.Pending = state.Tab(), state.Status(), state.Pending.Act
				_, accepted := e.(domain.Accepted)
				entry.Late = accepted && state.ConfirmedLate()
			}
			entries = append(entries, entry)
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Position, b.Position) })
	if len(entries) > MaxTimeline {
		return entries[:MaxTimeline], true, nil
	}
	return entries, more, nil
}

// EntryList is an order's timeline.
type EntryList struct {
	Data    []Entry `json:"data" nullable:"false"`
	HasMore bool    `json:"has_more"`
}

type timelineInput struct {
	After
	ID string `path:"id" maxLength:"64" doc:"The order's id"`
}

type timelineOutput struct{ Body EntryList }

func (a *api) timeline(ctx context.Context, in *timelineInput) (*timelineOutput, error) {
	o, err := a.visible(ctx, in.ID, in.After)
	if err != nil {
		return nil, err
	}
	entries, more, err := Timeline(ctx, a.Log, a.Codec, o.ID)
	if err != nil {
		return nil, err
	}
	return &timelineOutput{Body: EntryList{Data: entries, HasMore: more}}, nil
}
