package commandapi

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/domain"
)

// Authenticator recognises the holders of tokens. Errors: access.ErrUnauthenticated, eventstore.ErrUnavailable.
type Authenticator interface {
	Authenticate(ctx context.Context, secret string) (domain.Actor, error)
}

// Sessions recognises people who signed in with a browser. Errors as Authenticator's.
type Sessions interface {
	// Actor returns whose the request's session is; found says whether it has one at all.
	Actor(r *http.Request) (actor domain.Actor, found bool, err error)
}

// Auth says how requests are authenticated.
type Auth struct {
	Tokens Authenticator
	// Sessions are looked at where no token is sent; nil: there are none.
	Sessions Sessions
	// Optional lets in who is not recognised, as nobody.
	Optional bool
	// ForbidAnonymous takes away the rule that requests from and to loopback need no token.
	ForbidAnonymous bool
	// Via is through what actors come in; empty is the API, whose clients may say "Orderledger-Via: cli".
	Via domain.Via
	// Log gets the failures; nil is slog.Default.
	Log *slog.Logger
	// Refuse answers who is not let in; nil writes the problem.
	Refuse Refuse
	// Strangers bounds how often tokens are tried; nil: as often as somebody likes.
	Strangers *Strangers
	// Watch ends answers that go on when who gets them may not have them any more; nil: they go on.
	Watch *Watch
}

// Refuse answers a request that is refused before anything looks at what it asks.
type Refuse func(w http.ResponseWriter, r *http.Request, p *Problem)

func (f Refuse) answer(w http.ResponseWriter, r *http.Request, p *Problem) {
	if f == nil {
		p.Write(w)
		return
	}
	f(w, r, p)
}

// Local is the actor of requests without a token on loopback.
const Local = "local"

// Authenticate puts the actor into the request's context: the holder of the bearer token, or who signed in with the browser that sent
// the request. A request without either is the actor "local" with role admin if it comes from
// loopback, to loopback, under a loopback name (so that no page elsewhere can reach it through a rebound name), and through
// no proxy. Browsers' cross-origin requests that would change something are refused.
func Authenticate(a Auth) func(http.Handler) http.Handler {
	log := a.Log
	if log == nil {
		log = slog.Default()
	}
	origins := http.NewCrossOriginProtection()
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if origins.Check(r) != nil {
				a.Refuse.answer(w, r, New(http.StatusForbidden, CodeForbidden, "Requests from pages of another origin are refused."))
				return
			}
			if !a.Strangers.mayTry(r) {
				a.Refuse.answer(w, r, tooManyTries())
				return
			}
			actor, err := a.actor(r)
			a.Strangers.tried(r, err)
			if err != nil && a.Optional {
				actor, err = domain.Actor{}, nil
			}
			if err != nil {
				a.Refuse.answer(w, r, Answer(r.Context(), log, err))
				return
			}
			r = r.WithContext(domain.WithActor(r.Context(), actor))
			if a.Watch != nil && r.Method == http.MethodGet { // what changes something was let in, and is done in a moment
				a.Watch.serve(a, w, r, next)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func (a Auth) actor(r *http.Request) (domain.Actor, error) {
	via := a.Via
	if via == "" {
		via = domain.ViaAPI
		if r.Header.Get("Orderledger-Via") == string(domain.ViaCLI) {
			via = domain.ViaCLI
		}
	}
	credentials := r.Header.Get("Authorization")
	if credentials == "" && a.Sessions != nil {
		if actor, found, err := a.Sessions.Actor(r); found {
			actor.Via = via
			return actor, err
		}
	}
	if credentials == "" {
		if err := a.anonymous(r); err != nil {
			return domain.Actor{}, err
		}
		return domain.Actor{ID: Local, Role: domain.Admin, Via: via}, nil
	}
	secret, ok := secretOf(credentials)
	if !ok || a.Tokens == nil {
		return domain.Actor{}, access.ErrUnauthenticated
	}
	actor, err := a.Tokens.Authenticate(r.Context(), secret)
	actor.Via = via
	return actor, err
}

func secretOf(credentials string) (string, bool) {
	scheme, secret, ok := strings.Cut(credentials, " ")
	return strings.TrimSpace(secret), ok && strings.EqualFold(scheme, "Bearer")
}

// proxied are headers that a proxy adds: behind one, loopback says nothing about who asks.
var proxied = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}

// anonymous says whether a request without credentials is one of the machine's own users.
func (a Auth) anonymous(r *http.Request) error {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if a.ForbidAnonymous || local == nil || !loopback(local.String()) || !loopback(r.RemoteAddr) {
		return access.ErrUnauthenticated
	}
	for _, name := range proxied {
		if r.Header.Get(name) != "" {
			return access.ErrUnauthenticated
		}
	}
	if !loopbackName(r.Host) {
		return New(http.StatusForbidden, CodeForbidden,
			"Without a token the ledger answers only under a loopback name, such as localhost.")
	}
	return nil
}

func loopback(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

func loopbackName(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}
