package eventstore

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// What people were told stands in the streams notice-…, so that a clerk's expected revision is not disturbed by it. No address
// is ever part of it: whom a role means is in the order, or in the configuration.

// NotificationsBegan: from here on people are told of facts of these kinds, and of no others; the last event of stream
// notice-kinds is what holds. So nobody is told of the past when notices are switched on over a log that is there.
type NotificationsBegan struct {
	Kinds []string `json:"kinds"`
	// HistoryHours says from when on an order is history as it comes in: its store took it so long before. Customers are not told
	// that such an order was placed. 0: none is history.
	HistoryHours int `json:"history_hours,omitempty"`
}

// NotificationRequested: a person wants a notice sent once more, or sent as things are now.
type NotificationRequested struct {
	Notice    uuid.UUID `json:"notice"` // see NoticeID
	Kind      string    `json:"kind"`
	Recipient string    `json:"recipient"` // role, such as customer
	Event     uuid.UUID `json:"event"`     // that it tells of
}

// NotificationSent: whoever delivers it has taken the message on.
type NotificationSent struct {
	Notice    uuid.UUID `json:"notice"`
	Kind      string    `json:"kind"`
	Recipient string    `json:"recipient"`
	Event     uuid.UUID `json:"event"`
	Request   uuid.UUID `json:"request,omitzero"` // the NotificationRequested that it answers
	MessageID string    `json:"message_id"`
	Channel   string    `json:"channel"` // such as smtp, outbox
	At        time.Time `json:"at"`
}

// NotificationFailed: the message is not sent, and is not tried again unless a person asks for it.
type NotificationFailed struct {
	Notice    uuid.UUID `json:"notice"`
	Kind      string    `json:"kind"`
	Recipient string    `json:"recipient"`
	Event     uuid.UUID `json:"event"`
	Request   uuid.UUID `json:"request,omitzero"`
	MessageID string    `json:"message_id,omitempty"`
	Channel   string    `json:"channel,omitempty"`
	At        time.Time `json:"at"`
	Code      string    `json:"code"`      // see the constants
	Reason    string    `json:"reason"`    // for a person; without any address
	Permanent bool      `json:"permanent"` // it was refused for good; else it was given up
}

// The codes of NotificationFailed.
const (
	NoticeNoAddress = "no_address" // the order has none to tell anybody at
	NoticeRefused   = "refused"
	NoticeGivenUp   = "given_up"
	NoticeUnwritten = "unwritten" // the message could not be put together
)

// NotificationsBatched: these notices go out as one message, whatever happens meanwhile; the only event of stream
// notice-batch-<id>. A message that has to be repeated so has the content that it had.
type NotificationsBatched struct {
	Batch   uuid.UUID     `json:"batch"`
	Members []BatchMember `json:"members"`
}

// BatchMember is one notice of a batch.
type BatchMember struct {
	Order   uuid.UUID `json:"order"`
	Notice  uuid.UUID `json:"notice"`
	Request uuid.UUID `json:"request,omitzero"`
}

// EventType is the event's name in the log.
func (NotificationsBegan) EventType() string    { return "NotificationsBegan" }
func (NotificationRequested) EventType() string { return "NotificationRequested" }
func (NotificationSent) EventType() string      { return "NotificationSent" }
func (NotificationFailed) EventType() string    { return "NotificationFailed" }
func (NotificationsBatched) EventType() string  { return "NotificationsBatched" }

// NoticeKindsStream is the name of the stream that says of which kinds of facts people are told.
const NoticeKindsStream = noticePrefix + "kinds"

const (
	noticePrefix = "notice-"
	batchPrefix  = noticePrefix + "batch-"
)

// noticeNamespace makes ids of notices; changing it would tell everybody everything once more.
var noticeNamespace = uuid.MustParse("8b6de1f3-6f43-5f0e-8f0b-6a5d1c0e9b72")

// NoticeID is the id of what a role is told of an event: one fact is one notice, for ever.
func NoticeID(event uuid.UUID, kind, recipient string) uuid.UUID {
	return uuid.NewSHA1(noticeNamespace, []byte(event.String()+"\x00"+kind+"\x00"+recipient))
}

// NoticeStream is the name of the stream of what people were told of an order.
func NoticeStream(order uuid.UUID) string { return noticePrefix + order.String() }

// BatchStream is the name of the stream of a batch of notices.
func BatchStream(batch uuid.UUID) string { return batchPrefix + batch.String() }

// NoticesOf is the order whose notices a stream holds, if it is such a stream.
func NoticesOf(stream string) (uuid.UUID, bool) {
	id, ok := strings.CutPrefix(stream, noticePrefix)
	if !ok || len(id) != 36 {
		return uuid.Nil, false
	}
	order, err := uuid.Parse(id)
	return order, err == nil
}

// BatchOf is the batch that a stream is about, if it is such a stream.
func BatchOf(stream string) (uuid.UUID, bool) {
	id, ok := strings.CutPrefix(stream, batchPrefix)
	if !ok || len(id) != 36 {
		return uuid.Nil, false
	}
	batch, err := uuid.Parse(id)
	return batch, err == nil
}
