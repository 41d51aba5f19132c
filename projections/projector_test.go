package projections_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/projections"
)

// model is a read model in memory that reads what it is given with the codec, as one must.
type model struct {
	at       eventstore.Position
	last     projections.Last
	resets   int
	applied  []eventstore.Position
	caughtUp int
}

func (m *model) Checkpoint(context.Context) (eventstore.Position, error) { return m.at, nil }

func (m *model) Last(context.Context) (projections.Last, error) { return m.last, nil }

func (m *model) Reset(context.Context) error {
	m.at, m.last, m.applied = 0, projections.Last{}, nil
	m.resets++
	return nil
}

func (m *model) CaughtUp(context.Context) error { m.caughtUp++; return nil }

func (m *model) Apply(_ context.Context, batch []eventstore.Recorded) ([]projections.Change, error) {
	var changes []projections.Change
	for _, r := range batch {
		if _, _, err := (eventstore.Codec{}).Decode(r); err != nil {
			return nil, err
		}
	}
	for _, r := range batch {
		m.last = projections.Last{Before: m.at, Position: r.Position, Event: r.ID}
		m.at = r.Position
		m.applied = append(m.applied, r.Position)
		if id, ok := eventstore.OrderOf(r.Stream); ok {
			changes = append(changes, projections.Change{
				Position: r.Position, Stream: r.Stream, OrderID: id, Type: r.Type, Version: int(r.Revision) + 1, Tab: domain.TabNew,
			})
		}
	}
	return changes, nil
}

// write appends an event to the end of a stream that has revision events.
func write(t *testing.T, store eventstore.Store, stream string, revision int, e domain.Event) eventstore.Recorded {
	t.Helper()
	encoded, err := eventstore.Codec{}.Encode(stream, e)
	if err != nil {
		t.Fatal(err)
	}
	encoded.ID = uuid.NewSHA1(uuid.Nil, fmt.Append(nil, stream, revision))
	sealed, _, err := eventstore.Seal(stream, eventstore.Revision(revision), encoded, eventstore.Envelope{
		Schema: 1, OccurredAt: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := store.Append(t.Context(), stream, eventstore.Revision(revision-1), sealed)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func orderStream(i int) string {
	return eventstore.OrderStream(domain.OrderID("acme", fmt.Sprint(i)))
}

// start runs a projector; the returned function ends it and gives Run's error.
func start(t *testing.T, store eventstore.Store, m projections.ReadModel) (*projections.Projector, func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := projections.NewProjector("test", store, m)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	end := func() error {
		cancel()
		err, ok := <-done
		if ok {
			close(done)
		}
		return err
	}
	t.Cleanup(func() { _ = end() }) // the test that cares has looked
	return p, end
}

// await bounds how long a test waits.
func await(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestProjectorGoesOnFromTheCheckpoint(t *testing.T) {
	store, m := memstore.New(), &model{}
	for i := range 10 {
		write(t, store, orderStream(i), 0, domain.Accepted{})
	}
	m.at = 4
	p, end := start(t, store, m)
	if err := p.WaitReady(await(t)); err != nil {
		t.Fatal(err)
	}
	last := write(t, store, "access-1", 0, eventstore.TokenRevoked{})
	if err := p.WaitFor(await(t), last.Position); err != nil {
		t.Fatal(err)
	}
	if s := p.Status(t.Context()); s.Checkpoint != 11 || s.Head != 11 || s.Error != "" || p.Ready() != nil {
		t.Errorf("status %+v, ready %v", s, p.Ready())
	}
	if err := end(); err != nil {
		t.Errorf("a clean stop: %v", err)
	}
	if len(m.applied) != 7 || m.applied[0] != 5 || m.caughtUp != 1 {
		t.Errorf("applied %v, caught up %d times", m.applied, m.caughtUp)
	}
	if err := p.WaitFor(await(t), 99); !errors.Is(err, projections.ErrStopped) || p.Ready() == nil {
		t.Errorf("waiting for a stopped projector: %v", err)
	}
}

func TestProjectorStopsAtWhatItCantRead(t *testing.T) {
	store, m := memstore.New(), &model{}
	p, end := start(t, store, m)
	first := write(t, store, orderStream(1), 0, domain.Accepted{})
	if err := p.WaitFor(await(t), first.Position); err != nil {
		t.Fatal(err)
	}
	strange := first.Event
	strange.ID, strange.Type = uuid.NewSHA1(uuid.Nil, []byte("strange")), "Teleported"
	if _, err := store.Append(t.Context(), orderStream(1), 0, strange); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitFor(await(t), 2); !errors.Is(err, projections.ErrStopped) || !errors.Is(err, eventstore.ErrUnknownType) {
		t.Errorf("waiting for what can't be read: %v", err)
	}
	if s := p.Status(t.Context()); s.Checkpoint != 1 || s.Lag != 1 || !strings.Contains(s.Error, "position 2") {
		t.Errorf("status %+v does not say where", s)
	}
	if err := p.Ready(); !errors.Is(err, projections.ErrStopped) {
		t.Errorf("ready: %v", err)
	}
	if err := end(); !errors.Is(err, eventstore.ErrUnknownType) {
		t.Errorf("run: %v", err)
	}
}

func TestProjectorStopsAtAGap(t *testing.T) {
	store, m := memstore.New(), &model{}
	for i := range 3 {
		write(t, store, orderStream(i), 0, domain.Accepted{})
	}
	store.Drop(2)
	p, end := start(t, store, m)
	if err := p.WaitFor(await(t), 3); !errors.Is(err, eventstore.ErrGap) {
		t.Errorf("waiting beyond a gap: %v", err)
	}
	if err := end(); !errors.Is(err, eventstore.ErrGap) || m.at != 1 {
		t.Errorf("run: %v, at %d", err, m.at)
	}
}

// A model of this log goes on; one of another log, such as one that was moved to a store with other positions, is emptied first.
func TestProjectorKnowsItsLog(t *testing.T) {
	store, other := memstore.New(), memstore.New()
	for i := range 5 {
		write(t, store, orderStream(i), 0, domain.Accepted{})
		write(t, other, orderStream(i+1), 0, domain.Accepted{})
	}
	run := func(s eventstore.Store, m *model) {
		t.Helper()
		p, end := start(t, s, m)
		if err := errors.Join(p.WaitReady(await(t)), end()); err != nil {
			t.Fatal(err)
		}
	}
	m := &model{}
	run(store, m)
	write(t, store, orderStream(9), 0, domain.Accepted{})
	run(store, m)
	if m.resets != 0 || len(m.applied) != 6 {
		t.Errorf("on its own log: %d resets, applied %v", m.resets, m.applied)
	}
	write(t, other, orderStream(9), 0, domain.Accepted{})
	write(t, other, orderStream(10), 0, domain.Accepted{})
	m.last.Event = uuid.Nil // as another event at the same position
	run(other, m)
	if m.resets != 1 || len(m.applied) != 7 || m.at != 7 {
		t.Errorf("on another log: %d resets, applied %v", m.resets, m.applied)
	}
	run(other, m)
	if m.resets != 1 || len(m.applied) != 7 {
		t.Errorf("again on that: %d resets, applied %v", m.resets, m.applied)
	}

	// A log that ends before its model has lost events. That is an incident, and no reason to forget what was there.
	p, end := start(t, store, m)
	if err := p.WaitReady(await(t)); !errors.Is(err, eventstore.ErrGap) {
		t.Errorf("ready: %v", err)
	}
	if err := end(); !errors.Is(err, eventstore.ErrGap) || m.resets != 1 {
		t.Errorf("run: %v, %d resets", err, m.resets)
	}
}

func TestProjectorOutlivesALogThatIsAway(t *testing.T) {
	store, m := memstore.New(), &model{}
	p, _ := start(t, store, m)
	if err := p.WaitReady(await(t)); err != nil {
		t.Fatal(err)
	}
	store.FailNextRead(fmt.Errorf("%w: the cable", eventstore.ErrUnavailable))
	for i := range 3 {
		last := write(t, store, orderStream(i), 0, domain.Accepted{})
		if err := p.WaitFor(await(t), last.Position); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.applied) != 3 || m.caughtUp != 1 {
		t.Errorf("applied %v, caught up %d times", m.applied, m.caughtUp)
	}
}

func TestFollowersMissAndRepeatNothing(t *testing.T) {
	const before, after = 9000, 50 // more than what is kept for followers
	store, m := memstore.New(), &model{}
	p, end := start(t, store, m)
	early := p.Follow(0)
	defer early.Close()
	for i := range before {
		write(t, store, orderStream(i), 0, domain.Accepted{})
	}
	if err := p.WaitFor(await(t), before); err != nil {
		t.Fatal(err)
	}
	late := p.Follow(before - 10)
	defer late.Close()
	for i := range after {
		write(t, store, orderStream(before+i), 0, domain.Accepted{})
		write(t, store, fmt.Sprintf("access-%d", i), 0, eventstore.TokenRevoked{})
	}
	for _, tt := range []struct {
		name string
		f    *projections.Follower
		want int
	}{{"from the beginning", early, before + after}, {"from near the end", late, 10 + after}} {
		last := tt.f.Position()
		for n := 0; n < tt.want; {
			changes, err := tt.f.Next(await(t), 100)
			if err != nil {
				t.Fatalf("%s: %v after %d", tt.name, err, n)
			}
			for _, c := range changes {
				if c.Position <= last || c.OrderID == uuid.Nil || c.Version != 1 {
					t.Fatalf("%s: %+v after position %d", tt.name, c, last)
				}
				last = c.Position
				n++
			}
			if n > tt.want {
				t.Fatalf("%s: %d changes, want %d", tt.name, n, tt.want)
			}
		}
	}
	if err := p.WaitFor(await(t), before+2*after); err != nil {
		t.Fatal(err)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if changes, err := late.Next(await(t), 100); !errors.Is(err, projections.ErrStopped) {
		t.Errorf("following a stopped projector: %v, %v", changes, err)
	}
}
