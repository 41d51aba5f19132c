package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

// Config says where the ledger is and who asks. Only Server is required.
type Config struct {
	Server string // such as http://127.0.0.1:8080
	Token  string // olt_…; without one the server answers on loopback alone
	// HTTPClient carries the requests; nil is one of its own. Its Timeout must be zero, since streams go on.
	HTTPClient *http.Client
	// Via says through what the acts come in, for the audit: domain.ViaCLI, or empty for the API.
	Via domain.Via
	// Attempts is how often a request is sent at most: zero is DefaultAttempts, one never retries.
	Attempts int
}

// DefaultAttempts is how often a request is sent at most.
const DefaultAttempts = 6

const (
	firstBackoff   = 100 * time.Millisecond
	maxBackoff     = 5 * time.Second
	maxRetryAfter  = 30 * time.Second // longer ones are cut: the server is asked again
	attemptTimeout = 30 * time.Second // of one attempt, beside what the caller wants to wait
	maxAnswer      = 64 << 20         // bytes of one answer that is not a stream
)

// Client speaks to one ledger. Safe for many goroutines.
type Client struct {
	config Config
	server string
	http   *http.Client
}

// New returns a client. The error says what is wrong with the configuration; nothing is sent.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.Server)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("server %q: want an address such as http://127.0.0.1:8080", c.Server)
	}
	if c.Attempts == 0 {
		c.Attempts = DefaultAttempts
	}
	if c.Attempts < 0 {
		return nil, fmt.Errorf("attempts: %d", c.Attempts)
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{}
	}
	return &Client{config: c, server: strings.TrimRight(c.Server, "/"), http: c.HTTPClient}, nil
}

// Problem is the server's answer to a request that it did not carry out.
type Problem struct {
	Status int                `json:"status"`
	Title  string             `json:"title"`
	Code   string             `json:"code"`        // stable, for programs; empty when the answer was not the ledger's
	Detail string             `json:"detail"`      // what to do, for a person
	Errors []domain.Violation `json:"errors"`      // what is wrong where
	Other  uuid.UUID          `json:"other_order"` // the other order that is in the way, if one is
}

func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%d %s)", p.Detail, p.Status, p.Code)
	for _, v := range p.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", v.Field, v.Message)
	}
	return b.String()
}

// IsCode says whether an error is a Problem with this code.
func IsCode(err error, code string) bool {
	var p *Problem
	return errors.As(err, &p) && p.Code == code
}

// Option says something about one command.
type Option func(*call)

// Key sets the Idempotency-Key. Without it every call is a new request; a program that may be started again keeps its keys,
// so that what it asked before is not done twice.
func Key(key string) Option { return func(c *call) { c.header.Set("Idempotency-Key", key) } }

// IfVersion refuses the command unless the order is at this version still; the problem's code is version_stale. Commands that
// require a version take it as an argument.
func IfVersion(version int) Option {
	return func(c *call) { c.header.Set("If-Match", `"`+strconv.Itoa(version)+`"`) }
}

// Wait waits up to this long, in whole seconds and at most 30 s, for the payment provider's answer.
func Wait(d time.Duration) Option {
	return func(c *call) {
		if n := int(d.Seconds()); n > 0 {
			c.header.Set("Prefer", "wait="+strconv.Itoa(min(n, 30)))
			c.wait = min(d, 30*time.Second)
		}
	}
}

// call is one request, however often it is sent.
type call struct {
	method, path string
	header       http.Header
	body         []byte
	wait         time.Duration
}

func (c *Client) command(path string, body any, opts []Option) (*call, error) {
	b, raw := body.([]byte)
	if !raw {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("request: %w", err)
		}
	}
	r := &call{method: http.MethodPost, path: path, header: http.Header{"Content-Type": {"application/json"}}, body: b}
	for _, o := range opts {
		o(r)
	}
	if r.header.Get("Idempotency-Key") == "" {
		key, err := uuid.NewRandom()
		if err != nil {
			return nil, err
		}
		r.header.Set("Idempotency-Key", key.String())
	}
	return r, nil
}

// send sends a request until it has an answer, and reads that into out, if there is one. The same key goes with every attempt, so that a
// request whose answer was lost is not carried out twice. It returns the answer's headers and status.
func (c *Client) send(ctx context.Context, r *call, out any) (http.Header, int, error) {
	for attempt := 1; ; attempt++ {
		header, status, err := c.once(ctx, r, out)
		after, again := retry(err)
		if err == nil || !again || attempt >= c.config.Attempts || ctx.Err() != nil {
			return header, status, err
		}
		if err := pause(ctx, max(after, backoff(attempt))); err != nil {
			return nil, 0, err
		}
	}
}

func (c *Client) once(ctx context.Context, r *call, out any) (http.Header, int, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout+r.wait)
	defer cancel()
	res, err := c.open(ctx, r)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = res.Body.Close() }() // read to its end, or given up
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, 0, &unanswered{err}
	}
	if out == nil {
		return res.Header, res.StatusCode, nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return nil, 0, fmt.Errorf("%s %s: the answer is not what the ledger answers: %w", r.method, r.path, err)
	}
	return res.Header, res.StatusCode, nil
}

// open sends a request once. An answer other than success is a *Problem.
func (c *Client) open(ctx context.Context, r *call) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.server+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if c.config.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.config.Token)
	}
	if c.config.Via != "" {
		req.Header.Set("Orderledger-Via", string(c.config.Via))
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, &unanswered{err}
	}
	if res.StatusCode < http.StatusBadRequest && res.StatusCode >= http.StatusOK {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }() // a problem is small
	return nil, problemOf(res)
}

func problemOf(res *http.Response) error {
	p := &Problem{}
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || json.Unmarshal(b, p) != nil || p.Code == "" {
		p = &Problem{Detail: "The server answered: " + http.StatusText(res.StatusCode)}
	}
	p.Status, p.Title = res.StatusCode, http.StatusText(res.StatusCode)
	seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return p
	}
	return &delayed{p, min(time.Duration(seconds)*time.Second, maxRetryAfter)}
}

// unanswered is a request that got no answer: it may have been carried out or not.
type unanswered struct{ error }

func (u *unanswered) Unwrap() error { return u.error }

// delayed is a problem of a server that says when to ask again.
type delayed struct {
	*Problem
	after time.Duration
}

func (d *delayed) Unwrap() error { return d.Problem }

// retry says whether a request can be sent again after an error, and how long to wait at least.
func retry(err error) (time.Duration, bool) {
	var lost *unanswered
	var p *Problem
	switch {
	case errors.As(err, &lost):
		return 0, true
	case errors.As(err, &p):
		var d *delayed
		after := time.Duration(0)
		if errors.As(err, &d) {
			after = d.after
		}
		switch p.Status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return after, true
		}
	}
	return 0, false
}

// backoff is a random time up to a bound that doubles with every attempt.
func backoff(attempt int) time.Duration {
	bound := min(firstBackoff<<min(attempt-1, 10), maxBackoff)
	return bound/2 + rand.N(bound/2)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
