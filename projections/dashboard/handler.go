package dashboard

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/share"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// Act is what a clerk asks for with a button.
type Act struct {
	OrderID uuid.UUID
	Verb    domain.Verb
	Form    Form
	// Key is the idempotency key that the form carried: the same click, sent twice, has the same key.
	Key string
	// Version is the order's version that the clerk looked at.
	Version int
}

// Form is what a clerk filled in; what a verb doesn't use is empty.
type Form struct {
	ExternalReference string            // capture on account, reversal
	Reason            string            // refund, cancel; the evidence for resume
	Reference         string            // resume: by what it was settled outside Stripe
	Text              string            // notes
	PaymentIntent     string            // reauthorize; empty: authorize anew where the program can
	Decision          domain.Decision   // resume
	Resend            bool              // tracking: send the customer the e-mail of the shipment again
	Tracking          []domain.Tracking // ship, tracking
}

// Acts carries acts out. The actor is in the context (domain.ActorFrom).
type Acts interface {
	// Do carries an act out, and answers when it is decided; Stripe may have still to answer then. The position is at least
	// that of what it did. Errors: *domain.Rejection, *StaleError, queryapi.ErrForbidden, eventstore.ErrUnavailable.
	Do(ctx context.Context, a Act) (eventstore.Position, error)
}

// StaleError says that the order has moved on since the clerk's page was made.
type StaleError struct{ Expected, Actual int }

func (e *StaleError) Error() string {
	return fmt.Sprintf("the order is at version %d, not %d", e.Actual, e.Expected)
}

// DefaultWait is how long a page waits for the read model to show an act.
const DefaultWait = 5 * time.Second

// Waiting is how what was asked of Stripe stands.
type Waiting struct {
	Tries   int
	Next    time.Time
	TakenOn bool // Stripe has taken it on, and needs its time; else it gave no answer
}

// Deps is what the pages are made of. Reader, Waiter, Log, Codec, Acts, Now and Logger are required.
type Deps struct {
	Reader projections.Reader
	Waiter queryapi.Waiter
	Log    queryapi.Log
	Codec  eventstore.Codec
	Acts   Acts
	Mail   Mail       // nil: the pages say nothing of e-mails
	Jobs   Jobs       // nil: nothing is done with many orders at once
	Views  SavedViews // nil: no views are saved
	Now    func() time.Time
	Logger *slog.Logger
	// Sandbox puts a banner on every page: no money moves.
	Sandbox bool
	// Ledger is its name, which every page shows; empty: orderledger.
	Ledger string
	// Formats returns how money and times are written for readers of a place; the zero Place is the dealer's. Nil: plainly.
	Formats func(Place) (Format, error)
	// Live tells open pages what changes; nil: they stay as they were.
	Live *Live
	// Pacer tells how the work goes; nil: there is no overview.
	Pacer Pacer
	// Health says how the ledger is; nil: nothing is said.
	Health func(context.Context) Health
	// Door lets people in and out; nil: who they are comes from elsewhere, and can't be changed here.
	Door Door
	// Dealer is who sends the parcels, as packing slips say; SlipPrices puts prices on these.
	Dealer     Dealer
	SlipPrices bool
	// Waiting says for how long what an order asked of Stripe waits until it is looked at again; nil: that is not known.
	Waiting func(order uuid.UUID) (Waiting, bool)
	// SignIn says, on the page for people who are nobody yet, how to become somebody.
	SignIn string
	Wait   time.Duration // zero: DefaultWait
}

//go:embed templates/*.html
var templateFiles embed.FS

// pages are the templates by their names, read when the first handler is made. They are never executed: formats makes those that
// are, for each place.
var pages = sync.OnceValue(func() map[string]*template.Template {
	m := map[string]*template.Template{}
	for _, name := range []string{
		"list", "order", "confirm", "event", "slip", "message", "parked", "obligations", "outbox", "letter", "signin", "overview",
		"plan", "job", "jobs", "views", "palette", "keys",
	} {
		m[name] = template.Must(template.New("layout.html").Funcs(functions).Funcs(written{Format: plain{}}.functions()).
			ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/"+name+".html"))
	}
	return m
})

type dashboard struct {
	Deps
	formats *formats
	exports *share.Pool // a place for each table that is written
}

func newDashboard(d Deps) *dashboard {
	if d.Wait == 0 {
		d.Wait = DefaultWait
	}
	d.Ledger = cmp.Or(d.Ledger, "orderledger")
	pages() // now, not when somebody waits for the first page
	return &dashboard{Deps: d, formats: newFormats(d.Formats), exports: share.New(MaxExports)}
}

// Handler serves the pages: /, /orders…, /parked, /obligations, and /static/. It needs the actor in the request's context.
func Handler(d Deps) http.Handler {
	b := newDashboard(d)
	mux := http.NewServeMux()
	mux.Handle("GET /static/", Static())
	b.listPages(mux)
	mux.HandleFunc("GET /parked", b.page(b.parked))
	mux.HandleFunc("GET "+obligationsPage, b.page(b.obligations))
	b.orderPages(mux)
	if b.Pacer != nil {
		mux.HandleFunc("GET "+overviewPath, b.page(b.overview))
	}
	mux.HandleFunc("POST /settings", b.page(b.settings))
	if b.Mail != nil {
		b.mailPages(mux)
	}
	if b.Live != nil {
		mux.HandleFunc("GET /live", b.page(b.Live.serve))
	}
	mux.HandleFunc("/", b.page(func(http.ResponseWriter, *http.Request) error { return errNoPage }))

	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(b.page(func(http.ResponseWriter, *http.Request) error { return errForeign }))
	return secure(sameOrigin.Handler(mux))
}

// Refusal says in a page that a request was refused before it came to the Handler: nobody is signed in (401), another site
// sent it (403), there were too many (429), or the log can't be reached (503). The caller has set what headers go with that.
func Refusal(d Deps) func(w http.ResponseWriter, r *http.Request, status int, why string) {
	b := newDashboard(d)
	return func(w http.ResponseWriter, r *http.Request, status int, why string) {
		secure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b.fail(w, r, &refusal{status, why})
		})).ServeHTTP(w, r)
	}
}

// refusal is a request that never came to a page.
type refusal struct {
	status int
	why    string // a sentence
}

func (e *refusal) Error() string { return e.why }

// policy lets a page load what is ours, from here alone; nothing in a page itself is a script or a style.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure sets the headers that every answer has: nothing is loaded from elsewhere, and nobody frames or keeps a page.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// page lets those in who may read, and turns errors into pages.
func (b *dashboard) page(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if b.Live != nil {
			r = r.WithContext(context.WithValue(r.Context(), showsKey{}, uint64(b.Live.position())))
		}
		actor := domain.ActorFrom(r.Context())
		err := errNobody
		switch {
		case actor.Role.May(domain.PermRead):
			err = serve(w, r)
		case actor.Role != "":
			err = queryapi.ErrForbidden
		}
		if err != nil && r.Context().Err() == nil {
			b.fail(w, r, err)
		}
	}
}

var (
	errNobody  = errors.New("nobody is signed in")
	errNoPage  = errors.New("no such page")
	errForeign = errors.New("the request came from another site")
	errForm    = errors.New("the form can't be read")

	errNoVersion = errors.New("no such version")
)
