package outhooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// worker delivers to one endpoint, one event at a time. Its one goroutine owns all but what the lock guards.
type worker struct {
	*Runner
	id string

	file    checkpoint
	at      eventstore.Position // of file.Last
	through eventstore.EventRef // the endpoint's Through that was taken into account
	skipped int                 // events that were not wanted, since the file was saved
	untold  time.Time           // since when the log knows less than the file; zero when it knows as much
	due     time.Time           // before which nothing is tried
	away    int                 // how often in a row the log could not be read or written

	mu        sync.Mutex
	interrupt context.CancelFunc
	told      told
}

// told is what Status says of a worker.
type told struct {
	at         eventstore.Position
	failing    failing
	delivered  int64 // by this process
	failed     int64
	lastAt     time.Time
	lastStatus int
	next       time.Time
}

// saveAfter is after how many events that are not wanted it is saved that they need not be looked at again.
const saveAfter = 10_000

// wake makes the worker look at its endpoint anew.
func (w *worker) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.interrupt != nil {
		w.interrupt()
	}
}

// turn is a context that ends, too, when the endpoint changes from now on.
func (w *worker) turn(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interrupt = cancel
	return ctx, cancel
}

// run delivers until the endpoint is removed or the context ends.
func (w *worker) run(ctx context.Context) error {
	w.load()
	for ctx.Err() == nil {
		turn, end := w.turn(ctx) // before the endpoint is looked at, so that no change is missed
		over, err := w.step(ctx, turn)
		changed := turn.Err() != nil
		end()
		switch {
		case over:
			return nil
		case ctx.Err() != nil:
		case errors.Is(err, eventstore.ErrUnavailable):
			w.cfg.Logger.Warn("webhooks: the log can't be used now", "endpoint", w.id, "error", err)
			w.due = time.Now().Add(w.backoff(time.Second, time.Minute, w.away))
			w.away++
		case err != nil && !changed:
			return fmt.Errorf("webhooks: endpoint %s, after position %d: %w", w.id, w.at, err)
		}
	}
	return ctx.Err()
}

// step does what is next until the turn ends. over says that the endpoint is removed.
func (w *worker) step(ctx, turn context.Context) (over bool, err error) {
	e := w.cfg.Endpoints.seen(w.id)
	if e.Removed {
		w.forget()
		return true, nil
	}
	if e.State() != Active {
		<-turn.Done()
		return false, turn.Err()
	}
	if err := w.take(ctx, e); err != nil {
		return false, err
	}
	if wait := time.Until(w.due); wait > 0 {
		return false, pause(turn, wait)
	}
	if err := w.record(ctx, w.enough()); err != nil {
		return false, err
	}
	return false, w.follow(ctx, turn, e)
}

// take is up to date with what the log says of the endpoint: how far it is, also by another process or because a person skipped an
// event, and whether a person let it go on.
func (w *worker) take(ctx context.Context, e Endpoint) error {
	if w.at == 0 && w.file.Last.Stream != "" {
		at, ours, err := w.resolve(ctx, w.file.Last)
		if err != nil {
			return err
		}
		if ours {
			w.at = at
		} else { // the log was restored, or the file is another log's
			w.file = checkpoint{}
		}
	}
	if e.Through != w.through {
		at, ours, err := w.resolve(ctx, e.Through)
		if err != nil {
			return err
		}
		if !ours {
			return fmt.Errorf("%w: %s, %s, up to which the endpoint was served", eventstore.ErrGap, e.Through.Stream, e.Through.Revision)
		}
		if at > w.at {
			w.at, w.file.Last, w.file.Failing, w.due = at, e.Through, failing{}, time.Time{}
		}
		w.through = e.Through
	}
	if w.file.Failing.Event != uuid.Nil && w.file.Failing.Round != e.Round {
		w.file.Failing, w.due = failing{}, time.Time{}
	}
	w.tell(func(t *told) { t.at, t.failing = w.at, w.file.Failing })
	return nil
}

// follow reads the log on and delivers what is wanted, until something fails or the turn ends.
func (w *worker) follow(ctx, turn context.Context, e Endpoint) error {
	sub, err := w.cfg.Log.Subscribe(turn, w.at)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }() // nothing is lost with it
	for {
		batch, err := w.next(turn, sub)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			return nil // it is time to tell the log
		}
		w.away = 0
		for _, rec := range batch {
			if turn.Err() != nil {
				return turn.Err()
			}
			if rec.Position <= w.at { // another process has delivered it
				continue
			}
			wanted, err := w.wanted(ctx, e, rec)
			if err != nil {
				return err
			}
			if !wanted {
				w.pass(rec)
				continue
			}
			if done, err := w.deliver(ctx, e, rec); err != nil || !done {
				return err
			}
		}
		w.tell(func(t *told) { t.at = w.at })
	}
}

// next is what the log says next; nothing when the log is to be told first.
func (w *worker) next(turn context.Context, sub eventstore.Subscription) ([]eventstore.Recorded, error) {
	if w.file.Unrecorded == 0 {
		w.untold = time.Time{}
	}
	if w.untold.IsZero() || w.cfg.RecordAfter == 0 {
		return sub.Next(turn, batchSize)
	}
	limited, cancel := context.WithDeadline(turn, w.untold.Add(w.cfg.RecordAfter))
	defer cancel()
	batch, err := sub.Next(limited, batchSize)
	if err != nil && turn.Err() == nil && limited.Err() != nil {
		return nil, nil
	}
	return batch, err
}

// enough is how many deliveries the log is told of now.
func (w *worker) enough() int64 {
	if w.cfg.RecordAfter > 0 && !w.untold.IsZero() && time.Since(w.untold) >= w.cfg.RecordAfter {
		return 1
	}
	return w.cfg.RecordEvery
}

func (w *worker) wanted(ctx context.Context, e Endpoint, rec eventstore.Recorded) (bool, error) {
	if _, order := eventstore.OrderOf(rec.Stream); !order || !e.wants(rec.Type) {
		return false, nil
	}
	if e.Manufacturer == "" {
		return true, nil
	}
	m, err := w.manufacturer(ctx, rec.Stream)
	return m == e.Manufacturer, err
}

// pass goes on behind an event that is not wanted.
func (w *worker) pass(rec eventstore.Recorded) {
	w.at, w.file.Last = rec.Position, eventstore.Ref(rec)
	if w.skipped++; w.skipped >= saveAfter {
		w.save()
	}
}

// deliver tries an event once. done says that the endpoint has it and the next may follow.
func (w *worker) deliver(ctx context.Context, e Endpoint, rec eventstore.Recorded) (done bool, err error) {
	m, err := w.message(ctx, e, rec)
	if err != nil {
		return false, err
	}
	if !w.cfg.Turn.Mine() {
		return false, turnOver(ctx)
	}
	secrets, failure := w.cfg.Endpoints.keys.secrets(e, w.cfg.Now())
	var a sender.Answer
	if failure == nil {
		lasting, end := follow.Outlast(ctx, stopPatience) // what arrived must be known
		a, failure = w.cfg.Poster.Post(lasting, e.URL, m, secrets...)
		end()
	}
	switch {
	case failure == nil && a.OK():
		return true, w.delivered(ctx, rec, a)
	case ctx.Err() != nil:
		return false, ctx.Err()
	case !w.cfg.Turn.Mine(): // an answer that is late decides nothing: another process may have had a better one
		return false, turnOver(ctx)
	case failure == nil && a.Status == http.StatusGone:
		return false, w.gone(ctx, rec)
	case failure == nil:
		failure = fmt.Errorf("it answered %d %s", a.Status, http.StatusText(a.Status))
	}
	return false, w.failed(ctx, e, rec, failure, a)
}

// turnOver waits until a turn that is over by the clock has ended.
func turnOver(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (w *worker) delivered(ctx context.Context, rec eventstore.Recorded, a sender.Answer) error {
	w.at, w.file.Last, w.file.Failing = rec.Position, eventstore.Ref(rec), failing{}
	if w.file.Unrecorded++; w.untold.IsZero() {
		w.untold = time.Now()
	}
	w.save()
	w.Runner.delivered.Add(1)
	w.tell(func(t *told) {
		t.at, t.failing, t.next = w.at, failing{}, time.Time{}
		t.delivered++
		t.lastAt, t.lastStatus = w.cfg.Now(), a.Status
	})
	return w.record(ctx, w.enough())
}

// failed keeps that an attempt failed, and puts the next one off; or parks the delivery, when it has failed for long enough.
func (w *worker) failed(ctx context.Context, e Endpoint, rec eventstore.Recorded, why error, a sender.Answer) error {
	now := w.cfg.Now()
	f := &w.file.Failing
	if f.Event != rec.ID {
		*f = failing{Event: rec.ID, Round: e.Round, Since: now}
	}
	f.Attempts++
	f.Reason = short(why.Error())
	w.undelivered.Add(1)
	left := f.Since.Add(w.cfg.GiveUp).Sub(now)
	wait := min(max(w.backoff(w.cfg.MinBackoff, w.cfg.MaxBackoff, f.Attempts-1), a.RetryAfter), left)
	w.due = time.Now().Add(wait)
	w.save()
	w.tell(func(t *told) {
		t.failing, t.next = *f, now.Add(max(0, wait))
		t.failed++
		t.lastAt, t.lastStatus = now, a.Status
	})
	w.cfg.Logger.Info("webhooks: a delivery failed", "endpoint", w.id, "event", rec.ID, "type", rec.Type, "attempts", f.Attempts, "error", f.Reason)
	if left > 0 {
		return nil
	}
	return w.park(ctx, rec)
}

func (w *worker) park(ctx context.Context, rec eventstore.Recorded) error {
	if err := w.record(ctx, 1); err != nil {
		return err
	}
	f := w.file.Failing
	w.cfg.Logger.Warn("webhooks: a delivery is parked, and the endpoint waits for a person", "endpoint", w.id, "event", rec.ID, "type", rec.Type,
		"attempts", f.Attempts, "error", f.Reason)
	return w.cfg.Endpoints.record(ctx, w.id, w.command("park", rec.ID, f.Round), rec.ID, func(e Endpoint) domain.Event {
		if e.State() != Active || e.Round != f.Round || e.Through != w.through { // another process may have delivered it
			return nil
		}
		return eventstore.DeliveryParked{
			Event: eventstore.Ref(rec), Since: f.Since.UTC().Truncate(time.Microsecond), Attempts: f.Attempts, Reason: f.Reason,
		}
	})
}

// gone disables an endpoint that says of itself that it is no more.
func (w *worker) gone(ctx context.Context, rec eventstore.Recorded) error {
	if err := w.record(ctx, 1); err != nil {
		return err
	}
	w.cfg.Logger.Warn("webhooks: an endpoint answered 410 Gone and is disabled", "endpoint", w.id, "event", rec.ID)
	round := w.cfg.Endpoints.seen(w.id).Round
	return w.cfg.Endpoints.record(ctx, w.id, w.command("gone", rec.ID, round), rec.ID, func(e Endpoint) domain.Event {
		if e.State() != Active || e.Round != round || e.Through != w.through {
			return nil
		}
		return eventstore.EndpointDisabled{Reason: "it answered 410 Gone", Event: eventstore.Ref(rec)}
	})
}

// record tells the log how far the endpoint is, if at least so many deliveries are not known to it. While that can't be done nothing
// more is delivered: what would be repeated without the file stays bounded. What another process said before is never taken back.
func (w *worker) record(ctx context.Context, atLeast int64) error {
	for range maxConflicts {
		if w.file.Unrecorded > 0 && w.through == w.file.Last { // said, and the answer was lost; or another process has said it
			w.file.Unrecorded, w.untold = 0, time.Time{}
			w.save()
		}
		if w.file.Unrecorded < atLeast || w.file.Unrecorded == 0 {
			return nil
		}
		last, count, stale := w.file.Last, w.file.Unrecorded, false
		err := w.cfg.Endpoints.record(ctx, w.id, w.command("delivered", last.ID, 0), last.ID, func(e Endpoint) domain.Event {
			if stale = e.Through != w.through; stale {
				return nil
			}
			return eventstore.EndpointDelivered{Last: last, Count: count}
		})
		if err != nil {
			return err
		}
		if !stale {
			w.through = last
		} else if err := w.take(ctx, w.cfg.Endpoints.seen(w.id)); err != nil {
			return err
		}
	}
	return nil
}

// command is the id of a recording command: it follows from what is recorded.
func (w *worker) command(what string, event uuid.UUID, round int) uuid.UUID {
	return uuid.NewSHA1(event, []byte(fmt.Sprint("webhook ", what, " ", w.id, " ", round)))
}

// stop saves how far the endpoint is, and tells the log.
func (w *worker) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	if w.file.Last.Stream != "" {
		w.save()
	}
	if err := w.record(ctx, 1); err != nil {
		w.cfg.Logger.Warn("webhooks: the log can't be told how far an endpoint is", "endpoint", w.id, "error", err)
	}
}

func (w *worker) path() string { return filepath.Join(w.cfg.Dir, w.id+".json") }

func (w *worker) load() {
	if w.cfg.Dir == "" {
		return
	}
	var err error
	if w.file, err = follow.Load[checkpoint](w.path(), fileVersion); err != nil {
		w.cfg.Logger.Warn("webhooks: a checkpoint can't be used; the endpoint goes on from where the log says", "endpoint", w.id, "error", err)
	}
	if w.file.Unrecorded > 0 {
		w.untold = time.Now()
	}
}

// save writes the file. When that fails the log still knows where to go on from, roughly.
func (w *worker) save() {
	w.skipped = 0
	if w.cfg.Dir == "" {
		return
	}
	w.file.Version = fileVersion
	if err := follow.Save(w.path(), w.file); err != nil {
		w.cfg.Logger.Warn("webhooks: a checkpoint can't be saved", "endpoint", w.id, "error", err)
	}
}

// forget deletes the file of an endpoint that was removed.
func (w *worker) forget() {
	w.Runner.mu.Lock()
	delete(w.workers, w.id)
	w.Runner.mu.Unlock()
	if w.cfg.Dir == "" {
		return
	}
	if err := os.Remove(w.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.cfg.Logger.Warn("webhooks: a checkpoint can't be deleted", "endpoint", w.id, "error", err)
	}
	w.file = checkpoint{}
}

func (w *worker) tell(change func(*told)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.told)
}

// short is a text that is kept: one line of bounded length.
func short(s string) string {
	text := []rune(strings.Join(strings.Fields(s), " "))
	return cmp.Or(string(text[:min(len(text), 300)]), "no reason is known")
}
