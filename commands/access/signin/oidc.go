package signin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/time/rate"

	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/domain"
)

// CallbackPath is where the provider leads people back to: its redirect URI is the ledger's address with this path.
const CallbackPath = "/sign-in/callback"

const (
	flowCookie  = "orderledger_oidc"
	flowPurpose = "orderledger oidc 1"
	flowLife    = 10 * time.Minute
	askProvider = 10 * time.Second
	askAgain    = 5 * time.Second // after the provider did not answer
)

// OIDCConfig names the provider, and who may what.
type OIDCConfig struct {
	Issuer       string
	ClientID     string
	ClientSecret string // empty for a public client: PKCE is always used
	RoleClaim    string // of the ID token, a text or a list of texts; dots lead into objects, such as realm_access.roles
	Roles        Roles
	Logger       *slog.Logger
}

// Roles says which values of the role claim stand for which role.
type Roles map[domain.Role][]string

// humans are the roles that people can have, the mightiest first: who has several gets that one.
var humans = []domain.Role{domain.Admin, domain.Manager, domain.Clerk, domain.Auditor, domain.Viewer}

// ParseRoles reads "admin=ledger-admins,clerk=counter,clerk=warehouse".
func ParseRoles(text string) (Roles, error) {
	roles := Roles{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		role, value, ok := strings.Cut(part, "=")
		if value = strings.TrimSpace(value); !ok || value == "" {
			return nil, fmt.Errorf("%q: use ROLE=VALUE, such as clerk=counter", part)
		}
		r := domain.Role(strings.TrimSpace(role))
		if !slices.Contains(humans, r) {
			return nil, fmt.Errorf("%q: the role is one of viewer, clerk, manager, auditor, admin", part)
		}
		roles[r] = append(roles[r], value)
	}
	if len(roles) == 0 {
		return nil, errors.New("no role is given to anybody: use ROLE=VALUE,…, such as clerk=counter")
	}
	return roles, nil
}

// CheckIssuer says what is wrong with an issuer: what it says must come by https, but from this machine.
func CheckIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return errors.New("use the provider's address, such as https://login.example/realms/parts")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("use https: what the provider says decides who is let in")
	}
	return nil
}

// OIDC is an OpenID Connect provider that vouches for people. It is asked for the first time when somebody wants to sign in, so that the
// ledger starts without it.
type OIDC struct {
	OIDCConfig
	issuer string
	client *http.Client

	turn     chan struct{} // to ask the provider; what is below belongs to who has it
	provider *oidc.Provider
	failed   error // the last time
	again    time.Time

	says rate.Sometimes // what anybody can bring about fills no log
}

// NewOIDC returns a provider that was not asked anything yet.
func NewOIDC(c OIDCConfig) (*OIDC, error) {
	if err := CheckIssuer(c.Issuer); err != nil {
		return nil, err
	}
	if c.ClientID == "" || c.RoleClaim == "" || len(c.Roles) == 0 {
		return nil, errors.New("the client id, the role claim and the roles are required")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &OIDC{OIDCConfig: c, issuer: c.Issuer, client: &http.Client{Timeout: askProvider}, turn: make(chan struct{}, 1), says: rate.Sometimes{First: 20, Interval: time.Second}}, nil
}

// Name is the provider's host, for people.
func (o *OIDC) Name() string {
	u, err := url.Parse(o.issuer)
	if err != nil {
		return o.issuer
	}
	return u.Hostname()
}

// ask asks the provider how it is used, until it has answered once. While one asks, the others wait; when it fails, they all fail, and
// so does who comes in the next seconds: a provider that is silent must not hold up a queue of people, each for as long again.
func (o *OIDC) ask(ctx context.Context) (*oidc.Provider, error) {
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if o.provider != nil {
		return o.provider, nil
	}
	if time.Now().Before(o.again) {
		return nil, o.failed
	}
	// What it learns (its keys, which change) is asked for with this context later, too: it must outlive the request.
	p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), o.client), o.issuer)
	if err != nil {
		o.failed, o.again = err, time.Now().Add(askAgain)
		return nil, err
	}
	o.provider = p
	return p, nil
}

func (o *OIDC) oauth(r *http.Request, p *oidc.Provider) oauth2.Config {
	scheme := "http"
	if overTLS(r) {
		scheme = "https"
	}
	return oauth2.Config{
		ClientID: o.ClientID, ClientSecret: o.ClientSecret, Endpoint: p.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
		RedirectURL: scheme + "://" + r.Host + CallbackPath,
	}
}

// flow is what the browser keeps while its owner is at the provider.
type flow struct {
	State, Nonce, Verifier, Back string
	Until                        int64
}

// Begin leads somebody to the provider, and remembers where they wanted to go. Errors: *Refusal.
func (s *Sessions) Begin(w http.ResponseWriter, r *http.Request, back string) error {
	if s.OIDC == nil {
		return &Refusal{http.StatusNotFound, "Nobody but the ledger's own tokens vouches for people here."}
	}
	p, err := s.OIDC.ask(r.Context())
	if err != nil {
		return s.OIDC.unreachable(err)
	}
	f := flow{random(), random(), oauth2.GenerateVerifier(), back, s.Now().Add(flowLife).Unix()}
	sealed, err := s.seal.seal(flowPurpose, f)
	if err != nil {
		return err
	}
	http.SetCookie(w, flowOf(r, sealed, int(flowLife.Seconds())))
	config := s.OIDC.oauth(r, p)
	http.Redirect(w, r, config.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), http.StatusSeeOther)
	return nil
}

// flowOf is the cookie of a sign-in that was begun. No other host of the domain may set it: who could, could sign people in as somebody else.
func flowOf(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: hostOnly(flowCookie, overTLS(r)), Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: overTLS(r), SameSite: http.SameSiteLaxMode,
	}
}

func (o *OIDC) unreachable(err error) error {
	o.says.Do(func() {
		o.Logger.Error("the OpenID Connect provider did not answer as it must", "issuer", o.issuer, "error", err)
	})
	return &Refusal{http.StatusBadGateway, "The sign-in at " + o.Name() + " does not work right now. Try again, or sign in with an API token."}
}

var errFlow = &Refusal{http.StatusBadRequest, "This sign-in was not begun in this browser, or too long ago. Begin it again."}

// Finish takes the provider's answer, begins the session, and returns where the person wanted to go. Errors: *Refusal.
func (s *Sessions) Finish(w http.ResponseWriter, r *http.Request) (back string, err error) {
	if s.OIDC == nil {
		return "", errFlow
	}
	from := s.failures(r)
	if from.TokensAt(s.Now()) < 1 {
		return "", ErrTooMany
	}
	var f flow
	c, err := r.Cookie(hostOnly(flowCookie, overTLS(r)))
	if err != nil || len(c.Value) > maxCookie || s.seal.open(flowPurpose, c.Value, &f) != nil || s.Now().Unix() >= f.Until {
		return "", errFlow
	}
	http.SetCookie(w, flowOf(r, "", -1)) // it is good for one answer
	query := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(f.State)) != 1 {
		return "", errFlow
	}
	if query.Get("error") != "" {
		from.AllowN(s.Now(), 1)
		s.OIDC.says.Do(func() {
			s.OIDC.Logger.Warn("the OpenID Connect provider let somebody not in", "issuer", s.OIDC.issuer, "error", clip(query.Get("error")))
		})
		return "", &Refusal{http.StatusForbidden, s.OIDC.Name() + " did not let you in. Try again, or ask those who run it."}
	}
	k, err := s.OIDC.exchange(r, f, query.Get("code"))
	if err != nil {
		from.AllowN(s.Now(), 1)
		return "", err
	}
	return f.Back, s.begin(w, r, k)
}

func (o *OIDC) exchange(r *http.Request, f flow, code string) (session, error) {
	p, err := o.ask(r.Context())
	if err != nil {
		return session{}, o.unreachable(err)
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), o.client), askProvider)
	defer cancel()
	config := o.oauth(r, p)
	answer, err := config.Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return session{}, o.unreachable(err)
	}
	raw, _ := answer.Extra("id_token").(string)
	token, err := p.VerifierContext(context.WithoutCancel(ctx), &oidc.Config{ClientID: o.ClientID}).Verify(ctx, raw)
	if err != nil {
		return session{}, o.unreachable(err)
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(f.Nonce)) != 1 {
		return session{}, errFlow
	}
	claims := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		return session{}, o.unreachable(err)
	}
	name := nameOf(token.Subject, claims)
	role, ok := o.Roles.of(valuesAt(claims, o.RoleClaim))
	if !ok {
		o.Logger.Warn("somebody without a role wanted to sign in", "issuer", o.issuer, "claim", o.RoleClaim)
		return session{}, &Refusal{
			http.StatusForbidden,
			"You are known to " + o.Name() + " as " + name + ", but no role in this ledger was given to you. Ask an administrator.",
		}
	}
	if err := access.Check(name, role); err != nil {
		return session{}, &Refusal{http.StatusForbidden, "The ledger can't take the name by which " + o.Name() + " knows you. Ask an administrator."}
	}
	return session{Issuer: o.issuer, Name: name, Role: role}, nil
}

// nameOf is the name somebody acts under: the e-mail address, where the provider has verified it, else the subject. What people can choose
// for themselves is none.
func nameOf(subject string, claims map[string]any) string {
	email, _ := claims["email"].(string)
	verified, _ := claims["email_verified"].(bool)
	if email != "" && verified && len([]rune(email)) <= access.MaxName {
		return strings.ToLower(email)
	}
	return subject
}

// valuesAt are the texts of a claim; dots lead into objects, where no claim has the whole name.
func valuesAt(claims map[string]any, name string) []string {
	v, ok := claims[name]
	if !ok {
		outer, inner, dotted := strings.Cut(name, ".")
		object, _ := claims[outer].(map[string]any)
		if dotted && object != nil {
			return valuesAt(object, inner)
		}
		return nil
	}
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, x := range v {
			if s, ok := x.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}

// of is the mightiest role that one of the values stands for.
func (r Roles) of(values []string) (domain.Role, bool) {
	for _, role := range humans {
		for _, v := range values {
			if slices.Contains(r[role], v) {
				return role, true
			}
		}
	}
	return "", false
}

// clip bounds what others wrote, for the log.
func clip(s string) string { return s[:min(len(s), 100)] }
