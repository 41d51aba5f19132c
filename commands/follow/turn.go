package follow

import (
	"context"
	"errors"
	"time"
)

// Turn says when it is this process's turn to act on the outside, of all that work on the log; lease.Lease is one.
type Turn interface {
	// Mine says whether it is now. It may say that a turn is over a moment before the turn's context ends, which then is sure to: whoever
	// was held up asks it before an act.
	Mine() bool
	// Wait returns when it is, with a context that ends when ctx does, or, with the cause ErrTurnOver, when it is not any more.
	Wait(ctx context.Context) (context.Context, error)
}

// ErrTurnOver is why a turn's context ends while the process goes on: another process acts now, or may.
var ErrTurnOver = errors.New("it is another process's turn")

// Always is the turn of a process that works on its log alone.
type Always struct{}

// Mine implements Turn.
func (Always) Mine() bool { return true }

// Wait implements Turn.
func (Always) Wait(ctx context.Context) (context.Context, error) { return ctx, ctx.Err() }

// InTurn acts whenever it is this process's turn, until ctx ends or act ends by itself; then its error is returned. act begins anew
// with each turn, and the one before has returned by then.
func InTurn(ctx context.Context, t Turn, act func(turn context.Context) error) error {
	for {
		turn, err := t.Wait(ctx)
		if err != nil {
			return err
		}
		err = act(turn)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case turn.Err() == nil:
			return err
		}
	}
}

// Outlast is a context for what should come to its end when the process stops: it ends a moment after ctx does. When the turn is over
// it ends at once, since another process may be at it soon.
func Outlast(ctx context.Context, moment time.Duration) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), ErrTurnOver) {
			cancel()
			return
		}
		grace := time.NewTimer(moment)
		defer grace.Stop()
		select {
		case <-grace.C:
			cancel()
		case <-lasting.Done():
		}
	})
	return lasting, func() { stop(); cancel() }
}
