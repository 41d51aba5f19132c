package sender

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
)

var (
	// ErrAddress means that a URL leads, or its name resolves, to where messages are not sent.
	ErrAddress = errors.New("the address is refused")
	// ErrURL means that a URL can't be that of an endpoint; its text says why.
	ErrURL = errors.New("the URL is not that of an endpoint")
	// ErrUnknownHost means that a URL's name can't be resolved now.
	ErrUnknownHost = errors.New("the name can't be resolved")
	// ErrTooLarge means that a message is larger than MaxBody.
	ErrTooLarge = errors.New("the message is too large")
)

// Limits of a message.
const (
	MaxURL     = 2048
	MaxBody    = 2 << 20 // bytes; larger than any event of the log
	maxAnswer  = 64 << 10
	maxHeaders = 64 << 10
	maxExcerpt = 200 // runes of an answer that are kept
	// maxRetryAfter bounds how long an endpoint may ask to be left alone.
	maxRetryAfter = time.Hour
)

// Config says how messages are sent. The zero Config is ready.
type Config struct {
	// AllowPrivate allows loopback and private addresses, and http. Link-local, metadata and reserved addresses stay refused.
	AllowPrivate bool
	Timeout      time.Duration    // of one attempt, the answer included; default 15 s
	Resolver     *net.Resolver    // default net.DefaultResolver
	Now          func() time.Time // default time.Now; the clock of the timestamps
	UserAgent    string           // default orderledger-webhooks
}

// Client sends messages. Safe for many goroutines.
type Client struct {
	config Config
	http   *http.Client
}

// New returns a client.
func New(c Config) *Client {
	c.Timeout = cmp.Or(c.Timeout, 15*time.Second)
	c.Resolver = cmp.Or(c.Resolver, net.DefaultResolver)
	c.UserAgent = cmp.Or(c.UserAgent, "orderledger-webhooks")
	if c.Now == nil {
		c.Now = time.Now
	}
	dialer := &net.Dialer{
		Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Resolver: c.Resolver,
		// The last word, on the very address that is connected to.
		Control: func(network, address string, _ syscall.RawConn) error {
			return permitDial(network, address, c.AllowPrivate)
		},
	}
	return &Client{config: c, http: &http.Client{
		Timeout:       c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, // and no proxy: it would resolve names where nobody looks
			// A connection is not kept for long: an endpoint's name may come to mean another address.
			IdleConnTimeout: 30 * time.Second, MaxIdleConns: 64, MaxIdleConnsPerHost: 2,
			ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: c.Timeout,
			MaxResponseHeaderBytes: maxHeaders, DisableCompression: true, // a small answer must not become a large one
		},
	}}
}

// Close closes the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Check says whether messages can be sent to a URL, as far as that can be known without sending one. Errors: ErrURL, ErrAddress,
// ErrUnknownHost, each with a sentence; the context's.
func (c *Client) Check(ctx context.Context, address string) error {
	u, err := c.parse(address)
	if err != nil {
		return err
	}
	found, err := c.config.Resolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %s", ErrUnknownHost, u.Hostname())
	}
	for _, a := range found {
		if err := permit(a, c.config.AllowPrivate); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > MaxURL || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == unicode.ReplacementChar || unicode.IsControl(r) }):
		return nil, fmt.Errorf("%w: it can't be read", ErrURL)
	case u.Scheme != "https" && (u.Scheme != "http" || !c.config.AllowPrivate):
		return nil, fmt.Errorf("%w: it must begin with https://", ErrURL)
	case u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("%w: it names no host", ErrURL)
	case u.User != nil:
		return nil, fmt.Errorf("%w: it must not hold a password; the signature says who sends", ErrURL)
	case u.Fragment != "":
		return nil, fmt.Errorf("%w: what stands behind # is never sent", ErrURL)
	}
	return u, nil
}

// Message is what is sent. ID names it for ever; 1 to 255 visible characters of ASCII without a full stop.
type Message struct {
	ID          string
	ContentType string
	Body        []byte
}

// Answer is what an endpoint answered.
type Answer struct {
	Status     int
	Excerpt    string        // of the body: its beginning, printable
	RetryAfter time.Duration // that the endpoint asks for; bounded
	Took       time.Duration
}

// OK says whether the endpoint has taken the message: 2xx and nothing else.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status <= 299 }

// Post sends a message once, signed with each of the secrets. An error means that there was no answer, and not that nothing
// arrived: ErrAddress, ErrURL, ErrTooLarge, or what the network says. Its text holds no URL.
func (c *Client) Post(ctx context.Context, address string, m Message, secrets ...Secret) (Answer, error) {
	if len(m.Body) > MaxBody {
		return Answer{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(m.Body))
	}
	if len(secrets) == 0 {
		return Answer{}, errors.New("there is no secret to sign with")
	}
	u, err := c.parse(address)
	if err != nil {
		return Answer{}, err
	}
	began := time.Now()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(m.Body))
	if err != nil {
		return Answer{}, bare(err)
	}
	at := c.config.Now()
	r.Header.Set("Content-Type", m.ContentType)
	r.Header.Set("User-Agent", c.config.UserAgent)
	r.Header.Set(HeaderID, m.ID)
	r.Header.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	r.Header.Set(HeaderSignature, Sign(m.ID, at, m.Body, secrets...))
	res, err := c.http.Do(r)
	if err != nil {
		return Answer{}, bare(err)
	}
	// The status is the answer. What of the body can't be read in time, or is too long, changes nothing.
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	_ = res.Body.Close()
	return Answer{
		Status: res.StatusCode, Excerpt: excerpt(body), RetryAfter: c.retryAfter(res.Header.Get("Retry-After")), Took: time.Since(began),
	}, nil
}

// bare is an error without the URL, which may hold what is nobody's business.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return fmt.Errorf("no answer in time: %w", u.Err)
		}
		return u.Err
	}
	return err
}

func excerpt(body []byte) string {
	text := []rune(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, string(body[:min(len(body), 4*maxExcerpt)])))
	return strings.TrimSpace(string(text[:min(len(text), maxExcerpt)]))
}

func (c *Client) retryAfter(value string) time.Duration {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if t, err := http.ParseTime(value); err == nil {
		return min(max(0, t.Sub(c.config.Now())), maxRetryAfter)
	}
	return 0
}
