package natsstore

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/storetest"
)

func TestContractGroup(t *testing.T)  { storetest.Run(t, embeddedHarness(eventstore.Group)) }
func TestContractStrict(t *testing.T) { storetest.Run(t, embeddedHarness(eventstore.Strict)) }

func TestLeaseEmbedded(t *testing.T) {
	storetest.RunLease(t, func(t *testing.T) eventstore.Leaser {
		s := openRig(t, EmbeddedConfig{Dir: t.TempDir(), Ledger: "Shop_1"})
		t.Cleanup(func() { mustClose(t, s) })
		return s
	}, nil)
}

// rigs holds what the tests know about the stores that they opened.
var rigs sync.Map // of *Store to *rig

type rig struct {
	config EmbeddedConfig
	cut    *cutter
}

func rigOf(t *testing.T, s eventstore.Store) *rig {
	t.Helper()
	r, ok := rigs.Load(s)
	if !ok {
		t.Fatal("not a store of these tests")
	}
	return r.(*rig)
}

func embeddedHarness(d eventstore.Durability) storetest.Harness {
	return storetest.Harness{
		Open: func(t *testing.T) eventstore.Store {
			return openRig(t, EmbeddedConfig{Dir: t.TempDir(), Ledger: "Shop_1", Durability: d})
		},
		Reopen: func(t *testing.T, s eventstore.Store) eventstore.Store {
			c := rigOf(t, s).config
			mustClose(t, s)
			return openRig(t, c)
		},
		LoseAnswer: func(t *testing.T, s eventstore.Store) { rigOf(t, s).cut.arm(`"seq":`) },
		FailRead:   func(t *testing.T, s eventstore.Store) { rigOf(t, s).cut.arm(headerID) },
		Gap: func(t *testing.T, s eventstore.Store, p eventstore.Position) eventstore.Store {
			c := rigOf(t, s).config
			mustClose(t, s)
			flipByte(t, c.Dir, c.Ledger, eventAt(p))
			return openRig(t, c)
		},
	}
}

func openRig(t *testing.T, c EmbeddedConfig) *Store {
	t.Helper()
	r := &rig{config: c, cut: &cutter{}}
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	c.provider = func(p nats.InProcessConnProvider) nats.InProcessConnProvider {
		r.cut.below = p
		return r.cut
	}
	s, err := OpenEmbedded(t.Context(), c)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	rigs.Store(s, r)
	return s
}

func mustClose(t *testing.T, s eventstore.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// cutter breaks the connection at the first bytes from the server that hold an armed text, which never arrive.
type cutter struct {
	below nats.InProcessConnProvider
	mu    sync.Mutex
	armed []byte
	codes map[string]int // errors that the server answered
	then  func()         // called when it has struck
	edit  func(b []byte) // what is read, in place
	write func(b []byte) []byte
}

func (c *cutter) arm(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = []byte(text)
}

// strikes says whether these bytes are the ones, once.
func (c *cutter) strikes(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed == nil || !bytes.Contains(b, c.armed) {
		return false
	}
	c.armed = nil
	if c.then != nil {
		c.then()
	}
	return true
}

// onStrike has something done when it strikes.
func (c *cutter) onStrike(then func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.then = then
}

// onRead has what is read changed; nil leaves it.
func (c *cutter) onRead(edit func(b []byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.edit = edit
}

// onWrite has what is written changed.
func (c *cutter) onWrite(edit func(b []byte) []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write = edit
}

func (c *cutter) rewrite(b []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.write == nil {
		return b
	}
	return c.write(b)
}

func (c *cutter) change(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.edit != nil {
		c.edit(b)
	}
}

// answered is how often the server answered with an error code, as far as it came in one piece.
func (c *cutter) answered(code string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.codes[code]
}

func (c *cutter) count(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range errCode.FindAllSubmatch(b, -1) {
		if c.codes == nil {
			c.codes = map[string]int{}
		}
		c.codes[string(m[1])]++
	}
}

var errCode = regexp.MustCompile(`"err_code":(\d+)`)

func (c *cutter) InProcessConn() (net.Conn, error) {
	conn, err := c.below.InProcessConn()
	return cutConn{conn, c}, err
}

type cutConn struct {
	net.Conn
	cut *cutter
}

func (c cutConn) Write(b []byte) (int, error) {
	if _, err := c.Conn.Write(c.cut.rewrite(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.cut.change(b[:n])
	c.cut.count(b[:n])
	if c.cut.strikes(b[:n]) {
		return 0, c.Conn.Close()
	}
	return n, err
}

// eventAt is the text in a block file that only the contract suite's event at a position of the stream order-a has.
func eventAt(p eventstore.Position) []byte {
	return []byte(`{"name":"order-a/` + string(rune('0'+p-1)) + `"}`)
}

// flipByte damages one bit of a text in the log's files.
func flipByte(t *testing.T, storeDir, ledger string, text []byte) {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(storeDir, "jetstream", "*", "streams", ledger, "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("no block files: %v", err)
	}
	for _, block := range blocks {
		b, err := os.ReadFile(block)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(b, text); at >= 0 {
			b[at+3] ^= 1
			if err := os.WriteFile(block, b, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%q is in no block file", text)
}

// A tool that opens a stopped log keeps, and tells, the durability that it was last served with.
func TestDurabilityLastServedWith(t *testing.T) {
	c := EmbeddedConfig{Dir: t.TempDir(), Ledger: "Shop_1"}
	want := func(asked, in eventstore.Durability) {
		t.Helper()
		c.Durability = asked
		s := openRig(t, c)
		status, err := s.Status(t.Context())
		if err != nil || status.Durability != in {
			t.Errorf("opened with %q: %q, want %q; %v", asked, status.Durability, in, err)
		}
		mustClose(t, s)
	}
	want("", eventstore.Group)
	want(eventstore.Strict, eventstore.Strict)
	want("", eventstore.Strict)
	want("", eventstore.Strict)
	if run, closeDir, err := openBarrier(c.Dir); err != nil {
		t.Fatal(err)
	} else if run != nil { // otherwise group falls back to strict
		_ = closeDir()
		want(eventstore.Group, eventstore.Group)
		want("", eventstore.Group)
	}
}
