package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// token is one token as its stream tells it. The zero token does not exist.
type token struct {
	actor    domain.Actor
	digest   string // of the secret, hex
	revoked  bool
	last     uuid.UUID // the command of its last event
	revision eventstore.Revision
	position eventstore.Position
	hash     string
}

func (k token) exists() bool { return k.digest != "" }

func (k token) evolve(r eventstore.Recorded, e domain.Event, env eventstore.Envelope) token {
	switch e := e.(type) {
	case eventstore.TokenCreated:
		k.actor, k.digest = domain.Actor{ID: e.Name, Role: e.Role}, e.Secret
	case eventstore.TokenRevoked:
		k.revoked = true
	}
	k.last, k.revision, k.position, k.hash = env.CommandID, r.Revision, r.Position, env.Hash
	return k
}

// matches says whether a secret is this token's and the token is alive. The comparison takes the same time for every secret.
func (k token) matches(secret string) bool {
	same := subtle.ConstantTimeCompare([]byte(k.digest), []byte(hashOf(secret))) == 1
	return same && k.exists() && !k.revoked
}

// again is what a creation that was asked before is answered: c without its secret.
func (k token) again(c Created) (Created, error) {
	if k.actor.ID != c.Name || k.actor.Role != c.Role {
		return Created{}, commands.ErrKeyReused
	}
	c.Position, c.Replayed = k.position, true
	return c, nil
}

// read folds a token's stream; a token that was never made is the zero token at NoStream.
func (t *Tokens) read(ctx context.Context, id string) (token, error) {
	k := token{revision: eventstore.NoStream}
	if !commands.IsShortID(id) {
		return k, nil
	}
	for r, err := range t.log.ReadStream(ctx, streamOf(id), eventstore.NoStream) {
		if err != nil {
			return token{}, err
		}
		e, env, err := t.codec.Decode(r)
		if err != nil {
			return token{}, err
		}
		k = k.evolve(r, e, env)
	}
	return k, nil
}

// A secret is olt_<id>_<52 characters>: the prefix lets scanners find leaked ones, the id finds the stream, and the rest are
// 256 random bits.
const (
	secretPrefix = "olt_"
	secretLength = 52
)

var secretAlphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return secretAlphabet.EncodeToString(b[:])
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func streamOf(id string) string { return "access-" + id }

// parse takes a secret apart, so that what is plainly no token costs no look at the log.
func parse(secret string) (id, rest string, ok bool) {
	body, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok || len(body) != commands.ShortIDLength+1+secretLength || body[commands.ShortIDLength] != '_' {
		return "", "", false
	}
	id, rest = body[:commands.ShortIDLength], body[commands.ShortIDLength+1:]
	return id, rest, commands.IsShortID(id)
}

// reserved names are those of actors that are not tokens; an audit must never take one for the other.
var reserved = []string{"local", "saga", "stripe", "webhook", "webhooks", "timer", "system", "orderledger"}

// AccountPrefix stands before an account of a NATS server in the id of the actor that its clients are.
const AccountPrefix = "nats:"

// Check says what is wrong with a token's name or role, as a *domain.Rejection; nil when nothing is.
func Check(name string, role domain.Role) error {
	switch {
	case name == "" || len([]rune(name)) > MaxName || name != strings.TrimSpace(name) || strings.ContainsFunc(name, unicode.IsControl):
		return domain.RejectField("/name", domain.BadValue,
			"A token's name has 1 to 64 characters, no control characters, and no white space at its ends.")
	case slices.Contains(reserved, strings.ToLower(name)), strings.HasPrefix(name, AccountPrefix):
		return domain.RejectField("/name", domain.BadValue, "The ledger itself acts under this name. Choose another.")
	case !slices.Contains(domain.TokenRoles, role):
		return domain.RejectField("/role", domain.BadValue,
			"A token's role is viewer, clerk, manager, auditor, store or admin.")
	}
	return domain.CheckText("/name", name, MaxName)
}
