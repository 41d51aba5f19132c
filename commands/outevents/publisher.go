package outevents

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/commands/outhooks"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Log is what is published; see eventstore.Store.
type Log interface {
	ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error]
	Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error)
	Head(ctx context.Context) (eventstore.Position, error)
}

// Config says what a Publisher works with. All above CustomerData but the Codec and Replicas are required.
type Config struct {
	Log       Log
	Codec     eventstore.Codec
	JetStream jetstream.JetStream // the Publisher's alone
	Ledger    string
	Stream    string // the name of the JetStream stream
	Source    string // names the ledger in messages; a URI
	Replicas  int    // of a stream that is made; 1 when zero
	// CustomerData publishes customers, addresses, note texts and card digits, too.
	CustomerData bool
	Logger       *slog.Logger // default slog.Default
	// MinBackoff and MaxBackoff bound the time before it is tried again when NATS or the log is away; default 100 ms and 10 s.
	MinBackoff, MaxBackoff time.Duration
	// Patience is how long NATS may take to answer; default 10 s.
	Patience time.Duration
}

const (
	batchSize  = 256 // events that are on their way at once
	headerRoom = 128 // for what is added to a message's headers when it is sent: behind which one it belongs
)

// Publisher publishes. See Run.
type Publisher struct {
	cfg       Config
	form      *outhooks.Form
	marks     marks // Run's alone
	published atomic.Int64

	mu  sync.Mutex
	at  eventstore.Position
	err error // why it does not go on now
	end bool  // and won't
}

// New returns a Publisher that does nothing until Run.
func New(cfg Config) (*Publisher, error) {
	if cfg.Log == nil || cfg.JetStream == nil || cfg.Ledger == "" || cfg.Stream == "" || cfg.Source == "" {
		return nil, errors.New("public events: a log, JetStream, a ledger, a stream and a source are required")
	}
	cfg.MinBackoff, cfg.MaxBackoff = cmp.Or(cfg.MinBackoff, 100*time.Millisecond), cmp.Or(cfg.MaxBackoff, 10*time.Second)
	cfg.Patience = cmp.Or(cfg.Patience, 10*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	form, err := outhooks.NewForm(cfg.Log, cfg.Codec, cfg.Source)
	return &Publisher{cfg: cfg, form: form, marks: marks{bucket: cfg.Stream, js: cfg.JetStream}}, err
}

// Run publishes until the context ends, which is no error. It may be called again then, but not twice at once.
//
// Every event of an order is published once to the stream, in the log's order, without a gap: each message is taken only right behind
// the one before it, and the last one says where to go on, whoever published it. So two publishers of one ledger, as while one
// process takes over from another, hinder each other and do no harm. Who listens without the stream may see an event twice, with the
// same id: after a power cut.
//
// It stops with an error that says where, when the log misses an event or holds one that can't be read, and when the stream is not this
// ledger's: nothing is skipped.
func (p *Publisher) Run(ctx context.Context) error {
	f := follow.Follower{
		Name: "public events", Log: p.cfg.Log, Logger: p.cfg.Logger,
		Wait: func(n int) time.Duration {
			return follow.Backoff(p.cfg.MinBackoff, p.cfg.MaxBackoff, n, rand.Float64())
		},
		Stands: func(err error) { p.stands(err, false) },
	}
	p.stands(nil, false)
	err := f.WhileAway(ctx, func() (bool, error) {
		before := p.published.Load()
		err := p.publish(ctx)
		return p.published.Load() != before, err
	})
	if ctx.Err() != nil {
		p.stands(nil, false)
		return nil
	}
	err = fmt.Errorf("public events: %w", err)
	p.stands(err, true)
	return err
}

// publish goes on where the stream says, until something fails.
func (p *Publisher) publish(ctx context.Context) error {
	defer p.cfg.JetStream.CleanupPublisher() // answers that never came would count as awaited for ever, and there is a limit to them
	limited, cancel := context.WithTimeout(ctx, p.cfg.Patience)
	stream, err := p.open(limited)
	cancel()
	if err != nil {
		return p.waitOut(ctx, err)
	}
	now, err := p.find(ctx, stream)
	if err != nil {
		return p.waitOut(ctx, err)
	}
	sub, err := p.cfg.Log.Subscribe(ctx, now.at)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }() // nothing is lost with it
	defer func() {
		if ctx.Err() != nil { // else it is found again
			p.mark(ctx, now, true)
		}
	}()
	p.moved(now.at)
	for {
		batch, err := sub.Next(ctx, batchSize)
		if err != nil {
			return err
		}
		if err := p.send(ctx, &now, batch); err != nil {
			return err
		}
		p.stands(nil, false)
		p.mark(ctx, now, false)
		p.moved(batch[len(batch)-1].Position)
	}
}

// waitOut is an error of NATS, or of the log; a time-out of ours is one of NATS.
func (p *Publisher) waitOut(ctx context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return away(err)
	}
	return err
}

// send publishes what a batch holds of orders, and returns when the stream has it.
func (p *Publisher) send(ctx context.Context, now *place, batch []eventstore.Recorded) error {
	for len(batch) > 0 {
		done, err := p.sendSome(ctx, now, batch)
		if err != nil {
			return err
		}
		batch = batch[done:]
	}
	return nil
}

// sendSome is send up to the first event that the stream says it took before: what follows it belongs behind another message then.
// done is how many of the batch are dealt with.
func (p *Publisher) sendSome(ctx context.Context, now *place, batch []eventstore.Recorded) (done int, err error) {
	var acks []jetstream.PubAckFuture
	var sent []int // their events in the batch
	var failed error
	before := ""
	for i, rec := range batch {
		if _, order := eventstore.OrderOf(rec.Stream); !order {
			continue
		}
		m, err := p.message(ctx, rec)
		if err != nil {
			failed = err
			break
		}
		expect := []jetstream.PublishOpt{jetstream.WithExpectLastSequence(now.seq + uint64(len(acks))), jetstream.WithRetryAttempts(0)}
		if before != "" { // a stranger's message may have the number that the one before was to have
			expect = append(expect, jetstream.WithExpectLastMsgID(before))
		}
		before = m.Header.Get(jetstream.MsgIDHeader)
		ack, err := p.cfg.JetStream.PublishMsgAsync(m, expect...)
		if err != nil {
			failed = away(err)
			break
		}
		acks, sent = append(acks, ack), append(sent, i)
	}
	timeout := time.NewTimer(p.cfg.Patience)
	defer timeout.Stop()
	for i, ack := range acks {
		select {
		case got := <-ack.Ok():
			rec := batch[sent[i]]
			if !got.Duplicate && got.Sequence != now.seq+1 {
				return 0, away(fmt.Errorf("message %d was taken as %d", now.seq+1, got.Sequence))
			}
			now.ref, now.at = eventstore.EventRef{Stream: rec.Stream, Revision: rec.Revision, ID: rec.ID}, rec.Position
			if got.Duplicate {
				return sent[i] + 1, p.settled(ctx, acks[i+1:], timeout.C)
			}
			now.seq = got.Sequence
			p.published.Add(1)
		case err := <-ack.Err():
			return 0, away(fmt.Errorf("of %d messages %d were taken: %w", len(acks), i, err))
		case <-timeout.C:
			return 0, away(fmt.Errorf("of %d messages %d were taken in time", len(acks), i))
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return len(batch), failed
}

// settled waits until it is known of all messages what became of them.
func (p *Publisher) settled(ctx context.Context, acks []jetstream.PubAckFuture, timeout <-chan time.Time) error {
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case <-ack.Err():
		case <-timeout:
			return away(errors.New("not all messages were answered in time"))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (p *Publisher) message(ctx context.Context, rec eventstore.Recorded) (*nats.Msg, error) {
	c, err := p.form.Event(ctx, rec, p.cfg.CustomerData)
	if err != nil {
		return nil, err
	}
	m := nats.NewMsg(p.subject(rec.Type))
	m.Header.Set(jetstream.MsgIDHeader, c.ID)
	m.Header.Set(headerMedia, outhooks.ContentType)
	m.Header.Set(headerPosition, strconv.FormatUint(uint64(rec.Position), 10))
	m.Header.Set(headerStream, rec.Stream)
	m.Header.Set(headerRevision, strconv.FormatInt(int64(rec.Revision), 10))
	if m.Data, err = c.Write(); err != nil {
		return nil, err
	}
	if limit := p.cfg.JetStream.Conn().MaxPayload(); int64(m.Size())+headerRoom > limit {
		p.cfg.Logger.Warn("public events: an event is larger than NATS takes, and is published without what it says itself",
			"event", rec.ID, "type", rec.Type, "max_payload", limit)
		data := c.Data.(outhooks.Public)
		data.Event = json.RawMessage(`{"omitted":"larger than NATS takes"}`)
		c.Data = data
		m.Data, err = c.Write()
	}
	return m, err
}

func (p *Publisher) subject(eventType string) string {
	return p.cfg.Ledger + ".public." + eventType
}

func (p *Publisher) stands(err error, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.end = err, end
}

func (p *Publisher) moved(at eventstore.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = at
}

// Ready says why nothing is published any more; nil while it is, or is tried again.
func (p *Publisher) Ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end {
		return p.err
	}
	return nil
}

// Remarks say what a person should know, though the ledger is ready.
func (p *Publisher) Remarks() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil || p.end {
		return nil
	}
	return []string{"public events: " + p.err.Error()}
}

// Published is how many events this process has published.
func (p *Publisher) Published() int64 { return p.published.Load() }

// Position is up to where in the log all events are published, as far as this process knows.
func (p *Publisher) Position() eventstore.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}
