package dashboard

import (
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

func (b *dashboard) orderPages(mux *http.ServeMux) {
	mux.HandleFunc("GET /orders/{id}", b.page(b.order))
	mux.HandleFunc("GET /orders/{id}/confirm/{verb}", b.page(b.confirm))
	mux.HandleFunc("GET /orders/{id}/events/{revision}", b.page(b.orderEvent))
	mux.HandleFunc("GET /orders/{id}/notices/{revision}", b.page(b.noticeEvent))
	mux.HandleFunc("GET /orders/{id}/packing-slip", b.page(b.slip))
	mux.HandleFunc("POST /orders/{id}/{verb}", b.page(b.act))
}

type orderPage struct {
	layout
	Order     domain.View
	O         domain.Order
	Card      string
	HoldLeft  string  // how long the hold on the card still lasts
	HoldSoon  bool    // it ends soon
	Saying    *saying // what came of the act that led here
	Undo      *undo   // of that act, for a moment
	Under     *underWay
	Parcels   []parcel
	Offers    []offer
	Refusals  []offer
	Scrub     *scrubber // nil when there is no past to go through
	Past      bool      // the order is shown as it stood, and nothing can be done
	Timeline  []moment
	Earlier   int // events that are left out
	More      bool
	CanAct    bool
	Parked    *parkedBox // nil when nothing is
	Owed      *owedBox   // likewise
	External  []external
	Told      []told // nil when the pages say nothing of e-mails
	Resends   bool
	Previews  []string
	NewKey    func() string // an idempotency key for one form
	SameBill  bool
	NoAddress bool // to ship to
}

// undo takes back what was just done.
type undo struct {
	Verb domain.Verb
	Left int // seconds for which it is offered
}

// underWay is what Stripe is asked, while it has not answered.
type underWay struct {
	What  string
	Since time.Time
	Waiting
	Known bool // how it stands
}

func (b *dashboard) load(r *http.Request) (domain.Order, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return domain.Order{}, domain.Reject(domain.OrderNotFound)
	}
	return b.Reader.Order(r.Context(), id)
}

func (b *dashboard) order(w http.ResponseWriter, r *http.Request) error {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return domain.Reject(domain.OrderNotFound)
	}
	s, err := b.story(r.Context(), id)
	if err != nil {
		return err
	}
	c := b.voice(r, s.order)
	scrub, err := s.scrub(r, c)
	if err != nil {
		return err
	}
	o, now, entries := s.order, b.Now(), s.entries
	if scrub != nil && scrub.Past {
		o, now, entries = s.at(scrub.Version), scrub.At, s.until(scrub.Version)
	}
	page := orderPage{
		layout: b.layout(r, "Order "+o.OrderNumber), Order: domain.Render(o, now), O: o, Card: card(o), Parcels: parcels(o.Tracking),
		Scrub: scrub, More: s.part, NewKey: uuid.NewString, SameBill: o.Personal.ShippingAddress == o.Personal.BillingAddress,
		External: externals(o), NoAddress: o.Personal.ShippingAddress == (domain.Address{}),
	}
	page.Timeline, page.Earlier = moments(id, entries, c, r.URL.Query().Get("timeline") == "all")
	if end := o.Hold.CaptureBefore; o.AwaitsCapture() && !end.IsZero() {
		page.HoldLeft, page.HoldSoon = remaining(end.Sub(now)), end.Sub(now) < domain.ExpiryWarning
	}
	if b.Mail != nil {
		page.Told, page.Previews = toldOf(entries), b.Mail.Previews()
	}
	if page.Past = scrub != nil && scrub.Past; page.Past {
		page.Parked, page.Owed = parkedOf(c, o, domain.Viewer), b.owedOf(c, o)
		return b.show(w, r, http.StatusOK, "order", page)
	}
	b.present(r, &page, c)
	return b.show(w, r, http.StatusOK, "order", page)
}

// present adds what an order has only as it is now: what can be done, and what was just done.
func (b *dashboard) present(r *http.Request, page *orderPage, c voice) {
	o, did := page.O, domain.Verb(r.URL.Query().Get("did"))
	page.Offers, page.Refusals = offers(o, page.Actor.Role)
	page.CanAct = len(page.Refusals) > 0 || slices.ContainsFunc(page.Offers, func(f offer) bool { return f.Verb != domain.VerbNote })
	page.Parked, page.Owed = parkedOf(c, o, page.Actor.Role), b.owedOf(c, o)
	page.Resends = b.Mail != nil && page.Actor.Role.May(domain.PermNotify)
	if o.Pending.Act != "" && !o.Pending.Parked {
		page.Under = b.underWay(c, o)
	}
	page.Saying = sayingAfter(o, did)
	if did == "resend" && b.Mail != nil {
		page.Saying = says("done", "It is sent again; the timeline will say what came of it.")
	}
	if did == domain.VerbArchive && o.ArchivedAt != nil && page.Actor.Role.May(domain.Permission(domain.VerbUnarchive)) {
		if left := undoFor - b.Now().Sub(*o.ArchivedAt); left > 0 && left <= undoFor {
			page.Undo = &undo{domain.VerbUnarchive, int((left + time.Second - 1) / time.Second)}
		}
	}
}

// undoFor is how long archiving can be taken back where it was done. Later there is the button that every archived order has.
const undoFor = 10 * time.Second

func (b *dashboard) underWay(c voice, o domain.Order) *underWay {
	amount := o.Total
	if o.Captured() {
		amount = o.Taken
	}
	u := &underWay{What: lower(parkedAct(o, c.Format(amount))), Since: o.Pending.Since}
	if b.Waiting != nil {
		u.Waiting, u.Known = b.Waiting(o.ID)
	}
	return u
}
