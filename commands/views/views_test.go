package views_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/views"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

var (
	ada = domain.Actor{ID: "ada", Role: domain.Clerk}
	ben = domain.Actor{ID: "ben", Role: domain.Clerk}
	mia = domain.Actor{ID: "mia", Role: domain.Manager}
)

func open(t *testing.T, had *int) (*views.Views, *memstore.Store) {
	t.Helper()
	log := memstore.New()
	return views.New(log, eventstore.Codec{}, func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) },
		func(context.Context, string) (int, error) { return *had, nil }), log
}

func codeOf(err error) domain.Code {
	rejected := (*domain.Rejection)(nil)
	if errors.As(err, &rejected) {
		return rejected.Code
	}
	return domain.Code(fmt.Sprint(err))
}

func TestViews(t *testing.T) {
	had := 0
	s, log := open(t, &had)
	late := views.View{Name: "Late at Müller's", Query: "tab=new&q=m%C3%BCller", Shared: true}
	id, at, err := s.Save(t.Context(), ada, "k1", late)
	if err != nil || at != 1 {
		t.Fatal(id, at, err)
	}
	if again, p, err := s.Save(t.Context(), ada, "k1", late); err != nil || again != id || p != at {
		t.Errorf("asked again: %s, %d, %v", again, p, err)
	}
	if _, _, err := s.Save(t.Context(), ada, "k1", views.View{Name: "Other"}); !errors.Is(err, commands.ErrKeyReused) {
		t.Error(err)
	}
	private, _, err := s.Save(t.Context(), ada, "k2", views.View{Name: "Mine", Query: "tab=paid"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		who  domain.Actor
		id   string
		want domain.Code
	}{
		{ben, id, views.NotYourView}, {ben, private, views.ViewNotFound}, {mia, private, views.ViewNotFound}, {ada, "no", views.ViewNotFound},
	} {
		if _, err := s.Change(t.Context(), tt.who, "c", tt.id, late); codeOf(err) != tt.want {
			t.Errorf("%s changes %s: %v", tt.who.ID, tt.id, err)
		}
		if _, err := s.Remove(t.Context(), tt.who, "r", tt.id); codeOf(err) != tt.want {
			t.Errorf("%s removes %s: %v", tt.who.ID, tt.id, err)
		}
	}
	if _, err := s.Begin(t.Context(), ben, "b", id); err != nil {
		t.Error(err)
	}
	if _, err := s.Begin(t.Context(), ben, "b2", private); codeOf(err) != views.ViewNotFound {
		t.Error(err)
	}
	before, _ := log.Head(t.Context())
	if p, err := s.Change(t.Context(), mia, "c1", id, late); err != nil || p != at {
		t.Errorf("nothing changes: %d, %v", p, err)
	}
	if head, _ := log.Head(t.Context()); head != before {
		t.Error("what changes nothing was appended")
	}
	if _, err := s.Change(t.Context(), mia, "c2", id, views.View{Name: "Late", Query: late.Query, Shared: true}); err != nil {
		t.Error(err)
	}
	p1, err1 := s.Remove(t.Context(), ada, "r1", id)
	p2, err2 := s.Remove(t.Context(), ada, "r1", id)
	if err1 != nil || err2 != nil || p1 != p2 {
		t.Errorf("removed %d %v, again %d %v", p1, err1, p2, err2)
	}
	if _, err := s.Begin(t.Context(), ada, "b3", id); codeOf(err) != views.ViewNotFound {
		t.Error(err)
	}
}

func TestWhatNoViewIs(t *testing.T) {
	had := 0
	s, _ := open(t, &had)
	for _, v := range []views.View{
		{},
		{Name: " a"},
		{Name: "a\nb"},
		{Name: strings.Repeat("ü", views.MaxName+1)},
		{Name: "a\x00"},
		{Name: "\xff"},
		{Name: "4242 4242 4242 4242"},
		{Name: "a", Query: strings.Repeat("q", views.MaxQuery+1)},
	} {
		rejected := (*domain.Rejection)(nil)
		if _, _, err := s.Save(t.Context(), ada, "k", v); !errors.As(err, &rejected) || rejected.Kind != domain.Invalid {
			t.Errorf("%q: %v", v.Name, err)
		}
	}
	had = views.MaxViews
	if _, _, err := s.Save(t.Context(), ada, "k", views.View{Name: "one more"}); codeOf(err) != views.TooManyViews {
		t.Error(err)
	}
}

// What people write is personal data: it goes through the seam by which it can be sealed and erased.
func TestTheNameAndTheSearchAreSealed(t *testing.T) {
	log := memstore.New()
	codec := eventstore.Codec{
		Seal: func(string, json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`"sealed"`), nil },
		Open: func(string, json.RawMessage) (json.RawMessage, error) {
			return json.RawMessage(`{"name":"Ada's","query":"q=ada"}`), nil
		},
	}
	s := views.New(log, codec, time.Now, func(context.Context, string) (int, error) { return 0, nil })
	v := views.View{Name: "Ada's", Query: "q=ada"}
	id, _, err := s.Save(t.Context(), ada, "k", v)
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range log.ReadStream(t.Context(), eventstore.ViewStream(id), eventstore.NoStream) {
		if err != nil || strings.Contains(string(r.Data), "Ada") || !strings.Contains(string(r.Data), "sealed") {
			t.Errorf("%s, %v", r.Data, err)
		}
	}
	if again, _, err := s.Save(t.Context(), ada, "k", v); err != nil || again != id {
		t.Errorf("%s, %v", again, err)
	}
}

// between is a log where something happens before an append.
type between struct {
	*memstore.Store
	first func()
}

func (l *between) Append(ctx context.Context, stream string, at eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	if first := l.first; first != nil {
		l.first = nil
		first()
	}
	return l.Store.Append(ctx, stream, at, e)
}

// One key is one view's, also when two ask at once.
func TestOneKeyForTwoViewsAtOnce(t *testing.T) {
	log, ticks := &between{Store: memstore.New()}, 0
	s := views.New(log, eventstore.Codec{}, func() time.Time {
		ticks++
		return time.Date(2026, 3, 2, 9, 0, ticks, 0, time.UTC)
	}, func(context.Context, string) (int, error) { return 0, nil })
	faster := views.View{Name: "Faster"}
	var saved string
	log.first = func() {
		var err error
		if saved, _, err = s.Save(t.Context(), ada, "k", faster); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := s.Save(t.Context(), ada, "k", views.View{Name: "Slower"}); !errors.Is(err, commands.ErrKeyReused) {
		t.Errorf("the slower one is told %v", err)
	}
	log.first = func() {
		if _, err := s.Change(t.Context(), ada, "c", saved, views.View{Name: "Changed"}); err != nil {
			t.Error(err)
		}
	}
	if at, err := s.Change(t.Context(), ada, "c", saved, views.View{Name: "Changed"}); err != nil || at != 2 {
		t.Errorf("the same change at once: %d, %v", at, err)
	}
}
