package saga_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// inQuietWorld runs a test in a world without Stripe: its orders are on account.
func inQuietWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newWorld(t, nil, nil)) })
}

// due brings an order in that must be confirmed within a time.
func (w *world) due(within time.Duration) uuid.UUID {
	w.t.Helper()
	w.orders++
	in := intake(w.orders)
	in.Customer.AccountNumber, in.Payment.Method = "VINET", domain.Account
	by := time.Now().UTC().Add(within)
	w.do(in.ID(), domain.Place{Intake: in, Confirm: domain.Confirmation{By: by, DueFrom: by.Truncate(24 * time.Hour), Zone: "UTC", Calendar: "weekdays"}})
	return in.ID()
}

// missed are the instants at which an order's confirmation was recorded as missed.
func (w *world) missed(id uuid.UUID) (at []time.Time) {
	w.t.Helper()
	for r, err := range w.log.ReadStream(context.Background(), eventstore.OrderStream(id), eventstore.NoStream) {
		if err != nil {
			w.t.Fatal(err)
		}
		e, env, err := eventstore.Codec{}.Decode(r)
		if err != nil {
			w.t.Fatal(err)
		}
		if m, ok := e.(domain.ConfirmationMissed); ok {
			at = append(at, env.OccurredAt)
			if by := w.order(id).Confirm.By; !m.ConfirmBy.Equal(by) || env.Actor.ID != "saga" || env.Actor.Role != domain.System {
				w.t.Errorf("missed %s by %+v, due %s", m.ConfirmBy, env.Actor, by)
			}
		}
	}
	return at
}

// A clock that nobody stops runs out at its very instant; whether this process watched it all the time, began in between, with
// a snapshot or without, or was down when it did.
func TestClockRunsOut(t *testing.T) {
	for name, down := range map[string][2]time.Duration{
		"always up": {}, "restarted before": {time.Hour, 2 * time.Hour}, "down when it was due": {time.Hour, 50 * time.Hour},
	} {
		for _, snapshot := range []string{"", "snapshot.json"} {
			t.Run(name+" "+snapshot, func(t *testing.T) {
				inQuietWorld(t, func(w *world) {
					use := func(*saga.Config) {}
					if snapshot != "" {
						snapshot = t.TempDir() + "/" + snapshot
						use = func(c *saga.Config) { c.SnapshotPath = snapshot }
					}
					id := w.due(36 * time.Hour)
					by := w.order(id).Confirm.By
					p := w.start(use)
					wanted := by
					if down[1] > 0 {
						pass(down[0])
						p.stop()
						pass(down[1] - down[0])
						if now := time.Now(); now.After(by) {
							wanted = now.UTC()
						}
						p = w.start(use)
					} else {
						pass(36*time.Hour - time.Microsecond)
						synctest.Wait()
						if st := p.Status(); len(w.missed(id)) != 0 || st.Clocks != 1 {
							t.Errorf("before it is due: %v, %+v", w.missed(id), st)
						}
					}
					defer func() { p.stop() }()
					pass(100 * time.Hour)
					synctest.Wait()
					if at := w.missed(id); !slices.Equal(at, []time.Time{wanted}) {
						t.Errorf("missed at %v, want %v", at, wanted)
					}
					if st := p.Status(); st.Clocks != 0 {
						t.Errorf("%+v", st)
					}
					w.do(id, domain.Accept{})
					o := w.order(id)
					if !o.ConfirmedLate() || !slices.Contains(o.Badges(time.Now()), domain.BadgeConfirmationMissed) {
						t.Errorf("accepted afterwards: %+v", o.Badges(time.Now()))
					}
				})
			})
		}
	}
}

func TestClockThatIsStopped(t *testing.T) {
	inQuietWorld(t, func(w *world) {
		p := w.start()
		defer p.stop()
		accepted, cancelled, none := w.due(24*time.Hour), w.due(24*time.Hour), intake(99)
		none.Customer.AccountNumber, none.Payment.Method = "VINET", domain.Account
		w.do(none.ID(), domain.Place{Intake: none})
		pass(24*time.Hour - time.Microsecond)
		w.do(accepted, domain.Accept{})
		w.do(cancelled, domain.Cancel{})
		pass(48 * time.Hour)
		synctest.Wait()
		for _, id := range []uuid.UUID{accepted, cancelled, none.ID()} {
			if at := w.missed(id); len(at) != 0 || w.order(id).ConfirmedLate() {
				t.Errorf("missed at %v", at)
			}
		}
	})
}

// A machine that slept finds the clock further on than its own sleep says.
func TestClockOfAMachineThatSlept(t *testing.T) {
	inQuietWorld(t, func(w *world) {
		var slept atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
		p := w.start(func(c *saga.Config) {
			c.Now, c.Handler = now, commands.NewHandler(w.log, eventstore.Codec{}, now)
		})
		defer p.stop()
		id := w.due(24 * time.Hour)
		pass(time.Hour)
		synctest.Wait()
		slept.Store(int64(30 * time.Hour))
		pass(11 * time.Minute)
		synctest.Wait()
		if at := w.missed(id); len(at) != 1 {
			t.Errorf("missed at %v", at)
		}
	})
}

// slowLog is a log on which the first append of a type is held up until it is let go.
type slowLog struct {
	eventstore.Store
	held    string
	once    sync.Once
	reached chan struct{}
	release chan struct{}
}

func (s *slowLog) Append(ctx context.Context, stream string, at eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	if e.Type == s.held {
		s.once.Do(func() {
			close(s.reached)
			<-s.release
		})
	}
	return s.Store.Append(ctx, stream, at, e)
}

// A clerk and the clock at the same instant: both have decided on the same revision, and one is faster. Whoever it is, the order
// is in time or late, and never both.
func TestClerkAndClockAtTheSameInstant(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command domain.Command
		slow    string // whose append comes second
		version bool   // the clerk says what they looked at
		story   []string
		refused bool
		late    bool
	}{
		{"accepted just in time", domain.Accept{}, "ConfirmationMissed", false, []string{"Placed", "Accepted"}, false, false},
		{"accepted just too late", domain.Accept{}, "Accepted", false, []string{"Placed", "ConfirmationMissed", "Accepted"}, false, true},
		{"cancelled just in time", domain.Cancel{}, "ConfirmationMissed", true, []string{"Placed", "Cancelled"}, false, false},
		{"cancelled just too late, having looked", domain.Cancel{}, "Cancelled", true, []string{"Placed", "ConfirmationMissed"}, true, false},
		{"cancelled just too late", domain.Cancel{}, "Cancelled", false, []string{"Placed", "ConfirmationMissed", "Cancelled"}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inQuietWorld(t, func(w *world) {
				id := w.due(24 * time.Hour)
				log := &slowLog{Store: w.log, held: tt.slow, reached: make(chan struct{}), release: make(chan struct{})}
				p := w.start(func(c *saga.Config) { c.Log, c.Handler = log, commands.NewHandler(log, eventstore.Codec{}, time.Now) })
				defer p.stop()
				pass(24*time.Hour - time.Nanosecond)
				synctest.Wait()
				request := commands.Request{OrderID: id, Command: tt.command, CommandID: uuid.New(), Actor: domain.Actor{ID: "erika", Role: domain.Manager}}
				if version := 1; tt.version {
					request.IfVersion = &version
				}
				clerk := func(log eventstore.Store) error {
					_, err := commands.NewHandler(log, eventstore.Codec{}, time.Now).Handle(context.Background(), request)
					return err
				}
				var err error
				if tt.slow == "ConfirmationMissed" {
					pass(time.Nanosecond)
					<-log.reached
					err = clerk(w.log)
					close(log.release)
				} else {
					done := make(chan error)
					go func() { done <- clerk(log) }()
					<-log.reached
					pass(time.Nanosecond)
					synctest.Wait()
					close(log.release)
					err = <-done
				}
				if stale := (*commands.StaleError)(nil); errors.As(err, &stale) != tt.refused || !tt.refused && err != nil {
					t.Errorf("the clerk hears %v", err)
				}
				pass(time.Hour)
				synctest.Wait()
				if _, names := w.events(id); !slices.Equal(names, tt.story) {
					t.Errorf("the order's story is %v, want %v", names, tt.story)
				}
				if o := w.order(id); o.ConfirmedLate() != tt.late {
					t.Errorf("late: %v", o.ConfirmedLate())
				}
				if st := p.Status(); st.Clocks != 0 || st.Error != "" {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// Thousands that fall due at once are all recorded, once each, at that instant; and a process beside this one changes nothing.
func TestManyClocksAtOnce(t *testing.T) {
	inQuietWorld(t, func(w *world) {
		ids := make([]uuid.UUID, 3000)
		for i := range ids {
			ids[i] = w.due(24 * time.Hour)
		}
		p, q := w.start(), w.start()
		defer p.stop()
		defer q.stop()
		pass(24 * time.Hour)
		synctest.Wait()
		for _, id := range ids {
			if at := w.missed(id); len(at) != 1 || !at[0].Equal(w.order(id).Confirm.By) {
				t.Fatalf("%s: missed at %v", id, at)
			}
		}
		if st := p.Status(); st.Clocks != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// The log is away at the instant: it is recorded when the log is back, with the right due time.
func TestClockWhileTheLogIsAway(t *testing.T) {
	inQuietWorld(t, func(w *world) {
		id := w.due(24 * time.Hour)
		var back atomic.Bool
		log := flaky{w.log, func(applied bool) error {
			if applied || back.Load() {
				return nil
			}
			return fmt.Errorf("%w: away", eventstore.ErrUnavailable)
		}}
		p := w.start(func(c *saga.Config) { c.Handler = commands.NewHandler(log, eventstore.Codec{}, time.Now) })
		defer p.stop()
		pass(27 * time.Hour)
		synctest.Wait()
		back.Store(true)
		pass(20 * time.Minute)
		synctest.Wait()
		if at := w.missed(id); len(at) != 1 || at[0].Sub(w.order(id).Confirm.By) < 3*time.Hour {
			t.Errorf("missed at %v", at)
		}
	})
}
