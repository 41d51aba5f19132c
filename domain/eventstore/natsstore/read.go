package natsstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/domain/eventstore"
)

const (
	pageEvents = 256     // events in one answer to a read
	pageBytes  = 1 << 20 // bytes after which the server ends a page
)

// errForeign says that the log holds a message that no ledger wrote.
var errForeign = errors.New("the log holds a foreign message")

// directRequest is the body of a direct get; see the server's JSApiMsgGetRequest.
type directRequest struct {
	Seq       uint64   `json:"seq,omitempty"`
	NextFor   string   `json:"next_by_subj,omitempty"`
	Batch     int      `json:"batch,omitempty"`
	MaxBytes  int      `json:"max_bytes,omitempty"`
	MultiLast []string `json:"multi_last,omitempty"`
	LastFor   string   `json:"last_by_subj,omitempty"`
}

// answer collects the events of an answer to a direct get.
type answer struct {
	single bool // one event is the whole answer; otherwise an end mark follows
	recs   []eventstore.Recorded
	more   uint64 // how many events follow those in the answer, as the server says
}

// ask sends a direct get and returns its answer. The client library's own batch get ends silently when the connection does;
// here only the server's end mark is the end.
func (s *Store) ask(ctx context.Context, req directRequest) (*answer, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	a := &answer{single: req.Batch == 0 && req.MultiLast == nil}
	done := make(chan error, 1)
	forget, err := s.replies.send(&nats.Msg{Subject: "$JS.API.DIRECT.GET." + s.layout.ledger, Data: body},
		func(m *nats.Msg, err error) bool {
			last := true
			if err == nil {
				last, err = a.take(s.layout, m)
			}
			if last || err != nil {
				done <- err
			}
			return last || err != nil
		})
	if err != nil {
		return nil, err
	}
	select {
	case err := <-done:
		if err != nil {
			return nil, err
		}
		return a, nil
	case <-ctx.Done():
		forget()
		return nil, ctx.Err()
	}
}

// take takes one message of an answer: an event, or its end.
func (a *answer) take(l layout, m *nats.Msg) (last bool, err error) {
	if len(m.Data) == 0 {
		switch status := m.Header.Get("Status"); status {
		case "204":
			a.more, err = strconv.ParseUint(m.Header.Get("Nats-Num-Pending"), 10, 64)
			return true, err
		case "404":
			if len(a.recs) > 0 {
				return true, fmt.Errorf("%w: the server can't read an event that it knows of", eventstore.ErrGap)
			}
			return true, nil
		case "503":
			return true, nats.ErrNoResponders
		case "":
		default:
			return true, fmt.Errorf("read: the server answers %s %s", status, m.Header.Get("Description"))
		}
	}
	seq, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return true, fmt.Errorf("read: an answer without a sequence: %w", err)
	}
	r, err := l.decode(m.Header.Get(jetstream.SubjectHeader), seq, m.Header, m.Data)
	if err != nil {
		return true, fmt.Errorf("%w: %w", errForeign, err)
	}
	a.recs = append(a.recs, r)
	return a.single, nil
}

// one reads a single event: at a sequence, or the last of a subject. False: there is none. It asks the server that takes
// appends; a direct get may be answered by a replica that is behind.
func (s *Store) one(ctx context.Context, req directRequest) (eventstore.Recorded, bool, error) {
	if s.external {
		type found struct {
			eventstore.Recorded
			bool
		}
		f, err := once(ctx, s, func(ctx context.Context) (found, error) {
			r, ok, err := s.oneFromLeader(ctx, req)
			return found{r, ok}, err
		})
		return f.Recorded, f.bool, err
	}
	a, err := s.ask(ctx, req)
	if err != nil || len(a.recs) == 0 {
		return eventstore.Recorded{}, false, err
	}
	return a.recs[0], true, nil
}

func (s *Store) oneFromLeader(ctx context.Context, req directRequest) (eventstore.Recorded, bool, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return eventstore.Recorded{}, false, err
	}
	m, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+s.layout.ledger, body)
	if err != nil {
		return eventstore.Recorded{}, false, err
	}
	var found struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Subject string `json:"subject"`
			Seq     uint64 `json:"seq"`
			Header  []byte `json:"hdrs"`
			Data    []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &found); err != nil {
		return eventstore.Recorded{}, false, err
	}
	switch {
	case found.Error != nil && found.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return eventstore.Recorded{}, false, nil
	case found.Error != nil:
		return eventstore.Recorded{}, false, found.Error
	}
	header, err := nats.DecodeHeadersMsg(found.Message.Header)
	if err != nil {
		return eventstore.Recorded{}, false, fmt.Errorf("%w: position %d: %w", errForeign, found.Message.Seq, err)
	}
	r, err := s.layout.decode(found.Message.Subject, found.Message.Seq, header, found.Message.Data)
	if err != nil {
		return eventstore.Recorded{}, false, fmt.Errorf("%w: %w", errForeign, err)
	}
	return r, true, nil
}

// tailOf reads where a stream ends. The answer of a server that knows less than this process does is none.
func (s *Store) tailOf(ctx context.Context, p proposal) (tail, error) {
	known, _ := s.tails.get(p.Stream)
	r, found, err := s.one(ctx, directRequest{LastFor: p.subject})
	if err != nil {
		return noTail, err
	}
	at := noTail
	if found {
		at = tailAt(r)
	}
	if at.seq < known.seq {
		return noTail, errBehind
	}
	s.tails.saw(p.Stream, at)
	return at, nil
}

// byRevision reads the event at the place that a proposal is for, of a stream that ends at a tail, which is there or above.
func (s *Store) byRevision(ctx context.Context, p proposal, at, base tail) (eventstore.Recorded, error) {
	rev := p.Expected + 1
	if at.revision == rev || base.revision == p.Expected {
		req := directRequest{Seq: at.seq}
		if at.revision > rev {
			req = directRequest{Seq: base.seq + 1, NextFor: p.subject}
		}
		r, found, err := s.one(ctx, req)
		switch {
		case err != nil:
		case !found && at.revision == rev:
			err = s.absent(ctx, at.seq)
		case !found && s.external:
			err = errBehind // it was there just now
		case !found, r.Revision != rev:
			err = missing(p.Stream, rev)
		}
		return r, err
	}
	for r, err := range s.read(ctx, p.Stream, p.subject, rev-1) {
		return r, err
	}
	return eventstore.Recorded{}, missing(p.Stream, rev)
}

// ReadStream implements eventstore.Store.
func (s *Store) ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error] {
	return func(yield func(eventstore.Recorded, error) bool) {
		subject, err := s.layout.subject(stream)
		if err != nil {
			yield(eventstore.Recorded{}, err)
			return
		}
		for r, err := range s.read(ctx, stream, subject, after) {
			if !yield(r, explain(ctx, err)) {
				return
			}
		}
	}
}

// ReadLater implements eventstore.LaterReader. The server looks at nothing before the position: a stream's older events lie in blocks
// of 8 MB, which it reads as a whole, and it reads all that lie between a stream's first event and its last.
func (s *Store) ReadLater(
	ctx context.Context, stream string, after eventstore.Revision, beyond eventstore.Position,
) iter.Seq2[eventstore.Recorded, error] {
	return func(yield func(eventstore.Recorded, error) bool) {
		subject, err := s.layout.subject(stream)
		if err != nil {
			yield(eventstore.Recorded{}, err)
			return
		}
		for r, err := range s.readFrom(ctx, stream, subject, after, tail{revision: after, seq: uint64(beyond)}) {
			if !yield(r, explain(ctx, err)) {
				return
			}
		}
	}
}

// read pages through a stream.
func (s *Store) read(ctx context.Context, stream, subject string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error] {
	at := noTail
	if known, _ := s.tails.get(stream); known.seq > 0 && known.revision <= after {
		at = known
	}
	return s.readFrom(ctx, stream, subject, after, at)
}

// readFrom pages through a stream from a place. Each event must have the revision that follows the one before.
func (s *Store) readFrom(
	ctx context.Context, stream, subject string, after eventstore.Revision, at tail,
) iter.Seq2[eventstore.Recorded, error] {
	return func(yield func(eventstore.Recorded, error) bool) {
		at, read := at, noTail
		known, _ := s.tails.get(stream)
		lost := false // a direct get: whoever it was handed to may be handed the next one, too, and each costs askSoon
		for page, more := 0, true; more; page++ {
			recs, follow, err := s.nextPage(ctx, subject, at, known.seq, &lost)
			if err == nil && len(recs) == 0 && page > 0 {
				err = missing(stream, at.revision+1) // the page before said that there are more
			}
			if err != nil {
				yield(eventstore.Recorded{}, err)
				return
			}
			more = follow
			for _, r := range recs {
				if r.Revision != at.revision+1 {
					yield(eventstore.Recorded{}, missing(stream, at.revision+1))
					return
				}
				at, read = tailAt(r), tailAt(r)
				if r.Revision > after && !yield(r, nil) {
					return
				}
			}
		}
		s.tails.saw(stream, read)
	}
}

func missing(stream string, rev eventstore.Revision) error {
	return fmt.Errorf("%w: %s misses %s", eventstore.ErrGap, stream, rev)
}

// nextPage reads the events of a stream behind a place, says whether more follow, and returns when all of them are durable.
// The stream is known to reach a sequence. A page whose answer was lost is asked for again, of the leader, as are those behind it.
func (s *Store) nextPage(
	ctx context.Context, subject string, at tail, known uint64, lost *bool,
) (recs []eventstore.Recorded, follow bool, err error) {
	end, err := s.begin(ctx)
	if err != nil {
		return nil, false, err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for attempt := 0; ; attempt++ {
		recs, follow, err := s.tryPage(ctx, subject, at, known, attempt > 0 || *lost)
		if err == nil && len(recs) > 0 {
			return recs, follow, s.durable(ctx, uint64(recs[len(recs)-1].Position))
		}
		if err == nil && !follow {
			return nil, false, nil
		}
		if err == nil {
			err = errBehind
		} else if !open(err) {
			return nil, false, err
		}
		*lost = *lost || errors.Is(err, errStray)
		if pause(ctx, attempt) != nil {
			return nil, false, err
		}
	}
}

// tryPage asks for a page once. No events, but more to follow: a replica that is behind has answered. Any replica may be asked,
// and be one that answers nothing (errStray); then the leader is asked, for a page of one event.
func (s *Store) tryPage(
	ctx context.Context, subject string, at tail, known uint64, leader bool,
) (recs []eventstore.Recorded, follow bool, err error) {
	end := max(at.seq, known)
	if s.external {
		r, found, err := s.one(ctx, directRequest{LastFor: subject})
		if err != nil {
			return nil, false, err
		}
		if found {
			end = max(end, uint64(r.Position))
		}
	}
	if s.external && leader {
		r, found, err := s.one(ctx, directRequest{NextFor: subject, Seq: at.seq + 1})
		if err != nil || !found {
			return nil, end > at.seq, err
		}
		return []eventstore.Recorded{r}, uint64(r.Position) < end, nil
	}
	a, err := once(ctx, s, func(ctx context.Context) (*answer, error) {
		return s.ask(ctx, directRequest{NextFor: subject, Seq: at.seq + 1, Batch: pageEvents, MaxBytes: pageBytes})
	})
	if errors.Is(err, errNoAnswer) {
		err = errStray
	}
	if err != nil {
		return nil, false, err
	}
	if len(a.recs) == 0 {
		return nil, end > at.seq, nil
	}
	return a.recs, a.more > 0 || uint64(a.recs[len(a.recs)-1].Position) < end, nil
}
