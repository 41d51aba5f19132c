package natsstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// Codes of the server's answers that the jetstream package has no names for.
const (
	codeNoPeers       jetstream.ErrorCode = 10005 // a cluster's servers, or some, are not there yet
	codeUnavailable   jetstream.ErrorCode = 10008 // JetStream is starting, or has no leader now
	codeTooLarge      jetstream.ErrorCode = 10054
	codeWrongLast     jetstream.ErrorCode = 10071 // the subject's last message is another one
	codeInFlight      jetstream.ErrorCode = 10164 // replicated: an append to the subject is not decided yet
	codeTooManyAsking jetstream.ErrorCode = 10167
	codeBatchLost     jetstream.ErrorCode = 10176 // a part of a batch did not arrive
	codeTooManyBatch  jetstream.ErrorCode = 10210
)

// proposal is a checked event on its way to the log.
type proposal struct {
	eventstore.Proposed
	subject string
}

func (s *Store) propose(p eventstore.Proposed) (proposal, error) {
	subject, err := s.layout.subject(p.Stream)
	if err != nil {
		return proposal{}, err
	}
	return proposal{p, subject}, checkEvent(p.Expected, p.Event)
}

// recorded is the proposal once it stands at a sequence. The event is the log's own copy.
func (s *Store) recorded(p proposal, seq uint64, body []byte) eventstore.Recorded {
	e, n := p.Event, len(p.Event.Data)
	e.Data, e.Meta = body[:n:n], body[n+1:]
	r := eventstore.Recorded{Event: e, Stream: p.Stream, Revision: p.Expected + 1, Position: eventstore.Position(seq)}
	s.tails.saw(r.Stream, tailAt(r))
	s.saw(r)
	return r
}

// Append implements eventstore.Store.
func (s *Store) Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	p, err := s.propose(eventstore.Proposed{Stream: stream, Expected: expected, Event: e})
	if err != nil {
		return eventstore.Recorded{}, err
	}
	end, err := s.begin(ctx)
	if err != nil {
		return eventstore.Recorded{}, err
	}
	defer end()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := s.append(limited, p)
	return r, explain(ctx, err)
}

// append publishes the event behind the tail that it expects. Whenever that fails for a reason that leaves the outcome open,
// the stream's real tail decides: publish again, or settle.
func (s *Store) append(ctx context.Context, p proposal) (eventstore.Recorded, error) {
	at, known := s.tails.get(p.Stream)
	if !known && p.Expected == eventstore.NoStream {
		at, known = noTail, true // most likely; the server will tell
	}
	base := noTail // the event that this one follows, once it is known
	for attempt := 0; ; attempt++ {
		if known && at.revision == p.Expected {
			base = at
			msg := encode(p.subject, p.Expected, at.seq, p.Event)
			before := s.highest()
			seq, err := onceOf(ctx, s, &s.telling, askPatience, func(ctx context.Context) (uint64, error) { return s.publish(ctx, msg) })
			if err == nil && seq <= before {
				err = s.lose(fmt.Errorf("%w: position %d was given twice", eventstore.ErrGap, seq))
			}
			if err == nil {
				return s.recorded(p, seq, msg.Data), nil
			}
			if !open(err) {
				return eventstore.Recorded{}, err
			}
			if attempt > 0 || code(err) != codeWrongLast {
				if pause(ctx, attempt) != nil {
					return eventstore.Recorded{}, err
				}
			}
		}
		var err error
		at, err = s.tailOf(ctx, p)
		switch known = err == nil; {
		case known && at.revision != p.Expected:
			r, err := s.settle(ctx, p, at, base)
			if err == nil || !open(err) || pause(ctx, attempt) != nil {
				return r, err
			}
			known = false
		case known:
		case !open(err) || pause(ctx, attempt) != nil:
			return eventstore.Recorded{}, err
		}
	}
}

// open says that an error leaves it open whether the event stands, or may stand after a repetition.
func open(err error) bool {
	for _, passing := range []error{
		errLost, errNoAnswer, errBehind, nats.ErrNoResponders, nats.ErrReconnectBufExceeded, nats.ErrDisconnected,
		nats.ErrConnectionReconnecting, nats.ErrTimeout, jetstream.ErrNoStreamResponse,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	switch code(err) {
	case codeWrongLast, codeInFlight, codeUnavailable, codeTooManyAsking, codeBatchLost, codeTooManyBatch:
		return true
	}
	return false
}

// code is the server's code for an error, zero for other errors.
func code(err error) jetstream.ErrorCode {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode
	}
	return 0
}

// settle decides about an event whose expectation is not the stream's tail: it stands already, or it is a conflict. The event
// that it should follow is known, or noTail.
func (s *Store) settle(ctx context.Context, p proposal, at, base tail) (eventstore.Recorded, error) {
	conflict := &eventstore.ConflictError{Stream: p.Stream, Expected: p.Expected, Actual: at.revision}
	if at.revision < p.Expected {
		return eventstore.Recorded{}, s.confirmEnd(ctx, p, at, conflict)
	}
	r, err := s.byRevision(ctx, p, at, base)
	if err != nil {
		return eventstore.Recorded{}, err
	}
	if r.ID != p.Event.ID {
		return eventstore.Recorded{}, conflict
	}
	return r, s.durable(ctx, uint64(r.Position))
}

// confirmEnd returns a conflict with a writer who expects more than the stream seems to have, once it is certain that it
// has no more.
func (s *Store) confirmEnd(ctx context.Context, p proposal, at tail, conflict error) error {
	if !s.external {
		return conflict
	}
	if err := s.steadyLeader(ctx); err != nil {
		return err
	}
	again, err := s.tailOf(ctx, p)
	if err == nil && again == at {
		return conflict
	}
	return cmp.Or(err, errBehind)
}

// publish sends one event and returns its sequence once it is acknowledged and durable. With a barrier, the barrier answers
// for the server: the writer wakes once, not twice.
func (s *Store) publish(ctx context.Context, msg *nats.Msg) (uint64, error) {
	var seq uint64
	done := make(chan error, 1)
	settle := func(ackErr error) {
		switch {
		case s.barrier == nil:
			done <- ackErr
		case ackErr != nil:
			s.barrier.giveUp()
			done <- ackErr
		default:
			s.barrier.arrive(seq, done)
		}
	}
	if s.barrier != nil {
		s.barrier.announce()
	}
	forget, err := s.replies.send(msg, func(answer *nats.Msg, err error) bool {
		if err == nil {
			seq, err = parseAck(answer)
		}
		settle(err)
		return true
	})
	if err != nil {
		settle(err)
		return 0, err
	}
	select {
	case err := <-done:
		return seq, err
	case <-ctx.Done():
		if forget() {
			settle(ctx.Err())
		}
		return 0, ctx.Err()
	}
}

// parseAck reads the server's answer to a publish.
func parseAck(m *nats.Msg) (uint64, error) {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return 0, nats.ErrNoResponders
	}
	var ack struct {
		Error *jetstream.APIError `json:"error"`
		Seq   uint64              `json:"seq"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return 0, fmt.Errorf("the server's answer can't be read: %w", err)
	}
	switch {
	case ack.Error != nil && ack.Error.ErrorCode == codeTooLarge:
		return 0, fmt.Errorf("%w: %w", eventstore.ErrTooLarge, ack.Error)
	case ack.Error != nil:
		return 0, ack.Error
	case ack.Seq == 0:
		return 0, errors.New("the server acknowledged without a sequence")
	}
	return ack.Seq, nil
}
