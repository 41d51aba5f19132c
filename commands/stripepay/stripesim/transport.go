package stripesim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// errCut is what a client is told of a connection that a fault has cut.
var errCut = errors.New("stripesim: the connection was cut")

// Transport carries requests to the simulator without a network, for simulations of many of them, whatever the URL's host. Like a
// server it goes on with a request when the client has gone, in a goroutine that Close waits for.
func (s *Sim) Transport() http.RoundTripper { return transport{s, s.Handler()} }

type transport struct {
	sim     *Sim
	handler http.Handler
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil { // it must not be read any more when RoundTrip has returned
		var err error
		body, err = io.ReadAll(r.Body)
		if err = errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	served := r.Clone(context.WithoutCancel(r.Context()))
	served.Body, served.GetBody = io.NopCloser(bytes.NewReader(body)), nil
	done := make(chan *recorder, 1)
	if !t.sim.carried.add(func() { done <- t.serve(served) }) {
		return nil, errClosed
	}
	select {
	case w := <-done:
		if w == nil {
			return nil, errCut
		}
		return w.response(r), nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// carried are the requests under way of a simulator's transports.
type carried struct {
	mu   sync.Mutex
	shut bool
	all  sync.WaitGroup
}

// add runs serve in a goroutine, or says false when no more are taken.
func (c *carried) add(serve func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.shut {
		c.all.Go(serve)
	}
	return !c.shut
}

// end takes no more, and waits for those under way.
func (c *carried) end() {
	c.mu.Lock()
	c.shut = true
	c.mu.Unlock()
	c.all.Wait()
}

// serve gives what was answered; nil when the connection was cut.
func (t transport) serve(r *http.Request) (w *recorder) {
	w = &recorder{header: http.Header{}, status: http.StatusOK}
	defer func() {
		if failed := recover(); failed == http.ErrAbortHandler {
			w = nil
		} else if failed != nil {
			panic(failed)
		}
	}()
	t.handler.ServeHTTP(w, r)
	return w
}

// recorder is a ResponseWriter that keeps what is written.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }

func (w *recorder) response(r *http.Request) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1,
		ProtoMinor: 1, Header: w.header, ContentLength: int64(w.body.Len()), Body: io.NopCloser(&w.body), Request: r,
	}
}
