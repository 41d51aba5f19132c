package post_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/commands/notify/letter"
	"github.com/orderledger/orderledger/commands/notify/post"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

var erika = domain.Actor{ID: "erika", Role: domain.Clerk, Via: domain.ViaAPI}

// ledger is a log with a runner that sends to a real mail server.
type ledger struct {
	t       *testing.T
	log     eventstore.Store
	handler *commands.Handler
	logged  *strings.Builder
	order   int
}

func (l *ledger) do(id uuid.UUID, c domain.Command) {
	l.t.Helper()
	if _, err := l.handler.Handle(l.t.Context(), commands.Request{OrderID: id, Command: c, CommandID: uuid.New(), Actor: erika}); err != nil {
		l.t.Fatal(err)
	}
}

// live takes an order through all that its customer is told of.
func (l *ledger) live() (email string) {
	l.order++
	email = fmt.Sprintf("customer%d@example.com", l.order)
	in := domain.Intake{
		OrderNumber: fmt.Sprint(10247 + l.order), Manufacturer: "northwind", PlacedAt: time.Now(),
		Customer: domain.Customer{Name: "Zoë Ångström", Email: email, AccountNumber: "A-1"},
		Lines:    []domain.Line{{SKU: "NW-11", Quantity: 1, UnitPrice: 100, Amount: 100}},
		Currency: "USD", Subtotal: 100, Total: 100, Payment: domain.Terms{Method: domain.Account},
	}
	l.do(in.ID(), domain.Place{Intake: in})
	l.do(in.ID(), domain.Accept{})
	l.do(in.ID(), domain.Ship{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z1"}}})
	l.do(in.ID(), domain.Refund{})
	return email
}

// receipts follows the log until it holds so many answers.
func (l *ledger) receipts(n int) (all []domain.Event) {
	l.t.Helper()
	sub, err := l.log.Subscribe(l.t.Context(), 0)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	ctx, cancel := context.WithTimeout(l.t.Context(), 2*time.Minute)
	defer cancel()
	for len(all) < n {
		batch, err := sub.Next(ctx, 100)
		if err != nil {
			l.t.Fatalf("%d of %d receipts: %v\n%s", len(all), n, err, l.logged)
		}
		for _, r := range batch {
			e, _, err := eventstore.Codec{}.Decode(r)
			if err != nil {
				l.t.Fatal(err)
			}
			switch e.(type) {
			case eventstore.NotificationSent, eventstore.NotificationFailed:
				all = append(all, e)
			}
		}
	}
	return all
}

func (l *ledger) run(channel notify.Channel) (stop func()) {
	l.t.Helper()
	w, err := letter.New(letter.Config{Dealer: letter.Dealer{Name: "Harbor Parts"}})
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := notify.New(notify.Config{
		Log: l.log, Notices: commands.Notices{Handler: l.handler}, Kinds: w.CustomerKinds(&notify.Lane{Channel: channel}, nil),
		MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(l.logged, nil)),
	})
	if err != nil {
		l.t.Fatal(err)
	}
	if err := r.Begin(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Error(err)
		}
	}
}

func newLedger(t *testing.T) *ledger {
	log := memstore.New()
	return &ledger{t: t, log: log, handler: commands.NewHandler(log, eventstore.Codec{}, time.Now), logged: &strings.Builder{}}
}

// Through greylisting, refusals and connections that are cut at every stage each fact arrives, once; where the server kept a message
// and could not say so, twice, with one Message-ID and the same bytes.
func TestEachFactArrivesThroughATroubledServer(t *testing.T) {
	s := serve(t)
	grey := refusal(451, smtp.EnhancedCode{4, 7, 1})
	s.goWrong(
		trouble{at: atRcpt, no: grey, n: 6}, trouble{at: atAccept, n: 3}, trouble{at: atHello, n: 3}, trouble{at: atMail, n: 3},
		trouble{at: atMail, no: refusal(421, smtp.EnhancedCode{4, 3, 2}), n: 3}, trouble{at: atData, n: 3},
		trouble{at: atEnd, no: refusal(452, smtp.EnhancedCode{4, 2, 2}), n: 3}, trouble{at: atEnd, n: 2}, trouble{at: atReset, n: 3},
	)
	l := newLedger(t)
	stop := l.run(s.client())
	const orders = 5
	mails := map[string]bool{}
	for range orders {
		email := l.live()
		mails[email] = true
	}
	for _, e := range l.receipts(orders * 3) {
		if _, ok := e.(eventstore.NotificationSent); !ok {
			t.Errorf("%+v", e)
		}
	}
	stop()
	bytes, told, twice := map[string]string{}, map[string]int{}, 0
	for _, m := range s.letters() {
		id := m.header(t).Get("Message-Id")
		if was, again := bytes[id]; again {
			if twice++; was != m.raw {
				t.Errorf("%s says something else the second time", id)
			}
			continue
		}
		bytes[id] = m.raw
		told[m.to[0]]++
	}
	if twice != 2 {
		t.Errorf("%d repeated, want the 2 whose answer was cut off", twice)
	}
	for email := range mails {
		if told[email] != 3 {
			t.Errorf("%s was told of %d facts", email, told[email])
		}
	}
	if strings.Contains(l.logged.String(), "example.com") || strings.Contains(l.logged.String(), "Zo") {
		t.Errorf("customers' data in the program's log:\n%s", l.logged)
	}
}

// A customer whose address is refused for good is given up at once, and holds up nobody.
func TestAnAddressThatIsRefused(t *testing.T) {
	s := serve(t)
	s.goWrong(trouble{at: atRcpt, no: refusal(550, smtp.EnhancedCode{5, 1, 1}), only: "customer1@example.com"})
	l := newLedger(t)
	stop := l.run(s.client())
	l.live()
	l.live()
	failed := 0
	for _, e := range l.receipts(6) {
		if f, ok := e.(eventstore.NotificationFailed); ok {
			failed++
			if !f.Permanent || f.Code != eventstore.NoticeRefused || f.Reason != "The mail server refused it: 550 5.1.1." {
				t.Errorf("%+v", f)
			}
		}
	}
	stop()
	if n := len(s.letters()); failed != 3 || n != 3 {
		t.Errorf("%d failed, %d sent", failed, n)
	}
	if strings.Contains(l.logged.String(), "example.com") {
		t.Errorf("an address in the program's log:\n%s", l.logged)
	}
}

func TestOutbox(t *testing.T) {
	sender, err := post.ParseSender("Harbor Parts & Söhne <orders@harbor.example>", "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o, err := post.NewOutbox(dir, sender)
	if err != nil {
		t.Fatal(err)
	}
	first, second := message("zoe@example.com"), message("b@example.com")
	second.ID, second.At, second.Subject = "second", at.Add(time.Hour), "later"
	for _, m := range []notify.Message{first, second, first} {
		if err := o.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	list, n, err := o.List(10)
	if err != nil || n != 2 || len(list) != 2 || list[0].Subject != "later" || list[0].Text != "" {
		t.Errorf("%+v, %d, %v", list, n, err)
	}
	if list, n, err := o.List(1); err != nil || n != 2 || len(list) != 1 {
		t.Errorf("%+v, %d, %v", list, n, err)
	}
	m, err := o.Message(first.ID)
	if err != nil || m.Subject != first.Subject || m.Text != strings.ReplaceAll(first.Text, "\n", "\r\n") && m.Text != first.Text || m.To != "Zoë Ångström <zoe@example.com>" ||
		m.From != "Harbor Parts & Söhne <orders@harbor.example>" || m.MessageID != first.ID+"@harbor.example" || !m.At.Equal(at) || !strings.Contains(m.HTML, "Zoë") {
		t.Errorf("%+v, %v", m, err)
	}
	for _, id := range []string{"none", "", "../" + first.ID, "*"} {
		if _, err := o.Message(id); err == nil {
			t.Errorf("%q is there", id)
		}
	}
}
