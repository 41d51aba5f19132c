package dashboard

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/share"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// partHeader is set by app.js: its value dialog asks for a page without what is around it.
const partHeader = "Ledger-Part"

// show renders a page for who asks; for a dialog, only its middle.
func (b *dashboard) show(w http.ResponseWriter, r *http.Request, status int, name string, data any) error {
	block := "layout.html"
	if r.Header.Get(partHeader) == "dialog" {
		block = "main"
	}
	return b.part(w, r, status, name, block, data)
}

// part renders one block of a page, in whole before the first byte goes out: a page is never half of one.
func (b *dashboard) part(w http.ResponseWriter, r *http.Request, status int, name, block string, data any) error {
	var page bytes.Buffer
	if err := b.formats.at(placeOf(r)).pages[name].ExecuteTemplate(&page, block, data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // a client that went away needs no page
	return nil
}

// message is a page that says one thing, and what to do.
type message struct {
	layout
	Text, Advice string
	Details      []string
	Back         string // a link
	BackText     string
	Other        string // a link to another order that it is about
	Status       int
}

// fail says in a page what went wrong. Faults of the program go to the log, and nothing of the request but its method and path.
func (b *dashboard) fail(w http.ResponseWriter, r *http.Request, err error) {
	if refused := (*refusal)(nil); errors.Is(err, errNobody) || (errors.As(err, &refused) && refused.status == http.StatusUnauthorized) {
		if b.nobody(w, r) {
			return
		}
	}
	m := b.explain(err)
	m.layout = b.layout(r, m.Title)
	if m.Back == "" {
		m.Back, m.BackText = "/orders?tab=new", "Go to the orders"
	}
	if m.Status >= http.StatusInternalServerError {
		b.Logger.Error("a page could not be shown", "method", r.Method, "path", r.URL.Path, "error", err)
		if m.Status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "5")
		}
	}
	if err := b.show(w, r, m.Status, "message", m); err != nil {
		b.Logger.Error("the page that says what went wrong could not be shown", "error", err)
		http.Error(w, "Something went wrong in the ledger.", http.StatusInternalServerError)
	}
}

// badList is what a list says that is asked for what it can't answer.
const badList = "This list can't be shown"

func (b *dashboard) explain(err error) message {
	says := func(status int, title, text, advice string) message {
		return message{layout: layout{Title: title}, Status: status, Text: text, Advice: advice}
	}
	var rejected *domain.Rejection
	var tooLarge *http.MaxBytesError
	var refused *refusal
	var bad *projections.QueryError
	switch {
	case errors.As(err, &rejected) && rejected.Kind == domain.Missing:
		return says(http.StatusNotFound, "Not found", rejected.Message, "Look for it in the list, in another tab, or by its number.")
	case errors.As(err, &rejected):
		return says(http.StatusConflict, "This is not possible now", rejected.Message, "Nothing was changed.")
	case errors.As(err, &tooLarge):
		return says(http.StatusRequestEntityTooLarge, "Too much", "What was sent is too large.", "Send less. Nothing was changed.")
	case errors.Is(err, errNobody):
		m := says(http.StatusUnauthorized, "Who are you?", "These pages are for people who work with orders.", b.SignIn)
		m.Back, m.BackText = "/orders?tab=new", "Sign in"
		return m
	case errors.As(err, &refused):
		return b.refusal(refused, says)
	case errors.Is(err, share.ErrYours), errors.Is(err, share.ErrNone):
		return b.explain(&refusal{http.StatusTooManyRequests, "Too many lists are being read."})
	case errors.Is(err, queryapi.ErrForbidden):
		return says(http.StatusForbidden, "Not allowed", "Your role does not allow this.",
			"Ask somebody whose role does, or an administrator. Nothing was changed.")
	case errors.Is(err, errForeign):
		return says(http.StatusForbidden, "Refused", "This request came from another site, so it was not carried out.",
			"Open the order here and use its buttons. Nothing was changed.")
	case errors.Is(err, errNoPage):
		return says(http.StatusNotFound, "Not found", "There is no such page.", "")
	case errors.Is(err, errNoVersion):
		return says(http.StatusNotFound, "Not found", "The order never was at such a version.", "Open the order, and go through its past from there.")
	case errors.Is(err, errForm):
		return says(http.StatusBadRequest, "The form can't be read", "A part of the form is missing or damaged.",
			"Open the order again and use its buttons. Nothing was changed.")
	case errors.As(err, &bad):
		return says(http.StatusBadRequest, badList, wrongOf(bad).String(), "Start from the whole list.")
	case errors.Is(err, eventstore.ErrUnavailable):
		return says(http.StatusServiceUnavailable, "The log can't be reached", "The ledger can't reach its log right now.",
			"Wait a moment, then look at the order before you do anything again: what you asked for may have happened.")
	}
	return says(http.StatusInternalServerError, "Something went wrong", "The ledger could not show this page.",
		"Try again. If it stays, tell an administrator at what time it happened.")
}

func (b *dashboard) refusal(e *refusal, says func(status int, title, text, advice string) message) message {
	switch e.status {
	case http.StatusUnauthorized:
		return b.explain(errNobody)
	case http.StatusForbidden:
		return says(e.status, "Refused", e.why, "Open the orders here and use the buttons. Nothing was changed.")
	case http.StatusTooManyRequests:
		return says(e.status, "Too many requests", "The ledger was asked for too much at once.", "Wait a moment, then try again. Nothing was changed.")
	case http.StatusServiceUnavailable:
		return b.explain(eventstore.ErrUnavailable)
	}
	return b.explain(errors.New(e.why))
}
