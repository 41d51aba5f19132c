package bulk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

const (
	eager    = 10 // rounds in which a job is looked at whose answers have not come, before pauses are made
	maxPause = 30 // rounds of the longest pause
)

// pause is how often a job was looked at in vain, and how many rounds it is left alone now.
type pause struct{ vain, left int }

func (p pause) next() pause {
	p.vain++
	if p.left = 0; p.vain >= eager {
		p.left = min(1<<min(p.vain-eager, 10), maxPause)
	}
	return p
}

// settle records what Stripe's answers make of what jobs asked for, until the context ends. It looks in the log of the orders, so an
// answer that came while no process ran counts, too.
func (r *Runner) settle(ctx context.Context) {
	pauses, seen := map[string]pause{}, watch{}
	tick := time.NewTicker(r.cfg.Poll)
	defer tick.Stop()
	for {
		ids, err := r.cfg.Asked(ctx)
		if err != nil && ctx.Err() == nil {
			r.cfg.Logger.Warn("jobs: it can't be seen now what Stripe has still to answer", "error", err)
		}
		seen.keep(ids)
		waiting := map[string]pause{}
		for _, id := range ids {
			p := pauses[id]
			if p.left--; p.left < 0 {
				if p = p.next(); r.settleJob(ctx, id, seen) {
					p = pause{}
				}
			}
			waiting[id] = p
		}
		pauses = waiting
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// settleJob records what was answered of one job, and says whether anything was.
func (r *Runner) settleJob(ctx context.Context, id string, seen watch) bool {
	warn := func(err error, more ...any) {
		if ctx.Err() == nil {
			r.cfg.Logger.Warn("jobs: it can't be settled now what Stripe was asked", append(more, "job", id, "error", err)...)
		}
	}
	j, err := r.cfg.Jobs.Read(ctx, id)
	if err != nil {
		warn(err)
		return false
	}
	if !r.mayTake(j, seen) {
		return false
	}
	var results []eventstore.JobResult
	for i := 0; i < len(j.Results) && len(results) < maxResults; i++ {
		if j.Results[i].Outcome != eventstore.JobAsked {
			continue
		}
		one, err := r.cfg.Jobs.answered(ctx, j, i)
		switch {
		case err == nil && one.Outcome != "":
			results = append(results, one)
		case errors.Is(err, eventstore.ErrUnavailable), ctx.Err() != nil:
			warn(err)
			return false
		case err != nil: // the others are not held up by it
			warn(err, "order", j.Items[i].OrderID)
		}
	}
	if len(results) == 0 {
		return false
	}
	command := commands.EventID(j.made, fmt.Sprintf("settled %d", j.revision))
	_, err = r.cfg.Jobs.append(ctx, j, command, runner, "", eventstore.JobSettled{Results: results})
	if conflict := (*eventstore.ConflictError)(nil); err != nil && !errors.As(err, &conflict) { // then another was faster
		warn(err)
	}
	return err == nil
}

// answered is what came of an act that Stripe was asked for; without an outcome while it is awaited. What happened to the order
// later is no part of it.
func (s *Jobs) answered(ctx context.Context, j Job, i int) (eventstore.JobResult, error) {
	stream := eventstore.OrderStream(j.Items[i].OrderID)
	request, asked := commands.EventID(j.command(i), stream), false
	var o domain.Order
	for rec, err := range s.log.ReadStream(ctx, stream, eventstore.NoStream) {
		if err != nil {
			return eventstore.JobResult{}, err
		}
		e, env, err := s.codec.Decode(rec)
		if err != nil {
			return eventstore.JobResult{}, err
		}
		o = domain.Evolve(o, e, eventstore.Stamp(rec.Event, env))
		asked = asked || rec.ID == request
		if asked && o.Pending.Act == "" {
			return outcomeOf(i, e), nil
		}
	}
	return eventstore.JobResult{}, nil
}

// outcomeOf says what the event means by which nothing is asked of Stripe any more.
func outcomeOf(i int, e domain.Event) eventstore.JobResult {
	refused := eventstore.JobResult{Item: i, Outcome: eventstore.JobRefused}
	switch e := e.(type) {
	case domain.Shipped:
		return eventstore.JobResult{Item: i, Outcome: eventstore.JobDone}
	case domain.CaptureFailed:
		refused.Code, refused.Message = e.Code, strings.TrimSpace("The payment could not be captured, so it is not shipped. "+e.Message)
	case domain.AuthorizationExpired:
		refused.Code, refused.Message = string(domain.AuthorizationGone), "The hold on the card is gone, so nothing was captured or shipped."
	default:
		refused.Code, refused.Message = "withdrawn", "The order was called off before Stripe had answered."
	}
	return refused
}
