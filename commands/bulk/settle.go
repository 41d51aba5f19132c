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

// maxPause bounds how many rounds a job is passed over that waits for an answer of Stripe's which takes long.
const maxPause = 30

// pause is how long a job is left alone whose answers have not come: twice as long as the last time.
type pause struct{ left, next int }

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
				if r.settleJob(ctx, id, seen) {
					p = pause{}
				} else {
					p.next = min(2*p.next+1, maxPause)
					p.left = p.next
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
	j, err := r.cfg.Jobs.Read(ctx, id)
	if err == nil && !r.mayTake(j, seen) {
		return false
	}
	var results []eventstore.JobResult
	for i := range j.Results {
		if err != nil || len(results) == maxResults {
			break
		}
		if j.Results[i].Outcome != eventstore.JobAsked {
			continue
		}
		var one eventstore.JobResult
		if one, err = r.cfg.Jobs.answered(ctx, j, i); one.Outcome != "" {
			results = append(results, one)
		}
	}
	if len(results) > 0 {
		command := commands.EventID(j.made, fmt.Sprintf("settled %d", j.revision))
		_, err = r.cfg.Jobs.append(ctx, j, command, runner, "", eventstore.JobSettled{Results: results})
	}
	if conflict := (*eventstore.ConflictError)(nil); err != nil && ctx.Err() == nil && !errors.As(err, &conflict) { // then another was faster
		r.cfg.Logger.Warn("jobs: it can't be settled now what Stripe was asked", "job", id, "error", err)
	}
	return err == nil && len(results) > 0
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
