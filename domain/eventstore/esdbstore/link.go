package esdbstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/orderledger/orderledger/domain/eventstore"
)

const (
	// patience bounds every act, with all its repetitions: each step of it where it has several. Then the log is unavailable.
	patience = 10 * time.Second
	// askPatience bounds one call, which is repeated when there is no answer.
	askPatience = 4 * time.Second
	// gossipPatience bounds the question to one node who leads.
	gossipPatience = time.Second
)

var (
	errClosed = fmt.Errorf("%w: the store is closed", eventstore.ErrUnavailable)
	errGone   = errors.New("the connection to the server is lost")
	errTooOld = errors.New("the server is too old")
)

// link is the connection to the server. The client library finds the node to speak to, and finds another when one fails. But
// while it looks, every call waits, whatever its context says; and when it finds none, the client is of no use any more and calls
// that came meanwhile never return. So one asks for all whether there is a connection before any call is made, a call is left alone
// when its time is over, and a client that found no node, or whose node fails, is left behind, with whatever is stuck in it: a few
// calls for each outage.
type link struct {
	settings *esdb.Configuration
	location string
	log      *slog.Logger

	mu     sync.Mutex
	client *client
	ask    *ask // under way
	lost   bool // and said so
	closed bool
}

// client is one of the library's clients.
type client struct {
	*esdb.Client
	calls sync.WaitGroup
	gone  chan struct{} // closed when it is left behind
}

// ask is the question whether a client has a connection.
type ask struct {
	client *client
	done   chan struct{}
	err    error
}

// acquire returns a client that has a connection, or had one just now. The call that is made with it must be told done.
func (l *link) acquire(ctx context.Context) (*client, error) {
	a, err := l.asked()
	if err != nil {
		return nil, err
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if a.err != nil {
		return nil, a.err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client != a.client {
		return nil, errGone
	}
	a.client.calls.Add(1)
	return a.client, nil
}

// asked is the question that is under way, or a new one.
func (l *link) asked() (*ask, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if l.ask != nil {
		return l.ask, nil
	}
	if l.client == nil {
		c, err := esdb.NewClient(l.settings)
		if err != nil {
			return nil, err
		}
		l.client = &client{Client: c, gone: make(chan struct{})}
	}
	a := &ask{client: l.client, done: make(chan struct{})}
	l.ask = a
	a.client.calls.Add(1)
	go l.answer(a)
	return a, nil
}

// answer finds the answer to a question.
func (l *link) answer(a *ask) {
	defer a.client.calls.Done()
	version, err := a.client.GetServerVersion()
	if err == nil {
		err = newEnough(version)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ask, a.err = nil, err
	switch {
	case err == nil && l.lost:
		l.lost = false
		l.log.Info("the log is reached again", "store", l.location)
	case err != nil:
		if !l.lost && !l.closed {
			l.lost = true
			l.log.Warn("the log can't be reached", "store", l.location, "error", err)
		}
		if errors.Is(err, errTooOld) { // its client is a good one
			a.client.close()
		} else {
			close(a.client.gone)
		}
		if l.client == a.client {
			l.client = nil
		}
	}
	close(a.done)
}

// reached says whether a server answered when one was last asked.
func (l *link) reached() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.lost
}

// oldest is the first release whose batch append and server features are as this store uses them. KurrentDB's go on from there: 25.0.
var oldest = esdb.ServerVersion{Major: 22, Minor: 6}

// newEnough says why a server can't be used. One that is older than 21.10 does not say its version.
func newEnough(v *esdb.ServerVersion) error {
	said := fmt.Sprintf("it is version %d.%d.%d", v.Major, v.Minor, v.Patch)
	if *v == (esdb.ServerVersion{}) {
		said = "it does not say its version"
	} else if v.Major > oldest.Major || v.Major == oldest.Major && v.Minor >= oldest.Minor {
		return nil
	}
	return fmt.Errorf("%w: %s; upgrade it to EventStoreDB %d.%d or later, or KurrentDB", errTooOld, said, oldest.Major, oldest.Minor)
}

// call makes one call to the server's leader.
func call[T any](ctx context.Context, l *link, do func(context.Context, *esdb.Client) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	c, err := l.acquire(ctx)
	if err != nil {
		return none, err
	}
	done := make(chan result, 1)
	go func() {
		defer c.calls.Done()
		value, err := do(atLeader(ctx), c.Client)
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		if status.Code(r.err) == codes.Unavailable {
			l.leave(c)
		}
		return r.value, r.err
	case <-c.gone:
		return none, errGone
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// atLeader lets a call be answered by the leader alone: another node says where it is, and the library goes there. The library's
// own option for this does not reach the server.
func atLeader(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "requires-leader", "true")
}

// leave lets the next call go through a new client. The library would go on with a connection that fails: it looks for another node
// when an append fails, not when a read can't begin.
func (l *link) leave(c *client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == c {
		l.client = nil
		c.close()
	}
}

// close ends the connection when the calls that are under way have ended.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.client != nil {
		l.client.close()
		l.client = nil
	}
}

// close ends a client that nobody gets any more, when its calls have ended.
func (c *client) close() {
	go func() {
		c.calls.Wait()
		select {
		case <-c.gone: // there is nobody in it who could close
		default:
			_ = c.Close() // it never fails
		}
	}()
}

// is says whether an error is the server's, or the library's, of a code.
func is(err error, code esdb.ErrorCode) bool {
	var e *esdb.Error
	return errors.As(err, &e) && e.Code() == code
}

// open says that an error leaves it open whether an event stands, and that asking again may help.
func open(err error) bool {
	var conflict *eventstore.ConflictError
	if err == nil || errors.As(err, &conflict) {
		return false
	}
	for _, final := range []error{errClosed, errTooOld, errForeign, eventstore.ErrGap, eventstore.ErrTooLarge, eventstore.ErrOrder} {
		if errors.Is(err, final) {
			return false
		}
	}
	for _, final := range []esdb.ErrorCode{
		esdb.ErrorCodeWrongExpectedVersion, esdb.ErrorCodeStreamDeleted, esdb.ErrorCodeUnauthenticated, esdb.ErrorCodeAccessDenied,
		esdb.ErrorCodeUnsupportedFeature,
	} {
		if is(err, final) {
			return false
		}
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented:
		return false
	}
	return true
}

// explain makes an error one of those that a store answers with. ctx is the caller's own.
func explain(ctx context.Context, err error) error {
	var conflict *eventstore.ConflictError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &conflict),
		errors.Is(err, eventstore.ErrUnavailable), errors.Is(err, eventstore.ErrGap), errors.Is(err, eventstore.ErrTooLarge),
		errors.Is(err, eventstore.ErrOrder), errors.Is(err, errForeign):
		return err
	case is(err, esdb.ErrorCodeUnauthenticated), status.Code(err) == codes.Unauthenticated:
		return fmt.Errorf("%w: the server does not know the user or the password: %w", eventstore.ErrUnavailable, err)
	case is(err, esdb.ErrorCodeAccessDenied), status.Code(err) == codes.PermissionDenied:
		return fmt.Errorf("%w: the user may not do this; it must be allowed to read $all, and to read and write the ledger's streams: %w",
			eventstore.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", eventstore.ErrUnavailable, err)
}

// pause waits before a repetition: 2 ms, doubling to 250 ms.
func pause(ctx context.Context, attempt int) error {
	t := time.NewTimer(min(2*time.Millisecond<<min(attempt, 7), 250*time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// patiently repeats a question until it is answered, refused, or the time is over; then it returns why there was no answer.
func patiently[T any](ctx context.Context, question func(context.Context) (T, error)) (T, error) {
	var said error // by the server, or by the network: it tells more than that the time is over
	for attempt := 0; ; attempt++ {
		limited, cancel := context.WithTimeout(ctx, askPatience)
		value, err := question(limited)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			err = cmp.Or(said, err)
		} else {
			said = err
		}
		if !open(err) || pause(ctx, attempt) != nil {
			return value, err
		}
	}
}
