package natsstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// gate is a barrier under a test's control. Open, it lets every run pass.
type gate struct {
	mu     sync.Mutex
	shut   chan struct{} // nil when open; runs wait until it is closed
	result error
	inside chan struct{} // gets one for each run that meets a shut gate
	runs   atomic.Int64
}

func newGate() *gate { return &gate{inside: make(chan struct{}, 100)} }

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

// open lets the runs go on, all with a result.
func (g *gate) open(result error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.result = result
	close(g.shut)
	g.shut = nil
}

func (g *gate) around(run func() error) func() error {
	return func() error {
		g.runs.Add(1)
		g.mu.Lock()
		shut := g.shut
		g.mu.Unlock()
		if shut != nil {
			g.inside <- struct{}{}
			<-shut
		}
		g.mu.Lock()
		result := g.result
		g.mu.Unlock()
		if result != nil {
			return result
		}
		return run()
	}
}

func openGated(t *testing.T, g *gate, onFatal func(error)) *Store {
	t.Helper()
	s, err := OpenEmbedded(t.Context(), EmbeddedConfig{
		Dir: t.TempDir(), Ledger: "shop", Logger: slog.New(slog.DiscardHandler), OnFatal: onFatal, barrier: g.around,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, s) })
	return s
}

// appendLater appends in a goroutine and returns where the outcome will be.
func appendLater(t *testing.T, s *Store, stream string, expected eventstore.Revision, e eventstore.Event) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := s.Append(t.Context(), stream, expected, e)
		done <- err
	}()
	return done
}

// A moment is long enough for anything to happen that wrongly would; nothing waits for it when all is well but the test.
func aMoment(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestNobodySeesAnEventBeforeItsBarrier(t *testing.T) {
	g := newGate()
	s := openGated(t, g, nil)
	old, err := s.Append(t.Context(), "order-1", eventstore.NoStream, testEvent("old"))
	if err != nil {
		t.Fatal(err)
	}
	g.close()
	done := appendLater(t, s, "order-1", 0, testEvent("new"))
	<-g.inside
	if info, err := s.info(t.Context()); err != nil || info.State.LastSeq != 2 {
		t.Fatalf("the server should have the event: %v, %v", info, err)
	}

	if p, err := s.Head(t.Context()); err != nil || p != old.Position {
		t.Errorf("head is %d, %v; want %d", p, err, old.Position)
	}
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if recs, err := sub.Next(soon(t), 10); err != nil || len(recs) != 1 || recs[0].ID != old.ID {
		t.Errorf("a subscriber saw %v, %v; want the old event alone", recs, err)
	}
	if recs, err := sub.Next(aMoment(t), 10); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a subscriber saw %v, %v", recs, err)
	}
	for r, err := range s.ReadStream(aMoment(t), "order-1", 0) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a reader saw %v, %v", r, err)
		}
	}
	// Not even a repeat learns of it.
	if r, err := s.Append(aMoment(t), "order-1", 0, testEvent("new")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a repeat was answered: %v, %v", r, err)
	}
	if _, err := s.AppendMany(aMoment(t), []eventstore.Proposed{{Stream: "order-2", Expected: eventstore.NoStream, Event: testEvent("batch")}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a batch was answered: %v", err)
	}
	select {
	case err := <-done:
		t.Fatalf("the append was answered: %v", err)
	default:
	}

	g.open(nil)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	again, err := s.Subscribe(t.Context(), old.Position)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if recs, err := again.Next(soon(t), 1); err != nil || recs[0].ID != testEvent("new").ID {
		t.Errorf("after the barrier a subscriber saw %v, %v", recs, err)
	}
}

func TestFailedBarrierIsTheEnd(t *testing.T) {
	g, fault := newGate(), errors.New("input/output error")
	fatal := make(chan error, 10)
	s := openGated(t, g, func(err error) { fatal <- err })
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	g.close()
	first := appendLater(t, s, "order-1", eventstore.NoStream, testEvent("first"))
	<-g.inside
	// These join while the failing run is on, and would wait for the next.
	var waiting []<-chan error
	for i := range 5 {
		waiting = append(waiting, appendLater(t, s, fmt.Sprintf("order-more-%d", i), eventstore.NoStream, testEvent(fmt.Sprint(i))))
	}
	g.open(fault)
	for _, done := range append(waiting, first) {
		if err := <-done; !errors.Is(err, eventstore.ErrUnavailable) {
			t.Errorf("an append was answered: %v", err)
		}
	}
	if err := <-fatal; !errors.Is(err, fault) {
		t.Errorf("OnFatal got %v", err)
	}
	if _, err := s.Append(t.Context(), "order-late", eventstore.NoStream, testEvent("late")); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("a later append was answered: %v", err)
	}
	if recs, err := sub.Next(soon(t), 10); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("a subscriber saw %v, %v", recs, err)
	}
	for r, err := range s.ReadStream(t.Context(), "order-1", eventstore.NoStream) {
		if !errors.Is(err, eventstore.ErrUnavailable) {
			t.Errorf("a reader saw %v, %v", r, err)
		}
	}
	if p, err := s.Head(t.Context()); err != nil || p != 0 {
		t.Errorf("head is %d, %v; want 0", p, err)
	}
	if len(fatal) > 0 {
		t.Error("OnFatal was called twice")
	}
	if n := g.runs.Load(); n != 2 {
		t.Errorf("the barrier ran %d times, want once at the start and once to fail", n)
	}
}

func TestNothingIsServedWhenTheFirstBarrierFails(t *testing.T) {
	fault := errors.New("input/output error")
	_, err := OpenEmbedded(t.Context(), EmbeddedConfig{
		Dir: t.TempDir(), Ledger: "shop", Logger: slog.New(slog.DiscardHandler),
		barrier: func(func() error) func() error { return func() error { return fault } },
	})
	if !errors.Is(err, fault) {
		t.Errorf("%v, want %v", err, fault)
	}
}

// Whoever joins while the barrier runs is served by the next run: the present one may have missed its event.
func TestBarrierServesOnlyWhoCameBefore(t *testing.T) {
	g := newGate()
	b, err := startBarrier(0, g.around(func() error { return nil }), func(uint64) {}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	g.close()
	early, late := make(chan error, 1), make(chan error, 1)
	b.join(7, early)
	<-g.inside
	b.join(9, late)
	shut := g.shut
	g.close() // the next run shall wait at a gate of its own
	close(shut)
	if err := <-early; err != nil {
		t.Fatal(err)
	}
	<-g.inside
	if d := b.durable.Load(); d != 7 {
		t.Errorf("durable up to %d, want 7", d)
	}
	if len(late) > 0 {
		t.Error("who came late was served by the run before")
	}
	g.open(nil)
	if err := <-late; err != nil {
		t.Fatal(err)
	}
	if d := b.durable.Load(); d != 9 {
		t.Errorf("durable up to %d, want 9", d)
	}
}

func TestBarrierSharesRuns(t *testing.T) {
	g := newGate()
	b, err := startBarrier(0, g.around(func() error { return nil }), func(uint64) {}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	g.close()
	const waiters = 100
	done := make(chan error, waiters)
	b.join(1, done)
	<-g.inside
	for i := range waiters - 1 {
		b.join(uint64(i+2), done)
	}
	g.open(nil)
	for range waiters {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if n := g.runs.Load(); n != 3 { // at the start, for the first, for all others
		t.Errorf("%d runs, want 3", n)
	}
	b.stop()
	b.join(1000, done)
	if err := <-done; !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("after stop: %v", err)
	}
}
