package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// ShippedNotice is the kind of notice that tells a customer of a shipment.
const ShippedNotice = "customer.shipped"

// NotNotified is the code of the rejection that nobody is told of facts of a kind now.
const NotNotified domain.Code = "not_notified"

// NoticeNotFound is the code of the rejection that nobody was, or is to be, told what is to be sent again.
const NoticeNotFound domain.Code = "notice_not_found"

var noticeNamespace = uuid.MustParse("e2a7d5f8-3f0c-5b0b-9a54-7f5f1c6b8d13")

// NoticeCommand is the id of the command by which the ledger itself records something about a notice, a batch or the kinds: the
// same one for the same record, so that it is made once.
func NoticeCommand(what string) uuid.UUID { return uuid.NewSHA1(noticeNamespace, []byte(what)) }

// Notices keeps in the log what people were told, in the companion streams of orders.
type Notices struct{ Handler *Handler }

// Kept is what came of keeping something.
type Kept struct {
	EventID  uuid.UUID
	Position eventstore.Position
	Replayed bool // the same command kept it before
}

// Begin makes these the kinds of facts that people are told of from here on. It appends only when that is a change; that
// nobody is ever told anything needs no saying. Errors:
// those of the log.
func (n Notices) Begin(ctx context.Context, kinds []string, historyHours int) error {
	want := eventstore.NotificationsBegan{Kinds: slices.Sorted(slices.Values(kinds)), HistoryHours: historyHours}
	for range maxConflicts {
		tail, err := n.tail(ctx, eventstore.NoticeKindsStream)
		if err != nil {
			return err
		}
		if is, ok := tail.event.(eventstore.NotificationsBegan); ok && is.HistoryHours == want.HistoryHours && slices.Equal(is.Kinds, want.Kinds) {
			return nil
		}
		if tail.event == nil && len(kinds) == 0 {
			return nil // nobody was ever told anything
		}
		said, err := json.Marshal(want)
		if err != nil {
			return err
		}
		_, err = n.append(ctx, eventstore.NoticeKindsStream, tail, want, Request{
			CommandID: NoticeCommand(fmt.Sprintf("kinds %d %s", tail.revision+1, said)), Actor: notifier,
		})
		if conflict := (*eventstore.ConflictError)(nil); !errors.As(err, &conflict) {
			return err
		}
	}
	return fmt.Errorf("%w: %s changes too quickly", eventstore.ErrUnavailable, eventstore.NoticeKindsStream)
}

// notifier is who records what people were told.
var notifier = domain.Actor{ID: "notify", Role: domain.System, Via: domain.ViaSaga}

// Record keeps an event in a stream of notices, once for its command: a NotificationSent or NotificationFailed of an order, or a
// batch. Errors: those of the log.
func (n Notices) Record(ctx context.Context, stream string, command uuid.UUID, e domain.Event, cause uuid.UUID) (Kept, error) {
	return n.keep(ctx, stream, e, Request{CommandID: command, Actor: notifier, CausationID: cause})
}

func (n Notices) keep(ctx context.Context, stream string, e domain.Event, r Request) (Kept, error) {
	for range maxConflicts {
		tail, err := n.tail(ctx, stream, r.CommandID)
		switch {
		case err != nil:
			return Kept{}, err
		case tail.had != nil && tail.request != r.RequestHash:
			return Kept{}, ErrKeyReused
		case tail.had != nil:
			return Kept{EventID: tail.had.ID, Position: tail.had.Position, Replayed: true}, nil
		}
		recorded, err := n.append(ctx, stream, tail, e, r)
		if conflict := (*eventstore.ConflictError)(nil); errors.As(err, &conflict) {
			continue
		}
		return Kept{EventID: recorded.ID, Position: recorded.Position}, err
	}
	return Kept{}, fmt.Errorf("%w: %s changes too quickly", eventstore.ErrUnavailable, stream)
}

// noticeTail is the end of a stream, and what a command left in it.
type noticeTail struct {
	revision eventstore.Revision
	event    domain.Event
	hash     string
	had      *eventstore.Recorded
	request  string
}

func (n Notices) tail(ctx context.Context, stream string, commands ...uuid.UUID) (noticeTail, error) {
	t := noticeTail{revision: eventstore.NoStream}
	for r, err := range n.Handler.log.ReadStream(ctx, stream, eventstore.NoStream) {
		if err != nil {
			return t, err
		}
		e, env, err := n.Handler.codec.Decode(r)
		if err != nil {
			return t, err
		}
		t.revision, t.event, t.hash = r.Revision, e, env.Hash
		if slices.Contains(commands, env.CommandID) {
			t.had, t.request = &r, env.RequestHash
		}
	}
	return t, nil
}

func (n Notices) append(ctx context.Context, stream string, after noticeTail, e domain.Event, r Request) (eventstore.Recorded, error) {
	recorded, _, err := n.Handler.appender().Append(ctx, stream, after.revision, e, r.envelope(after.hash))
	return recorded, err
}

// Told is one notice of an order as its stream tells it.
type Told struct {
	Notice    uuid.UUID
	Kind      string
	Recipient string
	Event     uuid.UUID
	Request   uuid.UUID // the last NotificationRequested; zero when there is none
	// Answered says that the last attempt is over: it was Sent, or it Failed.
	Answered bool
	Sent     *eventstore.NotificationSent
	Failed   *eventstore.NotificationFailed // the last answer, when that was no
}

// answers says whether the notice has its answer as it was asked for by a request, or, with the zero one, by its fact.
func (t Told) answers(request uuid.UUID) bool { return t.Answered && t.Request == request }

// Told lists what was said, or is to be said again, about an order, in the order in which that began.
func (n Notices) Told(ctx context.Context, order uuid.UUID) ([]Told, error) {
	var list []Told
	at := func(notice uuid.UUID, kind, recipient string, event uuid.UUID) *Told {
		i := slices.IndexFunc(list, func(t Told) bool { return t.Notice == notice })
		if i < 0 {
			list, i = append(list, Told{Notice: notice, Kind: kind, Recipient: recipient, Event: event}), len(list)
		}
		return &list[i]
	}
	for r, err := range n.Handler.log.ReadStream(ctx, eventstore.NoticeStream(order), eventstore.NoStream) {
		if err != nil {
			return nil, err
		}
		e, _, err := n.Handler.codec.Decode(r)
		if err != nil {
			return nil, err
		}
		switch e := e.(type) {
		case eventstore.NotificationRequested:
			t := at(e.Notice, e.Kind, e.Recipient, e.Event)
			t.Request, t.Answered = r.ID, false
		case eventstore.NotificationSent:
			if t := at(e.Notice, e.Kind, e.Recipient, e.Event); e.Request == t.Request {
				t.Answered, t.Sent, t.Failed = true, &e, nil
			}
		case eventstore.NotificationFailed:
			if t := at(e.Notice, e.Kind, e.Recipient, e.Event); e.Request == t.Request {
				t.Answered, t.Failed = true, &e
			}
		}
	}
	return list, nil
}

// Answered says whether the log holds the answer to a notice as it was asked for by a request (zero: by its fact).
func (n Notices) Answered(ctx context.Context, order, notice, request uuid.UUID) (bool, error) {
	list, err := n.Told(ctx, order)
	return slices.ContainsFunc(list, func(t Told) bool { return t.Notice == notice && t.answers(request) }), err
}

// Resend asks for something that people were told, or could not be told, to be sent once more. What is asked for already and
// has no answer yet is not asked for twice. r's Command and Claims are not used. Errors: rejections order_not_found,
// notice_not_found and not_notified, ErrKeyReused, those of the log.
func (n Notices) Resend(ctx context.Context, r Request, notice uuid.UUID) (Kept, error) {
	_, position, err := n.Handler.Load(ctx, r.OrderID)
	if err != nil {
		return Kept{}, err
	}
	list, err := n.Told(ctx, r.OrderID)
	if err != nil {
		return Kept{}, err
	}
	i := slices.IndexFunc(list, func(t Told) bool { return t.Notice == notice })
	if i < 0 {
		return Kept{}, &domain.Rejection{
			Code: NoticeNotFound, Kind: domain.Missing, Message: "Nothing with this id was sent about the order, or could not be.",
		}
	}
	t := list[i]
	if err := n.Tells(ctx, t.Kind); err != nil {
		return Kept{}, err
	}
	tail, err := n.tail(ctx, eventstore.NoticeStream(r.OrderID), r.CommandID)
	switch {
	case err != nil:
		return Kept{}, err
	case tail.had == nil && !t.Answered:
		return Kept{EventID: t.Request, Position: position}, nil
	}
	return n.keep(ctx, eventstore.NoticeStream(r.OrderID), eventstore.NotificationRequested{
		Notice: t.Notice, Kind: t.Kind, Recipient: t.Recipient, Event: t.Event,
	}, r)
}

// ResendShipped asks for a customer to be told of their order's shipment as things are now, whether or not they were told before.
// Errors: the rejections not_notified and, for an order that has not shipped, notice_not_found; those of the log.
func (n Notices) ResendShipped(ctx context.Context, r Request) (Kept, error) {
	if err := n.Tells(ctx, ShippedNotice); err != nil {
		return Kept{}, err
	}
	shipped := uuid.Nil
	for e, err := range n.Handler.log.ReadStream(ctx, eventstore.OrderStream(r.OrderID), eventstore.NoStream) {
		if err != nil {
			return Kept{}, err
		}
		if e.Type == (domain.Shipped{}).EventType() {
			shipped = e.ID
		}
	}
	if shipped == uuid.Nil {
		return Kept{}, &domain.Rejection{Code: NoticeNotFound, Kind: domain.Missing, Message: "The order has not shipped."}
	}
	const customer = "customer"
	return n.keep(ctx, eventstore.NoticeStream(r.OrderID), eventstore.NotificationRequested{
		Notice: eventstore.NoticeID(shipped, ShippedNotice, customer), Kind: ShippedNotice, Recipient: customer, Event: shipped,
	}, r)
}

// Tells is nil when people are told of facts of a kind now, else a rejection not_notified. Errors: those of the log, too.
func (n Notices) Tells(ctx context.Context, kind string) error {
	tail, err := n.tail(ctx, eventstore.NoticeKindsStream)
	if err != nil {
		return err
	}
	if is, ok := tail.event.(eventstore.NotificationsBegan); ok && slices.Contains(is.Kinds, kind) {
		return nil
	}
	return &domain.Rejection{Code: NotNotified, Message: "Nobody is told of that now: these notices are switched off."}
}
