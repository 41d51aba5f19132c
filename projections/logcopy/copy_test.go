package logcopy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/projections/audit"
	"github.com/orderledger/orderledger/projections/logcopy"
)

// author writes streams of sealed events; what they say does not matter to a copy.
type author struct {
	store eventstore.Store
	tails map[string]string
	revs  map[string]eventstore.Revision
}

func newAuthor(s eventstore.Store) *author {
	return &author{store: s, tails: map[string]string{}, revs: map[string]eventstore.Revision{}}
}

// propose seals the next event of a stream.
func (a *author) propose(t testing.TB, stream string) eventstore.Proposed {
	t.Helper()
	rev, begun := a.revs[stream]
	if !begun {
		rev = eventstore.NoStream
	}
	e := eventstore.Event{
		ID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, stream, rev)), Type: "Accepted",
		Data: fmt.Appendf(nil, `{ "of": %q,  "odd":"\u2028 é\t"}`, stream),
	}
	sealed, hash, err := eventstore.Seal(stream, rev+1, e, eventstore.Envelope{
		Schema: 1, OccurredAt: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC), Prev: a.tails[stream],
	})
	if err != nil {
		t.Fatal(err)
	}
	a.tails[stream], a.revs[stream] = hash, rev+1
	return eventstore.Proposed{Stream: stream, Expected: rev, Event: sealed}
}

func (a *author) write(t testing.TB, streams ...string) {
	t.Helper()
	for _, s := range streams {
		p := a.propose(t, s)
		if _, err := a.store.Append(t.Context(), p.Stream, p.Expected, p.Event); err != nil {
			t.Fatal(err)
		}
	}
}

// mixed writes a log in which streams repeat at every distance, one of them of a category that no ledger has.
func mixed(t testing.TB, n int) *memstore.Store {
	t.Helper()
	s := memstore.New()
	a := newAuthor(s)
	for i := range n {
		switch {
		case i%7 == 6:
			a.write(t, fmt.Sprintf("order-%d", i-1)) // the one just before
		case i%11 == 10:
			a.write(t, "order-0")
		case i%13 == 12:
			a.write(t, fmt.Sprintf("zebra-%d", i))
		default:
			a.write(t, fmt.Sprintf("order-%d", i))
		}
	}
	return s
}

func read(t testing.TB, s eventstore.Store) []eventstore.Recorded {
	t.Helper()
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	var all []eventstore.Recorded
	for last := eventstore.Position(0); last < head; last = all[len(all)-1].Position {
		page, err := sub.Next(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
	}
	return all
}

// wantCopy says that a log holds these events, in this order, at whatever positions.
func wantCopy(t testing.TB, s eventstore.Store, want []eventstore.Recorded) {
	t.Helper()
	got := read(t, s)
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		if g.Stream != w.Stream || g.Revision != w.Revision || g.ID != w.ID || g.Type != w.Type ||
			!bytes.Equal(g.Data, w.Data) || !bytes.Equal(g.Meta, w.Meta) {
			t.Fatalf("event %d is %+v, want %+v", i, g, w)
		}
	}
}

// sparse is a store whose positions have holes, and which tells nobody how many events it holds.
type sparse struct{ eventstore.Store }

const stride = 5

func (s sparse) Head(ctx context.Context) (eventstore.Position, error) {
	p, err := s.Store.Head(ctx)
	return p * stride, err
}

func (s sparse) Status(ctx context.Context) (eventstore.Status, error) {
	st, err := s.Store.Status(ctx)
	st.Head, st.Events = st.Head*stride, 0
	return st, err
}

func (s sparse) Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error) {
	sub, err := s.Store.Subscribe(ctx, after/stride)
	return sparseSub{sub}, err
}

type sparseSub struct{ eventstore.Subscription }

func (s sparseSub) Next(ctx context.Context, most int) ([]eventstore.Recorded, error) {
	recs, err := s.Subscription.Next(ctx, most)
	for i := range recs {
		recs[i].Position *= stride
	}
	return recs, err
}

func TestACopyIsTheSameLog(t *testing.T) {
	source := mixed(t, 2500)
	want := read(t, source)
	for name, target := range map[string]eventstore.Store{
		"empty": memstore.New(), "positions with holes": sparse{memstore.New()}, "batches in part": &partial{Store: memstore.New()},
	} {
		t.Run(name, func(t *testing.T) {
			var last eventstore.Position
			res, err := logcopy.Copy(t.Context(), sparse{source}, target, logcopy.Options{Progress: func(done, end eventstore.Position) {
				if done <= last || end != 2500*stride {
					t.Errorf("done up to %d of %d, after %d", done, end, last)
				}
				last = done
			}})
			if err != nil {
				t.Fatal(err)
			}
			wantCopy(t, target, want)
			head, err := target.Head(t.Context())
			if err != nil || res.To != head || res.From != 2500*stride || res.Events != 2500 || res.Copied != 2500 || last != 2500*stride {
				t.Errorf("%+v, head %d (%v), progress %d", res, head, err, last)
			}
			walked, err := audit.Walk(t.Context(), target, head, func(eventstore.Recorded) error { return nil })
			if err != nil || walked.Digest != res.Digest || walked.Streams != res.Streams {
				t.Errorf("the copy: %+v, %v; copied %+v", walked, err, res)
			}
			again, err := logcopy.Copy(t.Context(), sparse{source}, target, logcopy.Options{})
			res.Copied, res.Seconds, again.Seconds = 0, 0, 0
			if err != nil || again != res {
				t.Errorf("again: %+v, %v; the first time %+v", again, err, res)
			}
		})
	}
}

func TestAnEmptyLogIsCopiedToAnEmptyOne(t *testing.T) {
	res, err := logcopy.Copy(t.Context(), memstore.New(), memstore.New(), logcopy.Options{})
	if err != nil || res.Events != 0 || res.To != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

// What is written while a copy runs is for the next call.
func TestTheCopyEndsWhereTheSourceDidAsItBegan(t *testing.T) {
	source, target := memstore.New(), memstore.New()
	a := newAuthor(source)
	a.write(t, "order-1", "order-2", "order-1")
	busy := &writtenTo{Store: source, write: func() { a.write(t, "order-3", "order-2") }}
	if res, err := logcopy.Copy(t.Context(), busy, target, logcopy.Options{}); err != nil || res.Events != 3 {
		t.Fatalf("%+v, %v", res, err)
	}
	if res, err := logcopy.Copy(t.Context(), source, target, logcopy.Options{}); err != nil || res.Events != 5 || res.Copied != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	wantCopy(t, target, read(t, source))
}

// writtenTo is a source to which somebody writes as it is read.
type writtenTo struct {
	eventstore.Store
	write func()
}

func (s *writtenTo) Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error) {
	s.write()
	return s.Store.Subscribe(ctx, after)
}

// few makes a copy append often.
var few = logcopy.Options{Batch: 7}

var errKilled = errors.New("killed")

// partial is a target that applies single events alone and says so; mortal below kills it.
type partial struct{ eventstore.Store }

func (p *partial) Status(ctx context.Context) (eventstore.Status, error) {
	st, err := p.Store.Status(ctx)
	st.AtomicBatches = false
	return st, err
}

func (p *partial) AppendMany(context.Context, []eventstore.Proposed) ([]eventstore.Recorded, error) {
	return nil, errors.New("a batch, which may be applied in part")
}

// mortal is a target that is killed at its n-th append: before it is applied, or after. A killed one answers nothing more.
type mortal struct {
	eventstore.Store
	n       int
	applied bool
	dead    bool
}

func (m *mortal) step(apply func() error) error {
	if m.dead {
		return errKilled
	}
	m.n--
	m.dead = m.n == 0
	if m.dead && !m.applied {
		return errKilled
	}
	if err := apply(); err != nil {
		return err
	}
	if m.dead {
		return errKilled
	}
	return nil
}

func (m *mortal) Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (r eventstore.Recorded, err error) {
	err = m.step(func() error { r, err = m.Store.Append(ctx, stream, expected, e); return err })
	return r, err
}

func (m *mortal) AppendMany(ctx context.Context, b []eventstore.Proposed) (rs []eventstore.Recorded, err error) {
	err = m.step(func() error { rs, err = m.Store.AppendMany(ctx, b); return err })
	return rs, err
}

// Killed at every append, before and behind it, a copy goes on and finishes as if nothing had been.
func TestKilledAtEveryAppend(t *testing.T) {
	source := mixed(t, 150)
	want := read(t, source)
	for name, store := range map[string]func() eventstore.Store{
		"atomic batches": func() eventstore.Store { return memstore.New() },
		"one by one":     func() eventstore.Store { return &partial{Store: memstore.New()} },
	} {
		t.Run(name, func(t *testing.T) {
			for _, applied := range []bool{false, true} {
				for n := 1; ; n++ {
					target := store()
					_, err := logcopy.Copy(t.Context(), source, &mortal{Store: target, n: n, applied: applied}, few)
					if err == nil {
						if n < 15 {
							t.Fatalf("done with %d appends", n-1)
						}
						break
					}
					if !errors.Is(err, errKilled) {
						t.Fatal(err)
					}
					held := read(t, target)
					wantCopy(t, target, want[:len(held)])
					res, err := logcopy.Copy(t.Context(), source, target, few)
					if err != nil || res.Copied != int64(len(want)-len(held)) {
						t.Fatalf("killed at %d: %+v, %v", n, res, err)
					}
					wantCopy(t, target, want)
				}
			}
		})
	}
}

// Killed again and again, each life that gets an append done, a copy finishes.
func TestManyLives(t *testing.T) {
	source, target := mixed(t, 150), memstore.New()
	for life := 0; ; life++ {
		_, err := logcopy.Copy(t.Context(), source, &mortal{Store: target, n: 1, applied: true}, few)
		if err == nil {
			break
		}
		if !errors.Is(err, errKilled) || life > 150 {
			t.Fatalf("life %d: %v", life, err)
		}
	}
	wantCopy(t, target, read(t, source))
}

// forgetful loses the answer to every second append.
type forgetful struct {
	*memstore.Store
	n int
}

func (f *forgetful) lose() {
	if f.n++; f.n%2 == 0 {
		f.LoseNextAnswer()
	}
}

func (f *forgetful) Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	f.lose()
	return f.Store.Append(ctx, stream, expected, e)
}

func (f *forgetful) AppendMany(ctx context.Context, b []eventstore.Proposed) ([]eventstore.Recorded, error) {
	f.lose()
	return f.Store.AppendMany(ctx, b)
}

func TestLostAnswers(t *testing.T) {
	source, target := mixed(t, 300), &forgetful{Store: memstore.New()}
	if _, err := logcopy.Copy(t.Context(), source, target, few); err != nil {
		t.Fatal(err)
	}
	if target.n < 20 {
		t.Errorf("%d appends", target.n)
	}
	wantCopy(t, target, read(t, source))
}

func TestAFailedReadIsNotTheEnd(t *testing.T) {
	for name, fail := range map[string]func(source, target *memstore.Store){
		"source": func(source, _ *memstore.Store) { source.FailNextRead(errKilled) },
		"target": func(_, target *memstore.Store) { target.FailNextRead(errKilled) },
	} {
		source, target := mixed(t, 50), memstore.New()
		fail(source, target)
		if _, err := logcopy.Copy(t.Context(), source, target, logcopy.Options{}); !errors.Is(err, errKilled) || !strings.Contains(err.Error(), "the "+name) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := logcopy.Copy(t.Context(), source, target, logcopy.Options{}); err != nil {
			t.Fatalf("%s, again: %v", name, err)
		}
		wantCopy(t, target, read(t, source))
	}
}

func TestOtherEventsInTheTargetAreRefused(t *testing.T) {
	build := func(streams ...string) *memstore.Store {
		s := memstore.New()
		newAuthor(s).write(t, streams...)
		return s
	}
	foreign := build("order-1", "order-2")
	odd := newAuthor(foreign).propose(t, "order-3")
	odd.Event.Data = []byte(`{}`)
	if _, err := foreign.Append(t.Context(), odd.Stream, odd.Expected, odd.Event); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		target *memstore.Store
		want   logcopy.DivergedError
	}{
		"another ledger": {build("order-9"), logcopy.DivergedError{Stream: "order-9", Position: 1, Why: "there belongs order-1, revision 0, position 1 of the source"}},
		"another order":  {build("order-1", "order-3", "order-2"), logcopy.DivergedError{Stream: "order-3", Position: 2, Why: "there belongs order-2, revision 0, position 2 of the source"}},
		"other data":     {foreign, logcopy.DivergedError{Stream: "order-3", Position: 3, Why: "its data are not those of order-3, revision 0, position 3 of the source"}},
		"one more":       {build("order-1", "order-2", "order-3", "order-1", "order-4"), logcopy.DivergedError{Stream: "order-4", Position: 5, Why: "the source has no such Accepted: it ends before"}},
	} {
		before := read(t, c.target)
		_, err := logcopy.Copy(t.Context(), build("order-1", "order-2", "order-3", "order-1"), c.target, logcopy.Options{})
		var got *logcopy.DivergedError
		if !errors.As(err, &got) || *got != c.want {
			t.Errorf("%s: %v, want %v", name, err, &c.want)
		}
		wantCopy(t, c.target, before)
	}
}

// intruder is a target into which somebody else writes just before the n-th append.
type intruder struct {
	*memstore.Store
	n     int
	write func()
}

func (i *intruder) AppendMany(ctx context.Context, b []eventstore.Proposed) ([]eventstore.Recorded, error) {
	if i.n--; i.n == 0 {
		i.write()
	}
	return i.Store.AppendMany(ctx, b)
}

func TestAnotherWriterIsNoticed(t *testing.T) {
	for name, stream := range map[string]string{"in another stream": "order-x", "in a stream that comes": "order-20"} {
		target := memstore.New()
		_, err := logcopy.Copy(t.Context(), mixed(t, 100), &intruder{Store: target, n: 3, write: func() {
			a := newAuthor(target)
			p := a.propose(t, stream)
			p.Event.ID = uuid.New()
			if _, err := target.Append(t.Context(), p.Stream, p.Expected, p.Event); err != nil {
				t.Error(err)
			}
		}}, few)
		var diverged *logcopy.DivergedError
		if !errors.As(err, &diverged) || diverged.Stream != stream {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Up to a place where the source is broken all is copied, and nothing behind it.
func TestABrokenSource(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(a *author) // writes the fourth event
		want  audit.Difference
	}{
		"a chain that was cut": {func(a *author) { a.tails["order-1"] = strings.Repeat("0", 64); a.write(t, "order-1") }, audit.Difference{
			Position: 4, Stream: "order-1", Revision: 1, Type: "Accepted", Kind: audit.BadChain,
		}},
		"bytes that were changed": {func(a *author) {
			p := a.propose(t, "order-4")
			p.Event.Data = []byte(`{}`)
			if _, err := a.store.Append(t.Context(), p.Stream, p.Expected, p.Event); err != nil {
				t.Fatal(err)
			}
		}, audit.Difference{Position: 4, Stream: "order-4", Type: "Accepted", Kind: audit.BadChain}},
		"a gap": {func(a *author) { a.write(t, "order-4"); a.store.(*memstore.Store).Drop(4) }, audit.Difference{Kind: audit.Gap}},
	} {
		source, target := memstore.New(), memstore.New()
		a := newAuthor(source)
		a.write(t, "order-1", "order-2", "order-3")
		good := read(t, source)
		c.spoil(a)
		a.write(t, "order-5", "order-6")
		_, err := logcopy.Copy(t.Context(), source, target, logcopy.Options{})
		var got *audit.Difference
		if !errors.As(err, &got) {
			t.Fatalf("%s: %v", name, err)
		}
		c.want.Why = got.Why
		if !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v", name, *got)
		}
		wantCopy(t, target, good)
	}
}

func TestAGapInTheTargetIsRefused(t *testing.T) {
	source, target := mixed(t, 50), memstore.New()
	if _, err := logcopy.Copy(t.Context(), source, target, logcopy.Options{}); err != nil {
		t.Fatal(err)
	}
	target.Drop(20)
	_, err := logcopy.Copy(t.Context(), source, target, logcopy.Options{})
	if diverged := (*logcopy.DivergedError)(nil); !errors.As(err, &diverged) || !strings.Contains(err.Error(), "position 20") {
		t.Errorf("%v", err)
	}
}

func TestACancelledCopyGoesOn(t *testing.T) {
	source, target := mixed(t, 500), memstore.New()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := logcopy.Copy(ctx, source, &intruder{Store: target, n: 5, write: cancel}, few)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	want := read(t, source)
	held := read(t, target)
	if len(held) == 0 || len(held) == len(want) {
		t.Errorf("%d of %d events were copied before", len(held), len(want))
	}
	wantCopy(t, target, want[:len(held)])
	if _, err := logcopy.Copy(t.Context(), source, target, few); err != nil {
		t.Fatal(err)
	}
	wantCopy(t, target, want)
}
