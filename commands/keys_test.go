package commands_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// keyOf is the stream that keeps a key of the clerk's for the order.
func keyOf(key string) string {
	return eventstore.KeyStream(commands.CommandID(clerk.ID, key), orderID)
}

// shipped is a log whose one order is shipped and recorded, so that it can be archived.
func shipped(t *testing.T) (eventstore.Store, *commands.Handler) {
	t.Helper()
	log, h := accepted(t)
	must(t, h, ask(t, "ship", domain.Ship{}))
	must(t, h, ask(t, "entry", domain.Capture{ExternalReference: "INV-1"}))
	return log, h
}

// A request that changed nothing is answered as then, whatever became of the order: when it could do something now, when the
// rules would refuse it now, and when the version that it named is gone.
func TestARequestThatChangedNothingIsRemembered(t *testing.T) {
	for _, tt := range []struct {
		name    string
		request func(*testing.T) commands.Request
		then    domain.Command
	}{
		{"could do something now", func(t *testing.T) commands.Request { return ask(t, "U1", domain.Unarchive{}) }, domain.Archive{}},
		{"would be refused now", func(t *testing.T) commands.Request { return ask(t, "U1", domain.Ship{}) }, domain.Refund{Reason: "broken"}},
		{"named a version that is gone", func(t *testing.T) commands.Request { return at(4, ask(t, "U1", domain.Ship{})) }, domain.AddNote{NoteID: orderID, Text: "call first"}},
		{"would change nothing again", func(t *testing.T) commands.Request { return ask(t, "U1", domain.Accept{}) }, domain.Archive{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, h := shipped(t)
			first := must(t, h, tt.request(t))
			if first.Event != nil || first.Replayed || first.Order.Version != 4 {
				t.Fatalf("first: %+v", first)
			}
			must(t, h, ask(t, "then", tt.then))
			before := head(t, log)
			for name, h := range map[string]*commands.Handler{"same": h, "new": handler(log)} {
				again := must(t, h, tt.request(t))
				if !again.Replayed {
					t.Errorf("%s handler: not marked as replayed", name)
				}
				if again.Replayed = false; !reflect.DeepEqual(again, first) {
					t.Errorf("%s handler: %+v\nfirst: %+v", name, again, first)
				}
				if _, err := h.Handle(t.Context(), ask(t, "U1", domain.Cancel{})); !errors.Is(err, commands.ErrKeyReused) {
					t.Errorf("%s handler, another request: %v", name, err)
				}
			}
			if now := head(t, log); now != before {
				t.Errorf("the head moved from %d to %d", before, now)
			}
		})
	}
}

// Nothing but requests that may be repeated by their key pays for remembering.
func TestCommandsWithoutARequestHashAreNotRemembered(t *testing.T) {
	inner, _ := shipped(t)
	log := &counting{Store: inner}
	h := handler(log)
	r := ask(t, "saga", domain.Accept{})
	r.RequestHash = ""
	before := head(t, inner)
	must(t, h, r)
	r.Command = domain.Archive{}
	must(t, h, r)
	if log.keys.Load() != 0 || head(t, inner) != before+1 {
		t.Errorf("%d looks at keys, head %d, was %d", log.keys.Load(), head(t, inner), before)
	}
	must(t, h, ask(t, "clerk", domain.Unarchive{}))
	if log.keys.Load() != 1 {
		t.Errorf("%d looks at a key, want one", log.keys.Load())
	}
}

// counting counts reads of keys' streams.
type counting struct {
	eventstore.Store
	keys atomic.Int64
}

func (s *counting) ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error] {
	if category, _, _ := eventstore.CheckStream(stream); category == "command" {
		s.keys.Add(1)
	}
	return s.Store.ReadStream(ctx, stream, after)
}

// A key belongs to the order that it was used on.
func TestAKeyOfAnotherOrderIsAnotherKey(t *testing.T) {
	log, h := shipped(t)
	must(t, h, ask(t, "key", domain.Unarchive{}))
	second := onAccount()
	second.Intake.OrderNumber = "10249"
	for i, c := range []domain.Command{second, domain.Accept{}} {
		r := ask(t, fmt.Sprint("key", i), c)
		r.OrderID = second.Intake.ID()
		must(t, h, r)
	}
	r := ask(t, "key", domain.Accept{})
	r.OrderID = second.Intake.ID()
	if res := must(t, handler(log), r); res.Replayed || res.Order.ID != r.OrderID {
		t.Errorf("%+v", res)
	}
}

func TestALostAnswerOfAKeyIsFoundAgain(t *testing.T) {
	log, _ := accepted(t)
	h := handler(log)
	request := ask(t, "U1", domain.Unarchive{})
	log.LoseNextAnswer()
	first, err := h.Handle(t.Context(), request)
	if err != nil && !errors.Is(err, eventstore.ErrUnavailable) {
		t.Fatal(err)
	}
	must(t, h, ask(t, "ship", domain.Ship{}))
	must(t, h, ask(t, "entry", domain.Capture{ExternalReference: "INV-1"}))
	must(t, h, ask(t, "archive", domain.Archive{}))
	again := must(t, handler(log), request)
	if !again.Replayed || again.Order.Version != 2 || (err == nil && first.Order.Version != 2) {
		t.Errorf("first %+v, %v; again %+v", first, err, again)
	}
	if n := len(history(t, log, keyOf("U1"))); n != 1 {
		t.Errorf("the key is kept %d times", n)
	}
}

// The process died before the key was kept: nobody was answered, so the request is decided anew.
func TestAKeyThatWasNotKeptIsNotUsed(t *testing.T) {
	inner, other := shipped(t)
	broken := &failing{Store: inner, appends: true}
	request := ask(t, "U1", domain.Unarchive{})
	if _, err := handler(broken).Handle(t.Context(), request); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Fatalf("answered although the key is not kept: %v", err)
	}
	must(t, other, ask(t, "archive", domain.Archive{}))
	if res := must(t, handler(inner), request); res.Event == nil || res.Replayed {
		t.Errorf("%+v", res)
	}
}

// While one finds the act done, the same request, which came a moment later, did it after somebody had undone it: the event
// counts for both.
func TestAnEventCountsMoreThanAKey(t *testing.T) {
	inner, other := shipped(t)
	log := &hooked{Store: inner}
	request := ask(t, "U1", domain.Unarchive{})
	var second commands.Result
	log.before = func() { // the key is about to be kept
		must(t, other, ask(t, "archive", domain.Archive{}))
		second = must(t, other, request)
	}
	first := must(t, handler(log), request)
	if first.EventID != second.EventID || first.Order.Version != 6 || !first.Replayed {
		t.Errorf("first %+v\nsecond %+v", first, second)
	}
	if again := must(t, handler(inner), request); again.EventID != second.EventID {
		t.Errorf("again %+v", again)
	}
}

func TestOneRequestThatChangesNothingFromFiftyPlaces(t *testing.T) {
	log, shared := shipped(t)
	request := ask(t, "U1", domain.Unarchive{})
	results := fromFiftyPlaces(t, log, shared, request)
	firsts := 0
	for _, res := range results {
		if !res.Replayed {
			firsts++
		}
		if res.Event != nil || res.Order.Version != 4 || res.Position != results[0].Position {
			t.Fatalf("%+v", res)
		}
	}
	if n := len(history(t, log, keyOf("U1"))); n != 1 || firsts != 1 {
		t.Errorf("the key is kept %d times, %d were the first", n, firsts)
	}
}

// A key that was used for something else lets no hold go.
func TestReauthorizeLooksAtTheKeyFirst(t *testing.T) {
	log, _ := accepted(t)
	p, sim := newPlacer(t, log)
	placed, err := p.Place(t.Context(), place(intake("1", 5000), "place"))
	if err != nil {
		t.Fatal(err)
	}
	command := func(key string, c domain.Command) commands.Request {
		return commands.Request{
			OrderID: placed.Order.ID, Command: c, CommandID: commands.CommandID(clerk.ID, key), RequestHash: c.CommandName(), Actor: clerk,
		}
	}
	must(t, p.Handler, command("key", domain.Accept{}))
	capture := must(t, p.Handler, command("capture", domain.Capture{}))
	must(t, p.Handler, command("answer", domain.RecordCaptureFailed{
		Failure: domain.Failure{Code: "card_declined"}, Answer: domain.Answer{Request: capture.EventID},
	}))
	_, err = p.Reauthorize(t.Context(), commands.ReauthorizeRequest{Request: command("key", domain.Reauthorize{})})
	if !errors.Is(err, commands.ErrKeyReused) {
		t.Fatal(err)
	}
	pi, err := sim.Payments.Read(t.Context(), placed.Order.Hold.PaymentIntent)
	if err != nil || pi.Status != "requires_capture" {
		t.Errorf("the hold is %s, %v", pi.Status, err)
	}
}
