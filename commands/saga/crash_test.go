package saga_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/follow/followtest"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

type mortalPayments struct {
	commands.Payments
	fate *followtest.Fate
}

func (p mortalPayments) Read(ctx context.Context, id string) (commands.PaymentIntent, error) {
	return followtest.Around(p.fate, func() (commands.PaymentIntent, error) { return p.Payments.Read(ctx, id) })
}

func (p mortalPayments) Capture(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	return followtest.Around(p.fate, func() (commands.PaymentIntent, error) { return p.Payments.Capture(ctx, r) })
}

func (p mortalPayments) Release(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	return followtest.Around(p.fate, func() (commands.PaymentIntent, error) { return p.Payments.Release(ctx, r) })
}

func (p mortalPayments) Refund(ctx context.Context, r commands.PaymentRequest) (commands.PaymentRefund, error) {
	return followtest.Around(p.fate, func() (commands.PaymentRefund, error) { return p.Payments.Refund(ctx, r) })
}

// click gives a clerk's command until it is answered or the process is dead; true when it was answered.
func click(log eventstore.Store, id uuid.UUID, c domain.Command, command uuid.UUID) bool {
	_, err := commands.NewHandler(log, eventstore.Codec{}, time.Now).Handle(context.Background(), commands.Request{
		OrderID: id, Command: c, CommandID: command, Actor: domain.Actor{ID: "erika", Role: domain.Manager, Via: domain.ViaAPI},
	})
	return err == nil
}

// The process dies at every step between a clerk's click and the recorded answer, and once more at every step after its
// restart. Then it is started a last time, the clerk clicks again if there was no answer, and all must be as if nothing had
// happened.
func TestDyingAnywhere(t *testing.T) {
	for _, a := range acts {
		for _, snapshots := range []string{"kept", "lost"}[:saga.UnlessRace(2, 1)] {
			for first := 1; first > 0; first++ {
				survived := false
				for second := 1; second > 0; second++ {
					name := fmt.Sprintf("%s/snapshot %s/step %d, then %d", a.name, snapshots, first, second)
					ok := t.Run(name, func(t *testing.T) {
						inWorld(t, func(w *world) {
							path := filepath.Join(t.TempDir(), "saga.json")
							id, command := a.prepare(w, visa), uuid.New()
							answered := false
							for life, steps := range []int{first, second, 0} {
								f := followtest.DieAt(steps)
								log := followtest.Log{Store: w.log, Fate: f}
								p := w.start(func(c *saga.Config) {
									c.Log, c.Handler = log, commands.NewHandler(log, eventstore.Codec{}, time.Now)
									c.Payments, c.SnapshotPath = mortalPayments{w.stripe, f}, path
								})
								if !answered {
									answered = click(log, id, a.do, command)
								}
								if steps == 0 {
									p.settle()
								} else {
									synctest.Wait()
									if life == 0 && !f.Dead() {
										survived = true
									}
									if life == 1 && !f.Dead() {
										second = -1 // there are no further steps
									}
								}
								p.stop()
								if snapshots == "lost" {
									if err := os.RemoveAll(path); err != nil {
										t.Fatal(err)
									}
								}
								pass(time.Minute)
							}
							w.ends(id, a.tells...)
						})
					})
					if !ok || second < 0 {
						break
					}
				}
				if survived {
					break
				}
			}
		}
	}
}
