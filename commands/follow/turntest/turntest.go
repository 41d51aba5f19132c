// Package turntest lets tests say whose turn it is.
package turntest

import (
	"context"
	"sync"

	"github.com/orderledger/orderledger/commands/follow"
)

// Turns is a follow.Turn that a test gives and takes. No turn has begun at first.
type Turns struct {
	mu      sync.Mutex
	held    context.Context
	end     context.CancelCauseFunc
	expired bool
	changed chan struct{}
}

// New returns Turns.
func New() *Turns { return &Turns{changed: make(chan struct{})} }

// Give begins a turn.
func (t *Turns) Give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held, t.end = context.WithCancelCause(context.Background())
	t.expired = false
	close(t.changed)
	t.changed = make(chan struct{})
}

// Take ends it.
func (t *Turns) Take() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(follow.ErrTurnOver)
	t.held = nil
}

// Expire makes the turn one that is over by the clock, while its context has not ended yet, which Take does.
func (t *Turns) Expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expired = true
}

// Mine implements follow.Turn.
func (t *Turns) Mine() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held != nil && !t.expired
}

// Wait implements follow.Turn.
func (t *Turns) Wait(ctx context.Context) (context.Context, error) {
	for {
		t.mu.Lock()
		held, changed := t.held, t.changed
		t.mu.Unlock()
		if held != nil {
			both, end := context.WithCancelCause(ctx)
			context.AfterFunc(held, func() { end(context.Cause(held)) })
			return both, ctx.Err()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}
