package esdbstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// Config says how to reach a log. URL and Ledger are required.
type Config struct {
	// URL is the server's connection string: esdb://HOST:PORT for one node, several with commas between them or esdb+discover:// for
	// a cluster. Its options are the client library's, such as tls=false, tlsCAFile=FILE, userCertFile=FILE; nodePreference is not
	// heeded, since the leader alone is asked.
	URL string
	// Ledger names the log: 1 to 128 letters, digits, dashes and underscores. See the package for what it does.
	Ledger string
	// Categories of streams that the log keeps; eventstore.Categories when empty.
	Categories []string
	// User and Password sign in; empty: those of the URL, if there are any.
	User, Password string
	// Logger takes what the connection says; slog.Default when nil.
	Logger *slog.Logger
}

// CheckURL says what is wrong with a connection string, without saying what it holds.
func CheckURL(connection string) error {
	_, _, err := parse(Config{URL: connection})
	return err
}

// Is says whether a URL is a connection string of this store.
func Is(connection string) bool {
	return strings.HasPrefix(connection, "esdb://") || strings.HasPrefix(connection, "esdb+discover://")
}

// parse returns what the client library makes of a connection string, and the servers that it names.
func parse(c Config) (*esdb.Configuration, string, error) {
	settings, err := esdb.ParseConnectionString(c.URL)
	var malformed *url.Error
	switch {
	case errors.As(err, &malformed): // its text may hold the password
		return nil, "", errors.New("the connection string is not like esdb://HOST:2113; write special characters of a password as %XX, " +
			"or keep the credentials in a file")
	case err != nil:
		return nil, "", fmt.Errorf("the connection string: %w", err)
	}
	if c.User != "" {
		settings.Username, settings.Password = c.User, c.Password
	}
	if err := settings.Validate(); err != nil {
		return nil, "", fmt.Errorf("the connection string: %w", err)
	}
	scheme, _, _ := strings.Cut(c.URL, "://")
	hosts := settings.Address
	if len(settings.GossipSeeds) > 0 {
		var all []string
		for _, seed := range settings.GossipSeeds {
			all = append(all, seed.String())
		}
		hosts = strings.Join(all, ",")
		settings.DnsDiscover = false // which would let the library forget the seeds
	}
	settings.NodePreference = esdb.NodePreferenceLeader
	settings.MaxDiscoverAttempts = 1 // the store's own patience decides how often
	return settings, scheme + "://" + hosts, nil
}

// Connect opens the log of a ledger, and waits a while for a server that is not there yet. Errors: eventstore.ErrUnavailable when
// the server can't be reached, refuses the user, or is older than 22.6.
func Connect(ctx context.Context, c Config) (*Store, error) {
	l, err := newLayout(c.Ledger, c.Categories)
	if err != nil {
		return nil, err
	}
	settings, location, err := parse(c)
	if err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if settings.Username != "" && settings.DisableTLS {
		c.Logger.Warn("user and password are not sent to the log's server: they are sent with TLS alone", "store", location)
	}
	settings.Logger = func(level esdb.LogLevel, format string, args ...any) {
		c.Logger.Debug("esdb: "+fmt.Sprintf(format, args...), "level", level)
	}
	s := &Store{
		layout: l, link: &link{settings: settings, log: c.Logger, location: location}, closing: make(chan struct{}),
		line: newLine(), silence: silence,
		about: eventstore.Status{
			Backend: "eventstoredb", Location: location, Ledger: c.Ledger, Durability: eventstore.Server,
			Note: "an acknowledged event is on most of the cluster's nodes, and on their disks unless the servers' settings say otherwise; " +
				"a batch is not atomic",
		},
	}
	if _, err := s.Head(ctx); err != nil {
		_ = s.Close() // the error says why
		if !s.link.reached() && ctx.Err() == nil && !errors.Is(err, errTooOld) {
			return nil, fmt.Errorf("connect to %s: nothing there answers as EventStoreDB or KurrentDB, after %s: see that it runs, and that "+
				"the connection string says tls=false where it has no TLS: %w", location, patience, err)
		}
		return nil, fmt.Errorf("connect to %s: %w", location, err)
	}
	return s, nil
}
