package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// RunLease proves the contract of eventstore.Leaser for one store. open returns a store whose lease nobody has written; another
// returns one more on the same log, as another process would open it, and is nil where one process at a time can use a log. Both
// see to it that what they opened is closed.
func RunLease(t *testing.T, open func(t *testing.T) eventstore.Leaser, another func(t *testing.T) eventstore.Leaser) {
	l := open(t)
	other := l
	if another != nil {
		other = another(t)
	}
	if r := mustReadLease(t, other); r.Revision != 0 || len(r.Value) != 0 {
		t.Fatalf("before anybody wrote: %+v", r)
	}
	if _, err := l.WriteLease(t.Context(), 7, []byte("x")); !errors.Is(err, eventstore.ErrLeaseMoved) {
		t.Fatalf("a revision that never was: %v", err)
	}
	if _, err := l.WriteLease(t.Context(), 0, make([]byte, eventstore.MaxLeaseSize+1)); err == nil {
		t.Fatal("a record that is too large was taken")
	}

	first := mustWriteLease(t, l, 0, []byte("first"))
	if r := mustReadLease(t, other); r.Revision != first || string(r.Value) != "first" {
		t.Fatalf("%+v, want first at %d", r, first)
	}
	for _, seen := range []uint64{0, first + 1} {
		if _, err := other.WriteLease(t.Context(), seen, []byte("x")); !errors.Is(err, eventstore.ErrLeaseMoved) {
			t.Fatalf("seen %d of %d: %v", seen, first, err)
		}
	}
	large := bytes.Repeat([]byte("x"), eventstore.MaxLeaseSize)
	second := mustWriteLease(t, other, first, large)
	if second == first {
		t.Fatalf("two records at revision %d", first)
	}
	if _, err := l.WriteLease(t.Context(), first, []byte("late")); !errors.Is(err, eventstore.ErrLeaseMoved) {
		t.Fatalf("an old revision: %v", err)
	}
	if r := mustReadLease(t, l); r.Revision != second || !bytes.Equal(r.Value, large) {
		t.Fatalf("%d bytes at %d, want %d at %d", len(r.Value), r.Revision, len(large), second)
	}

	// The same value again is a new revision: that is how a holder shows that it is alive.
	third := mustWriteLease(t, l, second, large)
	if third == second {
		t.Fatal("the same value again left the revision as it was")
	}

	// Of several that have seen the same, one wins.
	var won atomic.Int32
	var racers sync.WaitGroup
	for i, racer := range []eventstore.Leaser{l, other, l, other} {
		racers.Go(func() {
			_, err := racer.WriteLease(t.Context(), third, fmt.Append(nil, "racer ", i))
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, eventstore.ErrLeaseMoved):
				t.Errorf("racer %d: %v", i, err)
			}
		})
	}
	racers.Wait()
	if won.Load() != 1 {
		t.Errorf("%d won", won.Load())
	}

	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.ReadLease(over); !errors.Is(err, context.Canceled) {
		t.Errorf("reading with a context that is over: %v", err)
	}
	last := mustReadLease(t, l)
	if _, err := l.WriteLease(over, last.Revision, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("writing with a context that is over: %v", err)
	}
}

func mustReadLease(t *testing.T, l eventstore.Leaser) eventstore.LeaseRecord {
	t.Helper()
	r, err := l.ReadLease(t.Context())
	if err != nil {
		t.Fatalf("read the lease: %v", err)
	}
	return r
}

func mustWriteLease(t *testing.T, l eventstore.Leaser, seen uint64, value []byte) uint64 {
	t.Helper()
	r, err := l.WriteLease(t.Context(), seen, value)
	if err != nil {
		t.Fatalf("write the lease: %v", err)
	}
	return r
}
