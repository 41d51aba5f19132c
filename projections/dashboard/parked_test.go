package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
)

var silent = domain.Parked{Reason: "Stripe is silent.", Attempts: 12, StripeRequests: []string{"req_1", "req_2"}}

// history is how an order of these tests came to be.
func history(number string, then ...domain.Event) []domain.Event {
	asked := domain.CaptureRequested{PaymentIntent: "pi_" + number, Amount: 47238, Currency: "USD"}
	return append([]domain.Event{domain.Accepted{}, asked}, then...)
}

func paid(number string, then ...domain.Event) []domain.Event {
	return append(history(number, querytest.Captured(number)), then...)
}

// decisions are those that a page has a form for.
func decisions(page string) string {
	var found []string
	for _, part := range strings.Split(page, `data-decision="`)[1:] {
		d, _, _ := strings.Cut(part, `"`)
		found = append(found, d)
	}
	return strings.Join(found, " ")
}

func TestWhatIsParkedIsExplained(t *testing.T) {
	s := open(t)
	refund := domain.RefundRequested{PaymentIntent: "pi_r", Charge: "ch_r", Amount: 47238, Currency: "USD"}
	release := domain.CancelRequested{How: domain.HoldReleased, PaymentIntent: "pi_c", Amount: 47238, Currency: "USD"}
	giveBack := domain.CancelRequested{How: domain.ChargeRefunded, PaymentIntent: "pi_g", Charge: "ch_g", Amount: 47238, Currency: "USD"}
	ship := domain.ShipRequested{PaymentIntent: "pi_s", Amount: 47238, Currency: "USD"}
	for _, c := range []struct {
		number    string
		then      []domain.Event
		decisions string
		says      []string
	}{
		{"capture", history("capture", silent), "retry adopt settle abandon", []string{
			"Capture waits for a decision", "To take 472.38 USD from Visa •••• 4242", "Stripe is silent.", "12 times", "<code>req_1</code> <code>req_2</code>",
			"Stripe is asked again to take 472.38 USD", "even if it is less than 472.38 USD", "recorded as paid outside Stripe", "can be captured again later",
		}},
		{"s", []domain.Event{domain.Accepted{}, ship, silent}, "retry adopt settle abandon", []string{
			"To take 472.38 USD from Visa •••• 4242, then to mark the order as shipped", "and the order as shipped", "and the order is not shipped",
		}},
		{"shipping", []domain.Event{domain.Accepted{}, ship, querytest.Captured("shipping"), silent}, "retry", []string{
			"Ship waits for a decision", "the payment of 472.38 USD is in", "Stripe is asked for nothing: the order is marked as shipped",
		}},
		{"r", paid("r", refund, silent), "retry adopt settle abandon", []string{
			"To give 472.38 USD back to Visa •••• 4242", "so it can&#39;t happen twice", "you gave the 472.38 USD back outside Stripe", "the money stays with you",
		}},
		{"disputed", paid("disputed", refund, silent, domain.DisputeOpened{Dispute: "dp_1", Amount: 47238}), "adopt settle abandon", []string{
			"until the dispute is closed nothing can be refunded here", "a dispute forbids that",
		}},
		{"c", []domain.Event{release, silent}, "retry adopt settle abandon", []string{
			"To cancel the order and release the hold of 472.38 USD on Visa •••• 4242", "ends by itself", "the order stands",
		}},
		{"g", paid("g", giveBack, silent), "retry adopt settle abandon", []string{"To cancel the order and give 472.38 USD back", "recorded as cancelled"}},
		{"once", history("once", domain.Parked{Reason: "x", Attempts: 1}), "retry adopt settle abandon", []string{"Once", "None that Stripe answered"}},
	} {
		id := s.l.Place(t, clerk, querytest.Placed(c.number, domain.Card), c.then...)
		page := s.get(domain.Manager, path(id), 200)
		wantAll(t, page, c.says...)
		wantNone(t, page, "is under way")
		if got := decisions(page); got != c.decisions {
			t.Errorf("%s: decisions %q, want %q", c.number, got, c.decisions)
		}
		for _, role := range []domain.Role{domain.Viewer, domain.Clerk} {
			page := s.get(role, path(id), 200)
			wantAll(t, page, "waits for a decision", "A manager or an administrator decides how it goes on")
			if got := decisions(page); got != "" {
				t.Errorf("%s as %s: decisions %q", c.number, role, got)
			}
		}
	}
}

func TestDecisionsAreAskedAboutFirst(t *testing.T) {
	s := open(t)
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card), history("100", silent)...)
	for d, says := range map[string][]string{
		"retry":   {"Try again: order 100?", "472.38 USD", "Stripe is silent.", `name="reason"`, `name="decision" value="retry"`},
		"adopt":   {"Take what Stripe shows: order 100?", `name="reason" rows="3" maxlength="500" required`},
		"settle":  {"Settled outside Stripe: order 100?", `name="reference" maxlength="200" autocomplete="off" required`},
		"abandon": {"Give up: order 100?", "recorded as failed"},
	} {
		wantAll(t, s.get(domain.Manager, path(id, "/confirm/resume?decision="+d), 200), append(says, `name="version" value="4"`, `<dd class="amount">472.38 USD</dd>`)...)
		s.get(domain.Clerk, path(id, "/confirm/resume?decision="+d), 403)
	}
	s.get(domain.Manager, path(id, "/confirm/resume"), 404)
	s.get(domain.Manager, path(id, "/confirm/resume?decision=pray"), 404)

	form := url.Values{"key": {"k"}, "version": {"4"}, "decision": {"settle"}, "reason": {"paid in cash"}, "reference": {" receipt 7 "}}
	if to := s.post(domain.Manager, path(id, "/resume"), form, 303).Header().Get("Location"); to != path(id, "/confirm/resume?decision=settle") {
		t.Errorf("leads to %s", to)
	}
	if len(s.a.asked) != 0 {
		t.Fatalf("done without asking: %+v", s.a.asked)
	}
	form.Set("confirmed", "yes")
	s.post(domain.Clerk, path(id, "/resume"), form, 403)
	s.post(domain.Manager, path(id, "/resume"), form, 303)
	if len(s.a.asked) != 1 || s.a.asked[0].Version != 4 || s.a.asked[0].Form.Decision != domain.Settle ||
		s.a.asked[0].Form.Reason != "paid in cash" || s.a.asked[0].Form.Reference != "receipt 7" {
		t.Errorf("asked %+v", s.a.asked)
	}
	wantAll(t, s.get(domain.Manager, path(id, "?did=resume"), 200), "waits for a decision.")

	s.l.Add(t, eventstore.OrderStream(id), clerk, domain.Resumed{Decision: domain.Retry})
	wantAll(t, s.get(domain.Manager, path(id, "/confirm/resume?decision=retry"), 409), "No operation of this order is parked.")
}

func TestParkedPage(t *testing.T) {
	s := open(t)
	wantAll(t, s.get(domain.Viewer, "/parked", 200), "Nothing waits for a decision.")
	wantNone(t, mainOf(s.get(domain.Viewer, "/orders", 200)), "/parked")
	s.l.Place(t, clerk, querytest.Placed("200", domain.Card), history("200", silent)...)
	wantAll(t, s.get(domain.Clerk, "/orders?tab=archived", 200), "1 order waits for a manager's decision</a>")
	for i := range 50 {
		number := string(rune('a'+i/26)) + string(rune('a'+i%26))
		s.l.Place(t, clerk, querytest.Placed(number, domain.Card), history(number, silent)...)
	}
	page := s.get(domain.Clerk, "/parked", 200)
	wantAll(t, page, `<span class="count">51</span>`, "To take 472.38 USD from Visa •••• 4242", "Stripe is silent.", ">12×<", `href="/parked?cursor=50">Next page`, ">Open<")
	wantAll(t, s.get(domain.Manager, "/parked?cursor=50", 200), `href="/parked">First page`, ">Decide<")
	if strings.Index(page, ">200<") > strings.Index(page, ">aa<") {
		t.Error("the oldest does not stand first")
	}
	s.do(domain.Shop, httptest.NewRequest(http.MethodGet, "/parked", nil), 403)
	s.get(domain.Viewer, "/parked?cursor=x", 400)
}

func TestWhatHappenedOutsideIsToldInWords(t *testing.T) {
	s := open(t)
	outside := domain.Answer{Source: domain.FromElsewhere, Reference: "wire 4711"}
	stripe := domain.Answer{Source: domain.FromStripe}
	captured := querytest.Captured("100")
	captured.Answer = outside
	refund := domain.RefundRequested{PaymentIntent: "pi_1", Amount: 47238, Currency: "USD"}
	for name, c := range map[string]struct {
		then []domain.Event
		says []string
	}{
		"paid outside": {
			history("100", silent, domain.Resumed{Decision: domain.Settle, Reference: "wire 4711", Evidence: "seen at the bank"}, captured),
			[]string{
				"Stopped, and waits for a decision", "tried 12 times", "Decided: settled outside Stripe", "wire 4711 · seen at the bank",
				"Paid outside Stripe", "Captured, paid outside Stripe", "<dt>Settled by</dt><dd>wire 4711</dd>",
			},
		},
		"captured at Stripe": {
			history("100", domain.PaymentCaptured{Amount: 40000, Currency: "USD", Answer: stripe}),
			[]string{"Payment captured at Stripe, not by us", `<dt>Captured</dt><dd class="amount">400.00 USD</dd>`},
		},
		"refunded at Stripe":      {paid("100", domain.Refunded{Refund: "re_1", Amount: 47238, Answer: stripe}), []string{"Refunded at Stripe, not by us"}},
		"refunded outside":        {paid("100", refund, domain.Refunded{Amount: 47238, Answer: outside}), []string{"Refunded outside Stripe", "wire 4711"}},
		"a refund that came back": {paid("100", refund, domain.RefundFailed{Refund: "re_1"}), []string{"Refund failed: the money is with you", "why the bank sent it back"}},
		"a hold that ran out": {
			[]domain.Event{domain.Accepted{}, domain.AuthorizationExpired{Reason: "automatic", Answer: stripe}},
			[]string{"It ran out", "Authorize the payment anew, or cancel the order."},
		},
		"a hold let go at Stripe": {
			[]domain.Event{domain.AuthorizationExpired{Reason: "requested_by_customer"}}, []string{"Let go at Stripe: requested by customer"},
		},
		"a dispute": {
			paid("100", domain.DisputeOpened{Dispute: "dp_1", Amount: 47238, Reason: "product_not_received"}),
			[]string{"The customer disputes the charge at the bank", "472.38 USD · Product not received", "Answer in Stripe&#39;s dashboard"},
		},
		"a dispute won":  {paid("100", domain.DisputeClosed{Dispute: "dp_1", Outcome: "won"}), []string{"Dispute won: the money stays with you"}},
		"a dispute lost": {paid("100", domain.DisputeClosed{Dispute: "dp_1", Outcome: "lost"}), []string{"the bank gave the money back to the customer"}},
		"a capture that was not asked for": {
			[]domain.Event{domain.ExternalChangeSeen{Object: "pi_1", Change: "captured", Amount: 47238, Answer: stripe}},
			[]string{"Seen at Stripe: the payment was captured at Stripe, not by us", "Accept the order and capture the payment here"},
		},
		"a second payment": {
			history("100", captured, domain.ExternalChangeSeen{Object: "pi_1", Change: "captured", Amount: 47238}),
			[]string{"The customer has paid twice"},
		},
		"a part refunded": {
			paid("100", domain.ExternalChangeSeen{Object: "re_9", Change: "refunded_partly", Amount: 100}),
			[]string{"A part of the money was given back at Stripe, not by us.", `<span class="amount">1.00 USD</span>`, "The ledger knows whole refunds alone."},
		},
		"something new": {
			paid("100", domain.ExternalChangeSeen{Object: "ch_1", Change: "turned_blue"}),
			[]string{"Something changed at Stripe: Turned blue.", "Look at it in Stripe&#39;s dashboard"},
		},
	} {
		p := querytest.Placed("100", domain.Card)
		p.Manufacturer = "m-" + strings.ReplaceAll(strings.ToLower(name), " ", "-")
		id := s.l.Place(t, clerk, p, c.then...)
		t.Run(name, func(t *testing.T) { wantAll(t, s.get(domain.Manager, path(id), 200), c.says...) })
	}
}

func TestMoneyPaidOutsideStripeGoesBackThere(t *testing.T) {
	s := open(t)
	captured := querytest.Captured("100")
	captured.Answer = domain.Answer{Source: domain.FromElsewhere, Reference: "wire 4711"}
	id := s.l.Place(t, clerk, querytest.Placed("100", domain.Card), domain.Accepted{}, captured)
	wantAll(t, s.get(domain.Manager, path(id, "/confirm/refund"), 200), "It was paid outside Stripe: give the money back there")
	wantAll(t, s.get(domain.Manager, path(id, "/confirm/cancel"), 200), "the hold of 472.38 USD on Visa •••• 4242 is released", "give the money back there")
	s.l.Add(t, eventstore.OrderStream(id), clerk, domain.Refunded{Amount: 47238, Currency: "USD"})
	page := s.get(domain.Clerk, path(id), 200)
	wantAll(t, page, "Reversal owed", "by which the money was given back")
	if got := forms(page); got != "reversal notes" {
		t.Errorf("forms for %q", got)
	}

	part := querytest.Captured("101")
	part.Amount = 40000
	id = s.l.Place(t, clerk, querytest.Placed("101", domain.Card), domain.Accepted{}, part)
	wantAll(t, s.get(domain.Manager, path(id, "/confirm/refund"), 200), "The whole amount of 400.00 USD", "Refund · 400.00 USD")

	lost := paid("102", domain.DisputeOpened{Dispute: "dp_1", Amount: 47238}, domain.DisputeClosed{Dispute: "dp_1", Outcome: "lost"})
	id = s.l.Place(t, clerk, querytest.Placed("102", domain.Card), lost...)
	wantAll(t, s.get(domain.Manager, path(id, "/confirm/cancel"), 200), "The bank has given the money back")
	wantAll(t, s.get(domain.Manager, path(id, "/confirm/refund"), 409), "a refund would give it twice")
}
