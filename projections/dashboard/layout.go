package dashboard

import (
	"net/http"
	"strings"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

// layout is what every page needs.
type layout struct {
	Title   string
	Ledger  string
	Actor   domain.Actor
	Sandbox bool
	Section string // of the navigation that the page belongs to: overview, orders, parked, obligations, outbox, or none
	Outbox  bool   // there is one to look at
	Morning bool   // there is an overview
	Live    bool   // the page is told of changes
	Shows   uint64 // the position of which the page shows at least the changes, where it is told of more
	Counts  *projections.Counts
	Behind  uint64 // events that the read model is behind by, when that is worth saying
	Now     time.Time
	Back    string // the page's own address, to be led back to
	Signed  bool   // who looks at it has signed in, and can sign out
	CanSign bool   // who looks at it can sign in

	Theme    string
	Mine     bool // times and money as the reader's place has them, not the dealer's
	Zone     string
	Language string
	KeysOff  bool
}

// showsKey is where page keeps what layout.Shows says: it is looked up before anything else is.
type showsKey struct{}

func (b *dashboard) layout(r *http.Request, title string) layout {
	actor := domain.ActorFrom(r.Context())
	format := b.format(r)
	l := layout{
		Title: title, Ledger: b.Ledger, Actor: actor, Sandbox: b.Sandbox, Now: b.Now().UTC(),
		Theme: themeOf(r), Mine: placeOf(r) != Place{}, Zone: format.Zone().String(), Language: format.Language(),
		KeysOff: cookieOf(r, keysCookie) == "off",
	}
	if b.Door != nil {
		l.Signed, l.CanSign = b.Door.Has(r) && actor.ID != "", r.URL.Path != signInPath
	}
	l.Section, _, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if l.Back = "/"; r.Method == http.MethodGet {
		l.Back = ownPath(r.URL.RequestURI())
	}
	if !actor.Role.May(domain.PermRead) {
		return l
	}
	l.Morning = b.Pacer != nil
	l.Outbox, l.Live = b.Mail != nil && b.Mail.HasOutbox(), b.Live != nil
	if b.Live != nil {
		l.Behind = b.Live.behindBy()
		l.Shows, _ = r.Context().Value(showsKey{}).(uint64)
	}
	if counts, err := b.Reader.Counts(r.Context()); err == nil {
		l.Counts = &counts
	} else if r.Context().Err() == nil {
		b.Logger.Warn("a page has no counts", "error", err)
	}
	return l
}
