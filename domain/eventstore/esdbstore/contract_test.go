package esdbstore_test

import (
	"log/slog"
	"os"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/esdbstore"
	"github.com/orderledger/orderledger/domain/eventstore/storetest"
	"github.com/orderledger/orderledger/test/esdbserver"
)

// realServer names the connection string of a single node of a real server, which these tests then run against.
const realServer = "ORDERLEDGER_TEST_ESDB"

// server is what a test speaks to: the conformance server, or a proxy before a real one.
type server struct {
	url    string
	faults *esdbserver.Faults
	node   *esdbserver.Node // nil: a real one
}

func startServer(t *testing.T) *server {
	t.Helper()
	if url := os.Getenv(realServer); url != "" {
		p := esdbserver.StartProxy(t, url)
		return &server{url: p.URL(), faults: &p.Faults}
	}
	return conformance(t, esdbserver.Options{})
}

func conformance(t *testing.T, o esdbserver.Options) *server {
	n := esdbserver.Start(t, o)
	return &server{url: n.URL(), faults: &n.Faults, node: n}
}

// ledger is a name that no other ledger has, so that many can share a server.
func ledger() string { return "test-" + uuid.NewString() }

// rig is how a store of these tests was opened.
type rig struct {
	config esdbstore.Config
	server *server
}

var rigs sync.Map // *esdbstore.Store → rig

func connect(t *testing.T, r rig) *esdbstore.Store {
	t.Helper()
	if r.config.URL == "" {
		r.config.URL = r.server.url
	}
	if r.config.Ledger == "" {
		r.config.Ledger = ledger()
	}
	r.config.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := esdbstore.Connect(t.Context(), r.config)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	rigs.Store(s, r)
	return s
}

func rigOf(t *testing.T, s eventstore.Store) rig {
	t.Helper()
	r, ok := rigs.Load(s)
	if !ok {
		t.Fatal("not a store of these tests")
	}
	return r.(rig)
}

func mustClose(t *testing.T, s eventstore.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestContract(t *testing.T) {
	storetest.Run(t, harness(startServer(t)))
}

func harness(srv *server) storetest.Harness {
	h := storetest.Harness{
		Open: func(t *testing.T) eventstore.Store { return connect(t, rig{server: srv}) },
		Reopen: func(t *testing.T, s eventstore.Store) eventstore.Store {
			r := rigOf(t, s)
			mustClose(t, s)
			if srv.node != nil {
				srv.node.Stop()
				srv.node.Restart()
			}
			return connect(t, r)
		},
		LoseAnswer: func(*testing.T, eventstore.Store) { srv.faults.LoseAppends(1) },
		FailRead:   func(*testing.T, eventstore.Store) { srv.faults.CutRead(7) },
		Gap: func(t *testing.T, s eventstore.Store, p eventstore.Position) eventstore.Store {
			if !srv.node.Log.Remove(uint64(p)) {
				t.Fatalf("no event at position %d", p)
			}
			return s
		},
		Lacks: map[string]string{
			"AtomicBatches": "the server's protocol, as this client speaks it, appends to one stream at a time",
			"Events":        "the server counts no events of a part of $all",
		},
		MaxEvent: eventstore.MaxEventSize - 2*len("Accepted"), // by default the server counts the type, too
	}
	if srv.node == nil {
		h.Gap = nil
		h.Lacks["Gap"] = "nobody can take a single event out of a real server"
	}
	return h
}
