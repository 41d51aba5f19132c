package dashboard

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

// search leads to the order that a text names: by number, tracking number, e-mail address, or an id of Stripe's or ours. Where it
// names none, or several, it leads to the list of what it finds.
func (b *dashboard) search(w http.ResponseWriter, r *http.Request) error {
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	if len(text) > maxValue {
		return projections.BadQuery("q", "is longer than %d bytes", maxValue)
	}
	to := "/orders?tab=new"
	if text != "" {
		named, err := b.Reader.Named(r.Context(), text)
		if err != nil {
			return err
		}
		to = "/orders?" + url.Values{"tab": {allTabs}, "q": {text}}.Encode()
		if len(named) == 1 {
			to = "/orders/" + named[0].ID.String()
		}
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// goal is where the palette can lead.
type goal struct{ Group, Text, Hint, URL, Icon string }

type palettePage struct {
	layout
	Query string
	Goals []goal
	Found []row
}

const paletteFinds = 8

// palette lists all that one can go to, and the orders that a text finds.
func (b *dashboard) palette(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	if len(text) > maxValue {
		return projections.BadQuery("q", "is longer than %d bytes", maxValue)
	}
	page := palettePage{layout: b.layout(r, "Go to"), Query: text}
	if text != "" {
		orders, err := b.Reader.Named(ctx, text)
		if err != nil {
			return err
		}
		if len(orders) == 0 {
			found, err := b.Reader.List(ctx, projections.Query{Text: text, Limit: paletteFinds})
			if err != nil {
				return err
			}
			orders = found.Orders
		}
		for _, o := range orders[:min(len(orders), paletteFinds)] {
			page.Found = append(page.Found, row{View: domain.Render(o, b.Now()), Clerk: words(o.Status())})
		}
	}
	if r.Header.Get(partHeader) == "found" {
		return b.part(w, r, http.StatusOK, "palette", "found", page)
	}
	menu, err := b.viewsMenu(ctx, page.Actor, "")
	if err != nil {
		return err
	}
	page.Goals = append(page.Goals, goal{"Do", "Review the next order", "the one that is due first", "/review", "check"})
	if b.Pacer != nil {
		page.Goals = append(page.Goals, goal{"Go to", "Overview", "what is to be done, and how the work goes", overviewPath, "overview"})
	}
	for i, t := range domain.Tabs {
		page.Goals = append(page.Goals, goal{"Go to", words(t), "g " + string(rune('1'+i)), "/orders?tab=" + string(t), "orders"})
	}
	for _, v := range menu.Views {
		page.Goals = append(page.Goals, goal{"Views", v.Name, "", v.URL, "star"})
	}
	page.Goals = append(page.Goals,
		goal{"Go to", "All orders", "", "/orders?tab=" + allTabs, "orders"}, goal{"Go to", "Parked", "", "/parked", "parked"},
		goal{"Go to", "On account", "", obligationsPage, "account"})
	if b.Jobs != nil {
		page.Goals = append(page.Goals, goal{"Go to", "Jobs", "what is done with many orders at once", "/jobs", "copy"})
	}
	if menu.May {
		page.Goals = append(page.Goals, goal{"Go to", "Saved views", "rename, share, remove", "/views", "star"})
	}
	return b.show(w, r, http.StatusOK, "palette", page)
}

// keys says what the keyboard does, and lets it be switched off.
func (b *dashboard) keys(w http.ResponseWriter, r *http.Request) error {
	return b.show(w, r, http.StatusOK, "keys", b.layout(r, "Keyboard"))
}
