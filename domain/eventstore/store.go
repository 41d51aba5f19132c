package eventstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/google/uuid"
)

// Revision is an event's place in its stream: 0, 1, 2 … A writer hands the revision of the last event that it knows, or
// NoStream when it knows of none.
type Revision int64

// NoStream expects that the stream has no event yet.
const NoStream Revision = -1

// String says the revision for people: its number, or "no stream".
func (r Revision) String() string {
	if r == NoStream {
		return "no stream"
	}
	return fmt.Sprintf("revision %d", int64(r))
}

// Position is an event's place in the whole log. Positions rise strictly; they are only compared and handed back, never
// computed with, since not every store numbers them without holes. Zero lies before the first event.
type Position uint64

// Event is one event as a store keeps it. A store gives Data and Meta back byte for byte.
type Event struct {
	// ID identifies the event for ever: appending it again is recognised. Derived from the command, never random.
	ID uuid.UUID
	// Type is the event's name, such as "PaymentCaptured": 1 to 64 ASCII letters and digits.
	Type string
	// Data and Meta are JSON objects written by the Codec: the fact, and its envelope. Valid JSON without line breaks.
	Data, Meta []byte
}

// Recorded is an event that the log holds.
type Recorded struct {
	Event
	Stream   string
	Revision Revision
	Position Position
}

// Holds says whether this is the event as it was sealed by the caller, byte for byte, and not one with the same id that stood
// there already.
func (r Recorded) Holds(e Event) bool {
	return bytes.Equal(r.Meta, e.Meta) && bytes.Equal(r.Data, e.Data)
}

// Proposed is one element of AppendMany.
type Proposed struct {
	Stream   string
	Expected Revision
	Event    Event
}

// MaxBatch is the largest number of events that AppendMany takes at once.
const MaxBatch = 1000

// MaxEventSize bounds len(Data)+len(Meta) of one event, in bytes.
const MaxEventSize = 1 << 20

// Store is the log as the rest of the program knows it. All methods may be called from many goroutines.
//
// A stream is named category-id (order-<uuid>, access-<token>); the category ends at the first dash, the id may hold
// dashes. See CheckStream.
type Store interface {
	// Append adds one event if the stream's last revision is the expected one, and returns it as recorded. When Append
	// returns without an error the event is as durable as the store promises (see Durability) and every later read sees
	// it. An event whose ID already stands at the place it would get is not added again: that is a success too, however
	// long ago it was. Errors: *ConflictError, ErrTooLarge, ErrUnavailable; after ErrUnavailable or a context's end the
	// event may or may not have been applied, and calling again with the same arguments finds out.
	Append(ctx context.Context, stream string, expected Revision, e Event) (Recorded, error)

	// AppendMany adds up to MaxBatch events: imports, copies, and an act with its claims. Of one stream there may be several that
	// follow each other, each expecting the one before it, where batches are atomic. Errors as Append; a conflict names the first
	// stream that was not as expected. Calling it again after a success is a success.
	//
	// Where Status.AtomicBatches says so, it adds all or none, in this order. Elsewhere each event is added by itself, the last
	// when all others stand, so an act that rests on claims comes last. Nothing is added when a stream is not as expected to begin
	// with; but a writer who is faster while the batch is under way, or an error, can leave a part of it. Calling it again
	// adds the rest.
	AppendMany(ctx context.Context, batch []Proposed) ([]Recorded, error)

	// ReadStream yields the stream's events with revisions above after (NoStream for all), oldest first. A stream without
	// events yields none. An error ends the sequence and is never the end of the stream.
	ReadStream(ctx context.Context, stream string, after Revision) iter.Seq2[Recorded, error]

	// Subscribe follows the whole log after the given position: what is there first, then live, each event once and in
	// order. Events are seen only when they are durable.
	Subscribe(ctx context.Context, after Position) (Subscription, error)

	// Head is the position of the last durable event, zero for an empty log.
	Head(ctx context.Context) (Position, error)

	// Status says where the log is and what an acknowledgement is worth.
	Status(ctx context.Context) (Status, error)

	// Close releases the store. Appends that are under way finish or fail first.
	Close() error
}

// OrderedAppender is a store whose batches are not atomic, and which can all the same add events of many streams one behind the other
// without waiting for each: for copies, which must keep an order and would take a round trip for each event.
type OrderedAppender interface {
	// AppendInOrder adds up to MaxBatch events, so that they stand in the log in this order; of one stream those that follow each other.
	// What stands already, by its id, is not added again; who must know more of it reads it. Errors as AppendMany's, and ErrOrder. When
	// there is one, a first part of the batch may stand, and nothing behind that, even if this process dies: calling again adds the rest.
	// After a conflict, which another writer made, and after ErrOrder more may stand.
	AppendInOrder(ctx context.Context, batch []Proposed) error
}

// StreamReader is a log of which single streams can be read; see Store.
type StreamReader interface {
	ReadStream(ctx context.Context, stream string, after Revision) iter.Seq2[Recorded, error]
}

// LaterReader is a StreamReader that need not look at the beginning of a stream to find its end.
type LaterReader interface {
	StreamReader
	// ReadLater is ReadStream for who knows that of the events up to a position the stream's last is the one at the revision after
	// (NoStream: that it has none of them). Where that isn't so, the error is ErrGap, if it comes to light.
	ReadLater(ctx context.Context, stream string, after Revision, beyond Position) iter.Seq2[Recorded, error]
}

// ReadLater is LaterReader's where the log is one, and else ReadStream.
func ReadLater(ctx context.Context, log StreamReader, stream string, after Revision, beyond Position) iter.Seq2[Recorded, error] {
	if l, ok := log.(LaterReader); ok {
		return l.ReadLater(ctx, stream, after, beyond)
	}
	return log.ReadStream(ctx, stream, after)
}

// Subscription is one reader of the log. It is used by one goroutine.
type Subscription interface {
	// Next blocks until at least one event is there and returns those at hand, at most max, oldest first. Errors: the
	// context's, ErrGap (wrapped, with the place) when the log misses an event, ErrUnavailable when the store can't go on
	// by itself. After an error the subscription is over; a new one from the last handled position goes on.
	Next(ctx context.Context, max int) ([]Recorded, error)
	// Close ends the subscription.
	Close() error
}

// Durability names what an acknowledged append has survived.
type Durability string

// The durabilities that stores offer.
const (
	// Group: on disk; one barrier (syncfs) for all appends that wait.
	Group Durability = "group"
	// Strict: on disk; one fsync for each append.
	Strict Durability = "strict"
	// Server: what the external server guarantees, which its own settings decide.
	Server Durability = "server"
	// Memory: nothing; for tests.
	Memory Durability = "memory"
)

// Status describes a store for people and for readiness checks.
type Status struct {
	// Backend is "nats-embedded", "nats", "eventstoredb" or "memory".
	Backend string `json:"backend"`
	// Location is the data folder or the server's URL, without credentials.
	Location string `json:"location"`
	// Ledger is the name that the log goes by in the store.
	Ledger     string     `json:"ledger"`
	Durability Durability `json:"durability"`
	// Note says in a sentence what a reader of Durability should know, such as why group fell back to strict.
	Note string `json:"note,omitempty"`
	// AtomicBatches says that AppendMany is all or none, and that its events stand in the log in the batch's order. Where it
	// isn't so, a batch that failed may be there in part, and holds one event of a stream at most.
	AtomicBatches bool     `json:"atomic_batches"`
	Head          Position `json:"head"`
	// Events and Bytes are zero where the store can't tell without reading everything.
	Events uint64 `json:"events"`
	Bytes  uint64 `json:"bytes"`
}

var (
	// ErrUnavailable means that the store can't be reached or can't promise durability now; try again later.
	ErrUnavailable = errors.New("the log is unavailable")
	// ErrTooLarge means that an event exceeds MaxEventSize or what the server takes.
	ErrTooLarge = errors.New("the event is too large")
	// ErrGap means that the log misses an event that it once held. It is an incident: restore the log from a backup.
	ErrGap = errors.New("the log has a gap")
	// ErrOrder means that events stand in the log in another order than that in which they were given. It can't be mended.
	ErrOrder = errors.New("the log has taken events out of their order")
	// ErrLocked means that another process uses the data folder.
	ErrLocked = errors.New("the data folder is in use by another process")
	// ErrBadStream means that a stream's name is not category-id.
	ErrBadStream = errors.New("bad stream name")
)

// ConflictError says that a stream was not at the revision that a writer expected: somebody was faster.
type ConflictError struct {
	Stream           string
	Expected, Actual Revision
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("conflict on %s: expected %s, found %s", e.Stream, e.Expected, e.Actual)
}

// CheckStream returns the category and the id of a stream's name, or ErrBadStream. Both are 1 to 128 letters, digits,
// dashes and underscores; the category has no dash.
func CheckStream(stream string) (category, id string, err error) {
	category, id, ok := strings.Cut(stream, "-")
	if !ok || !token(category) || !token(id) {
		return "", "", fmt.Errorf("%w: %q is not category-id", ErrBadStream, stream)
	}
	return category, id, nil
}

func token(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// CheckBatch returns an error when no state of any log could take a batch: it is too long, has events of one stream that don't
// follow each other, or holds an event or an expectation that is not fit.
func CheckBatch(batch []Proposed) error {
	if len(batch) > MaxBatch {
		return fmt.Errorf("a batch of %d events, at most %d", len(batch), MaxBatch)
	}
	next := make(map[string]Revision, len(batch))
	for _, p := range batch {
		if err := p.check(); err != nil {
			return err
		}
		if expected, twice := next[p.Stream]; twice && p.Expected != expected {
			return fmt.Errorf("stream %s is in the batch twice, behind %s and behind %s: its events must follow each other",
				p.Stream, expected-1, p.Expected)
		}
		next[p.Stream] = p.Expected + 1
	}
	return nil
}

func (p Proposed) check() error {
	if _, _, err := CheckStream(p.Stream); err != nil {
		return err
	}
	if err := CheckEvent(p.Event); err != nil {
		return err
	}
	if bytes.IndexByte(p.Event.Data, '\n') >= 0 || bytes.IndexByte(p.Event.Meta, '\n') >= 0 {
		return fmt.Errorf("event %s: a line break in its data or meta", p.Event.ID)
	}
	if p.Expected < NoStream {
		return fmt.Errorf("event %s: bad expected revision %d", p.Event.ID, p.Expected)
	}
	return nil
}

// CheckEvent returns an error when an event is not fit for any store: no id, a bad type, too large.
func CheckEvent(e Event) error {
	switch {
	case e.ID == uuid.Nil:
		return errors.New("event without id")
	case !token(e.Type) || len(e.Type) > 64:
		return fmt.Errorf("event %s: bad type %q", e.ID, e.Type)
	case len(e.Data)+len(e.Meta) > MaxEventSize:
		return fmt.Errorf("%w: %s of %d bytes, at most %d", ErrTooLarge, e.Type, len(e.Data)+len(e.Meta), MaxEventSize)
	}
	return nil
}
