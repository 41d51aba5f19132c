package stripepay

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/dispute"
	"github.com/stripe/stripe-go/v76/paymentintent"
	"github.com/stripe/stripe-go/v76/refund"
	"golang.org/x/time/rate"
)

// Mode says whose money it is.
type Mode string

// The modes. Only Live moves money.
const (
	Sandbox Mode = "sandbox" // a simulator at Config.URL, any test key
	Test    Mode = "test"    // Stripe with a test key
	Live    Mode = "live"    // Stripe with a live key
)

// Config says how to reach Stripe.
type Config struct {
	Mode Mode // required
	// Key is the secret or restricted key: sk_test_ or rk_test_ for Sandbox and Test, sk_live_ or rk_live_ for Live.
	Key string
	// URL is where Stripe is; empty for the real one. Required for Sandbox, and without TLS allowed there alone.
	URL string
	// Transport makes the requests; nil for one of its own with sane limits.
	Transport http.RoundTripper
	// Timeout bounds one request; 0 is 30 s.
	Timeout time.Duration
	// MaxCallsPerSecond bounds the requests of this client; 0 is 20, and no bound for Sandbox.
	MaxCallsPerSecond float64
	// Now is the clock by which a client that was refused waits; nil is time.Now.
	Now func() time.Time
	// Rand gives the jitter of those waits, in [0, 1); nil is math/rand's.
	Rand func() float64
	// Logger is told of what goes wrong between here and Stripe, without bodies; nil for none.
	Logger *slog.Logger
}

const (
	defaultTimeout  = 30 * time.Second
	defaultPerSec   = 20
	maxBody         = 4 << 20 // an answer that is larger counts as unreadable
	maxKeyLength    = 255
	maxMetadataSize = 500
)

// Client is commands.Payments and commands.PaymentLists at Stripe. It may be used by many goroutines. When Stripe refuses the
// key or is asked too much, calls fail at once and without being asked, with a *commands.PaymentUnknown that says when to ask again.
type Client struct {
	mode     Mode
	timeout  time.Duration
	limit    *rate.Limiter
	gate     gate
	log      *slog.Logger
	idle     interface{ CloseIdleConnections() }
	backend  stripe.Backend
	key      string
	intents  paymentintent.Client
	refunds  refund.Client
	disputes dispute.Client
}

// New checks the configuration and makes a client; it asks Stripe nothing.
func New(c Config) (*Client, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("stripe: %w", err)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.URL == "" {
		c.URL = stripe.APIURL
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	transport := newTransport(c.Transport)
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		EnableTelemetry:   stripe.Bool(false),
		MaxNetworkRetries: stripe.Int64(0),
		URL:               stripe.String(c.URL),
		LeveledLogger:     silent{},
		HTTPClient: &http.Client{
			Transport:     logged{transport, c.Logger},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
	return &Client{
		mode: c.Mode, timeout: c.Timeout, limit: c.limiter(), gate: gate{now: c.Now, rand: c.Rand, log: c.Logger}, log: c.Logger,
		idle: transport, backend: backend, key: c.Key,
		intents:  paymentintent.Client{B: backend, Key: c.Key},
		refunds:  refund.Client{B: backend, Key: c.Key},
		disputes: dispute.Client{B: backend, Key: c.Key},
	}, nil
}

// Close closes the connections that are kept for later. Calls under way are not cut: end their contexts.
func (c *Client) Close() { c.idle.CloseIdleConnections() }

// Mode says whose money the client moves.
func (c *Client) Mode() Mode { return c.mode }

func (c Config) check() error {
	live := strings.HasPrefix(c.Key, "sk_live_") || strings.HasPrefix(c.Key, "rk_live_")
	test := strings.HasPrefix(c.Key, "sk_test_") || strings.HasPrefix(c.Key, "rk_test_")
	switch c.Mode {
	case Live:
		if !live {
			return errors.New("live mode wants a live key (sk_live_… or rk_live_…)")
		}
	case Test, Sandbox:
		if live {
			return fmt.Errorf("a live key is refused in %s mode: ask for live mode, or give a test key", c.Mode)
		}
		if !test {
			return fmt.Errorf("%s mode wants a test key (sk_test_… or rk_test_…)", c.Mode)
		}
	default:
		return fmt.Errorf("unknown mode %q: sandbox, test or live", c.Mode)
	}
	if c.Timeout < 0 || c.MaxCallsPerSecond < 0 {
		return errors.New("a limit is negative")
	}
	return c.checkURL()
}

func (c Config) checkURL() error {
	if c.URL == "" {
		if c.Mode == Sandbox {
			return errors.New("sandbox mode wants the simulator's URL")
		}
		return nil
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return errors.New("the URL is not an http or https address")
	}
	if u.Scheme == "http" && c.Mode != Sandbox {
		return fmt.Errorf("%s mode wants https", c.Mode)
	}
	return nil
}

func (c Config) limiter() *rate.Limiter {
	perSecond := c.MaxCallsPerSecond
	if perSecond == 0 {
		if c.Mode == Sandbox {
			return rate.NewLimiter(rate.Inf, 0)
		}
		perSecond = defaultPerSec
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(math.Ceil(perSecond))))
}
