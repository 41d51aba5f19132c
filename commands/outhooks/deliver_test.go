package outhooks_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/outhooks"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// An endpoint is told of what it wants, from when it was added, in the order of the log.
func TestEndpointsAreToldWhatTheyWant(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		old, _ := r.place("before", "acme")
		all := r.add(outhooks.Addition{URL: "http://127.0.0.1/all"}).Endpoint
		shipped := r.add(outhooks.Addition{URL: "http://127.0.0.1/shipped", Types: []string{"Shipped", "Accepted", "Shipped"}}).Endpoint
		nord := r.add(outhooks.Addition{URL: "http://127.0.0.1/nord", Manufacturer: "nord", CustomerData: true}).Endpoint
		if !slices.Equal(all.Types, []string{"*"}) || !slices.Equal(shipped.Types, []string{"Accepted", "Shipped"}) || nord.Manufacturer != "nord" {
			t.Errorf("%v %v %v", all.Types, shipped.Types, nord)
		}
		r.start(p)
		synctest.Wait()
		if early := p.take(); len(early) > 0 {
			t.Fatalf("told of what was before: %v", early)
		}
		e1 := r.do(old, domain.Accept{})
		order, e2 := r.place("10248", "nord")
		e3 := r.do(order, domain.AddNote{NoteID: uuid.New(), Text: "Ring twice"})
		e4 := r.do(order, domain.Accept{})
		e5 := r.do(order, domain.Ship{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z"}}})
		synctest.Wait()
		by := map[string][]sent{}
		for _, s := range p.take() {
			by[s.url] = append(by[s.url], s)
		}
		for url, want := range map[string][]uuid.UUID{"all": {e1, e2, e3, e4, e5}, "shipped": {e1, e4, e5}, "nord": {e2, e3, e4, e5}} {
			var list []string
			for _, id := range want {
				list = append(list, id.String())
			}
			if got := ids(by["http://127.0.0.1/"+url]); !slices.Equal(got, list) {
				t.Errorf("%s was told %v, want %v", url, got, list)
			}
		}
		s := by["http://127.0.0.1/all"][4]
		if e := s.event; e.SpecVersion != "1.0" || e.ID != e5.String() || e.Source != "urn:orderledger:test" || e.Type != "orderledger.Shipped" ||
			e.Subject != order.String() || e.DataContentType != "application/json" || e.Time.IsZero() {
			t.Errorf("%+v", e)
		}
		if d := s.data; d.OrderID != order || d.OrderNumber != "10248" || d.Manufacturer != "nord" || d.Version != 4 || d.Tab != "shipped" || d.Status != "shipped" ||
			string(d.Event) != `{"tracking":[{"carrier":"ups","number":"1Z"}]}` {
			t.Errorf("%+v %s", d, d.Event)
		}
		for url, personal := range map[string]bool{"all": false, "nord": true} {
			text := ""
			for _, s := range by["http://127.0.0.1/"+url] {
				text += string(s.data.Event)
			}
			for _, word := range []string{"Ana Trujillo", "ana@example.com", "ACC-7", "Reims", "Ring twice"} {
				if strings.Contains(text, word) != personal {
					t.Errorf("%s: %q in %s", url, word, text)
				}
			}
			if strings.Contains(text, "content_hash") {
				t.Errorf("%s: a content hash in %s", url, text)
			}
		}
	})
}

// What fails is tried again with the same id, less and less often, and nothing behind it is sent meanwhile; after three days it is
// parked, and a person decides.
func TestAThreeDaysFailureIsParked(t *testing.T) {
	for _, decision := range []eventstore.Redelivery{eventstore.RetryDelivery, eventstore.SkipDelivery} {
		bubble(t, func(t *testing.T, r *rig, p *port) {
			added := r.add(outhooks.Addition{}).Endpoint
			r.start(p)
			_, first := r.place("1", "acme")
			synctest.Wait()
			p.take()
			p.set(status(500))
			_, second := r.place("2", "acme")
			_, third := r.place("3", "acme")
			began := time.Now()
			time.Sleep(24 * time.Hour)
			if s := r.standing(); s.State() != outhooks.Active || s.Attempts < 20 || s.Reason != "it answered 500 Internal Server Error" || !s.Since.Equal(began) || s.Next.IsZero() {
				t.Errorf("after a day: %+v", s)
			}
			if remarks := r.runner.Remarks(); len(remarks) != 1 || !strings.Contains(remarks[0], "fails since") || r.runner.Ready() != nil {
				t.Errorf("%v, %v", remarks, r.runner.Ready())
			}
			r.restart(p) // which neither forgets since when it fails, nor how often
			time.Sleep(48*time.Hour - time.Second)
			if s := r.standing(); s.State() != outhooks.Active {
				t.Errorf("before three days: %+v", s)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			attempts := p.take()
			for i, s := range attempts {
				if s.id != second.String() {
					t.Fatalf("attempt %d is of %s: something overtook", i, s.id)
				}
			}
			if n := len(attempts); n < 70 || n > 300 || !attempts[n-1].at.Equal(began.Add(72*time.Hour)) {
				t.Errorf("%d attempts, the last after %s", n, attempts[n-1].at.Sub(began))
			}
			s := r.standing()
			if s.State() != outhooks.IsParked || s.Parked.Event.ID != second || s.Parked.Attempts != len(attempts) || !s.Parked.Since.Equal(began) {
				t.Errorf("%+v", s.Parked)
			}
			if remarks := r.runner.Remarks(); len(remarks) != 1 || !strings.Contains(remarks[0], "waits for a person") || r.runner.Ready() != nil {
				t.Errorf("%v, %v", remarks, r.runner.Ready())
			}
			p.set(nil)
			time.Sleep(100 * time.Hour)
			r.restart(p)
			time.Sleep(100 * time.Hour)
			if again := p.take(); len(again) > 0 {
				t.Errorf("sent while it is parked: %v", ids(again))
			}
			if _, err := r.endpoints.Resume(t.Context(), ask(), added.ID, decision); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			want := []string{second.String(), third.String()}
			if decision == eventstore.SkipDelivery {
				want = want[1:]
			}
			if got := ids(p.take()); !slices.Equal(got, want) {
				t.Errorf("%s: sent %v, want %v", decision, got, want)
			}
			r.end()
			r.loseFiles() // the log knows of the decision, too
			r.open()
			r.start(forbidden{t})
			synctest.Wait()
			if events := r.events(added.ID); count[eventstore.DeliveryParked](events) != 1 || count[eventstore.DeliveryResumed](events) != 1 {
				t.Errorf("%v", events)
			}
			_ = first
		})
	}
}

// A delivery that a person lets go on has three days anew.
func TestAResumedDeliveryHasThreeDaysAnew(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		p.set(status(503))
		id := r.add(outhooks.Addition{}).Endpoint.ID
		r.start(p)
		r.place("1", "acme")
		time.Sleep(73 * time.Hour)
		if _, err := r.endpoints.Resume(t.Context(), ask(), id, eventstore.RetryDelivery); err != nil {
			t.Fatal(err)
		}
		time.Sleep(71 * time.Hour)
		if s := r.standing(); s.State() != outhooks.Active || s.Attempts < 60 {
			t.Errorf("%+v", s)
		}
		time.Sleep(2 * time.Hour)
		if s := r.standing(); s.State() != outhooks.IsParked {
			t.Errorf("%+v", s)
		}
	})
}

// An endpoint that asks to be left alone is, for a bounded time.
func TestRetryAfterIsHeeded(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		p.set(func(context.Context, sent) (sender.Answer, error) {
			return sender.Answer{Status: 429, RetryAfter: 10 * time.Minute}, nil
		})
		r.add(outhooks.Addition{})
		r.start(p)
		r.place("1", "acme")
		time.Sleep(35 * time.Minute)
		if n := len(p.take()); n != 4 {
			t.Errorf("%d attempts in 35 minutes", n)
		}
	})
}

func TestGoneDisables(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		p.set(status(410))
		id := r.add(outhooks.Addition{}).Endpoint.ID
		r.start(p)
		_, first := r.place("1", "acme")
		_, second := r.place("2", "acme")
		time.Sleep(time.Hour)
		if got := ids(p.take()); !slices.Equal(got, []string{first.String()}) {
			t.Errorf("sent %v", got)
		}
		if s := r.standing(); s.State() != outhooks.IsDisabled || s.Disabled.Reason != "it answered 410 Gone" {
			t.Errorf("%+v", s)
		}
		p.set(nil)
		r.restart(p)
		time.Sleep(time.Hour)
		if got := p.take(); len(got) > 0 {
			t.Errorf("sent while it is disabled: %v", got)
		}
		for range 2 {
			if _, err := r.endpoints.Enable(t.Context(), ask(), id); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := ids(p.take()); !slices.Equal(got, []string{first.String(), second.String()}) {
			t.Errorf("sent %v", got)
		}
	})
}

// A slow endpoint delays no other; one endpoint has one delivery in flight.
func TestEndpointsDoNotWaitForEachOther(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		p.set(func(ctx context.Context, s sent) (sender.Answer, error) {
			if strings.HasSuffix(s.url, "/slow") {
				select {
				case <-time.After(10 * time.Second):
				case <-ctx.Done():
				}
			}
			return sender.Answer{Status: 200}, ctx.Err()
		})
		r.add(outhooks.Addition{URL: "http://127.0.0.1/slow"})
		r.add(outhooks.Addition{URL: "http://127.0.0.1/fast"})
		r.start(p)
		for i := range 50 {
			r.place(fmt.Sprint(i), "acme")
		}
		synctest.Wait()
		if got := p.take(); len(got) != 50 || got[0].url != "http://127.0.0.1/fast" {
			t.Errorf("%d deliveries while the slow one answers", len(got))
		}
		time.Sleep(101 * time.Second)
		if got := p.take(); len(got) != 10 {
			t.Errorf("%d deliveries to the slow one in 101 s", len(got))
		}
	})
}

// A process that dies after a delivery and before its checkpoint delivers that one again, with the same id, and no other.
func TestACrashBeforeTheCheckpointRepeatsOneDelivery(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		r.add(outhooks.Addition{})
		r.start(p)
		r.place("1", "acme")
		r.place("2", "acme")
		synctest.Wait()
		p.take()
		dead := make(chan struct{})
		p.set(func(ctx context.Context, s sent) (sender.Answer, error) {
			close(dead)
			<-ctx.Done() // it has arrived, and nobody hears of it
			return sender.Answer{}, ctx.Err()
		})
		_, third := r.place("3", "acme")
		<-dead
		r.end()
		p.set(nil)
		p.take()
		_, fourth := r.place("4", "acme")
		r.open()
		r.start(p)
		synctest.Wait()
		if got := ids(p.take()); !slices.Equal(got, []string{third.String(), fourth.String()}) {
			t.Errorf("sent %v", got)
		}
	})
}

// mortal is a log to which nothing can be said any more, as to a process that is killed.
type mortal struct {
	eventstore.Store
	dead bool
}

func (m *mortal) Append(ctx context.Context, stream string, at eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	if m.dead {
		return eventstore.Recorded{}, errors.New("killed")
	}
	return m.Store.Append(ctx, stream, at, e)
}

// Without its file an endpoint is told again of what the log does not know to be delivered, which is bounded, and never of its history.
func TestWithoutItsFileLittleIsRepeated(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		log := &mortal{Store: r.log}
		r.config.Log, r.config.RecordEvery = log, 10
		r.endpoints = outhooks.NewEndpoints(log, eventstore.Codec{}, time.Now, r.keys, func(context.Context, string) error { return nil })
		id := r.add(outhooks.Addition{}).Endpoint.ID
		r.start(p)
		for i := range 37 {
			r.place(fmt.Sprint(i), "acme")
		}
		synctest.Wait()
		first := ids(p.take())
		if n := count[eventstore.EndpointDelivered](r.events(id)); len(first) != 37 || n != 3 {
			t.Fatalf("%d delivered, %d times recorded", len(first), n)
		}
		log.dead = true
		r.end()
		r.loseFiles()
		r.config.Log = nil
		r.open()
		r.start(p)
		synctest.Wait()
		if again := ids(p.take()); !slices.Equal(again, first[30:]) {
			t.Errorf("repeated %d of 37, want the last 7", len(again))
		}
		// A clean stop leaves nothing to repeat.
		r.end()
		r.loseFiles()
		r.open()
		r.start(forbidden{t})
		synctest.Wait()
		if s := r.standing(); s.At != r.head() {
			t.Errorf("at %d of %d", s.At, r.head())
		}
	})
}

// Folding the log anew, from files or without, sends nothing that was delivered: only what is new goes out.
func TestReplayCanSendNothing(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		r.add(outhooks.Addition{})
		removed := r.add(outhooks.Addition{URL: "http://127.0.0.1/removed"}).Endpoint.ID
		disabled := r.add(outhooks.Addition{URL: "http://127.0.0.1/disabled"}).Endpoint.ID
		if _, err := r.endpoints.Disable(t.Context(), ask(), disabled); err != nil {
			t.Fatal(err)
		}
		r.start(p)
		for i := range 25 {
			r.place(fmt.Sprint(i), "acme")
		}
		synctest.Wait()
		if _, err := r.endpoints.Remove(t.Context(), ask(), removed); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := len(p.take()); n != 50 {
			t.Fatalf("%d deliveries", n)
		}
		for _, without := range []bool{false, true, true} {
			r.end()
			if without {
				r.loseFiles()
			}
			r.open()
			r.start(forbidden{t})
			time.Sleep(100 * time.Hour)
			synctest.Wait()
			if err := r.runner.WaitFor(t.Context(), r.head()); err != nil {
				t.Error(err)
			}
		}
	})
}

// Another process that has delivered and said so is believed; what it says never takes back what is known.
func TestTwoProcessesOnOneLog(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		r.config.RecordEvery = 5
		id := r.add(outhooks.Addition{}).Endpoint.ID
		other := &rig{t: t, log: r.log, handler: r.handler, keys: r.keys, dir: t.TempDir(), config: r.config}
		other.open()
		r.start(p)
		q := &port{}
		q.set(func(ctx context.Context, _ sent) (sender.Answer, error) {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			return sender.Answer{Status: 200}, ctx.Err()
		})
		other.start(q)
		for i := range 23 {
			r.place(fmt.Sprint(i), "acme")
		}
		time.Sleep(time.Hour)
		seen := map[string]bool{}
		for _, s := range p.take() {
			seen[s.id] = true
		}
		if n := len(q.take()); len(seen) != 23 || n > 23 {
			t.Errorf("%d told by the fast process, %d times by the slow one", len(seen), n)
		}
		r.end()
		other.end()
		r.loseFiles()
		r.open()
		r.start(forbidden{t})
		synctest.Wait()
		if s := r.standing(); s.At != r.head() || s.State() != outhooks.Active {
			t.Errorf("%+v", s)
		}
		for range r.events(id) { // whose chain is verified
		}
	})
}

// What one process can't deliver and another one can does not wait, nor is it parked.
func TestAnotherProcessDelivers(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		r.config.RecordEvery = 1
		id := r.add(outhooks.Addition{}).Endpoint.ID
		other := &rig{t: t, log: r.log, handler: r.handler, keys: r.keys, dir: t.TempDir(), config: r.config}
		other.open()
		p.set(status(500)) // it has no way out
		r.start(p)
		for i := range 5 {
			r.place(fmt.Sprint(i), "acme")
		}
		time.Sleep(70 * time.Hour)
		q := &port{}
		other.start(q)
		time.Sleep(100 * time.Hour)
		if n := len(q.take()); n != 5 {
			t.Errorf("%d deliveries", n)
		}
		for _, process := range []*rig{r, other} {
			if s := process.standing(); s.State() != outhooks.Active || s.Attempts != 0 || s.At != r.head() {
				t.Errorf("%+v", s)
			}
		}
		if n := count[eventstore.DeliveryParked](r.events(id)); n != 0 {
			t.Errorf("parked %d times", n)
		}
	})
}

// A log that was restored does not hold what the files have seen: the log counts.
func TestFilesOfAnotherLogAreNotUsed(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		request := ask()
		addition := outhooks.Addition{URL: "http://127.0.0.1/"}
		if _, err := r.endpoints.Add(t.Context(), request, addition); err != nil {
			t.Fatal(err)
		}
		r.start(p)
		for i := range 10 {
			r.place(fmt.Sprint(i), "acme")
		}
		synctest.Wait()
		p.take()
		r.end()

		restored := newRig(t)
		restored.dir, restored.keys = r.dir, r.keys
		restored.open()
		if _, err := restored.endpoints.Add(t.Context(), request, addition); err != nil {
			t.Fatal(err)
		}
		_, event := restored.place("other", "acme")
		restored.open()
		restored.start(p)
		synctest.Wait()
		if got := ids(p.take()); !slices.Equal(got, []string{event.String()}) {
			t.Errorf("sent %v", got)
		}
	})
}

// moody is a log that does not answer every third question. What is appended then is there all the same.
type moody struct {
	eventstore.Store
	mu sync.Mutex
	n  int
}

func (m *moody) fails() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n++; m.n%3 == 0 {
		return fmt.Errorf("%w: a test", eventstore.ErrUnavailable)
	}
	return nil
}

func (m *moody) Head(ctx context.Context) (eventstore.Position, error) {
	if err := m.fails(); err != nil {
		return 0, err
	}
	return m.Store.Head(ctx)
}

func (m *moody) Append(ctx context.Context, stream string, at eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	rec, err := m.Store.Append(ctx, stream, at, e)
	if lost := m.fails(); lost != nil {
		return eventstore.Recorded{}, lost
	}
	return rec, err
}

func (m *moody) ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error] {
	if err := m.fails(); err != nil {
		return func(yield func(eventstore.Recorded, error) bool) { yield(eventstore.Recorded{}, err) }
	}
	return m.Store.ReadStream(ctx, stream, after)
}

func (m *moody) Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error) {
	if err := m.fails(); err != nil {
		return nil, err
	}
	return m.Store.Subscribe(ctx, after)
}

// A log that comes and goes is waited for, and nothing is lost, nor sent twice while the process lives.
func TestALogThatIsAwayIsWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		log := &moody{Store: r.log}
		r.config.Log, r.config.RecordEvery = log, 2
		id := r.add(outhooks.Addition{Manufacturer: "acme"}).Endpoint.ID
		r.endpoints = outhooks.NewEndpoints(log, eventstore.Codec{}, time.Now, r.keys, nil)
		r.start(p)
		var want []string
		for i := range 20 {
			_, event := r.place(fmt.Sprint(i), "acme")
			want = append(want, event.String())
			time.Sleep(10 * time.Minute)
		}
		time.Sleep(24 * time.Hour)
		if got := ids(p.take()); !slices.Equal(got, want) {
			t.Errorf("sent %d, want %d", len(got), len(want))
		}
		if err := r.runner.Ready(); err != nil {
			t.Error(err)
		}
		if n := count[eventstore.EndpointDelivered](r.events(id)); n != 10 {
			t.Errorf("recorded %d times", n)
		}
	})
}

// A log that can't be read stops everything, and says where: nothing is skipped.
func TestADamagedLogStopsTheRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.add(outhooks.Addition{})
		_, _ = r.place("1", "acme")
		r.log.Drop(2)
		runner, err := outhooks.New(outhooks.Config{Log: r.log, Endpoints: r.endpoints, Poster: forbidden{t}, Source: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if err := runner.Run(t.Context()); !errors.Is(err, eventstore.ErrGap) || runner.Ready() == nil {
			t.Errorf("%v, %v", err, runner.Ready())
		}
		if err := runner.WaitFor(t.Context(), 9); !errors.Is(err, outhooks.ErrStopped) {
			t.Error(err)
		}
	})
}
