package domain_test

import (
	"testing"
	"time"

	"github.com/orderledger/orderledger/domain"
)

// paidOutside is an accepted card order whose capture a person settled outside Stripe.
func paidOutside() []any {
	return []any{
		place(domain.Card),
		domain.Accept{},
		domain.Capture{},
		asking(func(o domain.Order) domain.Command {
			return domain.Park{Request: o.Pending.Request, Reason: "Stripe is silent"}
		}),
		domain.Resume{Decision: domain.Settle, Reference: "wire 4711"},
		asking(func(o domain.Order) domain.Command {
			return domain.RecordCaptured{PaymentIntent: "pi_1", Amount: 47238, Currency: "USD", Answer: domain.Answer{
				Request: o.Pending.Request, Source: domain.FromElsewhere, Reference: "wire 4711",
			}}
		}),
	}
}

func TestWhatIsOwedAndRecorded(t *testing.T) {
	entry, reversal := domain.Capture{ExternalReference: "INV-1"}, domain.RecordReversal{ExternalReference: "CN-1"}
	minute := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Minute) }
	made := domain.Recording{Kind: domain.OwesEntry, Reference: "INV-1", At: minute(2), Amount: 47238}
	onAccount := []any{place(domain.Account), domain.Accept{}}
	for name, c := range map[string]struct {
		given    []any
		owes     domain.Obligation
		recorded []domain.Recording
	}{
		"not shipped":           {given: onAccount},
		"shipped":               {given: append(onAccount, domain.Ship{}), owes: domain.Obligation{Kind: domain.OwesEntry, Since: minute(2), Amount: 47238}},
		"entered":               {given: append(onAccount, entry), recorded: []domain.Recording{made}},
		"refunded, not entered": {given: append(onAccount, domain.Ship{}, domain.Refund{})},
		"refunded": {
			given: append(onAccount, entry, domain.Refund{}), recorded: []domain.Recording{made},
			owes: domain.Obligation{Kind: domain.OwesReversal, Since: minute(3), Amount: 47238},
		},
		"cancelled": {
			given: append(onAccount, entry, domain.Cancel{}), recorded: []domain.Recording{made},
			owes: domain.Obligation{Kind: domain.OwesReversal, Since: minute(3), Amount: 47238},
		},
		"reversed": {
			given:    append(onAccount, entry, domain.Cancel{}, reversal),
			recorded: []domain.Recording{made, {Kind: domain.OwesReversal, Reference: "CN-1", At: minute(4), Amount: 47238}},
		},
		"paid outside Stripe": {given: paidOutside()},
		"paid outside Stripe, refunded": {
			given: append(paidOutside(), domain.Refund{}),
			owes:  domain.Obligation{Kind: domain.OwesReversal, Since: minute(6), Amount: 47238},
		},
		"paid outside Stripe, reversed": {
			given:    append(paidOutside(), domain.Refund{}, reversal),
			recorded: []domain.Recording{{Kind: domain.OwesReversal, Reference: "CN-1", At: minute(7), Amount: 47238}},
		},
	} {
		o := given(t, c.given...)
		if owes, ok := o.Owes(); owes != c.owes || ok != (c.owes.Kind != "") {
			t.Errorf("%s: owes %+v, %v; want %+v", name, owes, ok, c.owes)
		}
		got := o.Recordings()
		if len(got) != len(c.recorded) {
			t.Errorf("%s: recorded %+v, want %+v", name, got, c.recorded)
			continue
		}
		for i := range got {
			if got[i] != c.recorded[i] {
				t.Errorf("%s: recorded %+v, want %+v", name, got[i], c.recorded[i])
			}
		}
	}
}

// The badges, the obligation and the command that meets it say the same.
func TestObligationsAndBadgesAgree(t *testing.T) {
	for _, kind := range domain.ObligationKinds {
		commands := []any{place(domain.Account), domain.Accept{}}
		var meets domain.Command = domain.Capture{ExternalReference: "INV-1"}
		if kind == domain.OwesReversal {
			commands, meets = append(commands, meets, domain.Refund{}), domain.RecordReversal{ExternalReference: "CN-1"}
		} else {
			commands = append(commands, domain.Ship{})
		}
		o := given(t, commands...)
		if owes, _ := o.Owes(); owes.Kind != kind || len(o.Badges(begin)) != 1 || o.Badges(begin)[0] != kind.Badge() {
			t.Errorf("%s: owes %+v, badges %v", kind, owes, o.Badges(begin))
		}
		e, err := domain.Decide(o, meets)
		if err != nil {
			t.Fatal(err)
		}
		if recorded, reference, ok := domain.RecordedBy(e); !ok || recorded != kind || reference == "" {
			t.Errorf("%s: %+v records %s, %q", kind, e, recorded, reference)
		}
		if _, owes := domain.Evolve(o, e, stamp(o)).Owes(); owes {
			t.Errorf("%s: owed still", kind)
		}
	}
}

func TestAgeIsCountedInWholeDays(t *testing.T) {
	ob := domain.Obligation{Since: begin}
	for age, want := range map[time.Duration]int{
		-time.Hour: 0, 0: 0, 24*time.Hour - time.Second: 0, 24 * time.Hour: 1, 90 * 24 * time.Hour: 90,
	} {
		if got := ob.AgeDays(begin.Add(age)); got != want {
			t.Errorf("after %s: %d days, want %d", age, got, want)
		}
	}
}
