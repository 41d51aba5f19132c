package memstore

import "github.com/orderledger/orderledger/domain/eventstore"

// LoseNextAnswer makes the next append that is applied answer ErrUnavailable, as if its answer were lost on the way.
func (s *Store) LoseNextAnswer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loseAnswer = true
}

// FailNextRead makes the next event that would be read, by ReadStream or a subscription's Next, an error.
func (s *Store) FailNextRead(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failRead = err
}

// Drop takes the event at a position out of the log, which leaves a gap. The position must be in the log.
func (s *Store) Drop(p eventstore.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log[p-1] = nil
}
