package stripesim

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Request is an API request as a fault hook sees it, before anything is executed.
type Request struct {
	Method, Path   string
	IdempotencyKey string
	PaymentIntent  string // named in the path or the parameters, else empty
}

// Kind is what goes wrong.
type Kind int

// The kinds of fault. "After" means that the request was executed and its answer lost.
const (
	None         Kind = iota
	DropBefore        // the connection is cut, nothing was executed
	DropAfter         // the connection is cut, everything was executed
	ErrorBefore       // 500, nothing was executed or kept under the key
	ErrorAfter        // 500, everything was executed; as at Stripe the 500 is what is kept under the key
	RateLimited       // 429, nothing was executed
	Truncated         // 200 with a body that ends in the middle, everything was executed
	Garbled           // 200 with a web page for a body, everything was executed
	Unauthorized      // 401 as for a key that was rolled, nothing was executed
	Forbidden         // 403 as for a restricted key that may not do this, nothing was executed
	KeyInUse          // 409 as while the same idempotency key is being executed, nothing was executed
)

// Fault is what happens to one request. The zero value is none.
type Fault struct {
	Kind Kind
	// RetryAfter, when not zero, is what RateLimited tells the client to wait, in whole seconds.
	RetryAfter time.Duration
	// Hold, when not nil, keeps the request back until the channel is closed (or the simulator is), before anything is
	// executed; its idempotency key counts as in use meanwhile, and it is executed when released even if the client has hung up.
	// HoldAnswer keeps the answer back when everything was executed; the same key is answered from what was kept.
	Hold, HoldAnswer <-chan struct{}
}

// Fail asks hook about every API request from now on; nil ends it. The hook may be called from many goroutines.
func (s *Sim) Fail(hook func(Request) Fault) {
	if hook == nil {
		s.fault.Store(nil)
		return
	}
	s.fault.Store(&hook)
}

// FailTimes makes a hook that gives fault to the first n requests that match, and none to the others.
func FailTimes(n int, match func(Request) bool, fault Fault) func(Request) Fault {
	var mu sync.Mutex
	return func(r Request) Fault {
		if !match(r) {
			return Fault{}
		}
		mu.Lock()
		defer mu.Unlock()
		if n <= 0 {
			return Fault{}
		}
		n--
		return fault
	}
}

func (s *Sim) faultFor(r Request) Fault {
	if hook := s.fault.Load(); hook != nil {
		return (*hook)(r)
	}
	return Fault{}
}

// wait returns true when released, false when the simulator ended before. A nil channel doesn't wait.
func (s *Sim) wait(until <-chan struct{}) bool {
	if until == nil {
		return true
	}
	select {
	case <-until:
		return true
	case <-s.closed:
		return false
	}
}

// cut ends the connection without an answer.
func cut() { panic(http.ErrAbortHandler) }

func serverError() *apiError {
	return newError(http.StatusInternalServerError, "api_error", "", "An unknown error occurred")
}

// executesNothing says that the request comes to nothing but what before says.
func (f Fault) executesNothing() bool {
	switch f.Kind {
	case DropBefore, ErrorBefore, RateLimited, Unauthorized, Forbidden, KeyInUse:
		return true
	}
	return false
}

// before is the answer of a fault that lets nothing be executed; nil for none, and where the connection is cut.
func (f Fault) before(key string) error {
	switch f.Kind {
	case ErrorBefore:
		return serverError()
	case RateLimited:
		e := newError(http.StatusTooManyRequests, "invalid_request_error", "rate_limit",
			"Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.")
		if f.RetryAfter > 0 {
			e.retryAfter = strconv.FormatInt(int64(f.RetryAfter/time.Second), 10)
		}
		return e
	case Unauthorized:
		return newError(http.StatusUnauthorized, "invalid_request_error", "api_key_expired", "Expired API Key provided: sk_test_****")
	case Forbidden:
		return newError(http.StatusForbidden, "invalid_request_error", "", "The provided key 'rk_test_****' does not have the required "+
			"permissions for this endpoint on account '"+accountID+"'.")
	case KeyInUse:
		return keyInUse(key)
	}
	return nil
}
