package outhooks_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands/follow/turntest"
	"github.com/orderledger/orderledger/commands/outhooks"
)

// Of two processes on one log one delivers. The other knows the endpoints, and goes on where the log says when its turn comes: after
// a turn that ended as it should, nothing is repeated.
func TestOneOfTwoDelivers(t *testing.T) {
	bubble(t, func(t *testing.T, a *rig, p *port) {
		b := &rig{t: t, log: a.log, handler: a.handler, keys: a.keys, dir: t.TempDir()}
		b.open()
		first, second := turntest.New(), turntest.New()
		a.config.Turn, b.config.Turn = first, second
		a.start(p)
		other := &port{}
		b.start(other)
		added := a.add(outhooks.Addition{}).Endpoint
		var want []string
		place := func(number string) {
			_, event := a.place(number, "acme")
			want = append(want, event.String())
		}
		place("1")
		time.Sleep(time.Hour)
		for _, r := range []*rig{a, b} {
			if s := r.standing(); r.runner.Ready() != nil || s.Delivered != 0 || s.ID != added.ID {
				t.Fatalf("standing by: %v, %+v", r.runner.Ready(), s)
			}
		}
		first.Give()
		place("2")
		synctest.Wait()
		first.Take()
		synctest.Wait()
		place("3")
		time.Sleep(time.Hour)
		if got := ids(p.take()); !slices.Equal(got, want[:2]) || len(other.take()) > 0 {
			t.Fatalf("sent %v, want %v", got, want[:2])
		}
		second.Give()
		place("4")
		synctest.Wait()
		if got := ids(other.take()); !slices.Equal(got, want[2:]) {
			t.Errorf("the other sent %v, want %v", got, want[2:])
		}

		// A person skips at one process what is parked at another.
		other.set(status(500))
		place("5")
		time.Sleep(73 * time.Hour)
		second.Take()
		synctest.Wait()
		if s := a.standing(); s.State() != outhooks.IsParked {
			t.Fatalf("%+v", s)
		}
		if _, err := a.endpoints.Resume(t.Context(), ask(), added.ID, "skip"); err != nil {
			t.Fatal(err)
		}
		first.Give()
		place("6")
		synctest.Wait()
		if got := ids(p.take()); !slices.Equal(got, want[5:]) {
			t.Errorf("sent %v, want %v", got, want[5:])
		}

		// An endpoint that was removed while it stood by gets nothing.
		first.Take()
		synctest.Wait()
		if _, err := a.endpoints.Remove(t.Context(), ask(), added.ID); err != nil {
			t.Fatal(err)
		}
		place("7")
		other.set(nil)
		other.take()
		second.Give()
		synctest.Wait()
		if got := append(other.take(), p.take()...); len(got) > 0 {
			t.Errorf("sent to an endpoint that is no more: %v", got)
		}
	})
}
