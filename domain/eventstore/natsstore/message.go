package natsstore

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/orderledger/orderledger/domain/eventstore"
)

const (
	headerID       = "Event-Id"
	headerType     = "Event-Type"
	headerRevision = "Event-Revision"
	headerExpected = nats.ExpectedLastSubjSeqHdr
)

// DefaultCategories are the categories of streams that a ledger keeps when its configuration names none.
var DefaultCategories = eventstore.Categories

// reserved are the second parts of subjects that must never reach the log.
var reserved = []string{"public", "cmd"}

// layout turns names of streams into subjects and back.
type layout struct {
	ledger     string
	categories []string
}

// newLayout checks a ledger's name and categories.
func newLayout(ledger string, categories []string) (layout, error) {
	if len(categories) == 0 {
		categories = DefaultCategories
	}
	// A name fits if it could be a stream's category: no dot, no wildcard, no white space.
	if _, _, err := eventstore.CheckStream("x-" + ledger); err != nil {
		return layout{}, fmt.Errorf("the ledger's name %q is not 1 to 128 letters, digits, dashes and underscores", ledger)
	}
	for _, c := range categories {
		if _, _, err := eventstore.CheckStream(c + "-x"); err != nil || strings.Contains(c, "-") || slices.Contains(reserved, c) {
			return layout{}, fmt.Errorf("bad category %q", c)
		}
	}
	return layout{ledger: ledger, categories: categories}, nil
}

// subjects are the subjects that the log catches.
func (l layout) subjects() []string {
	all := make([]string, len(l.categories))
	for i, c := range l.categories {
		all[i] = l.ledger + "." + c + ".*"
	}
	return all
}

// subject is the one subject of a stream.
func (l layout) subject(stream string) (string, error) {
	category, id, err := eventstore.CheckStream(stream)
	if err != nil {
		return "", err
	}
	if !slices.Contains(l.categories, category) {
		return "", fmt.Errorf("%w: the ledger keeps no category %q", eventstore.ErrBadStream, category)
	}
	return l.ledger + "." + category + "." + id, nil
}

// stream is the name of the stream that a subject stands for.
func (l layout) stream(subject string) (string, error) {
	rest, ok := strings.CutPrefix(subject, l.ledger+".")
	category, id, two := strings.Cut(rest, ".")
	if !ok || !two {
		return "", fmt.Errorf("%q is no subject of the ledger %s", subject, l.ledger)
	}
	return category + "-" + id, nil
}

// checkEvent refuses an event that the stored form can't carry.
func checkEvent(expected eventstore.Revision, e eventstore.Event) error {
	if err := eventstore.CheckEvent(e); err != nil {
		return err
	}
	if bytes.IndexByte(e.Data, '\n') >= 0 || bytes.IndexByte(e.Meta, '\n') >= 0 {
		return fmt.Errorf("event %s: a line break in its data or meta", e.ID)
	}
	if expected < eventstore.NoStream {
		return fmt.Errorf("event %s: bad expected revision %d", e.ID, expected)
	}
	return nil
}

// encode writes an event for a subject whose last message is at sequence last, and whose last revision is the expected one.
func encode(subject string, expected eventstore.Revision, last uint64, e eventstore.Event) *nats.Msg {
	body := make([]byte, 0, len(e.Data)+1+len(e.Meta))
	body = append(append(append(body, e.Data...), '\n'), e.Meta...)
	fields := []string{e.ID.String(), e.Type, strconv.FormatInt(int64(expected)+1, 10), strconv.FormatUint(last, 10)}
	return &nats.Msg{
		Subject: subject,
		Data:    body,
		Header: nats.Header{
			headerID: fields[0:1:1], headerType: fields[1:2:2], headerRevision: fields[2:3:3], headerExpected: fields[3:4:4],
		},
	}
}

// decode reads the message at a sequence. The event takes over the body's memory.
func (l layout) decode(subject string, seq uint64, h nats.Header, body []byte) (eventstore.Recorded, error) {
	stream, err := l.stream(subject)
	if err != nil {
		return eventstore.Recorded{}, fmt.Errorf("position %d: %w", seq, err)
	}
	id, err := uuid.Parse(h.Get(headerID))
	if err != nil {
		return eventstore.Recorded{}, fmt.Errorf("position %d holds no event: %s: %w", seq, headerID, err)
	}
	rev, err := strconv.ParseInt(h.Get(headerRevision), 10, 64)
	if err != nil {
		return eventstore.Recorded{}, fmt.Errorf("position %d holds no event: %s: %w", seq, headerRevision, err)
	}
	line := bytes.IndexByte(body, '\n')
	if line < 0 {
		return eventstore.Recorded{}, fmt.Errorf("position %d holds no event: its body has no second line", seq)
	}
	return eventstore.Recorded{
		Event:    eventstore.Event{ID: id, Type: h.Get(headerType), Data: body[:line:line], Meta: body[line+1:]},
		Stream:   stream,
		Revision: eventstore.Revision(rev),
		Position: eventstore.Position(seq),
	}, nil
}
