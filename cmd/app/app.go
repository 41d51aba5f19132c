// Package app wires the ledger together: it is the only place that knows all packages. New opens what a Config asks for, Run
// serves until its context ends and then stops cleanly: no request cut, nothing acknowledged lost.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/commands/access/signin"
	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/commands/lease"
	"github.com/orderledger/orderledger/commands/manufacturer"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/tabs"
)

// stopTimeout bounds how long requests that are under way may take when the program stops.
const stopTimeout = 20 * time.Second

// Hooks replace parts in tests: each gets the real part and returns what is used in its place. Nil leaves it.
type Hooks struct {
	Log      func(eventstore.Store) eventstore.Store
	Payments func(commands.Payments) commands.Payments
	Now      func() time.Time
	// Stripe carries the requests to Stripe in the network's place.
	Stripe http.RoundTripper
	// Sandbox are options for the ledger's own sandbox.
	Sandbox []stripesim.Option
}

// App is one running ledger.
type App struct {
	config    Config
	log       *slog.Logger
	store     eventstore.Store
	codec     eventstore.Codec
	now       func() time.Time
	handler   *commands.Handler
	placer    *commands.Placer
	stripe    stripeLink
	tokens    *access.Tokens
	model     *tabs.DB
	reader    projections.Reader // of the model, for those who ask from outside
	projector *projections.Projector
	saga      *saga.Saga
	webhooks  webhookLink
	jobs      jobLink
	telling   telling
	nats      natsLink
	lease     *lease.Lease
	room      room
	live      *dashboard.Live
	sessions  *signin.Sessions
	watch     *commandapi.Watch
	listener  net.Listener
	server    *http.Server
	serving   chan struct{}
	fatal     chan error
	closers   []func()

	// What goes on beside the requests: it ends when background does, and parts waits for it.
	background     context.Context
	stopBackground context.CancelFunc
	parts          sync.WaitGroup
}

// New opens the log, the read model and the payments, and binds the address. Nothing is served before Run. The error says
// what to do; what was opened is closed again.
func New(ctx context.Context, c Config, out io.Writer, hooks Hooks) (_ *App, err error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := c.refuseStrangers(); err != nil {
		return nil, err
	}
	a := &App{
		config: c, log: NewLogger(c, out), now: time.Now, watch: commandapi.NewWatch(), serving: make(chan struct{}), fatal: make(chan error, 1),
	}
	a.background, a.stopBackground = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if hooks.Now != nil {
		a.now = hooks.Now
	}
	if err := a.openData(); err != nil {
		return nil, err
	}
	if err := canListen(ctx, c.Listen); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(c.Data, "saga"), 0o700); err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	if err := a.openLog(ctx, hooks); err != nil {
		return nil, err
	}
	a.openRoom()
	payments, err := a.openPayments(ctx, hooks)
	if err != nil {
		return nil, err
	}
	if err := a.openReadModel(); err != nil {
		return nil, err
	}
	a.handler = commands.NewHandler(a.store, a.codec, a.now)
	a.placer = &commands.Placer{
		Handler: a.handler, Payments: payments, Authorize: c.Stripe != "live",
		Calendars: c.Manufacturers.Calendars(), Calendar: c.Manufacturers.Of(manufacturer.Default).Calendar,
	}
	a.tokens = access.New(a.store, a.codec, a.now)
	a.tokens.AfterRevocation(a.watch.Look)
	a.nats.doorkeeper.Store(a.tokens)
	if err := a.openWebhooks(); err != nil {
		return nil, err
	}
	a.saga, err = saga.New(saga.Config{
		Log: a.store, Codec: a.codec, Handler: a.handler, Payments: payments, Lists: a.stripe.client, Now: a.now, Logger: a.log,
		SnapshotPath: a.snapshotPath(), ReconcileFirst: c.ReconcileFirst, Turn: a.lease,
	})
	if err != nil {
		return nil, err
	}
	if err := a.openNotify(); err != nil {
		return nil, err
	}
	if err := a.openJobs(); err != nil {
		return nil, err
	}
	a.listener, err = net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	a.onClose(func() { _ = a.listener.Close() }) // closed before, where the server ran
	a.server = a.newServer()
	if err := a.openNATS(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *App) openLog(ctx context.Context, hooks Hooks) error {
	store, err := openLog(ctx, a.config, a.log, func(err error) {
		select {
		case a.fatal <- err:
		default:
		}
	}, door{a.admit, a.stays})
	if err != nil {
		return err
	}
	a.nats.store, _ = store.(*natsstore.Store)
	a.onClose(func() { closeLogged(a.log, "log", store.Close) })
	a.store = store
	if hooks.Log != nil {
		a.store = hooks.Log(store)
	}
	return a.openLease(ctx, store)
}

func (a *App) openReadModel() error {
	dir := filepath.Join(a.config.Data, "projections")
	if a.config.Store == "memory" { // a read model of a log that is gone with the process
		temp, err := os.MkdirTemp("", "orderledger-projections-")
		if err != nil {
			return err
		}
		a.onClose(func() { closeLogged(a.log, "temporary read models", func() error { return os.RemoveAll(temp) }) })
		dir = temp
	}
	model, err := tabs.Open(dir, tabs.Options{Codec: a.codec, Now: a.now, Logger: a.log})
	if err != nil {
		return fmt.Errorf("read model: %w", err)
	}
	a.onClose(func() { closeLogged(a.log, "read model", model.Close) })
	a.model, a.reader = model, projections.Fairly(model)
	a.projector = projections.NewProjector("tabs", a.store, model)
	return nil
}

func (a *App) snapshotPath() string {
	if a.config.Store == "memory" {
		return ""
	}
	return filepath.Join(a.config.Data, "saga", "snapshot.json")
}

// URL is where the ledger answers, such as http://127.0.0.1:8080. Where it listens on all addresses, this machine's own name
// for itself stands for them.
func (a *App) URL() string {
	address := a.listener.Addr().String()
	if host, port, err := net.SplitHostPort(address); err == nil && net.ParseIP(host).IsUnspecified() {
		address = net.JoinHostPort("localhost", port)
	}
	return "http://" + address
}

// Serving is closed when Run has found that it may listen, and answers.
func (a *App) Serving() <-chan struct{} { return a.serving }

// WaitFor returns when the tabs show all events up to a position.
func (a *App) WaitFor(ctx context.Context, position eventstore.Position) error {
	return a.projector.WaitFor(ctx, position)
}

// Run serves until ctx ends or a part can't go on. Then no new requests are taken, those under way are answered, the saga and
// the projector stop, and everything is closed. The error is nil after a clean stop.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	defer a.parts.Wait()
	defer a.stopBackground()
	a.parts.Go(func() { a.part(a.background, "projections", a.projector.Run) })
	if err := a.mayListen(ctx); err != nil { // before anything is written, or another process kept from acting
		return err
	}
	if err := a.beginNotify(ctx); err != nil {
		return err
	}
	defer a.beginLease(ctx)()
	a.parts.Go(func() { a.part(a.background, "live pages", a.live.Run) })
	a.act("saga", a.saga.Run)
	a.act("notify", a.telling.runner.Run)
	a.act("webhooks", a.webhooks.runner.Run)
	a.parts.Go(func() { a.part(a.background, "jobs", a.jobs.runner.Run) })
	a.parts.Go(func() { a.watchStripe(a.background) })
	if a.nats.publisher != nil {
		a.act("public events", func(ctx context.Context) error { return follow.InTurn(ctx, a.lease, a.nats.publisher.Run) })
	}
	if a.stripe.sandbox != nil {
		a.parts.Go(func() { a.part(a.background, "webhooks of the sandbox", a.deliver) })
	}
	serving := make(chan error, 1)
	served := false
	err := a.startNATS()
	if err == nil {
		served = true
		go func() { serving <- a.server.Serve(boundedBy(a.listener, maxConnections)) }()
		close(a.serving)
		a.log.Info("the ledger is open", "url", a.URL(), "store", PublicStore(a.config.Store), "durability", a.config.Durability, "stripe", a.config.Stripe)
		select {
		case <-ctx.Done():
		case err = <-a.fatal:
			err = fmt.Errorf("the log can't promise durability any more: %w", err)
		case err = <-serving:
			serving <- err
		}
	}
	if served {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		onNATS := make(chan error, 1)
		go func() { onNATS <- a.stopNATS(stop) }()
		if e := a.server.Shutdown(stop); e != nil {
			err = errors.Join(err, fmt.Errorf("requests were cut: %w", e), a.server.Close())
		}
		err = errors.Join(err, <-onNATS)
		if e := <-serving; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	a.stopBackground()
	a.parts.Wait()
	return err
}

// part runs what follows the log. One that can't go on leaves the program up, and not ready: people can read why, and no event
// was skipped.
func (a *App) part(ctx context.Context, name string, run func(context.Context) error) {
	if err := run(ctx); err != nil && ctx.Err() == nil {
		a.log.Error("stopped; the ledger is not ready", "part", name, "error", err)
	}
}

func (a *App) onClose(f func()) { a.closers = append(a.closers, f) }

func (a *App) close() {
	a.stopBackground()
	for i := len(a.closers) - 1; i >= 0; i-- {
		a.closers[i]()
	}
	a.closers = nil
}

// Close gives back what New opened, when Run was never called.
func (a *App) Close() error {
	a.close()
	return nil
}
