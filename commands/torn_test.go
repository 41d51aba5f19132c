package commands_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

// torn is a log whose batches are not atomic: it adds their events one by one, and stops before one of them when it is told.
type torn struct {
	eventstore.Store
	stop   map[int]error // by the event of the next batch that is not added any more
	before func()        // runs once, behind all looks at the log, before the next batch
}

func (l *torn) AppendMany(ctx context.Context, batch []eventstore.Proposed) ([]eventstore.Recorded, error) {
	stop, before := l.stop, l.before
	l.stop, l.before = nil, nil
	if before != nil {
		before()
	}
	var recs []eventstore.Recorded
	for i, p := range batch {
		if err := stop[i]; err != nil {
			return nil, err
		}
		r, err := l.Append(ctx, p.Stream, p.Expected, p.Event)
		if err != nil {
			return nil, err
		}
		recs = append(recs, r)
	}
	return recs, nil
}

var errCut = fmt.Errorf("%w: cut", eventstore.ErrUnavailable)

// The claim of a reference stands and the act that rests on it does not: the order itself can still be entered, however its
// reference is written, and no other order gets it.
func TestAClaimWithoutItsAct(t *testing.T) {
	for _, again := range []string{"INV-1", " inv–1 "} {
		for _, key := range []string{"entry", "another key"} {
			log := &torn{Store: memstore.New()}
			shipAll(t, handler(log), "1", "2")
			log.stop = map[int]error{1: errCut}
			if _, err := handler(log).Handle(t.Context(), on(t, "1", "entry", entry("INV-1"))); !errors.Is(err, eventstore.ErrUnavailable) {
				t.Fatalf("%v, want ErrUnavailable", err)
			}
			if n := len(history(t, log, eventstore.ReferenceStream(domain.OwesEntry, "INV-1"))); n != 1 {
				t.Fatalf("%d claims: the test shows nothing", n)
			}
			_, err := handler(log).Handle(t.Context(), on(t, "2", "entry", entry("INV-1")))
			var no *domain.Rejection
			if !errors.As(err, &no) || no.Code != domain.ReferenceUsed || no.Other != domain.OrderID("northwind", "1") || !strings.Contains(no.Message, "not recorded so far") {
				t.Errorf("another order: %v", err)
			}
			if res, err := handler(log).Handle(t.Context(), on(t, "1", key, entry(again))); err != nil || !res.Order.Captured() {
				t.Errorf("again as %q under key %q: %+v, %v", again, key, res.Order, err)
			}
			_, err = handler(log).Handle(t.Context(), on(t, "2", "entry", entry("INV-1")))
			wantUsed(t, err, "1")
		}
	}
}

// Somebody acts on the order between the claim and the act: what the order then says decides, and nothing is done twice.
func TestTheOrderChangesBehindAClaim(t *testing.T) {
	log := &torn{Store: memstore.New()}
	h := handler(log)
	shipAll(t, h, "1")
	log.before = func() { must(t, handler(log.Store), on(t, "1", "note", domain.AddNote{Text: "hello"})) }
	if res := must(t, h, on(t, "1", "entry", entry("INV-1"))); !res.Order.Captured() || res.Order.Version != 5 {
		t.Errorf("%+v", res.Order)
	}
	log.before = func() { must(t, handler(log.Store), on(t, "1", "refund", domain.Refund{})) }
	if res := must(t, h, on(t, "1", "again", entry("INV-1"))); res.Event != nil {
		t.Errorf("entered twice: %+v", res.Order)
	}
}

func TestAPlacementCutShort(t *testing.T) {
	for _, claims := range []int{0, 1} { // that are made before it is cut
		log := &torn{Store: memstore.New()}
		p, _ := newPlacer(t, log)
		log.stop = map[int]error{claims: errCut}
		if _, err := p.Place(t.Context(), place(intake("1", 5000), "k")); !errors.Is(err, eventstore.ErrUnavailable) {
			t.Fatalf("%v, want ErrUnavailable", err)
		}
		if n := len(history(t, log, eventstore.PlacementKeyStream(commands.CommandID(shop.ID, "k")))); n != claims {
			t.Fatalf("%d claims, want %d: the test shows nothing", n, claims)
		}
		if claims == 1 {
			if _, err := p.Place(t.Context(), place(intake("2", 5000), "k")); !errors.Is(err, commands.ErrKeyReused) {
				t.Errorf("the key took another order: %v", err)
			}
		}
		if res, err := p.Place(t.Context(), place(intake("1", 5000), "k")); err != nil || res.Replayed || res.Order.Version != 1 {
			t.Errorf("again: %+v, %v", res, err)
		}
	}
}

// Every order of a batch that did not get through is told what became of it, and asking again places the rest.
func TestPartOfAnImport(t *testing.T) {
	request := func(prefix string) (rs []commands.PlaceRequest) {
		for i := range 6 {
			in := intake(fmt.Sprint(prefix, i), 5000)
			in.Payment, in.Customer.AccountNumber = domain.Terms{Method: domain.Account}, "A-1"
			rs = append(rs, place(in, fmt.Sprint("import-", prefix, i)))
		}
		return rs
	}
	for name, test := range map[string]struct {
		prepare func(*torn, *commands.Placer)
		lost    int // how many of the first answers are errors
	}{
		"the log fails": {func(l *torn, _ *commands.Placer) { l.stop = map[int]error{4: errCut} }, 2},
		"somebody places one": {func(l *torn, p *commands.Placer) {
			l.before = func() {
				if _, err := p.Place(t.Context(), place(request("")[3].Intake, "theirs")); err != nil {
					t.Error(err)
				}
			}
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			log := &torn{Store: memstore.New()}
			p, _ := newPlacer(t, log)
			theirs, _ := newPlacer(t, log.Store)
			test.prepare(log, theirs)
			failed := 0
			for i, o := range p.PlaceMany(t.Context(), request("")) {
				there := len(history(t, log, eventstore.OrderStream(o.OrderID))) == 1
				replayed := test.lost == 0 && i == 3
				switch {
				case o.Err != nil:
					failed++
					if there || !errors.Is(o.Err, eventstore.ErrUnavailable) {
						t.Errorf("order %d: %v; placed: %v", i, o.Err, there)
					}
				case !there || o.Result.Replayed != replayed || o.Result.Order.Version != 1:
					t.Errorf("order %d: placed %v, answered %+v", i, there, o.Result)
				}
			}
			if failed != test.lost {
				t.Errorf("%d failed, want %d", failed, test.lost)
			}
			for i, o := range p.PlaceMany(t.Context(), request("")) {
				if o.Err != nil || len(history(t, log, eventstore.OrderStream(o.OrderID))) != 1 {
					t.Errorf("again, order %d: %+v", i, o)
				}
			}
		})
	}
}
