package dashboard

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/orderledger/orderledger/domain"
)

// Door lets people in and out: it begins and ends the sessions of their browsers.
type Door interface {
	// Enter begins a session for who holds an API token. Errors: *SignInError, eventstore.ErrUnavailable.
	Enter(w http.ResponseWriter, r *http.Request, token string) error
	// Leave ends the session of a request.
	Leave(w http.ResponseWriter, r *http.Request)
	// Has says whether a request came with a session, be it over or not.
	Has(r *http.Request) bool
	// Provider names who else vouches for people; empty: nobody does.
	Provider() string
	// Begin leads to the provider, and Finish takes what it says: it begins the session, and returns where the person wanted to go.
	// Errors: *SignInError.
	Begin(w http.ResponseWriter, r *http.Request, back string) error
	Finish(w http.ResponseWriter, r *http.Request) (back string, err error)
}

// SignInError is why somebody was not let in: an HTTP status, and a sentence.
type SignInError struct {
	Status int
	Why    string
}

func (e *SignInError) Error() string { return e.Why }

const (
	signInPath   = "/sign-in"
	providerPath = "/sign-in/provider"
	callbackPath = "/sign-in/callback"
	signOutPath  = "/sign-out"
)

// SignInPaths are those that SignIn answers.
var SignInPaths = []string{signInPath, providerPath, callbackPath, signOutPath}

// SignIn serves the pages by which people come in and go out. Anybody may have them; the context tells who is asking, if somebody is.
func SignIn(d Deps) http.Handler {
	b := newDashboard(d)
	open := func(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var refused *SignInError
			switch err := serve(w, r); {
			case errors.As(err, &refused):
				b.askWho(w, r, refused.Status, refused.Why, r.PostForm.Get("back"))
			case err != nil:
				b.fail(w, r, err)
			}
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+signInPath, open(b.signIn))
	mux.HandleFunc("POST "+signInPath, open(b.enter))
	mux.HandleFunc("GET "+providerPath, open(func(w http.ResponseWriter, r *http.Request) error {
		return b.Door.Begin(w, r, ownPath(r.URL.Query().Get("back")))
	}))
	mux.HandleFunc("GET "+callbackPath, open(b.arrive))
	mux.HandleFunc("POST "+signOutPath, open(func(w http.ResponseWriter, r *http.Request) error {
		b.Door.Leave(w, r)
		http.Redirect(w, r, signInPath+"?said=out", http.StatusSeeOther)
		return nil
	}))
	mux.HandleFunc("/", open(func(http.ResponseWriter, *http.Request) error { return errNoPage }))
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(open(func(http.ResponseWriter, *http.Request) error { return errForeign }))
	return secure(sameOrigin.Handler(mux))
}

type signInPage struct {
	layout
	Advice   string
	Refused  string // why the last attempt failed
	Out      bool   // somebody has just signed out
	Provider string
	ByOther  string // where the provider's sign-in begins
}

func (b *dashboard) signIn(w http.ResponseWriter, r *http.Request) error {
	return b.showSignIn(w, r, http.StatusOK, "", ownPath(r.URL.Query().Get("back")))
}

// askWho asks people to sign in where they wanted something else.
func (b *dashboard) askWho(w http.ResponseWriter, r *http.Request, status int, why, back string) {
	if b.Door == nil { // nothing to sign in with
		b.fail(w, r, &refusal{status, why})
		return
	}
	if err := b.showSignIn(w, r, status, why, ownPath(back)); err != nil {
		b.fail(w, r, err)
	}
}

func (b *dashboard) showSignIn(w http.ResponseWriter, r *http.Request, status int, refused, back string) error {
	page := signInPage{
		layout: b.layout(r, "Sign in"), Advice: b.SignIn, Refused: refused, Out: r.URL.Query().Get("said") == "out", Provider: b.Door.Provider(),
	}
	page.Back, page.ByOther = back, providerPath+"?"+url.Values{"back": {back}}.Encode()
	return b.show(w, r, status, "signin", page)
}

func (b *dashboard) enter(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return errForm
	}
	if err := b.Door.Enter(w, r, r.PostForm.Get("token")); err != nil {
		return err
	}
	http.Redirect(w, r, ownPath(r.PostForm.Get("back")), http.StatusSeeOther)
	return nil
}

// arrive takes somebody from the provider.
func (b *dashboard) arrive(w http.ResponseWriter, r *http.Request) error {
	back, err := b.Door.Finish(w, r)
	if err != nil {
		return err
	}
	http.Redirect(w, r, ownPath(back), http.StatusSeeOther)
	return nil
}

// nobody answers people who are not signed in: with the form to do so, which leads back to where they wanted to go. A session that is
// over is taken away.
func (b *dashboard) nobody(w http.ResponseWriter, r *http.Request) bool {
	if b.Door == nil || r.Header.Get(partHeader) != "" || domain.ActorFrom(r.Context()).Role != "" {
		return false
	}
	why, back := "", "/"
	if r.Method == http.MethodGet {
		back = r.URL.RequestURI()
	}
	if b.Door.Has(r) {
		b.Door.Leave(w, r)
		why = "Your session is over. Sign in again."
	}
	b.askWho(w, r, http.StatusUnauthorized, why, back)
	return true
}
