package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/queryapi"
)

const (
	maxForm = 64 << 10 // bytes of a form
	maxKey  = 64       // bytes of an idempotency key
)

// act carries out what a form asks for, and leads back to the order, which then shows it.
func (b *dashboard) act(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	a, err := readAct(r)
	if err != nil {
		return err
	}
	if !domain.ActorFrom(r.Context()).Role.May(domain.Permission(a.Verb)) {
		return queryapi.ErrForbidden
	}
	o, err := b.Reader.Order(r.Context(), a.OrderID)
	if err != nil {
		return err
	}
	page := "/orders/" + a.OrderID.String()
	if r.PostForm.Get("confirmed") != "yes" && asks(o, a.Verb) {
		to := page + "/confirm/" + string(a.Verb)
		if a.Verb == domain.VerbResume {
			to += "?decision=" + url.QueryEscape(string(a.Form.Decision))
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	if found := doubts(o, a.Form.Tracking); len(found) > 0 {
		overruled := r.PostForm.Get("anyway") == "yes" && !slices.ContainsFunc(found, func(d doubt) bool { return d.Must })
		if !overruled {
			return b.askAboutParcels(w, r, o, a, found)
		}
	}
	position, err := b.Acts.Do(r.Context(), a)
	if err != nil {
		return b.refuse(w, r, o, err)
	}
	b.settle(r.Context(), position)
	to := page + "?did=" + string(a.Verb)
	if fromQueue(r) {
		to = obligationsPage + "?recorded=" + a.OrderID.String()
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// fromQueue says whether the form stood on the page of what is owed, where the clerk wants to go on.
func fromQueue(r *http.Request) bool { return r.PostForm.Get("from") == "obligations" }

// settle waits, for a bounded time, until the pages show an act. If they don't yet, the act is done all the same.
func (b *dashboard) settle(ctx context.Context, p eventstore.Position) {
	ctx, cancel := context.WithTimeout(ctx, b.Wait)
	defer cancel()
	if err := b.Waiter.WaitFor(ctx, p); err != nil {
		b.Logger.Warn("the pages do not show an act yet", "position", p, "error", err)
	}
}

func readAct(r *http.Request) (Act, error) {
	if err := r.ParseForm(); err != nil {
		return Act{}, fmt.Errorf("%w: %w", errForm, err)
	}
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return Act{}, domain.Reject(domain.OrderNotFound)
	}
	a := Act{OrderID: id, Verb: domain.Verb(r.PathValue("verb")), Key: r.PostForm.Get("key")}
	if _, known := labels[a.Verb]; !known {
		return Act{}, errNoPage
	}
	if a.Version, err = strconv.Atoi(r.PostForm.Get("version")); err != nil || a.Version < 1 || a.Key == "" || len(a.Key) > maxKey {
		return Act{}, errForm
	}
	a.Form = Form{
		ExternalReference: strings.TrimSpace(r.PostForm.Get("external_reference")), Reason: strings.TrimSpace(r.PostForm.Get("reason")),
		Text: strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n"), PaymentIntent: strings.TrimSpace(r.PostForm.Get("payment_intent")),
		Decision: domain.Decision(r.PostForm.Get("decision")), Reference: strings.TrimSpace(r.PostForm.Get("reference")),
		Resend: r.PostForm.Get("resend") == "yes",
	}
	a.Form.Tracking, err = readTracking(r.PostForm["carrier"], r.PostForm["number"])
	return a, err
}

// readTracking leaves empty rows out.
func readTracking(carriers, numbers []string) ([]domain.Tracking, error) {
	if len(carriers) != len(numbers) || len(carriers) > domain.MaxTracking {
		return nil, errForm
	}
	var ts []domain.Tracking
	for i := range carriers {
		t := domain.Tracking{Carrier: strings.TrimSpace(carriers[i]), Number: strings.TrimSpace(numbers[i])}
		if t != (domain.Tracking{}) {
			ts = append(ts, t)
		}
	}
	return ts, nil
}

// refuse says why an act was not carried out, with a link back to the order; for a stale page, also what changed.
func (b *dashboard) refuse(w http.ResponseWriter, r *http.Request, o domain.Order, err error) error {
	var stale *StaleError
	var rejected *domain.Rejection
	m := message{Back: "/orders/" + o.ID.String(), BackText: "Look at the order"}
	switch {
	case errors.As(err, &stale):
		m.Status, m.Title = http.StatusPreconditionFailed, "The order has changed"
		m.Text = "Since your page was made, something happened to this order, so your act was not carried out."
		m.Advice = "Look at the order as it is now, then decide again."
		m.Details, err = b.since(r, o, stale.Expected)
		if err != nil {
			return err
		}
	case errors.Is(err, errDone):
		m.Status, m.Title = http.StatusConflict, "Done already"
		m.Text, m.Advice = "There is nothing left to do here.", "Nothing was changed."
	case errors.As(err, &rejected):
		m.Status, m.Title = http.StatusConflict, "This is not possible now"
		m.Text, m.Advice = rejected.Message, "Nothing was changed."
		if rejected.Kind == domain.Invalid {
			m.Status, m.Title = http.StatusUnprocessableEntity, "Please correct the form"
			m.Advice = "Nothing was changed. Go back, correct it, and send it again."
		}
		if rejected.Other != uuid.Nil {
			m.Other = "/orders/" + rejected.Other.String()
		}
	default:
		return err
	}
	m.layout = b.layout(r, m.Title)
	return b.show(w, r, m.Status, "message", m)
}

// since tells, one line each, what happened to an order after a version.
func (b *dashboard) since(r *http.Request, o domain.Order, version int) ([]string, error) {
	var lines []string
	format := b.format(r)
	for recorded, err := range b.Log.ReadStream(r.Context(), eventstore.OrderStream(o.ID), eventstore.Revision(version-1)) {
		if err != nil {
			return nil, err
		}
		e, env, err := b.Codec.Decode(recorded)
		if err != nil {
			return nil, err
		}
		m := momentOf(queryapi.Entry{Type: recorded.Type, OccurredAt: env.OccurredAt, Actor: env.Actor, Data: e}, b.voice(r, o))
		if lines = append(lines, format.Moment(env.OccurredAt)+": "+m.Title+" — "+m.Who); len(lines) == maxSince {
			break
		}
	}
	return lines, nil
}

const maxSince = 20 // lines about what changed
