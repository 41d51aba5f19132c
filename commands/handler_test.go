package commands_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

var (
	clerk   = domain.Actor{ID: "clerk-1", Role: domain.Manager, Via: domain.ViaAPI}
	arrival = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	orderID = domain.OrderID("northwind", "10248")
	stream  = eventstore.OrderStream(orderID)
)

func onAccount() domain.Place {
	return domain.Place{Intake: domain.Intake{
		OrderNumber: "10248", PlacedAt: arrival, Manufacturer: "northwind",
		Customer: domain.Customer{Name: "Paul Henriot", AccountNumber: "ACC-7"},
		Lines:    []domain.Line{{SKU: "NW-11", Quantity: 1, UnitPrice: 1400, Amount: 1400}},
		Currency: "USD", Subtotal: 1400, Total: 1400, Payment: domain.Terms{Method: domain.Account},
	}}
}

// ask is a request for the order by an idempotency key; its hash is over the command.
func ask(t *testing.T, key string, c domain.Command) commands.Request {
	t.Helper()
	hash, err := commands.Hash(domain.Verb(c.CommandName()), orderID, c)
	if err != nil {
		t.Fatal(err)
	}
	return commands.Request{
		OrderID: orderID, Command: c, CommandID: commands.CommandID(clerk.ID, key), RequestHash: hash, Actor: clerk,
	}
}

func at(version int, r commands.Request) commands.Request {
	r.IfVersion = &version
	return r
}

func must(t *testing.T, h *commands.Handler, r commands.Request) commands.Result {
	t.Helper()
	res, err := h.Handle(t.Context(), r)
	if err != nil {
		t.Fatalf("%s: %v", r.Command.CommandName(), err)
	}
	return res
}

// handler has a clock of its own that goes on a second with every look at it.
func handler(log eventstore.Store) *commands.Handler {
	var seconds atomic.Int64
	return commands.NewHandler(log, eventstore.Codec{}, func() time.Time {
		return arrival.Add(time.Duration(seconds.Add(1)) * time.Second)
	})
}

// accepted is a log with one order that is placed and accepted.
func accepted(t *testing.T) (*memstore.Store, *commands.Handler) {
	t.Helper()
	log := memstore.New()
	h := handler(log)
	must(t, h, ask(t, "place", onAccount()))
	must(t, h, ask(t, "accept", domain.Accept{}))
	return log, h
}

// history reads a stream and proves that its chain holds.
func history(t *testing.T, log eventstore.Store, stream string) []eventstore.Recorded {
	t.Helper()
	var all []eventstore.Recorded
	prev := ""
	for r, err := range log.ReadStream(t.Context(), stream, eventstore.NoStream) {
		if err != nil {
			t.Fatal(err)
		}
		if prev, err = eventstore.Verify(r, prev); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func head(t *testing.T, log eventstore.Store) eventstore.Position {
	t.Helper()
	p, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func rejected(err error, code domain.Code) bool {
	var r *domain.Rejection
	return errors.As(err, &r) && r.Code == code
}

// hooked is a log in which something happens just before an append.
type hooked struct {
	eventstore.Store
	before func()
}

func (s *hooked) Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	if f := s.before; f != nil {
		s.before = nil
		f()
	}
	return s.Store.Append(ctx, stream, expected, e)
}

// failing is a log whose appends or reads fail.
type failing struct {
	eventstore.Store
	appends, reads bool
}

func (s *failing) Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	if s.appends {
		return eventstore.Recorded{}, fmt.Errorf("%w: no route", eventstore.ErrUnavailable)
	}
	return s.Store.Append(ctx, stream, expected, e)
}

func (s *failing) ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error] {
	if s.reads {
		return func(yield func(eventstore.Recorded, error) bool) {
			yield(eventstore.Recorded{}, fmt.Errorf("%w: no route", eventstore.ErrUnavailable))
		}
	}
	return s.Store.ReadStream(ctx, stream, after)
}

func TestHandleAppendsOneEventWithItsEnvelope(t *testing.T) {
	log, h := accepted(t)
	r := ask(t, "ship", domain.Ship{})
	r.CorrelationID, r.CausationID = "till-3-17", uuid.MustParse("5d3f1c9a-3b7e-5c11-9f0e-6a1b2c3d4e5f")
	res := must(t, h, r)
	all := history(t, log, stream)
	if len(all) != 3 || res.Order.Version != 3 || res.Position != head(t, log) || res.EventID != all[2].ID || res.Replayed {
		t.Errorf("%d events, result %+v", len(all), res)
	}
	e, env, err := eventstore.Codec{}.Decode(all[2])
	if err != nil || !reflect.DeepEqual(e, res.Event) {
		t.Errorf("%+v, %v; want %+v", e, err, res.Event)
	}
	want := eventstore.Envelope{
		Schema: 1, OccurredAt: *res.Order.ShippedAt, Actor: clerk, CommandID: r.CommandID, RequestHash: r.RequestHash,
		CorrelationID: "till-3-17", CausationID: r.CausationID, Prev: env.Prev, Hash: env.Hash,
	}
	if env != want {
		t.Errorf("envelope %+v\nwant     %+v", env, want)
	}
	if o, p, err := h.Load(t.Context(), orderID); err != nil || p != res.Position || !reflect.DeepEqual(o, res.Order) {
		t.Errorf("loaded %+v at %d, %v", o, p, err)
	}
}

func TestLoadOfNoOrder(t *testing.T) {
	if _, _, err := handler(memstore.New()).Load(t.Context(), orderID); !rejected(err, domain.OrderNotFound) {
		t.Error(err)
	}
}

func TestARejectionAppendsNothing(t *testing.T) {
	log, h := accepted(t)
	before := head(t, log)
	if _, err := h.Handle(t.Context(), ask(t, "archive", domain.Archive{})); !rejected(err, domain.NotFinished) {
		t.Errorf("%v", err)
	}
	again := ask(t, "accept again", domain.Accept{})
	again.RequestHash = "" // as the saga does; a request that may be repeated has its key kept
	if res := must(t, h, again); res.Event != nil || res.Order.Version != 2 || res.Position != before {
		t.Errorf("done already: %+v", res)
	}
	if now := head(t, log); now != before {
		t.Errorf("the head moved from %d to %d", before, now)
	}
}

// The same request is answered as the first time: at once, later, and by a program started anew.
func TestReplay(t *testing.T) {
	log, h := accepted(t)
	request := at(2, ask(t, "ship", domain.Ship{}))
	first := must(t, h, request)
	same := func(when string, h *commands.Handler) {
		t.Helper()
		again := must(t, h, request)
		if !again.Replayed {
			t.Errorf("%s: not marked as replayed", when)
		}
		if again.Replayed = false; !reflect.DeepEqual(again, first) {
			t.Errorf("%s: %+v\nfirst: %+v", when, again, first)
		}
	}
	same("at once", h)
	same("started anew", handler(log))
	must(t, h, ask(t, "entry", domain.Capture{ExternalReference: "INV-1"}))
	must(t, h, ask(t, "archive", domain.Archive{}))
	same("after later events", h)
	same("started anew after later events", handler(log))
	if n := len(history(t, log, stream)); n != 5 {
		t.Errorf("%d events, want 5", n)
	}
}

func TestAKeyIsForOneRequest(t *testing.T) {
	log, h := accepted(t)
	must(t, h, ask(t, "key", domain.Ship{}))
	other := ask(t, "key", domain.Cancel{})
	for name, h := range map[string]*commands.Handler{"same": h, "new": handler(log)} {
		if _, err := h.Handle(t.Context(), other); !errors.Is(err, commands.ErrKeyReused) {
			t.Errorf("%s handler: %v", name, err)
		}
	}
	if commands.CommandID("a", "key") == commands.CommandID("b", "key") {
		t.Error("two actors share a key")
	}
}

func TestStaleVersion(t *testing.T) {
	log, h := accepted(t)
	before := head(t, log)
	for _, version := range []int{0, 1, 3} {
		var stale *commands.StaleError
		_, err := h.Handle(t.Context(), at(version, ask(t, "ship", domain.Ship{})))
		if !errors.As(err, &stale) || *stale != (commands.StaleError{Expected: version, Actual: 2}) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	if head(t, log) != before {
		t.Error("a stale request appended")
	}
	must(t, h, at(2, ask(t, "ship", domain.Ship{})))
}

// Somebody else is faster between deciding and appending.
func TestAConflictIsDecidedAnew(t *testing.T) {
	for _, tt := range []struct {
		name    string
		faster  domain.Command
		request func(*testing.T) commands.Request
		events  int
		wrong   func(error) bool
	}{
		{
			"and goes through",
			domain.AddNote{NoteID: orderID, Text: "call first"},
			func(t *testing.T) commands.Request { return ask(t, "ship", domain.Ship{}) }, 4, func(err error) bool { return err != nil },
		},
		{
			"and is refused now",
			domain.Cancel{},
			func(t *testing.T) commands.Request { return ask(t, "ship", domain.Ship{}) }, 3,
			func(err error) bool { return !rejected(err, domain.AlreadyCancelled) },
		},
		{
			"and is done already",
			domain.Ship{},
			func(t *testing.T) commands.Request { return ask(t, "ship", domain.Ship{}) }, 3, func(err error) bool { return err != nil },
		},
		{
			"and is stale for who looked",
			domain.AddNote{NoteID: orderID, Text: "call first"},
			func(t *testing.T) commands.Request { return at(2, ask(t, "ship", domain.Ship{})) }, 3,
			func(err error) bool {
				var stale *commands.StaleError
				return !errors.As(err, &stale) || stale.Actual != 3
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inner, other := accepted(t)
			log := &hooked{Store: inner}
			h := handler(log)
			log.before = func() { must(t, other, ask(t, "faster", tt.faster)) }
			if _, err := h.Handle(t.Context(), tt.request(t)); tt.wrong(err) {
				t.Error(err)
			}
			if n := len(history(t, inner, stream)); n != tt.events {
				t.Errorf("%d events, want %d", n, tt.events)
			}
		})
	}
}

// An append whose answer is lost was applied: asking again finds it, and what follows stands on what is in the log.
func TestALostAnswerAskedAgainIsOneEvent(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %t", restart), func(t *testing.T) {
			log, _ := accepted(t)
			h := handler(log)
			request := at(2, ask(t, "ship", domain.Ship{}))
			log.LoseNextAnswer()
			if _, err := h.Handle(t.Context(), request); !errors.Is(err, eventstore.ErrUnavailable) {
				t.Fatalf("the answer was lost: %v", err)
			}
			if restart {
				h = handler(log)
			}
			again := must(t, h, request)
			all := history(t, log, stream)
			if len(all) != 3 || again.Order.Version != 3 || again.EventID != all[2].ID || !again.Replayed {
				t.Errorf("%d events, result %+v", len(all), again)
			}
			_, env, err := eventstore.Codec{}.Decode(all[2])
			if err != nil || !again.Order.ShippedAt.Equal(env.OccurredAt) {
				t.Errorf("shipped at %v, in the log at %v (%v)", again.Order.ShippedAt, env.OccurredAt, err)
			}
			must(t, h, ask(t, "entry", domain.Capture{ExternalReference: "INV-1"}))
			if n := len(history(t, log, stream)); n != 4 { // and the chain holds
				t.Errorf("%d events, want 4", n)
			}
		})
	}
}

// A handler that had the order at hand looks at the log by itself and finds what was applied.
func TestALostAnswerIsFoundAtOnce(t *testing.T) {
	log, h := accepted(t)
	log.LoseNextAnswer()
	res := must(t, h, at(2, ask(t, "ship", domain.Ship{})))
	if all := history(t, log, stream); len(all) != 3 || res.EventID != all[2].ID || res.Order.Version != 3 {
		t.Errorf("%d events, result %+v", len(all), res)
	}
}

func TestALostAnswersKeyIsUsed(t *testing.T) {
	log, _ := accepted(t)
	h := handler(log)
	log.LoseNextAnswer()
	if _, err := h.Handle(t.Context(), ask(t, "key", domain.Ship{})); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Fatal(err)
	}
	if _, err := h.Handle(t.Context(), ask(t, "key", domain.Cancel{})); !errors.Is(err, commands.ErrKeyReused) {
		t.Errorf("%v, want ErrKeyReused", err)
	}
	if res := must(t, h, ask(t, "look", domain.Ship{})); res.Order.CancelledAt != nil || res.Order.Version != 3 {
		t.Errorf("the order is %+v", res.Order)
	}
}

// What another process wrote is seen before anything is refused or called done.
func TestAStaleCacheSaysNothingWrong(t *testing.T) {
	for _, tt := range []struct {
		name   string
		others []domain.Command
		ask    domain.Command
		code   domain.Code
		events bool
	}{
		{"allowed by now", []domain.Command{domain.Ship{}, domain.Capture{ExternalReference: "INV-1"}}, domain.Archive{}, "", true},
		{"refused by now", []domain.Command{domain.Cancel{}}, domain.Ship{}, domain.AlreadyCancelled, false},
		{"done by now", []domain.Command{domain.Ship{}}, domain.Ship{}, "", false},
		{"undone by now", []domain.Command{domain.Ship{}, domain.Capture{ExternalReference: "INV-1"}, domain.Archive{}}, domain.Unarchive{}, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, h := accepted(t)
			other := handler(log)
			for i, c := range tt.others {
				must(t, other, ask(t, fmt.Sprint("other", i), c))
			}
			res, err := h.Handle(t.Context(), ask(t, "mine", tt.ask))
			if (err != nil || tt.code != "") && !rejected(err, tt.code) {
				t.Fatalf("%v, want code %q", err, tt.code)
			}
			if tt.events != (res.Event != nil) {
				t.Errorf("event %v", res.Event)
			}
			if err == nil && res.Order.Version != len(history(t, log, stream)) {
				t.Errorf("version %d of %d", res.Order.Version, len(history(t, log, stream)))
			}
		})
	}
	t.Run("a version that another process made", func(t *testing.T) {
		log, h := accepted(t)
		must(t, handler(log), ask(t, "other", domain.AddNote{NoteID: orderID, Text: "call first"}))
		must(t, h, at(3, ask(t, "mine", domain.Ship{})))
	})
	t.Run("loading", func(t *testing.T) {
		log, h := accepted(t)
		must(t, handler(log), ask(t, "other", domain.Ship{}))
		if o, _, err := h.Load(t.Context(), orderID); err != nil || o.Version != 3 {
			t.Errorf("version %d, %v", o.Version, err)
		}
	})
}

func TestClaims(t *testing.T) {
	log := memstore.New()
	h := handler(log)
	taken := errors.New("taken")
	claim := func(owner uuid.UUID) []commands.Claim {
		return []commands.Claim{{Stream: "payment-pi_1", Event: eventstore.PaymentClaimed{OrderID: owner}, Taken: taken}}
	}
	first := ask(t, "place", onAccount())
	first.Claims = claim(orderID)
	must(t, h, first)
	before := head(t, log)
	if before != 2 || len(history(t, log, "payment-pi_1")) != 1 {
		t.Fatalf("head %d; the claim is made with the order", before)
	}

	second := onAccount()
	second.Intake.OrderNumber = "10249"
	r := ask(t, "second", second)
	r.OrderID = second.Intake.ID()
	r.Claims = claim(r.OrderID)
	if _, err := h.Handle(t.Context(), r); !errors.Is(err, taken) {
		t.Errorf("another's claim: %v", err)
	}
	if _, _, err := h.Load(t.Context(), r.OrderID); !rejected(err, domain.OrderNotFound) || head(t, log) != before {
		t.Errorf("a refused claim left something behind: %v, head %d", err, head(t, log))
	}
	accept := ask(t, "accept", domain.Accept{})
	accept.Claims = claim(orderID)
	if res := must(t, h, accept); res.Position != before+1 {
		t.Errorf("one's own claim is not made twice: position %d", res.Position)
	}
}

// Two orders want one claim at the same moment: one gets it, the other gets nothing.
func TestAClaimIsWonOnce(t *testing.T) {
	log, taken := memstore.New(), errors.New("taken")
	var won, lost atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		p := onAccount()
		p.Intake.OrderNumber = fmt.Sprint(i)
		r := ask(t, fmt.Sprint("place", i), p)
		r.OrderID = p.Intake.ID()
		r.Claims = []commands.Claim{{Stream: "payment-pi_1", Event: eventstore.PaymentClaimed{OrderID: r.OrderID}, Taken: taken}}
		wg.Go(func() {
			switch _, err := handler(log).Handle(context.Background(), r); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, taken):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 15 || head(t, log) != 2 {
		t.Errorf("%d won, %d lost, head %d", won.Load(), lost.Load(), head(t, log))
	}
}

// fromFiftyPlaces gives one request fifty times at once, half of them to one handler and each of the others to one of its own.
func fromFiftyPlaces(t *testing.T, log eventstore.Store, shared *commands.Handler, request commands.Request) []commands.Result {
	t.Helper()
	results := make([]commands.Result, 50)
	var wg sync.WaitGroup
	for i := range results {
		h := shared
		if i%2 == 1 {
			h = handler(log)
		}
		wg.Go(func() {
			var err error
			if results[i], err = h.Handle(context.Background(), request); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return results
}

func TestOneCommandIDFromFiftyPlacesIsOneEvent(t *testing.T) {
	log, shared := accepted(t)
	request := at(2, ask(t, "ship", domain.Ship{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z"}}}))
	results := fromFiftyPlaces(t, log, shared, request)
	if n := len(history(t, log, stream)); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
	for _, res := range results {
		if res.EventID != results[0].EventID || !reflect.DeepEqual(res.Order, results[0].Order) {
			t.Fatalf("answers differ: %+v\n%+v", res.Order, results[0].Order)
		}
	}
}

func TestManyWritersOfOneOrder(t *testing.T) {
	log, shared := accepted(t)
	const writers = 50
	var wg sync.WaitGroup
	for i := range writers {
		r := ask(t, fmt.Sprint("note", i), domain.AddNote{NoteID: commands.CommandID("note", fmt.Sprint(i)), Text: "again"})
		wg.Go(func() {
			if _, err := shared.Handle(context.Background(), r); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	o, _, err := shared.Load(t.Context(), orderID)
	if n := len(history(t, log, stream)); err != nil || n != 2+writers || len(o.Notes) != writers {
		t.Errorf("%d events, %d notes, %v", n, len(o.Notes), err)
	}
}

// While the log can't be reached nothing is half done, and the same request goes through afterwards.
func TestUnavailable(t *testing.T) {
	for name, broken := range map[string]failing{"appends": {appends: true}, "reads": {reads: true}, "both": {appends: true, reads: true}} {
		t.Run(name, func(t *testing.T) {
			inner, _ := accepted(t)
			broken.Store = inner
			h := handler(&broken)
			before := head(t, inner)
			request := ask(t, "ship", domain.Ship{})
			for range 3 {
				if _, err := h.Handle(t.Context(), request); !errors.Is(err, eventstore.ErrUnavailable) {
					t.Fatalf("%v, want ErrUnavailable", err)
				}
			}
			if head(t, inner) != before {
				t.Error("something was appended")
			}
			broken.appends, broken.reads = false, false
			if res := must(t, h, request); res.Order.Version != 3 || res.Replayed {
				t.Errorf("%+v", res)
			}
		})
	}
	t.Run("closed", func(t *testing.T) {
		log, h := accepted(t)
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Handle(t.Context(), ask(t, "archive", domain.Archive{})); !errors.Is(err, eventstore.ErrUnavailable) {
			t.Errorf("a refusal that was not checked against the log: %v", err)
		}
	})
	t.Run("a read that breaks off is not the end", func(t *testing.T) {
		log, _ := accepted(t)
		broken := errors.New("broken off")
		log.FailNextRead(broken)
		if _, err := handler(log).Handle(t.Context(), ask(t, "place", onAccount())); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a caller that left", func(t *testing.T) {
		log, h := accepted(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.Handle(ctx, ask(t, "ship", domain.Ship{})); !errors.Is(err, context.Canceled) || head(t, log) != 2 {
			t.Errorf("%v, head %d", err, head(t, log))
		}
	})
}

func TestHashTellsRequestsApart(t *testing.T) {
	base, err := commands.Hash(domain.VerbRefund, orderID, domain.Refund{Reason: "a"})
	if err != nil || len(base) != 64 {
		t.Fatal(base, err)
	}
	again, _ := commands.Hash(domain.VerbRefund, orderID, domain.Refund{Reason: "a"})
	verb, _ := commands.Hash(domain.VerbCancel, orderID, domain.Refund{Reason: "a"})
	order, _ := commands.Hash(domain.VerbRefund, uuid.Nil, domain.Refund{Reason: "a"})
	body, _ := commands.Hash(domain.VerbRefund, orderID, domain.Refund{Reason: "b"})
	if again != base || verb == base || order == base || body == base {
		t.Errorf("%s %s %s %s %s", base, again, verb, order, body)
	}
}
