package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// Log is what an audit needs of a log: an eventstore.Store is one, and so is a running ledger's GET /v1/log.
type Log interface {
	// Head is the position of the last durable event, zero for an empty log.
	Head(ctx context.Context) (eventstore.Position, error)
	// Subscribe follows the log after a position; see eventstore.Store.
	Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error)
}

// streamReader is a Log that can read one stream without the others.
type streamReader interface {
	ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error]
}

// Difference says that the log is not what the ledger wrote: where the first such place is, and why. It is an error.
type Difference struct {
	Position eventstore.Position `json:"position"` // zero when the place is not known, as in a gap
	Stream   string              `json:"stream,omitempty"`
	Revision eventstore.Revision `json:"revision"`
	Type     string              `json:"type,omitempty"`
	Kind     Kind                `json:"kind"`
	Why      string              `json:"why"`
}

// Kind sorts differences.
type Kind string

// The kinds of differences.
const (
	BadPosition Kind = "position" // positions do not rise
	BadRevision Kind = "revision" // a stream misses an event, or has one twice or out of order
	BadChain    Kind = "chain"    // the stored bytes are not those that were hashed, or do not follow the event before
	Unreadable  Kind = "form"     // the bytes match their hash and are still no event that this program reads
	BadRule     Kind = "rule"     // the rules could not have made the event where it stands
	BadDigest   Kind = "digest"   // the log as a whole is not the one that the digest was taken of
	Gap         Kind = "gap"      // the store itself misses an event
	Ended       Kind = "end"      // the log ends before the position up to which it was to be looked at
)

func (d *Difference) Error() string {
	if d.Stream == "" {
		return fmt.Sprintf("%s: %s", d.Kind, d.Why)
	}
	return fmt.Sprintf("position %d, %s, %s (%s): %s: %s", d.Position, d.Stream, d.Revision, d.Type, d.Kind, d.Why)
}

func differs(r eventstore.Recorded, k Kind, format string, args ...any) *Difference {
	return &Difference{
		Position: r.Position, Stream: r.Stream, Revision: r.Revision, Type: r.Type, Kind: k, Why: fmt.Sprintf(format, args...),
	}
}

// EndError says that a log ends before the position up to which it was to be read.
type EndError struct{ End, Until eventstore.Position }

func (e *EndError) Error() string {
	return fmt.Sprintf("the log ends at %d, before position %d", e.End, e.Until)
}

// pageSize is how many events are asked for at once.
const pageSize = 1000

// follow hands each event up to the head as it is now, or to until if that is not zero, to see. A log that does not reach until is
// an *EndError.
func follow(ctx context.Context, log Log, until eventstore.Position, see func(eventstore.Recorded) error) error {
	end, err := log.Head(ctx)
	if err != nil {
		return err
	}
	switch {
	case until > end:
		return &EndError{End: end, Until: until}
	case until > 0:
		end = until
	}
	if end == 0 {
		return nil
	}
	sub, err := log.Subscribe(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }() // only read from: closing it has nothing to lose
	for last := eventstore.Position(0); last < end; {
		page, err := sub.Next(ctx, pageSize)
		if errors.Is(err, eventstore.ErrGap) {
			return &Difference{Kind: Gap, Why: fmt.Sprintf("after position %d: %v", last, err)}
		}
		if err != nil {
			return fmt.Errorf("read the log after position %d: %w", last, err)
		}
		for _, r := range page {
			if r.Position <= last {
				return differs(r, BadPosition, "it comes after position %d", last)
			}
			if last = r.Position; last > end {
				return nil
			}
			if err := see(r); err != nil {
				return err
			}
		}
	}
	return nil
}
