// Package follow is what all have in common that follow the log and act on it: they read on where they were as often as the log
// comes and goes, wait longer each time, and keep a file that saves reading everything again. What they make of the log is theirs.
package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// batchSize bounds how many events are taken from the log at once.
const batchSize = 500

// Follower reads a log. All fields are required.
type Follower struct {
	Name   string // for messages
	Log    Log
	Wait   func(n int) time.Duration // after the nth time in a row that the log was away, from 0
	Stands func(error)               // told that the log can't be read now, and why; with nil that it can
	Logger *slog.Logger
}

// Log is what is followed; see eventstore.Store.
type Log interface {
	Head(ctx context.Context) (eventstore.Position, error)
	Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error)
}

// WhileAway does something again and again while the log is away, less often each time unless it got on. It returns nil or the
// first error of another kind.
func (f Follower) WhileAway(ctx context.Context, do func() (gotOn bool, err error)) error {
	for n := 0; ; n++ {
		gotOn, err := do()
		if !errors.Is(err, eventstore.ErrUnavailable) || ctx.Err() != nil {
			if err == nil && n > 0 {
				f.Stands(nil) // nobody else takes back what was told here
			}
			return err
		}
		if gotOn {
			n = 0
		}
		f.Stands(err)
		f.Logger.Warn(f.Name+": the log can't be read now", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.Wait(n)):
		}
	}
}

// Head is the log's, as soon as the log can be read. Errors as WhileAway.
func (f Follower) Head(ctx context.Context) (head eventstore.Position, err error) {
	err = f.WhileAway(ctx, func() (bool, error) {
		head, err = f.Log.Head(ctx)
		return false, err
	})
	return head, err
}

// Follow hands over what stands in the log after a position, batch by batch, and goes on where it was as often as the log comes and
// goes. It ends with the context's error, or with one that says where the log could not be read on.
func (f Follower) Follow(ctx context.Context, after eventstore.Position, batches chan<- []eventstore.Recorded) error {
	err := f.WhileAway(ctx, func() (bool, error) {
		from := after
		err := f.read(ctx, &after, batches)
		return after != from, err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%s: after position %d: %w", f.Name, after, err)
}

func (f Follower) read(ctx context.Context, after *eventstore.Position, batches chan<- []eventstore.Recorded) error {
	sub, err := f.Log.Subscribe(ctx, *after)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }() // nothing is lost with it
	f.Stands(nil)
	for {
		batch, err := sub.Next(ctx, batchSize)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case batches <- batch:
			*after = batch[len(batch)-1].Position
		}
	}
}

// Backoff is a random time that grows with the number of attempts: full jitter between least and an end that doubles up to most.
// share is what the random source says, in [0, 1).
func Backoff(least, most time.Duration, n int, share float64) time.Duration {
	end := most
	if n < 32 {
		end = min(most, least<<n)
	}
	return least + time.Duration(share*float64(max(0, end-least)))
}
