package natsstore

import (
	"context"
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

// onReconnect checks that the server still has what it gave, and then lets subscriptions go on.
func (s *Store) onReconnect() {
	s.mu.Lock()
	w, closed, ready := s.lastSeen, s.closed, s.stream != nil
	if !closed {
		s.underway.Add(1)
	}
	s.mu.Unlock()
	if closed {
		return
	}
	defer s.underway.Done()
	if ready && w.seq > 0 {
		s.confirm(w)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.reconnected)
	s.reconnected = make(chan struct{})
}

// confirm looks the witness up, until the server answers or the connection is lost again.
func (s *Store) confirm(w witness) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for attempt := 0; s.nc.IsConnected(); attempt++ {
		r, found, err := s.one(ctx, directRequest{Seq: w.seq})
		switch {
		case err == nil && found && r.ID == w.id:
			return
		case err == nil:
			s.lose(fmt.Errorf("%w: after a reconnect, position %d is not what it was", eventstore.ErrGap, w.seq))
			return
		case pause(ctx, attempt) != nil:
			s.log.Warn("the log could not be checked after a reconnect", "error", err)
			return
		}
	}
}

// lose makes the store unusable: the log is not the one that it was.
func (s *Store) lose(err error) {
	s.log.Error("the log has lost events", "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost == nil {
		s.lost = fmt.Errorf("%w: %w", eventstore.ErrUnavailable, err)
	}
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
