package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Report is what Verify looked at.
type Report struct {
	Events  int64                `json:"events"`
	Streams int                  `json:"streams"`
	Orders  int                  `json:"orders"`
	Tabs    map[domain.Tab]int64 `json:"tabs"`
	// Position is the last position that was verified.
	Position eventstore.Position `json:"position"`
	// Digest is SHA-256, in hex, over the hashes of all events in the order of the log: it stands for every byte up to
	// Position. Kept elsewhere, it proves later that nothing was taken off the end, which no chain can tell.
	Digest  string        `json:"digest"`
	Took    time.Duration `json:"-"`
	Seconds float64       `json:"seconds"`
}

// String is the report as one line of figures.
func (r Report) String() string {
	line := fmt.Sprintf("%d events in %d streams, %d orders (", r.Events, r.Streams, r.Orders)
	for i, tab := range domain.Tabs {
		if i > 0 {
			line += ", "
		}
		line += fmt.Sprintf("%s %d", tab, r.Tabs[tab])
	}
	return line + fmt.Sprintf("), up to position %d, in %.2f s, digest %s", r.Position, r.Seconds, r.Digest)
}

// Options say what Verify does beside the whole log as it is. The zero Options are ready.
type Options struct {
	// Codec reads the events.
	Codec eventstore.Codec
	// Until ends at a position, which the log must reach; zero ends at the head as it is when Verify begins.
	Until eventstore.Position
	// Digest, when given, is that of an earlier Report whose Position is Until: the log must still be the same.
	Digest string
}

// Verify reads the log from its beginning and checks from the stored bytes, for every event: that positions rise and that its
// stream has no hole; that its hash is that of its bytes and follows the hash before it in the stream; that it can be read;
// and, for orders, that the rules make exactly this event of the order as it then was (its money, its request, its state).
// The first event that fails is a *Difference; other errors mean that the log could not be read. The report counts what was
// verified up to there. It holds, for each order, what the rules look at and no personal data.
func Verify(ctx context.Context, log Log, o Options) (Report, error) {
	began := time.Now()
	v := &verifier{codec: o.Codec, streams: map[string]*stream{}, claims: map[string]*claim{}, digest: sha256.New()}
	err := follow(ctx, log, o.Until, v.see)
	if short := (*EndError)(nil); errors.As(err, &short) {
		err = &Difference{Position: short.End, Revision: eventstore.NoStream, Kind: Ended, Why: short.Error()}
	}
	if err == nil && o.Until == 0 {
		err = v.unused()
	}
	report := v.report()
	report.Took = time.Since(began)
	report.Seconds = report.Took.Seconds()
	if err == nil && o.Digest != "" && (report.Digest != o.Digest || (o.Until > 0 && report.Position != o.Until)) {
		err = &Difference{
			Position: report.Position, Revision: eventstore.NoStream, Kind: BadDigest,
			Why: fmt.Sprintf("up to position %d the log's digest is %s, and was %s", report.Position, report.Digest, o.Digest),
		}
	}
	return report, err
}

// stream is what is remembered of one stream.
type stream struct {
	tail  tail
	order *domain.Order // nil for companions
}

type verifier struct {
	codec    eventstore.Codec
	streams  map[string]*stream
	claims   map[string]*claim // of references, by stream
	events   int64
	position eventstore.Position
	digest   hash.Hash
}

func (v *verifier) see(r eventstore.Recorded) error {
	s := v.streams[r.Stream]
	if s == nil {
		s = &stream{tail: noTail}
		if _, ok := eventstore.OrderOf(r.Stream); ok {
			s.order = &domain.Order{}
		}
	}
	next, err := s.tail.next(r)
	if err != nil {
		return err
	}
	e, env, err := v.codec.Decode(r)
	if err != nil {
		return differs(r, Unreadable, "%v", err)
	}
	if err := v.judge(r, s, e, env); err != nil {
		return err
	}
	s.tail = next
	v.streams[r.Stream] = s
	v.events++
	v.position = r.Position
	v.digest.Write(next.hash[:])
	return nil
}

// judge checks the event against the rules and folds it.
func (v *verifier) judge(r eventstore.Recorded, s *stream, e domain.Event, env eventstore.Envelope) error {
	if env.OccurredAt.IsZero() {
		return differs(r, BadRule, "it says of no instant that it happened then")
	}
	if s.order == nil {
		if why := companion(r, e, env); why != "" {
			return differs(r, BadRule, "%s", why)
		}
		v.claimed(r, e, env)
		return nil
	}
	if err := possible(v.codec, *s.order, e, env); err != nil {
		return differs(r, BadRule, "%v", err)
	}
	if why := v.records(r, e, env); why != "" {
		return differs(r, BadRule, "%s", why)
	}
	next := domain.Evolve(*s.order, e, eventstore.Stamp(r.Event, env))
	if id, _ := eventstore.OrderOf(r.Stream); next.ID != id {
		return differs(r, BadRule, "it is of order %s, which has a stream of its own", next.ID)
	}
	*s.order = lean(next)
	return nil
}

// lean is an order without what no rule looks at after it was placed: an audit of many orders keeps little of each, and
// nothing about people.
func lean(o domain.Order) domain.Order {
	o.Lines, o.Personal = nil, domain.PersonalData{}
	o.OrderNumber, o.Manufacturer, o.PlacedBy, o.ShippingMethod, o.ContentHash = "", "", "", "", ""
	if n := len(o.Notes); n > 0 {
		o.Notes[n-1] = domain.Note{ID: o.Notes[n-1].ID}
	}
	return o
}

func (v *verifier) report() Report {
	r := Report{
		Events: v.events, Streams: len(v.streams), Tabs: map[domain.Tab]int64{}, Position: v.position,
		Digest: hex.EncodeToString(v.digest.Sum(nil)),
	}
	for _, s := range v.streams {
		if s.order != nil {
			r.Orders++
			r.Tabs[s.order.Tab()]++
		}
	}
	return r
}
