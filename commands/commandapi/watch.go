package commandapi

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orderledger/orderledger/commands/access"
)

// lookAgain is how often it is looked whether who still reads an answer may: another process may have shown them out.
const lookAgain = 5 * time.Second

// Watch shows out who reads an answer that goes on and may not any more: the token was revoked, or the session has ended. Safe for many
// goroutines.
type Watch struct {
	mu     sync.Mutex
	visits map[*visit]struct{}
}

// NewWatch returns one that watches nobody yet.
func NewWatch() *Watch { return &Watch{visits: map[*visit]struct{}{}} }

// Look looks at everybody now. It does not wait for what comes of it.
func (o *Watch) Look() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for v := range o.visits {
		v.next.Reset(0)
	}
}

// visit is one request that is being answered.
type visit struct {
	still func() bool
	leave context.CancelFunc
	next  *time.Timer
	over  atomic.Bool // it is answered
	out   atomic.Bool // who asked was shown out
}

func (v *visit) look() {
	switch {
	case v.over.Load():
	case v.still():
		v.next.Reset(lookAgain)
	default:
		v.out.Store(true)
		v.leave()
	}
}

// serve answers a request, and cuts the answer off when who asked is shown out: nobody may take a part of it for the whole.
func (o *Watch) serve(a Auth, w http.ResponseWriter, r *http.Request, next http.Handler) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	asked := r.Clone(r.Context()) // what comes next may change its own
	v := &visit{leave: cancel, still: func() bool {
		_, err := a.actor(asked)
		return !errors.Is(err, access.ErrUnauthenticated) // that the log can't be read is no verdict
	}}
	v.next = time.AfterFunc(time.Hour, v.look)
	v.next.Reset(lookAgain) // look, which sets it anew, comes after it is there
	o.mu.Lock()
	o.visits[v] = struct{}{}
	o.mu.Unlock()
	defer func() {
		v.over.Store(true)
		v.next.Stop()
		o.mu.Lock()
		delete(o.visits, v)
		o.mu.Unlock()
	}()
	next.ServeHTTP(w, r.WithContext(ctx))
	if v.out.Load() {
		panic(http.ErrAbortHandler)
	}
}
