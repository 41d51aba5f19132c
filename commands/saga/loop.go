package saga

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// loop is one run of a saga. Its one goroutine (run) owns the jobs; workers and the follower talk to it over channels.
type loop struct {
	*Saga
	head    eventstore.Position // of the log when the run began
	batches chan []eventstore.Recorded
	tasks   chan task
	done    chan outcome

	jobs  map[string]*job // by key
	ready [lines][]*job   // wait for a worker, first come first served in each line
	later follow.Due[*job]

	turns chan *turn // a turn that begins; nil when it is over, and what was at work in it has ended
	turn  *turn      // nil: it stands by, and only learns

	verify bool // the next event must be the snapshot's last
	saved  eventstore.Position
}

// turn is a time in which this process acts, of all that work on the log.
type turn struct {
	head       eventstore.Position // of the log when it began
	told       bool                // known is closed
	known      chan struct{}       // closed when the log is known as it was then
	reconciled chan struct{}       // closed when it was compared with Stripe
	live       chan struct{}       // closed when it acts
}

// job is the work on one thing: an order's effect, something that Stripe told, a hold that runs out, or a clock.
type job struct {
	follow.Place // among those that wait

	key       string
	effect    Effect // what an order asked for; of the others, no part is set
	hint      Hint
	hold      Hold
	clock     Clock
	tries     tries
	readFirst bool
	state     jobState
	until     time.Time // for those that wait for an instant of the events' clock
}

type jobState int

const (
	queued   jobState = iota // waits for a worker
	running                  // a worker is at it
	changed                  // a worker is at it, and meanwhile the log said more
	dropped                  // a worker is at it, and meanwhile the log said that there is nothing left to do
	backsOff                 // waits for its time
	answered                 // waits for the log to say so
)

func newLoop(s *Saga, head eventstore.Position) *loop {
	return &loop{
		Saga: s, head: head, jobs: map[string]*job{}, verify: s.at.Event != uuid.Nil, saved: s.at.Checkpoint,
		batches: make(chan []eventstore.Recorded), tasks: make(chan task), done: make(chan outcome), turns: make(chan *turn),
	}
}

// takeTurns acts whenever it is this process's turn, until the context ends.
func (l *loop) takeTurns(ctx context.Context) error {
	return follow.InTurn(ctx, l.cfg.Turn, func(held context.Context) error {
		head, err := l.follower().Head(held)
		if err != nil {
			return err
		}
		t := &turn{head: head, known: make(chan struct{}), reconciled: make(chan struct{}), live: make(chan struct{})}
		select {
		case <-held.Done():
			return held.Err()
		case l.turns <- t:
		}
		g, held := errgroup.WithContext(held)
		for range l.cfg.Workers {
			g.Go(func() error { return l.work(held) })
		}
		g.Go(func() error { return l.sweep(held, t) })
		g.Go(func() error { return l.reconcileFirst(held, t) })
		err = g.Wait()
		select {
		case <-ctx.Done():
		case l.turns <- nil:
		}
		return err
	})
}

// work carries out tasks until the turn ends.
func (l *loop) work(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case t := <-l.tasks:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case l.done <- l.attempt(ctx, t):
			}
		}
	}
}

// run is the one goroutine that decides what is done next.
func (l *loop) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	snapshots := time.NewTicker(l.cfg.SnapshotEvery)
	defer snapshots.Stop()
	var reconciled <-chan struct{}
	l.catchUp()
	for {
		var tasks chan<- task
		var next task
		line := l.nextLine()
		if line != nil {
			tasks, next = l.tasks, (*line)[0].task()
		}
		batches := l.batches
		if l.waiting() >= l.cfg.MaxReady {
			batches = nil
		}
		if at, ok := l.later.Next(); ok {
			timer.Reset(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case batch := <-batches:
			if err := l.learn(batch); err != nil {
				return err
			}
		case tasks <- next:
			(*line)[0].state = running
			*line = (*line)[1:]
		case o := <-l.done:
			l.finish(o)
		case <-timer.C:
			l.wake(time.Now())
		case t := <-l.turns:
			l.standBy()
			if reconciled = nil; t != nil {
				l.turn, reconciled = t, t.reconciled
			}
			l.catchUp()
		case <-reconciled:
			l.reconcile, reconciled = false, nil
			l.catchUp()
		case <-snapshots.C:
			l.save()
		}
	}
}

// learn folds what the log says, and acts on it when the log as it was at the beginning is known.
func (l *loop) learn(batch []eventstore.Recorded) error {
	for _, r := range batch {
		if l.verify {
			if !l.at.Ends(r) {
				return follow.ErrForeignSnapshot
			}
			l.verify = false
			l.catchUp()
			continue
		}
		f, relevant, err := factOf(l.cfg.Codec, r)
		if err != nil {
			return fmt.Errorf("saga: stopped after position %d, before an event that can't be read: %w", l.at.Checkpoint, err)
		}
		l.mu.Lock()
		var wanted []Effect
		if relevant {
			l.state, wanted = React(l.state, f)
			l.watched.Watch(f)
		}
		l.at.Pass(r)
		live := l.caughtUp
		l.mu.Unlock()
		switch {
		case !live:
			l.catchUp()
		case relevant:
			l.act(f, wanted)
		}
	}
	return nil
}

// act does what a fact asks for.
func (l *loop) act(f Fact, wanted []Effect) {
	if f.StripeEvent != "" {
		if h, open := l.watched.Hints[f.StripeEvent]; open {
			l.wantHint(h)
		} else {
			l.drop(hintKey(f.StripeEvent))
		}
		return
	}
	if e, open := l.state[f.Order]; !open || e.Parked {
		l.drop(effectKey(f.Order))
	} else {
		for _, e := range wanted {
			l.want(e)
		}
	}
	l.wantHold(f.Order)
	l.wantClock(f.Order)
}

func effectKey(order uuid.UUID) string { return "effect " + order.String() }
func hintKey(event string) string      { return "hint " + event }
func holdKey(order uuid.UUID) string   { return "hold " + order.String() }
func clockKey(order uuid.UUID) string  { return "clock " + order.String() }

// catchUp begins to act when it is this process's turn and the log is known as it was when that began. Whatever is open then may have
// been asked for before, by a process that is gone.
func (l *loop) catchUp() {
	if !l.begins() {
		return
	}
	for _, e := range l.state {
		if !e.Parked {
			l.queue(&job{key: effectKey(e.Order), effect: e, readFirst: true})
		}
	}
	for _, h := range l.watched.Hints {
		l.wantHint(h)
	}
	for order := range l.watched.Holds {
		l.wantHold(order)
	}
	for order := range l.watched.Clocks {
		l.wantClock(order)
	}
}

// begins says whether it begins to act now.
func (l *loop) begins() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.verify || l.at.Checkpoint < l.head {
		return false
	}
	l.knows = true
	if l.turn == nil || l.caughtUp || l.at.Checkpoint < l.turn.head {
		return false
	}
	if l.reconcile {
		if !l.turn.told {
			l.turn.told = true
			close(l.turn.known)
		}
		return false
	}
	l.caughtUp = true
	close(l.turn.live)
	return true
}

// standBy forgets the work: it is another process's, until it is ours again. No worker is at it any more.
func (l *loop) standBy() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn, l.caughtUp, l.troubles, l.waits = nil, false, map[string]error{}, map[string]Wait{}
	l.jobs, l.ready, l.later = map[string]*job{}, [lines][]*job{}, follow.Due[*job]{}
}

func (l *loop) queue(j *job) {
	j.state = queued
	l.jobs[j.key] = j
	l.ready[j.line()] = append(l.ready[j.line()], j)
	l.noteWait(j.key, Wait{})
}

// wantHint takes on something that Stripe told.
func (l *loop) wantHint(h Hint) {
	if key := hintKey(h.ID); l.jobs[key] == nil {
		l.queue(&job{key: key, hint: h})
	}
}

// wantHold takes on an order's hold, to look at it when its time is over, or ends that work when there is none any more.
func (l *loop) wantHold(order uuid.UUID) {
	key := holdKey(order)
	h, held := l.watched.Holds[order]
	j := l.jobs[key]
	switch {
	case j != nil && held && j.hold == h && j.state != dropped:
	case !held || h.Until.IsZero():
		l.drop(key)
	case j == nil:
		j = &job{key: key, hold: h}
		l.jobs[key] = j
		l.waitUntil(j, h.Until)
	case j.state == running, j.state == changed, j.state == dropped: // a worker is at the old one
		j.hold, j.state = h, changed
	default:
		l.drop(key)
		l.wantHold(order)
	}
}

// wantClock takes on an order's clock, to record that it ran out, or ends that work when it was stopped.
func (l *loop) wantClock(order uuid.UUID) {
	key := clockKey(order)
	c, runs := l.watched.Clocks[order]
	switch {
	case !runs:
		l.drop(key)
	case l.jobs[key] == nil: // it is set once
		j := &job{key: key, clock: c}
		l.jobs[key] = j
		l.waitUntil(j, c.Until)
	}
}

// longestSleep bounds how long a job that waits for an instant is not looked at: a machine that slept, or whose clock was set,
// is then not late for long.
const longestSleep = 10 * time.Minute

// waitUntil puts a job off until an instant of the events' clock.
func (l *loop) waitUntil(j *job, at time.Time) {
	j.state, j.until = backsOff, at
	l.later.Put(j, time.Now().Add(min(longestSleep, max(0, at.Sub(l.cfg.Now())))))
}

// want takes on an effect that the log asks for now, or more that it says of one.
func (l *loop) want(e Effect) {
	key := effectKey(e.Order)
	j := l.jobs[key]
	if j == nil {
		l.queue(&job{key: key, effect: e})
		return
	}
	took := e.Refund != j.effect.Refund // Stripe has said that it takes its time
	if e.Request != j.effect.Request {
		j.tries, j.readFirst = tries{}, false
	} else {
		j.readFirst = true
	}
	j.effect = e
	switch j.state {
	case running, dropped:
		j.state = changed
	case backsOff, answered:
		l.rest(j)
		if took {
			j.tries.n = 0
			l.wait(j, true, 0)
		} else {
			l.queue(j)
		}
	}
}

// drop ends the work on what has its answer, or is parked. A worker that is at it finishes first: one order's effects are
// never carried out side by side.
func (l *loop) drop(key string) {
	j := l.jobs[key]
	if j == nil {
		return
	}
	switch j.state {
	case running, changed, dropped:
		j.state = dropped
		return
	case queued:
		l.ready[j.line()] = slices.DeleteFunc(l.ready[j.line()], func(r *job) bool { return r == j })
	case backsOff:
		l.rest(j)
	}
	delete(l.jobs, key)
	l.trouble(key, nil)
	l.noteWait(key, Wait{})
}

// finish takes a worker's outcome.
func (l *loop) finish(o outcome) {
	j := l.jobs[o.key] // it is kept while a worker is at it
	if o.slow || j.state == dropped {
		o.err = nil
	}
	l.trouble(o.key, o.err)
	if j.effect.Request == o.request {
		j.tries, j.readFirst = o.tries, true
	}
	switch {
	case j.state == dropped:
		delete(l.jobs, o.key)
	case j.state == changed && j.hold != (Hold{}): // another hold has taken its place
		l.waitUntil(j, j.hold.Until)
	case j.state == changed && (!o.slow || j.effect.Request != o.request):
		l.queue(j)
	case o.answered:
		j.state = answered
	default:
		l.wait(j, o.slow, o.pause)
	}
}

// wait puts a job off, at least for a pause.
func (l *loop) wait(j *job, slow bool, pause time.Duration) {
	least, most := l.cfg.MinBackoff, l.cfg.MaxBackoff
	if slow {
		least, most = l.cfg.MinPoll, l.cfg.MaxPoll
	}
	j.state, j.until = backsOff, time.Time{}
	l.later.Put(j, time.Now().Add(pause+l.backoff(least, most, j.tries.n)))
	if j.effect != (Effect{}) {
		l.noteWait(j.key, Wait{Tries: j.tries.n, Next: j.DueAt(), TakenOn: slow})
	}
}

// wake queues the jobs whose time has come.
func (l *loop) wake(now time.Time) {
	for j, ok := l.later.Take(now); ok; j, ok = l.later.Take(now) {
		if j.until.After(l.cfg.Now()) {
			l.waitUntil(j, j.until)
		} else {
			l.queue(j)
		}
	}
}

// rest takes a job out of those that wait for their time.
func (l *loop) rest(j *job) {
	if j.state == backsOff {
		l.later.Remove(j)
	}
}

func (s *Saga) backoff(least, most time.Duration, n int) time.Duration {
	return follow.Backoff(least, most, n, s.cfg.Rand())
}

// save writes the snapshot, if there is anything new. It only saves time, so a failure is no more than logged.
func (l *loop) save() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cfg.SnapshotPath == "" || l.at.Checkpoint == l.saved {
		return
	}
	if err := l.at.save(l.cfg.SnapshotPath, l.state, l.watched); err != nil {
		l.cfg.Logger.Warn("saga: the snapshot can't be written", "error", err)
		return
	}
	l.saved = l.at.Checkpoint
}

// lines is how many lines there are: calendar clocks first, which are done at once and don't wait for a Stripe that is slow; then
// what orders asked for; then what is only to be looked at. A flood of what Stripe tells must not keep a clerk waiting.
const lines = 3

// line is where a job waits.
func (j *job) line() int {
	switch {
	case j.clock != (Clock{}):
		return 0
	case j.effect.Request != uuid.Nil:
		return 1
	}
	return 2
}

// waiting is how many jobs wait for a worker.
func (l *loop) waiting() (n int) {
	for _, line := range l.ready {
		n += len(line)
	}
	return n
}

// nextLine is the line whose first job is next; nil when nobody waits.
func (l *loop) nextLine() *[]*job {
	for i := range l.ready {
		if len(l.ready[i]) > 0 {
			return &l.ready[i]
		}
	}
	return nil
}

func (j *job) task() task {
	return task{key: j.key, effect: j.effect, hint: j.hint, hold: j.hold, clock: j.clock, readFirst: j.readFirst, tries: j.tries}
}
