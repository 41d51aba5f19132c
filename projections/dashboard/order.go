package dashboard

import (
	"encoding/json"
	"net/http"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections/queryapi"
)

type moment struct {
	queryapi.Entry
	Title, Detail, Who string
	Raw                string
}

type orderPage struct {
	layout
	Order    domain.View
	O        domain.Order
	Card     string
	Said     string // what came of the act that led here
	Done     bool   // whether it is done, or waits for Stripe
	Offers   []offer
	Refusals []offer
	Timeline []moment
	More     bool
	CanAct   bool
	Parked   *parkedBox // nil when nothing is
	Owed     *owedBox   // likewise
	External []external
	Told     []told // nil when the pages say nothing of e-mails
	Resends  bool
	Previews []string
	NewKey   func() string // an idempotency key for one form
	SameBill bool
}

func (b *dashboard) load(r *http.Request) (domain.Order, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return domain.Order{}, domain.Reject(domain.OrderNotFound)
	}
	return b.Reader.Order(r.Context(), id)
}

func (b *dashboard) order(w http.ResponseWriter, r *http.Request) error {
	o, err := b.load(r)
	if err != nil {
		return err
	}
	entries, more, err := queryapi.Timeline(r.Context(), b.Log, b.Codec, o.ID)
	if err != nil {
		return err
	}
	page := orderPage{
		layout: b.layout(r, "Order "+o.OrderNumber), Order: domain.Render(o, b.Now()), O: o, Card: card(o),
		More: more, NewKey: uuid.NewString, SameBill: o.Personal.ShippingAddress == o.Personal.BillingAddress,
	}
	page.Said, page.Done = said(o, domain.Verb(r.URL.Query().Get("did")))
	page.Offers, page.Refusals = offers(o, page.Actor.Role)
	page.Parked, page.External = parkedOf(b.voice(r, o), o, page.Actor.Role), externals(o)
	page.Owed = b.owedOf(b.voice(r, o), o)
	page.CanAct = len(page.Offers)+len(page.Refusals) > 0
	if b.Mail != nil {
		page.Told, page.Resends, page.Previews = toldOf(entries), page.Actor.Role.May(domain.PermNotify), b.Mail.Previews()
		if r.URL.Query().Get("did") == "resend" {
			page.Said, page.Done = "It is sent again; the timeline will say what came of it.", true
		}
	}
	for _, e := range entries {
		page.Timeline = append(page.Timeline, momentOf(e, b.voice(r, o)))
	}
	return b.show(w, r, http.StatusOK, "order", page)
}

func momentOf(e queryapi.Entry, c voice) moment {
	raw, err := json.MarshalIndent(e.Data, "", "  ")
	if err != nil {
		raw = []byte("can't be shown") // every event came out of JSON
	}
	title, detail := describe(e.Data, c)
	if e.Late {
		title += " late"
	}
	who := e.Actor.ID
	if via := words(e.Actor.Via); via != "" {
		who += " (" + string(e.Actor.Role) + "), through " + via
	}
	return moment{Entry: e, Title: title, Detail: detail, Who: who, Raw: string(raw)}
}

type confirmPage struct {
	layout
	Order       domain.View
	Amount      int64           // that it is about
	Parked      *parkedBox      // resume: what it is about
	Decision    domain.Decision // likewise
	Offer       offer
	Consequence string
	NewKey      func() string
}

// confirm asks before money moves: it says how much, from or to which card, and what comes of it.
func (b *dashboard) confirm(w http.ResponseWriter, r *http.Request) error {
	o, err := b.load(r)
	if err != nil {
		return err
	}
	verb := domain.Verb(r.PathValue("verb"))
	switch {
	case verb == domain.VerbResume:
		return b.confirmDecision(w, r, o)
	case !asks(o, verb):
		return errNoPage
	}
	page := confirmPage{
		layout: b.layout(r, label(o, verb)), Order: domain.Render(o, b.Now()), NewKey: uuid.NewString, Amount: moved(o, verb),
		Offer: offer{Verb: verb, Label: label(o, verb), Fields: fields(o, verb)}, Consequence: consequence(b.voice(r, o), o, verb),
	}
	if !page.Actor.Role.May(domain.Permission(verb)) {
		return queryapi.ErrForbidden
	}
	if err := possible(o, verb); err != nil {
		return b.refuse(w, r, o, err)
	}
	return b.show(w, r, http.StatusOK, "confirm", page)
}

// said is what the order page says after an act.
func said(o domain.Order, v domain.Verb) (text string, done bool) {
	if _, known := labels[v]; !known {
		return "", false
	}
	if o.Pending.Parked && v != domain.VerbNote {
		return "It can't go on by itself, and waits for a decision.", false
	}
	if o.Pending.Act != "" && v != domain.VerbNote {
		return "Asked for, and recorded. Stripe has still to answer: look at this page again in a moment.", false
	}
	switch v {
	case domain.VerbAccept:
		return "The order is accepted.", true
	case domain.VerbCapture:
		switch {
		case !o.Captured():
			return "The payment is not captured; the timeline says why.", false
		case o.Method == domain.Account:
			return "The entry is recorded.", true
		}
		return "The payment is captured.", true
	case domain.VerbShip:
		if o.ShippedAt == nil {
			return "The order is not shipped; the timeline says why.", false
		}
		return "The order is shipped.", true
	case domain.VerbRefund:
		if o.RefundedAt == nil {
			return "The order is not refunded; the timeline says why.", false
		}
		return "The order is refunded.", true
	case domain.VerbCancel:
		if o.CancelledAt == nil {
			return "The order is not cancelled; the timeline says why.", false
		}
		return "The order is cancelled.", true
	case domain.VerbNote:
		return "The note is added.", true
	case domain.VerbResume:
		return "What you decided is done; the timeline says what came of it.", true
	}
	return labels[v] + ": done.", true
}
