package stripepay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/orderledger/orderledger/commands"
)

const (
	minProbeWait = 5 * time.Second
	maxProbeWait = 2 * time.Minute
	minSlowdown  = time.Second // what the first 429 without Retry-After is worth, doubling from there
	maxSlowdown  = time.Minute
	leastWait    = 50 * time.Millisecond // jitter goes no lower
	maxObeyed    = 5 * time.Minute       // of a Retry-After
)

// gate says whether Stripe may be asked now. There is one for all calls of a client: a key that is refused is refused for every
// order, and a rate limit that one call meets is everybody's.
//
// When the key is refused (401, 403) the gate shuts, and lets one reading call after another try, with growing pauses, until one
// is answered. When Stripe says that it is asked too much, the gate shuts until the time that Stripe named, or for a random time
// whose end doubles.
type gate struct {
	now  func() time.Time
	rand func() float64 // in [0, 1)
	log  *slog.Logger

	mu    sync.Mutex
	epoch int // grows whenever the gate shuts: an answer to what was asked before says nothing of now

	refused  *commands.PaymentUnknown // Stripe's refusal of the key; nil when it takes it, as far as is known
	since    time.Time                // of the refusal
	opened   time.Time                // when the key was taken again
	pause    time.Duration            // before the next try
	probeAt  time.Time
	probing  bool // one try is under way
	until    time.Time
	slowdown time.Duration
	limited  uint64
}

// pass is the leave to ask Stripe once.
type pass struct {
	epoch int
	probe bool // the one try while the key is refused
}

// look fails when a call would be turned away now.
func (g *gate) look(reads bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mayAsk(reads)
}

// enter gives a pass, which goes back with leave.
func (g *gate) enter(reads bool) (pass, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.mayAsk(reads); err != nil {
		return pass{}, err
	}
	g.probing = g.refused != nil
	return pass{epoch: g.epoch, probe: g.probing}, nil
}

func (g *gate) mayAsk(reads bool) error {
	now := g.now()
	if g.refused != nil && (!reads || g.probing || now.Before(g.probeAt)) {
		turnedAway := *g.refused
		turnedAway.RetryAfter = max(g.probeAt.Sub(now), minSlowdown)
		return &turnedAway
	}
	if now.Before(g.until) {
		g.limited++
		return &commands.PaymentUnknown{Reason: commands.UnknownRateLimit, RetryAfter: g.until.Sub(now)}
	}
	return nil
}

// leave learns from what came of a call. It says in the error when to ask again.
func (g *gate) leave(p pass, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var refusal *commands.PaymentRefusal
	var unknown *commands.PaymentUnknown
	switch {
	case err == nil, errors.As(err, &refusal): // Stripe knows the key
		g.answered(p)
	case !errors.As(err, &unknown):
		g.undecided(p)
	case unknown.Reason == commands.UnknownCredentials:
		g.refuse(p, unknown)
	case unknown.Reason == commands.UnknownRateLimit:
		g.slowDown(p, unknown)
		g.undecided(p)
	case unknown.Reason == commands.UnknownCancelled && p.probe: // as if it had not been tried
		g.probing = false
	default:
		g.undecided(p)
	}
}

func (g *gate) answered(p pass) {
	if p.epoch == g.epoch {
		g.slowdown = 0
	}
	if p.probe {
		g.log.Info("stripe: the key is taken again")
		g.refused, g.probing, g.opened = nil, false, g.now()
	}
}

func (g *gate) undecided(p pass) {
	if p.probe {
		g.probing = false
		g.wait()
	}
}

func (g *gate) refuse(p pass, e *commands.PaymentUnknown) {
	now := g.now()
	switch {
	case p.probe:
		g.probing = false
	case p.epoch == g.epoch: // so it is the first
		g.epoch++
		g.since = now
		if now.Sub(g.opened) > maxProbeWait { // else it was taken for a moment only
			g.pause = 0
		}
		g.log.Error("stripe: the key is refused; nothing is asked until it is taken again", "status", e.Status, "request", e.RequestID, "cause", e.Cause)
	default: // asked before the gate shut
		e.RetryAfter = max(g.probeAt.Sub(now), minSlowdown)
		return
	}
	g.wait()
	kept := *e
	g.refused = &kept
	e.RetryAfter = g.pause
}

// wait puts the next try off.
func (g *gate) wait() {
	g.pause = min(max(2*g.pause, minProbeWait), maxProbeWait)
	g.probeAt = g.now().Add(g.pause)
}

func (g *gate) slowDown(p pass, e *commands.PaymentUnknown) {
	now := g.now()
	g.limited++
	wait := min(e.RetryAfter, maxObeyed)
	if p.epoch == g.epoch { // the first to be told: the others asked at the same time
		g.epoch++
		g.slowdown = min(max(2*g.slowdown, minSlowdown), maxSlowdown)
		if wait == 0 {
			wait = leastWait + time.Duration(g.rand()*float64(g.slowdown-leastWait))
		}
		g.log.Warn("stripe: asked too much; nothing is asked for a while", "for", wait, "request", e.RequestID)
	}
	if until := now.Add(wait); until.After(g.until) {
		g.until = until
	}
	e.RetryAfter = g.until.Sub(now)
}

// health is what is wrong, in a sentence, or nil.
func (g *gate) health() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused == nil {
		return nil
	}
	why := ""
	if g.refused.Cause != nil {
		why = ", " + g.refused.Cause.Error()
	}
	return fmt.Errorf("the key is refused by Stripe since %s: status %d, request %s%s",
		g.since.UTC().Format(time.RFC3339), g.refused.Status, g.refused.RequestID, why)
}

// Health is what is wrong between here and Stripe that a person must put right, in a sentence; nil when nothing is known to be.
func (c *Client) Health() error { return c.gate.health() }

// Stats are figures of a client since it was made.
type Stats struct {
	CircuitOpen bool   // the key is refused, and Stripe is only asked whether it still is
	RateLimited uint64 // calls that were refused by rate limit, by Stripe or here while Stripe wants to be left alone
}

// Stats are the figures as they are now.
func (c *Client) Stats() Stats {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	return Stats{CircuitOpen: c.gate.refused != nil, RateLimited: c.gate.limited}
}

// turn waits for a turn under the client's own rate limit.
func (c *Client) turn(ctx context.Context) error {
	err := c.limit.Wait(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return classify(ctx.Err(), nil)
	}
	return classify(fmt.Errorf("%w: %w", context.DeadlineExceeded, err), nil) // its turn would come too late
}
