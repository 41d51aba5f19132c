package saga_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

// silence fails the test when anything is asked of Stripe.
func (w *world) silence() {
	w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
		w.t.Errorf("%s %s", r.Method, r.Path)
		return stripesim.Fault{}
	})
}

// A log whose every request has its answer asks nothing of anybody, with a snapshot, without, or with a broken one.
func TestNoEffectIsRepeated(t *testing.T) {
	inWorld(t, func(w *world) {
		path := filepath.Join(t.TempDir(), "saga.json")
		snapshots := func(c *saga.Config) { c.SnapshotPath = path }
		p := w.start(snapshots)
		for _, a := range acts {
			id := w.place(visa)
			if a.paid {
				w.do(id, domain.Capture{})
				p.settle()
			}
			w.do(id, a.do)
		}
		p.settle()
		p.stop()
		w.silence()
		head, err := w.log.Head(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, prepare := range []func() error{
			func() error { return nil },
			func() error { return os.Remove(path) },
			func() error { return os.WriteFile(path, []byte(`{"version":1,"checkpoint":`), 0o600) },
			func() error { return os.WriteFile(path, []byte(`{"version":99,"checkpoint":1000000}`), 0o600) },
		} {
			if err := prepare(); err != nil {
				t.Fatal(err)
			}
			p := w.start(snapshots)
			p.settle()
			pass(24 * time.Hour)
			if st := p.Status(); !st.Ready || !p.Ready() || st.Open != 0 || st.Checkpoint != head || st.Error != "" {
				t.Errorf("%+v", st)
			}
			p.stop()
			if p.Ready() {
				t.Error("ready after it has ended")
			}
			if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
				t.Errorf("%v, %v", files, err)
			}
		}
	})
}

// A snapshot of another log, older, newer or restored from a backup, is noticed and not believed.
func TestSnapshotOfAnotherLog(t *testing.T) {
	for _, events := range []int{1, 3, 20} {
		t.Run(fmt.Sprint(events), func(t *testing.T) {
			inWorld(t, func(w *world) {
				path := filepath.Join(t.TempDir(), "saga.json")
				snapshots := func(c *saga.Config) { c.SnapshotPath = path }
				p := w.start(snapshots)
				w.place(visa)
				p.settle()
				p.stop()

				other := newWorld(t, w.sim, w.stripe)
				other.orders = 100
				id := other.place(visa)
				other.do(id, domain.Capture{})
				for n := range events {
					other.do(id, domain.AddNote{NoteID: uuid.New(), Text: fmt.Sprint(n)})
				}
				p = other.start(snapshots)
				defer p.stop()
				p.settle()
				if !other.order(id).Captured() {
					t.Error("the request in the log was not seen")
				}
			})
		})
	}
}

// What is in the log when a saga starts is acted on only when all of it is known, and looked at before it is asked for.
func TestLooksFirstAtWhatItFinds(t *testing.T) {
	inWorld(t, func(w *world) {
		ids := make([]uuid.UUID, 20)
		for i := range ids {
			ids[i] = w.place(visa)
			w.do(ids[i], domain.Capture{})
		}
		looked := map[string]bool{}
		gate := make(chan struct{}, 1) // a lock: requests come side by side
		w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
			gate <- struct{}{}
			defer func() { <-gate }()
			if r.Method == "POST" && !looked[r.PaymentIntent] {
				t.Error("asked before it looked")
			}
			looked[r.PaymentIntent] = true
			return stripesim.Fault{}
		})
		p := w.start(func(c *saga.Config) { c.MaxReady = 2 })
		defer p.stop()
		p.settle()
		for _, id := range ids {
			w.ends(id, "CaptureRequested", "PaymentCaptured")
		}
	})
}

func TestStopsAtAnEventThatCannotBeRead(t *testing.T) {
	inWorld(t, func(w *world) {
		path := filepath.Join(t.TempDir(), "saga.json")
		id := w.place(visa)
		w.do(id, domain.Capture{})
		e, _, err := eventstore.Seal(eventstore.OrderStream(id), 3, eventstore.Event{
			ID: uuid.New(), Type: "Teleported", Data: []byte(`{}`),
		}, eventstore.Envelope{Schema: 1, OccurredAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.log.Append(context.Background(), eventstore.OrderStream(id), 2, e); err != nil {
			t.Fatal(err)
		}
		w.silence()
		for range 2 { // it is as stubborn when it is started again
			p := w.start(func(c *saga.Config) { c.SnapshotPath = path })
			err = <-p.done
			if !errors.Is(err, eventstore.ErrUnknownType) || !strings.Contains(err.Error(), "position 4") {
				t.Errorf("%v", err)
			}
			if st := p.Status(); st.Ready || st.Checkpoint != 3 || st.Error != err.Error() || st.Open != 1 {
				t.Errorf("%+v", st)
			}
			p.end()
		}
	})
}

func TestStopsAtAGap(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		w.do(id, domain.Capture{})
		w.log.(*memstore.Store).Drop(2)
		w.silence()
		p := w.start()
		defer p.end()
		if err := <-p.done; !errors.Is(err, eventstore.ErrGap) {
			t.Errorf("%v", err)
		}
	})
}

// flaky is a log that is away for a while: appends fail, before or after they were applied.
type flaky struct {
	eventstore.Store
	fail func(applied bool) error
}

func (f flaky) Append(ctx context.Context, stream string, at eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	if err := f.fail(false); err != nil {
		return eventstore.Recorded{}, err
	}
	r, err := f.Store.Append(ctx, stream, at, e)
	if lost := f.fail(true); lost != nil {
		return eventstore.Recorded{}, lost
	}
	return r, err
}

func TestLedgerAwayWhileRecording(t *testing.T) {
	for _, applied := range []bool{false, true} {
		for _, a := range acts {
			t.Run(fmt.Sprintf("%s/applied %v", a.name, applied), func(t *testing.T) {
				inWorld(t, func(w *world) {
					id := a.prepare(w, visa)
					var left atomic.Int64
					left.Store(5)
					log := flaky{w.log, func(was bool) error {
						if was == applied && left.Add(-1) >= 0 {
							return fmt.Errorf("%w: away", eventstore.ErrUnavailable)
						}
						return nil
					}}
					p := w.start(func(c *saga.Config) { c.Handler = commands.NewHandler(log, eventstore.Codec{}, time.Now) })
					defer p.stop()
					synctest.Wait()
					w.do(id, a.do)
					p.settle()
					w.ends(id, a.tells...)
				})
			})
		}
	}
}

// The log that can't be read for a while is read on where it was.
func TestLogAwayWhileFollowing(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.place(visa)
		p := w.start()
		defer p.stop()
		synctest.Wait()
		w.log.(*memstore.Store).FailNextRead(fmt.Errorf("%w: away", eventstore.ErrUnavailable))
		_, err := w.clerk.Handle(context.Background(), commands.Request{
			OrderID: id, Command: domain.Capture{}, CommandID: uuid.New(), Actor: domain.Actor{ID: "erika", Role: domain.Clerk},
		})
		if err != nil {
			t.Fatal(err)
		}
		p.settle()
		w.ends(id, "CaptureRequested", "PaymentCaptured")
		if st := p.Status(); st.Error != "" {
			t.Errorf("%+v", st)
		}
	})
}

func TestBackoffStaysWithinItsBounds(t *testing.T) {
	for _, tt := range []struct {
		share float64 // what the random source says
		want  []time.Duration
	}{
		{0, []time.Duration{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
		{0.5, []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 450, 450, 450}},
		{1, []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900}},
	} {
		t.Run(fmt.Sprint(tt.share), func(t *testing.T) {
			inWorld(t, func(w *world) {
				id := w.place(visa)
				sent := make(chan time.Time, 10_000)
				w.sim.Fail(func(r stripesim.Request) stripesim.Fault {
					if r.Method == "GET" {
						return stripesim.Fault{}
					}
					sent <- time.Now()
					return stripesim.Fault{Kind: stripesim.ErrorBefore}
				})
				p := w.start(func(c *saga.Config) { c.Rand = func() float64 { return tt.share } })
				defer p.stop()
				synctest.Wait()
				w.do(id, domain.Capture{})
				for _, want := range tt.want {
					pass((want + 1) * time.Second)
				}
				before := <-sent
				for i, want := range tt.want {
					next := <-sent
					if got := next.Sub(before); got < want*time.Second || got > (want+1)*time.Second {
						t.Errorf("wait %d: %s, want %d s", i, got, want)
					}
					before = next
				}
			})
		})
	}
}

// Several sagas on one log get in each other's way, and do no more than one would.
func TestSeveralProcesses(t *testing.T) {
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				var ids []uuid.UUID
				for range 5 {
					ids = append(ids, a.prepare(w, visa))
				}
				all := make([]*process, 3)
				for i := range all {
					all[i] = w.start()
				}
				synctest.Wait()
				w.sim.Fail(stripesim.FailTimes(10, func(r stripesim.Request) bool { return r.Method == "POST" },
					stripesim.Fault{Kind: stripesim.DropAfter}))
				for _, id := range ids {
					w.do(id, a.do)
				}
				for _, p := range all {
					p.settle()
					p.stop()
				}
				for _, id := range ids {
					w.ends(id, a.tells...)
				}
			})
		})
	}
}

// TestOverTheNetwork does all acts with the real client over real connections, side by side.
func TestOverTheNetwork(t *testing.T) {
	stripe := simtest.Start(t, stripesim.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	w := newWorld(t, stripe.Sim, stripe.Payments)
	p := w.start(func(c *saga.Config) { c.MinBackoff, c.MaxBackoff = time.Millisecond, 10*time.Millisecond })
	defer p.stop()
	var ids []uuid.UUID
	for range 5 {
		for range acts {
			ids = append(ids, w.place(visa))
		}
	}
	each := func(do func(a act, id uuid.UUID)) {
		for i, id := range ids {
			do(acts[i%len(acts)], id)
		}
		w.follow(ids)
	}
	each(func(a act, id uuid.UUID) {
		if a.paid {
			w.do(id, domain.Capture{})
		}
	})
	each(func(a act, id uuid.UUID) { w.do(id, a.do) })
	for i, id := range ids {
		w.ends(id, acts[i%len(acts)].tells...)
	}
}

// follow reads the log until none of the orders waits for an answer.
func (w *world) follow(ids []uuid.UUID) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	head, err := w.log.Head(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	sub, err := w.log.Subscribe(ctx, head)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	for _, id := range ids {
		for w.order(id).Pending.Act != "" {
			if _, err := sub.Next(ctx, 1000); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// BenchmarkCatchUp reads a log from its beginning, as a saga does that has no snapshot.
func BenchmarkCatchUp(b *testing.B) {
	log := memstore.New()
	h := commands.NewHandler(log, eventstore.Codec{}, time.Now)
	const orders = 20_000
	for n := range orders {
		in := intake(n)
		in.Payment.PaymentIntent = "pi_1"
		for _, c := range []domain.Command{
			domain.Place{Intake: in, Authorization: domain.Authorization{
				PaymentIntent: "pi_1", Status: "requires_capture", Amount: total, Currency: "USD",
			}},
			domain.Accept{},
			domain.Capture{},
			domain.RecordCaptured{PaymentIntent: "pi_1", Amount: total, Currency: "USD", Answer: domain.Answer{Source: "stripe"}},
			domain.Ship{},
		} {
			if _, err := h.Handle(b.Context(), commands.Request{OrderID: in.ID(), Command: c, CommandID: uuid.New()}); err != nil {
				b.Fatal(err)
			}
		}
	}
	stripe := simtest.Start(b)
	for b.Loop() {
		s, err := saga.New(saga.Config{Log: log, Handler: h, Payments: stripe.Payments})
		if err != nil {
			b.Fatal(err)
		}
		ctx, end := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		for !s.Ready() {
			runtime.Gosched()
		}
		end()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(5*orders*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkCaptures carries captures out over real connections, from the clerk's click to the recorded answer.
func BenchmarkCaptures(b *testing.B) {
	stripe := simtest.Start(b)
	w := newWorld(b, stripe.Sim, stripe.Payments)
	p := w.start()
	defer p.stop()
	var ids []uuid.UUID
	for range b.N {
		ids = append(ids, w.place(visa))
	}
	b.ResetTimer()
	for _, id := range ids {
		w.do(id, domain.Capture{})
	}
	w.follow(ids)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "captures/s")
}
