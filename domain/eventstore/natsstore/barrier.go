package natsstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// barrier makes acknowledged events durable in groups. One goroutine runs the barrier whenever somebody waits: whoever comes
// while it runs waits for the next run. So a lone writer waits for one run, and any number of writers share one.
//
// It rests on two facts: the server has written an event to its file before it acknowledges or delivers it, and it writes
// events in the order of their sequences. So a run makes everything durable up to the highest sequence that anybody who
// joined before the run has been told of.
type barrier struct {
	run     func() error // makes everything written so far durable
	passed  func(seq uint64)
	onFatal func(error)

	durable atomic.Uint64 // the watermark: every sequence up to it is durable
	coming  atomic.Int64  // events that were sent, and not acknowledged or refused yet

	took time.Duration // by the last run; the loop's own

	mu      sync.Mutex
	waiting []waiter
	broken  error // set once, by a run that failed
	stopped bool
	kick    chan struct{}
	done    chan struct{}
}

// maxGather bounds how long a run waits for events that are on their way.
const maxGather = 2 * time.Millisecond

// waiter is somebody who was told of a sequence by the server and waits until it is durable. done has room for the answer.
type waiter struct {
	seq  uint64
	done chan<- error
}

// startBarrier runs the barrier once, so that everything up to the sequence last is durable, and then whenever somebody
// waits. passed is told of every new watermark before those who wait for it. onFatal is called once, when a run fails.
func startBarrier(last uint64, run func() error, passed func(seq uint64), onFatal func(error)) (*barrier, error) {
	if err := run(); err != nil {
		return nil, fmt.Errorf("make the log durable: %w", err)
	}
	b := &barrier{run: run, passed: passed, onFatal: onFatal, kick: make(chan struct{}, 1), done: make(chan struct{})}
	b.raise(last)
	go b.loop()
	return b, nil
}

// raise lifts the watermark.
func (b *barrier) raise(seq uint64) {
	if seq > b.durable.Load() {
		b.durable.Store(seq)
		b.passed(seq)
	}
}

// join answers on done when seq is durable, or can't become so.
func (b *barrier) join(seq uint64, done chan<- error) {
	if seq <= b.durable.Load() {
		done <- nil
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.enqueue(seq, done)
}

// announce says that an event is on its way, which a run may wait for. arrive or giveUp must follow.
func (b *barrier) announce() { b.coming.Add(1) }

// giveUp takes an announcement back.
func (b *barrier) giveUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming.Add(-1)
	b.nudge()
}

// arrive is join for an event that was announced.
func (b *barrier) arrive(seq uint64, done chan<- error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming.Add(-1)
	b.enqueue(seq, done)
}

// enqueue lets somebody wait for the next run. The lock is held.
func (b *barrier) enqueue(seq uint64, done chan<- error) {
	switch {
	case b.broken != nil:
		done <- b.broken
	case b.stopped:
		done <- errClosed
	default:
		b.waiting = append(b.waiting, waiter{seq, done})
		b.nudge()
	}
}

// nudge lets the loop look again. The lock is held.
func (b *barrier) nudge() {
	if b.stopped {
		return
	}
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

// wait returns when seq is durable.
func (b *barrier) wait(ctx context.Context, seq uint64) error {
	if seq <= b.durable.Load() {
		return nil
	}
	done := make(chan error, 1)
	b.join(seq, done)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// loop runs the barrier until stop, or until it breaks.
func (b *barrier) loop() {
	defer close(b.done)
	var spare []waiter
	for range b.kick {
		b.gather()
		b.mu.Lock()
		group := b.waiting
		b.waiting = spare
		b.mu.Unlock()
		if len(group) > 0 {
			if err := b.pass(group); err != nil {
				b.onFatal(err)
				return
			}
		}
		clear(group)
		spare = group[:0]
	}
}

// gather lets those join whose events are on their way, but no longer than a part of what a run takes: a run for few costs as
// much as a run for many. A lone writer waits for nobody.
func (b *barrier) gather() {
	if b.coming.Load() == 0 {
		return
	}
	limit := time.NewTimer(min(b.took/2, maxGather))
	defer limit.Stop()
	for b.coming.Load() > 0 {
		select {
		case _, open := <-b.kick:
			if !open {
				return
			}
		case <-limit.C:
			return
		}
	}
}

// pass runs the barrier for a group and answers it.
func (b *barrier) pass(group []waiter) error {
	var highest uint64
	for _, w := range group {
		highest = max(highest, w.seq)
	}
	began := time.Now()
	err := b.run()
	b.took = time.Since(began)
	if err == nil {
		b.raise(highest)
		for _, w := range group {
			w.done <- nil
		}
		return nil
	}
	err = fmt.Errorf("%w: the log could not be made durable: %w", eventstore.ErrUnavailable, err)
	b.mu.Lock()
	b.broken = err
	group = append(group, b.waiting...)
	b.waiting = nil
	b.mu.Unlock()
	for _, w := range group {
		w.done <- err
	}
	return err
}

// stop ends the barrier after those who wait were answered. Whoever joins later is refused.
func (b *barrier) stop() {
	b.mu.Lock()
	if !b.stopped {
		b.stopped = true
		close(b.kick)
	}
	b.mu.Unlock()
	<-b.done
}
