// Package loopback finds addresses for tests' servers that must be told where to listen, and listen there again after a restart.
package loopback

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports are of a range that systems do not give to outgoing connections, nor to who listens on any: between the look and the server's
// start somebody else would have taken one of those.
const (
	firstPort = 10_000
	lastPort  = 32_000
)

// Free is an address that nobody listens on.
func Free(t testing.TB) string {
	t.Helper()
	return FreeMany(t, 1)[0]
}

// FreeMany is several of them.
func FreeMany(t testing.TB, n int) []string {
	t.Helper()
	free := make([]string, 0, n)
	for tries := 0; len(free) < n; tries++ {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort))
		l, err := net.Listen("tcp", address)
		if err != nil && tries > 100 {
			t.Fatal(err)
		}
		if err != nil {
			continue
		}
		defer l.Close()
		free = append(free, address)
	}
	return free
}
