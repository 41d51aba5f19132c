package lease

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Config says how a Lease is held. Records and Self are required.
type Config struct {
	Records eventstore.Leaser
	Self    Process
	Renew   time.Duration // how often the holder shows that it is alive, and others look; default 2 s
	Keep    time.Duration // how long after it last asked to renew the holder acts; default 7 s
	// Patience is how long the record must stand still, or be missing, before another takes over; default 10 s.
	Patience time.Duration
	// Untouched says that nobody has worked on the log yet. Only then does a record that is missing at the start mean that nobody acts;
	// else somebody has deleted it, perhaps under a process that does.
	Untouched bool
	Logger    *slog.Logger // default slog.Default
}

// Process is one that may hold the lease, as others see it.
type Process struct {
	// ID is this run's alone.
	ID string `json:"id"`
	// Folder is that of the data folder, which one process at a time can use: who finds the lease with its own folder's name when it
	// starts knows that the holder is gone. Empty: not known.
	Folder string `json:"folder,omitempty"`
	Host   string `json:"host,omitempty"`
	PID    int    `json:"pid,omitempty"`
}

// record is what the store keeps.
type record struct {
	Process
	// Since is when it took the lease, by its own clock; for people.
	Since time.Time `json:"since"`
	// Free says that it has let go.
	Free bool `json:"free,omitempty"`
}

// Lease is one process's part. See Run.
type Lease struct {
	cfg Config

	seen    eventstore.LeaseRecord // as it was read, or written by us
	record  record                 // that says so
	still   time.Time              // since when it is known to stand as it does
	looked  time.Time              // when it was read or written last
	since   time.Time              // when we took it, for our record
	yielded chan struct{}

	mu      sync.Mutex
	turn    context.Context // ours, while we hold it
	end     context.CancelCauseFunc
	until   time.Time     // when the turn is over, unless it is prolonged
	expiry  *time.Timer   // ends it then
	changed chan struct{} // closed, and replaced, when a turn begins
	status  Status
}

// Status is who holds the lease, as this process knows it.
type Status struct {
	Held   bool      // by this process
	Holder *Process  // nil: nobody, or it is not known
	Since  time.Time // by the holder's clock
	Taken  int64     // how often this process took it
	Err    error     // why the record can't be read or written now
}

// New returns a Lease that does nothing until Run. It is a follow.Turn.
func New(cfg Config) (*Lease, error) {
	cfg.Renew, cfg.Keep, cfg.Patience = cmp.Or(cfg.Renew, 2*time.Second), cmp.Or(cfg.Keep, 7*time.Second), cmp.Or(cfg.Patience, 10*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	switch {
	case cfg.Records == nil || cfg.Self.ID == "":
		return nil, errors.New("lease: records and an id are required")
	case cfg.Renew <= 0 || cfg.Keep <= cfg.Renew || cfg.Patience <= cfg.Keep:
		return nil, errors.New("lease: renewing must be more often than a holder keeps it, and others must wait longer than that")
	}
	return &Lease{cfg: cfg, changed: make(chan struct{}), yielded: make(chan struct{}, 1)}, nil
}

// Status says who holds the lease.
func (l *Lease) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	s.Held = l.held()
	return s
}

// held says whether the turn is ours, also to a process that was held up past its end and whose timers have not said so yet.
func (l *Lease) held() bool {
	return l.turn != nil && l.turn.Err() == nil && time.Now().Before(l.until)
}

// Mine implements follow.Turn.
func (l *Lease) Mine() bool { return l.Status().Held }

// Wait implements follow.Turn.
func (l *Lease) Wait(ctx context.Context) (context.Context, error) {
	for {
		l.mu.Lock()
		turn, changed := l.turn, l.changed
		l.mu.Unlock()
		if turn != nil && turn.Err() == nil {
			both, end := context.WithCancelCause(ctx)
			context.AfterFunc(turn, func() { end(context.Cause(turn)) })
			return both, ctx.Err()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// Yield ends this process's turn, because a part of it can't go on. Another takes the lease at once; where none does within Patience,
// this one takes it again, for its other parts.
func (l *Lease) Yield() {
	select {
	case l.yielded <- struct{}{}:
	default:
	}
}

// Run competes for the lease until the context ends, and then lets it go: what acts must have ended by then.
func (l *Lease) Run(ctx context.Context) {
	for {
		wait := l.step(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			l.release(context.WithoutCancel(ctx))
			return
		case <-l.yielded:
			l.release(ctx)
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Begin takes the lease if it is free, once: a process that is alone acts from its very start. Call it before Run. That the store is
// away is told by Status.
func (l *Lease) Begin(ctx context.Context) { l.step(ctx) }

// retry is how soon what failed is tried again.
const retry = 500 * time.Millisecond

// step renews the lease, or looks whether it can be taken, and says when the next step is due.
func (l *Lease) step(ctx context.Context) time.Duration {
	ctx = context.WithoutCancel(ctx) // a renewal that is cut off may stand or not
	start := time.Now()
	held := l.Mine()
	if held {
		err := l.write(ctx, l.own())
		switch {
		case err == nil:
			return l.cfg.Renew - time.Since(start)
		case !errors.Is(err, eventstore.ErrLeaseMoved):
			l.tell(err)
			return retry
		}
	}
	if err := l.read(ctx); err != nil {
		l.tell(err)
		return retry
	}
	l.tell(nil)
	ours := l.record.ID == l.cfg.Self.ID && !l.record.Free // written by us, and perhaps the answer was lost
	lost := l.seen.Revision == 0 && held                   // others wait before they take it, so it is ours still
	if !ours && !lost {
		l.lose()
		if !l.mayClaim() {
			return max(0, min(l.cfg.Renew/2, l.cfg.Patience-time.Since(l.still)))
		}
	}
	if !l.Mine() {
		l.since = time.Now().UTC().Truncate(time.Second)
	}
	err := l.write(ctx, l.own())
	if err == nil {
		return l.cfg.Renew - time.Since(start)
	}
	if !errors.Is(err, eventstore.ErrLeaseMoved) {
		l.tell(err)
	}
	return retry
}

// own is the record that says that we hold the lease.
func (l *Lease) own() record { return record{Process: l.cfg.Self, Since: l.since} }

// limited bounds one exchange with the store, so that after one that is lost there is time for others while the lease is kept.
func (l *Lease) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, l.cfg.Renew)
}

// read reads the record.
func (l *Lease) read(ctx context.Context) error {
	ctx, cancel := l.limited(ctx)
	defer cancel()
	read, err := l.cfg.Records.ReadLease(ctx)
	if err != nil {
		return err
	}
	l.take(read)
	return nil
}

// take knows what was read.
func (l *Lease) take(read eventstore.LeaseRecord) {
	first, blind := l.looked.IsZero(), time.Since(l.looked)
	l.looked = time.Now()
	if read.Revision == 0 && blind > 2*l.cfg.Renew { // one may have been made and lost in between
		l.still = l.looked
	}
	if !first && read.Revision == l.seen.Revision && bytes.Equal(read.Value, l.seen.Value) {
		return
	}
	if read.Revision != 0 {
		l.cfg.Untouched = false
	} else if !l.cfg.Untouched {
		l.cfg.Logger.Warn("lease: nothing is recorded of who acts, though the log has been worked on; it is recorded anew, and who did not act before waits first",
			"wait", l.cfg.Patience)
	}
	l.seen, l.still, l.record = read, time.Now(), record{}
	if err := json.Unmarshal(read.Value, &l.record); err != nil && len(read.Value) > 0 {
		l.cfg.Logger.Warn("lease: its record can't be read; it is taken over when it stands still", "error", err)
	}
	if first && l.record.Folder != "" && l.record.Folder == l.cfg.Self.Folder { // the process before us
		l.record.Free = true
	}
}

// mayClaim says whether a lease that is not ours can be taken. One that we have let go, since a part of us can't go on, we take only
// when nobody else does.
func (l *Lease) mayClaim() bool {
	return l.seen.Revision == 0 && l.cfg.Untouched || l.record.Free && l.record.ID != l.cfg.Self.ID || time.Since(l.still) >= l.cfg.Patience
}

// write writes a record of ours, and begins the turn or prolongs it.
func (l *Lease) write(ctx context.Context, r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	ctx, cancel := l.limited(ctx)
	defer cancel()
	asked := time.Now()
	revision, err := l.cfg.Records.WriteLease(ctx, l.seen.Revision, b)
	if err != nil {
		return err
	}
	from := l.record
	l.looked, l.cfg.Untouched = time.Now(), false
	l.seen, l.record, l.still = eventstore.LeaseRecord{Revision: revision, Value: b}, r, time.Now()
	if r.Free {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Holder, l.status.Since, l.status.Err = &l.cfg.Self, r.Since, nil
	left := l.cfg.Keep - time.Since(asked)
	if l.held() && l.expiry.Stop() {
		l.until = asked.Add(l.cfg.Keep)
		l.expiry.Reset(left)
		return nil
	}
	if l.turn != nil { // what was begun in it is over, though it is ours again
		l.end(follow.ErrTurnOver)
	}
	if left <= 0 {
		return nil // the answer was too slow to act on: the next one begins
	}
	turn, end := context.WithCancelCause(context.Background())
	l.turn, l.end, l.until = turn, end, asked.Add(l.cfg.Keep)
	l.expiry = time.AfterFunc(left, func() {
		end(follow.ErrTurnOver)
		l.cfg.Logger.Warn("lease: it could not be renewed in time, so this process stands by", "process", r.ID)
	})
	l.status.Taken++
	close(l.changed)
	l.changed = make(chan struct{})
	l.cfg.Logger.Info("this process acts on the outside now: it asks Stripe, and tells people and other systems", "process", r.ID, "before", from.ID)
	return nil
}

// lose ends the turn.
func (l *Lease) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turn == nil {
		return
	}
	l.expiry.Stop()
	l.end(follow.ErrTurnOver)
	l.turn = nil
	l.cfg.Logger.Warn("another process acts on the outside now; this one stands by", "process", l.cfg.Self.ID)
}

// releasePatience bounds how long a process that stops tries to say that it has let go. Others notice without it, only later.
const releasePatience = 3 * time.Second

// release lets the lease go, so that another takes it at once.
func (l *Lease) release(ctx context.Context) {
	l.mu.Lock()
	held := l.turn != nil
	if held {
		l.expiry.Stop()
		l.end(follow.ErrTurnOver)
		l.turn = nil
	}
	l.mu.Unlock()
	if !held {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, releasePatience)
	defer cancel()
	free := l.own()
	free.Free = true
	err := l.write(ctx, free)
	if err != nil { // a renewal whose answer was lost may stand in the record
		if l.read(ctx) == nil && l.record.ID == l.cfg.Self.ID {
			err = l.write(ctx, free)
		}
	}
	l.record.Free = l.record.Free || l.record.ID == l.cfg.Self.ID // for us it is
	if err != nil {
		l.cfg.Logger.Warn("lease: it can't be let go; another takes over when it has seen it stand still", "error", err)
	}
	l.tell(nil)
}

// tell lets Status know the record as it was read, or why it can't be.
func (l *Lease) tell(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Err = err
	if err != nil {
		return
	}
	l.status.Holder, l.status.Since = holder(l.record)
}

func holder(r record) (*Process, time.Time) {
	if r.ID == "" || r.Free {
		return nil, time.Time{}
	}
	return &r.Process, r.Since
}

// Holder is who holds a store's lease, as its record says; nil for nobody. That a holder died is not known from looking once.
func Holder(ctx context.Context, records eventstore.Leaser) (*Process, time.Time, error) {
	read, err := records.ReadLease(ctx)
	if err != nil || len(read.Value) == 0 {
		return nil, time.Time{}, err
	}
	var r record
	if err := json.Unmarshal(read.Value, &r); err != nil {
		return nil, time.Time{}, fmt.Errorf("the lease's record: %w", err)
	}
	p, since := holder(r)
	return p, since, nil
}
