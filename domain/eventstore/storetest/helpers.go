package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// event makes the event that a name stands for, always the same.
func event(name string) eventstore.Event {
	return eventstore.Event{
		ID:   uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)),
		Type: "Accepted",
		Data: fmt.Appendf(nil, `{"name":%q}`, name),
		Meta: fmt.Appendf(nil, `{"actor":"clerk","of":%q}`, name),
	}
}

// Soon is the test's context, ended after a minute: for what waits for others, and must not wait for ever.
func Soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func mustAppend(t *testing.T, s eventstore.Store, stream string, expected eventstore.Revision, e eventstore.Event) eventstore.Recorded {
	t.Helper()
	r, err := s.Append(t.Context(), stream, expected, e)
	if err != nil {
		t.Fatalf("append to %s at %s: %v", stream, expected, err)
	}
	return r
}

// fill appends n events to a stream that has none.
func fill(t *testing.T, s eventstore.Store, stream string, n int) []eventstore.Recorded {
	t.Helper()
	recs := make([]eventstore.Recorded, n)
	for i := range n {
		recs[i] = mustAppend(t, s, stream, eventstore.Revision(i-1), event(fmt.Sprintf("%s/%d", stream, i)))
	}
	return recs
}

func readAll(t *testing.T, s eventstore.Store, stream string, after eventstore.Revision) []eventstore.Recorded {
	t.Helper()
	var recs []eventstore.Recorded
	for r, err := range s.ReadStream(t.Context(), stream, after) {
		if err != nil {
			t.Fatalf("read %s after %s: %v", stream, after, err)
		}
		recs = append(recs, r)
	}
	return recs
}

// follow reads n events of the log after a position.
func follow(t *testing.T, s eventstore.Store, after eventstore.Position, n int) []eventstore.Recorded {
	t.Helper()
	sub, err := s.Subscribe(t.Context(), after)
	if err != nil {
		t.Fatalf("subscribe after %d: %v", after, err)
	}
	defer closeSubscription(t, sub)
	var recs []eventstore.Recorded
	for ctx := Soon(t); len(recs) < n; {
		bite := min(100, n-len(recs))
		more, err := sub.Next(ctx, bite)
		if err != nil {
			t.Fatalf("next after %d events: %v", len(recs), err)
		}
		if len(more) == 0 || len(more) > bite {
			t.Fatalf("Next(%d) gave %d events", bite, len(more))
		}
		recs = append(recs, more...)
	}
	return recs
}

func closeSubscription(t *testing.T, sub eventstore.Subscription) {
	t.Helper()
	if err := sub.Close(); err != nil {
		t.Errorf("close subscription: %v", err)
	}
}

func head(t *testing.T, s eventstore.Store) eventstore.Position {
	t.Helper()
	p, err := s.Head(t.Context())
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	return p
}

func wantSame(t *testing.T, got, want []eventstore.Recorded) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range got {
		if !same(got[i], want[i]) {
			t.Fatalf("event %d: %s, want %s", i, show(got[i]), show(want[i]))
		}
	}
}

func same(a, b eventstore.Recorded) bool {
	return a.ID == b.ID && a.Type == b.Type && a.Stream == b.Stream && a.Revision == b.Revision && a.Position == b.Position &&
		bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Meta, b.Meta)
}

func show(r eventstore.Recorded) string {
	return fmt.Sprintf("{%s %s at %d: %s %s %.80q %.80q}", r.Stream, r.Revision, r.Position, r.ID, r.Type, r.Data, r.Meta)
}

func wantConflict(t *testing.T, err error, stream string, expected, actual eventstore.Revision) {
	t.Helper()
	var c *eventstore.ConflictError
	if !errors.As(err, &c) {
		t.Fatalf("%v, want a conflict", err)
	}
	if want := (eventstore.ConflictError{Stream: stream, Expected: expected, Actual: actual}); *c != want {
		t.Fatalf("%v, want %v", c, &want)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%v, want %v", err, want)
	}
}

// wantDense says that the events follow each other: positions rise strictly, revisions by one in each stream.
func wantDense(t *testing.T, recs []eventstore.Recorded) {
	t.Helper()
	var last eventstore.Position
	next := map[string]eventstore.Revision{}
	for _, r := range recs {
		if r.Position <= last {
			t.Fatalf("position %d after %d", r.Position, last)
		}
		if r.Revision != next[r.Stream] {
			t.Fatalf("%s: %s, want revision %d", r.Stream, r.Revision, next[r.Stream])
		}
		last, next[r.Stream] = r.Position, r.Revision+1
	}
}
