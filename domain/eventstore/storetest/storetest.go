// Package storetest is the contract of eventstore.Store as tests. Every store runs all of it in one line:
//
//	storetest.Run(t, storetest.Harness{Open: …})
//
// What a store cannot do is declared in the harness with its reason, and shown as a skipped test. Tests of one store alone
// belong to that store's package.
package storetest

import (
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// Harness tells the suite how to handle one store. A hook that is nil must be named in Lacks.
type Harness struct {
	// Open returns a store with an empty log of its own, which keeps the categories order, notice and access. The suite
	// closes it.
	Open func(t *testing.T) eventstore.Store
	// Reopen closes the store and opens the same log again, as after a restart of the program.
	Reopen func(t *testing.T, s eventstore.Store) eventstore.Store
	// LoseAnswer makes the store lose the answer to the next append, which is applied.
	LoseAnswer func(t *testing.T, s eventstore.Store)
	// FailRead makes the next read of a stream fail, or at least stumble.
	FailRead func(t *testing.T, s eventstore.Store)
	// Gap takes the event at the position out of the log behind the store's back and returns the store to go on with.
	Gap func(t *testing.T, s eventstore.Store, p eventstore.Position) eventstore.Store
	// Lacks names the hooks that are nil, each with the reason; and, of the fields of a Status, AtomicBatches and Events where the
	// store does without. Then what holds instead is tested.
	Lacks map[string]string
	// MaxEvent is the largest event that the store takes, in bytes of data and meta; zero for eventstore.MaxEventSize.
	MaxEvent int
}

// Run proves the contract for one store.
func Run(t *testing.T, h Harness) {
	if h.MaxEvent == 0 {
		h.MaxEvent = eventstore.MaxEventSize
	}
	for _, c := range []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"append and read back", appendAndReadBack},
		{"odd bytes survive", oddBytes},
		{"conflict says expected and actual", conflicts},
		{"repeat is recognised for ever", repeats},
		{"other event at an occupied place", occupied},
		{"two writers race", races},
		{"stream names", streamNames},
		{"unfit events are refused", unfitEvents},
		{"size limit", sizeLimit},
		{"caller's bytes are its own", ownBytes},
		{"batch that conflicts adds nothing", batchConflicts},
		{"batches race", batchesRace},
		{"batch is repeatable", batchRepeats},
		{"batch of events that follow each other", batchFollows},
		{"batch limits", batchLimits},
		{"read after a revision", readAfter},
		{"read what came later", readLater},
		{"subscribe from any checkpoint", subscribeAnywhere},
		{"subscribe through catch-up into live", subscribeLive},
		{"subscribe beyond the head", subscribeBeyond},
		{"head and status", headAndStatus},
		{"cancelled context", cancelled},
		{"closed subscription", closedSubscription},
		{"closed store", closedStore},
		{"reopened store", reopened},
		{"lost answer", lostAnswer},
		{"read error is not the end", readError},
		{"gap stops a subscriber", gapStops},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, h) })
	}
}

// need skips a test whose hook the store declares to lack, and fails when nothing is declared.
func (h Harness) need(t *testing.T, hook string, has bool) {
	t.Helper()
	if has {
		return
	}
	reason, declared := h.Lacks[hook]
	if !declared {
		t.Fatalf("the harness has no %s and does not say why in Lacks", hook)
	}
	t.Skipf("no %s: %s", hook, reason)
}

// atomic says that a batch is all or none.
func (h Harness) atomic() bool { return h.Lacks["AtomicBatches"] == "" }

// open opens a store and closes it at the end of the test.
func (h Harness) open(t *testing.T) eventstore.Store {
	t.Helper()
	s := h.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}
