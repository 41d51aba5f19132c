package queryapi

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/share"
	"github.com/orderledger/orderledger/projections"
)

// Errors beside those of the read model and the log. Deps.Problem maps them all.
var (
	// ErrForbidden means that the actor's role may not see what was asked for; nobody's role may nothing.
	ErrForbidden = errors.New("your role does not allow this")
	// ErrBehind means that the read model did not reach the position of wait_for in time; ask again in a second.
	ErrBehind = errors.New("the read model has not reached that position yet")
	// ErrTooManyStreams means that MaxStreams answers are streaming already; ask again later.
	ErrTooManyStreams = errors.New("too many streams are open")
	// ErrYourStreams means that as many answers are streaming to who asks as are left for all others.
	ErrYourStreams = errors.New("you have as many streams open as one may have: close some, then ask again")
)

// Waiter waits until a read model has handled a position.
type Waiter interface {
	// WaitFor returns nil when the position is handled, else the context's error or why it never will be.
	WaitFor(ctx context.Context, p eventstore.Position) error
}

// Log is what is read of the log; an eventstore.Store is one.
type Log interface {
	ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error]
	Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error)
	Head(ctx context.Context) (eventstore.Position, error)
}

// Follower reads the changes of a read model in order, each once; *projections.Follower is one. Used by one goroutine.
type Follower interface {
	// Next blocks until a change is visible in the read model and returns those at hand, at most limit.
	Next(ctx context.Context, limit int) ([]projections.Change, error)
	Close()
}

// Defaults of Deps.
const (
	DefaultWait       = 5 * time.Second
	DefaultHeartbeat  = 15 * time.Second
	DefaultMaxStreams = 512
)

// Deps is what the endpoints answer from. All above Done but the Codec, whose zero value is ready, are required.
type Deps struct {
	Reader projections.Reader
	Waiter Waiter
	Log    Log
	Codec  eventstore.Codec
	Follow func(after eventstore.Position) Follower                // the changes after a position
	Status func(ctx context.Context) ([]projections.Status, error) // of all projectors
	Now    func() time.Time
	// Problem turns an error into the one that is answered: a huma.StatusError of the program's one table.
	Problem func(error) error
	// Done, when closed, ends the streams, so that the server can stop. Nil: they end with their requests alone.
	Done <-chan struct{}

	Wait       time.Duration // how long wait_for waits; zero: DefaultWait
	Heartbeat  time.Duration // between signs of life on a quiet stream; zero: DefaultHeartbeat
	MaxStreams int           // that may be open at once, half of them for one actor; zero: DefaultMaxStreams
}

type api struct {
	Deps
	streams *share.Pool
}

// Register adds the endpoints to an API. Paths begin with /v1.
func Register(to huma.API, d Deps) {
	if d.Wait == 0 {
		d.Wait = DefaultWait
	}
	if d.Heartbeat == 0 {
		d.Heartbeat = DefaultHeartbeat
	}
	if d.MaxStreams == 0 {
		d.MaxStreams = DefaultMaxStreams
	}
	a := &api{Deps: d, streams: share.New(d.MaxStreams)}

	export[OrderList](a, to, "list-orders", "/v1/orders", "Orders of a tab, found, filtered and sorted", a.list)
	get(a, to, "count-tabs", "/v1/tabs", "How many orders each tab holds", a.tabs)
	get(a, to, "list-parked", "/v1/parked", "Money acts that wait for a person's decision, oldest first", a.parked)
	export[ObligationList](a, to, "list-obligations", "/v1/obligations", "What orders owe the business system, oldest first", a.obligations)
	export[RecordedList](a, to, "list-recorded", "/v1/obligations/recorded", "What was recorded of the business system, oldest first", a.recorded)
	get(a, to, "get-order", "/v1/orders/{id}", "One order", a.order)
	get(a, to, "get-timeline", "/v1/orders/{id}/events", "All that happened to an order, oldest first", a.timeline)
	get(a, to, "list-tokens", "/v1/tokens", "API tokens, without their secrets", a.tokens)
	get(a, to, "list-projections", "/v1/projections", "How far the read models are", a.projections)
	stream(a, to, "follow-events", "/v1/events", "Changes of orders, as server-sent events", "text/event-stream", a.events)
	stream(a, to, "read-log", "/v1/log", "The log with its stored bytes, as NDJSON", "application/x-ndjson", a.log)
}

// get registers an endpoint, and hands its errors to Problem.
func get[I, O any](a *api, to huma.API, id, path, summary string, answer func(context.Context, *I) (*O, error)) {
	register(a, to, operation(id, path, summary), answer)
}

func operation(id, path, summary string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: "GET", Path: path, Summary: summary, Tags: []string{"queries"},
		RejectUnknownQueryParameters: true, // a misspelt filter must not list everything
	}
}

func register[I, O any](a *api, to huma.API, op huma.Operation, answer func(context.Context, *I) (*O, error)) {
	huma.Register(to, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := answer(ctx, in)
		if err != nil {
			return nil, a.Problem(err)
		}
		return out, nil
	})
}

// allow returns who is asking, or ErrForbidden when none of the permissions is theirs.
func allow(ctx context.Context, any ...domain.Permission) (domain.Actor, error) {
	actor := domain.ActorFrom(ctx)
	for _, p := range any {
		if actor.Role.May(p) {
			return actor, nil
		}
	}
	return actor, fmt.Errorf("%w: it takes the permission %q", ErrForbidden, any[0])
}

// After makes a query see at least what a command did.
type After struct {
	WaitFor uint64 `query:"wait_for" doc:"The Ledger-Position of a command whose effect the answer must show"`
}

// reached waits, for a bounded time, until the read model shows what the query wants to see.
func (a *api) reached(ctx context.Context, in After) error {
	if in.WaitFor == 0 {
		return nil
	}
	p := eventstore.Position(in.WaitFor)
	waiting, cancel := context.WithTimeout(ctx, a.Wait)
	defer cancel()
	err := a.Waiter.WaitFor(waiting, p)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: position %d, after %s", ErrBehind, p, a.Wait)
	}
	return err
}
