package esdbstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/esdbstore"
	"github.com/orderledger/orderledger/domain/eventstore/storetest"
	"github.com/orderledger/orderledger/test/esdbserver"
)

func TestOrderedContract(t *testing.T) {
	storetest.RunOrdered(t, harness(startServer(t)))
}

// inTurn proposes n events of as many streams.
func inTurn(prefix string, n int) []eventstore.Proposed {
	ps := make([]eventstore.Proposed, n)
	for i := range ps {
		ps[i] = eventstore.Proposed{
			Stream: fmt.Sprintf("order-%s-%d", prefix, i), Expected: eventstore.NoStream, Event: testEvent(fmt.Sprint(prefix, i)),
		}
	}
	return ps
}

// wantInTurn says that the log holds exactly these, in this order.
func wantInTurn(t *testing.T, s *esdbstore.Store, ps []eventstore.Proposed) {
	t.Helper()
	if got := streamsOf(t, s); len(got) != len(ps) {
		t.Fatalf("%d events, want %d", len(got), len(ps))
	} else {
		for i, p := range ps {
			if got[i] != p.Stream {
				t.Fatalf("event %d is of %s, want %s", i, got[i], p.Stream)
			}
		}
	}
}

// streamsOf is whose the log's events are, in the log's order.
func streamsOf(t *testing.T, s *esdbstore.Store) (all []string) {
	t.Helper()
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for at := eventstore.Position(0); at < head; {
		recs, err := sub.Next(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			all, at = append(all, r.Stream), r.Position
		}
	}
	return all
}

// Many events take few calls.
func TestInOrderIsNotOneByOne(t *testing.T) {
	srv := startServer(t)
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	var calls atomic.Int64
	srv.faults.Before(func(string) { calls.Add(1) })
	ps := inTurn("a", 1000)
	if err := s.AppendInOrder(t.Context(), ps); err != nil {
		t.Fatal(err)
	}
	srv.faults.Before(nil)
	if n := calls.Load(); n > 5 {
		t.Errorf("%d calls for a thousand events", n)
	}
	wantInTurn(t, s, ps)
}

// The server is killed, cut off, not ready and slow to answer while events are on their way; each is there once, in order.
func TestInOrderThroughFaults(t *testing.T) {
	srv := startServer(t)
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	var all []eventstore.Proposed
	for round := range 20 {
		ps := inTurn(fmt.Sprint("r", round), 100)
		all = append(all, ps...)
		srv.faults.LoseAppends(round % 2)
		var restarted sync.WaitGroup
		switch {
		case round%5 == 1:
			srv.faults.Fail("BatchAppend", codes.Unavailable, codes.Unknown, codes.NotFound)
		case round%5 == 2 && srv.node != nil:
			var n atomic.Int64
			srv.faults.Batch(func() esdbserver.BatchFault {
				if n.Add(1) == 40 {
					restarted.Go(func() { srv.node.Stop(); srv.node.Restart() })
				}
				return esdbserver.NoFault
			})
		case round%5 == 3 && srv.node != nil:
			var n atomic.Int64
			srv.faults.Batch(func() esdbserver.BatchFault {
				if n.Add(1) == 40 {
					return esdbserver.TimedOutApplied
				}
				return esdbserver.NoFault
			})
		case round%5 == 4 && srv.node != nil: // not ready when it is first asked, as one that just starts
			var n atomic.Int64
			srv.faults.Batch(func() esdbserver.BatchFault {
				if n.Add(1) <= 4 {
					return esdbserver.NotReady
				}
				return esdbserver.NoFault
			})
			srv.node.Stop()
			srv.node.Restart()
		}
		for {
			err := s.AppendInOrder(t.Context(), ps)
			if err == nil {
				break
			}
			if !errors.Is(err, eventstore.ErrUnavailable) {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		restarted.Wait()
		srv.faults.Batch(nil)
	}
	wantInTurn(t, s, all)
}

func TestInOrderThroughLeaderChanges(t *testing.T) {
	c := esdbserver.StartCluster(t, 3, esdbserver.Options{User: "admin", Password: "changeit", TLS: esdbserver.NewCert(t)})
	s := connect(t, rig{config: esdbstore.Config{URL: c.URL()}})
	defer mustClose(t, s)
	var all []eventstore.Proposed
	var killed *esdbserver.Node
	for round := range 9 {
		var n atomic.Int64
		var changed sync.WaitGroup
		c.Leader().Faults.Batch(func() esdbserver.BatchFault {
			if n.Add(1) != 30 {
				return esdbserver.NoFault
			}
			changed.Go(func() {
				switch round % 3 {
				case 0: // it goes on as a follower, and says so
					c.Lead(c.Nodes[(round/3+1)%3])
				case 1:
					killed = c.Kill()
				case 2:
					c.Revive(killed)
				}
			})
			return esdbserver.NoFault
		})
		ps := inTurn(fmt.Sprint("r", round), 100)
		all = append(all, ps...)
		for {
			err := s.AppendInOrder(t.Context(), ps)
			if err == nil {
				break
			}
			if !errors.Is(err, eventstore.ErrUnavailable) {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		changed.Wait()
		for _, node := range c.Nodes {
			node.Faults.Batch(nil)
		}
	}
	wantInTurn(t, s, all)
}

// The one address that was given is not the leader's.
func TestInOrderFindsTheLeader(t *testing.T) {
	c := esdbserver.StartCluster(t, 3, esdbserver.Options{})
	s := connect(t, rig{config: esdbstore.Config{URL: "esdb://" + c.Nodes[1].Address() + "?tls=false"}})
	defer mustClose(t, s)
	ps := inTurn("a", 50)
	if err := s.AppendInOrder(t.Context(), ps); err != nil {
		t.Fatal(err)
	}
	wantInTurn(t, s, ps)
}

// A refusal in the middle, while what is behind it is taken, is not passed over.
func TestOutOfOrderIsFound(t *testing.T) {
	srv := conformance(t, esdbserver.Options{})
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	var n atomic.Int64
	srv.faults.Batch(func() esdbserver.BatchFault {
		if n.Add(1) == 30 {
			return esdbserver.NotReadyLate
		}
		return esdbserver.NoFault
	})
	ps := inTurn("a", 1000)
	err := s.AppendInOrder(t.Context(), ps)
	if !errors.Is(err, eventstore.ErrOrder) || !strings.Contains(err.Error(), ps[29].Stream) {
		t.Errorf("%v, want ErrOrder", err)
	}
	for i, stream := range streamsOf(t, s)[:29] {
		if stream != ps[i].Stream {
			t.Errorf("event %d is of %s", i, stream)
		}
	}
}

// What the server may refuse for good is sent alone, so that nothing behind it is taken, and the rest can be added later.
func TestWhatIsRefusedStopsAllBehindIt(t *testing.T) {
	srv := conformance(t, esdbserver.Options{MaxAppend: 2000})
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	ps := inTurn("a", 100)
	ps[50].Event.Data = []byte(`{"pad":"` + strings.Repeat("x", 2000) + `"}`)
	if err := s.AppendInOrder(t.Context(), ps); !errors.Is(err, eventstore.ErrTooLarge) || !strings.Contains(err.Error(), "MaxAppendSize") {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	wantInTurn(t, s, ps[:50])
	ps[50].Event = testEvent("small")
	if err := s.AppendInOrder(t.Context(), ps); err != nil {
		t.Fatal(err)
	}
	wantInTurn(t, s, ps)
}

func TestInOrderToAServerThatIsSilent(t *testing.T) {
	srv := startServer(t)
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	ps := inTurn("a", 10)
	if err := s.AppendInOrder(t.Context(), ps[:1]); err != nil {
		t.Fatal(err)
	}
	release := srv.faults.Hold()
	held := make(chan struct{}, 100)
	srv.faults.Before(func(string) { held <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-held; cancel() }()
	if err := s.AppendInOrder(ctx, ps); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
	srv.faults.Before(nil)
	release()
	if err := s.AppendInOrder(t.Context(), ps); err != nil {
		t.Fatal(err)
	}
	wantInTurn(t, s, ps)
}

// A server that takes no more, so that what is sent waits, too, is given up, and asked again.
func TestInOrderToAServerThatStops(t *testing.T) {
	srv := conformance(t, esdbserver.Options{})
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	stuck := make(chan struct{})
	defer close(stuck)
	var n atomic.Int64
	srv.faults.Batch(func() esdbserver.BatchFault {
		if n.Add(1) == 20 {
			<-stuck
			return esdbserver.NotReady
		}
		return esdbserver.NoFault
	})
	ps := inTurn("a", 1000)
	for i := range ps {
		ps[i].Event.Data = []byte(`{"pad":"` + strings.Repeat("x", 1000) + `"}`)
	}
	if err := s.AppendInOrder(t.Context(), ps); err != nil {
		t.Fatal(err)
	}
	wantInTurn(t, s, ps)
}
