package share

import (
	"context"
	"slices"
	"sync"
)

// Room is for requests: some are answered, some wait for their turn. Nobody may have more of either, nor of the bytes of both, than is
// left for the others. Turns go round among those who want something, however much each of them has waiting. Safe for many goroutines.
type Room struct {
	workers, queue, bytes int

	mu      sync.Mutex
	running int
	waiting int
	held    int // bytes of both
	senders map[string]*sender
	turns   []*sender // those that have something waiting, the next one first
}

// sender is one whom the others are protected from. It is forgotten when it has nothing in the room.
type sender struct {
	key     string
	running int
	held    int
	waiting []*Place
}

// Place is a request's place in a room.
type Place struct {
	room *Room
	of   *sender
	size int
	turn chan struct{} // closed when the request may be answered
}

// NewRoom returns a room in which so many requests are answered at once and so many may wait, of so many bytes together.
func NewRoom(workers, queue, bytes int) *Room {
	return &Room{workers: workers, queue: queue, bytes: bytes, senders: map[string]*sender{}}
}

// Enter takes a place for a request of somebody's, of a size. It does not block. Errors: ErrNone, ErrYours.
func (r *Room) Enter(who string, size int) (*Place, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.senders[who]
	if s == nil {
		s = &sender{key: who}
	}
	at, free := len(s.waiting) == 0 && r.mayRun(s), r.queue-r.waiting
	switch {
	case r.held+size > r.bytes, !at && free <= 0:
		return nil, ErrNone
	case s.held > 0 && s.held+size > r.bytes-r.held, !at && len(s.waiting) >= free:
		return nil, ErrYours
	}
	p := &Place{room: r, of: s, size: size, turn: make(chan struct{})}
	r.senders[who] = s
	r.held += size
	s.held += size
	if at {
		r.run(p)
		return p, nil
	}
	if s.waiting = append(s.waiting, p); len(s.waiting) == 1 {
		r.turns = append(r.turns, s)
	}
	r.waiting++
	return p, nil
}

func (r *Room) mayRun(s *sender) bool { return s.running < r.workers-r.running }

func (r *Room) run(p *Place) {
	r.running++
	p.of.running++
	close(p.turn)
}

// Wait returns when it is the request's turn, and then Leave must be called; or with the context's error, and the place is gone.
func (p *Place) Wait(ctx context.Context) error {
	select {
	case <-p.turn:
		return nil
	case <-ctx.Done():
	}
	r, s := p.room, p.of
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(s.waiting, p)
	if i < 0 { // it has just got its turn
		return nil
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	r.waiting--
	if len(s.waiting) == 0 {
		r.turns = slices.DeleteFunc(r.turns, func(o *sender) bool { return o == s })
	}
	r.release(p)
	return ctx.Err()
}

// Leave gives the place back.
func (p *Place) Leave() {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	p.of.running--
	r.release(p)
	r.next()
}

func (r *Room) release(p *Place) {
	r.held -= p.size
	p.of.held -= p.size
	if p.of.running == 0 && len(p.of.waiting) == 0 {
		delete(r.senders, p.of.key)
	}
}

// next gives turns to those who wait, as long as there are workers for them.
func (r *Room) next() {
	for {
		i := slices.IndexFunc(r.turns, r.mayRun)
		if i < 0 { // whoever waits has something running, and is looked at again when that is done
			return
		}
		s := r.turns[i]
		r.turns = slices.Delete(r.turns, i, i+1)
		p := s.waiting[0]
		s.waiting = s.waiting[1:]
		r.waiting--
		r.run(p)
		if len(s.waiting) > 0 {
			r.turns = append(r.turns, s)
		}
	}
}
