package share

import (
	"context"
	"errors"
	"testing"
)

// fill takes places until there are none, and returns them and why not.
func fill(r *Room, key string, size int) (places []*Place, why error) {
	for {
		p, err := r.Enter(key, size)
		if err != nil {
			return places, err
		}
		places = append(places, p)
	}
}

func running(places []*Place) (n int) {
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
	r := NewRoom(8, 16, 1000)
	a, why := fill(r, "a", 1)
	if running(a) != 4 || len(a) != 4+8 || !errors.Is(why, ErrYours) {
		t.Errorf("alone: %d of %d run, %v", running(a), len(a), why)
	}
	b, why := fill(r, "b", 1)
	if running(b) != 2 || len(b) != 2+4 || !errors.Is(why, ErrYours) {
		t.Errorf("beside it: %d of %d run, %v", running(b), len(b), why)
	}
	c, _ := fill(r, "c", 1)
	if running(c) != 1 || len(c) != 1+2 {
		t.Errorf("a third: %d of %d run", running(c), len(c))
	}
	if p, why := r.Enter("d", 990); p != nil || !errors.Is(why, ErrNone) {
		t.Errorf("too large: %v", why)
	}
	if p, why := r.Enter("d", 400); p == nil || why != nil {
		t.Errorf("large: %v", why)
	}
	if p, why := r.Enter("d", 400); p != nil || !errors.Is(why, ErrYours) {
		t.Errorf("large again: %v", why)
	}
}

// Who has asked for little does not wait until who has asked for much is done.
func TestTurnsGoRound(t *testing.T) {
	r := NewRoom(2, 100, 1000)
	a, _ := fill(r, "a", 1)
	x, _ := fill(r, "x", 1)
	b1, _ := r.Enter("b", 1)
	b2, _ := r.Enter("b", 1)
	if running(a) != 1 || running(x) != 1 || running([]*Place{b1, b2}) != 0 {
		t.Fatalf("%d, %d and %d run", running(a), running(x), running([]*Place{b1, b2}))
	}
	ended := 0
	for i := 0; running([]*Place{b2}) == 0; i++ {
		line := a
		if i%2 == 1 {
			line = x
		}
		<-line[i/2].turn
		line[i/2].Leave()
		if ended++; ended > 10 {
			t.Fatal("it waits for all the others")
		}
		if running([]*Place{b1}) == 1 {
			b1.Leave()
			b1.turn = make(chan struct{}) // done
		}
	}
}

func TestTheRoomIsEmptyWhenAllHaveLeft(t *testing.T) {
	r := NewRoom(3, 5, 100)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a, _ := fill(r, "a", 10)
	b, _ := fill(r, "b", 10)
	for _, p := range append(a, b...) {
		if running([]*Place{p}) == 1 {
			continue
		}
		if err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
	for _, p := range append(a, b...) {
		if running([]*Place{p}) == 1 {
			p.Leave()
		}
	}
	if r.running != 0 || r.waiting != 0 || r.held != 0 || len(r.senders) != 0 || len(r.turns) != 0 {
		t.Errorf("%+v", r)
	}
}
