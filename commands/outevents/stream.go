package outevents

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// What a new stream keeps. Who runs the server may change it; a stream that is there is left as it is. The bound is a number of
// messages, since servers reserve bytes: the log would lack them.
const (
	MaxAge      = 7 * 24 * time.Hour
	MaxMessages = 1_000_000
)

// Headers of a message beside Nats-Msg-Id, which is the event's id. They say where in the log the event stands, which is where
// publishing goes on.
const (
	headerPosition = "Ledger-Position"
	headerStream   = "Ledger-Stream"
	headerRevision = "Ledger-Revision"
	// headerMedia is written as the NATS binding of CloudEvents does: NATS does not ignore case.
	headerMedia = "content-type"
)

// begins is the stream's metadata that says after which position of the log publishing began.
const begins = "orderledger-begins-after"

// ErrForeign means that the stream can't be this ledger's, or not any more.
var ErrForeign = errors.New("not this ledger's public events")

// open finds the stream, or makes it: then publishing begins with what happens from now on.
func (p *Publisher) open(ctx context.Context) (jetstream.Stream, error) {
	stream, err := p.cfg.JetStream.Stream(ctx, p.cfg.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		head, failed := p.cfg.Log.Head(ctx)
		if failed != nil {
			return nil, failed
		}
		stream, err = p.cfg.JetStream.CreateStream(ctx, jetstream.StreamConfig{
			Name: p.cfg.Stream, Description: "orderledger: public events of the ledger " + p.cfg.Ledger, Subjects: []string{p.subject("*")},
			MaxAge: MaxAge, MaxMsgs: MaxMessages, Discard: jetstream.DiscardOld, Storage: jetstream.FileStorage,
			Replicas: max(p.cfg.Replicas, 1), AllowDirect: true,
			Metadata: map[string]string{begins: strconv.FormatUint(uint64(head), 10)},
		})
		if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return stream, away(err)
		}
		stream, err = p.cfg.JetStream.Stream(ctx, p.cfg.Stream) // another process was faster
	}
	if err != nil {
		return nil, away(err)
	}
	c := stream.CachedInfo().Config
	if !slices.Equal(c.Subjects, []string{p.subject("*")}) || c.Retention != jetstream.LimitsPolicy {
		return nil, fmt.Errorf("%w: the stream %s takes %v, and not %s alone, or drops what was read; rename or delete it", ErrForeign, p.cfg.Stream, c.Subjects, p.subject("*"))
	}
	return stream, nil
}

// count finds the place when the stream has dropped all that it took, and there is no mark: each event of an order was one message, in
// order. Messages of others that are there are not counted.
func (p *Publisher) count(ctx context.Context, info *jetstream.StreamInfo, strangers uint64) (place, error) {
	at, err := strconv.ParseUint(info.Config.Metadata[begins], 10, 64)
	if err != nil {
		return place{}, fmt.Errorf("%w: the stream %s does not say where it began; delete it", ErrForeign, p.cfg.Stream)
	}
	found := place{at: eventstore.Position(at), seq: info.State.LastSeq}
	left := info.State.LastSeq - strangers
	if left == 0 {
		return found, nil
	}
	sub, err := p.cfg.Log.Subscribe(ctx, found.at)
	if err != nil {
		return place{}, err
	}
	defer func() { _ = sub.Close() }() // nothing is lost with it
	head, err := p.cfg.Log.Head(ctx)
	if err != nil {
		return place{}, err
	}
	for found.at < head {
		batch, err := sub.Next(ctx, batchSize)
		if err != nil {
			return place{}, err
		}
		for _, rec := range batch {
			found.at = rec.Position
			if _, order := eventstore.OrderOf(rec.Stream); !order {
				continue
			}
			found.ref = eventstore.EventRef{Stream: rec.Stream, Revision: rec.Revision, ID: rec.ID}
			if left--; left == 0 {
				return found, nil
			}
		}
	}
	return place{}, fmt.Errorf("%w: the stream %s took more events than the log holds; after a restore of an older log, delete the stream", ErrForeign, p.cfg.Stream)
}

func refOf(h nats.Header) (ref eventstore.EventRef, at eventstore.Position, err error) {
	if ref.ID, err = uuid.Parse(h.Get(jetstream.MsgIDHeader)); err != nil {
		return ref, 0, fmt.Errorf("its %s is no event's id", jetstream.MsgIDHeader)
	}
	ref.Stream = h.Get(headerStream)
	revision, badRevision := strconv.ParseInt(h.Get(headerRevision), 10, 64)
	position, badPosition := strconv.ParseUint(h.Get(headerPosition), 10, 64)
	if _, _, bad := eventstore.CheckStream(ref.Stream); bad != nil || badRevision != nil || revision < 0 || badPosition != nil {
		return ref, 0, errors.New("it does not say which event of the log it is")
	}
	ref.Revision = eventstore.Revision(revision)
	return ref, eventstore.Position(position), nil
}

// away makes an error of NATS one that is waited out.
func away(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", errAway, err)
}

// errAway is a log that is away, for those who wait for it: where the one is, the other is, too.
var errAway = fmt.Errorf("the public events can't be published now: %w", eventstore.ErrUnavailable)
