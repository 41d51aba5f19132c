package esdbstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// leaseType is that of the events of a lease's stream.
const leaseType = "LeaseWritten"

var _ eventstore.Leaser = (*Store)(nil)

// leaseStream is a stream of its own, in none of the log's categories, of which the server keeps the last event.
func (l layout) leaseStream() string { return l.prefix + "lease" }

// ReadLease implements eventstore.Leaser.
func (s *Store) ReadLease(ctx context.Context) (eventstore.LeaseRecord, error) {
	done, err := s.begin(ctx)
	if err != nil {
		return eventstore.LeaseRecord{}, err
	}
	defer done()
	limited, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	events, err := s.readNative(limited, s.layout.leaseStream(), esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
	if noStream(err) || err == nil && len(events) == 0 {
		return eventstore.LeaseRecord{}, ctx.Err()
	}
	if err != nil {
		return eventstore.LeaseRecord{}, explain(ctx, err)
	}
	return eventstore.LeaseRecord{Revision: events[0].EventNumber + 1, Value: events[0].Data}, nil
}

// WriteLease implements eventstore.Leaser.
func (s *Store) WriteLease(ctx context.Context, seen uint64, value []byte) (uint64, error) {
	if err := eventstore.CheckLease(value); err != nil {
		return 0, err
	}
	done, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	limited, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	id, err := uuid.NewRandom()
	if err != nil {
		return 0, err
	}
	event := esdb.EventData{EventID: id, EventType: leaseType, ContentType: esdb.ContentTypeBinary, Data: value}
	if json.Valid(value) {
		event.ContentType = esdb.ContentTypeJson
	}
	o := esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}
	if seen > 0 {
		o.ExpectedRevision = esdb.Revision(seen - 1)
	}
	written, err := call(limited, s.link, func(ctx context.Context, c *esdb.Client) (*esdb.WriteResult, error) {
		return c.AppendToStream(ctx, s.layout.leaseStream(), o, event)
	})
	if is(err, esdb.ErrorCodeWrongExpectedVersion) {
		return 0, fmt.Errorf("%w: %w", eventstore.ErrLeaseMoved, err)
	}
	if err != nil {
		return 0, explain(ctx, err)
	}
	if seen == 0 {
		s.keepLast(limited, s.layout.leaseStream())
	}
	return written.NextExpectedVersion + 1, nil
}

// keepLast lets the server keep no more than the last event of a stream. Without that the stream only grows.
func (s *Store) keepLast(ctx context.Context, stream string) {
	var m esdb.StreamMetadata
	m.SetMaxCount(1)
	_, err := call(ctx, s.link, func(ctx context.Context, c *esdb.Client) (*esdb.WriteResult, error) {
		return c.SetStreamMetadata(ctx, stream, esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}}, m)
	})
	if err != nil {
		s.link.log.Warn("a stream of the ledger's notes can't be kept short", "stream", stream, "error", err)
	}
}
