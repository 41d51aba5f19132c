package dashboard

import (
	"github.com/orderledger/orderledger/domain"
)

// external is something that happened at Stripe and that nobody asked for here, in words for a clerk.
type external struct {
	domain.ExternalChange
	Meaning string
	Advice  string
}

// meanings say what a change at Stripe is, by its name.
var meanings = map[string]string{
	"captured":              "The payment was captured at Stripe, not by us.",
	"captured_other_amount": "Another amount than this order's was captured at Stripe.",
	"refunded":              "Money was given back at Stripe, not by us.",
	"refunded_partly":       "A part of the money was given back at Stripe, not by us.",
	"canceled":              "The hold was let go at Stripe, not by us.",
}

func meaning(change string) string {
	if m, ok := meanings[change]; ok {
		return m
	}
	return "Something changed at Stripe: " + words(change) + "."
}

func externals(o domain.Order) []external {
	var list []external
	for _, e := range o.External {
		list = append(list, external{e, meaning(e.Change), advice(o, e)})
	}
	return list
}

// advice says what can be done about a change, as the order stands now.
func advice(o domain.Order, e domain.ExternalChange) string {
	const look = "Look at it in Stripe's dashboard, and write a note about what you found."
	switch {
	case o.Pending.Parked:
		return "An operation of this order waits for a decision, above. Decide it with this in mind."
	case e.Change == "captured" && o.TakenElsewhere:
		return "The customer has paid twice: outside Stripe, and with the card. Give the card's payment back in Stripe's dashboard."
	case (e.Change == "captured" || e.Change == "captured_other_amount") && o.Captured():
		return "The payment is recorded here, too. If the amounts agree, nothing is left to do."
	case (e.Change == "captured" || e.Change == "captured_other_amount") && o.CancelledAt != nil:
		return "The order is cancelled, and the money was taken all the same. Give it back in Stripe's dashboard."
	case e.Change == "captured" && o.AcceptedAt == nil:
		return "Accept the order and capture the payment here: nothing is taken again, what Stripe shows is recorded. To decline the order, cancel it after that."
	case e.Change == "captured" || e.Change == "captured_other_amount":
		return "Capture the payment here: nothing is taken again, what Stripe shows is recorded."
	case e.Change == "refunded" && o.RefundedAt == nil && o.CancelledAt == nil && o.Captured():
		return "Refund the order here: if the whole amount is back with the customer, nothing is given back again, and that is recorded."
	case e.Change == "refunded_partly" && o.RefundedAt == nil && o.CancelledAt == nil:
		return "The ledger knows whole refunds alone. If the part was agreed on, nothing is left to do; to give back the rest, use Stripe's dashboard."
	case e.Change == "canceled" && o.CancelledAt == nil && !o.Captured():
		return "Authorize the payment anew, or cancel the order."
	}
	return look
}
