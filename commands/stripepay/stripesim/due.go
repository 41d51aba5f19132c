package stripesim

import (
	"cmp"
	"context"
	"math"
	"strings"
	"time"
)

// Times says how long things take by the simulator's clock. What is zero takes its usual time.
type Times struct {
	// Refund is between a refund and each of its later statuses, such as pending and succeeded; 5 days.
	Refund time.Duration
	// DisputeOpens is between a capture and the dispute of a card that disputes; 3 days.
	DisputeOpens time.Duration
	// DisputeStep is between each two statuses of a dispute; 7 days.
	DisputeStep time.Duration
}

// WithTimes changes how long things take. A hold always ends after seven days.
func WithTimes(t Times) Option {
	return func(s *Sim) {
		s.times = Times{
			Refund:       cmp.Or(t.Refund, s.times.Refund),
			DisputeOpens: cmp.Or(t.DisputeOpens, s.times.DisputeOpens),
			DisputeStep:  cmp.Or(t.DisputeStep, s.times.DisputeStep),
		}
	}
}

const day = 24 * time.Hour

var usualTimes = Times{Refund: 5 * day, DisputeOpens: 3 * day, DisputeStep: 7 * day}

// Advance does what is due by the clock: holds end, refunds settle, disputes open and go on; each as of its own time, in the order
// of those times, with its journal entries and events. Everything that looks at the simulator does the same first, so that what
// it sees is never behind the clock; Advance is for when nobody looks.
func (s *Sim) Advance(ctx context.Context) error {
	return s.transact(&call{ctx: ctx}, func() error { return nil })
}

// NextDue says when something will happen by itself, if anything will: the time to set a virtual clock to.
func (s *Sim) NextDue(ctx context.Context) (at time.Time, found bool, err error) {
	c := &call{ctx: ctx}
	err = s.transact(c, func() error {
		at, _, found, err = c.firstDue()
		return err
	})
	return at.UTC(), found, err
}

// never is later than every due time.
var never = time.UnixMicro(math.MaxInt64)

// schedule makes something happen to the object at an instant, instead of what was to happen to it before. What that is, is in
// the object: see happen.
func (c *call) schedule(id string, at time.Time) error {
	if at.Before(c.db.nextDue) {
		c.db.nextDue = at
	}
	return c.db.exec(c.ctx, `INSERT OR REPLACE INTO due (id, at) VALUES (?, ?)`, id, at.UnixMicro())
}

// unschedule lets nothing happen to the object by itself.
func (c *call) unschedule(id string) error {
	return c.db.exec(c.ctx, `DELETE FROM due WHERE id = ?`, id)
}

func (c *call) firstDue() (at time.Time, id string, found bool, err error) {
	var micros int64
	found, err = c.db.get(c.ctx, `SELECT at, id FROM due ORDER BY at, id LIMIT 1`, nil, &micros, &id)
	return time.UnixMicro(micros), id, found, err
}

// catchUp does what is due by now.
func (c *call) catchUp() error {
	for !c.now.Before(c.db.nextDue) {
		at, id, found, err := c.firstDue()
		switch {
		case err != nil:
			return err
		case !found:
			c.db.nextDue = never
			return nil
		case c.now.Before(at):
			c.db.nextDue = at
			return nil
		}
		if err := c.unschedule(id); err != nil {
			return err
		}
		nobody := &call{ctx: c.ctx, sim: c.sim, db: c.db, now: at, actor: ActorStripe} // no request asked for it
		if err := nobody.happen(id); err != nil {
			return err
		}
	}
	return nil
}

// happen does what is due to the object that id names.
func (c *call) happen(id string) error {
	prefix, _, _ := strings.Cut(id, "_")
	switch prefix {
	case "pi":
		return c.expire(id)
	case "ch":
		return c.disputeOf(id)
	case "re":
		return c.settle(id)
	default:
		return c.decide(id)
	}
}
