package stripesim

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// flight is the set of idempotency keys whose first request is being executed.
type flight struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

func (f *flight) enter(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, busy := f.keys[key]; busy {
		return false
	}
	if f.keys == nil {
		f.keys = map[string]struct{}{}
	}
	f.keys[key] = struct{}{}
	return true
}

func (f *flight) leave(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.keys, key)
}

func keyInUse(key string) *apiError {
	return newError(http.StatusConflict, "idempotency_error", "idempotency_key_in_use", "There is currently another in-progress request using "+
		"this Idempotent Key (that probably means you submitted twice, and the other request is still going through): "+key+". Please try again later.")
}

func idempotencyError(message string) *apiError {
	return newError(http.StatusBadRequest, "idempotency_error", "", message)
}

// fingerprint is the same for the same parameters in any order.
func (c *call) fingerprint() []byte {
	sum := sha256.Sum256([]byte(c.params.values.Encode()))
	return sum[:]
}

// replay looks for an answer kept under the call's key. A kept key with another path or other parameters is an error. What was
// kept more than 24 hours ago is gone, and the key is new again.
func (c *call) replay() (a answer, found bool, err error) {
	if c.key == "" {
		return answer{}, false, nil
	}
	var path string
	var fingerprint []byte
	found, err = c.db.get(c.ctx, `SELECT path, fingerprint, request_id, status, body FROM answers WHERE key = ? AND at > ?`,
		[]any{c.key, c.horizon()}, &path, &fingerprint, &a.original, &a.status, &a.body)
	switch {
	case err != nil || !found:
		return answer{}, false, err
	case path != c.path:
		return answer{}, false, idempotencyError(fmt.Sprintf("Keys for idempotent requests can only be used for the same endpoint they were "+
			"first used for ('%s' vs '%s'). Try using a key other than '%s' if you meant to execute a different request.", c.path, path, c.key))
	case string(fingerprint) != string(c.fingerprint()):
		return answer{}, false, idempotencyError(fmt.Sprintf("Keys for idempotent requests can only be used with the same parameters they were "+
			"first used with. Try using a key other than '%s' if you meant to execute a different request.", c.key))
	}
	return a, true, nil
}

// keep stores the answer under the call's key, and drops a few that are too old, so that the file stays bounded.
func (c *call) keep(a answer) error {
	if c.key == "" {
		return nil
	}
	if err := c.db.exec(c.ctx, `DELETE FROM answers WHERE seq < (SELECT min(seq) + 3 FROM answers) AND at <= ?`, c.horizon()); err != nil {
		return err
	}
	return c.db.exec(c.ctx, `INSERT OR REPLACE INTO answers (key, at, path, fingerprint, request_id, status, body) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		c.key, c.now.UnixMicro(), c.path, c.fingerprint(), c.requestID, a.status, a.body)
}

// horizon is the instant at and before which kept answers are gone.
func (c *call) horizon() int64 { return c.now.Add(-keysKeptFor).Truncate(time.Microsecond).UnixMicro() }
