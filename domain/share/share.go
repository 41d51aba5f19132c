// Package share divides what is bounded among those who want it, such that nobody can take all: whoever has as much of it as is left for
// the others gets no more. One alone has half, two that want all have a third each, and who comes anew finds something.
package share

import (
	"errors"
	"sync"
)

var (
	// ErrNone means that nothing is left.
	ErrNone = errors.New("nothing is left")
	// ErrYours means that who asks has as much as is left for all others.
	ErrYours = errors.New("you have as much as is left for all others")
)

// Pool is a number of equal things. Safe for many goroutines.
type Pool struct {
	mu   sync.Mutex
	left int
	by   map[string]int
}

// New returns a pool of so many.
func New(total int) *Pool { return &Pool{left: total, by: map[string]int{}} }

// Take takes one for somebody, which back gives back, however often it is called. Errors: ErrNone, ErrYours.
func (p *Pool) Take(who string) (back func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.left <= 0:
		return nil, ErrNone
	case p.by[who] >= p.left:
		return nil, ErrYours
	}
	p.left--
	p.by[who]++
	return sync.OnceFunc(func() { p.back(who) }), nil
}

func (p *Pool) back(who string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left++
	if p.by[who]--; p.by[who] == 0 {
		delete(p.by, who)
	}
}
