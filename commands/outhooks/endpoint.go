package outhooks

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Endpoint is one endpoint as its stream tells it. The zero Endpoint does not exist. It is a value: evolve returns a new one and never
// changes what an old one refers to.
type Endpoint struct {
	ID           string
	URL          string
	Types        []string // event types of orders, or eventstore.AnyType alone
	Manufacturer string   // empty: of all
	CustomerData bool
	Created      time.Time

	Removed  bool
	Disabled *Disabled // nil while it is enabled
	Parked   *Parked   // nil while nothing is
	// Generations are those of the secrets that sign, the current one first.
	Generations []Generation
	// Through is the last event that is known to the log as handled; at first the endpoint's own first one.
	Through eventstore.EventRef
	// Round counts how often a person let it go on: what failed before that is forgotten.
	Round int

	revision eventstore.Revision
	position eventstore.Position
	hash     string
	acts     map[uuid.UUID]act // people's commands
}

// Disabled says why an endpoint is disabled.
type Disabled struct {
	At     time.Time
	Reason string
}

// Parked is a delivery that waits for a person.
type Parked struct {
	eventstore.DeliveryParked
	At time.Time
}

// Generation is one of an endpoint's secrets: its number, the fingerprint of the key that it is derived from, and until when it
// signs; the zero time for the current one.
type Generation struct {
	Number int
	Key    string
	Until  time.Time
}

// act is what a person's command asked for, and what it made.
type act struct {
	request    string
	generation int // the current one then
	position   eventstore.Position
}

// maxGenerations bounds the secrets that sign side by side. When secrets are rotated faster than they end, the oldest ends early.
const maxGenerations = 3

// State is what an endpoint is at.
type State string

// The states.
const (
	Active     State = "active"
	IsParked   State = "parked"
	IsDisabled State = "disabled"
	IsRemoved  State = "removed"
)

// State is the endpoint's state; the first that fits.
func (e Endpoint) State() State {
	switch {
	case e.Removed:
		return IsRemoved
	case e.Disabled != nil:
		return IsDisabled
	case e.Parked != nil:
		return IsParked
	}
	return Active
}

func (e Endpoint) exists() bool { return len(e.Generations) > 0 }

// wants says whether the endpoint is told of events of a type.
func (e Endpoint) wants(eventType string) bool {
	return e.Types[0] == eventstore.AnyType || slices.Contains(e.Types, eventType)
}

// evolve is the endpoint after one more event of its stream. It is total.
func (e Endpoint) evolve(r eventstore.Recorded, ev domain.Event, env eventstore.Envelope) Endpoint {
	switch ev := ev.(type) {
	case eventstore.EndpointAdded:
		e.URL, e.Types, e.Manufacturer, e.CustomerData, e.Created = ev.URL, ev.Types, ev.Manufacturer, ev.CustomerData, env.OccurredAt
		e.Generations, e.Through = []Generation{{Number: 1, Key: ev.Key}}, eventstore.Ref(r)
	case eventstore.EndpointSecretRotated:
		all := append([]Generation{{Number: ev.Generation, Key: ev.Key}}, e.Generations...)
		if len(all) > 1 {
			all[1].Until = ev.OldUntil
		}
		e.Generations = all[:min(len(all), maxGenerations)]
	case eventstore.EndpointDisabled:
		e.Disabled = &Disabled{At: env.OccurredAt, Reason: ev.Reason}
	case eventstore.EndpointEnabled:
		e.Disabled = nil
		e.Round++
	case eventstore.EndpointRemoved:
		e.Removed = true
	case eventstore.EndpointDelivered:
		e.Through = ev.Last
	case eventstore.DeliveryParked:
		e.Parked = &Parked{DeliveryParked: ev, At: env.OccurredAt}
	case eventstore.DeliveryResumed:
		e.Parked = nil
		e.Round++
		if ev.Decision == eventstore.SkipDelivery {
			e.Through = ev.Event
		}
	}
	e.revision, e.position, e.hash = r.Revision, r.Position, env.Hash
	if env.RequestHash != "" && len(e.Generations) > 0 {
		e.acts = maps.Clone(e.acts)
		if e.acts == nil {
			e.acts = map[uuid.UUID]act{}
		}
		e.acts[env.CommandID] = act{request: env.RequestHash, generation: e.Generations[0].Number, position: r.Position}
	}
	return e
}
