package natsstore

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/test/loopback"
)

// openDoor opens a log whose server lets in the guests "anna", who reads, and "shop", which does not; and who says nothing, as "local".
func openDoor(t *testing.T, change ...func(*EmbeddedConfig)) (s *Store, url string) {
	t.Helper()
	address := loopback.Free(t)
	c := EmbeddedConfig{
		Dir: t.TempDir(), Ledger: "shop", NATSListen: address,
		Admit: func(_ context.Context, from net.Addr, secret string) (Guest, error) {
			if host, _, err := net.SplitHostPort(from.String()); err != nil || host != "127.0.0.1" {
				t.Errorf("somebody comes from %s", from)
			}
			switch secret {
			case "":
				return Guest{Account: "local", Reads: true}, nil
			case "secret of anna":
				return Guest{Account: "anna", Reads: true}, nil
			case "secret of the store":
				return Guest{Account: "store"}, nil
			case "system":
				return Guest{Account: "$G"}, nil
			}
			return Guest{}, errors.New("a stranger")
		},
	}
	for _, f := range change {
		f(&c)
	}
	s = openRig(t, c)
	t.Cleanup(func() { mustClose(t, s) })
	return s, "nats://" + address
}

func visit(t *testing.T, url string, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append(options, nats.Timeout(30*time.Second), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestStrangersStayOut(t *testing.T) {
	_, url := openDoor(t)
	for name, o := range map[string]nats.Option{
		"a token":               nats.Token("guessed"),
		"a password":            nats.UserInfo("anna", "guessed"),
		"our own user":          nats.UserInfo(owner, ""),
		"a guess of ours":       nats.UserInfo(owner, "guessed"),
		"a user alone":          nats.UserInfo("anna", ""),
		"the log's own account": nats.Token("system"),
		"a key": nats.Nkey("UBO2MQV67TQTVIRV3XFTEZOACM4WLOCMCDMAWN5QVN5PI2N6JHTVDRON", func([]byte) ([]byte, error) {
			return make([]byte, 64), nil
		}),
	} {
		if nc, err := nats.Connect(url, o); err == nil {
			nc.Close()
			t.Errorf("%s is let in", name)
		}
	}
}

// serve answers the requests of guests, as the ledger does.
func serve(t *testing.T, s *Store, answer nats.MsgHandler, options ...nats.Option) *nats.Conn {
	t.Helper()
	own, err := s.Dial(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	if _, err := own.Subscribe("shop.cmd.*", answer); err != nil {
		t.Fatal(err)
	}
	if err := own.Flush(); err != nil {
		t.Fatal(err)
	}
	return own
}

// Nothing that a guest sends reaches the log, whatever way it takes.
func TestGuestsCantReachTheLog(t *testing.T) {
	s, url := openDoor(t)
	appendPatiently(t, s, "order-1", eventstore.NoStream, testEvent("known"))
	serve(t, s, func(m *nats.Msg) { _ = m.Respond([]byte("{}")) })
	for name, nc := range map[string]*nats.Conn{"local": visit(t, url), "anna": visit(t, url, nats.Token("secret of anna"))} {
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		heard, err := nc.SubscribeSync(">")
		if err != nil {
			t.Fatal(err)
		}
		for _, subject := range []string{"shop.order.2", "shop.order.1", "shop.public.Shipped", "$JS.API.STREAM.DELETE.shop"} {
			if err := nc.Publish(subject, []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		// The answer of whoever answers goes where the request says, in the guest's own account.
		for _, subject := range []string{"shop.cmd.accept", "$SRV.PING", "$JS.API.STREAM.INFO." + PublicStream("shop")} {
			if err := nc.PublishRequest(subject, "shop.order.3", []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := js.Stream(ctx, "shop"); err == nil {
			t.Errorf("%s reads the log's stream", name)
		}
		cancel()
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		// An append behind all that says that the guest's messages have been dealt with.
		appendPatiently(t, s, "order-"+name, eventstore.NoStream, testEvent("after "+name))
		for {
			m, err := heard.NextMsg(100 * time.Millisecond)
			if err != nil {
				break
			}
			if m.Header.Get(headerType) != "" {
				t.Errorf("%s hears an event on %s", name, m.Subject)
			}
		}
	}
	if head, err := s.Head(t.Context()); err != nil || head != 3 {
		t.Errorf("the log ends at %d, %v; want 3", head, err)
	}
}

// A request says the account that it comes from, whatever it says itself, and the sender can't say that it comes from elsewhere.
func TestRequestsSayTheirAccount(t *testing.T) {
	s, url := openDoor(t)
	asked := make(chan *nats.Msg, 10)
	own := serve(t, s, func(m *nats.Msg) { asked <- m; _ = m.Respond([]byte("{}")) }, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	for account, nc := range map[string]*nats.Conn{
		"local": visit(t, url), "anna": visit(t, url, nats.Token("secret of anna")), "store": visit(t, url, nats.UserInfo("any", "secret of the store")),
	} {
		m := nats.NewMsg("shop.cmd.accept")
		m.Header["Nats-Request-Info"] = []string{`{"acc":"boss"}`, `{"acc":"boss"}`}
		m.Header["nats-request-info"] = []string{`{"acc":"boss"}`}
		if _, err := nc.RequestMsg(m, 5*time.Second); err != nil {
			t.Fatalf("%s: %v", account, err)
		}
		got := <-asked
		infos := got.Header["Nats-Request-Info"]
		if !strings.HasPrefix(got.Reply, "_R_.") || len(infos) == 0 || !strings.Contains(infos[len(infos)-1], `"acc":"`+account+`"`) {
			t.Errorf("%s: reply %s, %v", account, got.Reply, infos)
		}
	}
	// A client of the log's own account can say anything but that.
	if err := own.PublishMsg(&nats.Msg{
		Subject: "shop.cmd.accept", Reply: "_R_.forged", Header: nats.Header{"Nats-Request-Info": {`{"acc":"boss"}`}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := own.Flush(); err != nil {
		t.Fatal(err)
	}
	if own.LastError() == nil {
		t.Error("the server takes a forged reply subject")
	}
	select {
	case m := <-asked:
		t.Errorf("a forged request came through: %v", m.Header)
	default:
	}
}

// Guests see neither each other's requests nor the answers; public events are for those who may read.
func TestGuestsAreApart(t *testing.T) {
	s, url := openDoor(t)
	own := serve(t, s, func(m *nats.Msg) { _ = m.Respond([]byte("for you alone")) })
	anna, store := visit(t, url, nats.Token("secret of anna")), visit(t, url, nats.Token("secret of the store"))
	spy, err := store.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	reader, err := anna.SubscribeSync("shop.public.>")
	if err != nil {
		t.Fatal(err)
	}
	for _, nc := range []*nats.Conn{own, anna, store} {
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := anna.Request("shop.cmd.show", nil, 5*time.Second); err != nil || string(m.Data) != "for you alone" {
		t.Fatalf("%v", err)
	}
	if err := own.Publish("shop.public.Shipped", []byte("told")); err != nil {
		t.Fatal(err)
	}
	if m, err := reader.NextMsg(5 * time.Second); err != nil || string(m.Data) != "told" {
		t.Fatalf("%v", err)
	}
	if err := store.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := spy.Pending(); err != nil || n > 0 {
		t.Errorf("the store hears %d messages, %v", n, err)
	}
}

// Who is not welcome any more is shown out, though it asks nothing and only listens.
func TestGuestsAreShownOut(t *testing.T) {
	var unwelcome atomic.Bool
	look := make(chan struct{}, 1)
	_, url := openDoor(t, func(c *EmbeddedConfig) {
		c.round, c.Look = time.Hour, look
		c.Stays = func(_ context.Context, account string) bool { return account != "anna" || !unwelcome.Load() }
		admit := c.Admit
		c.Admit = func(ctx context.Context, from net.Addr, secret string) (Guest, error) {
			if secret == "secret of anna" && unwelcome.Load() {
				return Guest{}, errors.New("she was let in once")
			}
			return admit(ctx, from, secret)
		}
	})
	gone := make(chan struct{})
	visit(t, url, nats.Token("secret of anna"), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(gone) }))
	store := visit(t, url, nats.Token("secret of the store"), nats.NoReconnect())
	unwelcome.Store(true)
	look <- struct{}{}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("she listens on")
	}
	if err := store.Flush(); err != nil {
		t.Errorf("another account's guest: %v", err)
	}
}

// Nobody looks for whom it is over: that is done every few seconds.
func TestGuestsAreLookedAtNowAndThen(t *testing.T) {
	var unwelcome atomic.Bool
	_, url := openDoor(t, func(c *EmbeddedConfig) {
		c.round = 5 * time.Millisecond
		c.Stays = func(context.Context, string) bool { return !unwelcome.Load() }
	})
	gone := make(chan struct{})
	visit(t, url, nats.Token("secret of anna"), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(gone) }))
	unwelcome.Store(true)
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("she listens on")
	}
}

// Guests who go on trying what they may not, and strangers who go on knocking, fill no log.
func TestGuestsFillNoLog(t *testing.T) {
	var lines atomic.Int64
	log := newServerLog(slog.New(slog.NewTextHandler(lineCounter{&lines}, nil)))
	for range 1000 {
		log.Errorf("%s - Publish Violation - Subject %q", "127.0.0.1:1 - cid:9", "shop.order.1")
		log.Errorf("%s - authentication error", "127.0.0.1:1 - cid:9")
	}
	if n := lines.Load(); n == 0 || n > 200 {
		t.Errorf("%d lines", n)
	}
}

type lineCounter struct{ n *atomic.Int64 }

func (c lineCounter) Write(b []byte) (int, error) {
	c.n.Add(1)
	return len(b), nil
}

// A request that was answered leaves nothing behind in the server.
func TestAnsweredRequestsAreForgotten(t *testing.T) {
	s, url := openDoor(t)
	own := serve(t, s, func(m *nats.Msg) { _ = m.Respond([]byte("{}")) })
	nc := visit(t, url)
	for range 100 {
		if _, err := nc.Request("shop.cmd.accept", nil, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if err := own.Flush(); err != nil { // the server has gone through the answers
		t.Fatal(err)
	}
	if n := rigOf(t, s).cut.below.(*server.Server).GlobalAccount().NumPendingAllResponses(); n > 1 {
		t.Errorf("the server remembers %d requests", n)
	}
}
