package dashboard

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// SavedViews keeps lists under names. The actor is in the context. Errors: *domain.Rejection, eventstore.ErrUnavailable.
type SavedViews interface {
	// Save saves a view; one with an ID is changed. It returns its id and the position by which it is saved.
	Save(ctx context.Context, key string, v projections.View) (string, eventstore.Position, error)
	Remove(ctx context.Context, key, id string) (eventstore.Position, error)
	// Begin lets the actor begin with a view; with none when id is empty.
	Begin(ctx context.Context, key, id string) (eventstore.Position, error)
}

// viewLink is a saved view as a page offers it.
type viewLink struct {
	projections.View
	URL     string
	Current bool // it is what the page shows
	Home    bool // who looks begins with it
	Mine    bool
	Mayedit bool
}

// viewsMenu are the views that somebody is offered. May says whether they may save some.
type viewsMenu struct {
	Views   []viewLink
	Current string // the name of the one that the page shows; empty: none
	May     bool
}

func (b *dashboard) viewsMenu(ctx context.Context, actor domain.Actor, query string) (viewsMenu, error) {
	menu := viewsMenu{May: b.Views != nil && actor.Role.May(domain.PermViews)}
	saved, err := b.Reader.Views(ctx, actor.ID)
	if err != nil {
		return menu, err
	}
	for _, v := range saved.Views {
		mine := v.Owner == actor.ID
		link := viewLink{
			View: v, URL: "/orders?" + v.Query, Current: v.Query == query, Home: v.ID == saved.Home, Mine: mine,
			Mayedit: menu.May && (mine || actor.Role == domain.Manager || actor.Role == domain.Admin),
		}
		if link.Current && menu.Current == "" {
			menu.Current = v.Name
		}
		menu.Views = append(menu.Views, link)
	}
	return menu, nil
}

// home leads to the list that somebody begins with.
func (b *dashboard) home(w http.ResponseWriter, r *http.Request) error {
	to := "/orders?tab=new"
	saved, err := b.Reader.Views(r.Context(), domain.ActorFrom(r.Context()).ID)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(saved.Views, func(v projections.View) bool { return v.ID == saved.Home }); i >= 0 {
		to = "/orders?" + saved.Views[i].Query
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

type viewsPage struct {
	layout
	Views  viewsMenu
	NewKey func() string
	Said   string
}

var viewSaid = map[string]string{
	"saved": "The view is saved.", "removed": "The view is removed.", "home": "You begin with this view from now on.",
	"nohome": "You begin with the new orders from now on.",
}

// views is the page of somebody's views.
func (b *dashboard) views(w http.ResponseWriter, r *http.Request) error {
	page := viewsPage{layout: b.layout(r, "Saved views"), NewKey: uuid.NewString, Said: viewSaid[r.URL.Query().Get("did")]}
	var err error
	if page.Views, err = b.viewsMenu(r.Context(), page.Actor, ""); err != nil {
		return err
	}
	return b.show(w, r, http.StatusOK, "views", page)
}

// saveView saves, changes or removes a view, or lets somebody begin with it.
func (b *dashboard) saveView(w http.ResponseWriter, r *http.Request) error {
	if !domain.ActorFrom(r.Context()).Role.May(domain.PermViews) {
		return queryapi.ErrForbidden
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return errForm
	}
	form := r.PostForm
	key, id := form.Get("key"), form.Get("view")
	if key == "" || len(key) > maxKey {
		return errForm
	}
	to, position, err := b.changeView(r.Context(), form, key, id)
	if err != nil {
		return b.refuseList(w, r, err, "/views", "Go to your views")
	}
	b.settle(r.Context(), position)
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (b *dashboard) changeView(ctx context.Context, form url.Values, key, id string) (to string, p eventstore.Position, err error) {
	switch act := form.Get("act"); act {
	case "remove":
		p, err = b.Views.Remove(ctx, key, id)
		return "/views?did=removed", p, err
	case "home":
		p, err = b.Views.Begin(ctx, key, id)
		if id == "" {
			return "/views?did=nohome", p, err
		}
		return "/views?did=home", p, err
	case "save":
	default:
		return "", 0, errForm
	}
	asked, err := url.ParseQuery(form.Get("query"))
	if err != nil {
		return "", 0, errForm
	}
	f, err := readFilter(asked)
	if err != nil {
		return "", 0, err
	}
	v := projections.View{ID: id, Name: strings.TrimSpace(form.Get("name")), Query: f.encode(), Shared: form.Get("shared") == "yes"}
	if err := b.works(ctx, f); err != nil {
		return "", 0, err
	}
	saved, p, err := b.Views.Save(ctx, key, v)
	if err == nil && form.Get("home") == "yes" {
		var chosen eventstore.Position
		chosen, err = b.Views.Begin(ctx, key, saved)
		p = max(p, chosen)
	}
	if id != "" {
		return "/views?did=saved", p, err
	}
	return "/orders?" + v.Query, p, err
}

// works refuses a list that can't be shown.
func (b *dashboard) works(ctx context.Context, f filter) error {
	choices, err := b.Reader.Choices(ctx)
	if err != nil {
		return err
	}
	q, err := f.query(choices, b.formats.dealers.Zone())
	if err != nil {
		return err
	}
	q.Limit = 1
	_, err = b.Reader.List(ctx, q)
	return err
}
