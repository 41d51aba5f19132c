// Package followtest lets tests kill what follows the log, step by step.
package followtest

import (
	"context"
	"errors"
	"sync"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// ErrDead is what a dead process gets of everything that it tries.
var ErrDead = errors.New("the process is dead")

// Fate lets a process die at its nth step: steps lie before and after everything that is done Around. The zero Fate lets it live on.
type Fate struct {
	mu   sync.Mutex
	left int // 0 and less: it lives on
	dead bool
}

// DieAt is the fate of a process that dies at its nth step; of one that lives on when n is 0.
func DieAt(n int) *Fate { return &Fate{left: n} }

// Dead says whether it is.
func (f *Fate) Dead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}

func (f *Fate) step() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left == 0 {
		f.dead = true
	}
	if f.dead {
		return ErrDead
	}
	return nil
}

// Around does something between two steps. A dead process does nothing, and learns nothing of what it did last.
func Around[R any](f *Fate, do func() (R, error)) (R, error) {
	var none R
	if err := f.step(); err != nil {
		return none, err
	}
	r, err := do()
	if err := f.step(); err != nil {
		return none, err
	}
	return r, err
}

// Log is the log as a process has it that may die: steps lie around each append.
type Log struct {
	eventstore.Store
	Fate *Fate
}

// Append implements eventstore.Store.
func (l Log) Append(ctx context.Context, stream string, at eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	return Around(l.Fate, func() (eventstore.Recorded, error) { return l.Store.Append(ctx, stream, at, e) })
}
