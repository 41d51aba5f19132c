package saga_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// tell is Stripe's webhook: it says where to look.
func (w *world) tell(event string, id uuid.UUID) {
	w.t.Helper()
	w.tellOf(event, w.order(id).Hold.PaymentIntent)
}

func (w *world) tellOf(event, paymentIntent string) {
	w.t.Helper()
	if _, err := (commands.Inbox{Handler: w.clerk}).Receive(context.Background(), commands.PaymentEvent{
		ID: event, Type: "charge.captured", Object: "ch_1", PaymentIntent: paymentIntent, Created: time.Now(),
	}, domain.ViaWebhook); err != nil {
		w.t.Fatal(err)
	}
}

// outcome is what came of what Stripe told; empty when nobody has looked yet.
func (w *world) outcome(event string) string {
	w.t.Helper()
	for r, err := range w.log.ReadStream(context.Background(), eventstore.WebhookStream(event), 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		e, _, err := eventstore.Codec{}.Decode(r)
		if err != nil {
			w.t.Fatal(err)
		}
		return e.(eventstore.StripeEventHandled).Outcome
	}
	return ""
}

func (w *world) lastActor(id uuid.UUID) domain.Actor {
	w.t.Helper()
	var last domain.Actor
	for r, err := range w.log.ReadStream(context.Background(), eventstore.OrderStream(id), eventstore.NoStream) {
		if err != nil {
			w.t.Fatal(err)
		}
		env, err := eventstore.ReadEnvelope(r.Event)
		if err != nil {
			w.t.Fatal(err)
		}
		last = env.Actor
	}
	return last
}

// A hold that nobody took is seen to be gone when Stripe says that it is, and not before; whether this process watched it all
// the time, began in between, or has a snapshot.
func TestHoldRunsOut(t *testing.T) {
	for _, restart := range []bool{false, true} {
		inWorld(t, func(w *world) {
			snapshot := t.TempDir() + "/snapshot.json"
			use := func(c *saga.Config) { c.SnapshotPath = snapshot }
			id := w.place(visa)
			p := w.start(use)
			until := w.order(id).Hold.CaptureBefore
			pass(time.Until(until) - time.Hour)
			if w.order(id).HoldExpired || !slices.Contains(w.order(id).Badges(time.Now()), domain.BadgeAuthorizationExpiring) {
				t.Error("an hour before its end it is not expiring")
			}
			if restart {
				p.stop()
				p = w.start(use)
			}
			defer func() { p.stop() }()
			pass(2 * time.Hour)
			synctest.Wait()
			w.ends(id, "Accepted", "AuthorizationExpired")
			if actor := w.lastActor(id); actor != commands.Stripe(domain.ViaSaga) {
				t.Errorf("recorded by %+v", actor)
			}
			if st := p.Status(); st.Holds != 0 {
				t.Errorf("%+v", st)
			}
			_, err := w.clerk.Handle(context.Background(), commands.Request{OrderID: id, Command: domain.Capture{}, CommandID: uuid.New()})
			var no *domain.Rejection
			if !errors.As(err, &no) || no.Code != domain.AuthorizationGone {
				t.Errorf("capturing afterwards: %v", err)
			}
		})
	}
}

// What Stripe tells is looked at once, however often it tells, and recorded as Stripe's.
func TestToldOfAnActFromOutside(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		p := w.start()
		defer p.stop()
		if _, err := w.stripe.Capture(context.Background(), w.elsewhere(id, total)); err != nil {
			t.Fatal(err)
		}
		w.tell("evt_1", id)
		w.tell("evt_1", id)
		w.tell("evt_2", id)
		synctest.Wait()
		w.ends(id, "Accepted", "PaymentCaptured")
		if actor := w.lastActor(id); actor != commands.Stripe(domain.ViaWebhook) {
			t.Errorf("recorded by %+v", actor)
		}
		outcomes := []string{w.outcome("evt_1"), w.outcome("evt_2")}
		slices.Sort(outcomes) // two workers may look at them side by side
		if outcomes[1] != "recorded" && outcomes[0] != "recorded" {
			t.Errorf("outcomes %v", outcomes)
		}
		if st := p.Status(); st.Hints != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestToldOfWhatIsNotOurs(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.start()
		defer p.stop()
		pi, err := w.stripe.Authorize(context.Background(), commands.PaymentRequest{
			Key: "somebody else", OrderID: "their order", Amount: 5000, Currency: "USD",
		}, visa)
		if err != nil {
			t.Fatal(err)
		}
		w.tellOf("evt_1", pi.ID)
		w.tellOf("evt_2", "pi_unknown")
		w.tellOf("evt_3", "")
		synctest.Wait()
		for _, event := range []string{"evt_1", "evt_2", "evt_3"} {
			if got := w.outcome(event); got != "not ours" {
				t.Errorf("%s: %q", event, got)
			}
		}
	})
}

// A payment of ours may be told of before its order arrives: that is not dropped, and not waited for for ever.
func TestToldBeforeTheOrderArrives(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.start()
		defer p.stop()
		authorize := func(n int) domain.Intake {
			in := intake(n)
			pi, err := w.stripe.Authorize(context.Background(), commands.PaymentRequest{
				Key: in.OrderNumber, OrderID: in.ID().String(), Amount: total, Currency: "USD",
			}, visa)
			if err != nil {
				t.Fatal(err)
			}
			in.Payment.PaymentIntent = pi.ID
			return in
		}
		comes, never := authorize(1), authorize(2)
		w.tellOf("evt_1", comes.Payment.PaymentIntent)
		w.tellOf("evt_2", never.Payment.PaymentIntent)
		pass(30 * time.Minute)
		if w.outcome("evt_1") != "" {
			t.Error("it is called handled before its order is here")
		}
		w.do(comes.ID(), domain.Place{Intake: comes, Authorization: domain.Authorization{
			PaymentIntent: comes.Payment.PaymentIntent, Status: "requires_capture", Amount: total, Currency: "USD", OrderID: comes.ID().String(),
		}})
		pass(4 * 24 * time.Hour)
		if got := w.outcome("evt_1"); got != "nothing new" {
			t.Errorf("evt_1: %q", got)
		}
		if got := w.outcome("evt_2"); got != "no order" {
			t.Errorf("evt_2: %q", got)
		}
	})
}

// Stripe may tell of an act of ours before it answers it.
func TestToldBeforeOurAnswer(t *testing.T) {
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				id := a.prepare(w, visa)
				release := make(chan struct{})
				w.sim.Fail(stripesim.FailTimes(1, func(r stripesim.Request) bool { return r.Method == "POST" }, stripesim.Fault{HoldAnswer: release}))
				p := w.start()
				defer p.stop()
				w.do(id, a.do)
				synctest.Wait() // Stripe has done it, and its answer is on the way
				w.tell("evt_1", id)
				synctest.Wait()
				w.ends(id, a.tells...)
				if got := w.outcome("evt_1"); got != "recorded" {
					t.Errorf("outcome %q", got)
				}
				close(release)
				p.settle()
				w.ends(id, a.tells...)
			})
		})
	}
}

// held keeps the answer to a question until it is let go.
type held struct {
	commands.Payments
	asked, release chan struct{}
	done           *atomic.Bool
}

func (h held) Read(ctx context.Context, id string) (commands.PaymentIntent, error) {
	pi, err := h.Payments.Read(ctx, id)
	if h.done.CompareAndSwap(false, true) {
		close(h.asked)
		<-h.release
	}
	return pi, err
}

// A process that was held up after it had read the truth records nothing on it when the order has gone on: here, that money
// is back which has long come home.
func TestZombie(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place("pm_card_refundFail")
		p := w.start()
		w.do(id, domain.Capture{})
		p.settle()
		p.stop()
		back, err := w.stripe.Refund(context.Background(), w.elsewhere(id, total))
		if err != nil {
			t.Fatal(err)
		}
		h := held{w.stripe, make(chan struct{}), make(chan struct{}), &atomic.Bool{}}
		w.tell("evt_1", id)
		zombie := w.start(func(c *saga.Config) { c.Payments = h })
		<-h.asked
		fresh := w.start()
		defer fresh.stop()
		fresh.settle()
		synctest.Wait()
		if err := w.sim.SettleRefund(context.Background(), back.ID); err != nil {
			t.Fatal(err)
		}
		w.tell("evt_2", id)
		synctest.Wait()
		story := []string{"PaymentCaptured", "Refunded", "RefundFailed"}
		if _, names := w.events(id); !slices.Equal(names[len(names)-3:], story) {
			t.Fatalf("%v", names)
		}
		close(h.release)
		synctest.Wait()
		zombie.stop()
		if _, names := w.events(id); !slices.Equal(names[len(names)-3:], story) {
			t.Errorf("the zombie recorded: %v", names)
		}
		if o := w.order(id); o.Tab() != domain.TabPaid || !o.RefundFailed {
			t.Errorf("%s, refund failed: %v", o.Tab(), o.RefundFailed)
		}
	})
}

func TestParkedThenSettledElsewhere(t *testing.T) {
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := w.start()
				defer p.stop()
				id := parked(w, p, a)
				before := w.totals(id)
				w.do(id, domain.Resume{Decision: domain.Settle, Reference: "TRANSFER-1"})
				p.settle()
				if after := w.totals(id); after != before {
					t.Errorf("Stripe was asked: %+v, before %+v", after, before)
				}
				events, names := w.events(id)
				want := append([]string{"Parked", "Resumed"}, a.tells[1:]...)
				if !slices.Equal(names[len(names)-len(want):], want) {
					t.Fatalf("the order's story is %v, want an end of %v", names, want)
				}
				var answer domain.Answer
				switch e := events[len(events)-len(a.tells)+1].(type) {
				case domain.PaymentCaptured:
					answer = e.Answer
				case domain.Refunded:
					answer = e.Answer
				case domain.Cancelled:
					answer = e.Answer
				}
				if answer.Source != domain.FromElsewhere || answer.Reference != "TRANSFER-1" {
					t.Errorf("%+v", answer)
				}
			})
		})
	}
}

func TestParkedThenAdopted(t *testing.T) {
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := w.start()
				defer p.stop()
				id := parked(w, p, a)
				w.do(id, domain.Resume{Decision: domain.Adopt, Evidence: "the dashboard shows it"})
				p.settle()
				if _, names := w.events(id); names[len(names)-1] != "Parked" {
					t.Fatalf("Stripe shows nothing, and the order's story is %v", names)
				}
				a.doElsewhere(w, id)
				w.do(id, domain.Resume{Decision: domain.Adopt, Evidence: "the dashboard shows it"})
				p.settle()
				w.ends(id, append([]string{"Parked", "Resumed"}, a.tells[1:]...)...)
			})
		})
	}
}

// Somebody captured a part at Stripe: a person may take that as the payment, and then a refund gives back just that.
func TestAnotherAmountAdopted(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		if _, err := w.stripe.Capture(context.Background(), w.elsewhere(id, 40000)); err != nil {
			t.Fatal(err)
		}
		p := w.start()
		defer p.stop()
		w.do(id, domain.Capture{})
		p.settle()
		if _, names := w.events(id); !slices.Contains(names, "Parked") {
			t.Fatalf("not parked: %v", names)
		}
		w.do(id, domain.Resume{Decision: domain.Adopt, Evidence: "agreed with the customer"})
		p.settle()
		if o := w.order(id); !o.Captured() || o.Taken != 40000 {
			t.Fatalf("taken: %d", o.Taken)
		}
		w.do(id, domain.Refund{})
		p.settle()
		if got := w.totals(id); w.order(id).Tab() != domain.TabRefunded || got.Refunded != 40000 || got.Captured != 40000 {
			t.Errorf("%s, %+v", w.order(id).Tab(), got)
		}
	})
}

// What was settled outside Stripe is not given back there either: that is owed where it was settled.
func TestRefundOfWhatWasSettledElsewhere(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.start()
		defer p.stop()
		id := parked(w, p, acts[0])
		w.do(id, domain.Resume{Decision: domain.Settle, Reference: "TRANSFER-1"})
		p.settle()
		before := w.totals(id)
		w.do(id, domain.Refund{})
		p.settle()
		if o := w.order(id); o.Tab() != domain.TabRefunded || !slices.Contains(o.Badges(time.Now()), domain.BadgeReversalOwed) {
			t.Errorf("%s, %v", o.Tab(), o.Badges(time.Now()))
		}
		if after := w.totals(id); after != before {
			t.Errorf("Stripe was asked: %+v, before %+v", after, before)
		}
	})
}

// restored is a ledger that lost what it knew last: its log is an older one, its snapshot isn't.
func restored(w *world, do func(id uuid.UUID)) (id uuid.UUID, old *world, snapshots func(*saga.Config)) {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "saga.json")
	snapshots = func(c *saga.Config) { c.SnapshotPath = path }
	id = w.place(visa)
	backup := w.copied()
	p := w.start(snapshots)
	do(id)
	p.settle()
	p.stop()
	return id, backup, snapshots
}

// copied is the same world with a log that goes its own way from here.
func (w *world) copied() *world {
	w.t.Helper()
	other := newWorld(w.t, w.sim, w.stripe)
	other.orders = w.orders
	sub, err := w.log.Subscribe(context.Background(), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	head, err := w.log.Head(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for at := eventstore.Position(0); at < head; {
		batch, err := sub.Next(context.Background(), 100)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range batch {
			if _, err := other.log.Append(context.Background(), r.Stream, r.Revision-1, r.Event); err != nil {
				w.t.Fatal(err)
			}
			at = r.Position
		}
	}
	return other
}

// A log that was restored has forgotten what was asked of Stripe, and what Stripe did. It is compared with Stripe before
// anything is asked, also when nobody said that it was restored.
func TestRestored(t *testing.T) {
	for _, told := range []bool{false, true} {
		t.Run(fmt.Sprint("told ", told), func(t *testing.T) {
			inWorld(t, func(w *world) {
				id, old, snapshots := restored(w, func(id uuid.UUID) {
					w.do(id, domain.Capture{})
				})
				old.do(id, domain.Cancel{}) // by a clerk who sees an order that is not paid
				var asked atomic.Int64
				w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
					if r.Method == "POST" {
						asked.Add(1)
					}
					return stripesim.Fault{}
				})
				p := old.start(snapshots, func(c *saga.Config) {
					c.Lists = old.stripe
					if told {
						c.ReconcileFirst, c.SnapshotPath = true, ""
					}
				})
				defer p.stop()
				p.settle()
				_, names := old.events(id)
				want := []string{"CancelRequested", "ExternalChangeSeen", "CancelFailed", "PaymentCaptured"}
				if !slices.Equal(names[len(names)-len(want):], want) || asked.Load() != 0 {
					t.Errorf("%v; Stripe was asked for %d acts", names, asked.Load())
				}
				old.agree(id)
			})
		})
	}
}

// Until it could be compared, nothing is asked, and the saga says why it is not ready.
func TestRestoredWhileStripeIsAway(t *testing.T) {
	inWorld(t, func(w *world) {
		id, old, snapshots := restored(w, func(id uuid.UUID) { w.do(id, domain.AddNote{NoteID: uuid.New(), Text: "x"}) })
		old.do(id, domain.Capture{})
		w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
			if r.Method == "POST" {
				t.Errorf("asked before it was compared: %s", r.Path)
			}
			return stripesim.Fault{Kind: stripesim.ErrorBefore}
		})
		p := old.start(snapshots, func(c *saga.Config) { c.Lists = old.stripe })
		defer p.stop()
		pass(time.Hour)
		if st := p.Status(); st.Ready || st.Error == "" {
			t.Errorf("%+v", st)
		}
		w.sim.Fail(nil)
		p.settle()
		old.ends(id, "CaptureRequested", "PaymentCaptured")
	})
}

// What no webhook told is found: undelivered events within the hour, everything else within the day.
func TestSweeps(t *testing.T) {
	inWorld(t, func(w *world) {
		id, other := w.place(visa), w.place(visa)
		p := w.start(func(c *saga.Config) { c.Lists = w.stripe })
		defer p.stop()
		synctest.Wait()
		desk := w.sim.Dashboard()
		if err := desk.Capture(context.Background(), w.order(id).Hold.PaymentIntent, 0); err != nil {
			t.Fatal(err)
		}
		pass(61 * time.Minute)
		w.ends(id, "Accepted", "PaymentCaptured")
		if actor := w.lastActor(id); actor != commands.Stripe(domain.ViaWebhook) {
			t.Errorf("recorded by %+v", actor)
		}
		if err := desk.Cancel(context.Background(), w.order(other).Hold.PaymentIntent); err != nil {
			t.Fatal(err)
		}
		var events []string
		due, err := w.sim.Pending(context.Background(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range due {
			events = append(events, d.Event)
		}
		if err := w.sim.Delivered(context.Background(), events...); err != nil { // to an endpoint that lost them
			t.Fatal(err)
		}
		pass(25 * time.Hour)
		if o := w.order(other); !o.HoldExpired {
			t.Error("the hold is gone, and nobody has seen it")
		}
	})
}

// A flood of what Stripe tells keeps no clerk waiting.
func TestAskedForBeforeToldOf(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		release := make(chan struct{})
		var mu sync.Mutex
		var methods []string
		w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
			mu.Lock()
			defer mu.Unlock()
			methods = append(methods, r.Method)
			if len(methods) == 1 {
				return stripesim.Fault{Hold: release}
			}
			return stripesim.Fault{}
		})
		p := w.start(func(c *saga.Config) { c.Workers = 1 })
		defer p.stop()
		for n := range 100 {
			w.tell(fmt.Sprint("evt_", n), id)
		}
		synctest.Wait() // the only worker looks at the first
		w.do(id, domain.Capture{})
		synctest.Wait()
		close(release)
		p.settle()
		synctest.Wait()
		w.ends(id, "CaptureRequested", "PaymentCaptured")
		mu.Lock()
		defer mu.Unlock()
		if at := slices.Index(methods, "POST"); at < 0 || at > 3 {
			t.Errorf("the capture was request %d of %d", at, len(methods))
		}
	})
}

// A payment that an order has claimed and that Stripe does not show is a definite answer: nobody asks for ever.
func TestToldOfAPaymentThatIsNotShown(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		_, err := w.clerk.Handle(context.Background(), commands.Request{
			OrderID: id, Command: domain.AddNote{NoteID: uuid.New(), Text: "x"}, CommandID: uuid.New(),
			Claims: []commands.Claim{{Stream: eventstore.PaymentStream("pi_gone"), Event: eventstore.PaymentClaimed{OrderID: id}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		p := w.start()
		defer p.stop()
		w.tellOf("evt_1", "pi_gone")
		synctest.Wait()
		if got := w.outcome("evt_1"); got != "not shown" {
			t.Errorf("outcome %q", got)
		}
	})
}
