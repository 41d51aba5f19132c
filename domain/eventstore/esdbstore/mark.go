package esdbstore

import (
	"context"
	"encoding/json"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

const (
	markType = "LedgerEndSeen"
	// markEvery is how much of others' events, in bytes of the server's log, may be behind the ledger's last event before a mark says
	// so. It bounds what a store that is opened must read back through, but for what came while none was open.
	markEvery = 8 << 20
)

// mark says that the ledger's last event up to a place in $all is at head: what is before that needs no second look. It stands in $all
// itself, behind what it speaks of, and so is gone with it when the server is restored from a backup.
type mark struct {
	Head eventstore.Position `json:"head"`
	Seen uint64              `json:"seen"`
}

// markStream is a stream of its own, in none of the log's categories, of which the server keeps the last event.
func (l layout) markStream() string { return l.prefix + "head" }

// readMark returns the mark that an event is; nil for others.
func (l layout) readMark(e *esdb.RecordedEvent) *mark {
	if e.StreamID != l.markStream() || e.EventType != markType {
		return nil
	}
	var m mark
	if json.Unmarshal(e.Data, &m) != nil || uint64(m.Head) > m.Seen {
		return nil
	}
	return &m
}

// mark writes a mark. Without it others look longer, and that is all.
func (s *Store) mark(ctx context.Context, head eventstore.Position, seen uint64) {
	limited, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	id, err := uuid.NewRandom()
	if err != nil {
		return
	}
	data, err := json.Marshal(mark{Head: head, Seen: seen})
	if err != nil {
		return
	}
	written, err := call(limited, s.link, func(ctx context.Context, c *esdb.Client) (*esdb.WriteResult, error) {
		return c.AppendToStream(ctx, s.layout.markStream(), esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}},
			esdb.EventData{EventID: id, EventType: markType, ContentType: esdb.ContentTypeJson, Data: data})
	})
	switch {
	case err != nil:
		s.link.log.Debug("the ledger's end could not be marked", "stream", s.layout.markStream(), "error", err)
	case written.NextExpectedVersion == 0:
		s.keepLast(limited, s.layout.markStream())
	}
}
