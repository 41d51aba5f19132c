package outhooks

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

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

// message is the message that tells of an order's event. It is the same whenever it is made.
func (r *Runner) message(ctx context.Context, e Endpoint, rec eventstore.Recorded) (sender.Message, error) {
	order, event, env, err := r.orderAt(ctx, rec)
	if err != nil {
		return sender.Message{}, err
	}
	own, err := public(event, e.CustomerData)
	if err != nil {
		return sender.Message{}, err
	}
	return write(CloudEvent{
		ID: rec.ID.String(), Source: r.cfg.Source, Type: TypePrefix + rec.Type, Subject: order.ID.String(), Time: env.OccurredAt.UTC(),
		Data: Public{
			OrderID: order.ID, OrderNumber: order.OrderNumber, Manufacturer: order.Manufacturer, Version: order.Version,
			Tab: order.Tab(), Status: order.Status(), Event: own,
		},
	})
}

func write(c CloudEvent) (sender.Message, error) {
	c.SpecVersion, c.DataContentType = "1.0", "application/json"
	body, err := json.Marshal(c)
	return sender.Message{ID: c.ID, ContentType: ContentType, Body: body}, err
}

// orderAt is an order after one of its events.
func (r *Runner) orderAt(ctx context.Context, rec eventstore.Recorded) (order domain.Order, event domain.Event, env eventstore.Envelope, err error) {
	for at, err := range r.cfg.Log.ReadStream(ctx, rec.Stream, eventstore.NoStream) {
		if err != nil {
			return order, nil, env, err
		}
		if event, env, err = r.cfg.Codec.Decode(at); err != nil {
			return order, nil, env, err
		}
		order = domain.Evolve(order, event, eventstore.Stamp(at.Event, env))
		if at.Revision == rec.Revision {
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
