package access

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// CacheTTL is for how long a token is taken to be what the log said: a revocation by another process takes that long.
const CacheTTL = 5 * time.Second

// cacheSize bounds how many tokens are remembered.
const cacheSize = 4096

type cached struct {
	token token
	until time.Time
}

type cache struct {
	mu     sync.Mutex
	tokens *lru.Cache[string, cached]
}

func newCache() *cache {
	tokens, err := lru.New[string, cached](cacheSize)
	if err != nil {
		panic(err) // the size is a constant above zero
	}
	return &cache{tokens: tokens}
}

func (c *cache) get(id string, now time.Time) (token, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.tokens.Get(id)
	if !ok || !now.Before(k.until) {
		return token{}, false
	}
	return k.token, true
}

// put remembers a token as it was read just now and returns the newest that is known: who read the log before a revocation
// and comes here after it must not bring the token back to life.
func (c *cache) put(id string, k token, now time.Time) token {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.tokens.Get(id); ok && known.token.revision > k.revision {
		return known.token
	}
	c.tokens.Add(id, cached{token: k, until: now.Add(CacheTTL)})
	return k
}
