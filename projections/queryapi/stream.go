package queryapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/share"
	"github.com/orderledger/orderledger/projections"
)

const (
	batchSize    = 256              // events read at once, and so held for one stream
	writeTimeout = 30 * time.Second // for a client to take one batch
)

// stream registers an endpoint whose answer goes on.
func stream[I any](a *api, to huma.API, id, path, summary, contentType string, answer func(context.Context, *I) (*huma.StreamResponse, error)) {
	op := operation(id, path, summary)
	op.Responses = map[string]*huma.Response{"200": {
		Description: summary,
		Content:     map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	register(a, to, op, answer)
}

// open takes a place for a stream that begins after a position; nil is the log's head, which is returned. Release gives it back.
func (a *api) open(ctx context.Context, after *eventstore.Position) (head eventstore.Position, release func(), err error) {
	release, err = a.streams.Take(domain.ActorFrom(ctx).ID)
	switch {
	case errors.Is(err, share.ErrYours):
		return 0, nil, ErrYourStreams
	case err != nil:
		return 0, nil, ErrTooManyStreams
	}
	head, err = a.Log.Head(ctx)
	if err == nil && after != nil && *after > head {
		err = projections.BadQuery("after", "is %d, and the log ends at position %d", *after, head)
	}
	if err != nil {
		release()
	}
	return head, release, err
}

// sink is where a stream's answer goes.
type sink struct {
	http.ResponseWriter
	control *http.ResponseController
}

// send writes and flushes what write writes, in bounded time.
func (s sink) send(write func() error) error {
	deadline := s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if deadline != nil && !errors.Is(deadline, http.ErrNotSupported) {
		return deadline
	}
	if err := write(); err != nil {
		return err
	}
	return s.control.Flush()
}

var errStopping = errors.New("the server is stopping")

// feed is what a stream's answer is made of. next blocks until there is something; send writes it and says whether more may
// come; quiet is called when nothing happened for a heartbeat.
type feed[T any] struct {
	next  func(context.Context) ([]T, error)
	send  func(sink, []T) (more bool, err error)
	quiet func(sink) error
	// whole says that nobody could tell an answer that ends early from a whole one: it is cut when the server stops, too.
	whole bool
}

// run writes an answer until it is whole, the client goes away, or the server stops. When it can't go on, the connection is
// cut: the client must not take what it got for all there is.
func run[T any](a *api, hc huma.Context, f feed[T]) {
	w, ok := hc.BodyWriter().(http.ResponseWriter)
	if !ok {
		panic("queryapi: needs an adapter of net/http")
	}
	ctx, cancel := context.WithCancel(hc.Context())
	batches, failed := make(chan []T), make(chan error, 1)
	var reader sync.WaitGroup
	reader.Go(func() { failed <- read(ctx, f.next, batches) })
	err := pump(ctx, a, sink{w, http.NewResponseController(w)}, f, batches, failed)
	cancel()
	reader.Wait()
	if err != nil && hc.Context().Err() == nil && (f.whole || !errors.Is(err, errStopping)) {
		panic(http.ErrAbortHandler)
	}
}

func read[T any](ctx context.Context, next func(context.Context) ([]T, error), batches chan<- []T) error {
	for {
		batch, err := next(ctx)
		if err != nil {
			return err
		}
		select {
		case batches <- batch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func pump[T any](ctx context.Context, a *api, s sink, f feed[T], batches <-chan []T, failed <-chan error) error {
	heartbeat := time.NewTicker(a.Heartbeat)
	defer heartbeat.Stop()
	if err := s.send(func() error { return nil }); err != nil { // the headers, before the first event
		return err
	}
	for {
		select {
		case batch := <-batches:
			if more, err := f.send(s, batch); err != nil || !more {
				return err
			}
			heartbeat.Reset(a.Heartbeat)
		case <-heartbeat.C:
			if err := f.quiet(s); err != nil {
				return err
			}
		case err := <-failed:
			return err
		case <-a.Done:
			return errStopping
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type eventsInput struct {
	After string `query:"after" maxLength:"20" doc:"Changes after this position; without it, from now on"`
	Last  string `header:"Last-Event-ID" doc:"The position of the last change that was received; beats after"`
}

func (in eventsInput) position() (*eventstore.Position, error) {
	s := in.Last
	if s == "" {
		s = in.After
	}
	if s == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return nil, projections.BadQuery("after", "is %q, which is not a position", s)
	}
	p := eventstore.Position(n)
	return &p, nil
}

// events sends each change when the read model shows it, so that who hears of it and asks sees it. It says that something
// happened to an order, and nothing of whom it concerns.
func (a *api) events(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	if _, err := allow(ctx, domain.PermRead); err != nil {
		return nil, err
	}
	after, err := in.position()
	if err != nil {
		return nil, err
	}
	head, release, err := a.open(ctx, after)
	if err != nil {
		return nil, err
	}
	if after == nil {
		after = &head
	}
	changes := a.Follow(*after)
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer release()
		defer changes.Close()
		hc.SetHeader("Content-Type", "text/event-stream")
		hc.SetHeader("Cache-Control", "no-store")
		hc.SetHeader("X-Accel-Buffering", "no") // proxies must not hold events back
		run(a, hc, feed[projections.Change]{
			next: func(ctx context.Context) ([]projections.Change, error) { return changes.Next(ctx, batchSize) },
			send: sendChanges,
			quiet: func(s sink) error {
				return s.send(func() error { _, err := io.WriteString(s, ": alive\n\n"); return err })
			},
		})
	}}, nil
}

func sendChanges(s sink, changes []projections.Change) (more bool, err error) {
	return true, s.send(func() error {
		for _, c := range changes {
			data, err := json.Marshal(c)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(s, "id: %d\ndata: %s\n\n", c.Position, data); err != nil {
				return err
			}
		}
		return nil
	})
}
