package natsstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// In a cluster any server may be behind, and may not know it. A follower is; so is a leader that was cut off from the others,
// for up to twenty seconds, while these have chosen another and go on. It can't acknowledge an append, so nothing is ever
// lost or doubled by asking it; but what it says of the end of a stream, or of the log, is old. So nothing is called a gap, and
// no writer is told that he expects too much, before a leader has said it that stays in touch with most of its followers.

// errBehind says that a server does not have, or may not have, what the log holds.
var errBehind = fmt.Errorf("%w: the server that answers is behind the others, or cut off from them", eventstore.ErrUnavailable)

// errNoAnswer says that a question was not answered in its time, as when there is no leader, or it is cut off.
var errNoAnswer = fmt.Errorf("%w: no server answers in time", eventstore.ErrUnavailable)

// errStray is errNoAnswer to a direct get, which any server may be handed.
var errStray = fmt.Errorf("%w to a direct get", errNoAnswer)

const (
	// inTouch is how long ago a leader must have heard of a follower. Followers choose another leader only after they have
	// not heard of the present one for four seconds.
	inTouch = 3 * time.Second
	// steady is how long a leader must stay in touch before it is believed that something is not there: followers answer it
	// every second, and the first that has another leader by then ends it.
	steady = 2 * time.Second
	// A short question has askSoon, so that soon after a leader is chosen it is asked; unless there has been no answer for
	// patience: then the servers may be slow, and it has askLong. What waits for disks has askPatience.
	askSoon = time.Second
	askLong = 4 * time.Second
	// moveOn is how long a server may answer nothing, or that there is no leader, before another one is tried. Choosing a
	// new leader takes up to nine seconds, and trying another server then does no harm.
	moveOn = 5 * time.Second
)

// contact remembers since when the server that the store is connected to has been of no use.
type contact struct {
	mu      sync.Mutex
	useless time.Time // zero: it is of use
	moved   time.Time // when another server was last tried
}

// since is how long the server has been of no use.
func (c *contact) since() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.useless.IsZero() {
		return 0
	}
	return time.Since(c.useless)
}

// note notes how an exchange ended, and says whether it is time to try another server.
func (c *contact) note(err error) (move bool) {
	none := errors.Is(err, errNoAnswer) || errors.Is(err, errBehind) || errors.Is(err, nats.ErrNoResponders) || code(err) == codeUnavailable
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !none:
		c.useless, c.moved = time.Time{}, time.Time{}
	case c.useless.IsZero():
		c.useless = time.Now()
	case time.Since(c.useless) > moveOn && time.Since(c.moved) > moveOn:
		c.moved = time.Now()
		return true
	}
	return false
}

// heard is told how exchanges of one kind end, and moves to another server when this one seems to be cut off.
func (s *Store) heard(c *contact, err error) {
	if c.note(err) && len(s.nc.Servers()) > 1 && s.nc.IsConnected() {
		s.log.Warn("the NATS server is of no use now; another one is tried", "server", s.nc.ConnectedUrlRedacted(), "error", err)
		if err := s.nc.ForceReconnect(); err != nil {
			s.log.Warn("nats", "error", err)
		}
	}
}

// once gives one question to an external server its own time, so that there is some left to repeat it: whoever was asked may
// have died, and the question with it.
func once[T any](ctx context.Context, s *Store, ask func(context.Context) (T, error)) (T, error) {
	limit := askSoon
	if s.asking.since() > patience {
		limit = askLong
	}
	return onceOf(ctx, s, &s.asking, limit, ask)
}

// onceOf is once for exchanges of a kind: a leader that was cut off still answers questions, and acknowledges nothing.
func onceOf[T any](ctx context.Context, s *Store, c *contact, limit time.Duration, exchange func(context.Context) (T, error)) (T, error) {
	if !s.external {
		return exchange(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v, err := exchange(limited)
	if ctx.Err() != nil {
		return v, err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errNoAnswer
	}
	s.heard(c, err)
	return v, err
}

// info asks about the ledger's stream. Only a leader's answer counts that is in touch with most of the stream's servers: so
// the log is not shorter than it says. Embedded, the only server is the leader.
func (s *Store) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	return once(ctx, s, func(ctx context.Context) (*jetstream.StreamInfo, error) {
		info, err := s.stream.Info(ctx)
		if err == nil && !leads(info.Cluster) {
			return nil, errBehind
		}
		return info, err
	})
}

// steadyLeader returns when one leader was in touch with its followers at two looks that are steady apart; an error leaves it open. One
// look is not enough: when a network is whole again, answers that were under way arrive, and let a leader that was cut off seem in
// touch for the moment until it hears of the other one. A server that is alone needs no second look.
func (s *Store) steadyLeader(ctx context.Context) error {
	first, err := s.info(ctx)
	if err != nil || first.Cluster == nil || len(first.Cluster.Replicas) == 0 {
		return err
	}
	wait := time.NewTimer(steady)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	second, err := s.info(ctx)
	if err == nil && (second.Cluster == nil || second.Cluster.Leader != first.Cluster.Leader) {
		err = errBehind
	}
	return err
}

// leads says whether whoever reports about a cluster leads it. While there is no leader any follower may report.
func leads(c *jetstream.ClusterInfo) bool {
	if c == nil {
		return true
	}
	heard := 1
	for _, r := range c.Replicas {
		if r.Active > 0 && r.Active < inTouch { // zero: not heard yet
			heard++
		}
	}
	return c.Leader != "" && heard > (len(c.Replicas)+1)/2
}

// absent explains that the event at a sequence, which there must be, was not found: it wraps ErrGap when it is lost. Other
// errors leave it open: the server that did not find it may be behind.
func (s *Store) absent(ctx context.Context, seq uint64) error {
	if s.external {
		if err := s.steadyLeader(ctx); err != nil {
			return err
		}
		// Now it must be missing still.
		if _, found, err := s.one(ctx, directRequest{Seq: seq}); err != nil || found {
			return cmp.Or(err, errBehind)
		}
	}
	return fmt.Errorf("%w: position %d is missing", eventstore.ErrGap, seq)
}

// Replicas is how many servers kept the log when it was opened.
func (s *Store) Replicas() int { return s.stream.CachedInfo().Config.Replicas }
