package outevents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// place is where publishing is: the last event that the stream took, and the message after which the next one belongs.
type place struct {
	ref eventstore.EventRef // zero: none yet
	at  eventstore.Position
	seq uint64
}

// mark is a place as it is kept beside the stream, since a stream forgets: its messages grow old, and people delete them. It may be a
// little older than what was published.
type mark struct {
	Stream   time.Time           `json:"stream"` // when the stream was made: it is another one's where that differs
	Event    eventstore.EventRef `json:"event"`
	Position eventstore.Position `json:"position"`
	Sequence uint64              `json:"sequence"`

	revision uint64 // 0: it is not kept yet
}

// markKey is the one key in the bucket of the mark: nats kv get LEDGER-public place.
const markKey = "place"

// marks keeps a publisher's mark.
type marks struct {
	bucket string
	js     jetstream.JetStream
	kv     jetstream.KeyValue
	last   mark
	noted  time.Time
}

// markEvery is how often the mark is written at the most: what was published since may be published twice, when the stream has dropped
// it and the process ends without warning.
const markEvery = time.Second

// read reads the mark of a stream; ok is false where there is none.
func (m *marks) read(ctx context.Context, stream time.Time) (last mark, ok bool, err error) {
	m.last = mark{Stream: stream}
	if m.kv, err = m.js.KeyValue(ctx, m.bucket); errors.Is(err, jetstream.ErrBucketNotFound) {
		return m.last, false, nil
	}
	if err != nil {
		return m.last, false, away(err)
	}
	entry, err := m.kv.Get(ctx, markKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return m.last, false, nil
	}
	if err != nil {
		return m.last, false, away(err)
	}
	m.last.revision = entry.Revision()
	var found mark
	if json.Unmarshal(entry.Value(), &found) != nil || !found.Stream.Equal(stream) {
		return m.last, false, nil // it is written anew
	}
	found.revision = entry.Revision()
	m.last = found
	return found, true, nil
}

// write keeps a place, unless it is kept or another publisher has kept one meanwhile.
func (m *marks) write(ctx context.Context, now place, replicas int) error {
	if m.last.Position == now.at && m.last.revision != 0 && m.last.Event == now.ref {
		return nil
	}
	if m.kv == nil {
		kv, err := m.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: m.bucket, Description: "orderledger: up to where events are published", Storage: jetstream.FileStorage, Replicas: replicas,
		})
		if err != nil {
			return err
		}
		m.kv = kv
	}
	next := m.last
	next.Event, next.Position, next.Sequence = now.ref, now.at, now.seq
	b, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if next.revision == 0 {
		next.revision, err = m.kv.Create(ctx, markKey, b)
	} else {
		next.revision, err = m.kv.Update(ctx, markKey, b, next.revision)
	}
	m.noted = time.Now()
	if err == nil {
		m.last = next
	}
	return err
}

// mark keeps where publishing is, at most every markEvery unless it must be now. That it can't be kept holds nothing up.
func (p *Publisher) mark(ctx context.Context, now place, must bool) {
	if !must && time.Since(p.marks.noted) < markEvery {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(p.cfg.Patience, markPatience))
	defer cancel()
	if err := p.marks.write(ctx, now, max(p.cfg.Replicas, 1)); err != nil {
		p.cfg.Logger.Warn("public events: it can't be kept up to where they are published", "position", now.at, "error", err)
		p.marks.kv = nil
	}
}

// markPatience bounds how long it is tried, also while the program stops.
const markPatience = 2 * time.Second

// maxStrangers bounds how many messages of others are looked through for the last event that was published.
const maxStrangers = 1000

// find finds where publishing goes on: after the last event that the stream took. That is its last message that is one of ours, or,
// when others have written into it or it has dropped or lost messages, what the mark says, whichever is later in the log.
func (p *Publisher) find(ctx context.Context, stream jetstream.Stream) (place, error) {
	info, err := stream.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return place{}, away(err)
	}
	known, marked, err := p.marks.read(ctx, info.Created)
	if err != nil {
		return place{}, err
	}
	first := info.State.FirstSeq
	if marked {
		first = max(first, known.Sequence+1)
	}
	now, found, strangers, err := p.walk(ctx, stream, info, first, known.Position)
	switch {
	case err != nil:
		return place{}, err
	case found:
	case marked:
		now = place{ref: known.Event, at: known.Position, seq: info.State.LastSeq}
		if err := p.check(ctx, now); err != nil {
			return place{}, err
		}
	default:
		if now, err = p.count(ctx, info, strangers); err != nil {
			return place{}, err
		}
	}
	p.mark(ctx, now, true)
	return now, nil
}

// walk looks from the stream's end for the last message that is one of ours and later in the log than what is known.
func (p *Publisher) walk(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo, first uint64, known eventstore.Position) (
	now place, found bool, strangers uint64, err error,
) {
	deleted := make(map[uint64]bool, len(info.State.Deleted))
	for _, seq := range info.State.Deleted {
		deleted[seq] = true
	}
	for seq := info.State.LastSeq; info.State.Msgs > 0 && seq >= max(first, 1) && strangers < maxStrangers; seq-- {
		if deleted[seq] {
			continue
		}
		m, err := stream.GetMsg(ctx, seq)
		if err != nil { // not there yet on the server that was asked, or dropped since: look again
			return place{}, false, 0, away(fmt.Errorf("message %d: %w", seq, err))
		}
		ref, at, err := refOf(m.Header)
		if err != nil {
			if strangers++; strangers == 1 {
				p.cfg.Logger.Warn("public events: somebody else has published on the ledger's subject; its message is left as it is",
					"stream", p.cfg.Stream, "message", seq, "subject", m.Subject)
			}
			continue
		}
		now = place{ref: ref, at: at, seq: info.State.LastSeq}
		if err := p.check(ctx, now); err != nil {
			return place{}, false, 0, err
		}
		if at > known {
			return now, true, strangers, nil
		}
		strangers++ // a copy of what was published before
	}
	return place{}, false, strangers, nil
}

// check says whether the log holds the event at its place.
func (p *Publisher) check(ctx context.Context, now place) error {
	if now.ref == (eventstore.EventRef{}) {
		head, err := p.cfg.Log.Head(ctx)
		if err != nil || now.at <= head {
			return err
		}
	} else {
		for rec, err := range p.cfg.Log.ReadStream(ctx, now.ref.Stream, now.ref.Revision-1) {
			if err != nil {
				return err
			}
			if rec.ID == now.ref.ID && rec.Revision == now.ref.Revision && rec.Position == now.at {
				return nil
			}
			break
		}
	}
	return fmt.Errorf("%w: the log does not hold the event %s, the last that the stream %s took, at its place; after a restore of an older log, "+
		"delete the stream, and publishing begins anew with what happens from then on", ErrForeign, now.ref.ID, p.cfg.Stream)
}
