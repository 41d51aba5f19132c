package natsstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// ExternalConfig says how to reach a log in a NATS server, or cluster, of its own. URL and Ledger are required. The server
// must be 2.12 or later with JetStream. What an acknowledgement is worth is what it is configured for: sync_interval: always,
// and Replicas 3, lose nothing with the power.
type ExternalConfig struct {
	// URL is nats://host:port or tls://host:port. Several servers of one cluster are separated by commas; scheme, user and
	// password may be given once, with the first, and the port is 4222 where none is given.
	URL string
	// Ledger names the log: 1 to 128 letters, digits, dashes and underscores.
	Ledger string
	// Categories of streams that the log keeps; DefaultCategories when empty. A log that was made with
	// fewer of them is widened when it is opened; none can be taken away.
	Categories []string
	// Replicas of the log, at most 5. Zero takes what the log has; a new one has one then.
	Replicas int
	// Existing refuses to make the log when there is none.
	Existing bool
	Security
	// Logger takes what the connection says; slog.Default when nil.
	Logger *slog.Logger

	options []nats.Option // for tests
}

// Security says as whom to connect, and whom to trust.
type Security struct {
	// CredentialsFile holds a user's JWT and key, NKeyFile the seed of a key. At most one is set.
	CredentialsFile, NKeyFile string
	// CAFile holds the certificates to trust in the place of the system's; CertFile and KeyFile the client's own.
	CAFile, CertFile, KeyFile string
}

// Connect opens the log of a ledger in an external server, and makes it when there is none. Errors: eventstore.ErrUnavailable
// when the server can't be reached, eventstore.ErrGap when the log has lost events, others when the stream there is not as a
// ledger's must be, each difference named.
func Connect(ctx context.Context, c ExternalConfig) (*Store, error) {
	if c.URL == "" {
		return nil, errors.New("the external store needs a URL")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Replicas < 0 || c.Replicas > 5 {
		return nil, fmt.Errorf("%d replicas: 1, 3 or 5 are useful", c.Replicas)
	}
	l, err := newLayout(c.Ledger, c.Categories)
	if err != nil {
		return nil, err
	}
	options, err := c.Security.Options()
	if err != nil {
		return nil, err
	}
	options = append(options,
		nats.ReconnectWait(reconnectWait), nats.Timeout(dialPatience), nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(1))
	options = append(options, c.options...)
	servers, location, err := ServerURLs(c.URL)
	if err != nil {
		return nil, err
	}
	s, err := newStore(ctx, setup{
		layout: l, replicas: c.Replicas, existing: c.Existing, external: true, log: c.Logger, url: servers, options: options,
		about: eventstore.Status{Backend: "nats", Location: location, Ledger: c.Ledger, Durability: eventstore.Server},
	})
	if err != nil {
		return nil, err
	}
	s.about.Note = fmt.Sprintf("on disk in %d of %d servers when their sync_interval is always; with another, in their memory",
		s.Replicas()/2+1, s.Replicas())
	if limit := s.nc.MaxPayload(); limit < maxPayload {
		c.Logger.Warn("the NATS server's max_payload is too small for the largest events, which are refused", "bytes", limit, "should_be", maxPayload)
	}
	return s, nil
}

// How soon a server that does not answer is taken for lost. It may be stopped or cut off while its address still answers.
const (
	pingInterval  = time.Second // it is lost when two in a row are not answered
	dialPatience  = 2 * time.Second
	reconnectWait = 250 * time.Millisecond
)

// Options are the client library's for it. An error names the file that is of no use.
func (s Security) Options() ([]nats.Option, error) {
	var options []nats.Option
	switch {
	case s.CredentialsFile != "" && s.NKeyFile != "":
		return nil, errors.New("give a credentials file or an nkey file, not both")
	case s.CredentialsFile != "":
		if _, err := os.ReadFile(s.CredentialsFile); err != nil {
			return nil, fmt.Errorf("the credentials file: %w", err)
		}
		options = append(options, nats.UserCredentials(s.CredentialsFile))
	case s.NKeyFile != "":
		option, err := nats.NkeyOptionFromSeed(s.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("the nkey file: %w", err)
		}
		options = append(options, option)
	}
	if s.CAFile != "" {
		options = append(options, nats.RootCAs(s.CAFile))
	}
	if (s.CertFile == "") != (s.KeyFile == "") {
		return nil, errors.New("a client certificate needs both its file and its key's")
	}
	if s.CertFile != "" {
		options = append(options, nats.ClientCert(s.CertFile, s.KeyFile))
	}
	return options, nil
}

// ServerURLs reads a list of servers. It returns the list as the client library wants it, and as people may see it.
func ServerURLs(list string) (all, shown string, err error) {
	var urls, public []string
	var scheme string
	var user *url.Userinfo
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if scheme != "" && !strings.Contains(item, "://") {
			item = scheme + "://" + item
		}
		u, err := url.Parse(item)
		if err != nil || u.Hostname() == "" || (u.Scheme != "nats" && u.Scheme != "tls") || strings.Trim(u.Path, "/") != "" {
			return "", "", errors.New("the NATS servers are not written as nats://HOST:PORT,HOST:PORT or tls://…") // they may hold a password
		}
		if u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), "4222")
		}
		if scheme == "" {
			scheme, user = u.Scheme, u.User
		}
		if u.Scheme != scheme {
			return "", "", errors.New("the NATS servers must all be nats:// or all be tls://")
		}
		if u.User == nil {
			u.User = user
		}
		urls = append(urls, u.String())
		u.User = nil
		public = append(public, u.String())
	}
	return strings.Join(urls, ","), strings.Join(public, ","), nil
}
