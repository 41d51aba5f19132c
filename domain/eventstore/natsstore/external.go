package natsstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// ExternalConfig says how to reach a log in a NATS server, or cluster, of its own. URL and Ledger are required. The server
// must be 2.12 or later with JetStream. What an acknowledgement is worth is what it is configured for: sync_interval: always,
// and Replicas 3, lose nothing with the power.
type ExternalConfig struct {
	// URL is nats://host:port or tls://host:port; several are separated by commas.
	URL string
	// Ledger names the log: 1 to 128 letters, digits, dashes and underscores.
	Ledger string
	// Categories of streams that the log keeps; DefaultCategories when empty. A log that was made with
	// fewer of them is widened when it is opened; none can be taken away.
	Categories []string
	// Replicas of the log: 1 (when zero), 3 or 5.
	Replicas int
	// Existing refuses to make the log when there is none.
	Existing bool
	// CredentialsFile holds a user's JWT and key, NKeyFile the seed of a key. At most one is set.
	CredentialsFile, NKeyFile string
	// CAFile holds the certificates to trust besides the system's; CertFile and KeyFile the client's own.
	CAFile, CertFile, KeyFile string
	// Logger takes what the connection says; slog.Default when nil.
	Logger *slog.Logger

	options []nats.Option // for tests
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
		return nil, fmt.Errorf("%d replicas: 1 to 5 are possible", c.Replicas)
	}
	l, err := newLayout(c.Ledger, c.Categories)
	if err != nil {
		return nil, err
	}
	options, err := c.connection()
	if err != nil {
		return nil, err
	}
	location, err := withoutCredentials(c.URL)
	if err != nil {
		return nil, err
	}
	return newStore(ctx, setup{
		layout: l, replicas: c.Replicas, existing: c.Existing, log: c.Logger, url: c.URL, options: options,
		about: eventstore.Status{
			Backend: "nats", Location: location, Ledger: c.Ledger, Durability: eventstore.Server,
			Note: "an acknowledged event is as durable as the server's sync_interval and the stream's replicas make it",
		},
	})
}

// connection is how to reach the server.
func (c ExternalConfig) connection() ([]nats.Option, error) {
	options := []nats.Option{nats.ReconnectWait(250 * time.Millisecond), nats.Timeout(patience / 2)}
	switch {
	case c.CredentialsFile != "" && c.NKeyFile != "":
		return nil, errors.New("give a credentials file or an nkey file, not both")
	case c.CredentialsFile != "":
		options = append(options, nats.UserCredentials(c.CredentialsFile))
	case c.NKeyFile != "":
		option, err := nats.NkeyOptionFromSeed(c.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("the nkey file: %w", err)
		}
		options = append(options, option)
	}
	if c.CAFile != "" {
		options = append(options, nats.RootCAs(c.CAFile))
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return nil, errors.New("a client certificate needs both its file and its key's")
	}
	if c.CertFile != "" {
		options = append(options, nats.ClientCert(c.CertFile, c.KeyFile))
	}
	return append(options, c.options...), nil
}

// withoutCredentials is a list of URLs as people may see it.
func withoutCredentials(urls string) (string, error) {
	var all []string
	for u := range strings.SplitSeq(urls, ",") {
		parsed, err := url.Parse(strings.TrimSpace(u))
		if err != nil || parsed.Host == "" {
			return "", errors.New("the URL of the NATS server is not like nats://host:port") // it may hold a password
		}
		parsed.User = nil
		all = append(all, parsed.String())
	}
	return strings.Join(all, ","), nil
}
