package stripesim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Delivery is an event as a webhook endpoint is sent it. Every event is due to be delivered to one endpoint, until it is said to be
// Delivered or Undelivered: by a Deliverer, or by a test, which may deliver it twice, late, in any order, or never.
type Delivery struct {
	Event   string // evt_…
	Type    string // such as charge.refunded
	Created time.Time
	Body    []byte // the event; the same bytes every time

	seq int64 // grows with the events
}

// Pending gives up to limit events that are still to be delivered, oldest first.
func (s *Sim) Pending(ctx context.Context, limit int) ([]Delivery, error) {
	return s.pendingAfter(ctx, 0, limit)
}

// pendingAfter gives those whose seq is greater.
func (s *Sim) pendingAfter(ctx context.Context, seq int64, limit int) ([]Delivery, error) {
	var all []Delivery
	c := &call{ctx: ctx}
	err := s.transact(c, func() error {
		return c.db.each(c.ctx, `SELECT `+eventColumns+` FROM events WHERE delivery <> 1 AND delivery = 0 AND created > ?
			AND seq > ? ORDER BY seq LIMIT ?`, []any{c.eventHorizon(), seq, limit}, func(scan func(...any) error) error {
			e := &eventRow{}
			if err := e.scan(scan); err != nil {
				return err
			}
			d, err := e.deliver(s)
			all = append(all, d)
			return err
		})
	})
	return all, err
}

// Delivery gives any event of the last 30 days as it is sent, whatever became of it.
func (s *Sim) Delivery(ctx context.Context, event string) (Delivery, error) {
	var d Delivery
	c := &call{ctx: ctx}
	err := s.transact(c, func() error {
		e, err := c.event(event)
		if err != nil {
			return err
		}
		d, err = e.deliver(s)
		return err
	})
	return d, err
}

func (e *eventRow) deliver(s *Sim) (Delivery, error) {
	shown, err := e.render(s)
	if err != nil {
		return Delivery{}, err
	}
	shown.PendingWebhooks = 1 // this one
	body, err := json.MarshalIndent(shown, "", "  ")
	return Delivery{seq: e.seq, Event: e.id, Type: e.kind, Created: time.Unix(e.created, 0).UTC(), Body: body}, err
}

// Delivered says that the endpoint took the events.
func (s *Sim) Delivered(ctx context.Context, events ...string) error {
	return s.setDelivery(ctx, delivered, events)
}

// Undelivered says that nobody will deliver the events any more, so that only a list with delivery_success=false shows them.
func (s *Sim) Undelivered(ctx context.Context, events ...string) error {
	return s.setDelivery(ctx, undelivered, events)
}

func (s *Sim) setDelivery(ctx context.Context, to delivery, events []string) error {
	c := &call{ctx: ctx}
	return s.transact(c, func() error {
		for _, id := range events {
			if _, err := c.event(id); err != nil {
				return err
			}
			if err := c.db.exec(c.ctx, `UPDATE events SET delivery = ? WHERE id = ?`, to, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Request makes the request that delivers the event to url, signed at an instant with each of the secrets.
func (d Delivery) Request(ctx context.Context, url string, at time.Time, secrets ...string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(d.Body))
	if err != nil {
		return nil, fmt.Errorf("deliver %s: %w", d.Event, err)
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
	r.Header.Set("Stripe-Signature", Sign(d.Body, at, secrets...))
	return r, nil
}

// Sign gives the header Stripe-Signature of a body that is sent at an instant to an endpoint with these secrets: several while a
// secret is being changed.
func Sign(body []byte, at time.Time, secrets ...string) string {
	var header strings.Builder
	seconds := strconv.FormatInt(at.Unix(), 10)
	header.WriteString("t=" + seconds)
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(seconds + "."))
		mac.Write(body)
		header.WriteString(",v1=" + hex.EncodeToString(mac.Sum(nil)))
	}
	return header.String()
}

// wake tells the deliverer, if there is one, that there are new events.
func (s *Sim) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}
