package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

func appendAndReadBack(t *testing.T, h Harness) {
	s := h.open(t)
	a := fill(t, s, "order-a", 3)
	b := fill(t, s, "order-b", 2)
	wantSame(t, readAll(t, s, "order-a", eventstore.NoStream), a)
	wantSame(t, readAll(t, s, "order-b", eventstore.NoStream), b)
	wantSame(t, readAll(t, s, "order-none", eventstore.NoStream), nil)
	wantSame(t, follow(t, s, 0, 5), append(a, b...))
	wantDense(t, append(a, b...))
	for i, r := range a {
		e := event(fmt.Sprintf("order-a/%d", i))
		if !same(r, eventstore.Recorded{Event: e, Stream: "order-a", Revision: eventstore.Revision(i), Position: r.Position}) {
			t.Errorf("recorded %s, proposed %v", show(r), e)
		}
	}
}

func oddBytes(t *testing.T, h Harness) {
	s := h.open(t)
	var want []eventstore.Recorded
	for i, odd := range []string{
		`{}`,
		`{"name":"Æther 東京 🧾 Ωμέγα"}`,
		` { "padded" : 1 } `,
		"\t{\t\"tabs\"\t:\t[ ]}\t",
		"\r{\"carriage\":\"return\"}\r",
		`{"escapes":"\u0000 \ud83d\ude00 \/ \\ \" \n"}`,
		"{\"line separators\":\"\u2028\u2029\u0085\u00a0\"}",
		`{"a":1,"a":2,"big":12345678901234567890.000}`,
		`{"not utf-8":"` + "\xff\xfe" + `"}`,
		`{"crlf-like":": \\r\\n\\r\\nNATS/1.0"}`,
	} {
		e := event(fmt.Sprint("odd", i))
		e.Data, e.Meta = []byte(odd), []byte(strings.ReplaceAll(odd, "a", "m"))
		r := mustAppend(t, s, "order-odd", eventstore.Revision(i-1), e)
		if !bytes.Equal(r.Data, e.Data) || !bytes.Equal(r.Meta, e.Meta) {
			t.Errorf("recorded as %s, want %q %q", show(r), e.Data, e.Meta)
		}
		want = append(want, r)
	}
	wantSame(t, readAll(t, s, "order-odd", eventstore.NoStream), want)
	wantSame(t, follow(t, s, 0, len(want)), want)
}

func conflicts(t *testing.T, h Harness) {
	s := h.open(t)
	ctx := t.Context()
	_, err := s.Append(ctx, "order-a", 0, event("too early"))
	wantConflict(t, err, "order-a", 0, eventstore.NoStream)
	fill(t, s, "order-a", 3)
	for _, expected := range []eventstore.Revision{eventstore.NoStream, 0, 1, 3, 17} {
		_, err := s.Append(ctx, "order-a", expected, event("late"))
		wantConflict(t, err, "order-a", expected, 2)
	}
	mustAppend(t, s, "order-a", 2, event("in time"))
}

func repeats(t *testing.T, h Harness) {
	s := h.open(t)
	a := fill(t, s, "order-a", 6)
	fill(t, s, "order-b", 200)
	before := head(t, s)
	for i, want := range a {
		expected := eventstore.Revision(i - 1)
		got := mustAppend(t, s, "order-a", expected, event(fmt.Sprintf("order-a/%d", i)))
		wantSame(t, []eventstore.Recorded{got}, []eventstore.Recorded{want})
		// What was recorded first stands, whatever a repeat carries.
		other := event(fmt.Sprintf("order-a/%d", i))
		other.Data = []byte(`{"other":true}`)
		got = mustAppend(t, s, "order-a", expected, other)
		wantSame(t, []eventstore.Recorded{got}, []eventstore.Recorded{want})
	}
	if after := head(t, s); after != before {
		t.Errorf("repeats moved the head from %d to %d", before, after)
	}
}

func occupied(t *testing.T, h Harness) {
	s := h.open(t)
	fill(t, s, "order-a", 3)
	_, err := s.Append(t.Context(), "order-a", 0, event("another"))
	wantConflict(t, err, "order-a", 0, 2)
	// A known event at another place than its own is no repeat.
	_, err = s.Append(t.Context(), "order-a", 0, event("order-a/2"))
	wantConflict(t, err, "order-a", 0, 2)
	if got := readAll(t, s, "order-a", eventstore.NoStream); len(got) != 3 {
		t.Errorf("%d events, want 3", len(got))
	}
}

func races(t *testing.T, h Harness) {
	s := h.open(t)
	const rounds = 1000
	for round := range rounds {
		expected := eventstore.Revision(round - 1)
		var wg sync.WaitGroup
		var errs [2]error
		for w := range errs {
			wg.Go(func() {
				_, errs[w] = s.Append(t.Context(), "order-raced", expected, event(fmt.Sprintf("round %d writer %d", round, w)))
			})
		}
		wg.Wait()
		loser := errs[0]
		if loser == nil {
			loser = errs[1]
		} else if errs[1] != nil {
			t.Fatalf("round %d: nobody won: %v; %v", round, errs[0], errs[1])
		}
		wantConflict(t, loser, "order-raced", expected, expected+1)
	}
	got := readAll(t, s, "order-raced", eventstore.NoStream)
	if len(got) != rounds {
		t.Fatalf("%d events, want %d", len(got), rounds)
	}
	wantDense(t, got)
}

func streamNames(t *testing.T, h Harness) {
	s := h.open(t)
	long := "order-" + strings.Repeat("x", 128)
	for _, good := range []string{
		"order-6ba7b810-9dad-11d1-80b4-00c04fd430c8", "order-a--b-", "order--", "notice-evt_1_2", "access-UPPER", "access-upper", long,
	} {
		want := fill(t, s, good, 2)
		wantSame(t, readAll(t, s, good, eventstore.NoStream), want)
		wantSame(t, follow(t, s, want[0].Position, 1), want[1:])
	}
	before := head(t, s)
	for _, bad := range []string{
		"", "-", "order", "order-", "-a", "order-a.b", "order-*", "order->", "order-a b", "order-ä", "or.der-a", "order-a\n", long + "x",
	} {
		_, err := s.Append(t.Context(), bad, eventstore.NoStream, event("bad"))
		wantError(t, err, eventstore.ErrBadStream)
		_, err = s.AppendMany(t.Context(), []eventstore.Proposed{{Stream: bad, Expected: eventstore.NoStream, Event: event("bad")}})
		wantError(t, err, eventstore.ErrBadStream)
		var readErr error
		for _, err := range s.ReadStream(t.Context(), bad, eventstore.NoStream) {
			readErr = err
		}
		wantError(t, readErr, eventstore.ErrBadStream)
	}
	if after := head(t, s); after != before {
		t.Errorf("bad names moved the head from %d to %d", before, after)
	}
}

func unfitEvents(t *testing.T, h Harness) {
	s := h.open(t)
	for name, spoil := range map[string]func(*eventstore.Event){
		"no id":              func(e *eventstore.Event) { e.ID = uuid.Nil },
		"no type":            func(e *eventstore.Event) { e.Type = "" },
		"bad type":           func(e *eventstore.Event) { e.Type = "Accepted: yes" },
		"line break in data": func(e *eventstore.Event) { e.Data = []byte("{\n}") },
		"line break in meta": func(e *eventstore.Event) { e.Meta = []byte("{}\n") },
	} {
		e := event("unfit")
		spoil(&e)
		if _, err := s.Append(t.Context(), "order-a", eventstore.NoStream, e); err == nil {
			t.Errorf("%s: appended", name)
		}
	}
	if _, err := s.Append(t.Context(), "order-a", -2, event("fit")); err == nil {
		t.Error("expected revision -2: appended")
	}
	if p := head(t, s); p != 0 {
		t.Errorf("head is %d, want 0", p)
	}
}

func sizeLimit(t *testing.T, h Harness) {
	s := h.open(t)
	sized := func(name string, size int) eventstore.Event {
		e := event(name)
		frame := len(`{"pad":""}`)
		e.Data = []byte(`{"pad":"` + strings.Repeat("x", size-frame-len(e.Meta)) + `"}`)
		return e
	}
	want := mustAppend(t, s, "order-big", eventstore.NoStream, sized("fits", h.MaxEvent))
	wantSame(t, readAll(t, s, "order-big", eventstore.NoStream), []eventstore.Recorded{want})
	_, err := s.Append(t.Context(), "order-big", 0, sized("does not", eventstore.MaxEventSize+1))
	wantError(t, err, eventstore.ErrTooLarge)
	if p := head(t, s); p != want.Position {
		t.Errorf("head is %d, want %d", p, want.Position)
	}
}

func ownBytes(t *testing.T, h Harness) {
	s := h.open(t)
	e := event("mine")
	data := bytes.Clone(e.Data)
	mustAppend(t, s, "order-a", eventstore.NoStream, e)
	for i := range e.Data {
		e.Data[i] = '!'
	}
	for range 2 {
		got := readAll(t, s, "order-a", eventstore.NoStream)
		if !bytes.Equal(got[0].Data, data) {
			t.Fatalf("data is %q, want %q", got[0].Data, data)
		}
		got[0].Data[0] = '!'
	}
}

func lostAnswer(t *testing.T, h Harness) {
	h.need(t, "LoseAnswer", h.LoseAnswer != nil)
	s := h.open(t)
	fill(t, s, "order-a", 2)
	before := head(t, s)
	h.LoseAnswer(t, s)
	first, err := s.Append(t.Context(), "order-a", 1, event("lost"))
	if err != nil && !errors.Is(err, eventstore.ErrUnavailable) {
		t.Fatalf("%v, want ErrUnavailable", err)
	}
	again := mustAppend(t, s, "order-a", 1, event("lost"))
	if err == nil && !same(first, again) {
		t.Errorf("again it is %s, was %s", show(again), show(first))
	}
	wantSame(t, readAll(t, s, "order-a", 1), []eventstore.Recorded{again})
	wantSame(t, follow(t, s, before, 1), []eventstore.Recorded{again})
	if p := head(t, s); p != again.Position {
		t.Errorf("head is %d, want %d", p, again.Position)
	}
	_, err = s.Append(t.Context(), "order-a", 1, event("somebody else"))
	wantConflict(t, err, "order-a", 1, 2)
}
