package natsstore

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
	"github.com/orderledger/orderledger/domain/eventstore/storetest"
)

func TestContractExternal(t *testing.T) {
	storetest.Run(t, externalHarness(natstest.StartCluster(t, 1), 1))
}

func TestContractCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("a cluster of three servers is for the long run")
	}
	t.Parallel()
	h := externalHarness(natstest.StartCluster(t, 3), 3)
	h.Gap, h.Lacks = nil, map[string]string{"Gap": "three replicas would have to be damaged alike"}
	storetest.Run(t, h)
}

func TestLeaseExternal(t *testing.T) { leaseOn(t, natstest.StartCluster(t, 1), 1) }

func TestLeaseCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("a cluster of three servers is for the long run")
	}
	leaseOn(t, natstest.StartCluster(t, 3), 3)
}

func leaseOn(t *testing.T, servers []*natstest.Server, replicas int) {
	c := ExternalConfig{URL: urls(servers), Ledger: "shop", Replicas: replicas}
	open := func(t *testing.T) eventstore.Leaser {
		s := connectRig(t, c)
		t.Cleanup(func() { mustClose(t, s) })
		return s
	}
	storetest.RunLease(t, open, open)
	if info, err := open(t).(*Store).info(t.Context()); err != nil || info.State.Msgs != 0 {
		t.Errorf("the log holds %d messages, %v", info.State.Msgs, err)
	}
}

// Who deletes a lease's bucket, or empties it, takes no process's ability to agree with the others: the bucket is made anew, and no
// revision of the old one is one of the new one's.
func TestLeaseIsLost(t *testing.T) {
	c := ExternalConfig{URL: urls(natstest.StartCluster(t, 1)), Ledger: "shop", Replicas: 1}
	open := func() *Store {
		s := connectRig(t, c)
		t.Cleanup(func() { mustClose(t, s) })
		return s
	}
	write := func(s *Store, seen uint64, value string) uint64 {
		t.Helper()
		r, err := s.WriteLease(t.Context(), seen, []byte(value))
		if err != nil {
			t.Fatalf("write %s: %v", value, err)
		}
		return r
	}
	a, b := open(), open()
	old := map[uint64]bool{}
	seen := write(a, 0, "a")
	for range 5 {
		seen = write(a, seen, "a")
		old[seen] = true
	}
	if _, err := b.ReadLease(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, lose := range map[string]func() error{
		"deleted": func() error { return a.js.DeleteKeyValue(t.Context(), "shop-lease") },
		"emptied": func() error {
			kv, err := a.js.KeyValue(t.Context(), "shop-lease")
			if err != nil {
				return err
			}
			return kv.Delete(t.Context(), leaseKey)
		},
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*Store{a, b} {
			if r, err := s.ReadLease(t.Context()); err != nil || r.Revision != 0 {
				t.Errorf("%s: read %+v, %v", name, r, err)
			}
		}
		var moved error
		for range 3 { // the first may find no bucket
			if _, moved = a.WriteLease(t.Context(), seen, []byte("late")); !errors.Is(moved, eventstore.ErrUnavailable) {
				break
			}
		}
		if !errors.Is(moved, eventstore.ErrLeaseMoved) {
			t.Errorf("%s: the holder's renewal: %v", name, moved)
		}
		known := old
		old = map[uint64]bool{}
		seen = write(b, 0, "b")
		for range 5 {
			seen = write(b, seen, "b")
			if old[seen] = true; known[seen] {
				t.Errorf("%s: revision %d came again", name, seen)
			}
		}
	}
}

var ledgers atomic.Int64

// externalHarness opens a ledger of its own for each store, all on the same servers.
func externalHarness(servers []*natstest.Server, replicas int) storetest.Harness {
	return storetest.Harness{
		Open: func(t *testing.T) eventstore.Store {
			return connectRig(t, ExternalConfig{
				URL: urls(servers), Ledger: fmt.Sprintf("Shop_%d", ledgers.Add(1)), Replicas: replicas,
			})
		},
		Reopen: func(t *testing.T, s eventstore.Store) eventstore.Store {
			c := externalRigOf(t, s).config
			mustClose(t, s)
			servers[0].Kill() // a cluster goes on without it
			servers[0].Restart()
			return connectRig(t, c)
		},
		LoseAnswer: func(t *testing.T, s eventstore.Store) { externalRigOf(t, s).cut.arm(`"seq":`) },
		FailRead:   func(t *testing.T, s eventstore.Store) { externalRigOf(t, s).cut.arm(headerID) },
		Gap: func(t *testing.T, s eventstore.Store, p eventstore.Position) eventstore.Store {
			c := externalRigOf(t, s).config
			mustClose(t, s)
			servers[0].Stop()
			flipByte(t, servers[0].StoreDir, c.Ledger, eventAt(p))
			servers[0].Restart()
			return connectRig(t, c)
		},
	}
}

func urls(servers []*natstest.Server) string {
	var all []string
	for _, s := range servers {
		all = append(all, s.URL)
	}
	return strings.Join(all, ",")
}

type externalRig struct {
	config ExternalConfig
	cut    *cutter
}

func externalRigOf(t *testing.T, s eventstore.Store) *externalRig {
	t.Helper()
	r, ok := rigs.Load(s)
	if !ok {
		t.Fatal("not a store of these tests")
	}
	return r.(*externalRig)
}

// dial makes a cutter a dialer of the client.
type dial struct{ cut *cutter }

func (d dial) Dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return nil, err
	}
	return cutConn{conn, d.cut}, nil
}

func connectRig(t *testing.T, c ExternalConfig) *Store {
	t.Helper()
	r := &externalRig{config: c, cut: &cutter{}}
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	c.options = append(c.options, nats.SetCustomDialer(dial{r.cut}))
	s, err := Connect(t.Context(), c)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	rigs.Store(s, r)
	return s
}

func testEvent(name string) eventstore.Event {
	return eventstore.Event{
		ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)), Type: "Accepted", Data: []byte(`{"n":"` + name + `"}`), Meta: []byte(`{}`),
	}
}

func TestServerKilledAndRestarted(t *testing.T) {
	srv := natstest.Start(t)
	s := connectRig(t, ExternalConfig{URL: srv.URL, Ledger: "shop"})
	defer mustClose(t, s)
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	var want, got []eventstore.Recorded
	for i := range 30 {
		var restart sync.WaitGroup
		if i%10 == 5 {
			srv.Kill()
			restart.Go(srv.Restart)
		}
		want = append(want, appendPatiently(t, s, "order-1", eventstore.Revision(i-1), testEvent(fmt.Sprint(i))))
		restart.Wait()
		for ctx := soon(t); len(got) < len(want); {
			recs, err := sub.Next(ctx, 10)
			if err != nil {
				t.Fatalf("the subscription did not go on: %v", err)
			}
			got = append(got, recs...)
		}
	}
	for i := range want {
		if got[i].ID != want[i].ID || got[i].Position != want[i].Position {
			t.Fatalf("event %d: %v, want %v", i, got[i], want[i])
		}
	}
}

var soon = storetest.Soon

// appendPatiently appends, as soon as the log is available.
func appendPatiently(t *testing.T, s eventstore.Store, stream string, expected eventstore.Revision, e eventstore.Event) eventstore.Recorded {
	t.Helper()
	r, err := patiently(t, s, stream, expected, e)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return r
}

// patiently repeats an append while the log is unavailable, for a minute.
func patiently(t *testing.T, s eventstore.Store, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	end := time.Now().Add(time.Minute)
	for {
		r, err := s.Append(t.Context(), stream, expected, e)
		if passing := errors.Is(err, eventstore.ErrUnavailable) && !errors.Is(err, eventstore.ErrGap); !passing || time.Now().After(end) {
			return r, err
		}
	}
}

// A server that comes back without events that it had given must not be followed: their places would go to others.
func TestServerThatForgot(t *testing.T) {
	srv := natstest.Start(t)
	s := connectRig(t, ExternalConfig{URL: srv.URL, Ledger: "shop"})
	defer mustClose(t, s)
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	appendPatiently(t, s, "order-1", eventstore.NoStream, testEvent("known"))
	if _, err := sub.Next(soon(t), 1); err != nil {
		t.Fatal(err)
	}

	if err := manager(t, srv.URL).DeleteStream(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	fresh := connectRig(t, ExternalConfig{URL: srv.URL, Ledger: "shop"})
	defer mustClose(t, fresh)
	appendPatiently(t, fresh, "order-1", eventstore.NoStream, testEvent("another"))
	srv.Kill()
	srv.Restart()
	if _, err := sub.Next(soon(t), 1); !errors.Is(err, eventstore.ErrGap) {
		t.Errorf("the subscription: %v, want ErrGap", err)
	}
}

func TestConnectRefusesAnotherStream(t *testing.T) {
	srv := natstest.Start(t)
	js := manager(t, srv.URL)
	c := wanted(layout{ledger: "shop", categories: []string{"order"}}, 1)
	c.DenyPurge, c.MaxAge = false, time.Hour
	if _, err := js.CreateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	_, err := Connect(t.Context(), ExternalConfig{URL: srv.URL, Ledger: "shop"})
	if err == nil {
		t.Fatal("connected")
	}
	for _, named := range []string{"deny_purge", "max_age", "subjects"} {
		if !strings.Contains(err.Error(), named) {
			t.Errorf("%q does not name %s", err, named)
		}
	}
	if strings.Contains(err.Error(), "deny_delete") {
		t.Errorf("%q names deny_delete, which is right", err)
	}
}

// A ledger that must exist is not made.
func TestConnectToWhatMustExist(t *testing.T) {
	c := ExternalConfig{URL: natstest.Start(t).URL, Ledger: "shop", Existing: true, Logger: slog.New(slog.DiscardHandler)}
	for range 2 {
		if _, err := Connect(t.Context(), c); err == nil || !strings.Contains(err.Error(), "there is no ledger shop at "+c.URL) {
			t.Fatalf("error %v", err)
		}
	}
	c.Existing = false
	for range 2 {
		s, err := Connect(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		mustClose(t, s)
		c.Existing = true
	}
}

func TestConnectFails(t *testing.T) {
	_, err := Connect(t.Context(), ExternalConfig{URL: "nats://me:secret@127.0.0.1:1", Ledger: "shop"})
	if !errors.Is(err, eventstore.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v, want ErrUnavailable without the password", err)
	}
}

// A write that is lost is asked again after a second; servers that take longer than that for each are given the time.
func TestLeaseAtSlowServers(t *testing.T) {
	var l lease
	if l.patience() != askSoon {
		t.Errorf("at first %s", l.patience())
	}
	for _, c := range []struct {
		took time.Duration
		err  error
		want time.Duration
	}{
		{askSoon, errNoAnswer, 2 * askSoon},
		{1200 * time.Millisecond, nil, 3600 * time.Millisecond},
		{3600 * time.Millisecond, errNoAnswer, askLong},
		{time.Millisecond, errBehind, askLong}, // says nothing
		{time.Millisecond, nil, askSoon},
	} {
		if l.took(c.took, c.err); l.patience() != c.want {
			t.Errorf("after %s and %v it is patient for %s, want %s", c.took, c.err, l.patience(), c.want)
		}
	}
}

// Whose credentials are refused, as when they have expired, goes on by itself once they are taken again: the client library would give
// up for good after the second refusal.
func TestRefusedCredentialsAreTriedAgain(t *testing.T) {
	srv := natstest.NewCluster(t, natstest.ClusterConfig{
		Servers: 1, SyncInterval: "always", Settings: "authorization { user: ledger, password: first }",
	}).Servers[0]
	s := connectRig(t, ExternalConfig{URL: strings.Replace(srv.URL, "//", "//ledger:first@", 1), Ledger: "shop"})
	defer mustClose(t, s)
	appendPatiently(t, s, "order-1", eventstore.NoStream, testEvent("before"))
	srv.Stop()
	srv.Reconfigure("password: first", "password: another")
	srv.Restart()
	srv.Await("authentication error", 4)
	srv.Stop()
	srv.Reconfigure("password: another", "password: first")
	srv.Restart()
	appendPatiently(t, s, "order-1", 0, testEvent("after"))
}
