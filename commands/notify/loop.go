package notify

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// loop is one run of a runner. Its one goroutine (run) owns all of it; the follower and the attempts talk to it over channels.
type loop struct {
	*Runner
	head    eventstore.Position // of the log when the run began
	batches chan []eventstore.Recorded
	done    chan outcome
	sending sync.WaitGroup // attempts
	turns   chan turn
	turn    turn          // zero: it stands by, and only learns
	quiet   chan struct{} // closed when nothing of the turn that is over is under way any more; nil otherwise
	acting  int           // attempts of the turn: not those that only keep receipts

	state   State
	jobs    map[uuid.UUID]*job // by the notice's id, or the batch's
	lanes   map[*Lane]*lane
	digests map[*Digest]*digest
	later   follow.Due[*job]
	waits   int // jobs that are queued

	verify bool // the next event must be the snapshot's last
	saved  eventstore.Position
}

// turn is a time in which this process sends, of all that work on the log.
type turn struct {
	held  context.Context     // nil: the turn before is over
	head  eventstore.Position // of the log when it began
	quiet chan struct{}       // of one that is over: see loop
}

// job is the work on one message.
type job struct {
	follow.Place // among those that wait for their time

	key     uuid.UUID
	members []Notice // one, or a digest's
	digest  *Digest  // nil for a message of its own
	lane    *Lane
	state   jobState
	tries   int
	sent    *sent // the message was taken, and its receipts are not all kept
}

type jobState int

const (
	queued   jobState = iota // waits for its lane
	running                  // is being sent
	changed                  // is being sent, and meanwhile was asked for anew
	dropped                  // is being sent, and meanwhile there is nothing left to do
	waits                    // for its time
	gathered                 // waits for its digest
	answered                 // waits for the log to say so
)

// lane is a Lane at work.
type lane struct {
	ready []*job // first come first served
	busy  int
	next  time.Time // before which its rate lets nothing out
}

// digest is what a Digest gathers.
type digest struct {
	jobs []*job
	next time.Time // before which it sends nothing
}

const (
	defaultWorkers = 4
	defaultMost    = 100
)

func newLoop(r *Runner, head eventstore.Position, at snapshot) *loop {
	l := &loop{
		Runner: r, head: head, batches: make(chan []eventstore.Recorded), done: make(chan outcome), state: at.State,
		turns: make(chan turn),
		jobs:  map[uuid.UUID]*job{}, lanes: map[*Lane]*lane{}, digests: map[*Digest]*digest{},
		verify: at.Event != uuid.Nil, saved: at.Checkpoint,
	}
	for _, k := range r.cfg.Kinds {
		l.lanes[k.Lane] = &lane{}
		if k.Digest != nil {
			l.digests[k.Digest] = &digest{}
		}
	}
	return l
}

// run is the one goroutine that decides what is done next.
func (l *loop) run(ctx context.Context) error {
	defer l.drain()
	timer := time.NewTimer(0)
	defer timer.Stop()
	snapshots := time.NewTicker(l.cfg.SnapshotEvery)
	defer snapshots.Stop()
	l.catchUp()
	for {
		next := l.dispatch(ctx)
		if at, ok := l.later.Next(); ok && (next.IsZero() || at.Before(next)) {
			next = at
		}
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
		batches := l.batches
		if l.waits >= l.cfg.MaxReady {
			batches = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case batch := <-batches:
			if err := l.learn(batch); err != nil {
				return err
			}
		case t := <-l.turns:
			l.begin(t)
		case o := <-l.done:
			l.finish(o)
			l.calm()
		case <-timer.C:
			l.wake(time.Now())
		case <-snapshots.C:
			l.save()
		}
	}
}

// takeTurns sends whenever it is this process's turn, until the context ends.
func (l *loop) takeTurns(ctx context.Context) error {
	return follow.InTurn(ctx, l.cfg.Turn, func(held context.Context) error {
		head, err := l.follower().Head(held)
		if err != nil {
			return err
		}
		if err := l.tell(held, turn{held: held, head: head}); err != nil {
			return err
		}
		<-held.Done()
		over := turn{quiet: make(chan struct{})}
		if err := l.tell(ctx, over); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-over.quiet:
		}
		return held.Err()
	})
}

func (l *loop) tell(ctx context.Context, t turn) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case l.turns <- t:
		return nil
	}
}

// begin begins a turn, or stands by. What was sent and has no receipt in the log yet is not forgotten: nobody else knows of it.
func (l *loop) begin(t turn) {
	l.turn, l.quiet = t, t.quiet
	if t.held == nil {
		l.mu.Lock()
		l.caughtUp = false
		l.mu.Unlock()
		for _, j := range l.jobs {
			if j.sent == nil && j.state != running && j.state != changed && j.state != dropped {
				l.remove(j)
			}
		}
	}
	l.calm()
	l.catchUp()
}

// calm says that nothing of a turn which is over is under way any more.
func (l *loop) calm() {
	if l.quiet != nil && l.acting == 0 {
		close(l.quiet)
		l.quiet = nil
	}
}

// drain waits for the attempts that are under way.
func (l *loop) drain() {
	go func() {
		l.sending.Wait()
		close(l.done)
	}()
	for range l.done {
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
		f, relevant, err := factOf(l.cfg.Codec, l.types, r)
		if err != nil {
			return fmt.Errorf("notify: stopped after position %d, before an event that can't be read: %w", l.at.Checkpoint, err)
		}
		var c Change
		if relevant {
			l.state, c = React(l.state, l.cfg.Kinds, f)
		}
		l.mu.Lock()
		l.at.Pass(r)
		l.open = l.state.Open
		live := l.caughtUp
		l.mu.Unlock()
		if live {
			l.act(c)
			continue
		}
		for _, n := range c.Gone { // of what was sent before
			l.drop(n)
		}
		l.catchUp()
	}
	return nil
}

// catchUp begins to send when it is this process's turn and the log is known as it was when that began. A notice that is open then may
// have been sent before, by a process that ended before it kept the receipt.
func (l *loop) catchUp() {
	if !l.mayAct() {
		return
	}
	var open []Notice
	for _, list := range l.state.Orders {
		open = append(open, list...)
	}
	slices.SortFunc(open, inOrder)
	for _, n := range open {
		if n.Batch == uuid.Nil {
			l.want(n)
		}
	}
	for id := range l.state.Batches {
		l.wantBatch(id)
	}
}

// mayAct says, once in a turn, that it has come so far.
func (l *loop) mayAct() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.verify || l.at.Checkpoint < l.head {
		return false
	}
	l.knows = true
	if l.turn.held == nil || l.caughtUp || l.at.Checkpoint < l.turn.head {
		return false
	}
	l.caughtUp = true
	return true
}

// inOrder sorts notices as they were asked for.
func inOrder(a, b Notice) int {
	if a.AsOf != b.AsOf {
		return int(a.AsOf) - int(b.AsOf)
	}
	return slices.Compare(a.ID[:], b.ID[:])
}

// act does what a fact changes.
func (l *loop) act(c Change) {
	for _, n := range c.Gone {
		l.drop(n)
	}
	for _, n := range c.Wanted {
		l.want(n)
	}
	if c.Batched != uuid.Nil {
		l.wantBatch(c.Batched)
	}
}

// want takes a notice on, or the same one asked for anew.
func (l *loop) want(n Notice) {
	k, known := l.kinds[n.Kind]
	if !known {
		return // told by a newer version of the program
	}
	j := l.jobs[n.ID]
	if j != nil && j.sent != nil && j.members[0].Request == n.Request {
		return // its receipts are being kept
	}
	if j != nil && (j.state == running || j.state == changed || j.state == dropped) {
		j.members, j.state = []Notice{n}, changed
		return
	}
	if j != nil {
		l.remove(j)
	}
	j = &job{key: n.ID, members: []Notice{n}, digest: k.Digest, lane: k.Lane}
	l.jobs[j.key] = j
	l.put(j)
}

// put lets a job wait for its time, its digest or its lane.
func (l *loop) put(j *job) {
	if wait := j.members[0].Due.Sub(l.cfg.Now()); wait > 0 && len(j.members) == 1 {
		l.waitUntil(j, time.Now().Add(wait))
		return
	}
	l.due(j)
}

// due is put for a job whose time has come.
func (l *loop) due(j *job) {
	if d := l.digests[j.digest]; d != nil && j.key == j.members[0].ID {
		j.state = gathered
		d.jobs = append(d.jobs, j)
		return
	}
	j.state = queued
	l.waits++
	a := l.lanes[j.lane]
	a.ready = append(a.ready, j)
}

// wantBatch takes on what goes out as one message: what was decided here, or found in the log.
func (l *loop) wantBatch(id uuid.UUID) {
	if l.jobs[id] != nil {
		return // its own attempt has kept it
	}
	members := l.state.Batches[id]
	if len(members) == 0 {
		return
	}
	k, known := l.kinds[members[0].Kind]
	if !known || k.Digest == nil {
		return
	}
	for _, m := range members { // gathered here, and batched by another process
		if j := l.jobs[m.ID]; j != nil {
			l.remove(j)
		}
	}
	j := &job{key: id, members: members, digest: k.Digest, lane: k.Lane}
	l.jobs[id] = j
	l.due(j)
}

// drop ends the work on a notice that is answered or needless.
func (l *loop) drop(n Notice) {
	if n.Batch != uuid.Nil {
		if _, open := l.state.Batches[n.Batch]; !open && l.jobs[n.Batch] != nil {
			l.end(l.jobs[n.Batch])
		}
		return
	}
	if j := l.jobs[n.ID]; j != nil && j.members[0].Request == n.Request {
		l.end(j)
	}
}

// end ends a job, or lets it end when it is being sent.
func (l *loop) end(j *job) {
	switch j.state {
	case running, changed, dropped:
		j.state = dropped
	default:
		l.remove(j)
	}
}

// remove takes a job out of wherever it waits.
func (l *loop) remove(j *job) {
	switch j.state {
	case queued:
		a := l.lanes[j.lane]
		a.ready = slices.DeleteFunc(a.ready, func(r *job) bool { return r == j })
		l.waits--
	case waits:
		l.later.Remove(j)
	case gathered:
		d := l.digests[j.digest]
		d.jobs = slices.DeleteFunc(d.jobs, func(r *job) bool { return r == j })
	}
	l.retried(j, false)
	delete(l.jobs, j.key)
}

// retried counts the jobs that were refused for now.
func (l *loop) retried(j *job, again bool) {
	if (j.tries > 0) == again {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if again {
		l.retrying++
	} else {
		l.retrying--
		j.tries = 0
	}
}

func (l *loop) waitUntil(j *job, at time.Time) {
	j.state = waits
	l.later.Put(j, at)
}

// wake takes up the jobs whose time has come.
func (l *loop) wake(now time.Time) {
	for j, ok := l.later.Take(now); ok; j, ok = l.later.Take(now) {
		l.due(j)
	}
}

// dispatch sends what the lanes let out now, and says when one lets out more; zero: when an attempt ends.
func (l *loop) dispatch(ctx context.Context) (next time.Time) {
	now := time.Now()
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for d, g := range l.digests {
		switch {
		case len(g.jobs) == 0:
		case now.Before(g.next):
			sooner(g.next)
		default:
			g.next = now.Add(d.Every)
			l.gather(d, g)
			if len(g.jobs) > 0 {
				sooner(g.next)
			}
		}
	}
	for cfg, a := range l.lanes {
		workers := cfg.Workers
		if workers == 0 {
			workers = defaultWorkers
		}
		for len(a.ready) > 0 && a.busy < workers {
			if now.Before(a.next) {
				sooner(a.next)
				break
			}
			if cfg.Rate > 0 {
				a.next = now.Add(time.Duration(float64(time.Second) / cfg.Rate))
			}
			j := a.ready[0]
			a.ready = a.ready[1:]
			l.waits--
			a.busy++
			j.state = running
			t := task{key: j.key, members: slices.Clone(j.members), digest: j.digest, lane: j.lane, tries: j.tries, sent: j.sent}
			in := ctx
			if j.sent == nil {
				in = l.turn.held
				l.acting++
			}
			l.sending.Go(func() { l.done <- l.attempt(in, t) })
		}
	}
	return next
}

// gather makes one job of those that a digest has gathered.
func (l *loop) gather(d *Digest, g *digest) {
	most := d.Most
	if most == 0 {
		most = defaultMost
	}
	n := min(most, len(g.jobs))
	var members []Notice
	for _, j := range g.jobs[:n] {
		members = append(members, j.members[0])
		delete(l.jobs, j.key)
	}
	lane := g.jobs[0].lane
	g.jobs = g.jobs[n:]
	j := &job{key: batchID(members), members: members, digest: d, lane: lane}
	l.jobs[j.key] = j
	l.due(j)
}

// finish takes an attempt's outcome.
func (l *loop) finish(o outcome) {
	j := l.jobs[o.key] // it is kept while it is being sent
	l.lanes[j.lane].busy--
	j.sent = o.sent
	if o.act {
		l.acting--
	}
	standsBy := l.turn.held == nil
	switch {
	case j.state == dropped, standsBy && (j.state == changed || o.sent == nil):
		l.retried(j, false)
		delete(l.jobs, o.key)
	case j.state == changed:
		l.retried(j, false)
		j.sent = nil
		l.put(j)
	case o.answered && !slices.ContainsFunc(j.members, l.isOpen): // nothing will be said of it any more
		l.retried(j, false)
		delete(l.jobs, o.key)
	case o.answered:
		l.retried(j, false)
		j.state = answered
	default:
		l.retried(j, true)
		j.tries++
		l.waitUntil(j, time.Now().Add(l.backoff(j.tries-1)))
	}
}

// isOpen says whether a notice has no answer in the log as far as it is known.
func (l *loop) isOpen(m Notice) bool {
	return slices.ContainsFunc(l.state.Orders[m.Order], func(n Notice) bool { return n.ID == m.ID && n.Request == m.Request })
}

// save writes the snapshot, if there is anything new. It only saves time, so a failure is no more than logged.
func (l *loop) save() {
	l.mu.Lock()
	at := l.at
	l.mu.Unlock()
	if l.cfg.SnapshotPath == "" || at.Checkpoint == l.saved {
		return
	}
	if err := at.save(l.cfg.SnapshotPath, l.state); err != nil {
		l.cfg.Logger.Warn("notify: the snapshot can't be written", "error", err)
		return
	}
	l.saved = at.Checkpoint
}
