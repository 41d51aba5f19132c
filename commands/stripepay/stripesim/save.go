package stripesim

import (
	"encoding/json"
	"fmt"
)

// save stores the PaymentIntent with its charge, new or changed, and tells of it with an event of each type.
func (c *call) save(r *record, events ...string) error {
	doc, err := json.Marshal(r.stored())
	if err != nil {
		return err
	}
	var chargeID string
	if r.Charge != nil {
		chargeID = r.Charge.ID
	}
	err = c.db.exec(c.ctx, `INSERT INTO intents (id, created, charge, doc) VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET charge = excluded.charge, doc = excluded.doc`, r.Intent.ID, r.Intent.Created, chargeID, doc)
	if err != nil {
		return err
	}
	return c.tell(doc, events...)
}

// saveRefund stores the refund, new or changed, and tells of it.
func (c *call) saveRefund(b *refund, events ...string) error {
	doc, err := json.Marshal(b.stored())
	if err != nil {
		return err
	}
	err = c.db.exec(c.ctx, `INSERT INTO refunds (id, created, intent, doc) VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET doc = excluded.doc`, b.ID, b.Created, b.PaymentIntent, doc)
	if err != nil {
		return err
	}
	return c.tell(doc, events...)
}

// saveDispute stores the dispute, new or changed, and tells of it.
func (c *call) saveDispute(d *dispute, events ...string) error {
	doc, err := json.Marshal(d.stored())
	if err != nil {
		return err
	}
	err = c.db.exec(c.ctx, `INSERT INTO disputes (id, created, intent, doc) VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET doc = excluded.doc`, d.ID, d.Created, d.PaymentIntent, doc)
	if err != nil {
		return err
	}
	return c.tell(doc, events...)
}

// record reads a PaymentIntent; nil when there is none.
func (c *call) record(id string) (*record, error) {
	var doc []byte
	found, err := c.db.get(c.ctx, `SELECT doc FROM intents WHERE id = ?`, []any{id}, &doc)
	if err != nil || !found {
		return nil, err
	}
	return decodeRecord(doc)
}

func decodeRecord(doc []byte) (*record, error) {
	r := &record{}
	if err := json.Unmarshal(doc, r); err != nil {
		return nil, fmt.Errorf("a stored PaymentIntent can't be read: %w", err)
	}
	return r.whole(), nil
}

func decodeRefund(doc []byte) (*refund, error) {
	b := &refund{}
	if err := json.Unmarshal(doc, b); err != nil {
		return nil, fmt.Errorf("a stored refund can't be read: %w", err)
	}
	return b.whole(), nil
}

func decodeDispute(doc []byte) (*dispute, error) {
	r := disputeRecord{}
	if err := json.Unmarshal(doc, &r); err != nil {
		return nil, fmt.Errorf("a stored dispute can't be read: %w", err)
	}
	r.Dispute.Course = r.Course
	return r.Dispute.whole(), nil
}
