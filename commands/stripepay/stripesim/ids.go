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

func (c *call) newID(n int) string { return c.sim.ids.next(n) }
