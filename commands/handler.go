package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// ErrKeyReused means that a command's id was used before for something else.
var ErrKeyReused = errors.New("the idempotency key was used before for another request")

// StaleError means that the caller looked at another version of the order than the one that is.
type StaleError struct{ Expected, Actual int }

func (e *StaleError) Error() string {
	return fmt.Sprintf("the order is at version %d, not %d: look at it again", e.Actual, e.Expected)
}

// Request is one command with all that the log keeps about who asked.
type Request struct {
	OrderID uuid.UUID
	Command domain.Command
	// CommandID identifies the request for ever: the same id with the same RequestHash is the same request, asked again.
	CommandID uuid.UUID
	// RequestHash is a hash over what was asked (see Hash); with another one, the id is refused as ErrKeyReused. Without one,
	// only the order's own events tell that a command was given before: an act that was done already is not remembered.
	RequestHash string
	Actor       domain.Actor
	// IfVersion, when given, is the version that the caller looked at; another one is a *StaleError.
	IfVersion     *int
	CorrelationID string    // empty: the command's id
	CausationID   uuid.UUID // the event that led to this command, if one did
	// Claims are appended together with the command's event, or not at all.
	Claims []Claim
}

// Claim wants a companion stream for itself: its only event, made by the first who comes.
type Claim struct {
	Stream string
	Event  domain.Event
	// Taken is returned when the stream has another content already; TakenBy, when given, says in its place what that means; nil
	// from it: the claim is held all the same.
	Taken   error
	TakenBy func(held domain.Event) error
}

// Result is what came of a command.
type Result struct {
	// Order is the order after the command; for a request that was asked before, as it was after the first time.
	Order domain.Order
	// Event is what was appended, nil when the act was done already; EventID is its id.
	Event   domain.Event
	EventID uuid.UUID
	// Position is at least that of all that the result speaks of; a query may wait for it.
	Position eventstore.Position
	// Replayed says that the same request was carried out before.
	Replayed bool
}

// Handler carries commands out: load, decide, append. What it needs to recognise a request that was asked before stands in
// the log itself, so this holds for ever, across restarts and processes. Safe for many goroutines.
type Handler struct {
	log   eventstore.Store
	codec eventstore.Codec
	now   func() time.Time
	cache *lru.Cache[uuid.UUID, *folded]
}

// CacheSize is how many folded orders a Handler keeps.
const CacheSize = 10_000

// maxConflicts bounds how often one command is decided anew because others were faster.
const maxConflicts = 100

// NewHandler returns a Handler over a log; now is the clock.
func NewHandler(log eventstore.Store, codec eventstore.Codec, now func() time.Time) *Handler {
	cache, err := lru.New[uuid.UUID, *folded](CacheSize)
	if err != nil {
		panic(err) // the size is a constant above zero
	}
	return &Handler{log: log, codec: codec, now: now, cache: cache}
}

// folded is an order as far as it was read. It is never changed: others may be reading it.
type folded struct {
	order    domain.Order
	revision eventstore.Revision
	position eventstore.Position
	hash     string
	seen     []seen
}

// seen is a command whose event the stream holds.
type seen struct {
	command  uuid.UUID
	request  string
	revision eventstore.Revision
}

// Load returns an order as the log tells it now, and the position of its last event. Errors: a rejection order_not_found,
// eventstore.ErrUnavailable.
func (h *Handler) Load(ctx context.Context, id uuid.UUID) (domain.Order, eventstore.Position, error) {
	f, err := h.refresh(ctx, id, h.cached(id))
	if err != nil {
		return domain.Order{}, 0, err
	}
	if !f.order.Exists() {
		return domain.Order{}, 0, domain.Reject(domain.OrderNotFound)
	}
	return f.order, f.position, nil
}

// Handle carries one command out. When it returns without an error, its event is durable. Errors: *domain.Rejection,
// *StaleError, ErrKeyReused, what a Claim says when it is taken, eventstore.ErrTooLarge: nothing was appended. After
// eventstore.ErrUnavailable or a context's end the same request may be asked again and is carried out once.
func (h *Handler) Handle(ctx context.Context, r Request) (Result, error) {
	f, fresh := h.cached(r.OrderID), false
	if f.revision == eventstore.NoStream {
		var err error
		if f, err = h.refresh(ctx, r.OrderID, f); err != nil {
			return Result{}, err
		}
		fresh = true
	}
	for range maxConflicts {
		res, err := h.try(ctx, f, r, fresh)
		conflict := (*eventstore.ConflictError)(nil)
		switch {
		case err == nil && res.Event != nil:
			return res, nil
		case errors.As(err, &conflict):
		case fresh || res.Replayed:
			return res, err
		}
		// Somebody was faster, or the answer rests on what the cache says: look at the log before saying so.
		if f, err = h.refresh(ctx, r.OrderID, f); err != nil {
			return Result{}, err
		}
		fresh = true
	}
	return Result{}, fmt.Errorf("%w: order %s changes too quickly", eventstore.ErrUnavailable, r.OrderID)
}

// try decides on what f says and appends. fresh says that f was read just now: only then is a request refused or called done
// for good.
func (h *Handler) try(ctx context.Context, f *folded, r Request, fresh bool) (Result, error) {
	if res, found, err := h.carriedOut(ctx, f, r); found {
		return res, err
	}
	event, err := decide(f.order, r)
	// Whatever the order says now, the key may be that of a request which changed nothing then. This is looked up after f was
	// read: see remember. A placement's key is the Placer's.
	if _, placing := r.Command.(domain.Place); r.RequestHash != "" && !placing && (event != nil || fresh) {
		if res, found, err := h.recall(ctx, r); found || err != nil {
			return res, err
		}
		if event == nil && err == nil {
			return h.remember(ctx, f, r)
		}
	}
	if err != nil || event == nil {
		return Result{Order: f.order, Position: f.position}, err
	}
	return h.append(ctx, f, r, event)
}

func decide(o domain.Order, r Request) (domain.Event, error) {
	if r.IfVersion != nil && *r.IfVersion != o.Version {
		return nil, &StaleError{Expected: *r.IfVersion, Actual: o.Version}
	}
	return domain.Decide(o, r.Command)
}

// carriedOut answers a request whose event the order's stream holds.
func (h *Handler) carriedOut(ctx context.Context, f *folded, r Request) (res Result, found bool, err error) {
	for _, s := range f.seen {
		if s.command != r.CommandID {
			continue
		}
		if s.request != r.RequestHash {
			return Result{}, true, ErrKeyReused
		}
		res, err = h.replay(ctx, r.OrderID, s.revision)
		return res, true, err
	}
	return Result{}, false, nil
}

func (h *Handler) append(ctx context.Context, f *folded, r Request, event domain.Event) (Result, error) {
	claims, err := h.claims(ctx, r, h.claimReference(ctx, r.OrderID, event))
	if err != nil {
		return Result{}, err
	}
	stream := eventstore.OrderStream(r.OrderID)
	sealed, env, err := h.seal(stream, f.revision+1, f.hash, event, r)
	if err != nil {
		return Result{}, err
	}
	var recorded eventstore.Recorded
	if len(claims) == 0 {
		recorded, err = h.log.Append(ctx, stream, f.revision, sealed)
	} else {
		var all []eventstore.Recorded
		all, err = h.log.AppendMany(ctx, append(claims, eventstore.Proposed{Stream: stream, Expected: f.revision, Event: sealed}))
		if err == nil {
			recorded = all[len(all)-1]
		}
	}
	if err != nil {
		return Result{}, err
	}
	if !recorded.Holds(sealed) {
		// The event of this command id stood there already: the answer to an earlier append was lost. What was written
		// then is the truth, its instant and its hash too, and it may be the answer to another request.
		return Result{}, &eventstore.ConflictError{Stream: stream, Expected: f.revision, Actual: recorded.Revision}
	}
	next := f.evolve(recorded, event, env)
	h.cache.Add(r.OrderID, next)
	return Result{Order: next.order, Event: event, EventID: recorded.ID, Position: next.position}, nil
}

// claims are those of the request's claims, and of those that its event brings along, that are not made yet.
func (h *Handler) claims(ctx context.Context, r Request, more []Claim) ([]eventstore.Proposed, error) {
	var open []eventstore.Proposed
	for _, c := range slices.Concat(r.Claims, more) {
		held := false
		for recorded, err := range h.log.ReadStream(ctx, c.Stream, eventstore.NoStream) {
			if err != nil {
				return nil, err
			}
			if e, _, err := h.codec.Decode(recorded); err != nil {
				return nil, err
			} else if e != c.Event {
				if err := c.taken(e); err != nil {
					return nil, err
				}
			}
			held = true
		}
		if held {
			continue
		}
		// The id is the order's, too: one key may be used on two orders, and what the one claims is not claimed for the other.
		id := EventID(EventID(r.CommandID, eventstore.OrderStream(r.OrderID)), c.Stream)
		sealed, _, err := h.sealAs(id, c.Stream, 0, "", c.Event, r)
		if err != nil {
			return nil, err
		}
		open = append(open, eventstore.Proposed{Stream: c.Stream, Expected: eventstore.NoStream, Event: sealed})
	}
	return open, nil
}

func (c Claim) taken(by domain.Event) error {
	if c.TakenBy != nil {
		return c.TakenBy(by)
	}
	return c.Taken
}

// seal writes an event as it will stand in the log.
func (h *Handler) seal(stream string, revision eventstore.Revision, prev string, event domain.Event, r Request) (
	eventstore.Event, eventstore.Envelope, error,
) {
	return h.sealAs(EventID(r.CommandID, stream), stream, revision, prev, event, r)
}

func (h *Handler) sealAs(id uuid.UUID, stream string, revision eventstore.Revision, prev string, event domain.Event, r Request) (
	eventstore.Event, eventstore.Envelope, error,
) {
	return h.appender().seal(id, stream, revision, event, r.envelope(prev))
}

func (h *Handler) appender() Appender { return Appender{Log: h.log, Codec: h.codec, Now: h.now} }

// envelope is that of the event that a request makes.
func (r Request) envelope(prev string) eventstore.Envelope {
	return eventstore.Envelope{
		Actor: r.Actor, CommandID: r.CommandID, RequestHash: r.RequestHash, CorrelationID: r.CorrelationID, CausationID: r.CausationID,
		Prev: prev,
	}
}

func (f *folded) evolve(r eventstore.Recorded, e domain.Event, env eventstore.Envelope) *folded {
	return &folded{
		order:    domain.Evolve(f.order, e, eventstore.Stamp(r.Event, env)),
		revision: r.Revision, position: r.Position, hash: env.Hash,
		seen: append(f.seen[:len(f.seen):len(f.seen)], seen{command: env.CommandID, request: env.RequestHash, revision: r.Revision}),
	}
}

func (h *Handler) cached(id uuid.UUID) *folded {
	if f, ok := h.cache.Get(id); ok {
		return f
	}
	return &folded{revision: eventstore.NoStream}
}

// refresh reads on from where f ends.
func (h *Handler) refresh(ctx context.Context, id uuid.UUID, f *folded) (*folded, error) {
	for r, err := range h.log.ReadStream(ctx, eventstore.OrderStream(id), f.revision) {
		if err != nil {
			return nil, err
		}
		e, env, err := h.codec.Decode(r)
		if err != nil {
			return nil, err
		}
		f = f.evolve(r, e, env)
	}
	if f.order.Exists() {
		h.cache.Add(id, f)
	}
	return f, nil
}

// replay returns what a request was answered the first time: the order as it was after its event.
func (h *Handler) replay(ctx context.Context, id uuid.UUID, revision eventstore.Revision) (Result, error) {
	f := &folded{revision: eventstore.NoStream}
	for r, err := range h.log.ReadStream(ctx, eventstore.OrderStream(id), eventstore.NoStream) {
		if err != nil {
			return Result{}, err
		}
		e, env, err := h.codec.Decode(r)
		if err != nil {
			return Result{}, err
		}
		if f = f.evolve(r, e, env); r.Revision == revision {
			return Result{Order: f.order, Event: e, EventID: r.ID, Position: r.Position, Replayed: true}, nil
		}
	}
	return Result{}, fmt.Errorf("%w: order %s has lost revision %d", eventstore.ErrGap, id, revision)
}
