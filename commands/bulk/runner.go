package bulk

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/share"
)

// Handler carries commands out; *commands.Handler is one.
type Handler interface {
	Handle(ctx context.Context, r commands.Request) (commands.Result, error)
}

// ErrNoLonger means that a job's maker may not act any more.
var ErrNoLonger = errors.New("the job's maker may not act any more")

// DefaultPatience is how long a job of another process is left alone, where several share the log.
const DefaultPatience = 15 * time.Second

// Config says what a Runner works with. Jobs, Handler, Standing and Asked are required.
type Config struct {
	Jobs    *Jobs
	Handler Handler
	// Standing is an actor as they are now, whose role may have changed since then. Errors: ErrNoLonger, eventstore.ErrUnavailable.
	Standing func(ctx context.Context, was domain.Actor, then time.Time) (domain.Actor, error)
	// Asked names the jobs of which Stripe may still have to answer something: a hint, such as a read model can give.
	Asked  func(context.Context) ([]string, error)
	Logger *slog.Logger // default slog.Default
	// Patience is how long a process must have seen a job stand still before it goes on with one that it did not make: where several
	// processes share the log, another one may be at it. It goes by this process's own clock alone. Zero: at once. Two that are at one
	// job do no act twice.
	Patience time.Duration
	// Rate bounds the acts a second, of all jobs of this process, so that people's own commands don't wait; default 200.
	Rate float64
	// Workers are the acts of one job that are under way at once, Running the jobs, of which one maker's leave room for another's;
	// default 4 and 2.
	Workers, Running int
	// Poll is how often it is looked for jobs that are not this process's; default 2 s. Flush is how long a result may wait for others
	// to be recorded with; default 1 s.
	Poll, Flush time.Duration
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Rate = cmp.Or(c.Rate, 200)
	c.Workers, c.Running = cmp.Or(c.Workers, 4), cmp.Or(c.Running, 2)
	c.Poll, c.Flush = cmp.Or(c.Poll, 2*time.Second), cmp.Or(c.Flush, time.Second)
	return c
}

// Runner carries jobs out. See Run.
type Runner struct {
	cfg   Config
	limit *rate.Limiter
	woken chan struct{}

	mu    sync.Mutex
	mine  map[string]bool               // made by this process
	busy  map[string]context.CancelFunc // under way here
	still watch                         // of open jobs; Run's alone

	places *share.Pool // of those that are under way: one maker's jobs leave room for another's
}

// watch is how jobs were seen, by id: at which revision, and since when.
type watch map[string]still

type still struct {
	at    eventstore.Revision
	since time.Time
}

// stood is how long a job was seen to stand as it does.
func (w watch) stood(j Job) time.Duration {
	was, known := w[j.ID]
	if !known || was.at != j.revision {
		was = still{j.revision, time.Now()}
		w[j.ID] = was
	}
	return time.Since(was.since)
}

// keep forgets all other jobs.
func (w watch) keep(ids []string) {
	maps.DeleteFunc(w, func(id string, _ still) bool { return !slices.Contains(ids, id) })
}

// NewRunner returns a Runner that does nothing until Run.
func NewRunner(c Config) (*Runner, error) {
	if c.Jobs == nil || c.Handler == nil || c.Standing == nil || c.Asked == nil {
		return nil, errors.New("jobs: jobs, a handler, who is who and what Stripe was asked are required")
	}
	c = c.withDefaults()
	return &Runner{
		cfg: c, limit: rate.NewLimiter(rate.Limit(c.Rate), c.Workers), woken: make(chan struct{}, 1),
		mine: map[string]bool{}, busy: map[string]context.CancelFunc{}, still: watch{}, places: share.New(c.Running),
	}, nil
}

// Made tells the runner of a job that this process made: it begins at once.
func (r *Runner) Made(id string) {
	r.mu.Lock()
	if len(r.mine) < 10*MaxOpen { // a job that is forgotten here is found by polling, a little later
		r.mine[id] = true
	}
	r.mu.Unlock()
	r.wake()
}

// Ended tells the runner of a job that was cancelled: what is under way is finished, and no more is begun.
func (r *Runner) Ended(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stop := r.busy[id]; stop != nil {
		stop()
	}
}

func (r *Runner) wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// Run carries jobs out until the context ends, which is no error; it returns when all that it started has ended. What is under way
// then goes on when some process runs again.
func (r *Runner) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { r.settle(ctx) })
	tick := time.NewTicker(r.cfg.Poll)
	defer tick.Stop()
	for {
		if err := r.begin(ctx, &running); err != nil && ctx.Err() == nil {
			r.cfg.Logger.Warn("jobs: it can't be seen now which there are", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-r.woken:
		}
	}
}

// begin starts the jobs that are next, the oldest first.
func (r *Runner) begin(ctx context.Context, running *sync.WaitGroup) error {
	jobs, err := r.next(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range jobs {
		if r.busy[j.ID] != nil {
			continue
		}
		back, err := r.places.Take(j.Maker.ID)
		if errors.Is(err, share.ErrNone) {
			return nil
		}
		if err != nil { // but another's may
			continue
		}
		working, stop := context.WithCancel(ctx)
		r.busy[j.ID] = stop
		running.Go(func() {
			r.work(ctx, working, j)
			stop()
			r.mu.Lock()
			delete(r.busy, j.ID)
			r.mu.Unlock()
			back()
			r.wake()
		})
	}
	return nil
}

// next are the open jobs that this process may take.
func (r *Runner) next(ctx context.Context) ([]Job, error) {
	ids, err := r.cfg.Jobs.open(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	for id := range r.mine {
		if !slices.Contains(ids, id) { // the read model has not heard of it yet
			ids = append(ids, id)
		}
	}
	r.mu.Unlock()
	r.still.keep(ids)
	var jobs []Job
	for _, id := range ids {
		j, err := r.cfg.Jobs.Read(ctx, id)
		if err != nil { // the others are not held up by it
			r.cfg.Logger.Warn("jobs: one can't be read now", "job", id, "error", err)
			continue
		}
		if j.State() != Open && j.Asked() == 0 {
			r.mu.Lock()
			delete(r.mine, id)
			r.mu.Unlock()
		}
		if j.State() == Open && r.mayTake(j, r.still) {
			jobs = append(jobs, j)
		}
	}
	slices.SortFunc(jobs, oldest)
	return jobs, nil
}

// mayTake says whether a job is this process's to go on with: it made it, or saw it stand still for a while.
func (r *Runner) mayTake(j Job, seen watch) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mine[j.ID] || seen.stood(j) >= r.cfg.Patience
}

// work does what is left of a job. What was done is recorded even when the job was cancelled meanwhile, and when the program stops.
func (r *Runner) work(ctx, working context.Context, j Job) {
	results := make(chan eventstore.JobResult)
	g, working := errgroup.WithContext(working)
	g.SetLimit(r.cfg.Workers)
	book := &book{Runner: r, job: j}
	var recording sync.WaitGroup
	working, yield := context.WithCancel(working)
	defer yield()
	recording.Go(func() { book.record(context.WithoutCancel(ctx), results, yield) })
	for i := range j.Items {
		if j.Results[i].Outcome != "" {
			continue
		}
		if r.limit.Wait(working) != nil {
			break
		}
		g.Go(func() error {
			one, err := r.act(ctx, working, j, i)
			if err == nil {
				results <- one
			}
			return err
		})
	}
	err := g.Wait()
	close(results)
	recording.Wait()
	if errors.Is(err, ErrNoLonger) {
		why := eventstore.JobEnded{Reason: "Who made the job may not do this any more, so the rest was left."}
		command := commands.EventID(j.made, "stopped")
		if _, err := r.cfg.Jobs.end(ctx, runner, command, j.ID, why); err != nil && ctx.Err() == nil {
			r.cfg.Logger.Warn("jobs: it could not be recorded that a job was stopped", "job", j.ID, "error", err)
		}
	}
}

// runner is who records what came of jobs.
var runner = domain.Actor{ID: "orderledger", Role: domain.System, Via: domain.ViaSaga}

// act does one act, and does it to the end once it is begun, so that its result is known; while the log is away it is tried again as
// long as the job goes on here. An error means that the job does not.
func (r *Runner) act(ctx, working context.Context, j Job, i int) (eventstore.JobResult, error) {
	for n := 0; ; n++ {
		result, err := r.try(ctx, j, i)
		if err == nil || !errors.Is(err, eventstore.ErrUnavailable) {
			return result, err
		}
		r.cfg.Logger.Warn("jobs: the log can't be used now", "job", j.ID, "error", err)
		select {
		case <-working.Done():
			return result, working.Err()
		case <-time.After(follow.Backoff(time.Second/10, 10*time.Second, n, rand.Float64())):
		}
	}
}

func (r *Runner) try(ctx context.Context, j Job, i int) (eventstore.JobResult, error) {
	result, item := eventstore.JobResult{Item: i}, j.Items[i]
	actor, err := r.cfg.Standing(ctx, j.Maker, j.Made)
	if err == nil && !actor.Role.May(domain.Permission(j.Verb)) {
		err = ErrNoLonger
	}
	if err != nil {
		return result, err
	}
	command := commandOf(j.Verb, item)
	request, err := commands.Hash(j.Verb, item.OrderID, command)
	if err != nil {
		return result, err
	}
	c := commands.Request{
		OrderID: item.OrderID, Command: command, CommandID: j.command(i),
		RequestHash: request, Actor: actor, CorrelationID: eventstore.JobStream(j.ID), CausationID: j.made,
	}
	if j.Verb == domain.VerbShip { // it may move money, and it ships what somebody looked at
		c.IfVersion = &item.Version
	}
	res, err := r.cfg.Handler.Handle(ctx, c)
	return r.judge(ctx, j, result, res, err)
}

// command is the id of a job's act on one of its orders.
func (j Job) command(i int) uuid.UUID {
	return commands.CommandID(j.Maker.ID, "job "+j.ID+" "+j.Items[i].OrderID.String())
}

func commandOf(verb domain.Verb, item eventstore.JobItem) domain.Command {
	switch verb {
	case domain.VerbShip:
		return domain.Ship{Tracking: item.Tracking}
	case domain.VerbArchive:
		return domain.Archive{}
	}
	return domain.Accept{}
}

// judge says what came of an act. What is worth another attempt is an error.
func (r *Runner) judge(ctx context.Context, j Job, result eventstore.JobResult, res commands.Result, err error) (eventstore.JobResult, error) {
	rejected, stale := (*domain.Rejection)(nil), (*commands.StaleError)(nil)
	switch {
	case err == nil && res.Event == nil:
		result.Outcome = eventstore.JobAlready
	case err == nil && res.Order.Pending.Act != "" && res.Order.Pending.Request == res.EventID:
		result.Outcome = eventstore.JobAsked
	case err == nil:
		result.Outcome = eventstore.JobDone
	case errors.As(err, &rejected):
		result.Outcome, result.Code, result.Message = eventstore.JobRefused, string(rejected.Code), rejected.Message
	case errors.As(err, &stale):
		result.Outcome, result.Code = eventstore.JobRefused, "version_stale"
		result.Message = "The order has changed since the job was made. Look at it, then try again."
	case errors.Is(err, eventstore.ErrUnavailable), ctx.Err() != nil: // of the former, another attempt is made
		return result, err
	default:
		r.cfg.Logger.Error("jobs: an act failed", "job", j.ID, "order", j.Items[result.Item].OrderID, "error", err)
		result.Outcome, result.Code, result.Message = eventstore.JobFailed, "failed", "The ledger could not do it. Its log says why."
	}
	return result, nil
}
