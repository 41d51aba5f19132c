package app

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/orderledger/orderledger/commands/access/signin"
	"github.com/orderledger/orderledger/commands/manufacturer"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/esdbstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore"
)

// Config says how a ledger runs: the flags of `serve`, by their names.
type Config struct {
	Data        string // folder of the embedded log, the read models and the sandbox
	Store       string // "nats" (embedded), nats://HOST[:PORT][,…], esdb://HOST:PORT (or esdb+discover://), or "memory"
	Ledger      string // the log's name
	Listen      string // HOST:PORT of the HTTP server
	Durability  string // "group" or "strict"; embedded store only
	NATSListen  string // HOST:PORT where NATS clients may connect to the embedded server; empty: nowhere
	ESDBCreds   string // file that holds user and password for EventStoreDB, in two lines; empty: those of Store
	Replicas    int    // of the log in an external NATS cluster; 0: as many as it has, one when it is made
	Stripe      string // "sandbox", "test" or "live"
	StripeKey   string // file that holds Stripe's secret or restricted key
	SandboxURL  string // a sandbox that is served elsewhere; empty: one of our own
	Existing    bool   // an external log that is not there is not made; for tools
	NoAnonymous bool   // requires a token of everybody, on loopback too
	RateLimit   float64
	LogLevel    string // debug, info, warn, error
	LogFormat   string // text, json

	NATS NATS // as whom to connect to an external NATS, and whom to trust

	// StripeWebhookSecret is a file that holds what Stripe signs its webhooks with: the current secret and, in a second line,
	// the one before it. Empty: no webhooks are taken, but the sandbox's own.
	StripeWebhookSecret string
	// ReconcileFirst compares everything with Stripe before anything is asked of it: after a restore.
	ReconcileFirst bool
	// WebhookAllowPrivate lets webhooks go out to this machine and to private networks, and by http.
	WebhookAllowPrivate bool
	// WebhookKey is the file of the key that webhooks' signing secrets are derived from; empty: webhooks/key in Data.
	WebhookKey string
	// Manufacturers are those that the ledger knows; the others are its default's.
	Manufacturers manufacturer.Book `json:"-"` // made of a file, not of flags: see manufacturer.Parse

	// NATSRoles are the roles of other accounts' clients in an external NATS, by the account's name. Those of others need a token.
	NATSRoles map[string]domain.Role
	// PublicEvents publishes CloudEvents where NATS clients can come: in an external NATS, and with NATSListen.
	PublicEvents bool
	// PublicCustomerData publishes customers, addresses, note texts and card digits, too.
	PublicCustomerData bool

	Mail Mail
	OIDC OIDC
	// SessionLife is how long somebody who signed in with a browser stays so.
	SessionLife time.Duration
	Slip        Slip
}

// NATS says as whom to connect to an external NATS, and whom to trust.
type NATS = natsstore.Security

// Default is what `serve` does without options.
func Default() Config {
	return Config{
		Data: "orderledger-data", Store: "nats", Ledger: "orderledger", Listen: "127.0.0.1:8080",
		Durability: string(eventstore.Group), Stripe: "sandbox", RateLimit: 10_000,
		LogLevel: "info", LogFormat: "text", PublicEvents: true, Mail: defaultMail(), OIDC: OIDC{RoleClaim: "groups"},
		SessionLife: signin.DefaultLife, Slip: Slip{Prices: true},
	}
}

// NATSRolesKey is the key of NATSRoles in the configuration's file.
const NATSRolesKey = "nats-roles"

var ledgerName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Validate says all that is wrong, with what to do.
func (c Config) Validate() error {
	var errs []error
	oneOf := func(flag, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		errs = append(errs, fmt.Errorf("--%s %q: use one of %s", flag, value, strings.Join(allowed, ", ")))
	}
	if c.Data == "" {
		errs = append(errs, errors.New("--data: name a folder"))
	}
	switch {
	case esdbstore.Is(c.Store):
		if err := esdbstore.CheckURL(c.Store); err != nil {
			errs = append(errs, fmt.Errorf("--store: %w", err))
		}
	case c.Store != "nats" && c.Store != "memory" && !external(c.Store):
		errs = append(errs, fmt.Errorf("--store %q: use nats (embedded), nats://HOST:PORT, esdb://HOST:PORT or memory", PublicStore(c.Store)))
	}
	if c.ESDBCreds != "" && !esdbstore.Is(c.Store) {
		errs = append(errs, errors.New("--esdb-credentials-file: only for --store esdb://…"))
	}
	if !ledgerName.MatchString(c.Ledger) {
		errs = append(errs, fmt.Errorf("--ledger %q: use 1 to 64 letters, digits, dashes and underscores", c.Ledger))
	}
	if !hostPort(c.Listen) {
		errs = append(errs, fmt.Errorf("--listen %q: use HOST:PORT", c.Listen))
	}
	if c.NATSListen != "" && c.Store != "nats" {
		errs = append(errs, errors.New("--nats-listen: only the embedded store (--store nats) can let NATS clients in"))
	}
	if c.NATSListen != "" && !hostPort(c.NATSListen) {
		errs = append(errs, fmt.Errorf("--nats-listen %q: use HOST:PORT", c.NATSListen))
	}
	if len(c.NATSRoles) > 0 && !external(c.Store) {
		errs = append(errs, fmt.Errorf("%s: only an external NATS (--store nats://HOST:PORT) has accounts", NATSRolesKey))
	}
	for account, role := range c.NATSRoles {
		switch {
		case account == "":
			errs = append(errs, fmt.Errorf("%s: name accounts and their roles, such as {CLERKS: clerk}", NATSRolesKey))
		case !slices.Contains(domain.TokenRoles, role):
			errs = append(errs, fmt.Errorf("%s.%s: %q is no role; use viewer, clerk, manager, auditor, store or admin", NATSRolesKey, account, role))
		}
	}
	if c.Durability == string(eventstore.Strict) && c.Store != "nats" {
		errs = append(errs, fmt.Errorf("--durability strict: only the embedded store (--store nats) knows it; what %s keeps is as durable as that store is set up to be", PublicStore(c.Store)))
	}
	errs = append(errs, c.validateNATS()...)
	oneOf("durability", c.Durability, string(eventstore.Group), string(eventstore.Strict))
	oneOf("stripe", c.Stripe, "sandbox", "test", "live")
	oneOf("log-level", c.LogLevel, "debug", "info", "warn", "error")
	oneOf("log-format", c.LogFormat, "text", "json")
	if c.Stripe != "sandbox" && c.StripeKey == "" {
		errs = append(errs, fmt.Errorf("--stripe %s: name the file that holds the key with --stripe-key-file", c.Stripe))
	}
	if c.Stripe != "sandbox" && c.SandboxURL != "" {
		errs = append(errs, fmt.Errorf("--sandbox-url: only for --stripe sandbox, not %s", c.Stripe))
	}
	if c.Stripe == "sandbox" && c.StripeKey != "" {
		errs = append(errs, errors.New("--stripe-key-file: the sandbox needs no key; say --stripe test or --stripe live"))
	}
	if !external(c.Store) {
		for _, name := range c.Manufacturers.WithoutNATS() {
			errs = append(errs, fmt.Errorf("%s.%s: name the server with nats-url; the log's own (--store %s) is no external NATS", manufacturer.Key, name, PublicStore(c.Store)))
		}
	}
	errs = append(errs, checkRate("rate-limit", c.RateLimit))
	if c.SessionLife < time.Minute || c.SessionLife > 30*24*time.Hour {
		errs = append(errs, fmt.Errorf("--session-life %s: use one minute to 720h", c.SessionLife))
	}
	return errors.Join(append(errs, c.Mail.validate(), c.OIDC.validate())...)
}

// maxRate bounds what is a rate: above it there is none.
const maxRate = 1e6

func checkRate(flag string, rate float64) error {
	if rate > 0 && rate <= maxRate { // NaN is neither
		return nil
	}
	return fmt.Errorf("--%s %v: use a number above 0, at most %.0f", flag, rate, maxRate)
}

// validateNATS looks at what says how to reach an external NATS, and what to keep there.
func (c Config) validateNATS() (errs []error) {
	if !slices.Contains([]int{0, 1, 3, 5}, c.Replicas) {
		errs = append(errs, fmt.Errorf("--replicas %d: use 1, 3 or 5", c.Replicas))
	}
	if c.PublicCustomerData && (!c.PublicEvents || (!external(c.Store) && c.NATSListen == "")) {
		errs = append(errs, errors.New("--public-customer-data: events are published only with --public-events, and only in an external NATS or with --nats-listen"))
	}
	if !external(c.Store) {
		if c.Replicas != 0 {
			errs = append(errs, fmt.Errorf("--replicas %d: only an external NATS (--store nats://HOST:PORT) has replicas that the ledger chooses", c.Replicas))
		}
		if c.NATS != (NATS{}) {
			errs = append(errs, errors.New("--nats-…-file: only an external NATS (--store nats://HOST:PORT) needs it"))
		}
		return errs
	}
	if _, _, err := natsstore.ServerURLs(c.Store); err != nil {
		errs = append(errs, fmt.Errorf("--store: %w", err))
	}
	return errs
}

// StoreLocation is what the store's Status will say of where the log is.
func (c Config) StoreLocation() (string, error) {
	switch {
	case c.Store == "nats":
		return filepath.Abs(filepath.Join(c.Data, "log"))
	case external(c.Store):
		_, location, err := natsstore.ServerURLs(c.Store)
		return location, err
	}
	return PublicStore(c.Store), nil
}

// IsNATS says whether a store is a NATS server, or cluster, of its own.
func IsNATS(store string) bool { return external(store) }

func external(store string) bool {
	return strings.HasPrefix(store, "nats://") || strings.HasPrefix(store, "tls://")
}

// PublicStore is a store's URL as people may see it: without credentials and settings.
func PublicStore(store string) string {
	scheme, rest, ok := strings.Cut(store, "://")
	if !ok {
		return store
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + "://" + rest
}

// hostPort says whether an address can be listened on, as far as its form tells.
func hostPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

// Public says whether others than this machine can reach the address.
func (c Config) Public() bool { return !loopback(c.Listen) }

// loopback says whether an address can be reached from this machine alone.
func loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
