package natsstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Guest is whom EmbeddedConfig.Admit lets in.
type Guest struct {
	// Account is the name of the guest's NATS account: 1 to 128 letters, digits, dashes and underscores. Guests of one account see
	// each other's messages, others don't. Requests say it, in a header that guests can't forge (see Store.Dial).
	Account string
	// Reads lets the guest see public events. It belongs to the account: the first guest of one decides.
	Reads bool
}

// Limits of guests.
const (
	admitPatience = 1500 * time.Millisecond // the server gives up on a connection after two seconds
	maxVisit      = time.Hour               // then a guest is cut off and, by its client, comes again: who is not let in any more stays out
	round         = 10 * time.Second        // between two looks at who is still welcome
	maxGuests     = 1024                    // connections, our own among them
	maxSubs       = 10_000                  // of a connection
)

// owner is the user of our own connections.
const owner = "orderledger"

// PublicStream is the name of the JetStream stream that keeps a ledger's public events for a while.
func PublicStream(ledger string) string { return ledger + "-public" }

// guests is the door of the embedded server. Its own connections are in the account that holds the log. Everybody else is in an
// account of their own, from which nothing but what is named here leads to the log's: NATS answers wherever a request says, so that
// whoever may ask anything within the log's account could have the answer written into the log.
type guests struct {
	admit  func(ctx context.Context, from net.Addr, secret string) (Guest, error)
	server *server.Server
	layout layout
	secret string // of our own connections
	stays  func(ctx context.Context, account string) bool
	round  time.Duration
	look   <-chan struct{}

	mu    sync.Mutex
	known map[string]*server.Account // that guests have come to
}

func newGuests(c EmbeddedConfig, l layout) *guests {
	g := &guests{
		admit: c.Admit, layout: l, secret: rand.Text(), stays: c.Stays, round: cmp.Or(c.round, round), look: c.Look, known: map[string]*server.Account{},
	}
	if g.stays == nil {
		g.stays = func(context.Context, string) bool { return true }
	}
	return g
}

// listen tells the server where to listen and whom to ask.
func (g *guests) listen(opts *server.Options, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrListen, err)
	}
	if opts.Host = host; host == "" {
		opts.Host = "0.0.0.0"
	}
	if opts.Port, err = strconv.Atoi(port); err != nil {
		return fmt.Errorf("%w: %w", ErrListen, err)
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	if g.admit == nil {
		return fmt.Errorf("%w: nobody says who is let in", ErrListen)
	}
	opts.CustomClientAuthentication = g
	opts.MaxConn, opts.MaxSubs = maxGuests, maxSubs
	return nil
}

// open lets what guests may reach be reached from other accounts.
func (g *guests) open(srv *server.Server) error {
	g.server = srv
	var errs []error
	log := srv.GlobalAccount()
	for _, subject := range g.services(true) {
		answers := server.Singleton
		if strings.HasPrefix(subject, direct) { // of a batch there are several; the server keeps such a request in mind for minutes
			answers = server.Streamed
		}
		errs = append(errs, log.AddServiceExportWithResponse(subject, answers, nil))
	}
	return errors.Join(append(errs, log.AddStreamExport(g.layout.ledger+".public.>", nil))...)
}

// direct is what requests that read messages begin with.
const direct = "$JS.API.DIRECT.GET."

// services are the subjects that guests may send requests to. The stream of public events can only be read message by message: a
// consumer would deliver to whatever subject it is told.
func (g *guests) services(reads bool) []string {
	subjects := []string{g.layout.ledger + ".cmd.*", "$SRV.>"}
	if reads {
		public := PublicStream(g.layout.ledger)
		subjects = append(subjects,
			"$JS.API.STREAM.INFO."+public, "$JS.API.STREAM.MSG.GET."+public, direct+public, direct+public+".>")
	}
	return subjects
}

// Check implements server.Authentication.
func (g *guests) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	if o.Username == owner && subtle.ConstantTimeCompare([]byte(o.Password), []byte(g.secret)) == 1 {
		c.RegisterUser(&server.User{Username: owner, Account: g.server.GlobalAccount()})
		return true
	}
	secret := o.Token
	if secret == "" {
		secret = o.Password
	}
	if c.Kind() != server.CLIENT || (secret == "" && (o.Username != "" || o.Nkey != "" || o.JWT != "")) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), admitPatience)
	defer cancel()
	guest, err := g.admit(ctx, c.RemoteAddress(), secret)
	if err != nil {
		return false
	}
	account, err := g.account(guest)
	if err != nil {
		g.server.Errorf("a guest could not be let in: %v", err)
		return false
	}
	c.RegisterUser(&server.User{
		Username: guest.Account, Account: account, ConnectionDeadline: time.Now().Add(maxVisit),
		Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: g.services(guest.Reads)}},
	})
	return true
}

// account is a guest's account, made when it comes for the first time.
func (g *guests) account(guest Guest) (*server.Account, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := newLayout(guest.Account, nil); err != nil {
		return nil, fmt.Errorf("the account %q: %w", guest.Account, err)
	}
	account, isNew := g.server.LookupOrRegisterAccount(guest.Account)
	g.known[guest.Account] = account
	if !isNew {
		return account, nil
	}
	log := g.server.GlobalAccount()
	var errs []error
	for _, subject := range g.services(guest.Reads) {
		errs = append(errs, account.AddServiceImport(log, subject, subject))
	}
	if guest.Reads {
		errs = append(errs, account.AddStreamImport(log, g.layout.ledger+".public.>", ""))
	}
	return account, errors.Join(errs...)
}

// watch shows out, until the context ends, who is not welcome any more: a guest who asks nothing is not asked who it is, and might
// listen on.
func (g *guests) watch(ctx context.Context) {
	tick := time.NewTicker(g.round)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-g.look:
		}
		g.mu.Lock()
		known := maps.Clone(g.known)
		g.mu.Unlock()
		for name, account := range known {
			if account.NumLocalConnections() > 0 && !g.stays(ctx, name) && ctx.Err() == nil {
				g.showOut(name)
			}
		}
	}
}

func (g *guests) showOut(account string) {
	in, err := g.server.Connz(&server.ConnzOptions{Username: true, Account: account, Limit: maxGuests})
	if err != nil {
		g.server.Errorf("the guests of %s could not be shown out: %v", account, err)
		return
	}
	for _, c := range in.Conns {
		_ = g.server.DisconnectClientByID(c.Cid) // one that has gone by itself is no error
	}
}

// Dial opens another connection to the log's server, in the account that holds the log. It comes back whenever it is lost, keeps
// nothing to send meanwhile, is the caller's to close, and ends with the store. A request that comes in on it from another account has
// a reply subject that begins with "_R_.", which the server refuses from clients, and says its sender's account in the header
// Nats-Request-Info, which the server then sets.
func (s *Store) Dial(options ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(s.url, slices.Concat(s.options, options)...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", s.about.Location, err)
	}
	return nc, nil
}
