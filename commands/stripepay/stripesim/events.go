package stripesim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const (
	eventsKeptFor = 30 * day
	maxTypes      = 20
)

// WithEventVersion makes events say that they are of another API version than the simulator's, as those of a webhook endpoint
// that was made long ago. Their objects stay as they are.
func WithEventVersion(version string) Option { return func(s *Sim) { s.eventVersion = version } }

// WithoutEvents makes no events, for those who only move money and want it fast.
func WithoutEvents() Option { return func(s *Sim) { s.silent = true } }

type event struct {
	ID              string       `json:"id"`
	Object          string       `json:"object"`
	APIVersion      string       `json:"api_version"`
	Created         int64        `json:"created"`
	Data            eventData    `json:"data"`
	Livemode        bool         `json:"livemode"`
	PendingWebhooks int          `json:"pending_webhooks"`
	Request         eventRequest `json:"request"`
	Type            string       `json:"type"`
}

type eventData struct {
	Object any `json:"object"`
}

// eventRequest is the request that made the event; empty when none did.
type eventRequest struct {
	ID             *string `json:"id"`
	IdempotencyKey *string `json:"idempotency_key"`
}

// delivery is what became of an event's webhook.
type delivery int

const (
	pending     delivery = iota // to be delivered, or tried again
	delivered                   // an endpoint took it
	undelivered                 // given up
)

// eventRow is an event as it is stored: its object as it was, in the form that the object itself is stored in.
type eventRow struct {
	seq                      int64 // set when it is read
	id, kind, requestID, key string
	created                  int64
	delivery                 delivery
	doc                      []byte
}

const eventColumns = `seq, id, type, request_id, idempotency_key, created, delivery, doc`

func (e *eventRow) scan(scan func(...any) error) error {
	return scan(&e.seq, &e.id, &e.kind, &e.requestID, &e.key, &e.created, &e.delivery, &e.doc)
}

// tell makes an event of each type, with the object as it is stored in doc. They are stored when the transaction ends.
func (c *call) tell(doc []byte, types ...string) error {
	if c.sim.silent {
		return nil
	}
	for _, kind := range types {
		c.sim.told = append(c.sim.told, eventRow{
			id: c.objectID("evt_3"), kind: kind, requestID: c.requestID, key: c.key, created: c.now.Unix(), doc: doc,
		})
	}
	return nil
}

// storeEvents stores what was told, a few in one statement, and drops about as many that are too old.
func (c *call) storeEvents() error {
	if len(c.sim.told) == 0 {
		return nil
	}
	err := c.db.exec(c.ctx, `DELETE FROM events WHERE seq < (SELECT min(seq) FROM events) + ? AND created <= ?`,
		2*len(c.sim.told), c.eventHorizon())
	if err != nil {
		return err
	}
	for some := range slices.Chunk(c.sim.told, len(insertEvents)-1) {
		args := make([]any, 0, 6*len(some))
		for _, e := range some {
			args = append(args, e.id, e.created, e.kind, e.requestID, e.key, e.doc)
		}
		if err := c.db.exec(c.ctx, insertEvents[len(some)], args...); err != nil {
			return err
		}
	}
	c.sim.told, c.sim.news = c.sim.told[:0], true
	return nil
}

// insertEvents are the statements that insert that many events.
var insertEvents = func() (statements [9]string) {
	for n := range statements {
		statements[n] = `INSERT INTO events (id, created, type, request_id, idempotency_key, doc) VALUES ` +
			strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, ?), ", n), ", ")
	}
	return statements
}()

// eventHorizon is the second at and before which events are gone.
func (c *call) eventHorizon() int64 { return c.now.Add(-eventsKeptFor).Unix() }

// render gives the event as it is answered and sent.
func (e *eventRow) render(s *Sim) (*event, error) {
	object, err := e.object()
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.id, err)
	}
	shown := &event{
		ID: e.id, Object: "event", APIVersion: s.eventVersion, Created: e.created, Data: eventData{object}, Type: e.kind,
	}
	if e.delivery == pending {
		shown.PendingWebhooks = 1
	}
	if e.requestID != "" {
		shown.Request.ID = &e.requestID
	}
	if e.key != "" {
		shown.Request.IdempotencyKey = &e.key
	}
	return shown, nil
}

// object gives what the event is about, as it was.
func (e *eventRow) object() (any, error) {
	switch {
	case strings.HasPrefix(e.kind, "payment_intent."):
		r, err := decodeRecord(e.doc)
		if err != nil {
			return nil, err
		}
		return &r.Intent, nil
	case strings.HasPrefix(e.kind, "charge.dispute."):
		return decodeDispute(e.doc)
	case strings.HasPrefix(e.kind, "charge.refund."), strings.HasPrefix(e.kind, "refund."):
		return decodeRefund(e.doc)
	default:
		r, err := decodeRecord(e.doc)
		if err != nil {
			return nil, err
		}
		return r.Charge, nil
	}
}

// event reads an event, or says that there is none.
func (c *call) event(id string) (*eventRow, error) {
	e := &eventRow{}
	found, err := c.db.get(c.ctx, `SELECT `+eventColumns+` FROM events WHERE id = ? AND created > ?`, []any{id, c.eventHorizon()},
		&e.seq, &e.id, &e.kind, &e.requestID, &e.key, &e.created, &e.delivery, &e.doc)
	if err == nil && !found {
		err = notFound("event", "id", id)
	}
	return e, err
}

func (c *call) getEvent() (any, error) {
	if err := c.params.only("expand"); err != nil {
		return nil, err
	}
	if _, err := c.params.expand(); err != nil {
		return nil, err
	}
	e, err := c.event(c.id)
	if err != nil {
		return nil, err
	}
	return e.render(c.sim)
}

func (c *call) listEvents() (any, error) {
	if err := c.params.only(append([]string{"type", "types", "delivery_success"}, listParams...)...); err != nil {
		return nil, err
	}
	if _, err := c.params.expand(); err != nil {
		return nil, err
	}
	q := query{table: "events", columns: eventColumns, kind: "event", cursor: same}
	q.where("created > ?", c.eventHorizon())
	if err := c.filterEvents(&q); err != nil {
		return nil, err
	}
	events, more, err := page(c, q, func(scan func(...any) error) (*event, error) {
		e := &eventRow{}
		if err := e.scan(scan); err != nil {
			return nil, err
		}
		return e.render(c.sim)
	})
	return newList(c.path, events, more), err
}

// filterEvents applies type ("charge.*" means a group), types and delivery_success.
func (c *call) filterEvents(q *query) error {
	kind, types := c.params.text("type"), c.params.texts("types")
	switch {
	case kind != "" && len(types) > 0:
		return invalid("types", "", "You may not specify both type and types.")
	case len(types) > maxTypes:
		return invalid("types", "", "You may only specify up to 20 types.")
	case strings.HasSuffix(kind, "*"):
		q.where("substr(type, 1, ?) = ?", len(kind)-1, kind[:len(kind)-1])
	case kind != "":
		q.where("type = ?", kind)
	case len(types) > 0:
		wanted, err := json.Marshal(types)
		if err != nil {
			return err
		}
		q.where("type IN (SELECT value FROM json_each(?))", string(wanted))
	}
	success, err := c.params.boolean("delivery_success")
	switch {
	case err != nil:
		return err
	case success:
		q.where("delivery = 1")
	case c.params.text("delivery_success") != "":
		q.where("delivery <> 1")
	}
	return nil
}
