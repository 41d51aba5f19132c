package esdbstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/esdbstore"
	"github.com/orderledger/orderledger/test/esdbserver"
)

// A checkpoint that can't be this log's is a gap, at once, whatever the server says of such a place.
func TestCheckpointsThatCantBe(t *testing.T) {
	for _, version := range []string{"22.10.0", "24.10.0"} {
		t.Run(version, func(t *testing.T) {
			srv := conformance(t, esdbserver.Options{Version: version})
			s := connect(t, rig{server: srv})
			defer mustClose(t, s)
			first := mustAppend(t, s, "order-1", eventstore.NoStream, "a")
			srv.node.Log.Write("other-1", "Noise", "{}", "")
			foreign := otherPosition(t, srv)
			last := mustAppend(t, s, "order-1", 0, "b")
			var reads atomic.Int64
			for name, p := range map[string]eventstore.Position{
				"in the middle of an event": first.Position + 1, "of another store": 2, "another program's event": foreign,
				"beyond the end": last.Position + 1, "far beyond the end": last.Position + 1<<40, "where the next one begins": endOf(t, srv),
			} {
				reads.Store(0)
				srv.faults.Before(func(string) { reads.Add(1) })
				_, err := s.Subscribe(t.Context(), p)
				srv.faults.Before(nil)
				if !errors.Is(err, eventstore.ErrGap) || errors.Is(err, eventstore.ErrUnavailable) || !strings.Contains(err.Error(), fmt.Sprint(p)) {
					t.Errorf("%s: %v, want ErrGap", name, err)
				}
				if n := reads.Load(); n > 5 {
					t.Errorf("%s: the server was asked %d times", name, n)
				}
			}
			for _, p := range []eventstore.Position{0, first.Position, last.Position} {
				sub, err := s.Subscribe(t.Context(), p)
				if err != nil {
					t.Fatalf("%d: %v", p, err)
				}
				_ = sub.Close()
			}
		})
	}
}

// otherPosition is where the last event of $all is.
func otherPosition(t *testing.T, srv *server) eventstore.Position {
	t.Helper()
	return eventstore.Position(srv.node.Log.Last())
}

// endOf is where the next event will be.
func endOf(t *testing.T, srv *server) eventstore.Position {
	t.Helper()
	before := srv.node.Log.Last()
	other := esdbserver.Start(t, esdbserver.Options{Log: srv.node.Log})
	other.Log.Write("other-2", "Noise", "{}", "")
	at := other.Log.Last()
	other.Log.Truncate(at)
	if other.Log.Last() != before {
		t.Fatal("the log is not as it was")
	}
	return eventstore.Position(at)
}

// A checkpoint at which nothing can be read for a while is no gap.
func TestAServerThatFailsIsNoGap(t *testing.T) {
	srv := startServer(t)
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	p := mustAppend(t, s, "order-1", eventstore.NoStream, "a").Position
	ctx, cancel := context.WithCancel(t.Context())
	srv.faults.Before(func(method string) { cancel() })
	srv.faults.Down(true)
	if _, err := s.Subscribe(ctx, p); errors.Is(err, eventstore.ErrGap) || err == nil {
		t.Errorf("%v", err)
	}
	srv.faults.Before(nil)
	srv.faults.Down(false)
	sub, err := s.Subscribe(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	_ = sub.Close()
}

// noise writes others' events, of about so many bytes together.
func noise(log *esdbserver.Log, bytes int) {
	pad := `{"pad":"` + strings.Repeat("x", 4000) + `"}`
	for range bytes / 4200 {
		log.Write("noise-1", "Noise", pad, "")
	}
}

// readOf counts the events of $all that a server sends while something is done.
func readOf(srv *server, do func()) int64 {
	var n atomic.Int64
	srv.faults.Sent(func() { n.Add(1) })
	do()
	srv.faults.Sent(nil)
	return n.Load()
}

// The ledger's end is found behind many events of others: once all of them are read, and then what came since.
func TestTheEndBehindManyOthers(t *testing.T) {
	srv := conformance(t, esdbserver.Options{})
	for name, events := range map[string]int{"empty": 0, "of two events": 2} {
		t.Run(name, func(t *testing.T) {
			config := esdbstore.Config{Ledger: strings.ReplaceAll(name, " ", "-")}
			var want eventstore.Position
			open := func() *esdbstore.Store { return connect(t, rig{server: srv, config: config}) }
			s := open()
			for i := range events {
				want = mustAppend(t, s, "order-1", eventstore.Revision(i-1), fmt.Sprint(name, i)).Position
			}
			mustClose(t, s)
			const little = 2 * (16 + 64 + 256) // a few pages of two looks
			noise(srv.node.Log, 12<<20)
			look := func(most int64) {
				t.Helper()
				n := readOf(srv, func() {
					s := open()
					defer mustClose(t, s)
					if head, err := s.Head(t.Context()); err != nil || head != want {
						t.Errorf("the head is %d, %v; want %d", head, err, want)
					}
				})
				if n > most {
					t.Errorf("%d events were read, at most %d may be", n, most)
				}
			}
			look(1 << 30)
			for range 3 {
				look(little)
				noise(srv.node.Log, 1<<18)
				look(little)
			}
			noise(srv.node.Log, 10<<20)
			look(10<<20/4000 + 2*1024)
			look(little)

			// An event behind the mark is found, and the mark does not hide it.
			s = open()
			if events == 0 {
				want = mustAppend(t, s, "order-1", eventstore.NoStream, name+"later").Position
			} else {
				want = mustAppend(t, s, "order-1", 1, name+"later").Position
			}
			mustClose(t, s)
			look(little)
			noise(srv.node.Log, 1<<18)
			look(little)
		})
	}
}

// A look that is cut short goes on where it was.
func TestALookGoesOn(t *testing.T) {
	srv := conformance(t, esdbserver.Options{})
	config := esdbstore.Config{Ledger: "shop"}
	s := connect(t, rig{server: srv, config: config})
	defer mustClose(t, s)
	want := mustAppend(t, s, "order-1", eventstore.NoStream, "a").Position
	if _, err := s.Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	noise(srv.node.Log, 16<<20)
	total := int64(0)
	for tries := 0; ; tries++ {
		ctx, cancel := context.WithCancel(t.Context())
		reads := 0
		srv.faults.Before(func(method string) {
			if reads++; reads == 5 {
				cancel()
			}
		})
		var head eventstore.Position
		var err error
		total += readOf(srv, func() { head, err = s.Head(ctx) })
		cancel()
		srv.faults.Before(nil)
		if err == nil {
			if head != want || tries < 2 {
				t.Errorf("the head is %d after %d tries, want %d", head, tries, want)
			}
			break
		}
		if !errors.Is(err, context.Canceled) || tries > 50 {
			t.Fatalf("try %d: %v", tries, err)
		}
		noise(srv.node.Log, 1<<16)
	}
	if most := int64(16<<20/4200 + 20_000); total > most {
		t.Errorf("%d events were read, at most %d may be", total, most)
	}
}

// A log that was taken back, and grows again, hides nothing that is then written, of whom ever.
func TestALogThatShrank(t *testing.T) {
	for name, grown := range map[string]bool{"shorter": false, "longer than before": true} {
		t.Run(name, func(t *testing.T) { logThatShrank(t, grown) })
	}
}

func logThatShrank(t *testing.T, grown bool) {
	srv := conformance(t, esdbserver.Options{})
	config := esdbstore.Config{Ledger: "shop"}
	s := connect(t, rig{server: srv, config: config})
	defer mustClose(t, s)
	at := srv.node.Log.Last()
	noise(srv.node.Log, 9<<20)
	if head, err := s.Head(t.Context()); err != nil || head != 0 {
		t.Fatalf("the head is %d, %v", head, err)
	}
	srv.node.Log.Truncate(at + 1)
	other := connect(t, rig{server: srv, config: config})
	defer mustClose(t, other)
	want := mustAppend(t, other, "order-1", eventstore.NoStream, "a").Position
	if grown {
		noise(srv.node.Log, 10<<20)
	}
	if head, err := s.Head(t.Context()); err != nil || head != want {
		t.Errorf("the head is %d, %v; want %d", head, err, want)
	}
}

// A subscription that goes on, and says how far it is, but passes events over, is found out.
func TestASubscriptionThatMissesEvents(t *testing.T) {
	srv := conformance(t, esdbserver.Options{})
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	esdbstore.SetSilence(s, 20*time.Millisecond)
	f := follow(t, s)
	f.expect(mustAppend(t, s, "order-1", eventstore.NoStream, "a"))
	f.catchUp()
	srv.faults.Miss(2)
	f.expect(mustAppend(t, s, "order-1", 0, "b"))
	f.expect(mustAppend(t, s, "order-2", eventstore.NoStream, "c"))
	for range 3000 { // the server says twice that it has passed them
		srv.node.Log.Write("noise-1", "Noise", "{}", "")
	}
	f.catchUp()
}
