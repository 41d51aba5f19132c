package natsstore

import (
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// errLost says that a request was sent and its answer may never come: it may have been done or not.
var errLost = errors.New("the connection was lost before the answer")

// replies routes the answers of all requests through one subscription. Compared with the client's own request method it
// takes several answers to one request, needs no goroutine and no wake-up for each, and tells of a lost connection at once.
type replies struct {
	nc     *nats.Conn
	sub    *nats.Subscription
	prefix string // of the reply subjects, with its dot

	mu      sync.Mutex
	next    uint64
	waiting map[string]*reply
}

// reply is one who waits for answers.
type reply struct {
	mu   sync.Mutex
	take func(*nats.Msg, error) bool // nil when it wants no more
}

// cancel ends the wait and says whether it had not ended.
func (r *reply) cancel() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	waited := r.take != nil
	r.take = nil
	return waited
}

// give hands an answer over and says whether it was the last.
func (r *reply) give(msg *nats.Msg, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.take != nil && r.take(msg, err) {
		r.take = nil
	}
	return r.take == nil
}

func newReplies(nc *nats.Conn) (*replies, error) {
	r := &replies{nc: nc, prefix: nc.NewInbox() + ".", waiting: map[string]*reply{}}
	sub, err := nc.Subscribe(r.prefix+"*", r.route)
	if err != nil {
		return nil, err
	}
	// What is pending is bounded by those who ask: each has one answer, or one page of events, on the way.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	r.sub = sub
	return r, nil
}

// send publishes a message that wants answers. Each is given to take, until it returns true; take gets errLost when the
// connection is lost. It must not block. forget ends the wait early, and says whether it did: take is not called after it.
func (r *replies) send(msg *nats.Msg, take func(*nats.Msg, error) bool) (forget func() bool, err error) {
	to := &reply{take: take}
	r.mu.Lock()
	r.next++
	token := strconv.FormatUint(r.next, 36)
	r.waiting[token] = to
	r.mu.Unlock()
	msg.Reply = r.prefix + token
	forget = func() bool {
		r.forget(token)
		return to.cancel()
	}
	if err := r.nc.PublishMsg(msg); err != nil && forget() {
		return nil, err
	}
	return forget, nil
}

func (r *replies) forget(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, token)
}

func (r *replies) route(msg *nats.Msg) {
	token := strings.TrimPrefix(msg.Subject, r.prefix)
	r.mu.Lock()
	to := r.waiting[token]
	r.mu.Unlock()
	if to != nil && to.give(msg, nil) {
		r.forget(token)
	}
}

// lose tells everybody who waits that the connection is lost.
func (r *replies) lose() {
	r.mu.Lock()
	lost := r.waiting
	r.waiting = map[string]*reply{}
	r.mu.Unlock()
	for _, to := range lost {
		to.give(nil, errLost)
	}
}
