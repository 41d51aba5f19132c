package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// tail is where the chain of a stream ends.
type tail struct {
	revision eventstore.Revision
	hash     [sha256.Size]byte
}

// noTail is the tail of a stream without events.
var noTail = tail{revision: eventstore.NoStream}

// last is the hash that the next event must follow.
func (t tail) last() string {
	if t.revision == eventstore.NoStream {
		return ""
	}
	return hex.EncodeToString(t.hash[:])
}

// next is the tail that an event makes of this one. Its hash is recomputed from the stored bytes.
func (t tail) next(r eventstore.Recorded) (tail, error) {
	if r.Revision != t.revision+1 {
		return t, differs(r, BadRevision, "the stream was at %s, so %s must come next", t.revision, t.revision+1)
	}
	return tailOf(r, t.last())
}

// tailOf is the tail of a stream that ends with an event, which must follow the hash prev.
func tailOf(r eventstore.Recorded, prev string) (tail, error) {
	sum, err := eventstore.Verify(r, prev)
	if err != nil {
		return noTail, differs(r, BadChain, "%v", err)
	}
	t := tail{revision: r.Revision}
	if _, err := hex.Decode(t.hash[:], []byte(sum)); err != nil {
		return noTail, differs(r, BadChain, "its hash is not hex: %v", err)
	}
	return t, nil
}

// Walked is what Walk has seen.
type Walked struct {
	Events, Streams int64
	Position        eventstore.Position // of the last event
	Digest          string              // as in Report
}

// tailsKept bounds how many streams' tails Walk keeps in memory, at some 250 bytes each. Another stream's is read again.
const tailsKept = 1 << 18

// StreamLog is a Log that can read one stream without the others, as an eventstore.Store can.
type StreamLog interface {
	Log
	streamReader
}

// Walk reads the log from its beginning up to a position, which it must reach, and hands every event to see, in order, once its
// place and its chain are verified: positions rise, its stream has no hole, its hash is that of its stored bytes and follows the
// hash before it. The first event of which that isn't so is a *Difference, and neither it nor any behind it is handed over. What
// an event says is not looked at; Verify does that. Memory is bounded, whatever the number of streams.
func Walk(ctx context.Context, log StreamLog, until eventstore.Position, see func(eventstore.Recorded) error) (Walked, error) {
	return walk(ctx, log, until, tailsKept, see)
}

func walk(ctx context.Context, log StreamLog, until eventstore.Position, kept int, see func(eventstore.Recorded) error) (Walked, error) {
	tails, err := simplelru.NewLRU[string, tail](kept, nil)
	if err != nil {
		return Walked{}, err
	}
	w := &walker{log: log, tails: tails, digest: sha256.New()}
	if until > 0 {
		err = follow(ctx, log, until, func(r eventstore.Recorded) error {
			if err := w.step(ctx, r); err != nil {
				return err
			}
			return see(r)
		})
	}
	w.sum.Digest = hex.EncodeToString(w.digest.Sum(nil))
	return w.sum, err
}

type walker struct {
	log    StreamLog
	tails  *simplelru.LRU[string, tail]
	digest hash.Hash
	sum    Walked
}

func (w *walker) step(ctx context.Context, r eventstore.Recorded) error {
	before, err := w.before(ctx, r)
	if err != nil {
		return err
	}
	at, err := before.next(r)
	if err != nil {
		return err
	}
	w.tails.Add(r.Stream, at)
	w.digest.Write(at.hash[:])
	w.sum.Events++
	if r.Revision == 0 {
		w.sum.Streams++
	}
	w.sum.Position = r.Position
	return nil
}

// before is the tail that an event must follow. Where it was forgotten, the event before is read again: it has been verified. The
// stream must then have the event itself where the log has it. Whether a stream's first event comes again after more streams than
// are kept is not seen here; Verify sees it, and whoever appends the events elsewhere.
func (w *walker) before(ctx context.Context, r eventstore.Recorded) (tail, error) {
	if t, ok := w.tails.Get(r.Stream); ok {
		return t, nil
	}
	t := noTail
	if r.Revision <= 0 {
		return t, nil
	}
	for b, err := range w.log.ReadStream(ctx, r.Stream, r.Revision-2) {
		switch {
		case err != nil:
			return t, fmt.Errorf("read %s at %s: %w", r.Stream, r.Revision-1, err)
		case b.Revision != r.Revision-1:
			if t != noTail && b.Position != r.Position {
				return t, differs(r, BadRevision, "the stream has %s at position %d", b.Revision, b.Position)
			}
			return t, nil
		}
		env, err := eventstore.ReadEnvelope(b.Event)
		if err != nil {
			return t, differs(b, BadChain, "%v", err)
		}
		if t, err = tailOf(b, env.Prev); err != nil {
			return t, err
		}
	}
	return t, nil // without an event before, next says what is missing
}
