package natsstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// witness is an event that the server once gave or acknowledged. After a lost connection it must still be there: a server
// that was restored, or lost power with unsynced events, would otherwise give their places to others.
type witness struct {
	seq uint64
	id  uuid.UUID
}

// saw notes an event that is in the log.
func (s *Store) saw(r eventstore.Recorded) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq := uint64(r.Position); seq > s.lastSeen.seq {
		s.lastSeen = witness{seq: seq, id: r.ID}
	}
}

func (s *Store) onDisconnect(err error) {
	s.mu.Lock()
	closed, replies := s.closed, s.replies
	s.mu.Unlock()
	if replies != nil {
		replies.lose()
	}
	if !closed && err != nil { // none: it was closed from here
		s.log.Warn("the connection to the log is lost", "error", err)
	}
}

// onReconnect lets it be checked that the server still has what it gave. The client library waits for it, so it does not wait.
func (s *Store) onReconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.stream == nil {
		return
	}
	w := s.lastSeen
	s.underway.Go(func() {
		if w.seq > 0 {
			s.confirm(w)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.reconnected) // subscriptions go on
		s.reconnected = make(chan struct{})
	})
}

// confirm looks the witness up, until the server answers, the connection is lost again, or the store is closed.
func (s *Store) confirm(w witness) {
	for attempt := 0; s.nc.IsConnected() && s.life.Err() == nil; attempt++ {
		limited, cancel := context.WithTimeout(s.life, patience)
		err := s.same(limited, w)
		cancel()
		switch {
		case err == nil:
			return
		case errors.Is(err, eventstore.ErrGap):
			_ = s.lose(fmt.Errorf("after a reconnect: %w", err))
			return
		}
		_ = pause(s.life, attempt) // the loop sees its end, too
	}
}

// same says whether the log still holds an event where it was: nil, an error that wraps ErrGap, or one that leaves it open.
func (s *Store) same(ctx context.Context, w witness) error {
	r, found, err := s.one(ctx, directRequest{Seq: w.seq})
	switch {
	case err != nil:
		return err
	case !found:
		return s.absent(ctx, w.seq)
	case r.ID != w.id:
		return fmt.Errorf("%w: position %d is not what it was", eventstore.ErrGap, w.seq)
	}
	return nil
}

// lose makes the store unusable: the log is not the one that it was. It returns what the store says from then on.
func (s *Store) lose(err error) error {
	s.log.Error("the log has lost events", "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost == nil {
		s.lost = fmt.Errorf("%w: %w", eventstore.ErrUnavailable, err)
	}
	return s.lost
}

// pause waits before a repetition: 1 ms, doubling to 100 ms.
func pause(ctx context.Context, attempt int) error {
	t := time.NewTimer(min(time.Millisecond<<min(attempt, 7), 100*time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// highest is the highest sequence that this process knows to be in the log.
func (s *Store) highest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastSeen.seq
}
