package eventstore

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

// Envelope is what an event's Meta says beside the fact itself.
type Envelope struct {
	Schema        int          `json:"schema"`
	OccurredAt    time.Time    `json:"occurred_at"`
	Actor         domain.Actor `json:"actor"`
	CommandID     uuid.UUID    `json:"command_id"`
	RequestHash   string       `json:"request_hash,omitempty"`   // what was asked: SHA-256, hex
	CorrelationID string       `json:"correlation_id,omitempty"` // the same for all that one act of a person set off
	CausationID   uuid.UUID    `json:"causation_id,omitzero"`    // the event that led to this one
	Prev          string       `json:"prev"`                     // hash of the event before in the stream; empty for the first
	Hash          string       `json:"hash"`                     // see Chain
}

// ErrBroken means that an event's stored bytes are not those that were hashed, or not what the codec wrote.
var ErrBroken = errors.New("the stored event is damaged")

const (
	hashMember  = `,"hash":"`
	hashSuffix  = len(hashMember) + 2*sha256.Size + len(`"}`)
	chainFormat = "orderledger/1"
)

// Chain is the hash of an event: SHA-256 over what it is and where it stands, and its stored bytes, each with its length:
//
//	"orderledger/1" stream revision id type data meta
//
// where meta is the stored Meta without its own "hash" member. Meta holds "prev", the hash of the event before in the
// stream, so a hash vouches for its event and for all before it.
func Chain(stream string, revision Revision, e Event, metaWithoutHash []byte) string {
	h := sha256.New()
	var scratch [20]byte
	field := func(b []byte) {
		h.Write(append(strconv.AppendInt(scratch[:0], int64(len(b)), 10), ' '))
		h.Write(b)
	}
	field([]byte(chainFormat))
	field([]byte(stream))
	field(strconv.AppendInt(nil, int64(revision), 10))
	field([]byte(e.ID.String()))
	field([]byte(e.Type))
	field(e.Data)
	field(metaWithoutHash)
	return hex.EncodeToString(h.Sum(nil))
}

// Seal writes an envelope as the Meta of an event that will stand at this place, and sets its hash: in the returned event's
// Meta and in the returned string. Envelope.Hash is ignored.
func Seal(stream string, revision Revision, e Event, env Envelope) (Event, string, error) {
	env.Hash = ""
	env.OccurredAt = env.OccurredAt.UTC()
	meta, err := json.Marshal(env)
	if err != nil {
		return Event{}, "", fmt.Errorf("envelope of %s: %w", e.Type, err)
	}
	open := append(meta[:len(meta)-len(`,"hash":""}`)], '}')
	hash := Chain(stream, revision, e, open)
	e.Meta = append(append(open[:len(open)-1:len(open)-1], hashMember...), hash+`"}`...)
	return e, hash, nil
}

// ReadEnvelope parses an event's Meta. Errors wrap ErrBroken.
func ReadEnvelope(e Event) (Envelope, error) {
	var env Envelope
	if err := json.Unmarshal(e.Meta, &env); err != nil {
		return Envelope{}, fmt.Errorf("%w: %s %s: meta: %w", ErrBroken, e.Type, e.ID, err)
	}
	return env, nil
}

// Verify recomputes a recorded event's hash from its stored bytes and checks that it follows prev, the hash of the event
// before in its stream (empty for the first). It returns the event's hash. Errors wrap ErrBroken.
func Verify(r Recorded, prev string) (string, error) {
	env, err := ReadEnvelope(r.Event)
	if err != nil {
		return "", err
	}
	where := fmt.Sprintf("%s, %s, position %d (%s)", r.Stream, r.Revision, r.Position, r.Type)
	cut := len(r.Meta) - hashSuffix
	if cut < 1 || string(r.Meta[cut:cut+len(hashMember)]) != hashMember {
		return "", fmt.Errorf("%w: %s has no hash at its end", ErrBroken, where)
	}
	open := append(append([]byte{}, r.Meta[:cut]...), '}')
	switch {
	case Chain(r.Stream, r.Revision, r.Event, open) != env.Hash:
		return "", fmt.Errorf("%w: %s does not match its hash", ErrBroken, where)
	case env.Prev != prev:
		return "", fmt.Errorf("%w: %s does not follow the event before it", ErrBroken, where)
	}
	return env.Hash, nil
}
