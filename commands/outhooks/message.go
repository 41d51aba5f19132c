package outhooks

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// ContentType is that of messages: CloudEvents in structured mode.
const ContentType = "application/cloudevents+json"

// TypePrefix stands before an event's type in a message.
const TypePrefix = "orderledger."

// CloudEvent is the body of a message, as CloudEvents 1.0 has it.
type CloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`     // the event's
	Source          string    `json:"source"` // the ledger
	Type            string    `json:"type"`
	Subject         string    `json:"subject,omitempty"` // the order's id
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            any       `json:"data"`
}

// Public is the public form of an order's event: the order as it was after it, and what the event itself says.
type Public struct {
	OrderID      uuid.UUID       `json:"order_id"`
	OrderNumber  string          `json:"order_number"`
	Manufacturer string          `json:"manufacturer"`
	Version      int             `json:"version"`
	Tab          domain.Tab      `json:"tab"`
	Status       domain.Status   `json:"status"`
	Event        json.RawMessage `json:"event"`
}

// Form makes the public form of a log's order events: the same whenever it is made, and to whomever it goes. Safe for many goroutines.
type Form struct {
	log    Reader
	codec  eventstore.Codec
	source string
	orders *lru.Cache[string, domain.Order] // as they were after the event that was asked for last, by stream
}

// Reader reads one stream of the log; see eventstore.Store.
type Reader interface {
	ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error]
}

// knownOrders is how many orders a Form remembers, so that following one does not read it again for each of its events.
const knownOrders = 1000

// NewForm returns the public form of a log's events; source names the ledger, a URI.
func NewForm(log Reader, codec eventstore.Codec, source string) (*Form, error) {
	orders, err := lru.New[string, domain.Order](knownOrders)
	return &Form{log: log, codec: codec, source: source, orders: orders}, err
}

// Event is the CloudEvent that tells of an order's event.
func (f *Form) Event(ctx context.Context, rec eventstore.Recorded, customerData bool) (CloudEvent, error) {
	order, event, env, err := f.orderAt(ctx, rec)
	if err != nil {
		return CloudEvent{}, err
	}
	own, err := public(event, customerData)
	return CloudEvent{
		ID: rec.ID.String(), Source: f.source, Type: TypePrefix + rec.Type, Subject: order.ID.String(), Time: env.OccurredAt.UTC(),
		Data: Public{
			OrderID: order.ID, OrderNumber: order.OrderNumber, Manufacturer: order.Manufacturer, Version: order.Version,
			Tab: order.Tab(), Status: order.Status(), Event: own,
		},
	}, err
}

// Write is the event in CloudEvents' structured mode, whose media type is ContentType.
func (c CloudEvent) Write() ([]byte, error) {
	c.SpecVersion, c.DataContentType = "1.0", "application/json"
	return json.Marshal(c)
}

// message is the message that tells an endpoint of an order's event.
func (r *Runner) message(ctx context.Context, e Endpoint, rec eventstore.Recorded) (sender.Message, error) {
	c, err := r.form.Event(ctx, rec, e.CustomerData)
	if err != nil {
		return sender.Message{}, err
	}
	return write(c)
}

func write(c CloudEvent) (sender.Message, error) {
	body, err := c.Write()
	return sender.Message{ID: c.ID, ContentType: ContentType, Body: body}, err
}

// orderAt is an order after one of its events.
func (f *Form) orderAt(ctx context.Context, rec eventstore.Recorded) (order domain.Order, event domain.Event, env eventstore.Envelope, err error) {
	if known, ok := f.orders.Get(rec.Stream); ok && eventstore.Revision(known.Version) == rec.Revision {
		if event, env, err = f.codec.Decode(rec); err != nil {
			return order, nil, env, err
		}
		order = domain.Evolve(known, event, eventstore.Stamp(rec.Event, env))
		f.orders.Add(rec.Stream, order)
		return order, event, env, nil
	}
	for at, err := range f.log.ReadStream(ctx, rec.Stream, eventstore.NoStream) {
		if err != nil {
			return order, nil, env, err
		}
		if event, env, err = f.codec.Decode(at); err != nil {
			return order, nil, env, err
		}
		order = domain.Evolve(order, event, eventstore.Stamp(at.Event, env))
		if at.Revision == rec.Revision {
			f.orders.Add(rec.Stream, order)
			return order, event, env, nil
		}
	}
	return order, nil, env, fmt.Errorf("%w: %s misses %s", eventstore.ErrGap, rec.Stream, rec.Revision)
}

// public is what an event itself says, without what is nobody else's business: the hash of the order's content always, since guesses
// at the content could be tried on it; and unless customer data is wanted, what is behind the codec's seam for personal data, and
// whose card it was.
func public(event domain.Event, customerData bool) (json.RawMessage, error) {
	raw, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	delete(members, "content_hash")
	if customerData {
		return json.Marshal(members)
	}
	delete(members, "personal")
	if hold, ok := members["authorization"]; ok {
		var authorization map[string]json.RawMessage
		if err := json.Unmarshal(hold, &authorization); err != nil {
			return nil, err
		}
		delete(authorization, "brand")
		delete(authorization, "last4")
		if members["authorization"], err = json.Marshal(authorization); err != nil {
			return nil, err
		}
	}
	return json.Marshal(members)
}
