package esdbstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/orderledger/orderledger/domain/eventstore"
)

var _ eventstore.OrderedAppender = (*Store)(nil)

var (
	errWrongVersion = errors.New("the stream is not at the expected revision")
	errSilent       = errors.New("the server does not answer")
)

// line is the one connection by which appends in order are sent. Who holds its place sends.
type line struct {
	place  chan struct{}
	direct *direct // nil before the first, and after one that failed
	said   string  // who leads, as a node has said; empty: nobody has
}

func newLine() line { return line{place: make(chan struct{}, 1)} }

// drop gives the connection up. Its taker asks again who leads.
func (l *line) drop(said string) {
	if l.direct != nil {
		_ = l.direct.conn.Close() // nothing is under way any more
		l.direct = nil
	}
	l.said = said
}

// AppendInOrder implements eventstore.OrderedAppender. The server carries the appends of one batch call out in the order that they
// come in, so what stands when one fails, or the call is cut anywhere, is a first part of them. Only a refusal in the middle keeps
// nothing behind it out: of an event that is too large, or not allowed, or by a node that takes the lead that moment. So the first one
// of a call is sent alone, and so is each that is larger than any that this server has taken of its category. Should it happen all the
// same, as when a node loses the lead and has it again within a call, it is found, and is eventstore.ErrOrder.
func (s *Store) AppendInOrder(ctx context.Context, batch []eventstore.Proposed) error {
	ps, err := s.proposals(batch)
	if err != nil {
		return err
	}
	done, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	select {
	case s.line.place <- struct{}{}:
		defer func() { <-s.line.place }()
	case <-ctx.Done():
		return ctx.Err()
	}
	began := time.Now()
	for attempt := 0; len(ps) > 0; attempt++ {
		n, err := s.sendSome(ctx, ps)
		ps = ps[n:]
		if n > 0 {
			began, attempt = time.Now(), 0
		}
		switch {
		case err == nil: // all of them
		case !open(err), time.Since(began) > patience, pause(ctx, attempt) != nil:
			return explain(ctx, err)
		}
	}
	return nil
}

// sendSome sends events, and returns how many of them stand. All of them, or there is an error.
func (s *Store) sendSome(ctx context.Context, ps []proposal) (int, error) {
	l := &s.line
	if l.direct == nil {
		limited, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		d, err := dial(limited, s.link.settings, l.said)
		if err != nil {
			l.said = ""
			return 0, err
		}
		l.direct = d
	}
	c := &batchCall{ps: ps, changed: make(chan struct{}, 1), failedAt: len(ps), seed: rand.Int64()}
	said := c.run(ctx, l.direct)
	if c.err == nil {
		return len(ps), nil
	}
	l.drop(said)
	if ctx.Err() != nil {
		return c.stood, ctx.Err()
	}
	refused := c.failedAt == c.stood && errors.Is(c.err, errWrongVersion)
	stood, err := s.firstPart(ctx, ps[c.stood:c.sent], refused)
	var conflict *eventstore.ConflictError
	switch {
	case err == nil:
		return c.stood + stood, c.err
	case errors.As(err, &conflict):
		return c.stood, err
	}
	return c.stood, fmt.Errorf("%w; it was looked for after: %w", err, c.err)
}

// firstPart returns how many of the events whose appends got no answer, or failed, stand. Nothing may stand behind one that does not.
// Refused: the first of them met a stream that was not as expected.
func (s *Store) firstPart(ctx context.Context, ps []proposal, refused bool) (int, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	look := func(p proposal) (stands bool, err error) {
		return patiently(limited, func(ctx context.Context) (bool, error) {
			r, stands, err := s.standing(ctx, p)
			if stands {
				s.end.saw(r.Position)
			}
			return stands, err
		})
	}
	if refused {
		if _, err := look(ps[0]); err != nil {
			return 0, err
		}
	}
	there := make([]bool, len(ps))
	err := each(len(ps), func(i int) (err error) {
		there[i], err = look(ps[i])
		if conflict := (*eventstore.ConflictError)(nil); errors.As(err, &conflict) { // what it follows is not there either, or another is
			return nil
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	last := len(ps)
	for last > 0 && !there[last-1] {
		last--
	}
	// What was on its way may have arrived while this looked, so a second look decides: then all that is before the last one is there.
	err = each(last, func(i int) error {
		if there[i] {
			return nil
		}
		stands, err := look(ps[i])
		if err == nil && !stands {
			err = fmt.Errorf("%w: %s, revision %d, is not there, and others are that were sent behind it",
				eventstore.ErrOrder, ps[i].Stream, ps[i].Expected+1)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return last, nil
}

// batchCall is one batch call under way.
type batchCall struct {
	ps   []proposal
	seed int64 // of the names by which answers say what they answer

	mu       sync.Mutex
	changed  chan struct{} // there is something new
	watch    *time.Timer   // ends the call when no answer comes
	sent     int
	answered int
	stood    int   // of the first ones
	failedAt int   // the first that failed
	err      error // of that one, or of the call
	broken   bool
	over     bool // nothing changes any more
}

// run sends all events and waits for the answers. It returns who leads, if the node that was asked says that another one does.
func (c *batchCall) run(ctx context.Context, d *direct) (said string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.watch = time.AfterFunc(askPatience, func() {
		c.fail(errSilent)
		cancel() // what is being sent may wait, too
	})
	defer c.watch.Stop()
	call, err := streams.NewStreamsClient(d.conn).BatchAppend(atLeader(ctx))
	if err != nil {
		c.fail(err)
		return ""
	}
	received := make(chan struct{})
	go func() {
		defer close(received)
		c.receive(call)
	}()
	c.send(ctx, call, d)
	c.settle(ctx)
	// It is cancelled, and not closed before: to a client that says that it sends no more the server gives one more answer, not all.
	cancel()
	<-received
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	return leaderSaid(call.Trailer())
}

// send sends events as long as nothing has failed.
func (c *batchCall) send(ctx context.Context, call streams.Streams_BatchAppendClient, d *direct) {
	for i, p := range c.ps {
		category, _, _ := strings.Cut(p.Stream, "-")
		size := len(p.event.Data) + len(p.event.Metadata) + 2*len(p.event.EventType)
		alone := i == 0 || size > d.taken[category]
		if (alone && !c.settle(ctx)) || c.failed() {
			return
		}
		c.mu.Lock()
		c.sent = i + 1
		c.mu.Unlock()
		if call.Send(c.request(i)) != nil {
			return // why, is what is received
		}
		if alone {
			if !c.settle(ctx) {
				return
			}
			d.taken[category] = size
		}
	}
}

func (c *batchCall) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// settle waits until all that was sent is answered, and says whether all of it stands.
func (c *batchCall) settle(ctx context.Context) bool {
	for {
		c.mu.Lock()
		over, well := c.broken || c.answered == c.sent, c.err == nil
		c.mu.Unlock()
		if over {
			return well
		}
		select {
		case <-c.changed:
		case <-ctx.Done():
			c.fail(ctx.Err())
			return false
		}
	}
}

// fail notes that the call is over.
func (c *batchCall) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.broken = true
	if c.err == nil {
		c.err = err
	}
}

// receive takes the answers until there are no more.
func (c *batchCall) receive(call streams.Streams_BatchAppendClient) {
	stands := make([]bool, len(c.ps))
	for {
		a, err := call.Recv()
		c.mu.Lock()
		if err != nil {
			c.broken = true
			if c.err == nil && c.answered < len(c.ps) {
				c.err = err
			}
		} else if i := int(a.GetCorrelationId().GetStructured().GetLeastSignificantBits()) - 1; i >= 0 && i < c.sent && !stands[i] {
			c.watch.Reset(askPatience)
			c.answered++
			failure := c.outcome(i, a)
			stands[i] = failure == nil
			if failure != nil && i < c.failedAt {
				c.failedAt, c.err = i, failure
			}
			for c.stood < len(stands) && stands[c.stood] {
				c.stood++
			}
		}
		c.mu.Unlock()
		select {
		case c.changed <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// outcome is what an answer says of an event: nil, that it stands.
func (c *batchCall) outcome(i int, a *streams.BatchAppendResp) error {
	p, failure := c.ps[i], a.GetError()
	if failure == nil {
		if at := a.GetSuccess().GetCurrentRevision(); at != uint64(p.Expected+1) { // it began a deleted stream again
			return fmt.Errorf("append to %s: it stands at revision %d, not behind %s", p.Stream, at, p.Expected)
		}
		return nil
	}
	err := fmt.Errorf("append to %s: %w", p.Stream, status.Error(codes.Code(failure.GetCode()), failure.GetMessage()))
	switch codes.Code(failure.GetCode()) {
	case codes.OK: // so says one who can't take it now
		return fmt.Errorf("append to %s: %s", p.Stream, failure.GetMessage())
	case codes.AlreadyExists:
		return errWrongVersion
	case codes.InvalidArgument:
		return tooLarge(p, err)
	case codes.NotFound:
		return wasDeleted(p.Stream, err)
	}
	return err
}

// request is the whole append of one event.
func (c *batchCall) request(i int) *streams.BatchAppendReq {
	p := c.ps[i]
	o := &streams.BatchAppendReq_Options{StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(p.native)}}
	if p.Expected == eventstore.NoStream {
		o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_NoStream{NoStream: &emptypb.Empty{}}
	} else {
		o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_StreamPosition{StreamPosition: uint64(p.Expected)}
	}
	return &streams.BatchAppendReq{
		CorrelationId: structured(c.seed, int64(i)+1), Options: o, IsFinal: true,
		ProposedMessages: []*streams.BatchAppendReq_ProposedMessage{{
			Id: idOf(p.event.EventID), Data: p.event.Data, CustomMetadata: p.event.Metadata,
			Metadata: map[string]string{"type": p.event.EventType, "content-type": "application/json"},
		}},
	}
}
