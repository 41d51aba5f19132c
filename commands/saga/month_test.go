package saga_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/follow/followtest"
	"github.com/orderledger/orderledger/commands/manufacturer"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// The month has Thanksgiving, All Saints' Day and the end of summer time in it.
var monthBegins = time.Date(2026, 10, 30, 0, 0, 0, 0, time.UTC)

// month is a month of orders for several manufacturers, of clerks who accept in time, late or never, and of a process that dies.
type month struct {
	*world
	random *rand.Rand
	shift  time.Duration // from the bubble's time to the month's
	placer *commands.Placer
	plans  []plan
	ids    []uuid.UUID
	starts []time.Time // of the process' lives
}

// plan is an order: when it comes, and what a clerk does with it how long after; nothing when that is nil.
type plan struct {
	arrives time.Time
	maker   string
	act     domain.Command
	after   time.Duration
}

func newMonth(w *world, seed uint64) *month {
	book, err := manufacturer.Parse(map[string]any{
		"acme":    map[string]any{"time-zone": "America/New_York", "work-hours": "08:00-17:00", "holidays": "us"},
		"bayern":  map[string]any{"time-zone": "Europe/Berlin", "work-hours": "07:30-16:00", "holidays": "de-by", "days-to-confirm": 2},
		"tokyo":   map[string]any{"time-zone": "Asia/Tokyo", "holidays": "jp"},
		"default": map[string]any{"time-zone": "Pacific/Auckland"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	m := &month{world: w, random: rand.New(rand.NewPCG(seed, 1)), shift: time.Until(monthBegins)}
	w.clerk = commands.NewHandler(w.log, eventstore.Codec{}, m.now)
	m.placer = &commands.Placer{Handler: w.clerk, Calendars: book.Calendars(), Calendar: book.Of(manufacturer.Default).Calendar}
	makers := []string{"acme", "bayern", "tokyo", "somebody"}
	for range 120 {
		p := plan{
			arrives: monthBegins.Add(time.Duration(m.random.Int64N(int64(30 * 24 * time.Hour)))), maker: makers[m.random.IntN(len(makers))],
			after: time.Duration(m.random.Int64N(int64(5 * 24 * time.Hour))),
		}
		switch m.random.IntN(4) {
		case 0:
			p.act = domain.Cancel{}
		case 1, 2:
			p.act = domain.Accept{}
		}
		if m.random.IntN(6) == 0 { // several fall due at once
			p.arrives = time.Date(2026, 11, 21, 12, m.random.IntN(60), 0, 0, time.UTC)
		}
		m.plans = append(m.plans, p)
	}
	slices.SortFunc(m.plans, func(a, b plan) int { return a.arrives.Compare(b.arrives) })
	return m
}

func (m *month) now() time.Time { return time.Now().Add(m.shift) }

// appointment is something that is done at an instant.
type appointment struct {
	at time.Time
	do func()
}

// live lets the month pass. A process that has died stays away for a while; steps says after how many steps the next one dies.
func (m *month) live(steps func() int, keepSnapshot bool) {
	agenda := m.agenda()
	path := filepath.Join(m.t.TempDir(), "saga.json")
	var p *process
	var f *followtest.Fate
	begin := func() {
		if !keepSnapshot {
			if err := os.RemoveAll(path); err != nil {
				m.t.Fatal(err)
			}
		}
		f = followtest.DieAt(steps())
		log := followtest.Log{Store: m.log, Fate: f}
		m.starts = append(m.starts, m.now().Truncate(time.Microsecond))
		p = m.start(func(c *saga.Config) {
			c.Log, c.Handler, c.SnapshotPath, c.Now = log, commands.NewHandler(log, eventstore.Codec{}, m.now), path, m.now
		})
	}
	begin()
	for end := monthBegins.Add(36 * 24 * time.Hour); m.now().Before(end); {
		// By the hour, so that the dead are not left lying.
		next := m.now().Add(time.Hour)
		if len(agenda) > 0 && agenda[0].at.Before(next) {
			next = agenda[0].at
		}
		pass(max(0, next.Sub(m.now())))
		synctest.Wait()
		for len(agenda) > 0 && !agenda[0].at.After(m.now()) {
			agenda[0].do()
			agenda = agenda[1:]
			synctest.Wait()
		}
		if f.Dead() {
			p.stop()
			p, f = nil, followtest.DieAt(0)
			agenda = append(agenda, appointment{at: m.now().Add(time.Duration(m.random.Int64N(int64(9 * time.Hour)))), do: begin})
			slices.SortStableFunc(agenda, func(a, b appointment) int { return a.at.Compare(b.at) })
		}
	}
	if p != nil {
		p.stop()
	}
	steps = func() int { return 0 }
	begin()
	pass(15 * 24 * time.Hour)
	synctest.Wait()
	if st := p.Status(); st.Clocks != 0 || !st.Ready {
		m.t.Errorf("%+v", st)
	}
	p.stop()
}

func (m *month) agenda() (agenda []appointment) {
	m.ids = make([]uuid.UUID, len(m.plans))
	for i, plan := range m.plans {
		in := intake(i)
		in.Manufacturer, in.Customer.AccountNumber, in.Payment.Method = plan.maker, "VINET", domain.Account
		m.ids[i] = in.ID()
		agenda = append(agenda, appointment{plan.arrives, func() {
			_, err := m.placer.Place(context.Background(), commands.PlaceRequest{
				Intake: in, CommandID: uuid.New(), Actor: domain.Actor{ID: "shop", Role: domain.Shop, Via: domain.ViaAPI},
			})
			if err != nil {
				m.t.Fatal(err)
			}
		}})
		if plan.act != nil {
			agenda = append(agenda, appointment{plan.arrives.Add(plan.after), func() { m.do(in.ID(), plan.act) }})
		}
	}
	slices.SortStableFunc(agenda, func(a, b appointment) int { return a.at.Compare(b.at) })
	return agenda
}

// check compares what was recorded with the plan. It returns how many were missed.
func (m *month) check() (missed int) {
	m.t.Helper()
	for i, plan := range m.plans {
		o := m.order(m.ids[i])
		at, acted := m.missed(m.ids[i]), plan.arrives.Add(plan.after)
		inTime := plan.act != nil && !acted.After(o.Confirm.By)
		// Nobody was there to see it before somebody acted: then it is not recorded, and the order is shown as late all the same.
		unseen := plan.act != nil && !inTime && len(m.starts) > 2
		missed += len(at)
		switch {
		case inTime && len(at) != 0, !inTime && !unseen && len(at) != 1, len(at) > 1:
			m.t.Errorf("%s due %s, %T at %s: missed at %v; lives began %v", m.ids[i], o.Confirm.By, plan.act, acted, at, m.starts)
		case len(at) == 1 && !at[0].Equal(o.Confirm.By) && !slices.ContainsFunc(m.starts, at[0].Equal):
			m.t.Errorf("%s due %s: recorded at %s, when no life began", m.ids[i], o.Confirm.By, at[0])
		}
		if _, accepted := plan.act.(domain.Accept); accepted && o.ConfirmedLate() == inTime {
			m.t.Errorf("%s due %s, accepted at %s: late %v", m.ids[i], o.Confirm.By, acted, o.ConfirmedLate())
		}
	}
	return missed
}

// A month in which nobody dies: each order that was not confirmed in time is recorded as missed once, at the very instant, and
// no other is.
func TestMonth(t *testing.T) {
	inQuietWorld(t, func(w *world) {
		m := newMonth(w, 1)
		m.live(func() int { return 0 }, true)
		if n := m.check(); n < 30 || n > 90 {
			t.Errorf("%d of %d orders were missed", n, len(m.plans))
		}
		for _, id := range m.ids {
			if at := m.missed(id); len(at) == 1 && !at[0].Equal(m.order(id).Confirm.By) {
				t.Errorf("%s due %s: recorded at %s", id, m.order(id).Confirm.By, at[0])
			}
		}
	})
}

// The same month in which the process dies at every nth step, before or after an append, and stays away for hours; with its
// snapshot and without. What was never accepted is missed all the same, once.
func TestMonthOfCrashes(t *testing.T) {
	for keep, most := range map[bool]int{true: 9, false: 4} {
		for n := 1; n <= most; n += saga.UnlessRace(1, 3) {
			t.Run(fmt.Sprintf("every %d steps, snapshot kept: %v", n, keep), func(t *testing.T) {
				inQuietWorld(t, func(w *world) {
					m := newMonth(w, uint64(n))
					m.live(func() int { return n }, keep)
					m.check()
					if len(m.starts) < 12 {
						t.Errorf("it died %d times only", len(m.starts))
					}
				})
			})
		}
	}
}
