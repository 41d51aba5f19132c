package esdbstore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// DefaultLedger is the ledger whose streams have no name before them.
const DefaultLedger = "orderledger"

// errForeign says that a stream of the ledger's categories holds an event that no ledger wrote.
var errForeign = errors.New("the log holds a foreign event")

// layout turns names of the ledger's streams into those on the server, and back.
type layout struct {
	prefix     string
	categories []string
	prefixes   []string // what the names of all the ledger's streams begin with
}

func newLayout(ledger string, categories []string) (layout, error) {
	if _, _, err := eventstore.CheckStream("x-" + ledger); err != nil {
		return layout{}, fmt.Errorf("the ledger's name %q is not 1 to 128 letters, digits, dashes and underscores", ledger)
	}
	if len(categories) == 0 {
		categories = eventstore.Categories
	}
	for _, c := range categories {
		if _, _, err := eventstore.CheckStream(c + "-x"); err != nil || strings.Contains(c, "-") {
			return layout{}, fmt.Errorf("bad category %q", c)
		}
	}
	l := layout{categories: categories}
	if ledger != DefaultLedger {
		l.prefix = strings.ReplaceAll(ledger, "-", ".") + "." // the server's categories end at the first dash
	}
	for _, c := range categories {
		l.prefixes = append(l.prefixes, l.prefix+c+"-")
	}
	return l, nil
}

// native is a stream's name on the server.
func (l layout) native(stream string) (string, error) {
	category, _, err := eventstore.CheckStream(stream)
	if err != nil {
		return "", err
	}
	if !slices.Contains(l.categories, category) {
		return "", fmt.Errorf("%w: the ledger keeps no category %q", eventstore.ErrBadStream, category)
	}
	return l.prefix + stream, nil
}

// owns says whether a stream on the server is the ledger's.
func (l layout) owns(native string) bool {
	return slices.ContainsFunc(l.prefixes, func(p string) bool { return strings.HasPrefix(native, p) })
}

// encode writes an event as the server keeps it.
func encode(e eventstore.Event) (esdb.EventData, error) {
	meta, err := dress(e.Meta)
	return esdb.EventData{EventID: e.ID, EventType: e.Type, ContentType: esdb.ContentTypeJson, Data: e.Data, Metadata: meta}, err
}

// decode reads an event of the ledger.
func (l layout) decode(e *esdb.RecordedEvent) (eventstore.Recorded, error) {
	stream := strings.TrimPrefix(e.StreamID, l.prefix)
	r := eventstore.Recorded{
		Event:    eventstore.Event{ID: e.EventID, Type: e.EventType, Data: e.Data, Meta: undress(e.UserMetadata)},
		Stream:   stream,
		Revision: eventstore.Revision(e.EventNumber),
		Position: eventstore.Position(e.Position.Commit),
	}
	_, err := l.native(stream)
	if err == nil {
		err = eventstore.CheckEvent(r.Event)
	}
	if err == nil && (len(r.Data) == 0 || len(r.Meta) == 0) {
		err = errors.New("it has no envelope")
	}
	if err != nil {
		return eventstore.Recorded{}, fmt.Errorf("%w: %s, %s, position %d: %w; other programs on the server must not use the ledger's categories",
			errForeign, e.StreamID, r.Revision, r.Position, err)
	}
	return r, nil
}

const (
	correlation = `,"$correlationId":`
	causation   = `,"$causationId":`
)

// dress puts the names behind an envelope by which the server's tools follow what caused what. undress takes exactly them off.
func dress(meta []byte) ([]byte, error) {
	var env struct {
		Correlation string `json:"correlation_id"`
		Causation   string `json:"causation_id"`
	}
	dressed := meta
	if json.Unmarshal(meta, &env) == nil && env.Correlation != "" {
		dressed = append(append(bytes.Clone(meta[:len(meta)-1]), correlation...), quote(env.Correlation)...)
		if env.Causation != "" {
			dressed = append(append(dressed, causation...), quote(env.Causation)...)
		}
		dressed = append(dressed, '}')
	}
	if bytes.Equal(undress(dressed), meta) {
		return dressed, nil
	}
	if bytes.Equal(undress(meta), meta) {
		return meta, nil
	}
	return nil, errors.New("the envelope uses a name that is the server's: $correlationId")
}

func quote(s string) []byte {
	b, _ := json.Marshal(s) // a string can always be written
	return b
}

// undress returns an envelope as it was sealed.
func undress(stored []byte) []byte {
	i := bytes.LastIndex(stored, []byte(correlation))
	if i < 0 || stored[len(stored)-1] != '}' {
		return stored
	}
	return append(stored[:i:i], '}')
}

// structured is a name of two numbers, as the protocol writes ids.
func structured(most, least int64) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits: most, LeastSignificantBits: least,
	}}}
}

func idOf(id uuid.UUID) *shared.UUID {
	return structured(int64(binary.BigEndian.Uint64(id[:8])), int64(binary.BigEndian.Uint64(id[8:])))
}
