package esdbstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/esdbstore"
	"github.com/orderledger/orderledger/test/esdbserver"
)

// appendPatiently repeats an append while the log is unavailable.
func appendPatiently(t *testing.T, s eventstore.Store, stream string, expected eventstore.Revision, name string) eventstore.Recorded {
	t.Helper()
	for {
		r, err := s.Append(t.Context(), stream, expected, testEvent(name))
		if err == nil {
			return r
		}
		if !errors.Is(err, eventstore.ErrUnavailable) {
			t.Fatalf("append: %v", err)
		}
	}
}

// follower is a subscription that must see what was appended, each once and in order.
type follower struct {
	t    *testing.T
	sub  eventstore.Subscription
	want []eventstore.Recorded
	seen int
}

func follow(t *testing.T, s eventstore.Store) *follower {
	t.Helper()
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() })
	return &follower{t: t, sub: sub}
}

func (f *follower) expect(r eventstore.Recorded) { f.want = append(f.want, r) }

func (f *follower) catchUp() {
	f.t.Helper()
	for f.seen < len(f.want) {
		recs, err := f.sub.Next(f.t.Context(), 10)
		if err != nil {
			f.t.Fatalf("the subscription did not go on after %d events: %v", f.seen, err)
		}
		for _, r := range recs {
			if want := f.want[f.seen]; r.ID != want.ID || r.Position != want.Position {
				f.t.Fatalf("event %d: %s %s at %d, want %s %s at %d", f.seen, r.Stream, r.Revision, r.Position, want.Stream, want.Revision, want.Position)
			}
			f.seen++
		}
	}
}

func TestServerKilledAndRestarted(t *testing.T) {
	srv := conformance(t, esdbserver.Options{})
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	f := follow(t, s)
	for i := range 30 {
		var restart sync.WaitGroup
		if i%10 == 5 {
			srv.node.Stop()
			restart.Go(srv.node.Restart)
		}
		f.expect(appendPatiently(t, s, "order-1", eventstore.Revision(i-1), fmt.Sprint(i)))
		restart.Wait()
		f.catchUp()
	}
}

func TestLeaderLostAndChanged(t *testing.T) {
	c := esdbserver.StartCluster(t, 3, esdbserver.Options{User: "admin", Password: "changeit", TLS: esdbserver.NewCert(t)})
	s := connect(t, rig{config: esdbstore.Config{URL: c.URL()}})
	defer mustClose(t, s)
	if st, err := s.Status(t.Context()); err != nil || !strings.HasPrefix(st.Location, "esdb+discover://127.0.0.1:") || strings.Count(st.Location, ",") != 2 || strings.Contains(st.Location, "changeit") {
		t.Errorf("status %+v, %v", st, err)
	}
	f := follow(t, s)
	var killed *esdbserver.Node
	for i := range 30 {
		switch i % 10 {
		case 3: // it goes on as a follower, and says so
			c.Lead(c.Nodes[(i/10+1)%3])
		case 5:
			killed = c.Kill()
		case 8:
			c.Revive(killed)
		}
		f.expect(appendPatiently(t, s, "order-1", eventstore.Revision(i-1), fmt.Sprint(i)))
		f.catchUp()
	}
}

// Many at once lose the server in the middle of what they do.
func TestWritersLoseTheServer(t *testing.T) {
	const writers, each = 16, 12
	srv := conformance(t, esdbserver.Options{})
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				appendPatiently(t, s, fmt.Sprintf("order-%d", w), eventstore.Revision(i-1), fmt.Sprintf("%d/%d", w, i))
				if w == 0 && i%4 == 2 {
					srv.node.Stop()
					srv.node.Restart()
				}
			}
		})
	}
	wg.Wait()
	for w := range writers {
		recs, err := readAll(t, s, fmt.Sprintf("order-%d", w))
		if err != nil || len(recs) != each {
			t.Errorf("writer %d: %d events, %v", w, len(recs), err)
		}
	}
}

func TestAnswersAreLostAndSubscriptionsCut(t *testing.T) {
	srv := startServer(t)
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	for i := range 5 { // the subscription is cut in its history, and again
		srv.faults.LoseAppends(i % 2)
		mustAppend(t, s, "order-0", eventstore.Revision(i-1), fmt.Sprint("old", i))
	}
	recs, err := readAll(t, s, "order-0")
	if err != nil {
		t.Fatal(err)
	}
	f := follow(t, s)
	f.want = recs
	for range 4 {
		srv.faults.CutRead(3)
	}
	f.catchUp()
	for i := range 10 {
		srv.faults.Fail("Append", codes.Aborted, codes.Unknown, codes.Unavailable)
		srv.faults.LoseAppends(i % 3)
		f.expect(mustAppend(t, s, "order-1", eventstore.Revision(i-1), fmt.Sprint(i)))
		srv.faults.CutRead(0)
		srv.faults.CutRead(2)
		f.catchUp()
	}
}

// "Not found" is also how a node fails that does not lead. It must not be taken for a stream without events.
func TestAFailureIsNoEmptyStream(t *testing.T) {
	srv := startServer(t)
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	mustAppend(t, s, "order-1", eventstore.NoStream, "a")
	srv.faults.Fail("Read", codes.NotFound)
	if recs, err := readAll(t, s, "order-1"); err != nil || len(recs) != 1 {
		t.Errorf("%d events, %v", len(recs), err)
	}
}

func TestABatchHoldsOneEventOfAStream(t *testing.T) {
	s := connect(t, rig{server: startServer(t)})
	defer mustClose(t, s)
	_, err := s.AppendMany(t.Context(), []eventstore.Proposed{
		{Stream: "order-1", Expected: eventstore.NoStream, Event: testEvent("a")}, {Stream: "order-1", Expected: 0, Event: testEvent("b")},
	})
	var conflict *eventstore.ConflictError
	if err == nil || errors.As(err, &conflict) || errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("two events of a stream: %v", err)
	}
}

func TestWaitsForAServerThatIsNotThereYet(t *testing.T) {
	node := esdbserver.Start(t, esdbserver.Options{})
	node.Stop()
	restart := sync.OnceFunc(node.Restart)
	// It starts when the store has said that it is not there.
	log := slog.New(slog.NewTextHandler(writer(func(b []byte) {
		if strings.Contains(string(b), "can't be reached") {
			restart()
		}
	}), nil))
	s, err := esdbstore.Connect(t.Context(), esdbstore.Config{URL: node.URL(), Ledger: "shop", Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
}

// Where nobody answers, that is said after a while, with what to do and why: not that a time is over.
func TestNobodyIsThere(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() }) // nobody was spoken to
	for _, c := range []struct{ url, why string }{
		{"esdb://127.0.0.1:1?tls=false", "connection refused"},
		{"esdb+discover://127.0.0.1:1,127.0.0.1:2", "connection refused"},
		{"esdb://" + silent.Addr().String() + "?tls=false", "discovery"},
	} {
		t.Run(c.url, func(t *testing.T) {
			t.Parallel()
			_, err := esdbstore.Connect(t.Context(), esdbstore.Config{URL: c.url, Ledger: "shop", Logger: slog.New(slog.DiscardHandler)})
			if !errors.Is(err, eventstore.ErrUnavailable) || !strings.Contains(err.Error(), "see that it runs") || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%v", err)
			}
		})
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

func TestAServerThatDoesNotAnswer(t *testing.T) {
	srv := startServer(t)
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	mustAppend(t, s, "order-1", eventstore.NoStream, "a")
	release := srv.faults.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, appendErr := s.Append(ctx, "order-1", 0, testEvent("b"))
	_, headErr := s.Head(ctx)
	_, batchErr := s.AppendMany(ctx, []eventstore.Proposed{{Stream: "order-2", Expected: eventstore.NoStream, Event: testEvent("c")}})
	for _, err := range []error{appendErr, headErr, batchErr} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want DeadlineExceeded", err)
		}
	}
	release()
	mustAppend(t, s, "order-1", 0, "b")
	mustAppend(t, s, "order-1", 1, "d")
	if recs, err := readAll(t, s, "order-1"); err != nil || len(recs) != 3 {
		t.Errorf("%d events, %v", len(recs), err)
	}
}

// A server that comes back without events that it had given must not be followed: their places would go to others.
func TestServerThatForgot(t *testing.T) {
	srv := conformance(t, esdbserver.Options{})
	r := rig{server: srv, config: esdbstore.Config{Ledger: ledger()}}
	s := connect(t, r)
	defer mustClose(t, s)
	f := follow(t, s)
	f.expect(mustAppend(t, s, "order-1", eventstore.NoStream, "known"))
	f.expect(mustAppend(t, s, "order-2", eventstore.NoStream, "known too"))
	f.catchUp()

	srv.node.Stop()
	srv.node.Log.Truncate(uint64(f.want[1].Position))
	srv.node.Restart()
	if _, err := s.Head(t.Context()); !errors.Is(err, eventstore.ErrGap) {
		t.Errorf("the head: %v, want ErrGap", err)
	}
	fresh := connect(t, r)
	defer mustClose(t, fresh)
	mustAppend(t, fresh, "order-3", eventstore.NoStream, "another")
	mustAppend(t, fresh, "order-4", eventstore.NoStream, "and another")
	if _, err := f.sub.Next(t.Context(), 1); !errors.Is(err, eventstore.ErrGap) {
		t.Errorf("the subscription: %v, want ErrGap", err)
	}
}

// A batch that is cut short leaves a part, never the last event, and is completed by repeating it.
func TestPartOfABatch(t *testing.T) {
	srv := startServer(t)
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	var batch []eventstore.Proposed
	for i := range 40 {
		batch = append(batch, eventstore.Proposed{
			Stream: fmt.Sprintf("order-%d", i), Expected: eventstore.NoStream, Event: testEvent(fmt.Sprint(i)),
		})
	}
	var appends int
	var mu sync.Mutex
	ctx, cancel := context.WithCancel(t.Context())
	srv.faults.Before(func(method string) {
		mu.Lock()
		defer mu.Unlock()
		if method == "Append" {
			if appends++; appends == 20 {
				cancel()
			}
		}
	})
	if _, err := s.AppendMany(ctx, batch); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, want Canceled", err)
	}
	srv.faults.Before(nil)
	there := 0
	for i, p := range batch {
		recs, err := readAll(t, s, p.Stream)
		if err != nil {
			t.Fatal(err)
		}
		there += len(recs)
		if i == len(batch)-1 && len(recs) > 0 {
			t.Error("the last event was added before all others")
		}
	}
	if there == 0 {
		t.Error("nothing was added: the test shows nothing")
	}
	recs, err := s.AppendMany(t.Context(), batch)
	if err != nil || len(recs) != 40 {
		t.Fatalf("again: %d events, %v", len(recs), err)
	}
	for i, p := range batch {
		if got, err := readAll(t, s, p.Stream); err != nil || len(got) != 1 || got[0].ID != p.Event.ID || recs[i].Position != got[0].Position {
			t.Errorf("%s: %v, %v", p.Stream, got, err)
		}
	}
}

// A claim that somebody else makes between the look and the append is found; the act that rests on it is not done.
func TestClaimTakenMeanwhile(t *testing.T) {
	srv := startServer(t)
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	once := sync.OnceFunc(func() { mustAppend(t, s, "payment-1", eventstore.NoStream, "somebody else's claim") })
	var inside bool
	srv.faults.Before(func(method string) {
		if method == "Append" && !inside {
			inside = true
			once()
		}
	})
	_, err := s.AppendMany(t.Context(), []eventstore.Proposed{
		{Stream: "payment-1", Expected: eventstore.NoStream, Event: testEvent("claim")},
		{Stream: "order-1", Expected: eventstore.NoStream, Event: testEvent("act")},
	})
	var conflict *eventstore.ConflictError
	if !errors.As(err, &conflict) || conflict.Stream != "payment-1" || conflict.Actual != 0 {
		t.Errorf("%v, want a conflict on the claim", err)
	}
	if recs, err := readAll(t, s, "order-1"); err != nil || len(recs) != 0 {
		t.Errorf("the act was done: %v, %v", recs, err)
	}
}

// An append that got no answer is gone with the leader that had carried it out, since no other node had it: it is made again, once.
func TestAnAppendIsLostWithItsLeader(t *testing.T) {
	for name, appendOf := range map[string]func(*esdbstore.Store, eventstore.Proposed) error{
		"one": func(s *esdbstore.Store, p eventstore.Proposed) error {
			_, err := s.Append(t.Context(), p.Stream, p.Expected, p.Event)
			return err
		},
		"a batch": func(s *esdbstore.Store, p eventstore.Proposed) error {
			_, err := s.AppendMany(t.Context(), []eventstore.Proposed{p})
			return err
		},
		"in order": func(s *esdbstore.Store, p eventstore.Proposed) error {
			return s.AppendInOrder(t.Context(), []eventstore.Proposed{p})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := esdbserver.StartCluster(t, 3, esdbserver.Options{})
			s := connect(t, rig{config: esdbstore.Config{URL: c.URL()}})
			defer mustClose(t, s)
			first := mustAppend(t, s, "order-1", eventstore.NoStream, "a")
			old := c.Leader()
			old.Faults.LoseAppends(1)
			var mu sync.Mutex
			var before uint64
			var carried bool
			change := sync.OnceFunc(func() {
				old.Log.Truncate(before)
				c.Lead(c.Nodes[1])
			})
			for _, node := range c.Nodes {
				node.Faults.Before(func(method string) {
					mu.Lock()
					defer mu.Unlock()
					switch {
					case !carried && strings.HasSuffix(method, "Append"):
						carried, before = true, old.Log.Last()+1
					case carried && method == "Read":
						change()
					}
				})
			}
			if err := appendOf(s, eventstore.Proposed{Stream: "order-1", Expected: 0, Event: testEvent("b")}); err != nil {
				t.Fatal(err)
			}
			for _, node := range c.Nodes {
				node.Faults.Before(nil)
			}
			recs, err := readAll(t, s, "order-1")
			if err != nil || len(recs) != 2 || recs[1].ID != testEvent("b").ID {
				t.Fatalf("%v, %v", recs, err)
			}
			if c.Leader() == old {
				t.Error("nothing happened: the test shows nothing")
			}
			f := follow(t, s) // here, for the log of these tests shows at once what a real one shows when most nodes have it
			f.want = append(f.want, first, recs[1], mustAppend(t, s, "order-1", 1, "c"))
			f.catchUp()
		})
	}
}
