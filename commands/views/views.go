// Package views keeps lists that people save under a name: each a stream view-<id> of the log, so that every process knows them, and
// nothing of them is lost with a read model. What a list's query means is the pages'; who may save lists is the caller's to say.
package views

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Limits of a view, and of how many one person has. Several that are saved at once may exceed the last by a few.
const (
	MaxName  = 60   // runes
	MaxQuery = 2000 // bytes
	MaxViews = 50
)

// The codes of rejections about views.
const (
	ViewNotFound domain.Code = "view_not_found"
	TooManyViews domain.Code = "too_many_views"
	NotYourView  domain.Code = "not_your_view"
)

// Views saves and removes views. Safe for many goroutines.
type Views struct {
	log   commands.Log
	codec eventstore.Codec
	now   func() time.Time
	count func(ctx context.Context, owner string) (int, error)
}

// New returns the views of a log; now is the clock, and count says how many views somebody has, as far as a read model knows.
func New(log commands.Log, codec eventstore.Codec, now func() time.Time, count func(ctx context.Context, owner string) (int, error)) *Views {
	return &Views{log: log, codec: codec, now: now, count: count}
}

// View is what is saved.
type View struct {
	Name, Query string
	Shared      bool
}

func (v View) check() error {
	name := []rune(v.Name)
	switch {
	case len(name) == 0 || len(name) > MaxName || strings.TrimSpace(v.Name) != v.Name || !utf8.ValidString(v.Name) ||
		strings.ContainsFunc(v.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return domain.RejectField("/name", domain.BadValue,
			fmt.Sprintf("A view's name has 1 to %d characters that can be printed, and no white space at its ends.", MaxName))
	case len(v.Query) > MaxQuery:
		return domain.RejectField("/query", domain.TooLong, "The list is filtered by too much to be saved. Take some filters away.")
	}
	if err := domain.CheckText("/name", v.Name, MaxName); err != nil {
		return err
	}
	return domain.CheckText("/query", v.Query, MaxQuery)
}

// saved is a view as its stream tells it.
type saved struct {
	View
	owner    string
	removed  bool
	revision eventstore.Revision
	position eventstore.Position
	hash     string
	last     uuid.UUID // the command of its last event
}

// Save saves a list under a name and returns the view's id. key names the request: asked again it saves no other. Errors: a
// *domain.Rejection, commands.ErrKeyReused, eventstore.ErrUnavailable.
func (s *Views) Save(ctx context.Context, actor domain.Actor, key string, v View) (string, eventstore.Position, error) {
	if err := v.check(); err != nil {
		return "", 0, err
	}
	command := commands.CommandID(actor.ID, key)
	id := commands.ShortID("view", command)
	was, err := s.read(ctx, id)
	if err != nil {
		return "", 0, err
	}
	if was.revision != eventstore.NoStream {
		if was.View != v {
			return "", 0, commands.ErrKeyReused
		}
		return id, was.position, nil
	}
	n, err := s.count(ctx, actor.ID)
	if err != nil {
		return "", 0, err
	}
	if n >= MaxViews {
		return "", 0, &domain.Rejection{
			Code: TooManyViews, Kind: domain.Rule, Message: fmt.Sprintf("You have %d views, which is the most. Remove one first.", n),
		}
	}
	position, err := s.append(ctx, eventstore.ViewStream(id), was, command, actor, event(v))
	if conflict := (*eventstore.ConflictError)(nil); errors.As(err, &conflict) {
		return s.Save(ctx, actor, key, v) // the same request was faster by itself
	}
	return id, position, err
}

// Change renames a view, replaces its list or shares it. Its owner may; a view that is shared is a manager's, too. Errors: as Save,
// and rejections ViewNotFound and NotYourView.
func (s *Views) Change(ctx context.Context, actor domain.Actor, key, id string, v View) (eventstore.Position, error) {
	if err := v.check(); err != nil {
		return 0, err
	}
	return s.change(ctx, actor, key, id, func(was saved) domain.Event {
		if was.View == v {
			return nil
		}
		return event(v)
	})
}

// Remove removes a view. Errors as Change.
func (s *Views) Remove(ctx context.Context, actor domain.Actor, key, id string) (eventstore.Position, error) {
	return s.change(ctx, actor, key, id, func(saved) domain.Event { return eventstore.ViewRemoved{} })
}

// maxConflicts bounds how often a change is tried anew because others were faster.
const maxConflicts = 10

func (s *Views) change(ctx context.Context, actor domain.Actor, key, id string, decide func(saved) domain.Event) (eventstore.Position, error) {
	command := commands.CommandID(actor.ID, key)
	for range maxConflicts {
		was, err := s.read(ctx, id)
		if err != nil {
			return 0, err
		}
		mayAll := was.Shared && (actor.Role == domain.Manager || actor.Role == domain.Admin)
		switch {
		case was.revision != eventstore.NoStream && was.last == command:
			return was.position, nil
		case was.revision == eventstore.NoStream, was.removed, was.owner != actor.ID && !was.Shared:
			return 0, &domain.Rejection{Code: ViewNotFound, Kind: domain.Missing, Message: "There is no such view."}
		case was.owner != actor.ID && !mayAll:
			return 0, &domain.Rejection{
				Code: NotYourView, Kind: domain.Rule, Message: "The view is " + was.owner + "'s. Its owner or a manager can change it; you can save your own.",
			}
		}
		e := decide(was)
		if e == nil {
			return was.position, nil
		}
		position, err := s.append(ctx, eventstore.ViewStream(id), was, command, actor, e)
		if conflict := (*eventstore.ConflictError)(nil); !errors.As(err, &conflict) {
			return position, err
		}
	}
	return 0, fmt.Errorf("%w: view %s changes too quickly", eventstore.ErrUnavailable, id)
}

// Begin lets an actor begin with a view that they may see; with none when id is empty. Errors: a rejection ViewNotFound,
// eventstore.ErrUnavailable.
func (s *Views) Begin(ctx context.Context, actor domain.Actor, key, id string) (eventstore.Position, error) {
	if id != "" {
		v, err := s.read(ctx, id)
		if err != nil {
			return 0, err
		}
		if v.revision == eventstore.NoStream || v.removed || v.owner != actor.ID && !v.Shared {
			return 0, &domain.Rejection{Code: ViewNotFound, Kind: domain.Missing, Message: "There is no such view."}
		}
	}
	stream, command := eventstore.HomeViewStream(actor.ID), commands.CommandID(actor.ID, key)
	for range maxConflicts {
		was, err := s.fold(ctx, stream)
		if err != nil {
			return 0, err
		}
		if was.last == command && was.revision != eventstore.NoStream {
			return was.position, nil
		}
		position, err := s.append(ctx, stream, was, command, actor, eventstore.HomeViewChosen{View: id})
		if conflict := (*eventstore.ConflictError)(nil); !errors.As(err, &conflict) {
			return position, err
		}
	}
	return 0, fmt.Errorf("%w: the view that %s begins with changes too quickly", eventstore.ErrUnavailable, actor.ID)
}

func event(v View) eventstore.ViewSaved {
	return eventstore.ViewSaved{Shared: v.Shared, Personal: eventstore.ViewText{Name: v.Name, Query: v.Query}}
}

func (s *Views) read(ctx context.Context, id string) (saved, error) {
	if !commands.IsShortID(id) {
		return saved{revision: eventstore.NoStream}, nil
	}
	return s.fold(ctx, eventstore.ViewStream(id))
}

func (s *Views) fold(ctx context.Context, stream string) (saved, error) {
	v := saved{revision: eventstore.NoStream}
	for r, err := range s.log.ReadStream(ctx, stream, eventstore.NoStream) {
		if err != nil {
			return v, err
		}
		e, env, err := s.codec.Decode(r)
		if err != nil {
			return v, err
		}
		if r.Revision == 0 {
			v.owner = env.Actor.ID
		}
		switch e := e.(type) {
		case eventstore.ViewSaved:
			v.View = View{Name: e.Personal.Name, Query: e.Personal.Query, Shared: e.Shared}
		case eventstore.ViewRemoved:
			v.removed = true
		}
		v.revision, v.position, v.hash, v.last = r.Revision, r.Position, env.Hash, env.CommandID
	}
	return v, nil
}

func (s *Views) append(ctx context.Context, stream string, was saved, command uuid.UUID, actor domain.Actor, e domain.Event) (eventstore.Position, error) {
	a := commands.Appender{Log: s.log, Codec: s.codec, Now: s.now}
	recorded, _, err := a.Append(ctx, stream, was.revision, e, eventstore.Envelope{Actor: actor, CommandID: command, Prev: was.hash})
	return recorded.Position, err
}
