package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/orderledger/orderledger/commands/access/signin"
	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/locale"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi"
)

func (a *App) pages() http.Handler { return dashboard.Handler(a.pageDeps()) }

// refusePage says in a page what commandapi would say in a problem.
func (a *App) refusePage() commandapi.Refuse {
	show := dashboard.Refusal(a.pageDeps())
	return func(w http.ResponseWriter, r *http.Request, p *commandapi.Problem) {
		for name, values := range p.GetHeaders() {
			w.Header()[name] = values
		}
		show(w, r, p.Status, p.Detail)
	}
}

func (a *App) pageDeps() dashboard.Deps {
	return dashboard.Deps{
		Reader: a.reader, Waiter: a.projector, Log: a.store, Codec: a.codec, Acts: acts{a}, Mail: mailbox{a}, Now: a.now, Logger: a.log,
		Jobs: a.jobs, Views: a.newViews(),
		Sandbox: a.config.Stripe == "sandbox", Ledger: a.config.Ledger, Formats: a.formats, Live: a.live, Pacer: a.model, Health: a.health,
		Door: signIn{a.sessions}, SignIn: "An administrator makes tokens: orderledger token create --name NAME --role clerk",
		Dealer: a.dealer(), SlipPrices: a.config.Slip.Prices, Waiting: a.waiting,
	}
}

// health says how the ledger is, in sentences for people.
func (a *App) health(ctx context.Context) dashboard.Health {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	h := dashboard.Health{Troubles: a.Ready(ctx)}
	if lag := a.projector.Status(ctx).Lag; lag > 0 {
		h.Facts = append(h.Facts, fmt.Sprintf("The pages are %d events behind the log.", lag))
	} else {
		h.Facts = append(h.Facts, "The pages show all that the log holds.")
	}
	status, backlog := a.saga.Status(), "Nothing waits for Stripe."
	if waiting := status.Open - status.Parked; waiting > 0 && status.Oldest != nil {
		backlog = fmt.Sprintf("%d operations wait for Stripe, the oldest for %s.", waiting, a.now().Sub(*status.Oldest).Round(time.Second))
	}
	h.Facts = append(h.Facts, backlog)
	h.Facts = append(h.Facts, map[string]string{
		"sandbox": "Stripe is the sandbox, and answers.", "test": "Stripe answers, in test mode.", "live": "Stripe answers.",
	}[a.config.Stripe])
	if store, err := a.store.Status(ctx); err == nil {
		fact := fmt.Sprintf("The log (%s, %s) holds %d events.", store.Backend, cmp.Or(string(store.Durability), "durability unknown"), store.Events)
		h.Facts = append(h.Facts, strings.TrimSpace(fact+" "+store.Note))
	}
	h.Facts = append(h.Facts, a.webhooks.runner.Remarks()...)
	return h
}

// openDoor makes what lets people in by their browsers.
func (a *App) openDoor(key []byte) error {
	c := signin.Config{Tokens: a.tokens, Key: key, Now: a.now, Life: a.config.SessionLife, Ended: a.watch.Look}
	if a.config.OIDC.Issuer != "" {
		provider, err := a.config.OIDC.provider(a.log)
		if err != nil {
			return err
		}
		c.OIDC = provider
	}
	sessions, err := signin.New(c)
	a.sessions = sessions
	return err
}

// signIn gives the pages the sessions, and says their refusals in the pages' words.
type signIn struct{ *signin.Sessions }

func (signIn) saying(err error) error {
	if refused := (*signin.Refusal)(nil); errors.As(err, &refused) {
		return &dashboard.SignInError{Status: refused.Status, Why: refused.Why}
	}
	return err
}

// Enter implements dashboard.Door.
func (d signIn) Enter(w http.ResponseWriter, r *http.Request, token string) error {
	return d.saying(d.Sessions.Enter(w, r, token))
}

// Provider implements dashboard.Door.
func (d signIn) Provider() string {
	if d.OIDC == nil {
		return ""
	}
	return d.OIDC.Name()
}

// Begin implements dashboard.Door.
func (d signIn) Begin(w http.ResponseWriter, r *http.Request, back string) error {
	return d.saying(d.Sessions.Begin(w, r, back))
}

// Finish implements dashboard.Door.
func (d signIn) Finish(w http.ResponseWriter, r *http.Request) (string, error) {
	back, err := d.Sessions.Finish(w, r)
	return back, d.saying(err)
}

// newLive makes what tells open pages of changes; it is one of the app's parts.
func (a *App) newLive(stopping <-chan struct{}) *dashboard.Live {
	return dashboard.NewLive(dashboard.LiveDeps{
		Follow: func(after eventstore.Position) queryapi.Follower { return a.projector.Follow(after) },
		Status: func(ctx context.Context) (projections.Status, error) { return a.projector.Status(ctx), nil },
		Counts: a.model.Counts, Done: stopping, Logger: a.log,
	})
}

// formats is how money and times are written for readers of a place; the zero Place is the dealer's.
func (a *App) formats(p dashboard.Place) (dashboard.Format, error) {
	if p == (dashboard.Place{}) {
		p = dashboard.Place{Locale: a.config.Mail.Locale, Zone: a.config.Mail.TimeZone}
	}
	tag, err := language.Parse(p.Locale)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		return nil, err
	}
	return format{locale.New(tag, zone)}, nil
}

// format gives a locale the names that the pages have for what it does.
type format struct{ locale.Locale }

// Day implements dashboard.Format.
func (f format) Day(t time.Time) string { return f.Date(t) }

// There implements dashboard.Format.
func (f format) There(t time.Time, zone *time.Location) string { return f.In(zone).Moment(t) }
