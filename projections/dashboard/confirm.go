package dashboard

import (
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections/queryapi"
)

type confirmPage struct {
	layout
	Order       domain.View
	Amount      int64           // that it is about
	Moves       bool            // money
	Card        string          // that it goes from or to; empty on account
	Parked      *parkedBox      // resume: what it is about
	Decision    domain.Decision // likewise
	Offer       offer
	Consequence string
	Doubts      []doubt  // about the tracking numbers that were sent
	Since       []string // what happened after the page that led here was made
	Version     int
	Key         string // of the form that was sent; empty: a new one
	NewKey      func() string
}

// confirm asks before money moves: it says how much, from or to which card, and what comes of it.
func (b *dashboard) confirm(w http.ResponseWriter, r *http.Request) error {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return domain.Reject(domain.OrderNotFound)
	}
	s, err := b.story(r.Context(), id)
	if err != nil {
		return err
	}
	o := s.order
	verb := domain.Verb(r.PathValue("verb"))
	switch {
	case verb == domain.VerbResume:
		return b.confirmDecision(w, r, o)
	case !asks(o, verb) && verb != domain.VerbCapture: // which may have been asked about when the link was made
		return errNoPage
	}
	page := confirmPage{
		layout: b.layout(r, label(o, verb)), Order: domain.Render(o, b.Now()), NewKey: uuid.NewString, Amount: moved(o, verb), Moves: moves(o, verb),
		Offer: offer{Verb: verb, Label: label(o, verb), Fields: fields(o, verb)}, Consequence: consequence(b.voice(r, o), o, verb),
		Version: o.Version,
	}
	if o.Method == domain.Card {
		page.Card = card(o)
	}
	if !page.Actor.Role.May(domain.Permission(verb)) {
		return queryapi.ErrForbidden
	}
	if err := possible(o, verb); err != nil {
		return b.refuse(w, r, o, err)
	}
	if page.Since, err = b.sinceSeen(r, o); err != nil {
		return err
	}
	return b.show(w, r, http.StatusOK, "confirm", page)
}

// sinceSeen tells what happened after the version that the clerk's page showed, as its link says.
func (b *dashboard) sinceSeen(r *http.Request, o domain.Order) ([]string, error) {
	seen, err := strconv.Atoi(r.URL.Query().Get("seen"))
	if err != nil || seen < 1 || seen >= o.Version {
		return nil, nil
	}
	return b.since(r, o, seen)
}

func says(kind, text string) *saying {
	s := sayingOf(kind, text)
	return &s
}

// sayingAfter is what the order page says after an act; nil when none led there.
func sayingAfter(o domain.Order, v domain.Verb) *saying {
	if _, known := labels[v]; !known {
		return nil
	}
	if v == domain.VerbNote {
		return says("done", "The note is added.")
	}
	if o.Pending.Parked {
		return says("", "It can't go on by itself, and waits for a decision.")
	}
	if o.Pending.Act != "" {
		return says("", "Asked for, and recorded. No money has moved until Stripe says so.")
	}
	var done bool
	var yes, no string
	switch v {
	case domain.VerbAccept:
		done, yes, no = o.AcceptedAt != nil, "The order is accepted.", "The order is not accepted."
	case domain.VerbCapture:
		done, yes, no = o.Captured(), "The payment is captured.", "The payment is not captured; the timeline says why."
		if o.Method == domain.Account {
			yes = "The entry is recorded."
		}
	case domain.VerbShip:
		done, yes, no = o.ShippedAt != nil, "The order is shipped.", "The order is not shipped; the timeline says why."
	case domain.VerbRefund:
		done, yes, no = o.RefundedAt != nil, "The order is refunded.", "The order is not refunded; the timeline says why."
	case domain.VerbCancel:
		done, yes, no = o.CancelledAt != nil, "The order is cancelled.", "The order is not cancelled; the timeline says why."
	case domain.VerbArchive:
		done, yes, no = o.ArchivedAt != nil, "The order is archived.", "The order is in its tab again."
	case domain.VerbUnarchive:
		done, yes, no = o.ArchivedAt == nil, "The order is back in "+words(o.Tab())+".", "The order is archived again."
	case domain.VerbTracking:
		done, yes = true, "The tracking numbers are corrected."
	case domain.VerbReversal:
		done, yes = true, "The reversal is recorded."
	case domain.VerbReauthorize:
		done, yes, no = !o.HoldExpired, "The payment is authorized anew.", "The payment is not authorized; the timeline says why."
	default:
		done, yes = true, "What you decided is done; the timeline says what came of it."
	}
	if done {
		return says("done", yes)
	}
	return says("bad", no)
}
