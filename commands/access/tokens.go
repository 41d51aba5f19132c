package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// ErrUnauthenticated means that a secret is no token's: it is malformed, unknown or revoked. Which of them is never said.
var ErrUnauthenticated = errors.New("the token is not valid")

// TokenNotFound is the code of the rejection that a token to be revoked does not exist.
const TokenNotFound domain.Code = "token_not_found"

// MaxName is how many characters a token's name may have.
const MaxName = 64

// Tokens makes, revokes and recognises API tokens. Safe for many goroutines.
type Tokens struct {
	log   commands.Log
	codec eventstore.Codec
	now   func() time.Time
	cache *cache
	after func()
}

// New returns the tokens of a log; now is the clock.
func New(log commands.Log, codec eventstore.Codec, now func() time.Time) *Tokens {
	return &Tokens{log: log, codec: codec, now: now, cache: newCache(), after: func() {}}
}

// AfterRevocation has f called whenever a token was revoked here. It is set before the tokens are used.
func (t *Tokens) AfterRevocation(f func()) { t.after = f }

// Created is a token that was made.
type Created struct {
	ID   string
	Name string
	Role domain.Role
	// Secret is what its holder sends. It is shown once: the ledger keeps only its hash, so it is empty when Replayed.
	Secret   string
	Position eventstore.Position
	Replayed bool // the same command made it before
}

// Create makes a token. Its holder acts under its name: two tokens of one name are one actor, so that a token can be
// replaced. The secret is shown here and never again. Errors: as CreateOnce.
func (t *Tokens) Create(ctx context.Context, actor domain.Actor, name string, role domain.Role) (
	secret, id string, position eventstore.Position, err error,
) {
	command, err := uuid.NewRandom()
	if err != nil {
		return "", "", 0, err
	}
	c, err := t.CreateOnce(ctx, command, actor, name, role)
	return c.Secret, c.ID, c.Position, err
}

// CreateOnce makes the token that belongs to a command: asked again with the same name and role it makes no other, but can't
// show the secret again. Errors: a *domain.Rejection of the name or the role, commands.ErrKeyReused when the command made
// another token, eventstore.ErrUnavailable.
func (t *Tokens) CreateOnce(ctx context.Context, command uuid.UUID, actor domain.Actor, name string, role domain.Role) (Created, error) {
	if err := Check(name, role); err != nil {
		return Created{}, err
	}
	c := Created{ID: commands.ShortID("token", command), Name: name, Role: role}
	stream := streamOf(c.ID)
	was, err := t.read(ctx, c.ID)
	if err != nil {
		return Created{}, err
	}
	if was.exists() {
		return was.again(c)
	}
	secret := newSecret()
	event := eventstore.TokenCreated{Name: name, Role: role, Secret: hashOf(secret)}
	recorded, env, err := t.append(ctx, stream, was, command, actor, event)
	if err != nil {
		return Created{}, t.raced(ctx, c, err)
	}
	t.cache.put(c.ID, was.evolve(recorded, event, env), t.now())
	c.Secret, c.Position = secretPrefix+c.ID+"_"+secret, recorded.Position
	return c, nil
}

// raced turns a conflict on a token's stream into what the caller should hear: the same command was faster by itself.
func (t *Tokens) raced(ctx context.Context, c Created, err error) error {
	conflict := (*eventstore.ConflictError)(nil)
	if !errors.As(err, &conflict) {
		return err
	}
	was, readErr := t.read(ctx, c.ID)
	if readErr != nil {
		return readErr
	}
	if _, reused := was.again(c); reused != nil {
		return reused
	}
	return fmt.Errorf("%w: the same request is being carried out", eventstore.ErrUnavailable)
}

// Revoke makes a token worth nothing: at once in this process, within CacheTTL in others. Revoking it again is a success.
// Errors: as RevokeOnce.
func (t *Tokens) Revoke(ctx context.Context, actor domain.Actor, id string) (eventstore.Position, error) {
	command, err := uuid.NewRandom()
	if err != nil {
		return 0, err
	}
	r, err := t.RevokeOnce(ctx, command, actor, id)
	return r.Position, err
}

// Revoked is a token that was revoked.
type Revoked struct {
	ID       string
	Name     string
	Role     domain.Role
	Position eventstore.Position
	Replayed bool // the same command revoked it before
}

// maxConflicts bounds how often a revocation is tried anew because others were faster.
const maxConflicts = 10

// RevokeOnce is Revoke for a command that may be asked again. Errors: a rejection TokenNotFound, eventstore.ErrUnavailable.
func (t *Tokens) RevokeOnce(ctx context.Context, command uuid.UUID, actor domain.Actor, id string) (Revoked, error) {
	for range maxConflicts {
		was, err := t.read(ctx, id)
		if err != nil {
			return Revoked{}, err
		}
		if !was.exists() {
			return Revoked{}, &domain.Rejection{Code: TokenNotFound, Kind: domain.Missing, Message: "There is no such token."}
		}
		r := Revoked{ID: id, Name: was.actor.ID, Role: was.actor.Role, Position: was.position}
		if was.revoked {
			t.cache.put(id, was, t.now())
			t.after()
			r.Replayed = was.last == command
			return r, nil
		}
		recorded, env, err := t.append(ctx, streamOf(id), was, command, actor, eventstore.TokenRevoked{})
		conflict := (*eventstore.ConflictError)(nil)
		if errors.As(err, &conflict) {
			continue
		}
		if err != nil {
			return Revoked{}, err
		}
		t.cache.put(id, was.evolve(recorded, eventstore.TokenRevoked{}, env), t.now())
		t.after()
		r.Position = recorded.Position
		return r, nil
	}
	return Revoked{}, fmt.Errorf("%w: token %s changes too quickly", eventstore.ErrUnavailable, id)
}

// append appends an event as the next of a token's stream. A conflict may be the same command that was faster by itself: what it wrote
// stands, and its secret is another.
func (t *Tokens) append(ctx context.Context, stream string, was token, command uuid.UUID, actor domain.Actor, event domain.Event) (
	eventstore.Recorded, eventstore.Envelope, error,
) {
	a := commands.Appender{Log: t.log, Codec: t.codec, Now: t.now}
	return a.Append(ctx, stream, was.revision, event, eventstore.Envelope{Actor: actor, CommandID: command, Prev: was.hash})
}

// Authenticate returns the actor whose token a secret is; its Via is left to the caller. What was read of the log is taken
// as true for CacheTTL. Errors: ErrUnauthenticated, eventstore.ErrUnavailable.
func (t *Tokens) Authenticate(ctx context.Context, secret string) (domain.Actor, error) {
	id, rest, ok := parse(secret)
	if !ok {
		return domain.Actor{}, ErrUnauthenticated
	}
	known, err := t.known(ctx, id)
	if err != nil {
		return domain.Actor{}, err
	}
	if !known.matches(rest) {
		return domain.Actor{}, ErrUnauthenticated
	}
	return known.actor, nil
}

// Holder returns the actor of a token that was authenticated before, by its id (see IDOf): ErrUnauthenticated when the token was
// revoked meanwhile. Other errors as Authenticate.
func (t *Tokens) Holder(ctx context.Context, id string) (domain.Actor, error) {
	known, err := t.known(ctx, id)
	if err != nil {
		return domain.Actor{}, err
	}
	if !known.exists() || known.revoked {
		return domain.Actor{}, ErrUnauthenticated
	}
	return known.actor, nil
}

// IDOf is the id of the token that a secret may be of. It says nothing of whether it is one.
func IDOf(secret string) string {
	id, _, _ := parse(secret)
	return id
}

// known is a token as the log, or the cache, has it.
func (t *Tokens) known(ctx context.Context, id string) (token, error) {
	known, ok := t.cache.get(id, t.now())
	if ok {
		return known, nil
	}
	known, err := t.read(ctx, id)
	if err == nil && known.exists() {
		known = t.cache.put(id, known, t.now())
	}
	return known, err
}
