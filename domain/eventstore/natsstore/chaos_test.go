//go:build unix

package natsstore

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
)

var faults = flag.Int("faults", 2, "how many of natstest.Faults TestClusterUnderFaults makes, one after the other")

const (
	aWhile = 10 * time.Second // of a fault that nothing goes on in
	stuck  = 30 * time.Second // without success, though nothing is wrong
)

// Two processes write and follow one log, to streams of their own and to one that they all contend for, while the cluster
// under it breaks in every way. All goes on by itself; and in the end the log holds what was acknowledged, each event once and
// where it was said to be, and every follower has seen that log, whole and in order.
func TestClusterUnderFaults(t *testing.T) { // not beside others: it is held to times
	cl := natstest.NewCluster(t, natstest.ClusterConfig{Servers: 3, Divisible: true})
	c := &chaos{acked: map[eventstore.Position]eventstore.Recorded{}, lanes: map[string]time.Time{}, moved: make(chan struct{}), away: map[string]error{}}
	g, ctx := errgroup.WithContext(t.Context())
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	seen := make([][]eventstore.Recorded, 2)
	var stores []*Store
	for process := range seen {
		s := connectRig(t, ExternalConfig{URL: cl.URL, Ledger: "shop", Replicas: 3})
		t.Cleanup(func() { mustClose(t, s) }) // once nobody writes
		stores = append(stores, s)
		for w := range 3 {
			g.Go(func() error { return c.writeAlone(ctx, s, fmt.Sprintf("order-%d-%d", process, w)) })
		}
		g.Go(func() error { return c.contend(ctx, s, fmt.Sprint("process ", process)) })
		g.Go(func() error { return c.writeMany(ctx, s, fmt.Sprint("import ", process)) })
		g.Go(func() error { return c.follow(ctx, s, fmt.Sprint("follower ", process), &seen[process]) })
	}
	cl.Settle("shop")
	ok := c.goesOn(t, ctx, time.Now(), time.Now().Add(time.Minute), "the start")
	for i := 0; ok && i < *faults; i++ {
		for n := 0; ok && n < 20; n++ {
			began := time.Now()
			ok = c.goesOn(t, ctx, began, began.Add(stuck), "")
		}
		ok = ok && c.suffer(t, ctx, cl, natstest.Faults[i%len(natstest.Faults)])
	}
	stop()
	ended := make(chan error, 1)
	go func() { ended <- g.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(3 * patience):
		t.Fatalf("writers or followers did not end when they were told; under way:\n%s", underway())
	}
	c.check(t, stores, seen)
}

// suffer makes a fault and ends it, and says whether everybody went on, each time.
func (c *chaos) suffer(t *testing.T, ctx context.Context, cl *natstest.Cluster, f natstest.Fault) bool {
	t.Helper()
	began := time.Now()
	end := f.Make(cl, cl.Leader("shop"))
	if f.Ends {
		c.stands(ctx, began.Add(aWhile)) // it lasts until somebody could have noticed
	} else if !c.goesOn(t, ctx, began, cl.GoesOnBy("shop", began), f.Name) {
		end()
		return false
	}
	end()
	began = time.Now()
	return c.goesOn(t, ctx, began, cl.GoesOnBy("shop", began), "the end of: "+f.Name)
}

// chaos is what writers were told, and who has gone on since when.
type chaos struct {
	mu    sync.Mutex
	acked map[eventstore.Position]eventstore.Recorded
	lanes map[string]time.Time // when each writer and follower began what it last succeeded in
	moved chan struct{}
	away  map[string]error // why the last append to a stream failed, for who looks into a failure of this test
}

// went notes that a lane did something that it began at an instant.
func (c *chaos) went(lane string, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lanes[lane] = began
	close(c.moved)
	c.moved = make(chan struct{})
}

func (c *chaos) ack(r eventstore.Recorded) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, taken := c.acked[r.Position]; taken && other.ID != r.ID {
		return fmt.Errorf("position %d was acknowledged for %s and %s", r.Position, other.ID, r.ID)
	}
	c.acked[r.Position] = r
	return nil
}

// all waits until every lane has done something that it began after an instant. False: the time is over.
func (c *chaos) all(ctx context.Context, since, until time.Time) (late []string, ok bool) {
	limit := time.NewTimer(time.Until(until))
	defer limit.Stop()
	for {
		c.mu.Lock()
		late = late[:0]
		for lane, last := range c.lanes {
			if !last.After(since) {
				late = append(late, lane)
			}
		}
		moved, lanes := c.moved, len(c.lanes)
		c.mu.Unlock()
		if len(late) == 0 && lanes == 12 {
			return nil, true
		}
		select {
		case <-moved:
		case <-limit.C:
			return late, false
		case <-ctx.Done():
			return late, false
		}
	}
}

// goesOn says whether everybody, until an instant, succeeds in something that was begun since another one. After nothing, it says so
// only when they don't.
func (c *chaos) goesOn(t *testing.T, ctx context.Context, since, until time.Time, after string) bool {
	t.Helper()
	settled := time.Now()
	late, ok := c.all(ctx, since, until)
	switch {
	case ctx.Err() != nil:
		t.Errorf("after %s: stopped", cmp.Or(after, "nothing"))
		return false
	case !ok:
		c.mu.Lock()
		defer c.mu.Unlock()
		t.Errorf("%s, after %s: %v did not go on within %v; appends last failed: %v; under way:\n%s",
			time.Now().UTC().Format(time.TimeOnly), cmp.Or(after, "nothing"), late, until.Sub(since), c.away, underway())
		return false
	case after != "":
		t.Logf("%5d ms, %5d of them with leaders: all went on after %s", time.Since(since).Milliseconds(), time.Since(settled).Milliseconds(), after)
	}
	return true
}

// underway is where the goroutines are that ask a store just now.
func underway() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var here []string
	for one := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(one, "(*Store).") || strings.Contains(one, "(*subscription).") {
			here = append(here, one)
		}
	}
	return strings.Join(here, "\n\n")
}

// stands waits until the log goes on without one server, or an instant is over.
func (c *chaos) stands(ctx context.Context, until time.Time) { c.all(ctx, time.Now(), until) }

// must appends until it is acknowledged, or refused.
func (c *chaos) must(ctx context.Context, s *Store, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	for {
		r, err := s.Append(ctx, stream, expected, e)
		if err == nil {
			return r, c.ack(r)
		}
		if !errors.Is(err, eventstore.ErrUnavailable) || ctx.Err() != nil {
			return r, err
		}
		c.mu.Lock()
		c.away[stream] = fmt.Errorf("%s, expecting %s: %w", time.Now().UTC().Format(time.TimeOnly), expected, err)
		c.mu.Unlock()
	}
}

// writeAlone appends to streams that nobody else writes to: there is never a conflict, and what was acknowledged is read.
func (c *chaos) writeAlone(ctx context.Context, s *Store, stream string) error {
	for n := 0; ; n++ {
		began := time.Now()
		r, err := c.must(ctx, s, fmt.Sprint(stream, "-", n/20), eventstore.Revision(n%20-1), testEvent(fmt.Sprint(stream, n)))
		if err == nil {
			err = readsBack(ctx, s, r)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("%s, event %d: %w", stream, n, err)
		}
		c.went(stream, began)
	}
}

// writeMany imports batches of new streams.
func (c *chaos) writeMany(ctx context.Context, s *Store, name string) error {
	for n := 0; ; n++ {
		began := time.Now()
		batch := make([]eventstore.Proposed, 5)
		for i := range batch {
			stream := fmt.Sprintf("order-%s-%d-%d", strings.ReplaceAll(name, " ", "-"), n, i)
			batch[i] = eventstore.Proposed{Stream: stream, Expected: eventstore.NoStream, Event: testEvent(stream)}
		}
		recs, err := s.AppendMany(ctx, batch)
		for errors.Is(err, eventstore.ErrUnavailable) && ctx.Err() == nil {
			recs, err = s.AppendMany(ctx, batch)
		}
		for _, r := range recs {
			err = errors.Join(err, c.ack(r))
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("%s, batch %d: %w", name, n, err)
		}
		c.went(name, began)
	}
}

// readsBack reads an event that was just acknowledged.
func readsBack(ctx context.Context, s *Store, want eventstore.Recorded) error {
	for {
		var got eventstore.Recorded
		var err error
		for got, err = range s.ReadStream(ctx, want.Stream, want.Revision-1) {
		}
		switch {
		case errors.Is(err, eventstore.ErrUnavailable) && ctx.Err() == nil:
		case err != nil:
			return err
		case got.ID != want.ID || got.Position != want.Position:
			return fmt.Errorf("a later read gives %v at %d, not %v at %d", got.ID, got.Position, want.ID, want.Position)
		default:
			return nil
		}
	}
}

// contend appends to a stream that others write to, too, behind the last event that it knows of.
func (c *chaos) contend(ctx context.Context, s *Store, process string) error {
	at := eventstore.NoStream
	for n := 0; ; n++ {
		began := time.Now()
		r, err := c.must(ctx, s, "order-contended", at, eventstore.Event{
			ID: uuid.New(), Type: "Accepted", Data: []byte(`{}`), Meta: fmt.Appendf(nil, `{"by":%q,"n":%d}`, process, n),
		})
		var conflict *eventstore.ConflictError
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			at = r.Revision
			c.went(process, began)
		case errors.As(err, &conflict) && conflict.Actual > at:
			at = conflict.Actual
			c.went(process, began)
		default:
			return fmt.Errorf("%s expected %s: %w", process, at, err)
		}
	}
}

// follow reads the log, and subscribes again only when the log is unavailable.
func (c *chaos) follow(ctx context.Context, s *Store, name string, seen *[]eventstore.Recorded) error {
	for {
		after := eventstore.Position(len(*seen))
		sub, err := s.Subscribe(ctx, after)
		for err == nil {
			began := time.Now()
			var recs []eventstore.Recorded
			recs, err = sub.Next(ctx, 100)
			*seen = append(*seen, recs...)
			if len(recs) > 0 {
				c.went(name, began)
			}
		}
		if sub != nil {
			_ = sub.Close() // it only reads
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, eventstore.ErrGap), !errors.Is(err, eventstore.ErrUnavailable):
			return fmt.Errorf("%s after position %d: %w", name, len(*seen), err)
		}
	}
}

// check holds the log against what was acknowledged and seen.
func (c *chaos) check(t *testing.T, stores []*Store, seen [][]eventstore.Recorded) {
	t.Helper()
	head, err := stores[0].Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sub, err := stores[0].Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	var log []eventstore.Recorded
	for ctx := soon(t); eventstore.Position(len(log)) < head; {
		recs, err := sub.Next(ctx, 1000)
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, recs...)
	}
	revisions, ids := map[string]eventstore.Revision{}, map[uuid.UUID]bool{}
	for i, r := range log {
		if r.Position != eventstore.Position(i+1) || r.Revision != revisions[r.Stream] || ids[r.ID] {
			t.Fatalf("position %d: %s %s, event %s, seen before: %v", r.Position, r.Stream, r.Revision, r.ID, ids[r.ID])
		}
		revisions[r.Stream]++
		ids[r.ID] = true
	}
	for _, p := range slices.Sorted(maps.Keys(c.acked)) {
		if want := c.acked[p]; p > head || log[p-1].ID != want.ID || log[p-1].Stream != want.Stream || log[p-1].Revision != want.Revision {
			t.Fatalf("position %d is not what was acknowledged: %+v", p, want)
		}
	}
	for i, s := range seen {
		for j, r := range s {
			if r.Position != log[j].Position || r.ID != log[j].ID {
				t.Fatalf("follower %d saw %s at position %d, where the log has %s", i, r.ID, r.Position, log[j].ID)
			}
		}
	}
	t.Logf("%d events, %d acknowledged, %d of them contended for", len(log), len(c.acked), revisions["order-contended"])
}
