package stripesim

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// errCut is what a client is told of a connection that a fault has cut.
var errCut = errors.New("stripesim: the connection was cut")

// Transport carries requests to the simulator without a network, for simulations of many of them. Whatever the URL's host, the
// request is executed in a goroutine that ends when it is answered; a client whose context ends is not waiting any longer, as
// with a network, while the request goes on. A request without a fault that holds it back needs no other goroutine to be answered.
func (s *Sim) Transport() http.RoundTripper { return transport{s.Handler(), s.closed} }

type transport struct {
	handler http.Handler
	closed  <-chan struct{}
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	done := make(chan *recorder, 1)
	// What RoundTrip may not do after it has returned, is to read the request's body.
	body := []byte(nil)
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		if err = errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
	}
	served := r.Clone(r.Context())
	served.Body, served.GetBody = io.NopCloser(bytes.NewReader(body)), nil
	go func() { done <- t.serve(served) }()
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
