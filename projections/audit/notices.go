package audit

import (
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// notice says why an event has no place in a stream of notices; empty when it has. That a notice is named after what it tells
// of, and whom, is what keeps anybody from being told twice.
func notice(r eventstore.Recorded, e domain.Event) string {
	_, ofOrder := eventstore.NoticesOf(r.Stream)
	var id, made uuid.UUID
	switch e := e.(type) {
	case eventstore.NotificationsBegan:
		if r.Stream != eventstore.NoticeKindsStream {
			return "it belongs in the stream " + eventstore.NoticeKindsStream
		}
		return ""
	case eventstore.NotificationsBatched:
		switch batch, ok := eventstore.BatchOf(r.Stream); {
		case !ok || batch != e.Batch:
			return "it belongs in the stream " + eventstore.BatchStream(e.Batch)
		case r.Revision != 0:
			return "it can only be the first of its stream"
		}
		return ""
	case eventstore.NotificationRequested:
		id, made = e.Notice, eventstore.NoticeID(e.Event, e.Kind, e.Recipient)
	case eventstore.NotificationSent:
		id, made = e.Notice, eventstore.NoticeID(e.Event, e.Kind, e.Recipient)
	case eventstore.NotificationFailed:
		id, made = e.Notice, eventstore.NoticeID(e.Event, e.Kind, e.Recipient)
	}
	switch {
	case !ofOrder:
		return "it belongs in the stream of an order's notices"
	case id != made:
		return "it is not named after what it tells of, and whom"
	}
	return ""
}
