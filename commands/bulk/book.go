package bulk

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// maxResults bounds what one JobProgressed says.
const maxResults = 500

// stopPatience bounds how long what was done is tried to be recorded while the program stops. What is not recorded is found done
// when the job goes on.
const stopPatience = 5 * time.Second

// book records a job's results, several at a time.
type book struct {
	*Runner
	job     Job
	pending []eventstore.JobResult
}

// record takes results until there are no more. yield is called when the job should not go on here: it has ended, or another
// process is at it.
func (b *book) record(ctx context.Context, results <-chan eventstore.JobResult, yield func()) {
	tick := time.NewTicker(b.cfg.Flush)
	defer tick.Stop()
	for {
		select {
		case one, more := <-results:
			if !more {
				b.last(ctx, yield)
				return
			}
			if b.pending = append(b.pending, one); len(b.pending) < maxResults {
				continue
			}
		case <-tick.C:
		}
		limited, cancel := context.WithTimeout(ctx, stopPatience)
		if err := b.flush(limited, yield); err != nil {
			b.cfg.Logger.Warn("jobs: results can't be recorded now", "job", b.job.ID, "error", err)
		}
		cancel()
	}
}

// last records what is left. What can't be recorded in time is found done when the job goes on.
func (b *book) last(ctx context.Context, yield func()) {
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	for n := 0; ; n++ {
		err := b.flush(ctx, yield)
		if err == nil {
			return
		}
		if !errors.Is(err, eventstore.ErrUnavailable) || ctx.Err() != nil {
			b.cfg.Logger.Warn("jobs: results could not be recorded", "job", b.job.ID, "error", err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(follow.Backoff(time.Second/20, time.Second, n, rand.Float64())):
		}
	}
}

// flush records what is pending. Whoever was faster is heard first: what they recorded stands.
func (b *book) flush(ctx context.Context, yield func()) error {
	for len(b.pending) > 0 {
		e := eventstore.JobProgressed{Results: b.pending}
		command := commands.EventID(b.job.made, "progress "+strconv.Itoa(b.job.Done)+" "+strconv.Itoa(int(b.job.revision)))
		j, err := b.cfg.Jobs.append(ctx, b.job, command, runner, "", e)
		conflict := (*eventstore.ConflictError)(nil)
		switch {
		case err == nil:
			b.job, b.pending = j, nil
			return nil
		case !errors.As(err, &conflict):
			return err
		}
		was := b.job
		if b.job, err = b.cfg.Jobs.Read(ctx, was.ID); err != nil {
			b.job = was
			return err
		}
		if b.job.Ended != nil || b.job.Done > was.Done {
			yield()
		}
		left := b.pending[:0]
		for _, one := range b.pending {
			if b.job.Results[one.Item].Outcome == "" {
				left = append(left, one)
			}
		}
		b.pending = left
	}
	return nil
}
