package notify_test

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
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

// pigeon is a channel that keeps what it delivers.
type pigeon struct {
	mu   sync.Mutex
	sent []notify.Message
	// refuse, when given, is asked first.
	refuse func(m notify.Message) error
	busy   int
	most   int // messages at once
}

func (p *pigeon) Name() string                      { return "pigeon" }
func (p *pigeon) MessageID(m notify.Message) string { return m.ID + "@pigeon" }

func (p *pigeon) Send(_ context.Context, m notify.Message) error {
	p.mu.Lock()
	p.busy++
	p.most = max(p.most, p.busy)
	refuse := p.refuse
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.busy--
		p.mu.Unlock()
	}()
	if refuse != nil {
		if err := refuse(m); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, m)
	return nil
}

func (p *pigeon) messages() []notify.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sent)
}

// subjects are those of the messages, in the order in which they were sent.
func (p *pigeon) subjects() (all []string) {
	for _, m := range p.messages() {
		all = append(all, m.Subject)
	}
	return all
}

// world is a ledger with time of its own.
type world struct {
	t     *testing.T
	log   *memstore.Store
	clerk *commands.Handler
	bird  *pigeon
	lane  *notify.Lane
	n     int
}

func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		bird := &pigeon{}
		log := memstore.New()
		test(&world{
			t: t, log: log, clerk: commands.NewHandler(log, eventstore.Codec{}, time.Now), bird: bird, lane: &notify.Lane{Channel: bird},
		})
	})
}

func write(s notify.Subject) (notify.Message, error) {
	if s.Order.Personal.Customer.Email == "" {
		return notify.Message{}, notify.ErrNoAddress
	}
	said := s.Event.EventType() + " " + s.Order.OrderNumber
	for _, t := range s.Order.Tracking {
		said += " " + t.Number
	}
	return notify.Message{Subject: said, To: []notify.Address{{Address: s.Order.Personal.Customer.Email}}}, nil
}

// kinds are two of customers' and, told together, two of the dealer's.
func (w *world) kinds() []notify.Kind {
	digest := &notify.Digest{Name: "dealer", Every: time.Minute, Write: func(list []notify.Subject) (notify.Message, error) {
		said := make([]string, len(list))
		for i, s := range list {
			said[i] = s.Notice.Kind + " " + s.Order.OrderNumber
		}
		return notify.Message{Subject: strings.Join(said, ", ")}, nil
	}}
	return []notify.Kind{
		{
			Name: "customer.placed", Role: notify.Customer, Write: write, Lane: w.lane,
			When: notify.When{"Placed": func(f notify.Fact) notify.Want { return notify.Want{Tell: !f.History} }},
		},
		{Name: "customer.shipped", Role: notify.Customer, Write: write, Lane: w.lane, When: notify.When{"Shipped": notify.Tell}},
		{Name: "dealer.placed", Role: notify.Dealer, Digest: digest, Lane: w.lane, When: notify.When{"Placed": notify.Tell}},
		{
			Name: "dealer.due", Role: notify.Dealer, Digest: digest, Lane: w.lane, When: notify.When{
				"Placed": func(f notify.Fact) notify.Want {
					return notify.Want{Tell: true, At: f.Event.(domain.Placed).Confirm.DueFrom}
				},
				"Accepted": notify.Drop, "Cancelled": notify.Drop,
			},
		},
	}
}

func (w *world) customers() []notify.Kind { return w.kinds()[:2] }

// process is a runner that runs.
type process struct {
	*notify.Runner
	w    *world
	end  context.CancelFunc
	done chan error
}

func (w *world) config() notify.Config {
	return notify.Config{
		Log: w.log, Notices: commands.Notices{Handler: commands.NewHandler(w.log, eventstore.Codec{}, time.Now)},
		Kinds: w.customers(), Logger: slog.New(slog.DiscardHandler),
	}
}

func (w *world) start(change ...func(*notify.Config)) *process {
	w.t.Helper()
	p, err := w.tryStart(change...)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) tryStart(change ...func(*notify.Config)) (*process, error) {
	w.t.Helper()
	c := w.config()
	for _, f := range change {
		f(&c)
	}
	r, err := notify.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := r.Begin(w.t.Context()); err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	p := &process{Runner: r, w: w, end: end, done: make(chan error, 1)}
	go func() { p.done <- r.Run(ctx) }()
	return p, nil
}

func (p *process) stop() {
	p.w.t.Helper()
	p.end()
	if err := <-p.done; err != nil {
		p.w.t.Errorf("the runner ended with %v", err)
	}
}

// settle waits until all of the log is known and nothing is open, however long that takes in the world's time.
func (p *process) settle() {
	p.w.t.Helper()
	for range 6000 {
		synctest.Wait()
		head, err := p.w.log.Head(context.Background())
		if err != nil {
			p.w.t.Fatal(err)
		}
		if st := p.Status(); st.Ready && st.Open == 0 && st.Checkpoint == head {
			return
		}
		pass(time.Minute)
	}
	p.w.t.Fatalf("it does not come to rest: %+v", p.Status())
}

// pass lets the world's time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (w *world) intake() domain.Intake {
	w.n++
	return domain.Intake{
		OrderNumber: fmt.Sprint(10247 + w.n), Manufacturer: "northwind", PlacedAt: time.Now(),
		Customer: domain.Customer{Name: "Paul Henriot", Email: "paul@example.com", AccountNumber: "A-1"},
		Lines:    []domain.Line{{SKU: "NW-11", Quantity: 12, UnitPrice: 3667, Amount: 44000}},
		Currency: "USD", Subtotal: 44000, Freight: 3238, Total: 47238, Payment: domain.Terms{Method: domain.Account},
	}
}

// place brings an order on account in.
func (w *world) place(change ...func(*domain.Intake)) uuid.UUID {
	w.t.Helper()
	in := w.intake()
	for _, f := range change {
		f(&in)
	}
	w.do(in.ID(), domain.Place{Intake: in, Confirm: domain.Confirmation{
		By: time.Now().Add(24 * time.Hour), DueFrom: time.Now().Add(10 * time.Hour), Zone: "UTC", Calendar: "weekdays",
	}})
	return in.ID()
}

func (w *world) ship(id uuid.UUID) {
	w.t.Helper()
	w.do(id, domain.Accept{})
	w.do(id, domain.Ship{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z1"}}})
}

func (w *world) do(id uuid.UUID, c domain.Command) {
	w.t.Helper()
	_, err := w.clerk.Handle(context.Background(), commands.Request{OrderID: id, Command: c, CommandID: uuid.New(), Actor: erika})
	if err != nil {
		w.t.Fatalf("%s: %v", c.CommandName(), err)
	}
}

var erika = domain.Actor{ID: "erika", Role: domain.Clerk, Via: domain.ViaAPI}

func (w *world) told(id uuid.UUID) []commands.Told {
	w.t.Helper()
	list, err := commands.Notices{Handler: w.clerk}.Told(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// told in short: kind and what came of it.
func (w *world) outcomes(id uuid.UUID) (list []string) {
	for _, t := range w.told(id) {
		what := "open"
		switch {
		case t.Failed != nil:
			what = t.Failed.Code
		case t.Sent != nil && t.Answered:
			what = "sent"
		}
		list = append(list, t.Kind+" "+what)
	}
	slices.Sort(list) // orders' messages may overtake each other
	return list
}

func (w *world) resend(id, notice uuid.UUID, key string) (commands.Kept, error) {
	return commands.Notices{Handler: w.clerk}.Resend(context.Background(), commands.Request{
		OrderID: id, CommandID: commands.CommandID(erika.ID, key), Actor: erika,
	}, notice)
}

func wants(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
