package commands

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Log is what who keeps streams needs of the log; see eventstore.Store.
type Log interface {
	Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error)
	ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error]
}

// Appender appends to a log what is no order's: tokens, endpoints, jobs, views, and what is kept beside orders.
type Appender struct {
	Log   Log
	Codec eventstore.Codec
	Now   func() time.Time
}

// Append appends an event to a stream, behind its last revision. env says who, by which command and why, and with Prev the hash of that
// revision; what else an envelope holds is added, and returned. Errors: *eventstore.ConflictError when the stream goes on otherwise, be
// it with another event of the same command: then an earlier append's answer was lost, and what that wrote is the truth. Others as
// eventstore.Store.Append.
func (a Appender) Append(ctx context.Context, stream string, last eventstore.Revision, event domain.Event, env eventstore.Envelope) (
	eventstore.Recorded, eventstore.Envelope, error,
) {
	sealed, env, err := a.seal(EventID(env.CommandID, stream), stream, last+1, event, env)
	if err != nil {
		return eventstore.Recorded{}, env, err
	}
	recorded, err := a.Log.Append(ctx, stream, last, sealed)
	if err == nil && !recorded.Holds(sealed) {
		err = &eventstore.ConflictError{Stream: stream, Expected: last, Actual: recorded.Revision}
	}
	return recorded, env, err
}

// seal writes an event as it will stand in the log.
func (a Appender) seal(id uuid.UUID, stream string, revision eventstore.Revision, event domain.Event, env eventstore.Envelope) (
	eventstore.Event, eventstore.Envelope, error,
) {
	e, err := a.Codec.Encode(stream, event)
	if err != nil {
		return eventstore.Event{}, env, err
	}
	e.ID = id
	env.Schema, env.OccurredAt = a.Codec.Schema(event), a.Now().UTC().Truncate(time.Microsecond)
	if env.CorrelationID == "" {
		env.CorrelationID = env.CommandID.String()
	}
	e, env.Hash, err = eventstore.Seal(stream, revision, e, env)
	return e, env, err
}
