package reconcile_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/reconcile"
	"github.com/orderledger/orderledger/domain"
)

// oneSided is something that is done on one side only.
type oneSided struct {
	name   string
	act    func(w *world) uuid.UUID // the order that it concerns
	code   reconcile.Code
	ledger int64 // what the sides say
	stripe int64
	states [2]string
	noted  bool
}

// onVisa places an order and does something to it.
func onVisa(act func(w *world, id uuid.UUID)) func(*world) uuid.UUID {
	return func(w *world) uuid.UUID {
		id := w.place(visa)
		act(w, id)
		return id
	}
}

var differences = []oneSided{
	{
		"a payment that Stripe never had", func(w *world) uuid.UUID {
			return w.enter(func(uuid.UUID) string { return "pi_nowhere" })
		}, reconcile.MissingAtStripe, total, 0, [2]string{"held", "none"}, false,
	},
	{
		"a payment for an order that never came", func(w *world) uuid.UUID {
			id := domain.OrderID("northwind", "lost")
			w.authorize(id, visa, 1000, "USD")
			pass(16 * time.Minute)
			return id
		}, reconcile.UnknownOrder, 0, 1000, [2]string{"none", "requires_capture"}, false,
	},
	{
		"a second hold for an order", onVisa(func(w *world, id uuid.UUID) {
			w.authorize(id, visa, 1000, "USD")
			pass(16 * time.Minute)
		}), reconcile.UnknownPayment, 0, 1000, [2]string{"none", "requires_capture"}, false,
	},
	{
		"a hold in another currency", func(w *world) uuid.UUID {
			return w.enter(func(order uuid.UUID) string { return w.authorize(order, visa, total, "EUR").ID })
		}, reconcile.Currency, total, total, [2]string{"held", "requires_capture"}, false,
	},
	{
		"a hold of another amount", func(w *world) uuid.UUID {
			return w.enter(func(order uuid.UUID) string { return w.authorize(order, visa, 40000, "USD").ID })
		}, reconcile.Amount, total, 40000, [2]string{"held", "requires_capture"}, false,
	},
	{
		"a capture of another amount", onVisa(func(w *world, id uuid.UUID) {
			w.atStripe(w.sim.Dashboard().Capture(w.ctx, w.hold(id), 40000))
			w.recordCaptured(id)
		}), reconcile.Amount, total, 40000, [2]string{"taken", "succeeded"}, false,
	},
	{
		"captured in the dashboard", onVisa(func(w *world, id uuid.UUID) {
			w.atStripe(w.sim.Dashboard().Capture(w.ctx, w.hold(id), 0))
		}), reconcile.CapturedAtStripeOnly, total, total, [2]string{"held", "succeeded"}, false,
	},
	{
		"a part captured in the dashboard, which was seen", onVisa(func(w *world, id uuid.UUID) {
			w.atStripe(w.sim.Dashboard().Capture(w.ctx, w.hold(id), 1000))
			w.do(id, domain.RecordExternalChange{Object: w.hold(id), Change: "captured_other_amount", Amount: 1000, Answer: fromStripe})
		}), reconcile.CapturedAtStripeOnly, total, 1000, [2]string{"held", "succeeded"}, true,
	},
	{
		"captured in the dashboard, and given back", onVisa(func(w *world, id uuid.UUID) {
			w.atStripe(w.sim.Dashboard().Capture(w.ctx, w.hold(id), 0))
			w.refund(id, 0)
		}), reconcile.CapturedAtStripeOnly, total, total, [2]string{"held", "succeeded, refunded"}, false,
	},
	{
		"captured in the dashboard, though cancelled here", onVisa(func(w *world, id uuid.UUID) {
			w.atStripe(w.sim.Dashboard().Capture(w.ctx, w.hold(id), 0))
			w.recordReleased(id)
		}), reconcile.CapturedAtStripeOnly, 0, total, [2]string{"released", "succeeded"}, false,
	},
	{
		"captured here only", onVisa(func(w *world, id uuid.UUID) { w.recordCaptured(id) }),
		reconcile.CapturedInLedgerOnly, total, total,
		[2]string{"taken", "requires_capture"},
		false,
	},
	{
		"let go in the dashboard", onVisa(func(w *world, id uuid.UUID) {
			w.atStripe(w.sim.Dashboard().Cancel(w.ctx, w.hold(id)))
		}), reconcile.ReleasedAtStripeOnly, total, 0, [2]string{"held", "canceled (requested_by_customer)"}, false,
	},
	{
		"let go in the dashboard, after a capture failed", onVisa(func(w *world, id uuid.UUID) {
			w.failCapture(id)
			w.atStripe(w.sim.Dashboard().Cancel(w.ctx, w.hold(id)))
		}), reconcile.ReleasedAtStripeOnly, total, 0, [2]string{"held", "canceled (requested_by_customer)"}, false,
	},
	{
		"let go here only", onVisa(func(w *world, id uuid.UUID) { w.recordReleased(id) }),
		reconcile.ReleasedInLedgerOnly, 0, total,
		[2]string{"released", "requires_capture"},
		false,
	},
	{
		"a hold that was replaced and is still there", onVisa(func(w *world, id uuid.UUID) {
			w.failCapture(id)
			w.do(id, domain.Reauthorize{Authorization: good(w.authorize(id, visa, total, "USD").ID, id)})
		}), reconcile.ReleasedInLedgerOnly, 0, total, [2]string{"replaced", "requires_capture"}, false,
	},
	{
		"run out", onVisa(func(*world, uuid.UUID) { pass(8 * day) }), reconcile.ExpiredAtStripeOnly, total, 0, [2]string{"held", "canceled (automatic)"}, false,
	},
	{
		"run out here only", onVisa(func(w *world, id uuid.UUID) {
			w.do(id, domain.RecordAuthorizationExpired{PaymentIntent: w.hold(id), Answer: fromStripe})
		}), reconcile.ExpiredInLedgerOnly, 0, total, [2]string{"expired", "requires_capture"}, false,
	},
	{
		"refunded in the dashboard", onVisa(func(w *world, id uuid.UUID) {
			w.captured(id)
			w.refund(id, 0)
		}), reconcile.RefundedAtStripeOnly, total, total, [2]string{"taken", "refunded"}, false,
	},
	{
		"a part refunded in the dashboard", onVisa(func(w *world, id uuid.UUID) {
			w.captured(id)
			w.refund(id, 1000)
		}), reconcile.RefundedAtStripeOnly, total, 1000, [2]string{"taken", "refunded"}, false,
	},
	{
		"refunded here only", onVisa(func(w *world, id uuid.UUID) {
			w.captured(id)
			w.recordRefunded(id, "re_nowhere")
		}), reconcile.RefundedInLedgerOnly, total, 0, [2]string{"refunded", "none"}, false,
	},
	{
		"a part refunded, and the whole here", onVisa(func(w *world, id uuid.UUID) {
			w.captured(id)
			w.recordRefunded(id, w.refund(id, 1000))
		}), reconcile.RefundAmount, total, 1000, [2]string{"refunded", "refunded"}, false,
	},
	{
		"a refund that failed later", onVisa(func(w *world, id uuid.UUID) {
			w.captured(id)
			refund := w.refund(id, 0)
			w.recordRefunded(id, refund)
			w.atStripe(w.sim.Dashboard().SetRefund(w.ctx, refund, "failed"))
		}), reconcile.RefundStatus, total, total, [2]string{"refunded", "refund failed"}, false,
	},
	{
		"a refund that is not finished", func(w *world) uuid.UUID {
			id := w.place("pm_card_pendingRefund")
			w.captured(id)
			w.recordRefunded(id, w.refund(id, 0))
			return id
		}, reconcile.RefundStatus, total, total, [2]string{"refunded", "refund pending"}, false,
	},
	{
		"a second payment taken", onVisa(func(w *world, id uuid.UUID) {
			w.captured(id)
			w.atStripe(w.sim.Dashboard().Capture(w.ctx, w.authorize(id, visa, 1000, "USD").ID, 0))
			pass(16 * time.Minute)
		}), reconcile.TwoCaptures, total, 1000, [2]string{"taken", "succeeded"}, false,
	},
	{
		"a replaced payment taken, too", onVisa(func(w *world, id uuid.UUID) {
			old := w.hold(id)
			w.failCapture(id)
			w.do(id, domain.Reauthorize{Authorization: good(w.authorize(id, visa, total, "USD").ID, id)})
			w.captured(id)
			w.atStripe(w.sim.Dashboard().Capture(w.ctx, old, 0))
		}), reconcile.TwoCaptures, total, total, [2]string{"taken", "succeeded"}, false,
	},
	{
		"a dispute that the ledger knows nothing of", onVisa(func(w *world, id uuid.UUID) {
			w.captured(id)
			_, err := w.sim.Dashboard().OpenDispute(w.ctx, w.hold(id), 1000, "fraudulent")
			w.atStripe(err)
		}), reconcile.DisputeUnknown, 0, 1000, [2]string{"none", "dispute needs_response"}, false,
	},
	{
		"a dispute that was decided", onVisa(func(w *world, id uuid.UUID) {
			w.captured(id)
			dispute, err := w.sim.Dashboard().OpenDispute(w.ctx, w.hold(id), 0, "fraudulent")
			w.atStripe(err)
			w.do(id, domain.RecordDisputeOpened{Dispute: dispute, Amount: total})
			w.atStripe(w.sim.Dashboard().SetDispute(w.ctx, dispute, "lost"))
		}), reconcile.DisputeStatus, 0, total, [2]string{"dispute open", "dispute lost"}, false,
	},
	{
		"a dispute that Stripe never had", onVisa(func(w *world, id uuid.UUID) {
			w.captured(id)
			w.do(id, domain.RecordDisputeOpened{Dispute: "dp_nowhere", Amount: total})
		}), reconcile.MissingAtStripe, 0, 0, [2]string{"dispute open", "none"}, false,
	},
	{
		"settled elsewhere, and captured too", onVisa(func(w *world, id uuid.UUID) {
			w.settledCapture(id)
			w.atStripe(w.sim.Dashboard().Capture(w.ctx, w.hold(id), 0))
		}), reconcile.SettledOutOfBand, total, total, [2]string{"settled elsewhere", "succeeded"}, false,
	},
	{
		"a refund settled elsewhere, and given back too", onVisa(func(w *world, id uuid.UUID) {
			w.captured(id)
			w.settledRefund(id)
			w.refund(id, 0)
		}), reconcile.SettledOutOfBand, total, total, [2]string{"settled elsewhere", "succeeded, refunded"}, false,
	},
	{
		"a release settled elsewhere, and captured", onVisa(func(w *world, id uuid.UUID) {
			w.settledCancel(id)
			w.atStripe(w.sim.Dashboard().Capture(w.ctx, w.hold(id), 0))
		}), reconcile.SettledOutOfBand, total, total, [2]string{"settled elsewhere", "succeeded"}, false,
	},
	{
		"a request that nobody carries out", onVisa(func(w *world, id uuid.UUID) {
			w.do(id, domain.Capture{})
			pass(16 * time.Minute)
		}), reconcile.InFlight, total, total, [2]string{"capture requested", "requires_capture"}, false,
	},
	{
		"a request that is parked", onVisa(func(w *world, id uuid.UUID) {
			w.captured(id)
			w.do(id, domain.Refund{})
			w.do(id, domain.Park{Request: w.order(id).Pending.Request, Reason: "?"})
			pass(16 * time.Minute)
		}), reconcile.InFlight, total, total, [2]string{"refund parked", "succeeded"}, false,
	},
}

func (w *world) settledCapture(id uuid.UUID) {
	w.t.Helper()
	w.do(id, domain.Capture{})
	w.do(id, domain.RecordCaptured{PaymentIntent: w.hold(id), Amount: total, Currency: "USD", Answer: w.settle(id)})
}

func (w *world) settledRefund(id uuid.UUID) {
	w.t.Helper()
	w.do(id, domain.Refund{})
	w.do(id, domain.RecordRefunded{Amount: total, Currency: "USD", Answer: w.settle(id)})
}

func (w *world) settledCancel(id uuid.UUID) {
	w.t.Helper()
	w.do(id, domain.Cancel{})
	w.do(id, domain.RecordCancelled{How: domain.SettledElsewhere, Answer: w.settle(id)})
}

// What is done on one side only is found, alone among orders that are as they should be, and says what both sides say.
func TestEveryDifferenceIsFound(t *testing.T) {
	for _, tt := range differences {
		t.Run(string(tt.code)+"/"+tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.captured(w.place(visa))
				id := tt.act(w)
				w.captured(w.place(visa))
				w.foldsAsTheDomain()
				f, found := w.compare(time.Time{})
				if len(found) != 1 {
					t.Fatalf("found %d: %+v", len(found), found)
				}
				d := found[0]
				if d.Code != tt.code || d.OrderID != id || d.Ledger.Amount != tt.ledger || d.Stripe.Amount != tt.stripe || d.Noted != tt.noted ||
					[2]string{d.Ledger.State, d.Stripe.State} != tt.states {
					t.Errorf("found %+v", d)
				}
				if (d.OrderNumber == "") != (tt.code == reconcile.UnknownOrder) || d.PaymentIntent == "" || d.Object == "" || d.Todo == "" {
					t.Errorf("half said: %+v", d)
				}
				if f.InFlight != 0 || f.SettledElsewhere != 0 || f.Position == 0 {
					t.Errorf("figures %+v", f)
				}
			})
		})
	}
}

func TestEveryCodeIsTested(t *testing.T) {
	tested := map[reconcile.Code]bool{reconcile.Livemode: true} // below
	for _, d := range differences {
		tested[d.code] = true
	}
	for _, code := range reconcile.Codes() {
		if !tested[code] {
			t.Errorf("no test makes a difference %s", code)
		}
	}
}

func TestTestPaymentsInALiveLedger(t *testing.T) {
	inWorld(t, func(w *world) {
		w.place(visa)
		w.config.Livemode = true
		_, found := w.compare(time.Time{})
		if len(found) != 1 || found[0].Code != reconcile.Livemode || found[0].Stripe.State != "test" || found[0].Ledger.State != "live" {
			t.Errorf("found %+v", found)
		}
	})
}

// What is right at Stripe, or none of the ledger's business, is no difference, though it is counted.
func TestNoDifferences(t *testing.T) {
	for _, tt := range []struct {
		name                                 string
		act                                  func(w *world)
		inFlight, elsewhere, notOurs, orders int
	}{
		{name: "an empty ledger", act: func(*world) {}},
		{name: "an act that was just asked for", act: func(w *world) { w.do(w.place(visa), domain.Capture{}) }, inFlight: 1, orders: 1},
		{
			name: "an act that Stripe carried out and the ledger doesn't know yet", act: func(w *world) {
				id := w.place(visa)
				w.do(id, domain.Capture{})
				w.atStripe(w.sim.Dashboard().Capture(w.ctx, w.hold(id), 0))
			}, inFlight: 1, orders: 1,
		},
		{
			name: "a refund that Stripe works on for days", act: func(w *world) {
				id := w.place("pm_card_pendingRefund")
				w.captured(id)
				w.do(id, domain.Refund{})
				w.do(id, domain.RecordRefundPending{
					Refund: w.refund(id, 0), Amount: total, Answer: domain.Answer{Request: w.order(id).Pending.Request},
				})
				pass(20 * time.Hour)
			}, inFlight: 1, orders: 1,
		},
		{
			name: "settled elsewhere, and left alone", act: func(w *world) {
				w.settledCapture(w.place(visa))
				refunded := w.place(visa)
				w.captured(refunded)
				w.settledRefund(refunded)
				w.settledCancel(w.place(visa))
				released := w.place(visa)
				w.settledCancel(released)
				w.atStripe(w.sim.Dashboard().Cancel(w.ctx, w.hold(released)))
			}, elsewhere: 4, orders: 4,
		},
		{name: "an order that is on its way", act: func(w *world) { w.authorize(uuid.New(), visa, 1000, "USD") }, inFlight: 1},
		{
			name: "a payment that came to nothing", act: func(w *world) {
				pi := w.authorize(uuid.New(), visa, 1000, "USD")
				w.atStripe(w.sim.Dashboard().Cancel(w.ctx, pi.ID))
				other := w.authorize(w.place(visa), visa, 1000, "USD")
				w.atStripe(w.sim.Dashboard().Capture(w.ctx, other.ID, 0))
				_, err := w.sim.Dashboard().Refund(w.ctx, other.ID, 0)
				w.atStripe(err)
				pass(time.Hour)
			}, orders: 1,
		},
		{
			name: "a hold that is being replaced", act: func(w *world) {
				id := w.place(visa)
				w.failCapture(id)
				w.authorize(id, visa, total, "USD")
				w.atStripe(w.sim.Dashboard().Cancel(w.ctx, w.hold(id)))
			}, inFlight: 1, orders: 1,
		},
		{
			name: "captured in the dashboard though cancelled here, and given back", act: func(w *world) {
				id := w.place(visa)
				w.atStripe(w.sim.Dashboard().Capture(w.ctx, w.hold(id), 0))
				w.recordReleased(id)
				w.refund(id, 0)
			}, orders: 1,
		},
		{
			name: "captured, and not shipped yet", act: func(w *world) {
				id := w.place(visa)
				w.do(id, domain.Ship{})
				w.captured(id)
				pass(time.Hour)
			}, orders: 1,
		},
		{
			name: "somebody else's payment", act: func(w *world) {
				pi, err := w.stripe.Authorize(w.ctx, w.foreign("cart 7"), visa)
				w.atStripe(err)
				w.atStripe(w.sim.Dashboard().Capture(w.ctx, pi.ID, 0))
			}, notOurs: 1,
		},
		{
			name: "a payment without metadata that an order has claimed", act: func(w *world) {
				w.enter(func(uuid.UUID) string {
					pi, err := w.stripe.Authorize(w.ctx, w.foreign("cart 7"), visa)
					w.atStripe(err)
					return pi.ID
				})
			}, orders: 1,
		},
		{
			name: "cancelled when the hold had run out", act: func(w *world) {
				id := w.place(visa)
				pass(8 * day)
				w.do(id, domain.RecordAuthorizationExpired{PaymentIntent: w.hold(id), Answer: fromStripe})
				w.do(id, domain.Cancel{})
			}, orders: 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				tt.act(w)
				w.foldsAsTheDomain()
				f := w.agree()
				if f.InFlight != tt.inFlight || f.SettledElsewhere != tt.elsewhere || f.NotOurs != tt.notOurs || f.Orders != tt.orders {
					t.Errorf("figures %+v", f)
				}
			})
		})
	}
}
