package stripesim

import (
	"bufio"
	"fmt"
	"io"
	"sync"
)

// WithRand replaces crypto/rand as the source of everything random: ids, secrets, receipts. With it, with WithClock, and with
// requests that come one after another, a simulator answers the same bytes and keeps the same journal and events every time. The
// reader must never fail, and is nobody else's from now on.
func WithRand(source io.Reader) Option {
	return func(s *Sim) { s.ids.source = bufio.NewReader(source) }
}

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// ids makes random ids, for many goroutines.
type ids struct {
	mu     sync.Mutex
	source *bufio.Reader
}

// next gives n random letters and digits, at most 32.
func (g *ids) next(n int) string {
	var b [32]byte
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := io.ReadFull(g.source, b[:n]); err != nil {
		panic(fmt.Sprintf("stripesim: the source of random ids failed: %v", err))
	}
	for i := range n {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b[:n])
}

// objectID gives the id of a new object: its prefix, nine letters and digits that say when, and fourteen random ones. Like
// Stripe's, later ids are greater, so that indexes grow at their end: SQLite takes time for the whole of a database in memory
// whenever an index grows in its middle.
func (c *call) objectID(prefix string) string {
	c.sim.stamp = max(c.sim.stamp+1, c.now.UnixMicro())
	var when [9]byte
	for i, rest := len(when)-1, c.sim.stamp; i >= 0; i, rest = i-1, rest/int64(len(alphabet)) {
		when[i] = alphabet[rest%int64(len(alphabet))]
	}
	return prefix + string(when[:]) + c.newID(14)
}

func (c *call) newID(n int) string { return c.sim.ids.next(n) }
