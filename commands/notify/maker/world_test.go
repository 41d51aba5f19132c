package maker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/follow/followtest"
	"github.com/orderledger/orderledger/commands/manufacturer"
	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/commands/notify/letter"
	"github.com/orderledger/orderledger/commands/notify/maker"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

const secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"

// makers are three who are told, each in a way of its own, and one who can't be.
func makers(t *testing.T, change ...func(map[string]any)) manufacturer.Book {
	t.Helper()
	raw := map[string]any{
		"acme":     map[string]any{"time-zone": "America/New_York", "work-hours": "08:00-17:00", "holidays": "us", "email": "orders@acme.example"},
		"contoso":  map[string]any{"time-zone": "Europe/Berlin", "holidays": "de-by", "webhook-url": "https://contoso.example/hooks", "webhook-secret-file": "contoso"},
		"fabrikam": map[string]any{"time-zone": "Asia/Tokyo", "holidays": "jp", "nats-subject": "fabrikam.missed", "nats-url": "nats://fabrikam.example"},
	}
	for _, f := range change {
		f(raw)
	}
	book, err := manufacturer.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// told is one message that arrived.
type told struct{ way, id, to, text string }

// ears are all whom messages reach: a mail server, endpoints and a stream.
type ears struct {
	mu     sync.Mutex
	heard  []told
	refuse func() error
	answer int // of endpoints; 0: 204
}

func (e *ears) hear(t told) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refuse != nil {
		if err := e.refuse(); err != nil {
			return err
		}
	}
	e.heard = append(e.heard, t)
	return nil
}

func (e *ears) all() []told {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]told{}, e.heard...)
}

func (*ears) Name() string                      { return "smtp" }
func (*ears) MessageID(m notify.Message) string { return m.ID + "@dealer.example" }
func (e *ears) Send(_ context.Context, m notify.Message) error {
	return e.hear(told{"mail", m.ID, m.To[0].Address, m.Subject + "\n" + m.Text + m.HTML})
}

func (e *ears) Post(_ context.Context, url string, m sender.Message, secrets ...sender.Secret) (sender.Answer, error) {
	if len(secrets) != 1 || secrets[0].Reveal() != secret || m.ContentType != maker.MediaType {
		return sender.Answer{}, fmt.Errorf("%d secrets, %s", len(secrets), m.ContentType)
	}
	if e.answer != 0 {
		return sender.Answer{Status: e.answer}, nil
	}
	return sender.Answer{Status: 204}, e.hear(told{"webhook", m.ID, url, string(m.Body)})
}

func (e *ears) Check(manufacturer.Contact) error { return nil }

func (e *ears) Publish(_ context.Context, to manufacturer.Contact, id, _ string, body []byte) error {
	return e.hear(told{"nats", id, to.NATSSubject, string(body)})
}

// world is a ledger with its clock and its notices.
type world struct {
	t       *testing.T
	log     eventstore.Store
	clerk   *commands.Handler
	placer  *commands.Placer
	book    manufacturer.Book
	ears    *ears
	letters *letter.Writer
	shift   time.Duration // from the bubble's time to the world's
	n       int
}

var dealer = letter.Dealer{Name: "Harbor Parts", Email: "orders@harbor.example", Phone: "+1 555 0199"}

func newWorld(t *testing.T, book manufacturer.Book) *world {
	letters, err := letter.New(letter.Config{Dealer: dealer})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, log: memstore.New(), book: book, ears: &ears{}, letters: letters, shift: time.Until(time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC))}
	w.clerk = commands.NewHandler(w.log, eventstore.Codec{}, w.now)
	w.placer = &commands.Placer{Handler: w.clerk, Calendars: book.Calendars(), Calendar: book.Of(manufacturer.Default).Calendar}
	return w
}

func (w *world) now() time.Time { return time.Now().Add(w.shift) }

func (w *world) kind() notify.Kind {
	w.t.Helper()
	k, ok, err := maker.Kind(maker.Config{
		Book: w.book, ReadSecrets: func(string) ([]string, error) { return []string{secret}, nil }, Letters: w.letters, Dealer: dealer,
		Source: "/ledgers/test", Mail: w.ears, Poster: w.ears, Nats: w.ears,
	})
	if err != nil || !ok {
		w.t.Fatal(ok, err)
	}
	return k
}

// process is one life of the program: the clock and the notices, over one log.
type process struct {
	w       *world
	saga    *saga.Saga
	notices *notify.Runner
	end     context.CancelFunc
	done    chan error
}

// start begins a life; nil when it dies at once.
func (w *world) start(log eventstore.Store, kind notify.Kind, dir string) *process {
	w.t.Helper()
	handler := func() *commands.Handler { return commands.NewHandler(log, eventstore.Codec{}, w.now) }
	quiet := slog.New(slog.DiscardHandler)
	n, err := notify.New(notify.Config{
		Log: log, Notices: commands.Notices{Handler: handler()}, Kinds: []notify.Kind{kind}, Now: w.now, Logger: quiet,
		SnapshotPath: filepath.Join(dir, "notify.json"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := saga.New(saga.Config{
		Log: log, Handler: handler(), Payments: noStripe{}, Now: w.now, Logger: quiet, SnapshotPath: filepath.Join(dir, "saga.json"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := n.Begin(context.Background()); err != nil {
		return nil
	}
	ctx, end := context.WithCancel(context.Background())
	p := &process{w: w, saga: s, notices: n, end: end, done: make(chan error, 2)}
	go func() { p.done <- s.Run(ctx) }()
	go func() { p.done <- n.Run(ctx) }()
	return p
}

func (p *process) stop() {
	p.w.t.Helper()
	p.end()
	if err := errors.Join(<-p.done, <-p.done); err != nil {
		p.w.t.Error(err)
	}
}

type noStripe struct{ commands.Payments }

// place brings an order on account in.
func (w *world) place(maker string) uuid.UUID {
	w.t.Helper()
	w.n++
	in := domain.Intake{
		OrderNumber: fmt.Sprint(10247 + w.n), Manufacturer: maker, PlacedAt: w.now(),
		Customer: domain.Customer{Name: "Paul Henriot", Email: "paul@example.com", AccountNumber: "A-1"},
		Lines:    []domain.Line{{SKU: "NW-11", Quantity: 12, UnitPrice: 3667, Amount: 44000}},
		Currency: "USD", Subtotal: 44000, Total: 44000, Payment: domain.Terms{Method: domain.Account},
	}
	if _, err := w.placer.Place(context.Background(), commands.PlaceRequest{
		Intake: in, CommandID: uuid.New(), Actor: domain.Actor{ID: "shop", Role: domain.Shop, Via: domain.ViaAPI},
	}); err != nil {
		w.t.Fatal(err)
	}
	return in.ID()
}

func (w *world) do(id uuid.UUID, c domain.Command) {
	w.t.Helper()
	_, err := w.clerk.Handle(context.Background(), commands.Request{
		OrderID: id, Command: c, CommandID: uuid.New(), Actor: domain.Actor{ID: "erika", Role: domain.Clerk, Via: domain.ViaAPI},
	})
	if err != nil {
		w.t.Fatalf("%s: %v", c.CommandName(), err)
	}
}

func (w *world) order(id uuid.UUID) domain.Order {
	w.t.Helper()
	o, _, err := w.clerk.Load(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

// receipts are what the log says that the manufacturer was told of an order.
func (w *world) receipts(id uuid.UUID) []commands.Told {
	w.t.Helper()
	list, err := commands.Notices{Handler: w.clerk}.Told(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func pass(d time.Duration) { <-time.After(d) }

type mortalChannel struct {
	notify.Channel
	fate *followtest.Fate
}

func (c mortalChannel) Send(ctx context.Context, m notify.Message) error {
	_, err := followtest.Around(c.fate, func() (none struct{}, err error) { return none, c.Channel.Send(ctx, m) })
	return err
}
