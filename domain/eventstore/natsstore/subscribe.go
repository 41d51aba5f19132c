package natsstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/domain/eventstore"
)

const (
	// heartbeat is how often an idle server says that it is there. After a longer silence a subscription starts over, and the
	// server removes a consumer that nobody listens to.
	heartbeat = time.Second
	silence   = 3 * heartbeat
	abandoned = 10 * time.Second
	// inFlight is the room for events that the server has sent ahead. It stops by itself after some megabytes; should the
	// room be too small for very small events, the client drops some, and the subscription starts over behind the last one.
	inFlight = 1 << 16
)

// Subscribe implements eventstore.Store.
func (s *Store) Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error) {
	head, err := s.Head(ctx)
	if err != nil {
		return nil, err
	}
	if after > head && s.external {
		head, err = s.certainHead(ctx)
	}
	if err != nil {
		return nil, err
	}
	if after > head {
		return nil, fmt.Errorf("%w: it ends at position %d, before %d", eventstore.ErrGap, head, after)
	}
	return &subscription{store: s, last: uint64(after)}, nil
}

// certainHead is Head, of a leader that is not cut off.
func (s *Store) certainHead(ctx context.Context) (eventstore.Position, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.steadyLeader(limited); err != nil {
		return 0, explain(ctx, err)
	}
	return s.Head(ctx)
}

// subscription follows the log through a consumer of its own on the server, which sends events in order and forgets them. The
// subscription alone knows where it is: whenever something is missing, it starts over with a new consumer behind the last
// event that it has. A consumer without a subscription is removed by the server.
type subscription struct {
	store *Store
	last  uint64    // sequence of the last event taken
	id    uuid.UUID // its event id, when it was taken by this subscription
	due   uint64    // how far the log reached when the server last had nothing to send
	held  []eventstore.Recorded
	over  error

	// Of the present consumer; nil before the first, and between two.
	sub   *nats.Subscription
	msgs  chan *nats.Msg
	fresh chan struct{} // closed when the connection was lost and is back
}

var (
	errSubscriptionClosed = errors.New("the subscription is closed")
	errStartOver          = errors.New("the consumer is of no use any more")
)

// Next implements eventstore.Subscription.
func (s *subscription) Next(ctx context.Context, max int) ([]eventstore.Recorded, error) {
	if s.over != nil {
		return nil, s.over
	}
	recs, err := s.next(ctx, max)
	if err != nil {
		s.over = explain(ctx, err)
		s.drop()
		if len(recs) == 0 {
			return nil, s.over
		}
	}
	return recs, nil
}

func (s *subscription) next(ctx context.Context, max int) ([]eventstore.Recorded, error) {
	if max < 1 {
		return nil, fmt.Errorf("next %d events", max)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	recs := s.held
	s.held = nil
	for attempt := 0; len(recs) == 0; attempt++ {
		first, err := s.receive(ctx)
		switch {
		case err == nil:
			recs = append(recs, first)
		case !again(ctx, err):
			return nil, err
		default:
			s.drop()
			if err := s.store.usable(); err != nil {
				return nil, err
			}
			if err := pause(ctx, attempt); err != nil {
				return nil, err
			}
		}
	}
	recs, err := s.gather(recs, max)
	if len(recs) > max {
		recs, s.held = recs[:max:max], recs[max:]
	}
	visible, waitErr := s.visible(ctx, recs)
	return visible, cmp.Or(waitErr, err)
}

// again says that a subscription can go on after an error, with a new consumer. No answer in time is such an error, unless the
// caller's own time is over.
func again(ctx context.Context, err error) bool {
	return errors.Is(err, errStartOver) || open(err) || (errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil)
}

// gather adds what is at hand without waiting.
func (s *subscription) gather(recs []eventstore.Recorded, max int) ([]eventstore.Recorded, error) {
	for len(recs) < max {
		select {
		case m := <-s.msgs:
			r, ok, err := s.take(context.Background(), m)
			switch {
			case err != nil && again(context.Background(), err):
				s.drop()
				return recs, nil
			case err != nil:
				return recs, err
			case ok:
				recs = append(recs, r)
			}
		default:
			return recs, nil
		}
	}
	return recs, nil
}

// visible returns the events that may be seen, and holds the others back. It waits when none may be seen yet.
func (s *subscription) visible(ctx context.Context, recs []eventstore.Recorded) ([]eventstore.Recorded, error) {
	b := s.store.barrier
	if b == nil || len(recs) == 0 {
		return recs, nil
	}
	mark := eventstore.Position(b.durable.Load())
	if recs[0].Position > mark {
		if err := b.wait(ctx, uint64(recs[len(recs)-1].Position)); err != nil {
			return nil, err
		}
		return recs, nil
	}
	for i, r := range recs {
		if r.Position > mark {
			s.held = append(recs[i:len(recs):len(recs)], s.held...)
			return recs[:i:i], nil
		}
	}
	return recs, nil
}

// receive waits for one event.
func (s *subscription) receive(ctx context.Context) (eventstore.Recorded, error) {
	if s.sub == nil {
		if err := s.start(ctx); err != nil {
			return eventstore.Recorded{}, err
		}
	}
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	for {
		select {
		case m := <-s.msgs:
			r, ok, err := s.take(ctx, m)
			if ok || err != nil {
				return r, err
			}
			if err := s.explainSilence(ctx); err != nil {
				return eventstore.Recorded{}, err
			}
			quiet.Reset(silence)
		case <-s.fresh:
			return eventstore.Recorded{}, errStartOver
		case <-quiet.C:
			return eventstore.Recorded{}, errStartOver
		case <-s.store.life.Done():
			return eventstore.Recorded{}, errClosed
		case <-ctx.Done():
			return eventstore.Recorded{}, ctx.Err()
		}
	}
}

// take reads a message: an event, false for a message of the server's own, which it answers when it wants to know that all
// before were taken.
func (s *subscription) take(ctx context.Context, m *nats.Msg) (eventstore.Recorded, bool, error) {
	if len(m.Data) == 0 && m.Header.Get("Status") != "" {
		wantsAnswer := m.Reply
		if wantsAnswer == "" {
			wantsAnswer = m.Header.Get("Nats-Consumer-Stalled")
		}
		if wantsAnswer != "" {
			if err := s.store.nc.Publish(wantsAnswer, nil); err != nil {
				return eventstore.Recorded{}, false, errStartOver
			}
		}
		return eventstore.Recorded{}, false, nil
	}
	seq, ok := streamSequence(m.Reply)
	if !ok {
		return eventstore.Recorded{}, false, fmt.Errorf("a message without a sequence: %q", m.Reply)
	}
	if seq != s.last+1 {
		return eventstore.Recorded{}, false, s.explainMissing(ctx)
	}
	r, err := s.store.layout.decode(m.Subject, seq, m.Header, m.Data)
	if err != nil {
		return eventstore.Recorded{}, false, fmt.Errorf("%w: %w", errForeign, err)
	}
	s.last, s.id = seq, r.ID
	s.store.saw(r)
	return r, true, nil
}

// explainMissing finds out whether the next event, which did not come, was lost on the way or from the log.
func (s *subscription) explainMissing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, found, err := s.store.one(ctx, directRequest{Seq: s.last + 1})
	switch {
	case err != nil:
		return err
	case found:
		return errStartOver
	}
	return s.store.absent(ctx, s.last+1)
}

// explainSilence is asked when the server says that it has nothing to send. Then this must be the end of the log: the server
// passes over an event that it can't read, and behind the last one no other event would show that. The next event may just
// be on its way, or the server that sends be behind; so it must have been there the last time already.
func (s *subscription) explainSilence(ctx context.Context) error {
	if len(s.msgs) > 0 {
		return nil
	}
	if s.due > s.last {
		return s.explainMissing(ctx)
	}
	head, err := s.store.Head(ctx)
	if err == nil {
		s.due = uint64(head)
	}
	return err
}

// start makes a consumer behind the last event. If this subscription has seen that event, it must still be the same: a server
// that was restored may hold another one in its place.
func (s *subscription) start(ctx context.Context) error {
	end, err := s.store.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.fresh = s.store.whenReconnected()
	s.due = 0
	if s.id != uuid.Nil {
		if err := s.store.same(ctx, witness{seq: s.last, id: s.id}); err != nil {
			return err
		}
	}
	inbox := s.store.nc.NewInbox()
	s.msgs = make(chan *nats.Msg, inFlight)
	if s.sub, err = s.store.nc.ChanSubscribe(inbox, s.msgs); err != nil {
		return err
	}
	_, err = onceOf(ctx, s.store, &s.store.asking, askPatience, func(ctx context.Context) (jetstream.PushConsumer, error) {
		return s.store.js.CreatePushConsumer(ctx, s.store.layout.ledger, s.consumer(inbox))
	})
	return err
}

// consumer is the server's part: it sends all events behind the last one, in order, and keeps no account of them.
func (s *subscription) consumer(inbox string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		DeliverSubject:    inbox,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       s.last + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		FlowControl:       true,
		IdleHeartbeat:     heartbeat,
		InactiveThreshold: abandoned,
		Replicas:          1,
		MemoryStorage:     true,
	}
}

// drop gives the present consumer up.
func (s *subscription) drop() {
	if s.sub != nil {
		_ = s.sub.Unsubscribe() // it fails only when the connection is gone, and the subscription with it
	}
	s.sub, s.msgs = nil, nil
}

// Close implements eventstore.Subscription.
func (s *subscription) Close() error {
	if s.over == nil {
		s.over = errSubscriptionClosed
	}
	s.drop()
	return nil
}

// usable says whether the store can still be used.
func (s *Store) usable() error {
	end, err := s.begin(context.Background())
	if err == nil {
		end()
	}
	return err
}

// whenReconnected returns a channel that is closed when the connection is back after it was lost.
func (s *Store) whenReconnected() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reconnected
}

// streamSequence reads the sequence in the stream from a message's reply subject, $JS.ACK.<stream>.<consumer>.<delivered>.
// <stream seq>.<consumer seq>.<time>.<pending>, which has a domain and an account before the stream in its longer form.
func streamSequence(reply string) (uint64, bool) {
	place, dots := 5, 0
	for i := range len(reply) {
		if reply[i] == '.' {
			dots++
		}
	}
	if dots > 8 {
		place = 7
	}
	var seq uint64
	for i := range len(reply) {
		switch c := reply[i]; {
		case c == '.':
			place--
		case place == 0 && (c < '0' || c > '9'):
			return 0, false
		case place == 0:
			seq = seq*10 + uint64(c-'0')
		}
	}
	return seq, seq > 0
}
