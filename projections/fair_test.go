package projections_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/share"
	"github.com/orderledger/orderledger/projections"
)

// slow is a read model of which four lists can be read at once, each in a second, and whoever comes waits behind those that are there.
type slow struct {
	projections.Reader
	line chan struct{}
}

func (s slow) List(ctx context.Context, _ projections.Query) (projections.Page, error) {
	select {
	case s.line <- struct{}{}:
		defer func() { <-s.line }()
	case <-ctx.Done():
		return projections.Page{}, ctx.Err()
	}
	time.Sleep(time.Second)
	return projections.Page{}, nil
}

// Who asks for hundreds of lists at once does not hold up who asks for one.
func TestListsAreReadInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := projections.Fairly(slow{line: make(chan struct{}, 4)})
		flood, stop := context.WithCancel(domain.WithActor(t.Context(), domain.Actor{ID: "eve"}))
		var asking sync.WaitGroup
		var mu sync.Mutex
		refused := map[string]int{}
		for range 1000 {
			asking.Go(func() {
				if _, err := r.List(flood, projections.Query{}); err != nil && flood.Err() == nil {
					mu.Lock()
					defer mu.Unlock()
					refused[fmt.Sprint(errors.Is(err, share.ErrYours))]++
				}
			})
		}
		synctest.Wait()
		if refused["true"] != 1000-4-512 || len(refused) != 1 {
			t.Errorf("refused: %v", refused)
		}
		for range 3 {
			began := time.Now()
			if _, err := r.List(domain.WithActor(t.Context(), domain.Actor{ID: "ada"}), projections.Query{}); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("another waits for %s", took)
			}
		}
		stop()
		asking.Wait()
	})
}
