package esdbstore_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/esdbstore"
	"github.com/orderledger/orderledger/domain/eventstore/storetest"
)

func TestLease(t *testing.T) {
	r := rig{server: startServer(t), config: esdbstore.Config{Ledger: ledger()}}
	var s *esdbstore.Store
	open := func(t *testing.T) eventstore.Leaser {
		s = connect(t, r)
		return s
	}
	storetest.RunLease(t, open, open)
	// A node that can't answer is no lease that nobody holds.
	r.server.faults.Fail("Read", codes.NotFound)
	if l, err := s.ReadLease(t.Context()); err == nil && l.Revision == 0 {
		t.Errorf("%+v, which others hold", l)
	}
	if head, err := s.Head(t.Context()); err != nil || head != 0 {
		t.Errorf("the log ends at %d, %v", head, err)
	}
}
