package dashboard_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// model is a read model that a test changes.
type model struct {
	mu      sync.Mutex
	changes []projections.Change
	more    chan struct{}
	counts  map[domain.Tab]int64
	lag     uint64
	fails   error
	counted atomic.Int64
}

func newModel() *model { return &model{more: make(chan struct{}), counts: map[domain.Tab]int64{}} }

// change adds changes of orders at once.
func (m *model) change(list ...projections.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range list {
		c.Position = eventstore.Position(len(m.changes) + 1)
		m.changes = append(m.changes, c)
	}
	close(m.more)
	m.more = make(chan struct{})
}

func (m *model) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

type following struct {
	m  *model
	at eventstore.Position
}

func (f *following) Next(ctx context.Context, limit int) ([]projections.Change, error) {
	for {
		f.m.mu.Lock()
		list, more, fails := f.m.changes[f.at:], f.m.more, f.m.fails
		f.m.mu.Unlock()
		if fails != nil {
			return nil, fails
		}
		if len(list) > 0 {
			list = list[:min(limit, len(list))]
			f.at += eventstore.Position(len(list))
			return list, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *following) Close() {}

func (m *model) live(done <-chan struct{}) *dashboard.Live {
	return dashboard.NewLive(dashboard.LiveDeps{
		Follow: func(after eventstore.Position) queryapi.Follower { return &following{m, after} },
		Status: func(context.Context) (projections.Status, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			return projections.Status{Checkpoint: eventstore.Position(len(m.changes)), Lag: m.lag}, nil
		},
		Counts: func(context.Context) (projections.Counts, error) {
			m.counted.Add(1)
			m.mu.Lock()
			defer m.mu.Unlock()
			c := projections.Counts{Tabs: map[domain.Tab]int64{}}
			for t, n := range m.counts {
				c.Tabs[t] = n
			}
			return c, nil
		},
		Done: done, Logger: quiet,
	})
}

// listener is a page that hears.
type listener struct {
	*testing.T
	w     *pipe
	ended chan struct{}
	leave context.CancelFunc
}

// pipe is a response that is read while it is written. Flushing hands over what was written.
type pipe struct {
	header http.Header
	status int
	buffer strings.Builder
	frames chan string
}

func (p *pipe) Header() http.Header         { return p.header }
func (p *pipe) WriteHeader(status int)      { p.status = status }
func (p *pipe) Write(b []byte) (int, error) { return p.buffer.Write(b) }
func (p *pipe) Flush() {
	p.frames <- p.buffer.String()
	p.buffer.Reset()
}

// hear opens a page's stream: one that was told up to last, or was made as "?after=" says.
func hear(t *testing.T, live *dashboard.Live, last string) *listener {
	t.Helper()
	return hearAs(t, "v", live, last)
}

func hearAs(t *testing.T, who string, live *dashboard.Live, last string) *listener {
	t.Helper()
	l := &listener{T: t, w: &pipe{header: http.Header{}, frames: make(chan string, 1000)}, ended: make(chan struct{})}
	ctx, leave := context.WithCancel(domain.WithActor(t.Context(), domain.Actor{ID: who, Role: domain.Viewer}))
	l.leave = leave
	last, made, _ := strings.Cut(last, "?")
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/live?"+made, nil)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	pages := dashboard.Handler(dashboard.Deps{Live: live, Logger: quiet, Now: time.Now})
	go func() {
		defer close(l.ended)
		pages.ServeHTTP(l.w, r)
	}()
	t.Cleanup(func() {
		leave()
		<-l.ended
	})
	return l
}

type said struct {
	ID     string
	Orders [][]any
	Placed int
	Counts map[string]int64
	Behind *uint64
	Resync bool
}

// next are the messages that were sent at once; signs of life are left out.
func (l *listener) next() (list []said) {
	l.Helper()
	for len(list) == 0 {
		id := ""
		for lines := bufio.NewScanner(strings.NewReader(<-l.w.frames)); lines.Scan(); {
			if v, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				id = v
			}
			if v, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				s := said{ID: id}
				if err := json.Unmarshal([]byte(v), &s); err != nil {
					l.Fatalf("%q: %v", v, err)
				}
				list = append(list, s)
			}
		}
	}
	return list
}

func changed(id uuid.UUID, version int, tab domain.Tab) projections.Change {
	c := projections.Change{OrderID: id, Version: version, Tab: tab, Type: "Accepted"}
	if version == 1 {
		c.Type = "Placed"
	}
	return c
}

// alive runs a test of live pages in a bubble, where time is the test's.
func alive(t *testing.T, test func(t *testing.T, m *model, live *dashboard.Live)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m, done := newModel(), make(chan struct{})
		live := m.live(done)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- live.Run(ctx) }()
		t.Cleanup(func() {
			close(done)
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		test(t, m, live)
	})
}

func TestLiveTellsWhatChanges(t *testing.T) {
	alive(t, func(t *testing.T, m *model, live *dashboard.Live) {
		page := hear(t, live, "")
		if hello := page.next()[0]; hello.Resync || hello.Behind == nil || hello.ID != "0" {
			t.Errorf("hello: %+v", hello)
		}
		a, b := uuid.UUID{1}, uuid.UUID{2}
		m.set(func() { m.counts[domain.TabNew] = 2 })
		begin := time.Now()
		m.change(changed(a, 1, domain.TabNew), changed(b, 1, domain.TabNew), changed(a, 2, domain.TabNew), changed(a, 3, domain.TabPaid))
		s := page.next()[0]
		if took := time.Since(begin); took != 0 {
			t.Errorf("told after %s", took)
		}
		if s.Placed != 2 || len(s.Orders) != 1 || s.Orders[0][0] != a.String() || s.Orders[0][1] != 3.0 || s.Orders[0][2] != "paid" ||
			s.Counts["new"] != 2 || s.ID != "4" {
			t.Errorf("told %+v", s)
		}
		for i := range 50 { // what follows at once is told together, a tenth of a second later
			m.change(changed(b, 2+i, domain.TabNew))
		}
		s = page.next()[0]
		if took := time.Since(begin); took != 100*time.Millisecond || len(s.Orders) != 1 || s.Orders[0][1] != 51.0 || s.Counts != nil {
			t.Errorf("after %s: %+v", took, s)
		}
	})
}

// What changes after a page was made, and before it hears, is told, too.
func TestLiveTellsWhatChangedSinceThePageWasMade(t *testing.T) {
	alive(t, func(t *testing.T, m *model, live *dashboard.Live) {
		m.change(changed(uuid.UUID{1}, 1, domain.TabNew))
		synctest.Wait()
		time.Sleep(time.Second)
		m.change(changed(uuid.UUID{2}, 5, domain.TabPaid))
		synctest.Wait()
		page := hear(t, live, "?after=1")
		if hello := page.next()[0]; hello.Resync || hello.ID != "1" {
			t.Errorf("hello: %+v", hello)
		}
		if s := page.next()[0]; s.ID != "2" || len(s.Orders) != 1 || s.Orders[0][1] != 5.0 {
			t.Errorf("told %+v", s)
		}
		if hello := hear(t, live, "?after=2").next()[0]; hello.Resync || hello.ID != "2" {
			t.Errorf("a page that shows all: %+v", hello)
		}
		if hello := hear(t, live, "?after=99").next()[0]; !hello.Resync {
			t.Errorf("a page of another log: %+v", hello)
		}
	})
}

// What is told is written once for all pages, and they all hear the same.
func TestLiveCountsOnceForAll(t *testing.T) {
	alive(t, func(t *testing.T, m *model, live *dashboard.Live) {
		pages := make([]*listener, 50)
		for i := range pages {
			pages[i] = hearAs(t, fmt.Sprint(i), live, "")
			pages[i].next()
		}
		before := m.counted.Load()
		m.change(changed(uuid.UUID{1}, 2, domain.TabNew))
		for _, p := range pages {
			if s := p.next()[0]; len(s.Orders) != 1 {
				t.Errorf("%+v", s)
			}
		}
		if n := m.counted.Load() - before; n != 1 {
			t.Errorf("counted %d times", n)
		}
	})
}

func TestLiveAfterALostConnection(t *testing.T) {
	alive(t, func(t *testing.T, m *model, live *dashboard.Live) {
		first := hear(t, live, "")
		first.next()
		m.change(changed(uuid.UUID{1}, 2, domain.TabNew))
		seen := first.next()[0]
		first.leave()
		time.Sleep(time.Second)
		m.change(changed(uuid.UUID{2}, 2, domain.TabNew))
		time.Sleep(time.Second)
		m.change(changed(uuid.UUID{3}, 2, domain.TabNew))
		time.Sleep(time.Second)

		back := hear(t, live, seen.ID)
		if hello := back.next()[0]; hello.Resync || hello.ID != seen.ID {
			t.Errorf("hello again: %+v", hello)
		}
		if list := back.next(); len(list) != 2 || list[0].Orders[0][0] != (uuid.UUID{2}).String() || list[1].ID != "3" {
			t.Errorf("what was missed: %+v", list)
		}
		for last, resync := range map[string]bool{"3": false, "4": true, "": false} {
			if hello := hear(t, live, last).next()[0]; hello.Resync != resync {
				t.Errorf("after %q: %+v", last, hello)
			}
		}
		for range 200 { // more than is kept
			m.change(changed(uuid.UUID{4}, 2, domain.TabNew))
			time.Sleep(time.Second)
		}
		if hello := hear(t, live, "1").next()[0]; !hello.Resync || hello.ID != "203" {
			t.Errorf("after too long: %+v", hello)
		}
	})
}

// More than can be told one by one is told as that, and seldom.
func TestLiveWhenMuchChanges(t *testing.T) {
	alive(t, func(t *testing.T, m *model, live *dashboard.Live) {
		page := hear(t, live, "")
		page.next()
		var many, placed []projections.Change
		for i := range 1000 {
			id := uuid.UUID{byte(i), byte(i >> 8)}
			many, placed = append(many, changed(id, 2, domain.TabNew)), append(placed, changed(id, 1, domain.TabNew))
		}
		m.change(placed...)
		if s := page.next()[0]; s.Resync || s.Placed != 1000 || len(s.Orders) != 0 {
			t.Errorf("an import: %+v", s)
		}
		begin := time.Now()
		m.change(many...)
		if s := page.next()[0]; !s.Resync || len(s.Orders) != 0 {
			t.Errorf("much: %+v", s)
		}
		m.change(many...)
		if s := page.next()[0]; !s.Resync || time.Since(begin) < time.Second {
			t.Errorf("again after %s: %+v", time.Since(begin), s)
		}
	})
}

// Of an import that doesn't end, a bounded part is held at once; all of it is told, in its order.
func TestLiveHoldsABoundedPart(t *testing.T) {
	alive(t, func(t *testing.T, m *model, live *dashboard.Live) {
		page := hear(t, live, "")
		page.next()
		const all = 100_000
		list := make([]projections.Change, all)
		for i := range list {
			list[i] = changed(uuid.UUID{byte(i), byte(i >> 8), byte(i >> 16)}, 2, domain.TabNew)
		}
		m.change(list...)
		for at, begin := 0, time.Now(); at < all; {
			for _, s := range page.next() {
				next, err := strconv.Atoi(s.ID)
				if err != nil || next <= at || next-at > 9<<10 {
					t.Fatalf("after %s: from %d to %q: %v", time.Since(begin), at, s.ID, err)
				}
				at = next
			}
		}
	})
}

func TestLiveTellsHowFarBehindItIs(t *testing.T) {
	alive(t, func(t *testing.T, m *model, live *dashboard.Live) {
		page := hear(t, live, "")
		page.next()
		m.set(func() { m.lag = 19 }) // not worth saying
		time.Sleep(5 * time.Second)
		m.set(func() { m.lag = 5000 })
		if s := page.next()[0]; s.Behind == nil || *s.Behind != 5000 {
			t.Errorf("behind: %+v", s)
		}
		m.set(func() { m.lag = 0 })
		if s := page.next()[0]; s.Behind == nil || *s.Behind != 0 {
			t.Errorf("caught up: %+v", s)
		}
		m.set(func() { m.counts[domain.TabNew] = 9 }) // with the clock, such as what is due
		if s := page.next()[0]; s.Counts["new"] != 9 || s.Behind != nil {
			t.Errorf("counts: %+v", s)
		}
	})
}

// While the read model is being filled, nothing is followed, and pages say how far it is.
func TestLiveWaitsForAReadModelThatIsFilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, done := newModel(), make(chan struct{})
		m.lag = 50_000
		live := m.live(done)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- live.Run(ctx) }()
		synctest.Wait()
		page := hear(t, live, "")
		if hello := page.next()[0]; *hello.Behind != 50_000 {
			t.Errorf("hello: %+v", hello)
		}
		m.change(changed(uuid.UUID{1}, 2, domain.TabNew))
		time.Sleep(3 * time.Second)
		m.set(func() { m.lag = 0 })
		for resync, behind := false, true; !resync || behind; {
			for _, s := range page.next() {
				resync = resync || s.Resync
				behind = behind && (s.Behind == nil || *s.Behind > 0)
			}
		}
		close(done)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Who may not look any more is told nothing more.
func TestLiveGoesOnAfterAFault(t *testing.T) {
	alive(t, func(t *testing.T, m *model, live *dashboard.Live) {
		page := hear(t, live, "")
		page.next()
		m.set(func() { m.fails = errors.New("the log is gone") })
		m.change(changed(uuid.UUID{1}, 2, domain.TabNew))
		time.Sleep(10 * time.Second)
		m.set(func() { m.fails = nil })
		time.Sleep(2 * time.Second)
		m.change(changed(uuid.UUID{2}, 2, domain.TabNew))
		for _, s := range page.next() {
			if s.Resync || len(s.Orders) > 0 {
				return
			}
		}
		t.Error("nothing is told of what happened meanwhile")
	})
}

// One person with very many pages leaves room for others.
func TestLiveIsShared(t *testing.T) {
	alive(t, func(t *testing.T, _ *model, live *dashboard.Live) {
		for range dashboard.MaxLive / 2 {
			hear(t, live, "").next()
		}
		over := hear(t, live, "")
		<-over.ended
		if over.w.status != http.StatusTooManyRequests || over.w.header.Get("Retry-After") == "" || !strings.Contains(over.w.buffer.String(), "Close some") {
			t.Errorf("one too many: %d %v %s", over.w.status, over.w.header, over.w.buffer.String())
		}
		hearAs(t, "another", live, "").next()
	})
}

func TestLiveEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, done := newModel(), make(chan struct{})
		live := m.live(done)
		pages := make([]*listener, dashboard.MaxLive)
		for i := range pages {
			pages[i] = hearAs(t, fmt.Sprint(i), live, "")
			pages[i].next()
		}
		over := hear(t, live, "")
		<-over.ended
		if over.w.status != http.StatusServiceUnavailable {
			t.Errorf("one too many: %d", over.w.status)
		}
		pages[0].leave()
		<-pages[0].ended
		again := hear(t, live, "")
		again.next()
		begin := time.Now()
		<-again.ended
		if lived := time.Since(begin); lived != 5*time.Minute { // then it connects anew, and shows who it is
			t.Errorf("a stream lived %s", lived)
		}
		last := hear(t, live, "")
		last.next()
		close(done)
		<-last.ended
	})
}
