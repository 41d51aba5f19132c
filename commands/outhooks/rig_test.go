package outhooks_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/outhooks"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

var (
	anna  = domain.Actor{ID: "anna", Role: domain.Admin, Via: domain.ViaCLI}
	clerk = domain.Actor{ID: "carl", Role: domain.Manager, Via: domain.ViaUI}
)

// rig is a ledger with webhooks; the clock is the real one, or synctest's.
type rig struct {
	t         testing.TB
	log       *memstore.Store
	handler   *commands.Handler
	keys      *outhooks.Keyring
	endpoints *outhooks.Endpoints
	runner    *outhooks.Runner
	dir       string
	config    outhooks.Config // what is not zero counts
	end       func()
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, log: memstore.New(), keys: outhooks.NewKeyring(), dir: t.TempDir()}
	r.handler = commands.NewHandler(r.log, eventstore.Codec{}, time.Now)
	r.open()
	return r
}

// open is a process that has just started and does nothing yet.
func (r *rig) open() {
	r.endpoints = outhooks.NewEndpoints(r.log, eventstore.Codec{}, time.Now, r.keys, sender.New(sender.Config{AllowPrivate: true}).Check)
}

// start runs the webhooks through a port, until stop is called or the test ends.
func (r *rig) start(port outhooks.Poster) {
	r.t.Helper()
	c := r.config
	if c.Log == nil {
		c.Log = r.log
	}
	c.Endpoints, c.Poster, c.Source, c.Dir, c.Logger = r.endpoints, port, "urn:orderledger:test", r.dir, slog.New(slog.DiscardHandler)
	runner, err := outhooks.New(c)
	if err != nil {
		r.t.Fatal(err)
	}
	r.runner = runner
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	r.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("run: %v", err)
		}
	})
	r.t.Cleanup(r.end)
}

func (r *rig) restart(port outhooks.Poster) {
	r.t.Helper()
	r.end()
	r.open()
	r.start(port)
}

// loseFiles deletes all that may be deleted.
func (r *rig) loseFiles() {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "*"))
	if err != nil || len(files) == 0 {
		r.t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) add(a outhooks.Addition) outhooks.Change {
	r.t.Helper()
	if a.URL == "" {
		a.URL = "http://127.0.0.1:1/"
	}
	c, err := r.endpoints.Add(r.t.Context(), ask(), a)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func ask() outhooks.Request { return outhooks.Request{Command: uuid.New(), Actor: anna} }

func (r *rig) do(id uuid.UUID, c domain.Command) uuid.UUID {
	r.t.Helper()
	res, err := r.handler.Handle(r.t.Context(), commands.Request{OrderID: id, Command: c, CommandID: uuid.New(), Actor: clerk})
	if err != nil {
		r.t.Fatal(err)
	}
	return res.EventID
}

// place places an order on account and returns its id and its event's.
func (r *rig) place(number, manufacturer string) (order, event uuid.UUID) {
	r.t.Helper()
	in := domain.Intake{
		OrderNumber: number, Manufacturer: manufacturer, PlacedAt: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
		Customer: domain.Customer{Name: "Ana Trujillo", Email: "ana@example.com", AccountNumber: "ACC-7"}, ShippingAddress: domain.Address{City: "Reims"},
		Lines:    []domain.Line{{SKU: "BP-1", Quantity: 1, UnitPrice: 9000, Amount: 9000}},
		Currency: "USD", Subtotal: 9000, Total: 9000, Payment: domain.Terms{Method: domain.Account},
	}
	return in.ID(), r.do(in.ID(), domain.Place{Intake: in, Confirm: domain.Confirmation{By: in.PlacedAt, Zone: "UTC", Calendar: "weekdays"}})
}

// standing is the only endpoint.
func (r *rig) standing() outhooks.Standing {
	r.t.Helper()
	list := r.runner.List()
	if len(list) != 1 {
		r.t.Fatalf("%d endpoints", len(list))
	}
	return list[0]
}

func (r *rig) head() eventstore.Position {
	r.t.Helper()
	p, err := r.log.Head(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// events are those of an endpoint's stream, whose chain must hold.
func (r *rig) events(id string) []domain.Event {
	r.t.Helper()
	var all []domain.Event
	prev := ""
	for rec, err := range r.log.ReadStream(r.t.Context(), eventstore.EndpointStream(id), eventstore.NoStream) {
		if err != nil {
			r.t.Fatal(err)
		}
		if prev, err = eventstore.Verify(rec, prev); err != nil {
			r.t.Error(err)
		}
		e, _, err := eventstore.Codec{}.Decode(rec)
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// count is how many events of a stream are of E.
func count[E domain.Event](events []domain.Event) (n int) {
	for _, e := range events {
		if _, ok := e.(E); ok {
			n++
		}
	}
	return n
}

// sent is one attempt.
type sent struct {
	url, id string
	at      time.Time
	event   outhooks.CloudEvent
	data    outhooks.Public
	secrets []sender.Secret
	ok      bool
}

// port is a Poster that keeps what is sent, and answers 200 unless a test has it otherwise.
type port struct {
	mu     sync.Mutex
	all    []sent
	answer func(ctx context.Context, s sent) (sender.Answer, error)
}

func (p *port) Post(ctx context.Context, url string, m sender.Message, secrets ...sender.Secret) (sender.Answer, error) {
	s := sent{url: url, id: m.ID, at: time.Now(), secrets: secrets}
	s.event.Data = &s.data
	if err := json.Unmarshal(m.Body, &s.event); err != nil {
		return sender.Answer{}, err
	}
	a, err := sender.Answer{Status: 200}, error(nil)
	p.mu.Lock()
	answer := p.answer
	p.mu.Unlock()
	if answer != nil {
		a, err = answer(ctx, s)
	}
	s.ok = err == nil && a.OK()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, s)
	return a, err
}

func (p *port) set(answer func(context.Context, sent) (sender.Answer, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// take are the attempts since it was last called.
func (p *port) take() []sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.all
	p.all = nil
	return all
}

func status(n int) func(context.Context, sent) (sender.Answer, error) {
	return func(context.Context, sent) (sender.Answer, error) { return sender.Answer{Status: n}, nil }
}

func ids(all []sent) (list []string) {
	for _, s := range all {
		list = append(list, s.id)
	}
	return list
}

// forbidden is a port through which nothing may be sent.
type forbidden struct{ t testing.TB }

func (f forbidden) Post(_ context.Context, url string, m sender.Message, _ ...sender.Secret) (sender.Answer, error) {
	f.t.Errorf("sent to %s: %s", url, m.Body)
	return sender.Answer{}, errors.New("forbidden")
}

// bubble runs a test in which time is synctest's.
func bubble(t *testing.T, test func(t *testing.T, r *rig, p *port)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		test(t, r, &port{})
	})
}
