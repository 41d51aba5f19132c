package saga_test

import (
	"context"
	"fmt"
	"path/filepath"
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

// A request that is answered from outside while a worker is at it is not followed by the next one before the worker is done.
func TestAnsweredFromOutsideMeanwhile(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		p := w.start()
		defer p.stop()
		synctest.Wait()
		var posts atomic.Int64
		answer := make(chan struct{})
		w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
			if r.Method == "POST" && posts.Add(1) == 1 {
				return stripesim.Fault{HoldAnswer: answer}
			}
			return stripesim.Fault{}
		})
		w.do(id, domain.Capture{})
		synctest.Wait()
		pi, err := w.stripe.Read(context.Background(), w.order(id).Hold.PaymentIntent)
		if err != nil {
			t.Fatal(err)
		}
		w.do(id, domain.RecordCaptured{
			PaymentIntent: pi.ID, Charge: pi.Charge, Amount: total, Currency: "USD", Answer: domain.Answer{Source: "stripe"},
		})
		w.do(id, domain.Refund{})
		synctest.Wait()
		if posts.Load() != 1 {
			t.Error("two effects of one order side by side")
		}
		close(answer)
		p.settle()
		w.ends(id, "CaptureRequested", "PaymentCaptured", "RefundRequested", "Refunded")
	})
}

// odd answers captures as no Stripe should.
type odd struct {
	commands.Payments
	change func(*commands.PaymentIntent)
	asked  *atomic.Int64
}

func (o odd) Capture(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	o.asked.Add(1)
	pi, err := o.Payments.Capture(ctx, r)
	o.change(&pi)
	return pi, err
}

func TestOddAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*commands.PaymentIntent)
		ends   []string
	}{
		{"as if nothing had happened", func(pi *commands.PaymentIntent) { pi.Status = "requires_capture" }, []string{"PaymentCaptured"}},
		{"not finished", func(pi *commands.PaymentIntent) { pi.Status = "processing" }, []string{"PaymentCaptured"}},
		{"another payment", func(pi *commands.PaymentIntent) { pi.ID = "pi_other" }, []string{"Parked"}},
		{"another amount", func(pi *commands.PaymentIntent) { pi.Received++ }, []string{"Parked", "ExternalChangeSeen"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				id := w.place(visa)
				var asked atomic.Int64
				p := w.start(func(c *saga.Config) { c.Payments = odd{w.stripe, tt.change, &asked} })
				defer p.stop()
				synctest.Wait()
				w.do(id, domain.Capture{})
				p.settle()
				_, names := w.events(id)
				if got := names[3:]; fmt.Sprint(got) != fmt.Sprint(tt.ends) {
					t.Errorf("%v, want %v", got, tt.ends)
				}
				if asked.Load() != 1 {
					t.Errorf("asked %d times", asked.Load())
				}
			})
		})
	}
}

// away is a log that can't be reached for a while.
type away struct {
	eventstore.Store
	left atomic.Int64
}

func (a *away) err() error {
	if a.left.Add(-1) >= 0 {
		return fmt.Errorf("%w: away", eventstore.ErrUnavailable)
	}
	return nil
}

func (a *away) Head(ctx context.Context) (eventstore.Position, error) {
	if err := a.err(); err != nil {
		return 0, err
	}
	return a.Store.Head(ctx)
}

func (a *away) Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error) {
	if err := a.err(); err != nil {
		return nil, err
	}
	return a.Store.Subscribe(ctx, after)
}

func TestLogAwayAtTheStart(t *testing.T) {
	for n := range int64(4) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inWorld(t, func(w *world) {
				id := w.place(visa)
				w.do(id, domain.Capture{})
				log := &away{Store: w.log}
				log.left.Store(n)
				p := w.start(func(c *saga.Config) { c.Log = log })
				defer p.stop()
				synctest.Wait()
				if st := p.Status(); n > 0 && (st.Ready || st.Error == "") {
					t.Errorf("%+v", st)
				}
				p.settle()
				w.ends(id, "CaptureRequested", "PaymentCaptured")
			})
		})
	}
}

// A saga that is told to end while it waits for anything ends.
func TestEndsWhileItWaits(t *testing.T) {
	forever := stripesim.Fault{Kind: stripesim.ErrorBefore}
	for name, change := range map[string]func(*world, *saga.Config){
		"for the log": func(w *world, c *saga.Config) {
			log := &away{Store: w.log}
			log.left.Store(1 << 40)
			c.Log = log
		},
		"for Stripe": func(w *world, _ *saga.Config) { w.sim.Fail(func(stripesim.Request) stripesim.Fault { return forever }) },
		"for an answer": func(w *world, _ *saga.Config) {
			w.sim.Fail(func(stripesim.Request) stripesim.Fault { return stripesim.Fault{Hold: make(chan struct{})} })
		},
		"for the ledger": func(w *world, c *saga.Config) {
			log := flaky{w.log, func(bool) error { return eventstore.ErrUnavailable }}
			c.Handler = commands.NewHandler(log, eventstore.Codec{}, time.Now)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				id := w.place(visa)
				w.do(id, domain.Capture{})
				p := w.start(func(c *saga.Config) { change(w, c) })
				pass(10 * time.Second)
				began := time.Now()
				p.stop()
				if !time.Now().Equal(began) || p.Ready() {
					t.Errorf("it took %s; ready: %v", time.Since(began), p.Ready())
				}
			})
		})
	}
}

// A snapshot that can't be written costs time at the next start, and nothing else.
func TestSnapshotCannotBeWritten(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		path := filepath.Join(t.TempDir(), "no", "such", "folder", "saga.json")
		for _, c := range []domain.Command{domain.Capture{}, domain.Refund{}} {
			p := w.start(func(c *saga.Config) { c.SnapshotPath = path })
			w.do(id, c)
			p.settle()
			pass(time.Minute)
			p.stop()
		}
		w.ends(id, "CaptureRequested", "PaymentCaptured", "RefundRequested", "Refunded")
	})
}

func TestConfigIsChecked(t *testing.T) {
	inWorld(t, func(w *world) {
		for name, change := range map[string]func(*saga.Config){
			"no log":               func(c *saga.Config) { c.Log = nil },
			"no handler":           func(c *saga.Config) { c.Handler = nil },
			"no payments":          func(c *saga.Config) { c.Payments = nil },
			"negative workers":     func(c *saga.Config) { c.Workers = -1 },
			"negative queue":       func(c *saga.Config) { c.MaxReady = -1 },
			"backwards backoff":    func(c *saga.Config) { c.MinBackoff = time.Hour },
			"backwards poll":       func(c *saga.Config) { c.MinPoll = 2 * time.Hour },
			"keys kept too long":   func(c *saga.Config) { c.KeyLife = 24 * time.Hour },
			"a snapshot backwards": func(c *saga.Config) { c.SnapshotEvery = -1 },
		} {
			c := w.config()
			change(&c)
			if s, err := saga.New(c); err == nil || s != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		s, err := saga.New(w.config())
		if err != nil || s.Ready() || s.Status() != (saga.Status{}) {
			t.Errorf("%v, %+v", err, s.Status())
		}
	})
}

// Recording what was recorded is recognised, whoever did it: command ids follow from what they answer.
func TestAnswersHaveTheSameIDForEver(t *testing.T) {
	ids := map[uuid.UUID]bool{}
	inWorld(t, func(w *world) {
		id := w.place(visa)
		w.do(id, domain.Capture{})
		p := w.start()
		p.settle()
		p.stop()
		events, _ := w.events(id)
		request := events[3].(domain.PaymentCaptured).Request
		for r, err := range w.log.ReadStream(context.Background(), eventstore.OrderStream(id), 2) {
			if err != nil {
				t.Fatal(err)
			}
			env, err := eventstore.ReadEnvelope(r.Event)
			if err != nil {
				t.Fatal(err)
			}
			ids[env.CommandID] = true
			if env.CommandID != uuid.NewSHA1(request, []byte("RecordCaptured")) || env.CausationID != request ||
				env.Actor != (domain.Actor{ID: "saga", Role: domain.System, Via: domain.ViaSaga}) || env.CorrelationID == "" {
				t.Errorf("%+v", env)
			}
		}
	})
	if len(ids) != 1 {
		t.Errorf("%d answers", len(ids))
	}
}
