package dashboard

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/share"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// Limits of live updates.
const (
	MaxLive = 512 // pages that are told at once, half of them for one person

	together   = 100 * time.Millisecond // changes in so short a time are told as one
	rest       = time.Second            // after so much has changed that only that is told
	beat       = 15 * time.Second       // between signs of life
	watch      = 2 * time.Second        // between two looks at how far the read model is
	streamLife = 5 * time.Minute        // then a page connects anew, and shows again who it is
	maxFrames  = 128                    // kept for pages that are slow or were away
	maxOrders  = 200                    // told one by one in one frame
	follow     = 1024                   // changes read at once
	many       = 8 * follow             // changes that wait to be told at which no more are put to them
	patience   = 10 * time.Second       // for a page to take a frame
	worthWhile = 20                     // events behind that are worth saying
	farBehind  = 10_000                 // events behind at which nothing is followed yet: the read model is being filled
)

// LiveDeps is what Live is made of. All but Logger are required.
type LiveDeps struct {
	Follow func(after eventstore.Position) queryapi.Follower
	Status func(context.Context) (projections.Status, error) // of the read model's projector
	Counts func(context.Context) (projections.Counts, error)
	// Done, when closed, ends the streams, so that the server can stop.
	Done   <-chan struct{}
	Logger *slog.Logger
}

// Live tells open pages what changes in the read model. What is told is written once, whoever hears it: a frame that all streams send
// as it is. Run makes frames, and each stream follows them at its own pace; one that falls too far behind is told to fetch its page anew.
type Live struct {
	LiveDeps

	mu     sync.Mutex
	frames []signal // the latest, oldest first
	first  uint64   // number of frames[0]
	at     eventstore.Position
	from   eventstore.Position // all changes behind it are in frames
	counts map[string]int64
	behind uint64
	wake   chan struct{} // closed, and replaced, when there is a frame

	places *share.Pool // of streams
}

// signal is one message as it goes over the wire.
type signal struct {
	at   eventstore.Position
	wire []byte
}

// NewLive returns one that tells nothing before Run.
func NewLive(d LiveDeps) *Live {
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	return &Live{LiveDeps: d, wake: make(chan struct{}), places: share.New(MaxLive)}
}

// news is what a frame says: see app.js.
type news struct {
	Orders []changed        `json:"orders,omitempty"`
	Placed int              `json:"placed,omitempty"`
	Counts map[string]int64 `json:"counts,omitempty"`
	Behind *uint64          `json:"behind,omitempty"`
	Resync bool             `json:"resync,omitempty"`
}

// changed is an order that has changed, as a triple, since there are many of them.
type changed struct {
	id      uuid.UUID
	version int
	tab     domain.Tab
}

// MarshalJSON implements json.Marshaler.
func (c changed) MarshalJSON() ([]byte, error) { return json.Marshal([]any{c.id, c.version, c.tab}) }

func wireOf(at eventstore.Position, m news) []byte {
	data, err := json.Marshal(m)
	if err != nil {
		panic(err) // of numbers, ids and our own words
	}
	return fmt.Appendf(nil, "id: %d\nevent: live\ndata: %s\n\n", at, data)
}

// Run makes frames until ctx ends; it returns nil then.
func (l *Live) Run(ctx context.Context) error {
	for {
		if err := l.follow(ctx); ctx.Err() != nil {
			return nil
		} else if err != nil {
			l.Logger.Warn("pages are not told of changes for now", "error", err)
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return nil
		}
	}
}

// follow makes frames of what changes from now on.
func (l *Live) follow(ctx context.Context) error {
	status, err := l.Status(ctx)
	if err != nil {
		return err
	}
	if status.Lag > farBehind {
		l.look(ctx)
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	changes := l.Follow(status.Checkpoint)
	l.begin(status.Checkpoint)
	batches, failed := make(chan []projections.Change, 1), make(chan error, 1)
	go func() {
		defer changes.Close()
		failed <- readChanges(ctx, changes, batches)
	}()
	done := false
	defer func() {
		cancel()
		if !done {
			<-failed
		}
	}()
	looks := time.NewTicker(watch)
	defer looks.Stop()
	l.look(ctx)
	for {
		select {
		case batch := <-batches:
			pause := l.tell(ctx, batch)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		case <-looks.C:
			l.look(ctx)
		case err := <-failed:
			done = true
			select {
			case batch := <-batches: // read before it failed
				l.tell(ctx, batch)
			default:
			}
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// readChanges hands changes over by a channel with room for one batch. What comes before that was taken is put to it, so that all of
// it is told at once; of more than many it waits until they are taken.
func readChanges(ctx context.Context, from queryapi.Follower, to chan []projections.Change) error {
	for {
		batch, err := from.Next(ctx, follow)
		if err != nil {
			return err
		}
		batch = slices.Clip(batch) // what is appended to it goes elsewhere
		select {
		case waiting := <-to:
			if len(waiting) < many {
				batch = append(waiting, batch...)
			} else {
				to <- waiting // nobody else sends
			}
		default:
		}
		select {
		case to <- batch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell makes a frame of changes, and returns how long nothing more is to be told.
func (l *Live) tell(ctx context.Context, batch []projections.Change) time.Duration {
	var m news
	at := batch[len(batch)-1].Position
	seen := map[uuid.UUID]bool{}
	for i := len(batch) - 1; i >= 0; i-- {
		c := batch[i]
		if c.Type == (domain.Placed{}).EventType() {
			m.Placed++ // nobody looks at one yet
			continue
		}
		if seen[c.OrderID] {
			continue
		}
		seen[c.OrderID] = true
		if len(m.Orders) < maxOrders {
			m.Orders = append(m.Orders, changed{c.OrderID, c.Version, c.Tab})
		} else {
			m.Resync = true
		}
	}
	pause := together
	if m.Resync {
		m.Orders, pause = nil, rest
	}
	m.Counts = l.counted(ctx)
	l.publish(at, m)
	return pause
}

// counted are the counts when they have changed, else nil.
func (l *Live) counted(ctx context.Context) map[string]int64 {
	c, err := l.Counts(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.Logger.Warn("pages are not told of the counts", "error", err)
		}
		return nil
	}
	now := map[string]int64{"parked": c.Parked, "owed": c.Owed, "due": c.Due, "missed": c.Missed, "unreviewed": c.Unreviewed, "accepted": c.Tabs[domain.TabNew] - c.Unreviewed}
	for tab, n := range c.Tabs {
		now[string(tab)] = n
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	same := len(l.counts) == len(now)
	for name, n := range now {
		same = same && l.counts[name] == n
	}
	if same {
		return nil
	}
	l.counts = now
	return now
}

// look tells what changes with the clock: how far the read model is behind, and what is due.
func (l *Live) look(ctx context.Context) {
	status, err := l.Status(ctx)
	if err != nil {
		return // the log can't be reached: pages say so when they ask for something
	}
	lag := status.Lag
	if lag < worthWhile && status.Error == "" {
		lag = 0
	}
	m := news{Counts: l.counted(ctx)}
	l.mu.Lock()
	if lag != l.behind {
		l.behind, m.Behind = lag, &lag
	}
	at := l.at
	l.mu.Unlock()
	if m.Counts != nil || m.Behind != nil {
		l.publish(at, m)
	}
}

// begin goes on from a position. Pages that are open already were not told of what is between.
func (l *Live) begin(at eventstore.Position) {
	l.mu.Lock()
	missed := at != l.at
	l.at, l.from = at, at
	l.mu.Unlock()
	if missed {
		l.publish(at, news{Resync: true})
	}
}

func (l *Live) publish(at eventstore.Position, m news) {
	f := signal{at, wireOf(at, m)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = at
	l.frames = append(l.frames, f)
	if over := len(l.frames) - maxFrames; over > 0 {
		l.from = l.frames[over-1].at
		l.frames = append([]signal(nil), l.frames[over:]...)
		l.first += uint64(over) //nolint:gosec // positive
	}
	close(l.wake)
	l.wake = make(chan struct{})
}

func (l *Live) behindBy() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.behind
}

// position is the last whose changes pages were told of. What is read now shows at least these.
func (l *Live) position() eventstore.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

// enter says what one stream is sent first and from which frame on it goes. After is the last position that the page shows or was told
// of; nil: there is no page.
func (l *Live) enter(after *eventstore.Position) (hello []byte, next uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := news{Counts: l.counts, Behind: &l.behind}
	next = l.first + uint64(len(l.frames))
	at := l.at
	if after != nil && *after != l.at {
		switch {
		case *after < l.from || *after > l.at:
			m.Resync = true
		default: // what it missed is sent as it was
			at = *after
			for i, f := range l.frames {
				if f.at > *after {
					next = l.first + uint64(i) //nolint:gosec // an index
					break
				}
			}
		}
	}
	return wireOf(at, m), next
}

// since returns the frames from a number on, the number behind them, and what is closed when there is another.
func (l *Live) since(next uint64) (wires [][]byte, then uint64, wake <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	then = l.first + uint64(len(l.frames))
	switch {
	case next < l.first:
		wires = [][]byte{wireOf(l.at, news{Counts: l.counts, Behind: &l.behind, Resync: true})}
	default:
		for _, f := range l.frames[next-l.first:] {
			wires = append(wires, f.wire)
		}
	}
	return wires, then, l.wake
}

// serve is one page's stream of server-sent events.
func (l *Live) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodHead {
		return nil
	}
	var after *eventstore.Position
	if s := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return errForm
		}
		p := eventstore.Position(n)
		after = &p
	}
	leave, err := l.places.Take(domain.ActorFrom(r.Context()).ID)
	if err != nil {
		w.Header().Set("Retry-After", "10")
		status, text := http.StatusServiceUnavailable, "Too many pages are open."
		if errors.Is(err, share.ErrYours) {
			status, text = http.StatusTooManyRequests, "You have as many pages open as one person may have. Close some, and this one is told of changes again."
		}
		http.Error(w, text, status) // for app.js, which tries again
		return nil
	}
	defer leave()
	hello, next := l.enter(after)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies must not hold events back
	control := http.NewResponseController(w)
	send := func(wires ...[]byte) error {
		if err := control.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		for _, b := range wires {
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
		return control.Flush()
	}
	if send(hello) != nil {
		return nil // the page is gone
	}
	beats, life := time.NewTicker(beat), time.NewTimer(streamLife)
	defer beats.Stop()
	defer life.Stop()
	for {
		wires, then, wake := l.since(next)
		if len(wires) > 0 {
			if send(wires...) != nil {
				return nil
			}
			next = then
			continue
		}
		select {
		case <-wake:
		case <-beats.C:
			if send([]byte("event: beat\ndata:\n\n")) != nil {
				return nil
			}
		case <-life.C:
			return nil
		case <-l.Done:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}
