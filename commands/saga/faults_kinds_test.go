package saga_test

import (
	"net/http"
	"time"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
)

// fault is a way in which Stripe fails.
type fault struct {
	name string
	// does makes what happens to one request.
	does func() stripesim.Fault
	// all is how long nobody's requests are sent after it; 0 when the fault is one request's alone. It costs no attempt.
	all time.Duration
	// keeps says that the answer is kept under the request's key.
	keeps bool
	// key says that the key is refused: nothing is sent but one reading request after another, until one is answered.
	key bool
}

const (
	lasts    = time.Hour        // a fault that doesn't happen just once
	patience = 30 * time.Second // the client's
	tooSlow  = 2 * time.Minute
	askAgain = 3 * time.Minute // what Stripe says with 429
	probe    = 5 * time.Second // the client's first wait for a key that was refused
	probes   = 2 * time.Minute // and its longest
)

var everyFault = []fault{
	{name: "cut before it was executed", does: fails(stripesim.DropBefore)},
	{name: "cut after it was executed", does: fails(stripesim.DropAfter)},
	{name: "500 before it was executed", does: fails(stripesim.ErrorBefore)},
	{name: "500 after it was executed", does: fails(stripesim.ErrorAfter), keeps: true},
	{name: "executed later than anybody waits", does: slow(func(f *stripesim.Fault, c <-chan struct{}) { f.Hold = c })},
	{name: "answered later than anybody waits", does: slow(func(f *stripesim.Fault, c <-chan struct{}) { f.HoldAnswer = c })},
	{name: "truncated", does: fails(stripesim.Truncated)},
	{name: "garbled", does: fails(stripesim.Garbled)},
	{name: "409 key in use", does: fails(stripesim.KeyInUse)},
	{
		name: "429", all: askAgain,
		does: func() stripesim.Fault { return stripesim.Fault{Kind: stripesim.RateLimited, RetryAfter: askAgain} },
	},
	{name: "401", does: fails(stripesim.Unauthorized), all: probe, key: true},
	{name: "403", does: fails(stripesim.Forbidden), all: probe, key: true},
}

func fails(kind stripesim.Kind) func() stripesim.Fault {
	return func() stripesim.Fault { return stripesim.Fault{Kind: kind} }
}

func slow(set func(*stripesim.Fault, <-chan struct{})) func() stripesim.Fault {
	return func() (f stripesim.Fault) {
		release := make(chan struct{})
		time.AfterFunc(tooSlow, func() { close(release) })
		set(&f, release)
		return f
	}
}

// onePage makes the pages of what belongs to one payment so short that a few objects need several.
type onePage struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p onePage) RoundTrip(r *http.Request) (*http.Response, error) {
	if q := r.URL.Query(); q.Has("limit") && q.Has("payment_intent") {
		q.Set("limit", "1")
		r = r.Clone(r.Context())
		r.URL.RawQuery = q.Encode()
	}
	return p.next.RoundTrip(r)
}
