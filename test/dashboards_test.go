package test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/test/testenv"
)

var (
	dashboards = flag.Int("dashboards", 20, "open pages of TestManyDashboards")
	commandsPS = flag.Int("commands", 50, "commands a second of TestManyDashboards")
	seconds    = flag.Int("seconds", 1, "how long TestManyDashboards sends them, without pages and with them")
)

// watcher is one open page's stream.
type watcher struct {
	seen atomic.Int64 // the version of the order that is worked on last
	when sync.Map     // version → when it was told
}

// watch follows a ledger as an open page does, until the context ends. It calls hears whenever it is told something.
func watch(ctx context.Context, url string, order string, w *watcher, hears func()) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/live", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		hears()
		if !strings.Contains(data, order) {
			continue // what a page makes of it is its own computer's work
		}
		var said struct{ Orders [][3]any }
		if err := json.Unmarshal([]byte(data), &said); err != nil {
			return err
		}
		for _, o := range said.Orders {
			if o[0] == order {
				v := int64(o[1].(float64))
				w.when.Store(v, time.Now())
				w.seen.Store(v) // last: who sees the version asks when
			}
		}
	}
	return nil
}

// Many pages are open while commands come: all are told of all of them, soon, and the commands are hardly slower. As the issue has it:
// go test ./test -run TestManyDashboards -dashboards 200 -commands 200 -seconds 15 -v
func TestManyDashboards(t *testing.T) {
	ledger := testenv.Start(t, testenv.Config(t, "nats"), app.Hooks{})
	api := testenv.Client{URL: ledger.URL}
	var lines [][]byte
	var ids []string
	for i := range 100 {
		in := cardOrder(i)
		in.Payment, in.Customer.AccountNumber = domain.Terms{Method: domain.Account}, "A-1"
		line, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		lines, ids = append(lines, line), append(ids, in.ID().String())
	}
	_, _, position := importOrders(t, api, lines, "import")
	api.Tabs(t, position)

	const soon = 300 * time.Millisecond
	at := func(sorted []time.Duration, part float64) time.Duration {
		return sorted[int(part*float64(len(sorted)-1))].Round(10 * time.Microsecond)
	}
	n := 0
	// work sends notes at an even pace and returns how long each took.
	work := func(round string) (took []time.Duration) {
		var mu sync.Mutex
		var sending sync.WaitGroup
		tick := time.NewTicker(time.Second / time.Duration(*commandsPS))
		defer tick.Stop()
		for i := range *commandsPS * *seconds {
			<-tick.C
			id := ids[n%len(ids)]
			n++
			sending.Go(func() {
				begin := time.Now()
				a, err := api.Act(context.Background(), id, "notes", round+strconv.Itoa(i), 0, `{"text":"call first"}`)
				if err != nil || a.Status/100 != 2 {
					t.Errorf("note: %v %d %s", err, a.Status, a.Body)
				}
				mu.Lock()
				defer mu.Unlock()
				took = append(took, time.Since(begin))
			})
		}
		sending.Wait()
		slices.Sort(took)
		return took
	}
	alone := work("alone-")

	ctx, leave := context.WithCancel(context.Background())
	pages := make([]watcher, *dashboards)
	var ready, watching sync.WaitGroup
	defer watching.Wait()
	defer leave()
	ready.Add(len(pages))
	for i := range pages {
		watching.Go(func() {
			hears := sync.OnceFunc(ready.Done)
			defer hears() // a page that can't be opened keeps nobody waiting
			if err := watch(ctx, ledger.URL, ids[0], &pages[i], hears); err != nil && ctx.Err() == nil {
				t.Errorf("page %d: %v", i, err)
			}
		})
	}
	ready.Wait()
	if t.Failed() {
		return
	}
	watched := work("watched-")

	// How soon the pages are told of a change that stands in the log: the quickest of a few, since the machine may be busy with others.
	var told []time.Duration
	for i := 0; i < 4 && (told == nil || at(told, .5) > soon); i++ {
		a, err := api.Act(t.Context(), ids[0], "notes", "last-"+strconv.Itoa(i), 0, `{"text":"the last"}`)
		if err != nil || a.Status/100 != 2 {
			t.Fatalf("the last note: %v %d", err, a.Status)
		}
		if took := toldOf(t, pages, int64(a.Order.Version), time.Now()); told == nil || at(took, .5) < at(told, .5) {
			told = took
		}
	}
	t.Logf("%d commands/s: median %s, p99 %s; with %d pages open: median %s, p99 %s; a change is told within %s (median %s)",
		*commandsPS, at(alone, .5), at(alone, .99), len(pages), at(watched, .5), at(watched, .99), at(told, 1), at(told, .5))
	if median := at(told, .5); median > soon {
		t.Errorf("a change is told after %s", median)
	}
}

// toldOf waits until all pages are told of a version of the order, and returns how long after a change that took, each of them.
func toldOf(t *testing.T, pages []watcher, version int64, changed time.Time) (took []time.Duration) {
	t.Helper()
	deadline, tick := time.After(testenv.Patience), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for i := range pages {
		for pages[i].seen.Load() < version {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("page %d was told of version %d, not %d", i, pages[i].seen.Load(), version)
			}
		}
		when, ok := pages[i].when.Load(version)
		if !ok {
			t.Fatalf("page %d was not told of version %d", i, version)
		}
		took = append(took, max(0, when.(time.Time).Sub(changed))) // it may hear before the clerk's answer is here
	}
	slices.Sort(took)
	return took
}
