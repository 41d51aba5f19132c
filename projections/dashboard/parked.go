package dashboard

import (
	"net/http"
	"net/url"

	"github.com/orderledger/orderledger/domain"
)

// parkedRow is one order of the list of what is parked.
type parkedRow struct {
	domain.View
	What string
}

type parkedPage struct {
	layout
	Count       int64
	Rows        []parkedRow
	Decides     bool
	Next, First string // URLs
}

// parked lists what waits for a person, oldest first.
func (b *dashboard) parked(w http.ResponseWriter, r *http.Request) error {
	cursor := r.URL.Query().Get("cursor")
	counts, err := b.Reader.Counts(r.Context())
	if err != nil {
		return err
	}
	found, err := b.Reader.Parked(r.Context(), cursor, 0)
	if err != nil {
		return err
	}
	page := parkedPage{layout: b.layout(r, "Waiting for a decision"), Count: counts.Parked}
	page.Decides = page.Actor.Role.May(domain.Permission(domain.VerbResume))
	for _, o := range found.Orders {
		view := domain.Render(o, b.Now())
		if view.Parked != nil {
			page.Rows = append(page.Rows, parkedRow{view, parkedAct(o, b.voice(r, o).Format(view.Parked.Amount))})
		}
	}
	if found.Next != "" {
		page.Next = "/parked?cursor=" + url.QueryEscape(found.Next)
	}
	if cursor != "" {
		page.First = "/parked"
	}
	return b.show(w, r, http.StatusOK, "parked", page)
}
