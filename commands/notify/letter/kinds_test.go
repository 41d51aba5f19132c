package letter_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/commands/notify/letter"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

// bag keeps what is sent.
type bag struct {
	mu   sync.Mutex
	sent []notify.Message
	told []time.Time // when the dealer was
}

func (b *bag) Name() string                      { return "bag" }
func (b *bag) MessageID(m notify.Message) string { return m.ID }
func (b *bag) Send(_ context.Context, m notify.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, m)
	if m.To[0].Address == boss {
		b.told = append(b.told, time.Now())
	}
	return nil
}

// take are the messages since the last time.
func (b *bag) take() []notify.Message {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.sent
	b.sent = nil
	return got
}

type shop struct {
	t      *testing.T
	h      *commands.Handler
	bag    *bag
	orders int
}

func inShop(t *testing.T, extras []string, test func(s *shop)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := memstore.New()
		s := &shop{t: t, h: commands.NewHandler(log, eventstore.Codec{}, time.Now), bag: &bag{}}
		w, err := letter.New(letter.Config{Dealer: letter.Dealer{Name: "Harbor Parts"}, DealerAddress: "boss@harbor.example"})
		if err != nil {
			t.Fatal(err)
		}
		lane := &notify.Lane{Channel: s.bag}
		r, err := notify.New(notify.Config{
			Log: log, Notices: commands.Notices{Handler: s.h}, Kinds: append(w.CustomerKinds(lane, extras), w.DealerKinds(lane)...),
			History: 168 * time.Hour, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		test(s)
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// place brings a card order in whose hold ends in six days, to be confirmed tomorrow, due from ten hours on.
func (s *shop) place(placedAt time.Time) uuid.UUID {
	s.t.Helper()
	s.orders++
	in := domain.Intake{
		OrderNumber: fmt.Sprint(10247 + s.orders), Manufacturer: "northwind", PlacedAt: placedAt,
		Customer: domain.Customer{Name: "Zoë", Email: "zoe@example.com"}, Lines: []domain.Line{{SKU: "A", Quantity: 1, Amount: 100}},
		Currency: "USD", Subtotal: 100, Total: 100, Payment: domain.Terms{Method: domain.Card, PaymentIntent: fmt.Sprint("pi_", s.orders)},
	}
	s.do(in.ID(), domain.Place{
		Intake: in, Authorization: domain.Authorization{
			PaymentIntent: in.Payment.PaymentIntent, Status: "requires_capture", Amount: 100, Currency: "USD", Brand: "visa", Last4: "4242",
			CaptureBefore: time.Now().Add(6 * 24 * time.Hour),
		},
		Confirm: domain.Confirmation{By: time.Now().Add(24 * time.Hour), DueFrom: time.Now().Add(10 * time.Hour), Zone: "UTC"},
	})
	return in.ID()
}

func (s *shop) do(id uuid.UUID, c domain.Command) commands.Result {
	s.t.Helper()
	res, err := s.h.Handle(context.Background(), commands.Request{OrderID: id, Command: c, CommandID: uuid.New(), Actor: domain.Actor{ID: "erika", Role: domain.Manager}})
	if err != nil {
		s.t.Fatalf("%s: %v", c.CommandName(), err)
	}
	return res
}

// pay takes the money, as the saga would.
func (s *shop) pay(id uuid.UUID) {
	s.t.Helper()
	res := s.do(id, domain.Capture{})
	o, _, err := s.h.Load(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	s.do(id, domain.RecordCaptured{
		PaymentIntent: o.Hold.PaymentIntent, Charge: "ch_" + o.OrderNumber, Amount: 100, Currency: "USD", Answer: domain.Answer{Request: res.EventID},
	})
}

// subjects of messages to somebody.
func subjects(list []notify.Message, to string) (all []string) {
	for _, m := range list {
		if m.To[0].Address == to {
			all = append(all, m.Subject)
		}
	}
	slices.Sort(all)
	return all
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

const zoe, boss = "zoe@example.com", "boss@harbor.example"

// Customers hear of placing, shipping, cancelling and refunding, and of nothing else; of history as it comes in they don't.
func TestWhatCustomersHear(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		shipped, cancelled := s.place(time.Now()), s.place(time.Now())
		same(t, subjects(s.bag.take(), zoe), "Your order 10248", "Your order 10249")
		s.do(shipped, domain.Accept{})
		s.pay(shipped)
		same(t, subjects(s.bag.take(), zoe))
		s.do(shipped, domain.Ship{})
		same(t, subjects(s.bag.take(), zoe), "Your order 10248 has shipped")
		res := s.do(shipped, domain.Refund{})
		same(t, subjects(s.bag.take(), zoe))
		s.do(shipped, domain.RecordRefunded{Refund: "re_1", Amount: 100, Currency: "USD", Answer: domain.Answer{Request: res.EventID}})
		same(t, subjects(s.bag.take(), zoe), "Your order 10248 is refunded")
		s.do(shipped, domain.Archive{})
		same(t, subjects(s.bag.take(), zoe))

		res = s.do(cancelled, domain.Cancel{})
		same(t, subjects(s.bag.take(), zoe))
		s.do(cancelled, domain.RecordCancelled{How: domain.HoldReleased, Answer: domain.Answer{Request: res.EventID}})
		list := s.bag.take()
		same(t, subjects(list, zoe), "Your order 10249 is cancelled")
		if text := list[0].Text; !strings.Contains(text, "The hold of $1.00 on Visa ending in 4242 was released: you have not been charged") {
			t.Error(text)
		}

		old := s.place(time.Now().Add(-168 * time.Hour))
		same(t, subjects(s.bag.take(), zoe))
		s.do(old, domain.Accept{})
		s.pay(old)
		s.do(old, domain.Ship{})
		same(t, subjects(s.bag.take(), zoe), "Your order 10250 has shipped")
	})
}

func TestWhatCustomersHearWhenSwitchedOn(t *testing.T) {
	inShop(t, letter.Extras, func(s *shop) {
		id := s.place(time.Now())
		s.bag.take()
		s.do(id, domain.Accept{})
		same(t, subjects(s.bag.take(), zoe), "Your order 10248 is confirmed")
		s.pay(id)
		same(t, subjects(s.bag.take(), zoe), "Payment for your order 10248")
		s.do(id, domain.Ship{})
		s.bag.take()
		s.do(id, domain.Archive{})
		same(t, subjects(s.bag.take(), zoe), "Your order 10248 is closed")
	})
}

// The dealer hears of each fact once, of several in one e-mail, and not of what has been dealt with meanwhile.
func TestWhatTheDealerHears(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		idle, quick := s.place(time.Now()), s.place(time.Now())
		pass(2 * time.Minute)
		news := strings.Join(texts(s.bag.take(), boss), "\n")
		if strings.Count(news, "New order\nOrder 10248, Zoë, $1.00") != 1 || strings.Count(news, "New order\nOrder 10249") != 1 {
			t.Error(news)
		}
		s.do(quick, domain.Accept{})
		s.pay(quick)

		pass(10 * time.Hour)
		due := texts(s.bag.take(), boss)
		if len(due) != 1 || !strings.Contains(due[0], "To be confirmed today\nOrder 10248") || strings.Contains(due[0], "10249") {
			t.Errorf("%q", due)
		}

		pass(4 * 24 * time.Hour)
		expiring := texts(s.bag.take(), boss)
		if len(expiring) != 1 || !strings.Contains(expiring[0], "The hold on the card ends soon\nOrder 10248") || strings.Contains(expiring[0], "10249") {
			t.Errorf("%q", expiring)
		}

		res := s.do(quick, domain.Refund{})
		s.do(quick, domain.RecordRefundFailed{
			Refund: "re_1", Failure: domain.Failure{Code: "lost_or_stolen_card", Message: "The card is gone."}, Answer: domain.Answer{Request: res.EventID},
		})
		s.do(idle, domain.Accept{})
		res = s.do(idle, domain.Capture{})
		s.do(idle, domain.Park{Request: res.EventID, Reason: "Stripe is silent.", Attempts: 3})
		pass(2 * time.Minute)
		trouble := strings.Join(texts(s.bag.take(), boss), "\n")
		if strings.Count(trouble, "A refund failed; the money is still with you\nOrder 10249") != 1 || strings.Count(trouble, "The card is gone.") != 1 ||
			strings.Count(trouble, "waits for a decision\nOrder 10248") != 1 {
			t.Error(trouble)
		}
		pass(30 * 24 * time.Hour)
		same(t, subjects(s.bag.take(), boss))
	})
}

// Two hundred orders in a rush are a few e-mails, a minute apart.
func TestARushIsDigested(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		for range 200 {
			s.place(time.Now().Add(-30 * 24 * time.Hour)) // the customers are not told, and neither is the dealer
		}
		for range 200 {
			s.place(time.Now())
		}
		pass(5 * time.Minute)
		list := s.bag.take()
		facts := strings.Join(texts(list, boss), "\n")
		if n := strings.Count(facts, "New order\n"); n != 200 || len(texts(list, boss)) > 4 {
			t.Errorf("%d facts in %d e-mails", n, len(texts(list, boss)))
		}
		for i := 1; i < len(s.bag.told); i++ {
			if gap := s.bag.told[i].Sub(s.bag.told[i-1]); gap < letter.DealerEvery {
				t.Errorf("two e-mails within %s", gap)
			}
		}
	})
}

func texts(list []notify.Message, to string) (all []string) {
	for _, m := range list {
		if m.To[0].Address == to {
			all = append(all, m.Text)
		}
	}
	return all
}
