package commandapi

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/orderledger/orderledger/commands/access"
)

// How often an address may send tokens that were not found good before. Each costs a look at the log.
const (
	triesPerSecond = 20
	triesAtOnce    = 200
	knownTokens    = 4096
)

// Strangers tells those whose token is known to be good from those whose isn't, and keeps the others from trying one after the other. Who
// is known is not held up by what else comes from the same address, such as a proxy's. Safe for many goroutines.
type Strangers struct {
	known *lru.Cache[[sha256.Size]byte, struct{}]
	tries *pace
}

// NewStrangers returns one to whom everybody is a stranger.
func NewStrangers() *Strangers {
	known, err := lru.New[[sha256.Size]byte, struct{}](knownTokens)
	if err != nil {
		panic(err) // the size is a constant above zero
	}
	return &Strangers{known, newPace(triesPerSecond, triesAtOnce)}
}

func (s *Strangers) mayTry(r *http.Request) bool {
	credentials := r.Header.Get("Authorization")
	if s == nil || credentials == "" || s.known.Contains(sha256.Sum256([]byte(credentials))) {
		return true
	}
	return s.tries.of(Address(r.RemoteAddr)).Allow()
}

// tried keeps what came of it.
func (s *Strangers) tried(r *http.Request, err error) {
	credentials := r.Header.Get("Authorization")
	switch {
	case s == nil || credentials == "":
	case err == nil:
		s.known.Add(sha256.Sum256([]byte(credentials)), struct{}{})
	case errors.Is(err, access.ErrUnauthenticated):
		s.known.Remove(sha256.Sum256([]byte(credentials)))
	}
}

func tooManyTries() *Problem {
	p := New(http.StatusTooManyRequests, CodeRateLimited,
		"Too many tokens that nobody knows were sent from your address. Send a valid one: wait, then send the same request again.")
	p.RetryAfter = time.Second
	return p
}
