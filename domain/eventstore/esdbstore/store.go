package esdbstore

import (
	"context"
	"sync"
	"time"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// Store is a log in EventStoreDB. Open one with Connect.
type Store struct {
	layout layout
	link   *link
	about  eventstore.Status // what doesn't change
	end    end
	line   line

	silence time.Duration // see there

	mu       sync.Mutex
	closed   bool
	closing  chan struct{} // closed by Close
	underway sync.WaitGroup
}

var _ eventstore.Store = (*Store)(nil)

// begin lets one act start; its end must be told. It fails when the store can't be used.
func (s *Store) begin(ctx context.Context) (done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	s.underway.Add(1)
	return s.underway.Done, nil
}

// Head implements eventstore.Store.
func (s *Store) Head(ctx context.Context) (eventstore.Position, error) {
	done, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	head, err := s.findHead(ctx)
	return head, explain(ctx, err)
}

// Status implements eventstore.Store.
func (s *Store) Status(ctx context.Context) (eventstore.Status, error) {
	head, err := s.Head(ctx)
	if err != nil {
		return eventstore.Status{}, err
	}
	st := s.about
	st.Head = head
	return st, nil
}

// Close implements eventstore.Store. It waits until appends and reads that are under way have ended.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.closing)
	s.mu.Unlock()
	s.underway.Wait()
	s.line.drop("")
	s.link.close()
	return nil
}
