package reconcile_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/reconcile"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// path is a way through an order's life: what a clerk asks for, each when the answer to the one before is there.
type path struct {
	name string
	card string
	acts []domain.Command
}

var (
	capture, ship, refund, cancel = domain.Capture{}, domain.Ship{}, domain.Refund{}, domain.Cancel{}
	again                         = domain.Reauthorize{} // by the Placer
)

var paths = []path{
	{"left alone", visa, nil},
	{"captured", visa, []domain.Command{capture}},
	{"shipped", visa, []domain.Command{ship}},
	{"captured and shipped", visa, []domain.Command{capture, ship, domain.Archive{}}},
	{"refunded", visa, []domain.Command{capture, refund}},
	{"shipped and refunded", visa, []domain.Command{ship, refund, domain.Archive{}}},
	{"cancelled", visa, []domain.Command{cancel}},
	{"captured and cancelled", visa, []domain.Command{capture, cancel}},
	{"the refund takes days", "pm_card_pendingRefund", []domain.Command{capture, refund}},
	{"the cancellation takes days", "pm_card_pendingRefund", []domain.Command{capture, cancel}},
	{"the refund fails late", "pm_card_refundFail", []domain.Command{capture, refund}},
	{"the refund fails", "pm_card_pendingRefundFail", []domain.Command{ship, refund}},
	{"the refund fails after all", "pm_card_pendingRefundFailLater", []domain.Command{ship, refund}},
	{"declined", "pm_card_captureDeclined", []domain.Command{capture}},
	{"declined and cancelled", "pm_card_captureDeclined", []domain.Command{ship, cancel}},
	{"declined and held anew", "pm_card_captureDeclined", []domain.Command{capture, again, ship}},
	{"disputed and lost", "pm_card_createDispute", []domain.Command{ship}},
	{"disputed and won", "pm_card_createDisputeProductNotReceived", []domain.Command{ship}},
	{"an inquiry", "pm_card_createDisputeInquiry", []domain.Command{ship}},
}

// step gives an order its next act; rejections are the rules' business.
func (w *world) step(id uuid.UUID, c domain.Command) {
	w.t.Helper()
	var err error
	if _, ok := c.(domain.Reauthorize); ok {
		err = w.reauthorize(id)
	} else {
		err = w.try(id, c)
	}
	var no *domain.Rejection
	if err != nil && !errors.As(err, &no) {
		w.t.Error(err)
	}
}

// settle waits until the saga has nothing to do that is due.
func settle() { synctest.Wait() }

func TestACleanLedgerHasNoDifferences(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.start()
		defer p.stop()
		pass(300 * time.Millisecond) // Stripe counts in seconds
		w.account(t)
		var ids []uuid.UUID
		for range 3 {
			for _, way := range paths {
				id := w.place(way.card)
				ids = append(ids, id)
				for _, c := range way.acts {
					w.step(id, c)
					settle()
				}
			}
		}
		f := w.agree()
		if f.Orders != len(ids) || f.Payments != len(ids)+3 || f.Refunds != 24 || f.InFlight != 12 {
			t.Errorf("at once: %+v", f)
		}
		for _, days := range []int{2, 8} { // holds end, refunds and disputes go on
			pass(time.Duration(days)*day + 2*time.Hour) // and the sweep has seen it
			settle()
			f = w.agree()
			if f.InFlight != 0 {
				t.Errorf("after %d days more: %+v", days, f)
			}
		}
		states := map[domain.PaymentState]bool{}
		for _, id := range ids {
			states[w.order(id).PaymentState()] = true
		}
		w.foldsAsTheDomain()
		if len(states) < 4 || f.Disputes != 9 {
			t.Errorf("the orders came to %v only, %+v", states, f)
		}
	})
}

// foldsAsTheDomain says that what is folded of every order's money is what the domain says of it.
func (w *world) foldsAsTheDomain() {
	w.t.Helper()
	for n := 1; n <= w.orders; n++ {
		if err := reconcile.SameAs(w.ctx, w.log, w.order(domain.OrderID("northwind", fmt.Sprint(10248+n)))); err != nil {
			w.t.Error(err)
		}
	}
}

// account brings an order on account in: it has nothing to do with Stripe.
func (w *world) account(t *testing.T) {
	in := intake(0)
	in.Payment, in.Customer.AccountNumber = domain.Terms{Method: domain.Account}, "A-1"
	if err := w.try(in.ID(), domain.Place{Intake: in}); err != nil {
		t.Fatal(err)
	}
}

// Old orders whose payments the lists don't reach are read one by one.
func TestOldPaymentsAreReadByTheirIDs(t *testing.T) {
	inWorld(t, func(w *world) {
		pi := w.authorize(domain.OrderID("northwind", "10249"), visa, total, "USD").ID
		w.atStripe(w.sim.Dashboard().Capture(w.ctx, pi, 0))
		pass(20 * day)
		id := w.enter(func(uuid.UUID) string { return pi })
		if _, found := w.compare(time.Time{}); len(found) != 1 || found[0].OrderID != id || found[0].Code != reconcile.CapturedAtStripeOnly {
			t.Errorf("found %+v", found)
		}
	})
}

// Payments that are a little older than their orders are not.
func TestRecentPaymentsAreListed(t *testing.T) {
	inWorld(t, func(w *world) {
		pi := w.authorize(domain.OrderID("northwind", "10249"), visa, total, "USD").ID
		pass(5 * day)
		w.enter(func(uuid.UUID) string { return pi })
		w.on = func(r *http.Request) {
			if strings.Contains(r.URL.Path, pi) {
				t.Error("it was read by its id")
			}
		}
		w.agree()
	})
}

func TestSince(t *testing.T) {
	inWorld(t, func(w *world) {
		began := time.Now()
		pass(time.Minute)
		quiet, refunded := w.place(visa), w.place(visa)
		w.captured(quiet)
		w.captured(refunded)
		w.do(quiet, domain.Ship{})
		w.do(refunded, domain.Ship{})
		pass(99 * day)
		stray := w.authorize(uuid.New(), visa, 1000, "USD")
		w.atStripe(w.sim.Dashboard().Capture(w.ctx, stray.ID, 0))
		pass(day)
		recent := time.Now()
		pass(time.Minute)
		w.refund(refunded, 1000)
		w.captured(w.place(visa))

		f, found := w.compare(recent)
		if f.Orders != 1 || f.Payments != 1 || f.Refunds != 1 || !f.Since.Equal(recent) || len(found) != 1 || found[0].OrderID != refunded {
			t.Errorf("since a minute ago: %+v %+v", f, found)
		}
		f, _ = w.compare(began)
		if f.Orders != 3 || f.Payments != 4 {
			t.Errorf("since the beginning: %+v", f)
		}
		f, _ = w.compare(time.Time{})
		if f.Orders != 3 || f.Since.Before(began) {
			t.Errorf("by itself: %+v", f)
		}
		pass(100 * day) // the first two are over for more than 180 days
		if f, _ = w.compare(time.Time{}); f.Orders != 1 || f.Since.Before(recent) {
			t.Errorf("much later: %+v", f)
		}
		pass(100 * day) // the third is older, but not shipped
		if f, _ = w.compare(time.Time{}); f.Orders != 1 || f.Since.Before(recent) || f.Since.After(recent.Add(day)) {
			t.Errorf("much, much later: %+v", f)
		}
	})
}

var seeds = flag.Uint64("seeds", 4, "TestChangesMeanwhileAreNoDifferences: how many stories")

// Clerks go on while Stripe is read: before every request, and while it is answered.
func TestChangesMeanwhileAreNoDifferences(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := w.start()
				defer p.stop()
				random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // it is a test's dice
				type life struct {
					id   uuid.UUID
					acts []domain.Command
				}
				var lives []*life
				enter := func() {
					way := paths[random.IntN(len(paths))]
					lives = append(lives, &life{w.place(way.card), way.acts})
				}
				for range 110 {
					enter()
				}
				settle()
				var clerks sync.WaitGroup
				requests := 0
				w.on = func(r *http.Request) {
					requests++
					if requests > 400 {
						return
					}
					if random.IntN(4) == 0 {
						enter()
					}
					for range 6 {
						l := lives[random.IntN(len(lives))]
						if len(l.acts) == 0 {
							continue
						}
						c := l.acts[0]
						l.acts = l.acts[1:]
						if random.IntN(2) == 0 { // it overtakes the answer, or not
							w.step(l.id, c)
							continue
						}
						clerks.Go(func() { w.step(l.id, c) })
					}
					if random.IntN(3) == 0 {
						settle()
					}
				}
				f := w.agree()
				clerks.Wait()
				w.on = nil
				settle()
				w.foldsAsTheDomain()
				if after := w.agree(); after.Orders < f.Orders || f.Position >= after.Position {
					t.Errorf("nothing went on: %+v, then %+v", f, after)
				}
			})
		})
	}
}

// A difference that is gone when it is looked at again was none.
func TestWhatWasPutRightMeanwhileIsNoDifference(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		w.atStripe(w.sim.Dashboard().Capture(w.ctx, w.hold(id), 0))
		again := 0
		w.on = func(r *http.Request) {
			if strings.HasSuffix(r.URL.Path, w.hold(id)) {
				if again++; again == 1 {
					w.recordCaptured(id)
				}
			}
		}
		w.agree()
		if again != 2 {
			t.Errorf("the payment was read %d times, want twice: the order changed the first time", again)
		}
	})
}

// Whatever of Stripe fails for good, and wherever: the run has an error, and never figures.
func TestStripeFailing(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind stripesim.Kind
		path string // in the list of payments, the second page fails
		want commands.UnknownReason
	}{
		{"500 in the refunds", stripesim.ErrorBefore, "/v1/refunds", commands.UnknownServer},
		{"cut off in the disputes", stripesim.DropAfter, "/v1/disputes", commands.UnknownNetwork},
		{"500 in the payments", stripesim.ErrorBefore, "/v1/payment_intents", commands.UnknownServer},
		{"truncated", stripesim.Truncated, "/v1/payment_intents", ""},
		{"garbled", stripesim.Garbled, "/v1/payment_intents", commands.UnknownUnreadable},
		{"the key is refused", stripesim.Unauthorized, "/v1/payment_intents", commands.UnknownCredentials},
		{"a rate limit without end", stripesim.RateLimited, "/v1/payment_intents", commands.UnknownRateLimit},
		{"500 at the second look", stripesim.ErrorBefore, "/v1/payment_intents/pi_", commands.UnknownServer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.place(visa)
				for strings.HasPrefix(tt.path, "/v1/payment_intents") && w.orders < 101 { // two pages
					w.place(visa)
				}
				w.atStripe(w.sim.Dashboard().Cancel(w.ctx, w.hold(domain.OrderID("northwind", "10249"))))
				pages := 0
				w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
					list := r.Path == tt.path
					if list && tt.path == "/v1/payment_intents" {
						pages++
						list = pages%2 == 0
					}
					if list || (strings.HasSuffix(tt.path, "pi_") && strings.HasPrefix(r.Path, tt.path)) {
						return stripesim.Fault{Kind: tt.kind}
					}
					return stripesim.Fault{}
				})
				f, found, err := w.tryCompare(w.ctx, time.Time{})
				var unknown *commands.PaymentUnknown
				if !errors.As(err, &unknown) || (tt.want != "" && unknown.Reason != tt.want) {
					t.Errorf("error %v", err)
				}
				if f != (reconcile.Figures{}) || len(found) > 0 {
					t.Errorf("figures %+v, found %+v", f, found)
				}
			})
		})
	}
}

// What passes by itself is waited for: a rate limit for as long as Stripe says.
func TestStripeFailingForAWhile(t *testing.T) {
	for _, fault := range []stripesim.Fault{
		{Kind: stripesim.RateLimited, RetryAfter: 30 * time.Second},
		{Kind: stripesim.ErrorBefore},
		{Kind: stripesim.DropAfter},
	} {
		inWorld(t, func(w *world) {
			for range 101 {
				w.place(visa)
			}
			broken := w.place(visa)
			w.atStripe(w.sim.Dashboard().Cancel(w.ctx, w.hold(broken)))
			pages := 0
			w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
				if pages++; pages == 4 || pages == 7 {
					return fault
				}
				return stripesim.Fault{}
			})
			began := time.Now()
			f, found := w.compare(time.Time{})
			if len(found) != 1 || f.Orders != 102 || f.Payments != 102 {
				t.Errorf("%+v %+v", f, found)
			}
			if waited := time.Since(began); waited < 2*fault.RetryAfter {
				t.Errorf("it waited %s", waited)
			}
		})
	}
}

func TestTheLogFailing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.place(visa)
		w.log.FailNextRead(eventstore.ErrUnavailable)
		if _, _, err := w.tryCompare(w.ctx, time.Time{}); !errors.Is(err, eventstore.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
		w.atStripe(w.sim.Dashboard().Cancel(w.ctx, w.hold(domain.OrderID("northwind", "10249"))))
		w.on = func(r *http.Request) {
			if r.URL.Path == "/v1/payment_intents" {
				w.log.FailNextRead(eventstore.ErrUnavailable)
			}
		}
		if f, found, err := w.tryCompare(w.ctx, time.Time{}); !errors.Is(err, eventstore.ErrUnavailable) || len(found) > 0 || f.Orders > 0 {
			t.Errorf("at the second look: %+v %+v %v", f, found, err)
		}
	})
}

func TestEndsWithItsCaller(t *testing.T) {
	inWorld(t, func(w *world) {
		w.place(visa)
		ctx, cancel := context.WithCancel(w.ctx)
		w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
			return stripesim.Fault{Hold: ctx.Done()}
		})
		time.AfterFunc(time.Second, cancel)
		if _, _, err := w.tryCompare(ctx, time.Time{}); err == nil || ctx.Err() == nil {
			t.Errorf("it ended with %v", err)
		}
		w.sim.Fail(nil)
		w.agree()
	})
}

func TestOneRunAtATime(t *testing.T) {
	r := reconcile.New(reconcile.Config{})
	first, err := r.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Begin(); !errors.Is(err, reconcile.ErrRunning) {
		t.Errorf("a second run: %v", err)
	}
	first.End()
	if _, err := r.Begin(); err != nil {
		t.Errorf("the next run: %v", err)
	}
	first.End() // it has ended before, and is not the one that runs
	if _, err := r.Begin(); !errors.Is(err, reconcile.ErrRunning) {
		t.Errorf("beside the next run: %v", err)
	}
}
