package natsstore

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orderledger/orderledger/domain/eventstore"
)

func TestLayout(t *testing.T) {
	l, err := newLayout("Shop-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	for stream, subject := range map[string]string{
		"order-6ba7b810-9dad-11d1-80b4-00c04fd430c8": "Shop-1.order.6ba7b810-9dad-11d1-80b4-00c04fd430c8",
		"notice-a_b--": "Shop-1.notice.a_b--",
	} {
		got, err := l.subject(stream)
		if err != nil || got != subject {
			t.Errorf("subject(%s) = %s, %v; want %s", stream, got, err, subject)
		}
		back, err := l.stream(subject)
		if err != nil || back != stream {
			t.Errorf("stream(%s) = %s, %v; want %s", subject, back, err, stream)
		}
	}
	for _, stream := range []string{"public-x", "cmd-x", "unknown-x", "order", "order-a.b"} {
		if got, err := l.subject(stream); !errors.Is(err, eventstore.ErrBadStream) {
			t.Errorf("subject(%s) = %s, %v; want ErrBadStream", stream, got, err)
		}
	}
	for _, subject := range l.subjects() {
		if strings.HasPrefix(subject, "Shop-1.public.") || !strings.HasPrefix(subject, "Shop-1.") {
			t.Errorf("the log catches %s", subject)
		}
	}
}

func TestBadLayouts(t *testing.T) {
	for _, ledger := range []string{"", "a.b", "a b", "*", ">", "ä", strings.Repeat("x", 129)} {
		if _, err := newLayout(ledger, nil); err == nil {
			t.Errorf("the ledger %q was taken", ledger)
		}
	}
	for _, category := range []string{"", "a-b", "a.b", "*", "public", "cmd"} {
		if _, err := newLayout("shop", []string{"order", category}); err == nil {
			t.Errorf("the category %q was taken", category)
		}
	}
}

func TestStreamSequence(t *testing.T) {
	for reply, want := range map[string]uint64{
		"$JS.ACK.shop.consumer.1.42.7.1700000000.0":               42,
		"$JS.ACK.domain.hash.shop.consumer.1.42.7.1700000000.0":   42,
		"$JS.ACK._.hash.shop.consumer.1.42.7.1700000000.0.random": 42,
		"$JS.ACK.shop.consumer.1.x2.7.1700000000.0":               0,
		"$JS.ACK.shop": 0,
		"":             0,
	} {
		if got, ok := streamSequence(reply); got != want && (ok || want > 0) {
			t.Errorf("%q: %d, %v; want %d", reply, got, ok, want)
		}
	}
}

// A client in the log's own account can write to the ledger's subjects. What it writes is no event, and no reader passes over it.
func TestForeignMessageStops(t *testing.T) {
	s := openRig(t, EmbeddedConfig{Dir: t.TempDir(), Ledger: "shop"})
	t.Cleanup(func() { mustClose(t, s) })
	appendPatiently(t, s, "order-1", eventstore.NoStream, testEvent("known"))
	nc, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.Publish("shop.public.Placed", []byte("{}")); err != nil { // not the log's
		t.Fatal(err)
	}
	if _, err := nc.Request("shop.order.2", []byte("{}"), patience); err != nil {
		t.Fatal(err)
	}
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	var recs []eventstore.Recorded
	for ctx := soon(t); err == nil; {
		var more []eventstore.Recorded
		more, err = sub.Next(ctx, 10)
		recs = append(recs, more...)
	}
	if len(recs) != 1 || !errors.Is(err, errForeign) || !strings.Contains(err.Error(), "position 2") {
		t.Errorf("%d events, %v; want one, and position 2 named", len(recs), err)
	}
	for _, err := range s.ReadStream(t.Context(), "order-2", eventstore.NoStream) {
		if !errors.Is(err, errForeign) {
			t.Errorf("read: %v", err)
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]EmbeddedConfig{
		"no folder":      {Ledger: "shop"},
		"no ledger":      {Dir: dir},
		"bad durability": {Dir: dir, Ledger: "shop", Durability: "eventually"},
		"bad address":    {Dir: dir, Ledger: "shop", NATSListen: "nowhere"},
		"nobody admits":  {Dir: dir, Ledger: "shop", NATSListen: "127.0.0.1:0"},
	} {
		if s, err := OpenEmbedded(t.Context(), c); err == nil {
			t.Errorf("%s: opened", name)
			mustClose(t, s)
		}
	}
	for name, c := range map[string]ExternalConfig{
		"no URL":          {Ledger: "shop"},
		"no ledger":       {URL: "nats://127.0.0.1:4222"},
		"bad URL":         {URL: "127.0.0.1", Ledger: "shop"},
		"two credentials": {URL: "nats://127.0.0.1:4222", Ledger: "shop", Security: Security{CredentialsFile: "a", NKeyFile: "b"}},
		"half a pair":     {URL: "nats://127.0.0.1:4222", Ledger: "shop", Security: Security{CertFile: "a"}},
		"no credentials":  {URL: "nats://127.0.0.1:4222", Ledger: "shop", Security: Security{CredentialsFile: filepath.Join(dir, "none")}},
		"no seed":         {URL: "nats://127.0.0.1:4222", Ledger: "shop", Security: Security{NKeyFile: filepath.Join(dir, "none")}},
		"nine replicas":   {URL: "nats://127.0.0.1:4222", Ledger: "shop", Replicas: 9},
	} {
		if s, err := Connect(t.Context(), c); err == nil {
			t.Errorf("%s: connected", name)
			mustClose(t, s)
		}
	}
}

// What keeps the server from starting is said at once: it would be waited for in vain for two minutes.
func TestServerThatCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }() // nobody came
	c := EmbeddedConfig{
		Dir: t.TempDir(), Ledger: "shop", NATSListen: taken.Addr().String(), Logger: slog.New(slog.DiscardHandler),
		Admit: func(context.Context, net.Addr, string) (Guest, error) { return Guest{}, errors.New("a stranger") },
	}
	start := time.Now()
	_, err = OpenEmbedded(t.Context(), c)
	if !errors.Is(err, ErrListen) || !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), c.NATSListen) {
		t.Errorf("an address that is taken: %v", err)
	}
	c.NATSListen = ""
	if err := os.WriteFile(filepath.Join(c.Dir, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenEmbedded(t.Context(), c); err == nil || !strings.Contains(err.Error(), "JetStream") || !strings.Contains(err.Error(), c.Dir) {
		t.Errorf("a file where the server wants a folder: %v", err)
	}
	if waited := time.Since(start); waited > startPatience/2 {
		t.Errorf("that was known after %s", waited)
	}
}
