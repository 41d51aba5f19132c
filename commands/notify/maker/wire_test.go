package maker_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/orderledger/orderledger/commands/manufacturer"
	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/commands/notify/maker"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
)

// A real endpoint, which checks signatures with the Standard Webhooks library: with the current secret and the one before it.
func TestSignedPost(t *testing.T) {
	older := "whsec_OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2"
	status, calls := 500, []string{}
	endpoint := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		for _, s := range []string{secret, older} {
			checker, err := standardwebhooks.NewWebhook(s)
			if err != nil {
				t.Error(err)
			} else if err := checker.Verify(body, r.Header); err != nil {
				t.Errorf("%s: %v", s, err)
			}
		}
		calls = append(calls, r.Header.Get("Webhook-Id")+" "+string(body))
		rw.WriteHeader(status)
	}))
	t.Cleanup(endpoint.Close)
	book := makers(t, func(raw map[string]any) {
		raw["default"] = map[string]any{"webhook-url": endpoint.URL, "webhook-secret-file": "default"}
	})
	client := sender.New(sender.Config{AllowPrivate: true})
	t.Cleanup(client.Close)
	k, _, err := maker.Kind(maker.Config{
		Book: book, ReadSecrets: func(string) ([]string, error) { return []string{secret, older}, nil }, Poster: client, Nats: maker.NewNats(""),
	})
	if err != nil {
		t.Fatal(err)
	}
	m := notify.Message{ID: "0b2f7f0e-94c5-5d0a-8a5e-3f1c7f5b9d42", To: []notify.Address{{Name: "somebody"}}, MediaType: maker.MediaType, Body: []byte(`{"id":"1"}`)}
	if err := k.Lane.Channel.Send(t.Context(), m); err == nil || err.Error() != "The webhook answered 500." {
		t.Errorf("refused: %v", err)
	}
	status = 200
	if err := k.Lane.Channel.Send(t.Context(), m); err != nil {
		t.Error(err)
	}
	if len(calls) != 2 || calls[0] != calls[1] || calls[0] != m.ID+` {"id":"1"}` {
		t.Errorf("%q", calls)
	}
	unkind := sender.New(sender.Config{})
	t.Cleanup(unkind.Close)
	k, _, err = maker.Kind(maker.Config{
		Book: book, ReadSecrets: func(string) ([]string, error) { return []string{secret}, nil }, Poster: unkind, Nats: maker.NewNats(""),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Lane.Channel.Send(t.Context(), m); err == nil || len(calls) != 2 {
		t.Errorf("a private address: %v, %d calls", err, len(calls))
	}
}

// A real NATS: a message is taken when a stream takes it, once for its id; without a stream, or a server, it is not.
func TestPublish(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not start")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p := maker.NewNats(s.ClientURL())
	t.Cleanup(p.Close)
	to := manufacturer.Contact{NATSSubject: "acme.missed"}
	if err := p.Publish(ctx, to, "id-1", maker.MediaType, []byte(`{}`)); err == nil {
		t.Error("nobody took it")
	}
	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ACME", Subjects: []string{"acme.>"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Publish(ctx, to, "id-1", maker.MediaType, []byte(`{"n":1}`)); err != nil {
			t.Fatal(err)
		}
	}
	info, err := stream.Info(ctx)
	if err != nil || info.State.Msgs != 1 {
		t.Fatalf("%d messages, %v", info.State.Msgs, err)
	}
	got, err := stream.GetMsg(ctx, 1)
	if err != nil || !json.Valid(got.Data) || got.Header.Get("Content-Type") != maker.MediaType || got.Header.Get("Nats-Msg-Id") != "id-1" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := p.Check(to); err != nil {
		t.Error(err)
	}
	none := maker.NewNats("")
	t.Cleanup(none.Close)
	if err := none.Publish(ctx, to, "id-2", maker.MediaType, nil); err == nil {
		t.Error("there is no server")
	}
	gone := manufacturer.Contact{NATSSubject: "acme.missed", NATSURL: "nats://127.0.0.1:1"}
	if err := none.Publish(ctx, gone, "id-2", maker.MediaType, nil); err == nil {
		t.Error("nobody is there")
	}
}

// A server that refuses the publisher for a while, as when its credentials have expired, is told again once it takes them.
func TestPublishAfterARefusal(t *testing.T) {
	const take, refuse = "password: first", "password: another"
	srv := natstest.NewCluster(t, natstest.ClusterConfig{Servers: 1, Settings: "authorization { user: maker, " + take + " }"}).Servers[0]
	url := strings.Replace(srv.URL, "//", "//maker:first@", 1)
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ACME", Subjects: []string{"acme.>"}}); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	p := maker.NewNats(url, nats.ReconnectWait(50*time.Millisecond))
	t.Cleanup(p.Close)
	to := manufacturer.Contact{NATSSubject: "acme.missed"}
	if err := p.Publish(t.Context(), to, "id-1", maker.MediaType, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	srv.Reconfigure(take, refuse)
	srv.Restart()
	srv.Await("authentication error", 4)
	srv.Stop()
	srv.Reconfigure(refuse, take)
	srv.Restart()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for err = errors.New("not yet"); err != nil && ctx.Err() == nil; {
		once, cancel := context.WithTimeout(ctx, time.Second)
		err = p.Publish(once, to, "id-2", maker.MediaType, []byte(`{}`))
		cancel()
	}
	if err != nil {
		t.Error(err)
	}
}
