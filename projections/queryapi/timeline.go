package queryapi

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
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

// Past is all that happened to an order and what was said to people about it, oldest first.
type Past struct {
	Known   domain.Order // as the read model has it, which may be behind; zero when it doesn't
	Entries []Entry      // at most MaxTimeline
	More    bool         // there are more
}

// Timeline is an order's past up to the end of the log: from the read model what that has of it, and from the log what came later.
// Errors: those of both, and of an event that can't be read. An order without events has no entries.
func Timeline(ctx context.Context, reader projections.Reader, log Log, codec eventstore.Codec, id uuid.UUID) (Past, error) {
	known, err := reader.History(ctx, id, MaxTimeline+1)
	if err != nil {
		return Past{}, err
	}
	events, err := upToDate(ctx, log, id, known)
	if err != nil {
		return Past{}, err
	}
	p := Past{Known: known.Order, Entries: make([]Entry, 0, len(events))}
	if p.More = len(events) > MaxTimeline; p.More {
		events = events[:MaxTimeline]
	}
	state := domain.Order{}
	for _, r := range events {
		e, env, err := codec.Decode(r)
		if err != nil {
			return Past{}, err
		}
		entry := Entry{
			Position: r.Position, Stream: r.Stream, Revision: r.Revision, ID: r.ID, Type: r.Type,
			OccurredAt: env.OccurredAt, Actor: env.Actor, CommandID: env.CommandID, CorrelationID: env.CorrelationID,
			CausationID: env.CausationID, Hash: env.Hash, Data: e,
		}
		if r.Stream == eventstore.OrderStream(id) {
			state = domain.Evolve(state, e, eventstore.Stamp(r.Event, env))
			entry.Tab, entry.Status, entry.Pending = state.Tab(), state.Status(), state.Pending.Act
			_, accepted := e.(domain.Accepted)
			entry.Late = accepted && state.ConfirmedLate()
		}
		p.Entries = append(p.Entries, entry)
	}
	return p, nil
}

// upToDate are the events of a history and those that the log holds beyond it; when there are more than MaxTimeline, not all.
func upToDate(ctx context.Context, log Log, id uuid.UUID, h projections.History) ([]eventstore.Recorded, error) {
	head, err := log.Head(ctx)
	if err != nil || head <= h.Position || len(h.Events) > MaxTimeline {
		return h.Events, err
	}
	events := h.Events
	for _, stream := range []string{eventstore.OrderStream(id), eventstore.NoticeStream(id)} {
		last := eventstore.NoStream
		for _, r := range h.Events {
			if r.Stream == stream {
				last = r.Revision
			}
		}
		n := 0
		for r, err := range eventstore.ReadLater(ctx, log, stream, last, h.Position) {
			if err != nil {
				return nil, err
			}
			events = append(events, r)
			if n++; n > MaxTimeline {
				break
			}
		}
	}
	slices.SortFunc(events, func(a, b eventstore.Recorded) int { return cmp.Compare(a.Position, b.Position) })
	return events, nil
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
	p, err := Timeline(ctx, a.Reader, a.Log, a.Codec, o.ID)
	if err != nil {
		return nil, err
	}
	return &timelineOutput{Body: EntryList{Data: p.Entries, HasMore: p.More}}, nil
}
