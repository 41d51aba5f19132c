package saga_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
)

// act is something that a clerk asks of Stripe.
type act struct {
	name  string
	paid  bool // it begins with a captured order
	do    domain.Command
	tells []string // the events that it ends in
	path  string   // of Stripe's API, its end
}

var acts = []act{
	{"capture", false, domain.Capture{}, []string{"CaptureRequested", "PaymentCaptured"}, "/capture"},
	{
		"ship", false,
		domain.Ship{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z"}}},
		[]string{"ShipRequested", "PaymentCaptured", "Shipped"},
		"/capture",
	},
	{"release", false, domain.Cancel{Reason: "out of stock"}, []string{"CancelRequested", "Cancelled"}, "/cancel"},
	{"refund", true, domain.Refund{Reason: "broken"}, []string{"RefundRequested", "Refunded"}, "/refunds"},
	{"cancel and refund", true, domain.Cancel{}, []string{"CancelRequested", "Cancelled"}, "/refunds"},
}

// prepare brings in an order on which the act can be done.
func (a act) prepare(w *world, card string) uuid.UUID {
	w.t.Helper()
	id := w.place(card)
	if a.paid {
		p := w.start()
		w.do(id, domain.Capture{})
		p.settle()
		p.stop()
	}
	return id
}

// doElsewhere does at Stripe what the act asks for, as somebody does who works past the ledger.
func (a act) doElsewhere(w *world, id uuid.UUID) {
	w.t.Helper()
	var err error
	switch r := w.elsewhere(id, total); a.path {
	case "/capture":
		_, err = w.stripe.Capture(context.Background(), r)
	case "/cancel":
		_, err = w.stripe.Release(context.Background(), r)
	default:
		_, err = w.stripe.Refund(context.Background(), r)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// ends says that an order's story ends in these events and that Stripe agrees.
func (w *world) ends(id uuid.UUID, want ...string) {
	w.t.Helper()
	_, names := w.events(id)
	if len(names) < len(want) || !slices.Equal(names[len(names)-len(want):], want) {
		w.t.Errorf("the order's story is %v, want an end of %v", names, want)
	}
	w.agree(id)
}

func TestStraightWays(t *testing.T) {
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				id := a.prepare(w, visa)
				p := w.start()
				defer p.stop()
				synctest.Wait()
				began := time.Now()
				var calls atomic.Int64
				w.sim.Fail(func(stripesim.Request) stripesim.Fault { calls.Add(1); return stripesim.Fault{} })
				w.do(id, a.do)
				p.settle()
				w.ends(id, a.tells...)
				if calls.Load() != 1 || !time.Now().Equal(began) {
					t.Errorf("it took %d requests and %s, want one at once", calls.Load(), time.Since(began))
				}
				w.answersName(id, len(a.tells))
			})
		})
	}
}

// answersName says that the last n events of an order name the request that they answer, and Stripe's request.
func (w *world) answersName(id uuid.UUID, n int) {
	w.t.Helper()
	events, _ := w.events(id)
	for _, e := range events[len(events)-n:] {
		var answer domain.Answer
		switch e := e.(type) {
		case domain.PaymentCaptured:
			answer = e.Answer
		case domain.Refunded:
			answer = e.Answer
		case domain.Cancelled:
			answer = e.Answer
		default:
			continue
		}
		if answer.Request == uuid.Nil || answer.StripeRequest == "" || answer.Source != "" {
			w.t.Errorf("%s answers %+v", e.EventType(), answer)
		}
	}
}

func TestDefiniteAnswers(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name   string
		card   string
		paid   bool
		before func(w *world, id uuid.UUID) error // what happens outside the ledger
		over   bool                               // the hold has run out: a saga that runs sees that by itself, before the act or after
		do     domain.Command
		ends   []string
		code   string // of the failure in the last event
		badges []domain.Badge
	}{
		{
			name: "the issuer declines the capture", card: "pm_card_captureDeclined", do: domain.Capture{},
			ends: []string{"CaptureRequested", "CaptureFailed"}, code: "card_declined", badges: []domain.Badge{domain.BadgeCaptureFailed},
		},
		{
			name: "the issuer declines, so nothing is shipped", card: "pm_card_captureDeclined", do: domain.Ship{},
			ends: []string{"ShipRequested", "CaptureFailed"}, code: "card_declined", badges: []domain.Badge{domain.BadgeCaptureFailed},
		},
		{
			name: "the hold has run out: capture", before: aWeek, over: true, do: domain.Capture{},
			ends: []string{"CaptureRequested", "AuthorizationExpired"}, badges: []domain.Badge{domain.BadgeAuthorizationExpired},
		},
		{
			name: "the hold has run out: ship", before: aWeek, over: true, do: domain.Ship{},
			ends: []string{"ShipRequested", "AuthorizationExpired"}, badges: []domain.Badge{domain.BadgeAuthorizationExpired},
		},
		{
			name: "the hold has run out: cancel", before: aWeek, over: true, do: domain.Cancel{}, ends: []string{"CancelRequested", "Cancelled"},
		},
		{
			name: "captured elsewhere: capture",
			before: func(w *world, id uuid.UUID) error {
				_, err := w.stripe.Capture(ctx, w.elsewhere(id, total))
				return err
			}, do: domain.Capture{}, ends: []string{"CaptureRequested", "PaymentCaptured"},
		},
		{
			name: "captured elsewhere: ship",
			before: func(w *world, id uuid.UUID) error {
				_, err := w.stripe.Capture(ctx, w.elsewhere(id, total))
				return err
			}, do: domain.Ship{}, ends: []string{"ShipRequested", "PaymentCaptured", "Shipped"},
		},
		{
			name: "released elsewhere: cancel",
			before: func(w *world, id uuid.UUID) error {
				_, err := w.stripe.Release(ctx, w.elsewhere(id, total))
				return err
			}, do: domain.Cancel{}, ends: []string{"CancelRequested", "Cancelled"},
		},
		{
			name: "refunded elsewhere: refund", paid: true,
			before: func(w *world, id uuid.UUID) error {
				_, err := w.stripe.Refund(ctx, w.elsewhere(id, total))
				return err
			}, do: domain.Refund{}, ends: []string{"RefundRequested", "Refunded"},
		},
		{
			name: "refunded elsewhere: cancel", paid: true,
			before: func(w *world, id uuid.UUID) error {
				_, err := w.stripe.Refund(ctx, w.elsewhere(id, total))
				return err
			}, do: domain.Cancel{}, ends: []string{"CancelRequested", "Cancelled"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				card := tt.card
				if card == "" {
					card = visa
				}
				id := act{paid: tt.paid}.prepare(w, card)
				if tt.before != nil {
					if err := tt.before(w, id); err != nil {
						t.Fatal(err)
					}
				}
				if tt.over {
					w.do(id, tt.do)
				}
				p := w.start(func(c *saga.Config) {
					if tt.over {
						c.Workers = 1 // acts come before what is only to be looked at
					}
				})
				defer p.stop()
				if !tt.over {
					w.do(id, tt.do)
				}
				p.settle()
				w.ends(id, tt.ends...)
				w.failsWith(id, tt.code)
				for _, b := range tt.badges {
					if !slices.Contains(w.order(id).Badges(time.Now()), b) {
						t.Errorf("no badge %s", b)
					}
				}
			})
		})
	}
}

func aWeek(*world, uuid.UUID) error {
	pass(8 * 24 * time.Hour)
	return nil
}

func (w *world) failsWith(id uuid.UUID, code string) {
	w.t.Helper()
	events, _ := w.events(id)
	var got domain.Failure
	switch e := events[len(events)-1].(type) {
	case domain.CaptureFailed:
		got = e.Failure
	case domain.RefundFailed:
		got = e.Failure
	case domain.CancelFailed:
		got = e.Failure
	}
	if got.Code != code {
		w.t.Errorf("it failed with %+v, want %q", got, code)
	}
}

// What people did at Stripe behind the ledger's back is recorded, and where it can't be adopted, it is shown.
func TestBehindTheLedgersBack(t *testing.T) {
	ctx := context.Background()
	t.Run("captured, then cancelled here", func(t *testing.T) {
		inWorld(t, func(w *world) {
			id := w.place(visa)
			if _, err := w.stripe.Capture(ctx, w.elsewhere(id, total)); err != nil {
				t.Fatal(err)
			}
			p := w.start()
			defer p.stop()
			w.do(id, domain.Cancel{})
			p.settle()
			w.failsWith(id, "already_captured")
			if o := w.order(id); len(o.External) != 1 || o.External[0].Change != "captured" || o.External[0].Amount != total {
				t.Errorf("seen: %+v", o.External)
			}
			w.do(id, domain.Capture{}) // what the message says
			p.settle()
			w.do(id, domain.Cancel{})
			p.settle()
			w.ends(id, "CaptureRequested", "PaymentCaptured", "CancelRequested", "Cancelled")
		})
	})
	t.Run("a part captured", func(t *testing.T) {
		inWorld(t, func(w *world) {
			id := w.place(visa)
			if _, err := w.stripe.Capture(ctx, w.elsewhere(id, 100)); err != nil {
				t.Fatal(err)
			}
			p := w.start()
			defer p.stop()
			w.do(id, domain.Capture{})
			p.settle()
			o := w.order(id)
			if !o.Pending.Parked || o.Captured() || len(o.External) != 1 || o.External[0].Amount != 100 {
				t.Errorf("pending %+v, seen %+v", o.Pending, o.External)
			}
		})
	})
	t.Run("captured and given back, then shipped here", func(t *testing.T) {
		inWorld(t, func(w *world) {
			id := w.place(visa)
			if _, err := w.stripe.Capture(ctx, w.elsewhere(id, total)); err != nil {
				t.Fatal(err)
			}
			if _, err := w.stripe.Refund(ctx, w.elsewhere(id, total)); err != nil {
				t.Fatal(err)
			}
			p := w.start()
			defer p.stop()
			w.do(id, domain.Ship{})
			p.settle()
			_, names := w.events(id)
			if want := []string{"ShipRequested", "Parked", "PaymentCaptured", "ExternalChangeSeen"}; !slices.Equal(names[2:], want) {
				t.Errorf("%v", names)
			}
		})
	})
	t.Run("not there at all", func(t *testing.T) {
		inWorld(t, func(w *world) {
			in := intake(1)
			in.Payment.PaymentIntent = "pi_of_another_account"
			w.do(in.ID(), domain.Place{Intake: in, Authorization: domain.Authorization{
				PaymentIntent: in.Payment.PaymentIntent, Status: "requires_capture", Amount: total, Currency: "USD",
			}})
			w.do(in.ID(), domain.Accept{})
			p := w.start()
			defer p.stop()
			for range 2 {
				synctest.Wait()
				if w.order(in.ID()).Pending.Parked {
					w.do(in.ID(), domain.Resume{Decision: domain.Retry})
				} else {
					w.do(in.ID(), domain.Capture{})
				}
				p.settle()
				if o := w.order(in.ID()); !o.Pending.Parked || o.CaptureFailed {
					t.Errorf("pending %+v, failed %v", o.Pending, o.CaptureFailed)
				}
			}
			w.do(in.ID(), domain.Resume{Decision: domain.Abandon})
			p.settle()
			w.failsWith(in.ID(), "abandoned")
		})
	})
	t.Run("a part refunded", func(t *testing.T) {
		inWorld(t, func(w *world) {
			id := act{paid: true}.prepare(w, visa)
			if _, err := w.stripe.Refund(ctx, w.elsewhere(id, 100)); err != nil {
				t.Fatal(err)
			}
			p := w.start()
			defer p.stop()
			w.do(id, domain.Refund{})
			p.settle()
			_, names := w.events(id)
			if want := []string{"RefundRequested", "ExternalChangeSeen", "RefundFailed"}; !slices.Equal(names[len(names)-3:], want) {
				t.Errorf("%v", names)
			}
			if got := w.totals(id); got.Refunded != 100 {
				t.Errorf("%d refunded", got.Refunded)
			}
		})
	})
}

// A refund that takes days is followed, slowly, also by a process that was started meanwhile.
func TestRefundThatTakesDays(t *testing.T) {
	for _, a := range acts[3:] {
		t.Run(a.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				id := a.prepare(w, "pm_card_pendingRefund")
				p := w.start()
				w.do(id, a.do)
				synctest.Wait()
				o := w.order(id)
				if !o.RefundPending || o.Refund == "" || o.RefundedAt != nil || o.CancelledAt != nil {
					t.Fatalf("%+v", o)
				}
				var reads atomic.Int64
				w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
					if r.Method == "POST" {
						t.Error("a second POST")
					}
					reads.Add(1)
					return stripesim.Fault{}
				})
				pass(48 * time.Hour)
				p.stop()
				if n := reads.Load(); n < 48 || n > 500 {
					t.Errorf("looked at %d times in two days", n)
				}
				p = w.start()
				defer p.stop()
				synctest.Wait()
				if err := w.sim.SettleRefund(context.Background(), o.Refund); err != nil {
					t.Fatal(err)
				}
				p.settle()
				w.ends(id, "RefundPending", a.tells[1])
			})
		})
	}
}
