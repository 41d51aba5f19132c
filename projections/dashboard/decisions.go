package dashboard

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// decision is one thing that a manager can decide about what is parked.
type decision struct {
	Decision    domain.Decision
	Label       string
	Consequence string
}

var decisionLabels = map[domain.Decision]string{
	domain.Retry: "Try again", domain.Adopt: "Take what Stripe shows", domain.Settle: "Settled outside Stripe", domain.Abandon: "Give up",
}

// parkedBox is what a page says about a money act that can't go on by itself.
type parkedBox struct {
	*domain.ParkedView
	What      string // was asked for
	Frozen    bool   // a dispute forbids trying again
	Decisions []decision
	Decides   bool // whether who looks at it may decide
}

func parkedOf(c voice, o domain.Order, role domain.Role) *parkedBox {
	view := domain.RenderParked(o)
	if view == nil {
		return nil
	}
	box := &parkedBox{ParkedView: view, What: parkedAct(o, c.Format(view.Amount)), Decides: role.May(domain.Permission(domain.VerbResume))}
	box.Frozen = !slices.Contains(view.Decisions, domain.Retry)
	for _, d := range view.Decisions {
		box.Decisions = append(box.Decisions, decision{d, decisionLabels[d], outcomeOf(c, o, d)})
	}
	return box
}

// parkedAct says what was asked for.
func parkedAct(o domain.Order, amount string) string {
	switch p := o.Pending; {
	case p.Act == domain.ActCapture:
		return fmt.Sprintf("To take %s from %s", amount, card(o))
	case p.Act == domain.ActShip && o.Captured():
		return fmt.Sprintf("To mark the order as shipped; the payment of %s is in", amount)
	case p.Act == domain.ActShip:
		return fmt.Sprintf("To take %s from %s, then to mark the order as shipped", amount, card(o))
	case p.Act == domain.ActRefund:
		return fmt.Sprintf("To give %s back to %s", amount, card(o))
	case p.How == domain.ChargeRefunded:
		return fmt.Sprintf("To cancel the order and give %s back to %s", amount, card(o))
	}
	return fmt.Sprintf("To cancel the order and release the hold of %s on %s", amount, card(o))
}

// outcomeOf says what a decision leads to, before it is taken.
func outcomeOf(c voice, o domain.Order, d domain.Decision) string {
	view := domain.RenderParked(o)
	amount := c.Format(view.Amount)
	returns := o.Pending.Act == domain.ActRefund || o.Pending.How == domain.ChargeRefunded
	release := o.Pending.Act == domain.ActCancel && !returns
	switch d {
	case domain.Retry:
		return retried(o, amount, returns, release)
	case domain.Adopt:
		return adopted(amount, returns, release)
	case domain.Settle:
		return settled(o, amount, returns, release)
	}
	switch {
	case returns:
		return fmt.Sprintf("If Stripe shows that the %s were not given back, that is recorded as failed: the money stays with you and the order in its tab.", amount)
	case release:
		return fmt.Sprintf("If Stripe shows that the hold of %s is still there, the cancellation is recorded as failed and the order stands.", amount)
	}
	then := ""
	if o.Pending.Act == domain.ActShip {
		then = ", and the order is not shipped"
	}
	return fmt.Sprintf("If Stripe shows that the %s were not taken, that is recorded as failed%s. The payment can be captured again later.", amount, then)
}

func retried(o domain.Order, amount string, returns, release bool) string {
	const once = " The ledger looks first whether it happened after all, so it can't happen twice."
	switch {
	case o.Pending.Act == domain.ActShip && o.Captured():
		return fmt.Sprintf("The payment of %s is in, so Stripe is asked for nothing: the order is marked as shipped.", amount)
	case returns:
		return fmt.Sprintf("Stripe is asked again to give %s back to %s.", amount, card(o)) + once
	case release:
		return fmt.Sprintf("Stripe is asked again to release the hold of %s on %s.", amount, card(o)) + once
	}
	return fmt.Sprintf("Stripe is asked again to take %s from %s.", amount, card(o)) + once
}

func adopted(amount string, returns, release bool) string {
	const nothing = " Stripe is asked to move nothing; if it shows nothing done, the order waits again."
	switch {
	case returns:
		return fmt.Sprintf("The ledger reads Stripe, and if %s were given back, records that.", amount) + nothing
	case release:
		return fmt.Sprintf("The ledger reads Stripe, and if the hold of %s is gone, records the order as cancelled.", amount) + nothing
	}
	return fmt.Sprintf("The ledger reads Stripe and records what was taken, even if it is less than %s.", amount) + nothing
}

func settled(o domain.Order, amount string, returns, release bool) string {
	switch {
	case o.Pending.Act == domain.ActRefund:
		return fmt.Sprintf("The order is recorded as refunded: you gave the %s back outside Stripe, which is asked for nothing.", amount)
	case returns:
		return fmt.Sprintf("The order is recorded as cancelled: you gave the %s back outside Stripe, which is asked for nothing.", amount)
	case release:
		return fmt.Sprintf("The order is recorded as cancelled. Stripe is asked for nothing: a hold of %s that is still there ends by itself.", amount)
	}
	then := ""
	if o.Pending.Act == domain.ActShip {
		then = ", and the order as shipped"
	}
	return fmt.Sprintf("The %s are recorded as paid outside Stripe%s. Stripe is asked for nothing, and a later refund is owed outside Stripe, too.", amount, then)
}

// decisionFields are what a manager says along with a decision.
func decisionFields(d domain.Decision) []field {
	evidence := field{Name: "reason", Label: "What you found out", Hint: "Optional; stays in the ledger", Kind: "long", Max: domain.MaxReason}
	switch d {
	case domain.Adopt:
		evidence.Label, evidence.Hint, evidence.Required = "What shows that it happened", "Such as the id at Stripe (ch_…, re_…); stays in the ledger", true
	case domain.Settle:
		return []field{{
			Name: "reference", Label: "Transfer, receipt or entry", Hint: "By which it was settled outside Stripe", Kind: "text",
			Required: true, Max: domain.MaxReference,
		}, evidence}
	}
	return []field{evidence}
}

// confirmDecision asks before a decision about what is parked is carried out.
func (b *dashboard) confirmDecision(w http.ResponseWriter, r *http.Request, o domain.Order) error {
	d := domain.Decision(r.URL.Query().Get("decision"))
	if !slices.Contains([]domain.Decision{domain.Retry, domain.Adopt, domain.Settle, domain.Abandon}, d) {
		return errNoPage
	}
	if !domain.ActorFrom(r.Context()).Role.May(domain.Permission(domain.VerbResume)) {
		return queryapi.ErrForbidden
	}
	trial := domain.Resume{Decision: d}
	switch d {
	case domain.Adopt:
		trial.Evidence = "what the manager will say"
	case domain.Settle:
		trial.Reference = "what the manager will say"
	}
	if _, err := domain.Decide(o, trial); err != nil {
		return b.refuse(w, r, o, err)
	}
	since, err := b.sinceSeen(r, o)
	if err != nil {
		return err
	}
	view := domain.RenderParked(o)
	return b.show(w, r, http.StatusOK, "confirm", confirmPage{
		layout: b.layout(r, decisionLabels[d]), Order: domain.Render(o, b.Now()), NewKey: uuid.NewString, Amount: view.Amount,
		Offer:       offer{Verb: domain.VerbResume, Label: decisionLabels[d], Fields: decisionFields(d)},
		Consequence: outcomeOf(b.voice(r, o), o, d), Parked: parkedOf(b.voice(r, o), o, domain.ActorFrom(r.Context()).Role), Decision: d,
		Version: o.Version, Since: since,
	})
}
