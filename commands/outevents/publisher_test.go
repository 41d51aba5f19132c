package outevents_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/outevents"
	"github.com/orderledger/orderledger/commands/outhooks"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

const patience = time.Minute

// rig is a log in memory, and a NATS server that outlives publishers and, with its folder, itself.
type rig struct {
	t       testing.TB
	log     *memstore.Store
	handler *commands.Handler
	dir     string
	srv     *server.Server
	port    int
	limit   int32 // of a message; 0: the server's own
	js      jetstream.JetStream
	placed  []uuid.UUID // events of orders, in the log's order
}

func newRig(t testing.TB, change ...func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), port: server.RANDOM_PORT}
	for _, f := range change {
		f(r)
	}
	r.newLog()
	r.serve()
	t.Cleanup(r.shut)
	r.js = r.connect()
	return r
}

func (r *rig) newLog() {
	r.log = memstore.New()
	r.handler = commands.NewHandler(r.log, eventstore.Codec{}, time.Now)
	r.placed = nil
}

func (r *rig) serve() {
	r.t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: r.port, NoLog: true, NoSigs: true, JetStream: true, StoreDir: r.dir, MaxPayload: r.limit})
	if err != nil {
		r.t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(patience) {
		r.t.Fatal("the server does not become ready")
	}
	r.srv = srv
	var port string
	if _, port, _ = strings.Cut(strings.TrimPrefix(srv.ClientURL(), "nats://"), ":"); port != "" {
		_, _ = fmt.Sscan(port, &r.port)
	}
}

func (r *rig) shut() {
	r.srv.Shutdown()
	r.srv.WaitForShutdown()
}

func (r *rig) connect() jetstream.JetStream {
	r.t.Helper()
	nc, err := nats.Connect(r.srv.ClientURL(), nats.Timeout(patience), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectBufSize(-1))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		r.t.Fatal(err)
	}
	return js
}

func (r *rig) config() outevents.Config {
	return outevents.Config{
		Log: r.log, JetStream: r.js, Ledger: "shop", Stream: "shop-public", Source: "urn:orderledger:shop",
		Logger: slog.New(slog.DiscardHandler), MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond,
	}
}

// start runs a publisher until the test ends, or stop is called, which gives Run's error.
func (r *rig) start(c outevents.Config) (p *outevents.Publisher, stop func() error) {
	r.t.Helper()
	p, err := outevents.New(c)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	r.t.Cleanup(func() { _ = stop() })
	return p, stop
}

func (r *rig) do(id uuid.UUID, c domain.Command) { r.doBy(id, c, uuid.New()) }

func (r *rig) doBy(id uuid.UUID, c domain.Command, command uuid.UUID) {
	r.t.Helper()
	res, err := r.handler.Handle(r.t.Context(), commands.Request{
		OrderID: id, Command: c, CommandID: command, Actor: domain.Actor{ID: "carl", Role: domain.Manager, Via: domain.ViaUI},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.placed = append(r.placed, res.EventID)
}

func (r *rig) place(number string) uuid.UUID { return r.placeOf(number, "BP-1", uuid.New()) }

func (r *rig) placeBy(number string, command uuid.UUID) { r.placeOf(number, "BP-1", command) }

func (r *rig) placeOf(number, sku string, command uuid.UUID) uuid.UUID {
	r.t.Helper()
	in := domain.Intake{
		OrderNumber: number, Manufacturer: "acme", PlacedAt: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
		Customer: domain.Customer{Name: "Ana Trujillo", Email: "ana@example.com", AccountNumber: "ACC-7"}, ShippingAddress: domain.Address{City: "Reims"},
		Lines:    []domain.Line{{SKU: sku, Quantity: 1, UnitPrice: 9000, Amount: 9000}},
		Currency: "USD", Subtotal: 9000, Total: 9000, Payment: domain.Terms{Method: domain.Account},
	}
	r.doBy(in.ID(), domain.Place{Intake: in, Confirm: domain.Confirmation{By: in.PlacedAt, Zone: "UTC", Calendar: "weekdays"}}, command)
	return in.ID()
}

// await waits until a publisher's stream has taken so many messages.
func (r *rig) await(last uint64) *jetstream.StreamInfo {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, time.Second) // a server that goes away answers nothing
		s, err := r.js.Stream(once, "shop-public")
		cancel()
		if err == nil && s.CachedInfo().State.LastSeq >= last {
			return s.CachedInfo()
		}
		select {
		case <-ctx.Done():
			r.t.Fatalf("the stream did not take %d messages: %v", last, err)
		case <-tick.C:
		}
	}
}

// check reads the whole stream: the given events, each once and in order.
func (r *rig) check(want []uuid.UUID) {
	r.t.Helper()
	r.await(uint64(len(want)))
	s, err := r.js.Stream(r.t.Context(), "shop-public")
	if err != nil {
		r.t.Fatal(err)
	}
	for i, id := range want {
		m, err := s.GetMsg(r.t.Context(), uint64(i+1))
		if err != nil || m.Header.Get("Nats-Msg-Id") != id.String() {
			r.t.Fatalf("message %d is not the event %s: %v, %v", i+1, id, m, err)
		}
	}
	if got := s.CachedInfo().State.LastSeq; got != uint64(len(want)) {
		r.t.Errorf("%d messages, want %d", got, len(want))
	}
}

func TestEventsArePublished(t *testing.T) {
	r := newRig(t)
	before := r.place("0") // what was before is not told
	_, _ = r.start(r.config())
	r.await(0)
	r.placed = nil
	live, err := r.js.Conn().SubscribeSync("shop.public.>")
	if err != nil {
		t.Fatal(err)
	}
	id := r.place("1")
	r.do(id, domain.Accept{})
	r.do(before, domain.AddNote{NoteID: uuid.New(), Text: "Call Ana before noon."})
	r.do(id, domain.Ship{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z"}}})
	r.check(r.placed)
	for i, want := range []string{"Placed", "Accepted", "NoteAdded", "Shipped"} {
		m, err := live.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			SpecVersion, ID, Source, Type, Subject, DataContentType string
			Data                                                    outhooks.Public
		}
		if err := json.Unmarshal(m.Data, &e); err != nil {
			t.Fatal(err)
		}
		if m.Subject != "shop.public."+want || e.Type != "orderledger."+want || e.ID != r.placed[i].String() || e.SpecVersion != "1.0" ||
			e.Source != "urn:orderledger:shop" || e.DataContentType != "application/json" || m.Header.Get("content-type") != "application/cloudevents+json" ||
			m.Header.Get("Ledger-Position") == "" {
			t.Errorf("%s %v %s", m.Subject, m.Header, m.Data)
		}
		for _, secret := range []string{"Ana", "Trujillo", "example.com", "ACC-7", "Reims", "noon"} {
			if strings.Contains(string(m.Data), secret) {
				t.Errorf("%s says %s: %s", want, secret, m.Data)
			}
		}
	}
}

func TestCustomerDataWhenConfigured(t *testing.T) {
	r := newRig(t)
	c := r.config()
	c.CustomerData = true
	_, _ = r.start(c)
	r.await(0)
	r.place("1")
	r.check(r.placed)
	s, err := r.js.Stream(t.Context(), "shop-public")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.GetMsg(t.Context(), 1); err != nil || !strings.Contains(string(m.Data), "Ana Trujillo") {
		t.Errorf("%v, %v", m, err)
	}
}

// Publishers that end anywhere, and several at once, leave neither a gap nor a double.
func TestPublishersEndAnywhere(t *testing.T) {
	r := newRig(t)
	_, stop := r.start(r.config())
	r.await(0)
	c := r.config()
	c.JetStream = r.connect() // another process
	p2, _ := r.start(c)
	id := r.place("1")
	for i := range 300 {
		r.do(id, domain.AddNote{NoteID: uuid.New(), Text: fmt.Sprint(i)})
		if i%20 == 0 {
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			_, stop = r.start(r.config())
		}
	}
	r.check(r.placed)
	if err := p2.Ready(); err != nil {
		t.Error(err)
	}
}

func TestServerGoesAndComes(t *testing.T) {
	r := newRig(t)
	p, _ := r.start(r.config())
	r.await(0)
	r.place("1")
	r.check(r.placed)
	r.shut()
	id := r.place("2")
	for i := range 10 {
		r.do(id, domain.AddNote{NoteID: uuid.New(), Text: fmt.Sprint(i)})
	}
	r.serve()
	r.check(r.placed)
	if err := p.Ready(); err != nil {
		t.Error(err)
	}
}

// When the stream has dropped all that it took, publishing goes on where it was.
func TestStreamThatDroppedAll(t *testing.T) {
	r := newRig(t)
	_, stop := r.start(r.config())
	r.await(0)
	for i := range 5 {
		r.place(fmt.Sprint(i))
	}
	r.check(r.placed)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s, err := r.js.Stream(t.Context(), "shop-public")
	if err == nil {
		err = s.Purge(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	r.place("while away")
	_, _ = r.start(r.config())
	r.place("after")
	info := r.await(7)
	if info.State.Msgs != 2 {
		t.Errorf("%+v", info.State)
	}
	m, err := s.GetMsg(t.Context(), 6)
	if err != nil || m.Header.Get("Nats-Msg-Id") != r.placed[5].String() {
		t.Errorf("%v, %v", m, err)
	}
}

// What is not this ledger's stream is not published to, and a person is told.
func TestForeignStreams(t *testing.T) {
	for name, prepare := range map[string]func(r *rig){
		"other subjects": func(r *rig) {
			if _, err := r.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "shop-public", Subjects: []string{"shop.public.>", "others"}}); err != nil {
				t.Fatal(err)
			}
		},
		"an older log": func(r *rig) {
			_, stop := r.start(r.config())
			r.await(0)
			r.place("1")
			r.check(r.placed)
			_ = stop()
			r.newLog()
			r.place("another")
		},
		"an older log, in which the last event was made again, elsewhere": func(r *rig) {
			_, stop := r.start(r.config())
			r.await(0)
			again := uuid.New()
			r.placeBy("1", again)
			r.check(r.placed)
			_ = stop()
			r.newLog()
			r.place("nobody was told of this")
			r.placeBy("1", again)
		},
		"an older log, and a stream that dropped all": func(r *rig) {
			_, stop := r.start(r.config())
			r.await(0)
			r.place("1")
			r.check(r.placed)
			_ = stop()
			s, err := r.js.Stream(t.Context(), "shop-public")
			if err == nil {
				err = s.Purge(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			r.newLog()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			prepare(r)
			p, err := outevents.New(r.config())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := p.Run(ctx); !errors.Is(err, outevents.ErrForeign) || p.Ready() == nil {
				t.Errorf("%v, %v", err, p.Ready())
			}
		})
	}
}

// Whatever an event's size is, it does not hold up those behind it.
func TestLargeEvents(t *testing.T) {
	r := newRig(t, func(r *rig) { r.limit = 1200 })
	_, _ = r.start(r.config())
	r.await(0)
	for n := 4; n <= 500; n += 4 { // through all sizes around the limit
		r.placeOf(fmt.Sprint("large", n), strings.Repeat("x", n), uuid.New())
	}
	r.check(r.placed)
	s, err := r.js.Stream(t.Context(), "shop-public")
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for seq := range len(r.placed) {
		m, err := s.GetMsg(t.Context(), uint64(seq+1))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(m.Data), "larger than NATS takes") {
			whole++
		}
	}
	if whole == 0 || whole == len(r.placed) {
		t.Errorf("%d of %d are published whole: the test does not meet the limit", whole, len(r.placed))
	}
}

// Answers that never come hold up nothing for ever, however many they are.
func TestAnswersThatNeverCome(t *testing.T) {
	r := newRig(t)
	c := r.config()
	c.Patience = 30 * time.Millisecond
	var err error
	if c.JetStream, err = jetstream.New(r.js.Conn(), jetstream.WithPublishAsyncMaxPending(2)); err != nil {
		t.Fatal(err)
	}
	_, stop := r.start(c)
	r.await(0)
	_ = stop()
	s, err := r.js.Stream(t.Context(), "shop-public")
	if err != nil {
		t.Fatal(err)
	}
	mute := s.CachedInfo().Config
	mute.NoAck = true
	if _, err := r.js.UpdateStream(t.Context(), mute); err != nil {
		t.Fatal(err)
	}
	_, _ = r.start(c)
	for i := range 5 {
		r.place(fmt.Sprint(i))
	}
	r.check(r.placed)
}

// A person who deletes what somebody else has published sets publishing going again, where it was.
func TestDeletedMessages(t *testing.T) {
	r := newRig(t)
	_, stop := r.start(r.config())
	r.await(0)
	r.place("1")
	r.check(r.placed)
	_ = stop()
	foreign, err := r.js.Publish(t.Context(), "shop.public.Shipped", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.js.Stream(t.Context(), "shop-public")
	if err == nil {
		err = s.DeleteMsg(t.Context(), foreign.Sequence)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, _ = r.start(r.config())
	r.place("2")
	r.await(3)
	if m, err := s.GetMsg(t.Context(), 3); err != nil || m.Header.Get("Nats-Msg-Id") != r.placed[1].String() {
		t.Errorf("%v, %v", m, err)
	}
}
