package reconcile

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

// What a simulator doesn't show, or few orders come to.
func TestComparison(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	lost := []domain.Dispute{{ID: "dp_1", Outcome: "lost"}}
	for _, tt := range []struct {
		name    string
		account account
		pi      commands.PaymentIntent
		want    Code // empty for none
	}{
		{"Stripe has not decided yet", account{}, commands.PaymentIntent{Status: "processing"}, ""},
		{"a hold that needs a new card", account{}, commands.PaymentIntent{Status: "requires_payment_method"}, ReleasedAtStripeOnly},
		{
			"a failed capture that ended the hold",
			account{captureFailed: true},
			commands.PaymentIntent{Status: "requires_payment_method"},
			"",
		},
		{
			"cancelled after a settlement elsewhere",
			account{captured: true, takenElsewhere: true, taken: 1000, cancelled: true, settled: domain.HoldReleased},
			commands.PaymentIntent{Status: "canceled"},
			"",
		},
		{
			"cancelled after a settlement elsewhere, but still held",
			account{captured: true, takenElsewhere: true, taken: 1000, cancelled: true, settled: domain.HoldReleased},
			commands.PaymentIntent{Status: "requires_capture", Capturable: 1000},
			ReleasedInLedgerOnly,
		},
		{
			"cancelled when the bank had given all back",
			account{captured: true, taken: 1000, cancelled: true, settled: domain.NothingToRelease, disputes: lost},
			commands.PaymentIntent{Status: "succeeded", Received: 1000, Disputes: []commands.PaymentDispute{{ID: "dp_1", Status: "lost"}}},
			"",
		},
		{
			"given back by another refund than the ledger's",
			account{captured: true, taken: 1000, given: 1000, refund: "re_1", refunded: true},
			commands.PaymentIntent{Status: "succeeded", Received: 1000, Refunds: []commands.PaymentRefund{
				{ID: "re_1", Status: "failed", Amount: 1000}, {ID: "re_2", Status: "succeeded", Amount: 1000},
			}},
			RefundStatus,
		},
		{
			"a refund that failed, as both know",
			account{captured: true, taken: 1000, refund: "re_1"},
			commands.PaymentIntent{Status: "succeeded", Received: 1000, Refunds: []commands.PaymentRefund{{ID: "re_1", Status: "failed", Amount: 1000}}},
			"",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.account.order, tt.account.hold, tt.account.total, tt.account.currency, tt.account.events = uuid.New(), "pi_1", 1000, "USD", 1
			tt.pi.ID, tt.pi.Currency = "pi_1", "USD"
			c := comparison{account: &tt.account, now: now}
			c.payment(tt.pi)
			switch {
			case tt.want == "" && len(c.found) > 0:
				t.Errorf("found %+v", c.found)
			case tt.want != "" && (len(c.found) != 1 || c.found[0].Code != tt.want):
				t.Errorf("found %+v, want %s", c.found, tt.want)
			}
		})
	}
}
