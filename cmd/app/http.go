package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/reconcile"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/share"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi"
	"github.com/orderledger/orderledger/projections/tabs"
)

// Version is the program's version, as /openapi.json and `version` say it.
const Version = "0.1.0"

// answerWithin bounds an answer and the time that its reader takes for it. What streams sets bounds of its own, anew for each part.
const answerWithin = commandapi.MaxWait + time.Minute

func (a *App) newServer() *http.Server {
	stopping := make(chan struct{})
	a.live = a.newLive(stopping)
	server := &http.Server{
		Handler:           a.routes(stopping),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      answerWithin,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	server.RegisterOnShutdown(func() { close(stopping) })
	return server
}

// routes are all paths: what anybody may ask (is it alive, what does the API look like), the API, and the pages.
func (a *App) routes(stopping <-chan struct{}) http.Handler {
	apiMux := http.NewServeMux()
	description := a.register(apiMux, stopping)
	auth := commandapi.Auth{Tokens: a.tokens, Sessions: a.sessions, ForbidAnonymous: a.config.NoAnonymous, Log: a.log, Strangers: commandapi.NewStrangers(), Watch: a.watch}
	limit := func(refuse commandapi.Refuse) func(http.Handler) http.Handler {
		return commandapi.RateLimit(a.config.RateLimit, int(a.config.RateLimit), refuse)
	}
	limited := limit(nil)(commandapi.Unambiguous(apiMux))
	a.nats.api, a.nats.handler = description, commandapi.RequestID(limited)
	api := private(commandapi.Authenticate(auth)(limited))
	auth.Via = domain.ViaUI
	people := auth
	people.Refuse = a.refusePage()
	pages := commandapi.Authenticate(people)(limit(people.Refuse)(a.pages()))
	anybody := people
	anybody.Optional, anybody.Watch = true, nil
	signIn := commandapi.Authenticate(anybody)(limit(people.Refuse)(dashboard.SignIn(a.pageDeps())))

	root := http.NewServeMux()
	a.plainPaths(root, apiMux, auth)
	root.Handle("/v1/", api)
	root.Handle("GET /static/", dashboard.Static())
	for _, path := range dashboard.SignInPaths {
		root.Handle(path, signIn)
	}
	root.Handle("/", pages)
	return commandapi.RequestID(root)
}

// private keeps answers out of everybody's caches, such as a proxy's that doesn't know that a cookie says for whom they are.
func private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

func may(p domain.Permission, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !domain.ActorFrom(r.Context()).Role.May(p) {
			commandapi.From(commandapi.ErrForbidden).Write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// register adds the API's operations to a mux, and returns their description.
func (a *App) register(mux *http.ServeMux, stopping <-chan struct{}) *huma.OpenAPI {
	commandapi.Install()
	config := huma.DefaultConfig("orderledger", Version)
	config.Info.Description = "An event-sourced order ledger. Money is in minor units; every POST wants an Idempotency-Key."
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	config.Security = []map[string][]string{{"token": {}}}
	api := humago.New(mux, config)
	commandapi.Register(api, commandapi.Deps{
		Handler: a.handler, Placer: a.placer, Tokens: a.tokens, Notices: a.notices(),
		Log: a.store, Codec: a.codec, Now: a.now, Logger: a.log,
	})
	queryapi.Register(api, queryapi.Deps{
		Reader: a.reader, Waiter: a.projector, Log: a.store, Codec: a.codec, Now: a.now, Problem: a.problem, Done: stopping,
		Follow: func(after eventstore.Position) queryapi.Follower { return a.projector.Follow(after) },
		Status: func(ctx context.Context) ([]projections.Status, error) {
			return []projections.Status{a.projector.Status(ctx)}, nil
		},
	})
	commandapi.RegisterReconcile(api, commandapi.ReconcileDeps{
		Reconciler: reconcile.New(reconcile.Config{
			Log: a.store, Codec: a.codec, Payments: a.placer.Payments, Lists: a.stripe.client,
			Livemode: a.stripe.client.Mode() == stripepay.Live, Now: a.now,
		}),
		Done: stopping, Now: a.now, Logger: a.log,
	})
	a.registerWebhooks(api)
	a.registerOperations(api)
	a.registerPreview(api)
	describePlainPaths(api.OpenAPI())
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		if allowed := methods(mux, r); len(allowed) > 0 {
			notAllowed(w, r, allowed)
			return
		}
		commandapi.New(http.StatusNotFound, commandapi.CodeNotFound, "There is no such path. See /openapi.json.").Write(w)
	})
	return api.OpenAPI()
}

// methods are those that a path which only the fallback has taken would know. The mux answers 405 by itself only where there is
// no fallback.
func methods(mux *http.ServeMux, r *http.Request) (allowed []string) {
	_, fallback := mux.Handler(r)
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		other := *r
		other.Method = m
		if _, pattern := mux.Handler(&other); pattern != fallback {
			allowed = append(allowed, m)
		}
	}
	return allowed
}

// problem is commandapi's table, and what the read side adds to it.
func (a *App) problem(err error) error {
	query := (*projections.QueryError)(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &query):
		return commandapi.BadQuery(domain.Violation{Field: query.Parameter, Code: domain.BadValue, Message: query.Why})
	case errors.Is(err, queryapi.ErrForbidden):
		return commandapi.From(commandapi.ErrForbidden)
	case errors.Is(err, share.ErrYours):
		p := commandapi.New(http.StatusTooManyRequests, commandapi.CodeRateLimited,
			"As many lists are being read for you as may be for one. Wait for them, then ask again.")
		p.RetryAfter = time.Second
		return p
	case errors.Is(err, share.ErrNone):
		p := commandapi.New(http.StatusServiceUnavailable, commandapi.CodeUnavailable, "Too many lists are being read. Ask again.")
		p.RetryAfter = time.Second
		return p
	case errors.Is(err, queryapi.ErrYourStreams):
		p := commandapi.New(http.StatusTooManyRequests, commandapi.CodeRateLimited, sentence(err))
		p.RetryAfter = 10 * time.Second
		return p
	case errors.Is(err, queryapi.ErrBehind), errors.Is(err, queryapi.ErrTooManyStreams), errors.Is(err, projections.ErrStopped),
		errors.Is(err, projections.ErrCatchingUp):
		p := commandapi.New(http.StatusServiceUnavailable, commandapi.CodeUnavailable, err.Error())
		p.RetryAfter = time.Second
		return p
	}
	return commandapi.Answer(context.Background(), a.log, err)
}

// sentence is an error's text as one.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

type storeAnswer struct {
	Body client.StoreStatus
}

// registerOperations adds what an operator asks: where the log is and how durable.
func (a *App) registerOperations(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "store-status", Method: http.MethodGet, Path: "/v1/store", Tags: []string{"operations"},
		Summary: "Where the log is, what an acknowledgement is worth, and which process acts", RejectUnknownQueryParameters: true,
	}, func(ctx context.Context, _ *struct{}) (*storeAnswer, error) {
		if !domain.ActorFrom(ctx).Role.May(domain.PermRead) {
			return nil, commandapi.From(commandapi.ErrForbidden)
		}
		status, err := a.store.Status(ctx)
		if err != nil {
			return nil, a.problem(err)
		}
		return &storeAnswer{Body: client.StoreStatus{Status: status, Acting: a.acting()}}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "projections-rebuild", Method: http.MethodPost, Path: "/v1/projections/rebuild", Tags: []string{"operations"},
		Summary: "Build the read models anew from the log, while the old ones serve", DefaultStatus: http.StatusAccepted,
		SkipValidateParams: true, // Keyed answers with codes of its own
	}, func(ctx context.Context, in *struct{ commandapi.Keyed }) (*struct{}, error) {
		actor := domain.ActorFrom(ctx)
		if !actor.Role.May(domain.PermOperate) {
			return nil, commandapi.From(commandapi.ErrForbidden)
		}
		if _, err := in.Command(actor); err != nil { // rebuilding twice is rebuilding once, so the id itself is not kept
			return nil, commandapi.From(err)
		}
		a.Rebuild()
		return nil, nil
	})
}

// Rebuild begins to build the read model anew, unless it is being built already; the projector's status says how far it is.
func (a *App) Rebuild() {
	if running, _ := a.model.Rebuilding(); running {
		return
	}
	a.parts.Go(func() {
		r, err := a.model.Rebuild(a.background, a.store)
		switch {
		case errors.Is(err, tabs.ErrRebuilding) || a.background.Err() != nil:
		case err != nil:
			a.log.Error("the read model could not be rebuilt; the old one goes on serving", "error", err)
		case r.Different > 0:
			a.log.Error("the read model was not what the log says; it is now", "position", r.Position, "orders", r.Orders, "different", r.Different, "examples", r.Examples)
		default:
			a.log.Info("the read model was rebuilt, and is as it was", "position", r.Position, "orders", r.Orders)
		}
	})
}

// Ready says what keeps the ledger from being ready, each in a sentence; none when it is.
func (a *App) Ready(ctx context.Context) []string {
	reasons := []string{}
	if _, err := a.store.Head(ctx); err != nil {
		reasons = append(reasons, "log: "+err.Error())
	}
	if err := a.room.ready(); err != nil {
		reasons = append(reasons, "data folder: "+err.Error())
	}
	if err := a.projector.Ready(); err != nil {
		reasons = append(reasons, "projections: "+err.Error())
	}
	if !a.saga.Ready() {
		reasons = append(reasons, strings.TrimSuffix("saga: not caught up with the log: "+a.saga.Status().Error, ": "))
	}
	if err := a.webhooks.runner.Ready(); err != nil {
		reasons = append(reasons, err.Error())
	}
	if err := a.nats.ready(); err != nil {
		reasons = append(reasons, err.Error())
	}
	if err := a.notifyTrouble(); err != nil {
		reasons = append(reasons, "notify: "+err.Error())
	}
	if err := a.stripeTrouble(); err != nil {
		reasons = append(reasons, "stripe: "+err.Error())
	}
	return reasons
}
