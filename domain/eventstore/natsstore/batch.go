package natsstore

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// AppendMany implements eventstore.Store.
func (s *Store) AppendMany(ctx context.Context, batch []eventstore.Proposed) ([]eventstore.Recorded, error) {
	ps, err := s.proposeMany(batch)
	if err != nil {
		return nil, err
	}
	end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if len(ps) == 0 {
		return nil, nil
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	recs, err := s.appendMany(limited, ps)
	return recs, explain(ctx, err)
}

// proposeMany checks what no state of the log could take.
func (s *Store) proposeMany(batch []eventstore.Proposed) ([]proposal, error) {
	if err := eventstore.CheckBatch(batch); err != nil {
		return nil, err
	}
	ps := make([]proposal, len(batch))
	for i, b := range batch {
		p, err := s.propose(b)
		if err != nil {
			return nil, err
		}
		ps[i] = p
	}
	return ps, nil
}

// appendMany publishes those events of the batch that don't stand yet, as one atomic batch behind the tails that they expect.
// As with a single event, the real tails decide whenever that leaves the outcome open.
func (s *Store) appendMany(ctx context.Context, ps []proposal) ([]eventstore.Recorded, error) {
	tails, fresh := s.guessTails(ps), false
	for attempt := 0; ; attempt++ {
		recs, missing, err := s.standing(ctx, ps, tails, fresh)
		if err == nil && len(missing) > 0 {
			err = s.publishMany(ctx, ps, tails, missing, recs)
		}
		if err == nil {
			return recs, nil
		}
		if !errors.Is(err, errStaleTails) && !open(err) {
			return nil, err
		}
		if fresh && pause(ctx, attempt) != nil {
			return nil, err
		}
		if tails, err = s.tailsOf(ctx, ps); err == nil {
			fresh = true
			continue
		}
		if !open(err) || pause(ctx, attempt) != nil {
			return nil, err
		}
		tails, fresh = s.guessTails(ps), false
	}
}

// errStaleTails says that what is known of the streams' tails does not fit the batch; the truth has to be read.
var errStaleTails = errors.New("the streams' tails are not known")

// guessTails returns what the cache knows; a stream that it doesn't know is most likely new.
func (s *Store) guessTails(ps []proposal) []tail {
	tails := make([]tail, len(ps))
	for i, p := range ps {
		if at, known := s.tails.get(p.Stream); known {
			tails[i] = at
		} else {
			tails[i] = noTail
		}
	}
	return tails
}

// standing returns the events of the batch that stand already, each at its index, and the indexes of those to publish.
// It trusts a tail that differs from the expected one only when the tails are fresh. The tail of an event that follows another
// one to publish becomes inBatch.
func (s *Store) standing(ctx context.Context, ps []proposal, tails []tail, fresh bool) ([]eventstore.Recorded, []int, error) {
	recs := make([]eventstore.Recorded, len(ps))
	missing := make([]int, 0, len(ps))
	published := make(map[string]bool, len(ps))
	for i, p := range ps {
		switch {
		case published[p.Stream]:
			tails[i] = inBatch
			missing = append(missing, i)
		case tails[i].revision == p.Expected:
			missing = append(missing, i)
			published[p.Stream] = true
		case !fresh:
			return nil, nil, errStaleTails
		default:
			r, err := s.settle(ctx, p, tails[i], noTail)
			if err != nil {
				return nil, nil, err
			}
			recs[i] = r
		}
	}
	return recs, missing, nil
}

// inBatch is the tail that an event expects which follows another one of its batch. The server takes no expectation for it: it
// would compare it with what is there before the batch, all or none of which is applied.
var inBatch = tail{revision: -2}

// batchPatience is what each event of a batch adds to the time that an external server has for it.
const batchPatience = 5 * time.Millisecond

// publishMany publishes the events at the given indexes as one atomic batch, and fills in their records once it is durable.
func (s *Store) publishMany(ctx context.Context, ps []proposal, tails []tail, indexes []int, recs []eventstore.Recorded) error {
	msgs := make([]*nats.Msg, len(indexes))
	for i, at := range indexes {
		msgs[i] = encode(ps[at].subject, ps[at].Expected, tails[at].seq, ps[at].Event)
		if tails[at] == inBatch {
			delete(msgs[i].Header, headerExpected)
		}
	}
	limit := askPatience + time.Duration(len(msgs))*batchPatience
	ack, err := onceOf(ctx, s, &s.telling, limit, func(ctx context.Context) (*jetstreamext.BatchAck, error) {
		return jetstreamext.PublishMsgBatch(ctx, s.js, msgs, jetstreamext.BatchFlowControl{AckFirst: true, AckTimeout: askPatience})
	})
	if err != nil {
		return err
	}
	if err := s.durable(ctx, ack.Sequence); err != nil {
		return err
	}
	first := ack.Sequence - uint64(len(msgs)) + 1
	for i, at := range indexes {
		recs[at] = s.recorded(ps[at], first+uint64(i), msgs[i].Data)
	}
	return nil
}

// tailsOf reads where streams end.
func (s *Store) tailsOf(ctx context.Context, ps []proposal) ([]tail, error) {
	ends := make(map[string]tail, len(ps))
	var subjects []string
	for _, p := range ps {
		if _, twice := ends[p.Stream]; twice {
			continue
		}
		ends[p.Stream] = noTail
		subjects = append(subjects, p.subject)
		if s.external {
			var err error
			if ends[p.Stream], err = s.tailOf(ctx, p); err != nil {
				return nil, err
			}
		}
	}
	if !s.external {
		if err := s.askTails(ctx, subjects, ends); err != nil {
			return nil, err
		}
	}
	tails := make([]tail, len(ps))
	for i, p := range ps {
		tails[i] = ends[p.Stream]
	}
	return tails, nil
}

// askTails asks for the last events of subjects, and notes the tails of those that have one.
func (s *Store) askTails(ctx context.Context, subjects []string, ends map[string]tail) error {
	for len(subjects) > 0 {
		a, err := s.ask(ctx, directRequest{MultiLast: subjects, MaxBytes: pageBytes})
		if err != nil {
			return err
		}
		for _, r := range a.recs {
			ends[r.Stream] = tailAt(r)
			s.tails.saw(r.Stream, tailAt(r))
		}
		if a.more == 0 {
			break
		}
		// The page was full: ask for those that have not been answered.
		rest := subjects[:0:0]
		for _, subject := range subjects {
			stream, err := s.layout.stream(subject)
			if err != nil {
				return err
			}
			if ends[stream].seq == 0 {
				rest = append(rest, subject)
			}
		}
		subjects = rest
	}
	return nil
}
