package notify_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/follow/turntest"
	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

// Of two processes one sends; the other knows what was sent, and goes on when its turn comes.
func TestOneOfTwoSends(t *testing.T) {
	inWorld(t, func(w *world) {
		first, second := turntest.New(), turntest.New()
		all := func(turn *turntest.Turns) func(*notify.Config) {
			return func(c *notify.Config) { c.Turn, c.Kinds = turn, w.kinds() }
		}
		a := w.start(all(first))
		defer a.stop()
		b := w.start(all(second))
		defer b.stop()
		w.place()
		pass(time.Hour)
		for _, p := range []*process{a, b} {
			if st := p.Status(); !st.Ready || st.Open == 0 || len(w.bird.messages()) > 0 {
				t.Fatalf("standing by: %+v, %q", st, w.bird.subjects())
			}
		}
		first.Give()
		pass(time.Minute)
		wants(t, slices.Sorted(slices.Values(w.bird.subjects())), []string{"Placed 10248", "dealer.placed 10248"})
		first.Take()
		synctest.Wait()
		w.place()
		pass(time.Hour)
		wants(t, slices.Sorted(slices.Values(w.bird.subjects())), []string{"Placed 10248", "dealer.placed 10248"})
		second.Give()
		pass(24 * time.Hour) // it is due meanwhile
		if got := w.bird.subjects(); len(got) != 6 {
			t.Errorf("%q", got)
		}
		a.settle()
		b.settle()
	})
}

// A message that is being sent when the turn ends is cut off, and the other sends it with the same id.
func TestTurnEndsWhileSending(t *testing.T) {
	inWorld(t, func(w *world) {
		first, second := turntest.New(), turntest.New()
		stuck := &stuckChannel{pigeon: w.bird}
		kinds := w.customers()
		for i := range kinds {
			kinds[i].Lane = &notify.Lane{Channel: stuck}
		}
		a := w.start(func(c *notify.Config) { c.Turn, c.Kinds = first, kinds })
		defer a.stop()
		b := w.start(func(c *notify.Config) { c.Turn = second })
		defer b.stop()
		first.Give()
		id := w.place()
		synctest.Wait()
		began := time.Now()
		first.Take()
		synctest.Wait()
		if !stuck.ended() || time.Since(began) > 0 {
			t.Fatalf("it goes on sending after its turn: %s", time.Since(began))
		}
		second.Give()
		b.settle()
		wants(t, w.bird.subjects(), []string{"Placed 10248"})
		wants(t, w.outcomes(id), []string{"customer.placed sent"})
		a.settle()
	})
}

// stuckChannel is a server that never answers.
type stuckChannel struct {
	*pigeon
	mu   sync.Mutex
	cuts int
}

func (s *stuckChannel) Send(ctx context.Context, _ notify.Message) error {
	<-ctx.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cuts++
	return ctx.Err()
}

func (s *stuckChannel) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cuts > 0
}

// What was sent while the log went away is not sent again by the same process, though its turn ended with the log.
func TestSentIsNotForgottenWithTheTurn(t *testing.T) {
	inWorld(t, func(w *world) {
		turn := turntest.New()
		log := &deafLog{Store: w.log}
		p := w.start(func(c *notify.Config) {
			c.Turn = turn
			c.Notices.Handler = commands.NewHandler(log, eventstore.Codec{}, time.Now)
		})
		defer p.stop()
		turn.Give()
		w.bird.refuse = func(notify.Message) error { log.set(true); return nil }
		id := w.place()
		synctest.Wait()
		wants(t, w.bird.subjects(), []string{"Placed 10248"})
		turn.Take()
		pass(time.Minute)
		log.set(false)
		w.bird.refuse = nil
		turn.Give()
		p.settle()
		wants(t, w.bird.subjects(), []string{"Placed 10248"})
		wants(t, w.outcomes(id), []string{"customer.placed sent"})
		turn.Take()
		turn.Give()
		w.ship(id)
		p.settle()
		wants(t, w.outcomes(id), []string{"customer.placed sent", "customer.shipped sent"})
	})
}

// deafLog takes nothing while it is deaf.
type deafLog struct {
	*memstore.Store
	mu   sync.Mutex
	deaf bool
}

func (l *deafLog) set(deaf bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deaf = deaf
}

func (l *deafLog) Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	l.mu.Lock()
	deaf := l.deaf
	l.mu.Unlock()
	if deaf {
		return eventstore.Recorded{}, eventstore.ErrUnavailable
	}
	return l.Store.Append(ctx, stream, expected, e)
}

// A zombie was at a message when it was held up, and does not know that another took over and sent it. When it wakes, its message has
// the same id, or is not sent at all, and what it says of it takes nothing back: there is one receipt.
func TestZombieSendsLate(t *testing.T) {
	for _, c := range []struct {
		name    string
		sent    bool // before it was held up
		knows   bool // that its turn is over
		refused error
	}{
		{"before it is sent", false, false, nil},
		{"before it is sent, its turn over", false, true, nil},
		{"after it was sent", true, false, nil},
		{"after it was sent, its turn over", true, true, nil},
		{"after it was refused", true, true, &notify.SendError{Permanent: true, Reason: "no such mailbox"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				wakes := make(chan struct{})
				late := &lateChannel{pigeon: w.bird, wakes: wakes, sent: c.sent, refused: c.refused}
				kinds := w.kinds()
				for i := range kinds {
					kinds[i].Lane = &notify.Lane{Channel: late}
				}
				first, second := turntest.New(), turntest.New()
				first.Give()
				zombie := w.start(func(n *notify.Config) { n.Turn, n.Kinds = first, kinds })
				defer zombie.stop()
				id := w.place()
				pass(2 * time.Minute)
				second.Give()
				other := w.start(func(n *notify.Config) { n.Turn, n.Kinds = second, w.kinds() })
				defer other.stop()
				pass(10 * time.Minute)
				want := []string{"customer.placed sent", "dealer.placed sent"}
				wants(t, slices.Sorted(slices.Values(w.outcomes(id))), want)
				if c.knows {
					first.Take()
				}
				close(wakes)
				pass(time.Hour)
				wants(t, slices.Sorted(slices.Values(w.outcomes(id))), want)
				ids := map[string]bool{}
				for _, m := range w.bird.messages() {
					ids[m.ID] = true
				}
				if n := len(w.bird.messages()); len(ids) != 2 || n > 4 {
					t.Errorf("%d messages with %d ids", n, len(ids))
				}
				if st := other.Status(); !st.Ready {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// lateChannel is that of a process which is held up before it sends, or after: whatever its context says.
type lateChannel struct {
	*pigeon
	wakes   <-chan struct{}
	sent    bool
	refused error
}

func (l *lateChannel) Send(ctx context.Context, m notify.Message) error {
	if !l.sent {
		<-l.wakes
	}
	err := l.refused
	if err == nil {
		err = l.pigeon.Send(ctx, m)
	}
	<-l.wakes
	return err
}

// A process that was held up past its turn, and has not been told so yet, sends nothing.
func TestNothingIsSentAfterTheTurn(t *testing.T) {
	inWorld(t, func(w *world) {
		wakes := make(chan struct{})
		kinds := w.customers()
		for i, k := range kinds {
			kinds[i].Write = func(s notify.Subject) (notify.Message, error) {
				<-wakes
				return k.Write(s)
			}
		}
		turn := turntest.New()
		turn.Give()
		p := w.start(func(c *notify.Config) { c.Turn, c.Kinds = turn, kinds })
		defer p.stop()
		id := w.place()
		synctest.Wait()
		turn.Expire()
		close(wakes)
		pass(time.Minute)
		wants(t, w.bird.subjects(), nil)
		turn.Take()
		synctest.Wait()
		turn.Give()
		p.settle()
		wants(t, w.bird.subjects(), []string{"Placed 10248"})
		wants(t, w.outcomes(id), []string{"customer.placed sent"})
	})
}
