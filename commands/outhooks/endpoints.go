package outhooks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// The codes of rejections about endpoints.
const (
	EndpointNotFound domain.Code = "endpoint_not_found"
	TooManyEndpoints domain.Code = "too_many_endpoints"
	NothingParked    domain.Code = "no_delivery_parked"
)

// MaxEndpoints bounds the endpoints of a ledger that are not removed. Several processes that add some at once may exceed it by a few.
const MaxEndpoints = 100

// OldSecretLife is for how long the secret before the current one signs, too.
const OldSecretLife = 24 * time.Hour

// Endpoints adds, changes and removes endpoints. Safe for many goroutines.
type Endpoints struct {
	log   commands.Log
	codec eventstore.Codec
	now   func() time.Time
	keys  *Keyring
	check func(ctx context.Context, url string) error

	mu    sync.Mutex
	known map[string]Endpoint // as far as they were read; values are never changed
}

// NewEndpoints returns the endpoints of a log; now is the clock, and check says whether a URL may be one's (see sender.Client.Check).
func NewEndpoints(log commands.Log, codec eventstore.Codec, now func() time.Time, keys *Keyring, check func(context.Context, string) error) *Endpoints {
	return &Endpoints{log: log, codec: codec, now: now, keys: keys, check: check, known: map[string]Endpoint{}}
}

// Change is what came of a command on an endpoint.
type Change struct {
	Endpoint Endpoint
	// Secret is what the endpoint verifies messages with, as it was made by this command: of Add and Rotate, asked again, too.
	Secret   string
	Position eventstore.Position
	Replayed bool // the same request was carried out before
}

// Request says who asks, and by which command.
type Request struct {
	Command uuid.UUID
	Actor   domain.Actor
}

// Add adds an endpoint. It is told of what comes behind its EndpointAdded in the log. Errors: a *domain.Rejection of what is asked,
// commands.ErrKeyReused, eventstore.ErrUnavailable.
func (s *Endpoints) Add(ctx context.Context, r Request, a Addition) (Change, error) {
	a, err := a.normal()
	if err != nil {
		return Change{}, err
	}
	id := commands.ShortID("endpoint", r.Command)
	return s.change(ctx, id, "add", a.hash(), r, func(e Endpoint) (domain.Event, error) {
		if e.exists() {
			return nil, commands.ErrKeyReused // asked again, it would have been recognised
		}
		if err := s.mayAdd(ctx, a); err != nil {
			return nil, err
		}
		return eventstore.EndpointAdded{
			URL: a.URL, Types: a.Types, Manufacturer: a.Manufacturer, CustomerData: a.CustomerData, Key: s.keys.fingerprint,
		}, nil
	})
}

// Rotate gives an endpoint a new secret; the one before signs, too, for OldSecretLife. Errors as Enable.
func (s *Endpoints) Rotate(ctx context.Context, r Request, id string) (Change, error) {
	return s.change(ctx, id, "rotate", "", r, func(e Endpoint) (domain.Event, error) {
		return eventstore.EndpointSecretRotated{
			Generation: e.Generations[0].Number + 1, Key: s.keys.fingerprint, OldUntil: s.now().UTC().Truncate(time.Microsecond).Add(OldSecretLife),
		}, nil
	})
}

// Enable lets a disabled endpoint go on where it was. Doing so again is a success. Errors: a rejection EndpointNotFound,
// commands.ErrKeyReused, eventstore.ErrUnavailable.
func (s *Endpoints) Enable(ctx context.Context, r Request, id string) (Change, error) {
	return s.change(ctx, id, "enable", "", r, func(e Endpoint) (domain.Event, error) {
		if e.Disabled == nil {
			return nil, nil
		}
		return eventstore.EndpointEnabled{}, nil
	})
}

// Disable keeps an endpoint from being told of anything until it is enabled; then it is told of what it has missed. Errors as Enable.
func (s *Endpoints) Disable(ctx context.Context, r Request, id string) (Change, error) {
	return s.change(ctx, id, "disable", "", r, func(e Endpoint) (domain.Event, error) {
		if e.Disabled != nil {
			return nil, nil
		}
		return eventstore.EndpointDisabled{Reason: "a person disabled it"}, nil
	})
}

// Remove ends an endpoint for good. Doing so again is a success. Errors as Enable.
func (s *Endpoints) Remove(ctx context.Context, r Request, id string) (Change, error) {
	return s.change(ctx, id, "remove", "", r, func(Endpoint) (domain.Event, error) { return eventstore.EndpointRemoved{}, nil })
}

// Resume decides about a delivery that is parked. Errors as Enable, and a rejection NothingParked.
func (s *Endpoints) Resume(ctx context.Context, r Request, id string, d eventstore.Redelivery) (Change, error) {
	return s.change(ctx, id, string(d), "", r, func(e Endpoint) (domain.Event, error) {
		if e.Parked == nil {
			return nil, &domain.Rejection{Code: NothingParked, Kind: domain.Rule, Message: "No delivery to this endpoint is parked."}
		}
		return eventstore.DeliveryResumed{Event: e.Parked.Event, Decision: d}, nil
	})
}

// maxConflicts bounds how often a command is tried anew because others were faster.
const maxConflicts = 20

// change carries a person's command out, or answers it as the first time. An act that is done already appends nothing.
func (s *Endpoints) change(ctx context.Context, id, verb, about string, r Request, decide func(Endpoint) (domain.Event, error)) (Change, error) {
	request := hashOf(verb, id, about)
	for range maxConflicts {
		e, err := s.read(ctx, id)
		if err != nil {
			return Change{}, err
		}
		if done, again := e.acts[r.Command]; again {
			if done.request != request {
				return Change{}, commands.ErrKeyReused
			}
			return s.answer(e, verb, done, true), nil
		}
		if verb != "add" && (!e.exists() || e.Removed && verb != "remove") {
			return Change{}, notFound()
		}
		if e.Removed {
			return Change{Endpoint: e, Position: e.position}, nil
		}
		event, err := decide(e)
		if err != nil || event == nil {
			return Change{Endpoint: e, Position: e.position}, err
		}
		e, err = s.append(ctx, e, event, eventstore.Envelope{Actor: r.Actor, CommandID: r.Command, RequestHash: request})
		if conflict := (*eventstore.ConflictError)(nil); errors.As(err, &conflict) {
			continue
		}
		if err != nil {
			return Change{}, err
		}
		return s.answer(e, verb, e.acts[r.Command], false), nil
	}
	return Change{}, fmt.Errorf("%w: endpoint %s changes too quickly", eventstore.ErrUnavailable, id)
}

// answer is what a command made. A secret that the key makes no more is left out.
func (s *Endpoints) answer(e Endpoint, verb string, done act, replayed bool) Change {
	c := Change{Endpoint: e, Position: done.position, Replayed: replayed}
	if verb != "add" && verb != "rotate" {
		return c
	}
	for _, g := range e.Generations {
		if secret, err := s.keys.secret(e.ID, g); err == nil && g.Number == done.generation {
			c.Secret = secret.Reveal()
		}
	}
	return c
}

func notFound() error {
	return &domain.Rejection{Code: EndpointNotFound, Kind: domain.Missing, Message: "There is no such endpoint."}
}

// runner is who records what came of deliveries.
var runner = domain.Actor{ID: "webhooks", Role: domain.System, Via: domain.ViaSaga}

// record appends what came of deliveries, if decide still finds it to be said. command names it, so that saying it again is recognised.
func (s *Endpoints) record(ctx context.Context, id string, command uuid.UUID, cause uuid.UUID, decide func(Endpoint) domain.Event) error {
	for range maxConflicts {
		e, err := s.read(ctx, id)
		if err != nil {
			return err
		}
		event := decide(e)
		if event == nil || e.Removed {
			return nil
		}
		_, err = s.append(ctx, e, event, eventstore.Envelope{Actor: runner, CommandID: command, CausationID: cause})
		if conflict := (*eventstore.ConflictError)(nil); !errors.As(err, &conflict) {
			return err
		}
	}
	return fmt.Errorf("%w: endpoint %s changes too quickly", eventstore.ErrUnavailable, id)
}

// append appends an event as the next of an endpoint's stream.
func (s *Endpoints) append(ctx context.Context, was Endpoint, event domain.Event, env eventstore.Envelope) (Endpoint, error) {
	env.Prev = was.hash
	a := commands.Appender{Log: s.log, Codec: s.codec, Now: s.now}
	recorded, env, err := a.Append(ctx, eventstore.EndpointStream(was.ID), was.revision, event, env)
	if err != nil {
		return was, err
	}
	return s.remember(was.evolve(recorded, event, env)), nil
}

// remember keeps what was read of an endpoint, and returns the newest that is known.
func (s *Endpoints) remember(e Endpoint) Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.known[e.ID]; ok && known.revision > e.revision {
		return known
	}
	s.known[e.ID] = e
	return e
}

// seen is an endpoint as far as it was read.
func (s *Endpoints) seen(id string) Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.known[id]; ok {
		return e
	}
	return Endpoint{ID: id, revision: eventstore.NoStream}
}

// alive are the endpoints that are not removed, as far as they are known.
func (s *Endpoints) alive() []Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Endpoint
	for _, e := range s.known {
		if !e.Removed {
			all = append(all, e)
		}
	}
	return all
}

// read is an endpoint as the log tells it now.
func (s *Endpoints) read(ctx context.Context, id string) (Endpoint, error) {
	e := s.seen(id)
	if !commands.IsShortID(id) {
		return e, nil
	}
	for r, err := range s.log.ReadStream(ctx, eventstore.EndpointStream(id), e.revision) {
		if err != nil {
			return e, err
		}
		event, env, err := s.codec.Decode(r)
		if err != nil {
			return e, err
		}
		e = e.evolve(r, event, env)
	}
	if !e.exists() {
		return e, nil
	}
	return s.remember(e), nil
}

func hashOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])
}
