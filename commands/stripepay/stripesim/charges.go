package stripesim

import "strings"

// attachCharge gives the PaymentIntent its charge, held and not yet taken. Its id is the PaymentIntent's with another prefix.
func (c *call) attachCharge(r *record) {
	pi, card := &r.Intent, cards[r.Card]
	id := "ch_" + strings.TrimPrefix(pi.ID, "pi_")
	receipt := "https://pay.stripe.com/receipts/payment/" + c.newID(24)
	details := cardDetails{
		AmountAuthorized: pi.Amount, Brand: card.brand, ExpMonth: 12, ExpYear: c.now.Year() + 3,
		Fingerprint: "sim" + card.brand + card.last4, Funding: card.funding, Last4: card.last4, Network: card.brand,
	}
	r.Charge = &charge{
		ID: id, Amount: pi.Amount, Created: c.now.Unix(), Currency: pi.Currency, Description: pi.Description,
		Metadata: pi.Metadata, Paid: true, PaymentIntent: pi.ID, PaymentMethod: *pi.PaymentMethod,
		PaymentMethodDetails: methodDetails{Card: details, Type: "card"}, ReceiptURL: &receipt, Status: statusSucceeded,
		Outcome: outcome{
			NetworkStatus: "approved_by_network", RiskLevel: "normal", RiskScore: 20, SellerMessage: "Payment complete.", Type: "authorized",
		},
	}
	pi.LatestCharge = id
	r.whole()
}

// intentOf gives the id of the PaymentIntent that a charge belongs to.
func intentOf(chargeID string) string { return "pi_" + strings.TrimPrefix(chargeID, "ch_") }

// chargeByID reads the record of a charge; nil when there is none.
func (c *call) chargeByID(id string) (*record, error) {
	if !strings.HasPrefix(id, "ch_") {
		return nil, nil
	}
	r, err := c.record(intentOf(id))
	if err != nil || r == nil || r.Charge == nil {
		return nil, err
	}
	return r, nil
}

func (c *call) getCharge() (any, error) {
	if err := c.params.only("expand"); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("payment_intent")
	if err != nil {
		return nil, err
	}
	r, err := c.chargeByID(c.id)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, notFound("charge", "id", c.id)
	}
	return r.renderCharge(expand), nil
}

func (c *call) listCharges() (any, error) {
	if err := c.params.only(append([]string{"payment_intent"}, listParams...)...); err != nil {
		return nil, err
	}
	expand, err := c.params.expand("data.payment_intent")
	if err != nil {
		return nil, err
	}
	q := query{table: "intents", columns: "doc", kind: "charge", cursor: intentOf}
	q.where("charge <> ''")
	if pi := c.params.text("payment_intent"); pi != "" {
		q.where("id = ?", pi)
	}
	records, more, err := page(c, q, readRecord)
	if err != nil {
		return nil, err
	}
	items := make([]*charge, len(records))
	for i, r := range records {
		items[i] = r.renderCharge(undata(expand))
	}
	return newList(c.path, items, more), nil
}

// renderCharge gives the charge as it is answered.
func (r *record) renderCharge(expand map[string]bool) *charge {
	ch := *r.Charge
	if expand["payment_intent"] {
		ch.PaymentIntent = r.Intent
	}
	return &ch
}
