package natsapi

import (
	"context"
	"slices"
	"sync"
)

// room is for the requests that are underway: some are answered, some wait for their turn. What bounds it for all bounds it for each, by
// one rule: nobody may have more of it than is left for the others. One sender alone has half of it, two that want all have a third each,
// and who comes anew always finds room. Turns go round among the senders, however much each of them has waiting.
type room struct {
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
	waiting []*place
}

// place is a request's place in the room.
type place struct {
	room *room
	of   *sender
	size int
	turn chan struct{} // closed when the request may be answered
}

// refusal is why there is no place.
type refusal int

const (
	roomForIt refusal = iota
	roomForOthers
	noRoom
)

func newRoom(workers, queue, bytes int) *room {
	return &room{workers: workers, queue: queue, bytes: bytes, senders: map[string]*sender{}}
}

// enter takes a place for a request of a size, or says why not. It does not block.
func (r *room) enter(key string, size int) (*place, refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.senders[key]
	if s == nil {
		s = &sender{key: key}
	}
	at, free := len(s.waiting) == 0 && r.mayRun(s), r.queue-r.waiting
	switch {
	case r.held+size > r.bytes, !at && free <= 0:
		return nil, noRoom
	case s.held > 0 && s.held+size > r.bytes-r.held, !at && len(s.waiting) >= free:
		return nil, roomForOthers
	}
	p := &place{room: r, of: s, size: size, turn: make(chan struct{})}
	r.senders[key] = s
	r.held += size
	s.held += size
	if at {
		r.run(p)
		return p, roomForIt
	}
	if s.waiting = append(s.waiting, p); len(s.waiting) == 1 {
		r.turns = append(r.turns, s)
	}
	r.waiting++
	return p, roomForIt
}

func (r *room) mayRun(s *sender) bool { return s.running < r.workers-r.running }

func (r *room) run(p *place) {
	r.running++
	p.of.running++
	close(p.turn)
}

// wait returns when it is the request's turn, and then leave must be called; or with the context's error, and the place is gone.
func (p *place) wait(ctx context.Context) error {
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

// leave gives the place back.
func (p *place) leave() {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	p.of.running--
	r.release(p)
	r.next()
}

func (r *room) release(p *place) {
	r.held -= p.size
	p.of.held -= p.size
	if p.of.running == 0 && len(p.of.waiting) == 0 {
		delete(r.senders, p.of.key)
	}
}

// next gives turns to those who wait, as long as there are workers for them.
func (r *room) next() {
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
