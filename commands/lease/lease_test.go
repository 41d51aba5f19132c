package lease_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/commands/lease"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// takeover is within what others are to notice that a holder is gone.
const takeover = 15 * time.Second

// link is one process's way to the store, which can fail.
type link struct {
	eventstore.Leaser
	mu   sync.Mutex
	away bool          // nothing gets through
	lose int           // so many answers to writes are lost
	rand *rand.Rand    // of random troubles; nil: none
	each time.Duration // what each way takes
}

// shared is a store whose record can be lost, as when somebody deletes it. No revision comes again.
type shared struct {
	mu     sync.Mutex
	record *eventstore.LocalLease
	before uint64      // revisions of records that were lost
	worked atomic.Bool // the log is not empty
}

// manyRevisions is more than a test writes.
const manyRevisions = 1_000_000

func newShared() *shared { return &shared{record: &eventstore.LocalLease{}} }

func (s *shared) now() (*eventstore.LocalLease, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record, s.before
}

func (s *shared) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record, s.before = &eventstore.LocalLease{}, s.before+manyRevisions
}

func (s *shared) ReadLease(ctx context.Context) (eventstore.LeaseRecord, error) {
	record, before := s.now()
	r, err := record.ReadLease(ctx)
	if r.Revision != 0 {
		r.Revision += before
	}
	return r, err
}

func (s *shared) WriteLease(ctx context.Context, seen uint64, value []byte) (uint64, error) {
	record, before := s.now()
	if seen != 0 {
		seen -= before // of an older one: a revision that never was
	}
	r, err := record.WriteLease(ctx, seen, value)
	return r + before, err
}

func (l *link) set(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
}

func (l *link) trouble(ctx context.Context) (before, after bool) {
	l.mu.Lock()
	away := l.away
	if l.lose > 0 {
		l.lose--
		after = true
	}
	if l.rand != nil {
		before, after = l.rand.IntN(5) == 0, l.rand.IntN(5) == 0
	}
	l.mu.Unlock()
	slow := l.slow()
	if away {
		<-ctx.Done()
		return true, false
	}
	time.Sleep(slow) // in a bubble
	return before, after
}

func (l *link) slow() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rand == nil {
		return l.each
	}
	return time.Duration(l.rand.Int64N(int64(1500 * time.Millisecond)))
}

func (l *link) ReadLease(ctx context.Context) (eventstore.LeaseRecord, error) {
	if before, _ := l.trouble(ctx); before {
		return eventstore.LeaseRecord{}, eventstore.ErrUnavailable
	}
	return l.Leaser.ReadLease(ctx)
}

func (l *link) WriteLease(ctx context.Context, seen uint64, value []byte) (uint64, error) {
	before, after := l.trouble(ctx)
	if before {
		return 0, eventstore.ErrUnavailable
	}
	r, err := l.Leaser.WriteLease(context.WithoutCancel(ctx), seen, value)
	if slow := l.slow(); slow > 0 {
		time.Sleep(slow)
	}
	if after || ctx.Err() != nil {
		return 0, eventstore.ErrUnavailable
	}
	return r, err
}

// member is a process that competes.
type member struct {
	*lease.Lease
	link  *link
	stop  func() // cleanly
	crash func() // it is never heard of again, and does not act any more
}

// join starts a process; began and ended are told of its turns.
func join(t *testing.T, store eventstore.Leaser, id, folder string, began, ended func(id string)) *member {
	t.Helper()
	m := &member{link: &link{Leaser: store}}
	var err error
	m.Lease, err = lease.New(lease.Config{
		Records: m.link, Untouched: untouched(store), Self: lease.Process{ID: id, Folder: folder}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	acting, stopActing := context.WithCancel(context.Background())
	running, stopRunning := context.WithCancel(context.Background())
	var parts, run sync.WaitGroup
	m.Begin(running)
	run.Go(func() { m.Run(running) })
	parts.Go(func() {
		_ = follow.InTurn(acting, m, func(turn context.Context) error {
			began(id)
			<-turn.Done()
			ended(id)
			return turn.Err()
		})
	})
	m.stop = func() {
		stopActing()
		parts.Wait()
		stopRunning()
		run.Wait()
	}
	m.crash = func() {
		m.link.set(true)
		m.stop()
	}
	return m
}

// untouched says whether nobody has worked on a log before, as far as its lease's record tells.
func untouched(store eventstore.Leaser) bool {
	if s, ok := store.(*shared); ok {
		return !s.worked.Swap(true)
	}
	r, _ := store.ReadLease(context.Background())
	return r.Revision == 0
}

func nothing(string) {}

// settled returns when one of the members holds the lease.
func settled(t *testing.T, within time.Duration, members ...*member) {
	t.Helper()
	start := time.Now()
	for time.Since(start) <= within {
		synctest.Wait()
		for _, m := range members {
			if m.Mine() {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nobody acts after %s", within)
}

func TestOneActsAndAnotherGoesOn(t *testing.T) {
	for _, c := range []struct {
		name     string
		ends     func(first *member) // how the first one's turn ends
		after    time.Duration       // the second one acts at the earliest
		takeover time.Duration       // and at the latest
	}{
		{"a clean stop", func(m *member) { m.stop() }, 0, 2 * time.Second},
		{"a crash", func(m *member) { m.crash() }, 7 * time.Second, takeover},
		{"a part that can't go on", func(m *member) { m.Yield() }, 0, 2 * time.Second},
		{"cut off from the store", func(m *member) { m.link.set(true) }, 7 * time.Second, takeover},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &eventstore.LocalLease{}
				first := join(t, store, "a", "", nothing, nothing)
				defer first.stop()
				if !first.Mine() {
					t.Fatal("who is alone does not act from its start")
				}
				second := join(t, store, "b", "", nothing, nothing)
				defer second.stop()
				time.Sleep(time.Minute)
				if s := second.Status(); s.Held || s.Holder == nil || s.Holder.ID != "a" || !first.Mine() || first.Status().Taken != 1 {
					t.Fatalf("%+v, %+v", s, first.Status())
				}
				start := time.Now()
				c.ends(first)
				settled(t, c.takeover, second)
				took := time.Since(start)
				if took < c.after || took > c.takeover || first.Mine() {
					t.Errorf("it took over after %s; the first acts: %v", took, first.Mine())
				}
				t.Logf("taken over after %s", took)
				first.link.set(false)
				time.Sleep(time.Minute)
				if first.Mine() || !second.Mine() || second.Status().Taken != 1 {
					t.Errorf("later: %+v, %+v", first.Status(), second.Status())
				}
			})
		})
	}
}

func TestAlone(t *testing.T) {
	for name, c := range map[string]struct {
		trouble func(m *member)
		taken   int64
		within  time.Duration // of the end of the trouble
	}{
		"the answer to a renewal is lost": {func(m *member) {
			m.link.mu.Lock()
			m.link.lose = 1
			m.link.mu.Unlock()
		}, 1, time.Minute},
		"the store is away for a while": {func(m *member) {
			m.link.set(true)
			time.Sleep(30 * time.Second)
			if s := m.Status(); s.Held || s.Err == nil {
				panic(fmt.Sprintf("it acts while nobody could know: %+v", s))
			}
			m.link.set(false)
		}, 2, 3 * time.Second},
		"a part can't go on": {func(m *member) { m.Yield() }, 2, takeover},
		"the store is slow": {func(m *member) {
			m.link.mu.Lock()
			m.link.each = 800 * time.Millisecond // twice, for a write
			m.link.mu.Unlock()
		}, 1, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := join(t, &eventstore.LocalLease{}, "a", "", nothing, nothing)
				defer m.stop()
				time.Sleep(5 * time.Second)
				c.trouble(m)
				time.Sleep(c.within)
				if s := m.Status(); !s.Held || s.Taken != c.taken || s.Err != nil {
					t.Errorf("%+v, want %d turns", s, c.taken)
				}
			})
		})
	}
}

// Who comes back after a crash knows that it was itself that held the lease, when its data folder is its own; a copy of that folder
// elsewhere takes a lease that is alive at most once.
func TestSameFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &eventstore.LocalLease{}
		first := join(t, store, "a", "f", nothing, nothing)
		time.Sleep(time.Minute)
		first.crash()
		second := join(t, store, "b", "f", nothing, nothing)
		defer second.stop()
		if !second.Mine() {
			t.Fatal("it waits for itself")
		}
		time.Sleep(time.Second) // between two renewals
		twin := join(t, store, "c", "f", nothing, nothing)
		defer twin.stop()
		time.Sleep(time.Hour)
		if !twin.Mine() || second.Mine() || second.Status().Taken+twin.Status().Taken != 2 {
			t.Errorf("%+v, %+v", second.Status(), twin.Status())
		}
	})
}

func TestForeignRecordIsTakenWhenItStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &eventstore.LocalLease{}
		if _, err := store.WriteLease(t.Context(), 0, []byte("no JSON")); err != nil {
			t.Fatal(err)
		}
		m := join(t, store, "a", "", nothing, nothing)
		defer m.stop()
		start := time.Now()
		if settled(t, takeover, m); time.Since(start) < 10*time.Second {
			t.Errorf("after %s", time.Since(start))
		}
	})
}

// Who takes a lease at a slow store keeps it.
func TestSlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := join(t, &eventstore.LocalLease{}, "a", "", nothing, nothing)
		m.crash()
		m = join(t, m.link.Leaser, "b", "", nothing, nothing)
		m.link.mu.Lock()
		m.link.each = 700 * time.Millisecond // twice, for a write
		m.link.mu.Unlock()
		defer m.stop()
		settled(t, takeover+5*time.Second, m)
		time.Sleep(time.Hour)
		if s := m.Status(); !s.Held || s.Taken != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// When somebody deletes the record, who acts goes on, and nobody else begins, be it one that stood by or one that starts just then.
// Where who acted is gone, too, another takes over as ever.
func TestLeaseIsLost(t *testing.T) {
	for _, dies := range []bool{false, true} {
		for moment := range 8 {
			synctest.Test(t, func(t *testing.T) {
				store := newShared()
				a := join(t, store, "a", "", nothing, nothing)
				if !dies {
					defer a.stop()
				}
				b := join(t, store, "b", "", nothing, nothing)
				defer b.stop()
				time.Sleep(time.Minute + time.Duration(moment)*time.Second/4)
				store.lose()
				if dies {
					var dying sync.WaitGroup
					dying.Go(a.crash)
					defer dying.Wait()
				}
				c := join(t, store, "c", "", nothing, nothing)
				defer c.stop()
				if c.Mine() {
					t.Error("one that starts acts at once")
				}
				if dies {
					time.Sleep(6 * time.Second)
					if b.Mine() || c.Mine() {
						t.Error("another acts while the one that did might")
					}
					settled(t, takeover, b, c)
					return
				}
				time.Sleep(time.Minute)
				if s := a.Status(); !s.Held || s.Taken != 1 || b.Status().Taken+c.Status().Taken != 0 {
					t.Errorf("%+v, %+v, %+v", s, b.Status(), c.Status())
				}
				if s := c.Status(); s.Holder == nil || s.Holder.ID != "a" {
					t.Errorf("one that stands by knows of %+v", s.Holder)
				}
			})
		}
	}
}

// Whatever happens to the record and the ways to the store, no two act at the same time; and when all is well again, somebody does.
func TestNeverTwoAtOnce(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			store := newShared()
			var mu sync.Mutex
			acting := map[string]bool{}
			turns := 0
			began := func(id string) {
				mu.Lock()
				defer mu.Unlock()
				if len(acting) > 0 {
					t.Errorf("seed %d: %s acts while %v does", seed, id, acting)
				}
				acting[id], turns = true, turns+1
			}
			ended := func(id string) {
				mu.Lock()
				defer mu.Unlock()
				delete(acting, id)
			}
			members := make([]*member, 3)
			next := 0
			start := func(i int) {
				next++
				members[i] = join(t, store, fmt.Sprint(next), fmt.Sprint("f", i), began, ended)
				members[i].link.mu.Lock()
				members[i].link.rand = rand.New(rand.NewPCG(seed, uint64(next)))
				members[i].link.mu.Unlock()
			}
			for i := range members {
				start(i)
			}
			var lost time.Time
			for range 40 {
				time.Sleep(time.Duration(random.Int64N(int64(15 * time.Second))))
				i := random.IntN(len(members))
				switch random.IntN(6) {
				case 5:
					if time.Since(lost) > 90*time.Second { // who sees nothing both before and after it was made anew can't know
						store.lose()
						lost = time.Now()
					}
				case 0:
					members[i].crash()
					start(i)
				case 1:
					members[i].stop()
					start(i)
				case 2:
					members[i].Yield()
				default:
					members[i].link.set(random.IntN(2) == 0)
				}
			}
			for _, m := range members {
				m.link.mu.Lock()
				m.link.away, m.link.rand = false, nil
				m.link.mu.Unlock()
			}
			settled(t, takeover, members...)
			for _, m := range members {
				m.stop()
			}
			if turns < 3 {
				t.Errorf("seed %d: %d turns; nothing was tried", seed, turns)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	records := &eventstore.LocalLease{}
	for name, c := range map[string]lease.Config{
		"no records":       {Self: lease.Process{ID: "a"}},
		"no id":            {Records: records},
		"kept too long":    {Records: records, Self: lease.Process{ID: "a"}, Keep: 10 * time.Second},
		"renewed too late": {Records: records, Self: lease.Process{ID: "a"}, Renew: 8 * time.Second},
	} {
		if _, err := lease.New(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestInTurnEndsWithItsPart(t *testing.T) {
	broken := errors.New("broken")
	if err := follow.InTurn(t.Context(), follow.Always{}, func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}
