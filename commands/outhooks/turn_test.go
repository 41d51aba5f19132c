package outhooks_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands/follow/turntest"
	"github.com/orderledger/orderledger/commands/outhooks"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/domain/eventstore"
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

// A zombie was at a delivery when it was held up, and does not know that another took over, which delivered that and more. When it
// wakes, its late answer takes nothing back, and in its next turn it goes on where the other was.
func TestZombieDeliversLate(t *testing.T) {
	for name, answer := range map[string]sender.Answer{
		"a success": {Status: 200}, "a failure": {Status: 500}, "an endpoint that was gone then": {Status: 410},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *rig, p *port) {
				b := &rig{t: t, log: a.log, handler: a.handler, keys: a.keys, dir: t.TempDir()}
				b.open()
				first, second := turntest.New(), turntest.New()
				a.config.Turn, b.config.Turn = first, second
				wakes := make(chan struct{})
				p.set(func(context.Context, sent) (sender.Answer, error) { // whatever its context says
					<-wakes
					return answer, nil
				})
				a.start(p)
				other := &port{}
				b.start(other)
				added := a.add(outhooks.Addition{}).Endpoint
				first.Give()
				var want []string
				place := func(number string) {
					_, event := a.place(number, "acme")
					want = append(want, event.String())
				}
				place("1")
				synctest.Wait()
				second.Give() // its lease has run out, and it does not know
				place("2")
				place("3")
				synctest.Wait()
				if got := ids(other.take()); !slices.Equal(got, want) {
					t.Fatalf("the other sent %v, want %v", got, want)
				}
				time.Sleep(time.Hour)
				first.Expire()
				close(wakes)
				synctest.Wait()
				first.Take()
				synctest.Wait()
				p.take()
				p.set(nil)
				if s := b.standing(); s.State() != outhooks.Active {
					t.Fatalf("the endpoint is %s", s.State())
				}
				place("4")
				synctest.Wait()
				if got := ids(other.take()); !slices.Equal(got, want[3:]) {
					t.Errorf("the other went on with %v, want %v", got, want[3:])
				}
				second.Take()
				synctest.Wait()
				first.Give()
				place("5")
				synctest.Wait()
				if got := ids(p.take()); !slices.Equal(got, want[4:]) {
					t.Errorf("in its next turn it sent %v, want %v", got, want[4:])
				}
				a.end()
				b.end()
				events := a.events(added.ID)
				if count[eventstore.DeliveryParked](events)+count[eventstore.EndpointDisabled](events) > 0 {
					t.Errorf("%v", events)
				}
				var recorded int64
				for _, e := range events {
					if d, ok := e.(eventstore.EndpointDelivered); ok {
						recorded += d.Count
					}
				}
				all := int64(len(want))
				if answer.OK() {
					all++ // the late one was one more
				}
				if recorded != all {
					t.Errorf("%d deliveries are recorded, want %d", recorded, all)
				}
			})
		})
	}
}

// A process that was held up past its turn, and has not been told so yet, delivers nothing.
func TestNothingIsDeliveredAfterTheTurn(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		turn := turntest.New()
		r.config.Turn = turn
		r.start(p)
		r.add(outhooks.Addition{})
		turn.Give()
		synctest.Wait()
		turn.Expire()
		_, event := r.place("1", "acme")
		time.Sleep(time.Hour)
		if got := p.take(); len(got) > 0 || r.runner.Ready() != nil {
			t.Errorf("sent %v; %v", ids(got), r.runner.Ready())
		}
		turn.Take()
		turn.Give()
		synctest.Wait()
		if got := ids(p.take()); !slices.Equal(got, []string{event.String()}) {
			t.Errorf("sent %v in the next turn", got)
		}
	})
}

// Another process that goes on without this one's files, after a crash, repeats little, however seldom something is delivered.
func TestTakeoverAfterACrashRepeatsLittle(t *testing.T) {
	bubble(t, func(t *testing.T, a *rig, p *port) {
		log := &mortal{Store: a.log}
		first, second := turntest.New(), turntest.New()
		a.config.Log, a.config.Turn, a.config.RecordAfter = log, first, 10*time.Second
		a.endpoints = outhooks.NewEndpoints(log, eventstore.Codec{}, time.Now, a.keys, func(context.Context, string) error { return nil })
		b := &rig{t: t, log: a.log, handler: a.handler, keys: a.keys, dir: t.TempDir()}
		b.open()
		b.config.Turn = second
		a.start(p)
		other := &port{}
		b.start(other)
		id := a.add(outhooks.Addition{}).Endpoint.ID
		first.Give()
		for i := range 20 {
			a.place(fmt.Sprint("seldom", i), "acme")
			time.Sleep(time.Hour)
		}
		var last []string
		for i := range 5 {
			_, event := a.place(fmt.Sprint("often", i), "acme")
			last = append(last, event.String())
			time.Sleep(time.Second)
		}
		if got := p.take(); len(got) != 25 {
			t.Fatalf("%d delivered", len(got))
		}
		log.dead = true
		first.Take()
		second.Give()
		synctest.Wait()
		if got := ids(other.take()); !slices.Equal(got, last) {
			t.Errorf("repeated %d, want the last 5", len(got))
		}
		if n := count[eventstore.EndpointDelivered](a.events(id)); n != 20 {
			t.Errorf("the log was told %d times", n)
		}
		a.end()
	})
}
