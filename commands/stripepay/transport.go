package stripepay

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// once is a transport that sends every request at most once and reads at most maxBody of an answer.
type once struct{ next http.RoundTripper }

func newTransport(next http.RoundTripper) once {
	if next == nil {
		next = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          64,
			MaxIdleConnsPerHost:   64,
			IdleConnTimeout:       30 * time.Second, // shorter than a server's, so that few connections are found dead
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
		}
	}
	return once{next}
}

// RoundTrip takes away the means by which net/http would send a POST a second time: it does so when a kept connection breaks
// and the request has an Idempotency-Key and a body that can be had again. Reading may be repeated.
func (t once) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && r.GetBody != nil {
		r = r.Clone(r.Context())
		r.GetBody = nil
	}
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = &limited{res.Body, maxBody}
	return res, nil
}

// CloseIdleConnections closes the connections that are kept for later.
func (t once) CloseIdleConnections() {
	if closer, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

var errTooLarge = errors.New("the answer is too large")

// limited is a body that fails when it is longer than left.
type limited struct {
	io.ReadCloser
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.ReadCloser.Read(p)
	l.left -= int64(n)
	return n, err
}

// logged tells of requests that were not answered with success: method, path, status, Stripe's request id, never a body.
type logged struct {
	next http.RoundTripper
	log  *slog.Logger
}

func (t logged) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	res, err := t.next.RoundTrip(r)
	switch {
	case err != nil:
		t.log.WarnContext(r.Context(), "stripe: no answer", "method", r.Method, "path", r.URL.Path, "took", time.Since(began), "error", err)
	case res.StatusCode >= http.StatusBadRequest:
		t.log.InfoContext(r.Context(), "stripe: not a success", "method", r.Method, "path", r.URL.Path, "status", res.StatusCode,
			"request", res.Header.Get("Request-Id"), "took", time.Since(began))
	}
	return res, err
}

// silent is stripe-go's logger: what it would write holds bodies.
type silent struct{}

func (silent) Debugf(string, ...any) {}
func (silent) Infof(string, ...any)  {}
func (silent) Warnf(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
