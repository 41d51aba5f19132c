package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// task is one attempt at a message.
type task struct {
	key     uuid.UUID
	members []Notice
	digest  *Digest
	lane    *Lane
	tries   int
	sent    *sent
}

// sent is what came of a message, while its receipts are not all kept. It must not be sent again then.
type sent struct {
	at        time.Time
	messageID string
	failure   *failure // nil: it was taken
}

type failure struct {
	code, reason string
	permanent    bool
}

// outcome is what came of an attempt.
type outcome struct {
	key      uuid.UUID
	answered bool // the receipts are in the log; the log will say so
	act      bool // it was to be sent, not only its receipts to be kept
	sent     *sent
}

// attempt makes one attempt. When the run ends meanwhile, it has a moment to come to its end; when the turn does, it is cut off, since
// another process may be at it soon.
func (r *Runner) attempt(ctx context.Context, t task) outcome {
	lasting, end := follow.Outlast(ctx, r.cfg.Grace)
	defer end()
	lasting, cancel := context.WithTimeout(lasting, r.cfg.Timeout)
	defer cancel()
	o := outcome{key: t.key, sent: t.sent, act: t.sent == nil}
	if errors.Is(context.Cause(ctx), follow.ErrTurnOver) {
		return o
	}
	err := r.carryOut(lasting, t, &o)
	o.answered = err == nil
	if err != nil && ctx.Err() == nil {
		r.cfg.Logger.Warn("notify: not sent yet", r.about(t, "attempt", t.tries+1, "reason", reasonOf(err))...)
	}
	return o
}

// about names a task in the program's log: by its ids, never by what is in the message.
func (r *Runner) about(t task, more ...any) []any {
	n := t.members[0]
	return append([]any{
		"kind", n.Kind, "order", n.Order, "notice", n.ID, "notices", len(t.members), "channel", t.lane.Channel.Name(),
	}, more...)
}

func (r *Runner) carryOut(ctx context.Context, t task, o *outcome) error {
	if t.sent != nil {
		return r.keep(ctx, t)
	}
	open, err := r.unanswered(ctx, t.members)
	if err != nil || !open {
		return err
	}
	if t.digest != nil {
		if err := r.keepBatch(ctx, t); err != nil {
			return err
		}
	}
	m, err := r.write(ctx, t)
	if err == nil {
		if !r.cfg.Turn.Mine() { // it was held up, and another process may be at it
			return follow.ErrTurnOver
		}
		m.ID, m.At = t.messageID(), since(t.members)
		err = t.lane.Channel.Send(ctx, m)
	}
	failed := r.judge(t, err)
	if err != nil && failed == nil {
		return err
	}
	t.sent = &sent{at: r.cfg.Now().UTC().Truncate(time.Microsecond), failure: failed}
	if failed == nil || m.ID != "" {
		t.sent.messageID = t.lane.Channel.MessageID(m)
	}
	o.sent = t.sent
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Grace) // what was sent must not be forgotten
	defer cancel()
	return r.keep(ctx, t)
}

// unanswered says whether the log, as it is now, has no receipt of one of the notices: another process may have been faster.
func (r *Runner) unanswered(ctx context.Context, members []Notice) (bool, error) {
	for _, n := range members {
		answered, err := r.cfg.Notices.Answered(ctx, n.Order, n.ID, n.Request)
		if err != nil || !answered {
			return true, err
		}
	}
	return false, nil
}

// unwritten is why a message can't be put together.
type unwritten struct{ error }

func (e unwritten) Unwrap() error { return e.error }

func (r *Runner) write(ctx context.Context, t task) (Message, error) {
	subjects := make([]Subject, len(t.members))
	for i, n := range t.members {
		s, err := r.subject(ctx, n)
		if err != nil {
			return Message{}, err
		}
		subjects[i] = s
	}
	var m Message
	var err error
	if t.digest != nil {
		m, err = t.digest.Write(subjects)
	} else {
		m, err = r.kinds[t.members[0].Kind].Write(subjects[0])
	}
	if err != nil {
		return Message{}, unwritten{err}
	}
	m.Kind = t.members[0].Kind
	return m, nil
}

// subject is what a notice is about, as the log tells it up to the notice.
func (r *Runner) subject(ctx context.Context, n Notice) (Subject, error) {
	s := Subject{Notice: n}
	for rec, err := range r.cfg.Log.ReadStream(ctx, eventstore.OrderStream(n.Order), eventstore.NoStream) {
		if err != nil {
			return s, err
		}
		if rec.Position > n.AsOf {
			break
		}
		e, env, err := r.cfg.Codec.Decode(rec)
		if err != nil {
			return s, err
		}
		s.Order = domain.Evolve(s.Order, e, eventstore.Stamp(rec.Event, env))
		if rec.ID == n.Event {
			s.Event = e
		}
	}
	if s.Event == nil {
		return s, unwritten{fmt.Errorf("order %s has no event %s", n.Order, n.Event)}
	}
	return s, nil
}

// judge says why a message is failed for good; nil when it was taken, or is to be sent again.
func (r *Runner) judge(t task, err error) *failure {
	var no *SendError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNoAddress):
		if r.kinds[t.members[0].Kind].Role == Manufacturer {
			return &failure{eventstore.NoticeNoAddress, "The configuration names no way to tell this manufacturer.", true}
		}
		return &failure{eventstore.NoticeNoAddress, "The order names no e-mail address.", true}
	case errors.As(err, new(unwritten)):
		r.cfg.Logger.Error("notify: a message can't be written", r.about(t, "error", err)...)
		return &failure{eventstore.NoticeUnwritten, "The message could not be written; the program's log says why.", true}
	case errors.As(err, &no) && no.Permanent:
		return &failure{eventstore.NoticeRefused, no.Reason, true}
	case t.tries > 0 && r.cfg.Now().Sub(since(t.members)) >= r.cfg.GiveUp:
		return &failure{eventstore.NoticeGivenUp, reasonOf(err), false}
	}
	return nil
}

// since is from when on all of a message could be sent.
func since(members []Notice) (at time.Time) {
	for _, n := range members {
		if n.Due.After(at) {
			at = n.Due
		}
	}
	return at
}

// reasonOf says why in words that hold nobody's address: errors of libraries may quote what a server said.
func reasonOf(err error) string {
	var no *SendError
	var network net.Error
	switch {
	case errors.As(err, &no):
		return no.Reason
	case errors.Is(err, eventstore.ErrUnavailable):
		return eventstore.ErrUnavailable.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "it took too long"
	case errors.As(err, &network):
		return "the connection failed"
	}
	return "it failed"
}

// keepBatch says in the log, before a digest is sent for the first time, what is in it.
func (r *Runner) keepBatch(ctx context.Context, t task) error {
	b := eventstore.NotificationsBatched{Batch: t.key}
	for _, n := range t.members {
		b.Members = append(b.Members, eventstore.BatchMember{Order: n.Order, Notice: n.ID, Request: n.Request})
	}
	_, err := r.cfg.Notices.Record(ctx, eventstore.BatchStream(t.key), t.key, b, uuid.Nil)
	return err
}

// keep puts the receipts into the log.
func (r *Runner) keep(ctx context.Context, t task) error {
	for _, n := range t.members {
		k := r.kinds[n.Kind]
		cause := n.Event
		if n.Request != uuid.Nil {
			cause = n.Request
		}
		var e domain.Event = eventstore.NotificationSent{
			Notice: n.ID, Kind: n.Kind, Recipient: string(k.Role), Event: n.Event, Request: n.Request,
			MessageID: t.sent.messageID, Channel: t.lane.Channel.Name(), At: t.sent.at,
		}
		if f := t.sent.failure; f != nil {
			e = eventstore.NotificationFailed{
				Notice: n.ID, Kind: n.Kind, Recipient: string(k.Role), Event: n.Event, Request: n.Request,
				MessageID: t.sent.messageID, Channel: t.lane.Channel.Name(), At: t.sent.at,
				Code: f.code, Reason: f.reason, Permanent: f.permanent,
			}
		}
		if _, err := r.cfg.Notices.Record(ctx, eventstore.NoticeStream(n.Order), receiptCommand(n, "answer"), e, cause); err != nil {
			return err
		}
	}
	if f := t.sent.failure; f != nil && f.code != eventstore.NoticeNoAddress {
		r.cfg.Logger.Error("notify: not sent, and not tried again", r.about(t, "reason", f.reason)...)
	}
	return nil
}

// messageID is the same whenever this message is sent again, and no other's: a message that a person asked for anew is another.
func (t task) messageID() string {
	n := t.members[0]
	switch {
	case t.digest != nil:
		return t.key.String()
	case n.Request != uuid.Nil:
		return uuid.NewSHA1(n.ID, n.Request[:]).String()
	}
	return n.ID.String()
}

// batchID names a message of several notices after them.
func batchID(members []Notice) uuid.UUID {
	var b strings.Builder
	for _, n := range members {
		b.WriteString(n.ID.String() + " " + n.Request.String() + "\n")
	}
	return commands.NoticeCommand("batch " + b.String())
}
