package memstore_test

import (
	"errors"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/domain/eventstore/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open: func(*testing.T) eventstore.Store { return memstore.New() },
		LoseAnswer: func(_ *testing.T, s eventstore.Store) {
			s.(*memstore.Store).LoseNextAnswer()
		},
		FailRead: func(_ *testing.T, s eventstore.Store) {
			s.(*memstore.Store).FailNextRead(errors.New("the disk is on fire"))
		},
		Gap: func(_ *testing.T, s eventstore.Store, p eventstore.Position) eventstore.Store {
			s.(*memstore.Store).Drop(p)
			return s
		},
		Lacks: map[string]string{"Reopen": "a log in memory ends with its store"},
	})
}

func TestLease(t *testing.T) {
	storetest.RunLease(t, func(*testing.T) eventstore.Leaser { return memstore.New() }, nil)
}

// The suite lets a store survive a failing read; this one's fault must be seen.
func TestFailNextReadIsSeenOnce(t *testing.T) {
	s, fault := memstore.New(), errors.New("the disk is on fire")
	s.FailNextRead(fault)
	for _, want := range []error{fault, nil} {
		var got error
		for _, err := range s.ReadStream(t.Context(), "order-1", eventstore.NoStream) {
			got = err
		}
		if !errors.Is(got, want) {
			t.Errorf("read: %v, want %v", got, want)
		}
	}
}
