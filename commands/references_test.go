package commands_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

// on is a request for the order of this number.
func on(t *testing.T, number, key string, c domain.Command) commands.Request {
	t.Helper()
	r := ask(t, key+" of "+number, c)
	r.OrderID = domain.OrderID("northwind", number)
	return r
}

// shipAll places orders on account, accepts and ships them.
func shipAll(t *testing.T, h *commands.Handler, numbers ...string) {
	t.Helper()
	for _, n := range numbers {
		p := onAccount()
		p.Intake.OrderNumber = n
		must(t, h, on(t, n, "place", p))
		must(t, h, on(t, n, "accept", domain.Accept{}))
		must(t, h, on(t, n, "ship", domain.Ship{}))
	}
}

func entry(reference string) domain.Command { return domain.Capture{ExternalReference: reference} }

func wantUsed(t *testing.T, err error, other string) {
	t.Helper()
	var r *domain.Rejection
	if !errors.As(err, &r) || r.Code != domain.ReferenceUsed || r.Other != domain.OrderID("northwind", other) || !strings.Contains(r.Message, "order "+other+" of northwind") {
		t.Errorf("error %v, want reference_used that names order %s", err, other)
	}
}

func TestAReferenceIsRecordedOnce(t *testing.T) {
	log := memstore.New()
	h := handler(log)
	shipAll(t, h, "1", "2")
	before := head(t, log)
	must(t, h, on(t, "1", "entry", entry("INV-1")))
	claim := history(t, log, eventstore.ReferenceStream(domain.OwesEntry, "INV-1"))
	if head(t, log) != before+2 || len(claim) != 1 || claim[0].Position != before+1 {
		t.Fatalf("head %d after %d; the claim is made together with the event, before it: %+v", head(t, log), before, claim)
	}

	for i, ref := range []string{"INV-1", " inv–1 "} {
		_, err := h.Handle(t.Context(), on(t, "2", fmt.Sprint("entry", i), entry(ref)))
		wantUsed(t, err, "1")
	}
	if head(t, log) != before+2 {
		t.Error("a refused reference left something behind")
	}
	must(t, h, on(t, "2", "entry0", entry("INV-2"))) // a key of a refusal is not used up
	must(t, h, on(t, "1", "refund", domain.Refund{}))
	must(t, h, on(t, "1", "reversal", domain.RecordReversal{ExternalReference: "INV-1"})) // of another kind
	must(t, h, on(t, "2", "refund", domain.Refund{}))
	_, err := h.Handle(t.Context(), on(t, "2", "reversal", domain.RecordReversal{ExternalReference: "INV-1"}))
	wantUsed(t, err, "1")
}

func TestRecordingTwiceIsRecordedOnce(t *testing.T) {
	log := memstore.New()
	h := handler(log)
	shipAll(t, h, "1")
	first := on(t, "1", "entry", entry("INV-1"))
	log.LoseNextAnswer()
	must(t, h, first) // it looks what became of it
	at := head(t, log)
	if res := must(t, h, first); !res.Replayed || head(t, log) != at {
		t.Errorf("the same request: replayed %v, head %d, was %d", res.Replayed, head(t, log), at)
	}
	if res := must(t, handler(log), on(t, "1", "another", entry("INV-1"))); res.Event != nil || !res.Order.Captured() {
		t.Errorf("the same act by another request: %+v", res)
	}
}

// What another process recorded is seen before a refusal is said: here, of the same order.
func TestOnesOwnReferenceIsNotAnothers(t *testing.T) {
	log := memstore.New()
	ours, theirs := handler(log), handler(log)
	shipAll(t, ours, "1")
	if _, _, err := theirs.Load(t.Context(), domain.OrderID("northwind", "1")); err != nil {
		t.Fatal(err)
	}
	must(t, ours, on(t, "1", "entry", entry("INV-1")))
	if _, err := theirs.Handle(t.Context(), on(t, "1", "typed in another way", entry("inv-1"))); !rejected(err, domain.AlreadyCaptured) {
		t.Errorf("error %v", err)
	}
	if res := must(t, theirs, on(t, "1", "the same", entry("INV-1"))); res.Event != nil {
		t.Errorf("recorded twice: %+v", res)
	}
}

// meeting is a log whose first appends of several events begin when so many are about to: all have looked at the same log.
type meeting struct {
	eventstore.Store
	all     sync.WaitGroup
	arrived atomic.Int64
	n       int64
}

func meetAt(log eventstore.Store, n int) *meeting {
	m := &meeting{Store: log, n: int64(n)}
	m.all.Add(n)
	return m
}

func (m *meeting) AppendMany(ctx context.Context, batch []eventstore.Proposed) ([]eventstore.Recorded, error) {
	if m.arrived.Add(1) <= m.n {
		m.all.Done()
		m.all.Wait()
	}
	return m.Store.AppendMany(ctx, batch)
}

// Orders of several processes are given one reference at the same moment: one has it, and the others hear which.
func TestAReferenceIsWonOnce(t *testing.T) {
	for i, kind := range append(domain.ObligationKinds, domain.ObligationKinds...) {
		log := memstore.New()
		h := handler(log)
		numbers := make([]string, 16)
		for i := range numbers {
			numbers[i] = fmt.Sprint(i)
		}
		shipAll(t, h, numbers...)
		command := entry("INV-1")
		if kind == domain.OwesReversal {
			command = domain.RecordReversal{ExternalReference: "CN-1"}
			for _, n := range numbers {
				must(t, h, on(t, n, "entry", entry("INV-"+n)))
				must(t, h, on(t, n, "refund", domain.Refund{}))
			}
		}
		before := head(t, log)
		together := meetAt(log, len(numbers))
		var won, lost atomic.Int64
		var named sync.Map
		var wg sync.WaitGroup
		for _, n := range numbers {
			r := on(t, n, "race", command)
			if i >= len(domain.ObligationKinds) { // one key, which on another order is another key
				r.CommandID = commands.CommandID(clerk.ID, "the same for all")
			}
			wg.Go(func() {
				_, err := handler(together).Handle(context.Background(), r)
				var no *domain.Rejection
				switch {
				case err == nil:
					won.Add(1)
					named.Store(r.OrderID, true)
				case errors.As(err, &no) && no.Code == domain.ReferenceUsed:
					lost.Add(1)
					named.Store(no.Other, true)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		winners := []uuid.UUID{}
		named.Range(func(id, _ any) bool { winners = append(winners, id.(uuid.UUID)); return true })
		if won.Load() != 1 || lost.Load() != 15 || len(winners) != 1 || head(t, log) != before+2 {
			t.Errorf("%s: %d won, %d lost, named were %v, %d events", kind, won.Load(), lost.Load(), winners, head(t, log)-before)
		}
	}
}
