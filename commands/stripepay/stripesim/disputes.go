package stripesim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	disputeNeedsResponse = "needs_response"
	disputeUnderReview   = "under_review"
	disputeWon           = "won"
	disputeLost          = "lost"
	inquiryNeedsResponse = "warning_needs_response"
	inquiryUnderReview   = "warning_under_review"
	inquiryClosed        = "warning_closed"
)

// disputeOf opens the dispute that a charge's card has for it.
func (c *call) disputeOf(chargeID string) error {
	r, err := c.chargeByID(chargeID)
	if err != nil || r == nil {
		return err
	}
	if how := cards[r.Card].dispute; how != nil && r.Charge.Dispute == nil && r.Refunded < r.Charge.AmountCaptured {
		_, err = c.openDispute(r, how, r.Charge.AmountCaptured-r.Refunded)
	}
	return err
}

// openDispute opens a dispute of a charge that has none. The bank takes the money at once, unless it only inquires.
func (c *call) openDispute(r *record, how *disputed, amount int64) (*dispute, error) {
	d := &dispute{
		fixedDispute: theDispute, ID: c.objectID("dp_1"), Amount: amount, Charge: r.Charge.ID, Created: c.now.Unix(), Course: how.course,
		Currency: r.Intent.Currency, Metadata: map[string]string{}, PaymentIntent: r.Intent.ID, Reason: how.reason, Status: how.course[0],
		Evidence: wholeEvidence(nil), EvidenceDetails: evidenceDetails{DueBy: c.now.Add(c.sim.times.DisputeStep).Unix()},
		PaymentMethodDetails: disputeMethod{Type: "card"},
	}
	d.PaymentMethodDetails.Card.Brand = r.Charge.PaymentMethodDetails.Card.Brand
	d.PaymentMethodDetails.Card.NetworkReasonCode = networkReasons[how.reason]
	d.IsChargeRefundable = d.inquiry()
	r.Charge.Dispute, r.Charge.Disputed = d.ID, true
	if err := c.save(r); err != nil {
		return nil, err
	}
	if err := c.schedule(d.ID, c.now.Add(c.sim.times.DisputeStep)); err != nil {
		return nil, err
	}
	if d.inquiry() {
		return d, c.saveDispute(d, "charge.dispute.created")
	}
	if err := c.saveDispute(d, "charge.dispute.created", "charge.dispute.funds_withdrawn"); err != nil {
		return nil, err
	}
	return d, c.enter(ActDisputeWithdrawn, r, d.ID, amount)
}

// decide gives a dispute the next status of its course.
func (c *call) decide(id string) error {
	d, err := c.dispute(id)
	if err != nil {
		return err
	}
	next, goesOn := d.Course.after(d.Status)
	if !goesOn {
		return nil
	}
	return c.setDispute(d, next)
}

// disputeStatuses are those that a dispute may be given.
var disputeStatuses = []string{
	disputeNeedsResponse, disputeUnderReview, disputeWon, disputeLost, inquiryNeedsResponse, inquiryUnderReview, inquiryClosed,
}

// setDispute gives an open dispute another status; one that is won gives the money again.
func (c *call) setDispute(d *dispute, status string) error {
	switch {
	case !slices.Contains(disputeStatuses, status) || strings.HasPrefix(status, "warning_") != d.inquiry():
		return invalid("status", "", fmt.Sprintf("Invalid status of dispute %s, which is %s: %s", d.ID, d.Status, status))
	case d.Status == status:
		return nil
	case d.closed():
		return invalid("status", "", fmt.Sprintf("Dispute %s is closed: it is %s.", d.ID, d.Status))
	}
	d.Status, d.IsChargeRefundable = status, d.inquiry() && status != inquiryClosed
	events := []string{"charge.dispute.updated"}
	switch {
	case status == disputeWon:
		events = []string{"charge.dispute.closed", "charge.dispute.funds_reinstated"}
	case d.closed():
		events = []string{"charge.dispute.closed"}
	}
	if err := c.saveDispute(d, events...); err != nil {
		return err
	}
	if err := c.scheduleDispute(d); err != nil || status != disputeWon {
		return err
	}
	r, err := c.record(d.PaymentIntent.(string))
	if err != nil {
		return err
	}
	return c.enter(ActDisputeReinstated, r, d.ID, d.Amount)
}

func (c *call) scheduleDispute(d *dispute) error {
	if _, goesOn := d.Course.after(d.Status); !goesOn {
		return c.unschedule(d.ID)
	}
	return c.schedule(d.ID, c.now.Add(c.sim.times.DisputeStep))
}

// dispute reads a dispute, or says that there is none.
func (c *call) dispute(id string) (*dispute, error) {
	var doc []byte
	found, err := c.db.get(c.ctx, `SELECT doc FROM disputes WHERE id = ?`, []any{id}, &doc)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("dispute", "dispute", id)
	}
	d, err := decodeDispute(doc)
	if err != nil {
		return nil, err
	}
	d.EvidenceDetails.PastDue = !d.closed() && c.now.After(time.Unix(d.EvidenceDetails.DueBy, 0))
	return d, nil
}

func (c *call) getDispute() (any, error) {
	if err := c.params.only("expand"); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("charge", "payment_intent")
	if err != nil {
		return nil, err
	}
	d, err := c.dispute(c.id)
	if err != nil {
		return nil, err
	}
	return c.showDispute(d, expand)
}

func (c *call) listDisputes() (any, error) {
	if err := c.params.only(append([]string{"payment_intent", "charge"}, listParams...)...); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("data.charge", "data.payment_intent")
	if err != nil {
		return nil, err
	}
	q := query{table: "disputes", columns: "doc", kind: "dispute", cursor: same}
	c.ofPayment(&q)
	disputes, more, err := page(c, q, func(scan func(...any) error) (*dispute, error) {
		var doc []byte
		if err := scan(&doc); err != nil {
			return nil, err
		}
		return decodeDispute(doc)
	})
	if err != nil {
		return nil, err
	}
	for i, d := range disputes {
		if disputes[i], err = c.showDispute(d, undata(expand)); err != nil {
			return nil, err
		}
	}
	return newList(c.path, disputes, more), nil
}

// updateDispute takes evidence; what was submitted is reviewed.
func (c *call) updateDispute() (any, error) {
	if err := c.params.only("evidence", "metadata", "submit", "expand"); err != nil {
		return nil, err
	}
	submit, err := c.params.boolean("submit")
	if err != nil {
		return nil, err
	}
	if c.params.text("submit") == "" {
		submit = true // as at Stripe
	}
	d, err := c.dispute(c.id)
	if err != nil {
		return nil, err
	}
	if d.closed() {
		e := invalid("", "", "This dispute is already closed")
		e.executed = true
		return nil, e
	}
	if d.Metadata, err = c.params.metadata(d.Metadata); err != nil {
		return nil, err
	}
	evidence, err := c.params.fields("evidence", evidenceNames)
	if err != nil {
		return nil, err
	}
	for name, text := range evidence {
		d.Evidence[name], d.EvidenceDetails.HasEvidence = &text, true
	}
	if !submit || len(evidence) == 0 || len(d.Course) < 2 {
		return d, c.saveDispute(d, "charge.dispute.updated")
	}
	d.EvidenceDetails.SubmissionCount++
	if d.Status == d.Course[1] {
		return d, c.saveDispute(d, "charge.dispute.updated")
	}
	return d, c.setDispute(d, d.Course[1])
}

// closeDispute gives a dispute up: it is lost.
func (c *call) closeDispute() (any, error) {
	if err := c.params.only("expand"); err != nil {
		return nil, err
	}
	d, err := c.dispute(c.id)
	if err != nil {
		return nil, err
	}
	if d.closed() {
		e := invalid("", "", "This dispute is already closed")
		e.executed = true
		return nil, e
	}
	end := disputeLost
	if d.inquiry() {
		end = inquiryClosed
	}
	return d, c.setDispute(d, end)
}

// showDispute gives the dispute as it is answered.
func (c *call) showDispute(d *dispute, expand map[string]bool) (*dispute, error) {
	if len(expand) == 0 {
		return d, nil
	}
	r, err := c.record(d.PaymentIntent.(string))
	if err != nil {
		return nil, err
	}
	shown := *d
	if expand["charge"] {
		shown.Charge = r.Charge
	}
	if expand["payment_intent"] {
		shown.PaymentIntent = r.Intent
	}
	return &shown, nil
}
