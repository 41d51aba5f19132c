package dashboard

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// Mail is what the pages show of e-mails, and by which a clerk sends one again. The actor is in the context.
type Mail interface {
	// Resend asks for a notice to be sent again. Errors as Acts.Do.
	Resend(ctx context.Context, order, notice uuid.UUID, key string) (eventstore.Position, error)
	// HasOutbox says whether e-mails are kept, and not sent.
	HasOutbox() bool
	// Outbox returns the newest e-mails, and how many there are.
	Outbox(limit int) ([]Letter, int, error)
	// Letter returns one of them; a rejection of kind domain.Missing when there is none.
	Letter(id string) (Letter, error)
	// Previews names the e-mails that there are, Preview writes one about an order as it is. Errors as Letter.
	Previews() []string
	Preview(name string, o domain.Order) (Letter, error)
}

// Letter is an e-mail. Of a list, only what a list shows is set.
type Letter struct {
	ID, MessageID, From, To, Subject string
	Text, HTML                       string
	At                               time.Time
}

// maxOutbox is how many e-mails the list shows.
const maxOutbox = 200

func (b *dashboard) mailPages(mux *http.ServeMux) {
	mux.HandleFunc("POST /orders/{id}/notices/{notice}/resend", b.page(b.resend))
	mux.HandleFunc("GET /orders/{id}/preview/{name}", b.page(b.preview))
	mux.HandleFunc("GET /orders/{id}/preview/{name}/html", b.page(b.previewHTML))
	if b.Mail.HasOutbox() {
		mux.HandleFunc("GET /outbox", b.page(b.outbox))
		mux.HandleFunc("GET /outbox/{id}", b.page(b.letter))
		mux.HandleFunc("GET /outbox/{id}/html", b.page(b.letterHTML))
	}
}

type outboxPage struct {
	layout
	Letters []Letter
	Count   int
}

func (b *dashboard) outbox(w http.ResponseWriter, r *http.Request) error {
	list, count, err := b.Mail.Outbox(maxOutbox)
	if err != nil {
		return err
	}
	return b.show(w, r, http.StatusOK, "outbox", outboxPage{layout: b.layout(r, "Outbox"), Letters: list, Count: count})
}

type letterPage struct {
	layout
	Letter         Letter
	Frame          string // what the sandboxed frame shows
	Note           string
	Back, BackText string
}

func (b *dashboard) letter(w http.ResponseWriter, r *http.Request) error {
	l, err := b.Mail.Letter(r.PathValue("id"))
	if err != nil {
		return err
	}
	return b.showLetter(w, r, letterPage{
		layout: b.layout(r, l.Subject), Letter: l, Frame: "/outbox/" + l.ID + "/html", Back: "/outbox", BackText: "Outbox",
	})
}

func (b *dashboard) letterHTML(w http.ResponseWriter, r *http.Request) error {
	l, err := b.Mail.Letter(r.PathValue("id"))
	if err != nil {
		return err
	}
	return frame(w, l)
}

func (b *dashboard) preview(w http.ResponseWriter, r *http.Request) error {
	l, o, err := b.previewOf(r)
	if err != nil {
		return err
	}
	page := "/orders/" + o.ID.String()
	return b.showLetter(w, r, letterPage{
		layout: b.layout(r, l.Subject), Letter: l, Frame: page + "/preview/" + r.PathValue("name") + "/html",
		Note: "This is how the e-mail " + r.PathValue("name") + " would look now. It is not sent.", Back: page, BackText: "Order " + o.OrderNumber,
	})
}

func (b *dashboard) previewHTML(w http.ResponseWriter, r *http.Request) error {
	l, _, err := b.previewOf(r)
	if err != nil {
		return err
	}
	return frame(w, l)
}

func (b *dashboard) previewOf(r *http.Request) (Letter, domain.Order, error) {
	o, err := b.load(r)
	if err != nil {
		return Letter{}, o, err
	}
	l, err := b.Mail.Preview(r.PathValue("name"), o)
	l.At = b.Now()
	return l, o, err
}

// showLetter lets the page hold the one frame that it needs.
func (b *dashboard) showLetter(w http.ResponseWriter, r *http.Request, p letterPage) error {
	w.Header().Set("Content-Security-Policy", policy+"; frame-src 'self'")
	return b.show(w, r, http.StatusOK, "letter", p)
}

// frame serves an e-mail's own HTML where it can do nothing: no scripts, no forms, nothing loaded, an origin of its own, whoever
// opens it and however.
func frame(w http.ResponseWriter, l Letter) error {
	w.Header().Set("Content-Security-Policy",
		"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(l.HTML)) // a client that went away needs no page
	return nil
}

// resend sends something again, and leads back to the order.
func (b *dashboard) resend(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return errForm
	}
	if !domain.ActorFrom(r.Context()).Role.May(domain.PermNotify) {
		return queryapi.ErrForbidden
	}
	o, err := b.load(r)
	if err != nil {
		return err
	}
	notice, err := uuid.Parse(r.PathValue("notice"))
	key := r.PostForm.Get("key")
	if err != nil || key == "" || len(key) > maxKey {
		return errForm
	}
	position, err := b.Mail.Resend(r.Context(), o.ID, notice, key)
	if err != nil {
		return b.refuse(w, r, o, err)
	}
	b.settle(r.Context(), position)
	http.Redirect(w, r, "/orders/"+o.ID.String()+"?did=resend", http.StatusSeeOther)
	return nil
}

// told is one notice on the order page: what was said, to whom by their role, and what came of it.
type told struct {
	Notice    uuid.UUID
	What, Who string
	At        time.Time
	Came      string
	Answered  bool
	Failed    bool
	request   uuid.UUID
}

// toldOf lists the notices of a timeline, in the order in which they began.
func toldOf(entries []queryapi.Entry) (list []told) {
	at := func(notice uuid.UUID, kind, who string) *told {
		i := slices.IndexFunc(list, func(t told) bool { return t.Notice == notice })
		if i < 0 {
			list, i = append(list, told{Notice: notice, What: kindWords(kind), Who: words(who)}), len(list)
		}
		return &list[i]
	}
	for _, e := range entries {
		switch ev := e.Data.(type) {
		case eventstore.NotificationRequested:
			t := at(ev.Notice, ev.Kind, ev.Recipient)
			t.At, t.Came, t.Answered, t.request = e.OccurredAt, "To be sent again", false, e.ID
		case eventstore.NotificationSent:
			if t := at(ev.Notice, ev.Kind, ev.Recipient); ev.Request == t.request {
				t.At, t.Came, t.Answered, t.Failed = ev.At, sentBy(ev.Channel), true, false
			}
		case eventstore.NotificationFailed:
			if t := at(ev.Notice, ev.Kind, ev.Recipient); ev.Request == t.request {
				t.At, t.Came, t.Answered, t.Failed = ev.At, ev.Reason, true, ev.Code != eventstore.NoticeNoAddress
			}
		}
	}
	return list
}

// kinds are the kinds of notices, in words.
var kinds = map[string]string{
	"customer.placed": "Order received", "customer.shipped": "Shipped", "customer.cancelled": "Cancelled", "customer.refunded": "Refunded",
	"customer.accepted": "Order confirmed", "customer.captured": "Payment taken", "customer.archived": "Order closed",
	"dealer.placed": "New order", "dealer.confirmation_due": "Confirmation due", "dealer.hold_expiring": "Hold ends soon",
	"dealer.refund_failed": "Refund failed", "dealer.parked": "Waits for a decision",
	"manufacturer.confirmation_missed": "Order not confirmed in time",
}

// kindWords says a kind of notice for people; one that is not known here by its name.
func kindWords(kind string) string {
	if w, ok := kinds[kind]; ok {
		return w
	}
	return words(kind)
}

func sentBy(channel string) string {
	switch channel {
	case "smtp":
		return "Sent by e-mail"
	case "outbox":
		return "Put into the outbox"
	case "manufacturer":
		return "Sent as the configuration says"
	}
	return "Sent: " + channel
}

// describeNotice says an event about what people were told in a few words.
func describeNotice(e domain.Event) (title, detail string) {
	switch e := e.(type) {
	case eventstore.NotificationRequested:
		return "To be told again: " + lower(words(e.Recipient)), kindWords(e.Kind)
	case eventstore.NotificationSent:
		return words(e.Recipient) + " told: " + lower(kindWords(e.Kind)), sentBy(e.Channel)
	case eventstore.NotificationFailed:
		if e.Code == eventstore.NoticeNoAddress {
			return words(e.Recipient) + " not told: " + lower(kindWords(e.Kind)), e.Reason
		}
		return words(e.Recipient) + " could not be told: " + lower(kindWords(e.Kind)), e.Reason
	}
	return e.EventType(), ""
}
