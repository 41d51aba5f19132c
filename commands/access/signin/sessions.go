package signin

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/domain"
)

// DefaultLife is how long a session lasts.
const DefaultLife = 12 * time.Hour

// Limits.
const (
	maxCookie = 4096   // bytes of what a browser sends back
	maxEnded  = 10_000 // sessions that were ended before their time, and are remembered
	addresses = 10_000 // from which failures are counted
	tries     = 10     // that may fail at once from one address
	perTry    = 6 * time.Second
)

// Refusal is a no, with the HTTP status and a sentence for the person.
type Refusal struct {
	Status int
	Why    string
}

func (r *Refusal) Error() string { return r.Why }

// ErrTooMany means that too much has failed from an address; it is to be tried later.
var ErrTooMany = &Refusal{http.StatusTooManyRequests, "Too many attempts to sign in have failed. Wait a minute, then try again."}

// Tokens knows API tokens; *access.Tokens is one. Errors: access.ErrUnauthenticated, eventstore.ErrUnavailable.
type Tokens interface {
	// Authenticate returns whose token a secret is.
	Authenticate(ctx context.Context, secret string) (domain.Actor, error)
	// Holder returns whose a token is, by its id, if it is alive.
	Holder(ctx context.Context, id string) (domain.Actor, error)
}

// Config says how people come in.
type Config struct {
	Tokens Tokens
	Key    []byte // KeyLength bytes; processes that share it share their sessions
	Now    func() time.Time
	Life   time.Duration // of a session; zero: DefaultLife
	OIDC   *OIDC         // nil: by token alone
	Ended  func()        // called when a session was ended before its time; nil: nobody wants to know
}

// Sessions begins, recognises and ends sessions. Safe for many goroutines.
type Sessions struct {
	Config
	seal   sealer
	ended  *lru.Cache[string, time.Time]
	failed *lru.Cache[string, *rate.Limiter]
}

// New returns the sessions of a key.
func New(c Config) (*Sessions, error) {
	if c.Life <= 0 {
		c.Life = DefaultLife
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	seal, err := newSealer(c.Key)
	if err != nil {
		return nil, err
	}
	s := &Sessions{Config: c, seal: seal}
	s.ended, _ = lru.New[string, time.Time](maxEnded) // the sizes are constants above zero
	s.failed, _ = lru.New[string, *rate.Limiter](addresses)
	return s, nil
}

// session is what the cookie holds: by which token, or, for people whom a provider vouches for, who they are.
type session struct {
	ID     string      `json:"i"`
	Until  int64       `json:"e"` // Unix seconds
	Token  string      `json:"t,omitempty"`
	Issuer string      `json:"o,omitempty"`
	Name   string      `json:"n,omitempty"`
	Role   domain.Role `json:"r,omitempty"`
}

const purpose = "orderledger session 1"

const sessionCookie = "orderledger"

// hostOnly gives a cookie's name the prefix that keeps other hosts of the domain from setting it, where browsers allow it.
func hostOnly(name string, secure bool) string {
	if secure {
		return "__Host-" + name
	}
	return name
}

// overTLS says whether the browser came by https, to us or to the proxy before us.
func overTLS(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func setCookie(w http.ResponseWriter, r *http.Request, value string, life time.Duration) {
	c := &http.Cookie{
		Name: hostOnly(sessionCookie, overTLS(r)), Value: value, Path: "/", MaxAge: int(life.Seconds()),
		HttpOnly: true, Secure: overTLS(r), SameSite: http.SameSiteLaxMode,
	}
	if life <= 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// Enter begins a session for who holds an API token. Errors: *Refusal, eventstore.ErrUnavailable.
func (s *Sessions) Enter(w http.ResponseWriter, r *http.Request, secret string) error {
	from := s.failures(r)
	if from.TokensAt(s.Now()) < 1 {
		return ErrTooMany
	}
	secret = strings.TrimSpace(secret)
	actor, err := s.Tokens.Authenticate(r.Context(), secret)
	if errors.Is(err, access.ErrUnauthenticated) {
		from.AllowN(s.Now(), 1)
		return &Refusal{http.StatusUnauthorized, "This is not the token of anybody: it is unknown, or was revoked. Paste it whole, from olt_ to its end."}
	}
	if err != nil {
		return err
	}
	if !actor.Role.May(domain.PermRead) {
		return &Refusal{http.StatusForbidden, "This token is for a program, in the role " + string(actor.Role) + ": it can't be used to sign in."}
	}
	return s.begin(w, r, session{Token: access.IDOf(secret)})
}

func (s *Sessions) begin(w http.ResponseWriter, r *http.Request, k session) error {
	s.end(r) // whoever was signed in before
	k.ID, k.Until = random(), s.Now().Add(s.Life).Unix()
	value, err := s.seal.seal(purpose, k)
	if err != nil {
		return err
	}
	setCookie(w, r, value, s.Life)
	return nil
}

// Actor returns who a request's session is of; its Via is left to the caller. found says whether the request came with a session at all.
// Errors: access.ErrUnauthenticated when the session is over, eventstore.ErrUnavailable.
func (s *Sessions) Actor(r *http.Request) (actor domain.Actor, found bool, err error) {
	k, found, err := s.read(r)
	if !found || err != nil {
		return domain.Actor{}, found, err
	}
	if k.Token != "" {
		actor, err = s.Tokens.Holder(r.Context(), k.Token)
		return actor, true, err
	}
	if s.OIDC == nil || s.OIDC.issuer != k.Issuer || len(s.OIDC.Roles[k.Role]) == 0 { // nobody has that role any more
		return domain.Actor{}, true, access.ErrUnauthenticated
	}
	return domain.Actor{ID: k.Name, Role: k.Role}, true, nil
}

func (s *Sessions) read(r *http.Request) (k session, found bool, err error) {
	c, err := r.Cookie(hostOnly(sessionCookie, overTLS(r)))
	if err != nil {
		return k, false, nil // there is none
	}
	if len(c.Value) > maxCookie || s.seal.open(purpose, c.Value, &k) != nil || s.Now().Unix() >= k.Until || s.ended.Contains(k.ID) {
		return k, true, access.ErrUnauthenticated
	}
	return k, true, nil
}

// Has says whether a request came with a session, be it over or not.
func (s *Sessions) Has(r *http.Request) bool {
	_, found, _ := s.read(r)
	return found
}

// Leave ends a request's session: in this browser, and in this process for whoever has copied it. Revoking its token ends it everywhere.
func (s *Sessions) Leave(w http.ResponseWriter, r *http.Request) {
	s.end(r)
	setCookie(w, r, "", 0)
}

func (s *Sessions) end(r *http.Request) {
	if k, found, err := s.read(r); found && err == nil {
		s.ended.Add(k.ID, time.Unix(k.Until, 0))
		if s.Ended != nil {
			s.Ended()
		}
	}
}

// failures counts what fails from a request's address; of IPv6 its /64, which is what one customer has.
func (s *Sessions) failures(r *http.Request) *rate.Limiter {
	key := "unknown"
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		ip := from.Addr().Unmap()
		key = ip.String()
		if p, err := ip.Prefix(64); ip.Is6() && err == nil {
			key = p.String()
		}
	}
	fresh := rate.NewLimiter(rate.Every(perTry), tries)
	if l, ok, _ := s.failed.PeekOrAdd(key, fresh); ok {
		return l
	}
	return fresh
}
