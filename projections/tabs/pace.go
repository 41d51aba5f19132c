package tabs

import (
	"context"
	"math"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

// What the table pace counts. The stored numbers are part of the file's form.
const (
	paceCameIn   = 1
	paceCaptured = 2
	paceRefunded = 3
	paceAccept   = 4
	paceShip     = 5
)

// Sums are kept by quarters of an hour, of which every zone's days are made; durations by days of UTC, in steps of a tenth.
const (
	slotSeconds = 15 * 60
	daySeconds  = 24 * 60 * 60
	binStep     = 1.1
)

// pace is one row's key: when, what, and the currency, or the step of the duration.
type pace struct {
	slot int64
	what int
	mark any
}

type paced struct{ n, amount int64 }

func floorTo(t time.Time, seconds int64) int64 {
	s := t.Unix()
	return s - ((s%seconds)+seconds)%seconds
}

// keepPace counts what one event of an order means for the days; was and is are the order before and after it.
func (b *writer) keepPace(was, is domain.Order, at time.Time) {
	sum := func(what int, at time.Time, n, amount int64) {
		b.pace(pace{floorTo(at, slotSeconds), what, string(is.Currency)}, n, amount)
	}
	took := func(what int) {
		bin := int64(math.Round(math.Log(max(1, at.Sub(is.ReceivedAt).Seconds())) / math.Log(binStep)))
		b.pace(pace{floorTo(at, daySeconds), what, bin}, 1, 0)
	}
	if was.Version == 0 {
		sum(paceCameIn, at, 1, is.Total)
		return
	}
	if was.AcceptedAt == nil && is.AcceptedAt != nil {
		took(paceAccept)
	}
	if was.ShippedAt == nil && is.ShippedAt != nil {
		took(paceShip)
	}
	if was.CapturedAt == nil && is.CapturedAt != nil {
		sum(paceCaptured, at, 1, is.Taken)
	}
	if before, after := givenBack(was), givenBack(is); after > before {
		sum(paceRefunded, at, 1, after-before)
	} else if after < before {
		sum(paceRefunded, at, -1, after-before)
	}
}

// givenBack is how much of an order's money is with the customer again.
func givenBack(o domain.Order) int64 {
	if o.RefundedAt != nil || (o.CancelledAt != nil && o.Captured()) {
		return o.Taken
	}
	return 0
}

func (b *writer) pace(k pace, n, amount int64) {
	p := b.paces[k]
	b.paces[k] = paced{p.n + n, p.amount + amount}
}

func (b *writer) writePace(ctx context.Context) error {
	for k, p := range b.paces {
		if err := b.exec(ctx, `INSERT INTO pace VALUES (?, ?, ?, ?, ?) ON CONFLICT (slot, what, mark) DO UPDATE SET n = n + excluded.n, amount = amount + excluded.amount`,
			k.slot, k.what, k.mark, p.n, p.amount); err != nil {
			return err
		}
	}
	return nil
}

// Pace implements dashboard.Pacer.
func (d *DB) Pace(ctx context.Context, q projections.PaceQuery) (projections.Pace, error) {
	if q.Days < 1 || q.Days > projections.MaxPaceDays {
		return projections.Pace{}, projections.BadQuery("days", "is %d; use 1 to %d", q.Days, projections.MaxPaceDays)
	}
	last := q.Last.In(q.Zone)
	begin := func(i int) time.Time { // of the i-th day; days are not all of one length
		return time.Date(last.Year(), last.Month(), last.Day()-q.Days+1+i, 0, 0, 0, 0, q.Zone)
	}
	p := projections.Pace{Days: make([]projections.Day, q.Days)}
	for i := range p.Days {
		p.Days[i] = projections.Day{Begin: begin(i), Totals: projections.Sums{}, Captured: projections.Sums{}, Refunded: projections.Sums{}}
	}
	from, to := begin(0).Unix(), begin(q.Days).Unix()
	d.serving.RLock()
	defer d.serving.RUnlock()
	if err := d.sums(ctx, p.Days, from, to); err != nil {
		return p, err
	}
	var err error
	if p.Accept, err = d.spread(ctx, paceAccept, from, to); err == nil {
		p.Ship, err = d.spread(ctx, paceShip, from, to)
	}
	return p, err
}

func (d *DB) sums(ctx context.Context, days []projections.Day, from, to int64) error {
	rows, err := d.f.read.QueryContext(ctx, `SELECT slot, what, mark, n, amount FROM pace WHERE slot >= ? AND slot < ? AND what <= ? ORDER BY slot`,
		from, to, paceRefunded)
	if err != nil {
		return err
	}
	defer rows.Close()
	i := 0
	for rows.Next() {
		var slot, n, amount int64
		var what int
		var currency domain.Currency
		if err := rows.Scan(&slot, &what, &currency, &n, &amount); err != nil {
			return err
		}
		for i+1 < len(days) && slot >= days[i+1].Begin.Unix() {
			i++
		}
		switch day := &days[i]; what {
		case paceCameIn:
			day.Orders += n
			day.Totals[currency] += amount
		case paceCaptured:
			day.Captured[currency] += amount
		case paceRefunded:
			day.Refunded[currency] += amount
		}
	}
	return rows.Err()
}

// spread reads a distribution; steps are few, however many orders there are.
func (d *DB) spread(ctx context.Context, what int, from, to int64) (s projections.Spread, err error) {
	rows, err := d.f.read.QueryContext(ctx, `SELECT mark, sum(n) FROM pace WHERE slot >= ? AND slot < ? AND what = ? GROUP BY mark ORDER BY mark`,
		from-((from%daySeconds)+daySeconds)%daySeconds, to, what)
	if err != nil {
		return s, err
	}
	defer rows.Close()
	type step struct{ bin, n int64 }
	var steps []step
	for rows.Next() {
		var x step
		if err := rows.Scan(&x.bin, &x.n); err != nil {
			return s, err
		}
		steps = append(steps, x)
		s.Count += x.n
	}
	at := func(part float64) time.Duration {
		want, seen := int64(math.Ceil(part*float64(s.Count))), int64(0)
		for _, x := range steps {
			if seen += x.n; seen >= want {
				return time.Duration(math.Pow(binStep, float64(x.bin)) * float64(time.Second)).Round(time.Second)
			}
		}
		return 0
	}
	if s.Count > 0 {
		s.Median, s.P90 = at(.5), at(.9)
	}
	return s, rows.Err()
}

// BadgeCounts implements dashboard.Pacer. Like Counts, it counts no order but those whose badges come with the clock.
func (d *DB) BadgeCounts(ctx context.Context) (projections.BadgeCounts, error) {
	now, counts := instant(d.now()), projections.BadgeCounts{}
	d.serving.RLock()
	defer d.serving.RUnlock()
	rows, err := d.f.read.QueryContext(ctx, `SELECT tab, badges, sum(orders) FROM facets WHERE badges <> 0 AND orders > 0 GROUP BY tab, badges UNION ALL
		SELECT ?, ?, (`+due+`) UNION ALL SELECT ?, ?, count(*) FROM orders WHERE expiring_from <= ?`,
		string(domain.TabNew), bit(domain.BadgeConfirmationDue), now, now, // what waits to be accepted, or captured, is in no other tab
		string(domain.TabNew), bit(domain.BadgeAuthorizationExpiring), now)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var tab domain.Tab
		var badges, n int64
		if err := rows.Scan(&tab, &badges, &n); err != nil {
			return nil, err
		}
		for _, b := range domain.Badges {
			if badges&bit(b) == 0 || n == 0 {
				continue
			}
			if counts[b] == nil {
				counts[b] = map[domain.Tab]int64{}
			}
			counts[b][tab] += n
		}
	}
	return counts, rows.Err()
}
