package bulk

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// MaxOrders bounds the orders of one job, MaxOpen the jobs that are not over. Several processes that make some at once may exceed
// the latter by a few.
const (
	MaxOrders = 10_000
	MaxOpen   = 20
)

const (
	partItems    = 500       // of one JobPlanned
	partBytes    = 256 << 10 // of one JobPlanned, about
	cacheJobs    = 64
	maxConflicts = 50 // how often an append is tried anew because others were faster
)

// The codes of rejections about jobs.
const (
	JobNotFound domain.Code = "job_not_found"
	JobOver     domain.Code = "job_over"
	TooManyJobs domain.Code = "too_many_jobs"
	BadJob      domain.Code = "bad_job"
)

// Jobs makes, reads and cancels jobs. Safe for many goroutines.
type Jobs struct {
	log   commands.Log
	codec eventstore.Codec
	now   func() time.Time
	cache *lru.Cache[string, Job]
	// Open names the jobs that may not be over, as far as a read model knows them; it is a hint, and the log is the truth.
	open func(context.Context) ([]string, error)
}

// NewJobs returns the jobs of a log; now is the clock. open names the jobs that may not be over: a hint, such as a read model can
// give, since the log is looked at before anything is done.
func NewJobs(log commands.Log, codec eventstore.Codec, now func() time.Time, open func(context.Context) ([]string, error)) *Jobs {
	cache, err := lru.New[string, Job](cacheJobs)
	if err != nil {
		panic(err) // the size is a constant above zero
	}
	return &Jobs{log: log, codec: codec, now: now, cache: cache, open: open}
}

// Plan is what somebody wants done.
type Plan struct {
	Verb    domain.Verb
	Items   []eventstore.JobItem // each order once
	RetryOf string               // the job whose failures these are
	// Asked is by what the request is recognised when it is asked again, where the Items follow from it and may be others then; empty:
	// the Items.
	Asked string
}

func (p Plan) check() error {
	reject := func(format string, args ...any) error {
		return &domain.Rejection{Code: BadJob, Kind: domain.Invalid, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case !slices.Contains(Verbs, p.Verb):
		return reject("Orders can be accepted, shipped or archived many at once, nothing else.")
	case len(p.Items) == 0:
		return reject("Choose at least one order.")
	case len(p.Items) > MaxOrders:
		return reject("A job takes %d orders at the most, and these are %d. Choose fewer, in several jobs.", MaxOrders, len(p.Items))
	}
	seen := make(map[uuid.UUID]bool, len(p.Items))
	for _, it := range p.Items {
		if seen[it.OrderID] || it.OrderID == uuid.Nil {
			return reject("Order %s is chosen twice.", it.Number)
		}
		seen[it.OrderID] = true
		if len(it.Tracking) > 0 && p.Verb != domain.VerbShip {
			return reject("Only shipments have tracking numbers.")
		}
	}
	return nil
}

func (p Plan) hash() (string, error) {
	if p.Asked != "" {
		p.Items = nil
	}
	b, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// Make makes a job. key names the request: asked again with the same plan it makes no other, and goes on where a crash left it.
// Errors: a *domain.Rejection, commands.ErrKeyReused, eventstore.ErrUnavailable.
func (s *Jobs) Make(ctx context.Context, actor domain.Actor, key string, p Plan) (Job, error) {
	if err := p.check(); err != nil {
		return Job{}, err
	}
	request, err := p.hash()
	if err != nil {
		return Job{}, err
	}
	command := commands.CommandID(actor.ID, key)
	id, parts := commands.ShortID("job", command), split(p.Items)
	for range maxConflicts {
		j, err := s.Read(ctx, id)
		missing := (*domain.Rejection)(nil)
		if err != nil && !errors.As(err, &missing) {
			return Job{}, err
		}
		var next domain.Event
		switch {
		case !j.exists():
			if err := s.mayOpen(ctx, actor); err != nil {
				return Job{}, err
			}
			j = Job{ID: id, revision: eventstore.NoStream}
			next = eventstore.JobMade{Verb: p.Verb, Orders: len(p.Items), RetryOf: p.RetryOf}
		case j.request != request:
			return Job{}, commands.ErrKeyReused
		case j.State() != Incomplete:
			return j, nil
		case j.Orders != len(p.Items) || !slices.EqualFunc(j.Items, p.Items[:len(j.Items)], sameItem):
			return Job{}, commands.ErrKeyReused // what it was to be about is not what it is about now
		default:
			next = eventstore.JobPlanned{Items: parts[j.revision]}
		}
		step := uuid.NewSHA1(command, []byte(strconv.Itoa(int(j.revision+1))))
		_, err = s.append(ctx, j, step, actor, request, next)
		if conflict := (*eventstore.ConflictError)(nil); err != nil && !errors.As(err, &conflict) {
			return Job{}, err
		}
	}
	return Job{}, fmt.Errorf("%w: job %s changes too quickly", eventstore.ErrUnavailable, id)
}

// Made is the job that a request made before, if it did: the same key with the same Asked. Errors: commands.ErrKeyReused,
// eventstore.ErrUnavailable.
func (s *Jobs) Made(ctx context.Context, actor domain.Actor, key string, p Plan) (j Job, found bool, err error) {
	request, err := p.hash()
	if err != nil {
		return Job{}, false, err
	}
	j, err = s.Read(ctx, commands.ShortID("job", commands.CommandID(actor.ID, key)))
	missing := (*domain.Rejection)(nil)
	switch {
	case errors.As(err, &missing):
		return Job{}, false, nil
	case err == nil && j.request != request:
		return Job{}, false, commands.ErrKeyReused
	}
	return j, err == nil && j.State() != Incomplete, err
}

// mayOpen refuses a job more than can be worked on, and one of somebody who has as many as are left for others.
func (s *Jobs) mayOpen(ctx context.Context, maker domain.Actor) error {
	open, err := s.open(ctx)
	if err != nil {
		return err
	}
	if len(open) >= MaxOpen {
		return tooMany("%d jobs are not over yet, which is the most. Wait until one is, or cancel one.", len(open))
	}
	if len(open) < MaxOpen/2 {
		return nil
	}
	mine := 0
	for _, id := range open {
		j, err := s.Read(ctx, id)
		if missing := (*domain.Rejection)(nil); err != nil && !errors.As(err, &missing) {
			return err
		}
		if j.exists() && j.Maker.ID == maker.ID {
			mine++
		}
	}
	if mine >= MaxOpen-len(open) {
		return tooMany("%d jobs of yours are not over yet, which is the most for one. Wait until one is, or cancel one.", mine)
	}
	return nil
}

func tooMany(format string, n int) error {
	return &domain.Rejection{Code: TooManyJobs, Kind: domain.Rule, Message: fmt.Sprintf(format, n)}
}

func sameItem(a, b eventstore.JobItem) bool {
	return a.OrderID == b.OrderID && a.Version == b.Version && slices.Equal(a.Tracking, b.Tracking)
}

// split cuts items into the parts that are planned by one event each.
func split(items []eventstore.JobItem) (parts [][]eventstore.JobItem) {
	bytes, from := 0, 0
	for i, it := range items {
		size := 120 + len(it.Number)
		for _, t := range it.Tracking {
			size += 40 + len(t.Carrier) + len(t.Number)
		}
		if i > from && (i-from == partItems || bytes+size > partBytes) {
			parts, from, bytes = append(parts, items[from:i]), i, 0
		}
		bytes += size
	}
	return append(parts, items[from:])
}

// Cancel ends a job: what is not done yet is not done. Cancelling it again is a success. Errors: rejections JobNotFound and JobOver,
// eventstore.ErrUnavailable.
func (s *Jobs) Cancel(ctx context.Context, actor domain.Actor, key, id string) (Job, error) {
	return s.end(ctx, actor, commands.CommandID(actor.ID, key), id, eventstore.JobEnded{Cancelled: true, Reason: "Cancelled by " + actor.ID + "."})
}

func (s *Jobs) end(ctx context.Context, actor domain.Actor, command uuid.UUID, id string, e eventstore.JobEnded) (Job, error) {
	for range maxConflicts {
		j, err := s.Read(ctx, id)
		if err != nil {
			return Job{}, err
		}
		switch j.State() {
		case Open:
		case Cancelled, Stopped:
			return j, nil
		default:
			return j, &domain.Rejection{Code: JobOver, Kind: domain.Rule, Message: "The job is over: there is nothing left to cancel."}
		}
		j, err = s.append(ctx, j, command, actor, "", e)
		if conflict := (*eventstore.ConflictError)(nil); !errors.As(err, &conflict) {
			return j, err
		}
	}
	return Job{}, fmt.Errorf("%w: job %s changes too quickly", eventstore.ErrUnavailable, id)
}

// Read is a job as the log tells it now. Errors: a rejection JobNotFound, eventstore.ErrUnavailable.
func (s *Jobs) Read(ctx context.Context, id string) (Job, error) {
	missing := &domain.Rejection{Code: JobNotFound, Kind: domain.Missing, Message: "There is no such job."}
	if !commands.IsShortID(id) {
		return Job{}, missing
	}
	j, ok := s.cache.Get(id)
	if !ok {
		j = Job{ID: id, revision: eventstore.NoStream}
	}
	for r, err := range s.log.ReadStream(ctx, eventstore.JobStream(id), j.revision) {
		if err != nil {
			return Job{}, err
		}
		e, env, err := s.codec.Decode(r)
		if err != nil {
			return Job{}, err
		}
		j = j.evolve(r, e, env)
	}
	if !j.exists() {
		return Job{}, missing
	}
	s.remember(j)
	return j, nil
}

// remember keeps the newest that is known of a job.
func (s *Jobs) remember(j Job) {
	if known, ok := s.cache.Get(j.ID); !ok || known.revision < j.revision {
		s.cache.Add(j.ID, j)
	}
}

// append appends an event as the next of a job's stream.
func (s *Jobs) append(ctx context.Context, was Job, command uuid.UUID, actor domain.Actor, request string, event domain.Event) (Job, error) {
	stream := eventstore.JobStream(was.ID)
	a := commands.Appender{Log: s.log, Codec: s.codec, Now: s.now}
	recorded, env, err := a.Append(ctx, stream, was.revision, event, eventstore.Envelope{
		Actor: actor, CommandID: command, RequestHash: request, CorrelationID: stream, CausationID: was.made, Prev: was.hash,
	})
	if err != nil {
		return was, err
	}
	is := was.evolve(recorded, event, env)
	s.remember(is)
	return is, nil
}

// Position is up to where the log must be read to know the job as it is here.
func (j Job) Position() eventstore.Position { return j.position }

// oldest sorts jobs by when they were made.
func oldest(a, b Job) int { return cmp.Or(a.Made.Compare(b.Made), cmp.Compare(a.ID, b.ID)) }
