package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/danielgtaylor/huma/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/natsapi"
	"github.com/orderledger/orderledger/commands/outevents"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore"
)

// natsLink is how NATS clients and the ledger hang together. All is nil where none can come: with a store in memory, and with an
// embedded one without --nats-listen.
type natsLink struct {
	store     *natsstore.Store // of the log, where it is one
	conn      *nats.Conn
	api       *huma.OpenAPI
	handler   http.Handler // what api describes
	service   *natsapi.Service
	publisher *outevents.Publisher

	doorkeeper atomic.Pointer[access.Tokens] // nil until the log is open: nobody is let in before
	look       chan struct{}                 // who stays
}

// door says who may connect to the embedded server, and who may stay.
type door struct {
	admit func(ctx context.Context, from net.Addr, secret string) (natsstore.Guest, error)
	stays func(ctx context.Context, account string) bool
	look  <-chan struct{} // asks to look at once who stays
}

// The accounts of guests of the embedded server: one for this machine's users, and one for each token.
const (
	localGuest  = "local"
	tokenGuests = "token-"
)

// admit lets in whom HTTP lets in: the holder of a token and, on loopback, this machine's users.
func (a *App) admit(ctx context.Context, from net.Addr, secret string) (natsstore.Guest, error) {
	if secret == "" {
		if from == nil || !a.knowsLocal() || !loopback(from.String()) {
			return natsstore.Guest{}, access.ErrUnauthenticated
		}
		return natsstore.Guest{Account: localGuest, Reads: true}, nil
	}
	tokens := a.nats.doorkeeper.Load()
	if tokens == nil {
		return natsstore.Guest{}, access.ErrUnauthenticated
	}
	actor, err := tokens.Authenticate(ctx, secret)
	if err != nil {
		return natsstore.Guest{}, err
	}
	return natsstore.Guest{Account: tokenGuests + access.IDOf(secret), Reads: actor.Role.May(domain.PermRead)}, nil
}

// stays says whether who was let in still is: a token may be revoked meanwhile.
func (a *App) stays(ctx context.Context, account string) bool {
	id, ok := strings.CutPrefix(account, tokenGuests)
	tokens := a.nats.doorkeeper.Load()
	if !ok || tokens == nil {
		return true
	}
	_, err := tokens.Holder(ctx, id)
	return !errors.Is(err, access.ErrUnauthenticated)
}

// lookAtAll shows out, on HTTP and on NATS, whose token was revoked just now.
func (a *App) lookAtAll() {
	a.watch.Look()
	select {
	case a.nats.look <- struct{}{}:
	default: // they are about to be looked at
	}
}

// knowsLocal says whether the embedded server lets this machine's users in without a token.
func (a *App) knowsLocal() bool { return !a.config.NoAnonymous && loopback(a.config.NATSListen) }

// account is as whom an account's clients act.
func (a *App) account(ctx context.Context, name string) (domain.Actor, error) {
	if external(a.config.Store) {
		role, ok := a.config.NATSRoles[name]
		if !ok {
			return domain.Actor{}, access.ErrUnauthenticated
		}
		return domain.Actor{ID: access.AccountPrefix + name, Role: role}, nil
	}
	if name == localGuest && a.knowsLocal() {
		return domain.Actor{ID: commandapi.Local, Role: domain.Admin}, nil
	}
	if len(name) <= len(tokenGuests) || name[:len(tokenGuests)] != tokenGuests {
		return domain.Actor{}, access.ErrUnauthenticated
	}
	return a.tokens.Holder(ctx, name[len(tokenGuests):])
}

// openNATS connects, where NATS clients can come.
func (a *App) openNATS() error {
	if a.nats.store == nil || (!external(a.config.Store) && a.config.NATSListen == "") {
		return nil
	}
	conn, err := a.nats.store.Dial(nats.Name("orderledger " + a.config.Ledger + " service"))
	if err != nil {
		return err
	}
	a.onClose(conn.Close)
	a.nats.conn = conn
	if version := conn.ConnectedServerVersion(); len(a.config.NATSRoles) > 0 && !saysAccounts(version) {
		return fmt.Errorf("%s: nats-server %s lets clients say that they are of another account (CVE-2026-33223, CVE-2026-33246): "+
			"update all servers to 2.12.6 or later, or take %[1]s away and use tokens", NATSRolesKey, version)
	}
	if !a.config.PublicEvents {
		return nil
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	a.nats.publisher, err = outevents.New(outevents.Config{
		Log: a.store, Codec: a.codec, JetStream: js, Ledger: a.config.Ledger, Stream: natsstore.PublicStream(a.config.Ledger),
		Source: "urn:orderledger:" + a.config.Ledger, Replicas: a.nats.store.Replicas(), CustomerData: a.config.PublicCustomerData, Logger: a.log,
	})
	return err
}

// saysAccounts says whether a server of a version lets nobody forge the account that a request is from.
func saysAccounts(version string) bool {
	v := make([]int, 3)
	_, err := fmt.Sscanf(version, "%d.%d.%d", &v[0], &v[1], &v[2])
	return err == nil && slices.Compare(v, []int{2, 12, 6}) >= 0
}

// startNATS begins to answer requests.
func (a *App) startNATS() (err error) {
	if a.nats.conn == nil {
		return nil
	}
	a.nats.service, err = natsapi.Start(natsapi.Config{
		Conn: a.nats.conn, Ledger: a.config.Ledger, Version: Version, API: a.nats.api, Handler: a.nats.handler,
		Auth: commandapi.Auth{Tokens: a.tokens, Log: a.log}, Account: a.account, Logger: a.log,
	})
	return err
}

func (a *App) stopNATS(ctx context.Context) error {
	if a.nats.service == nil {
		return nil
	}
	return a.nats.service.Stop(ctx)
}

func (l *natsLink) ready() error {
	if l.publisher != nil && l.publisher.Ready() != nil {
		return l.publisher.Ready()
	}
	if l.conn != nil && !l.conn.IsConnected() {
		return errors.New("nats service: not connected")
	}
	return nil
}

func (l *natsLink) remarks() []string {
	if l.publisher == nil {
		return nil
	}
	return l.publisher.Remarks()
}

func (l *natsLink) metrics() []prometheus.Collector {
	counter := func(name, help string, of func() int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "orderledger", Name: name, Help: help}, func() float64 { return float64(of()) })
	}
	stats := func() natsapi.Stats {
		if l.service == nil {
			return natsapi.Stats{}
		}
		return l.service.Stats()
	}
	return []prometheus.Collector{
		counter("nats_requests_total", "Requests on NATS that were answered.", func() int64 { return stats().Requests }),
		counter("nats_errors_total", "Requests on NATS that were answered with a problem.", func() int64 { return stats().Errors }),
		counter("nats_refused_total", "Requests on NATS for which there was no room.", func() int64 { return stats().Refused }),
		counter("nats_ignored_total", "Messages on the service's subjects that have no inbox to be answered to.", func() int64 { return stats().Ignored }),
		counter("public_events_total", "Events of orders that were published on NATS.", func() int64 {
			if l.publisher == nil {
				return 0
			}
			return l.publisher.Published()
		}),
	}
}
