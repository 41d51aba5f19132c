package eventstore

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Events of the streams view-<id>: lists that people saved under a name.

// ViewSaved: a list was saved, or is from now on another one; stream view-<id>. The first one's actor is its owner.
type ViewSaved struct {
	Shared   bool     `json:"shared"` // with all who may read
	Personal ViewText `json:"personal"`
}

// ViewText is what a person wrote: a search may hold a customer's name.
type ViewText struct {
	Name  string `json:"name"`
	Query string `json:"query"` // of the page's address
}

// ViewRemoved: nobody sees the view any more.
type ViewRemoved struct{}

// HomeViewChosen: the actor begins with this view; the stream is HomeViewStream of theirs. Empty: with none.
type HomeViewChosen struct {
	View string `json:"view"`
}

// EventType is the event's name in the log.
func (ViewSaved) EventType() string      { return "ViewSaved" }
func (ViewRemoved) EventType() string    { return "ViewRemoved" }
func (HomeViewChosen) EventType() string { return "HomeViewChosen" }

// ViewStream is the name of a saved view's stream.
func ViewStream(id string) string { return "view-" + id }

const homePrefix = "view-home-"

// HomeViewStream is the name of the stream that says with which view an actor begins.
func HomeViewStream(actor string) string {
	sum := sha256.Sum256([]byte(actor))
	return homePrefix + hex.EncodeToString(sum[:16])
}

// IsHomeView says whether a stream is one of HomeViewStream's.
func IsHomeView(stream string) bool { return strings.HasPrefix(stream, homePrefix) }
