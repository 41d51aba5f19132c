package natsapi

import (
	"context"
	"errors"
	"testing"
)

// fill takes places until there are none, and returns them and why not.
func fill(r *room, key string, size int) (places []*place, why refusal) {
	for {
		p, refused := r.enter(key, size)
		if refused != roomForIt {
			return places, refused
		}
		places = append(places, p)
	}
}

func running(places []*place) (n int) {
	for _, p := range places {
		select {
		case <-p.turn:
			n++
		default:
		}
	}
	return n
}

func TestNobodyMayHaveMoreThanIsLeft(t *testing.T) {
	r := newRoom(8, 16, 1000)
	a, why := fill(r, "a", 1)
	if running(a) != 4 || len(a) != 4+8 || why != roomForOthers {
		t.Errorf("alone: %d of %d run, %v", running(a), len(a), why)
	}
	b, why := fill(r, "b", 1)
	if running(b) != 2 || len(b) != 2+4 || why != roomForOthers {
		t.Errorf("beside it: %d of %d run, %v", running(b), len(b), why)
	}
	c, _ := fill(r, "c", 1)
	if running(c) != 1 || len(c) != 1+2 {
		t.Errorf("a third: %d of %d run", running(c), len(c))
	}
	if p, why := r.enter("d", 990); p != nil || why != noRoom {
		t.Errorf("too large: %v", why)
	}
	if p, why := r.enter("d", 400); p == nil || why != roomForIt {
		t.Errorf("large: %v", why)
	}
	if p, why := r.enter("d", 400); p != nil || why != roomForOthers {
		t.Errorf("large again: %v", why)
	}
}

// Who has asked for little does not wait until who has asked for much is done.
func TestTurnsGoRound(t *testing.T) {
	r := newRoom(2, 100, 1000)
	a, _ := fill(r, "a", 1)
	x, _ := fill(r, "x", 1)
	b1, _ := r.enter("b", 1)
	b2, _ := r.enter("b", 1)
	if running(a) != 1 || running(x) != 1 || running([]*place{b1, b2}) != 0 {
		t.Fatalf("%d, %d and %d run", running(a), running(x), running([]*place{b1, b2}))
	}
	ended := 0
	for i := 0; running([]*place{b2}) == 0; i++ {
		line := a
		if i%2 == 1 {
			line = x
		}
		<-line[i/2].turn
		line[i/2].leave()
		if ended++; ended > 10 {
			t.Fatal("it waits for all the others")
		}
		if running([]*place{b1}) == 1 {
			b1.leave()
			b1.turn = make(chan struct{}) // done
		}
	}
}

func TestTheRoomIsEmptyWhenAllHaveLeft(t *testing.T) {
	r := newRoom(3, 5, 100)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a, _ := fill(r, "a", 10)
	b, _ := fill(r, "b", 10)
	for _, p := range append(a, b...) {
		if running([]*place{p}) == 1 {
			continue
		}
		if err := p.wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
	for _, p := range append(a, b...) {
		if running([]*place{p}) == 1 {
			p.leave()
		}
	}
	if r.running != 0 || r.waiting != 0 || r.held != 0 || len(r.senders) != 0 || len(r.turns) != 0 {
		t.Errorf("%+v", r)
	}
}
