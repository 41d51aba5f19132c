package stripesim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// DelivererConfig says where events go. What is zero has the value that is given here.
type DelivererConfig struct {
	URL       string            // of the webhook endpoint; required
	Secret    string            // that deliveries are signed with; required
	Transport http.RoundTripper // http.DefaultTransport
	Timeout   time.Duration     // of one attempt; 10 s
	Attempts  int               // after which an event is given up; 16
	Backoff   time.Duration     // before the second attempt, doubled before each other; 1 s
	MaxWait   time.Duration     // between two attempts; 5 min
	Idle      time.Duration     // at most, between two looks at what the simulator's clock has made due; 1 min
	Logger    *slog.Logger      // slog.Default; told of events that are given up
}

func (c DelivererConfig) check() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return errors.New("the URL is not an http or https address")
	case c.Secret == "":
		return errors.New("there is no secret")
	case c.Timeout < 0 || c.Attempts < 0 || c.Backoff < 0 || c.MaxWait < 0 || c.Idle < 0:
		return errors.New("a limit is negative")
	}
	return nil
}

func (c DelivererConfig) withDefaults() DelivererConfig {
	c.Transport = cmp.Or(c.Transport, http.DefaultTransport)
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.Attempts = cmp.Or(c.Attempts, 16)
	c.Backoff = cmp.Or(c.Backoff, time.Second)
	c.MaxWait = cmp.Or(c.MaxWait, 5*time.Minute)
	c.Idle = cmp.Or(c.Idle, time.Minute)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c
}

// wait gives the time before the next attempt.
func (c DelivererConfig) wait(attempts int) time.Duration {
	wait := c.Backoff
	for n := 1; n < attempts && wait < c.MaxWait; n++ {
		wait *= 2
	}
	return min(wait, c.MaxWait)
}

// maxWaiting bounds the events that are tried again at a time: while so many wait, newer ones are not tried at all.
const maxWaiting = 1000

// Deliverer sends a simulator's events to one webhook endpoint, one at a time, oldest first. One that is not answered with 2xx is
// tried again later, by the real clock, without keeping the others. How often it was tried is forgotten with the deliverer; that it
// is still to be delivered is not.
type Deliverer struct {
	sim     *Sim
	config  DelivererConfig
	client  *http.Client
	waiting []retry // in the order of the events
	after   int64   // seq of the newest event that was tried
	cancel  context.CancelFunc
	done    chan struct{}
}

// retry is an event that was tried in vain.
type retry struct {
	event    string
	attempts int
	at       time.Time // of the next
}

// Deliver starts to deliver the simulator's events, those that are pending first. A simulator has one deliverer at a time; stop it
// before closing the simulator.
func (s *Sim) Deliver(config DelivererConfig) (*Deliverer, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("deliver webhooks: %w", err)
	}
	config = config.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	d := &Deliverer{
		sim: s, config: config, cancel: cancel, done: make(chan struct{}),
		client: &http.Client{
			Transport: config.Transport, Timeout: config.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // as at Stripe: a failure
		},
	}
	go d.run(ctx)
	return d, nil
}

// Stop cuts the delivery under way and returns when the deliverer has ended. What was not delivered stays pending.
func (d *Deliverer) Stop() {
	d.cancel()
	<-d.done
}

func (d *Deliverer) run(ctx context.Context) {
	defer close(d.done)
	for ctx.Err() == nil {
		wait, err := d.round(ctx)
		if err != nil && ctx.Err() == nil {
			d.config.Logger.Error("stripesim can't deliver webhooks", "error", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-d.sim.woken:
		}
		timer.Stop()
	}
}

// round tries what is new and what is due to be tried again, and says how long there is nothing to do.
func (d *Deliverer) round(ctx context.Context) (time.Duration, error) {
	for room := maxWaiting - len(d.waiting); room > 0; room = maxWaiting - len(d.waiting) {
		news, err := d.sim.pendingAfter(ctx, d.after, min(room, maxPage))
		if err != nil {
			return d.config.Idle, err
		}
		if len(news) == 0 {
			break
		}
		for _, n := range news {
			if err := d.try(ctx, retry{event: n.Event}, n); err != nil {
				return d.config.Idle, err
			}
			d.after = n.seq
		}
	}
	return d.retry(ctx)
}

// retry tries what is due to be tried again.
func (d *Deliverer) retry(ctx context.Context) (time.Duration, error) {
	wait, waiting := d.config.Idle, d.waiting
	d.waiting = nil
	for i, r := range waiting {
		if left := time.Until(r.at); left > 0 {
			d.waiting, wait = append(d.waiting, r), min(wait, left)
			continue
		}
		err := d.again(ctx, r)
		if err != nil {
			d.waiting = append(d.waiting, waiting[i:]...)
			return d.config.Idle, err
		}
	}
	for _, r := range d.waiting {
		wait = min(wait, max(0, time.Until(r.at)))
	}
	return wait, nil
}

// again tries an event another time, unless it is too old by now.
func (d *Deliverer) again(ctx context.Context, r retry) error {
	delivery, err := d.sim.Delivery(ctx, r.event)
	var gone *apiError
	if errors.As(err, &gone) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.try(ctx, r, delivery)
}

// try sends an event, and decides what becomes of it.
func (d *Deliverer) try(ctx context.Context, r retry, what Delivery) error {
	r.attempts++
	failure := d.send(ctx, what)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failure == nil:
		return d.sim.Delivered(ctx, what.Event)
	case r.attempts >= d.config.Attempts:
		d.config.Logger.Warn("stripesim gives a webhook up", "event", what.Event, "type", what.Type, "attempts", r.attempts, "error", failure)
		return d.sim.Undelivered(ctx, what.Event)
	}
	r.at = time.Now().Add(d.config.wait(r.attempts))
	d.waiting = append(d.waiting, r)
	return nil
}

// send makes one request; it failed unless it is answered with 2xx.
func (d *Deliverer) send(ctx context.Context, what Delivery) error {
	request, err := what.Request(ctx, d.config.URL, d.sim.now(), d.config.Secret)
	if err != nil {
		return err
	}
	answer, err := d.client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, answer.Body, maxBody) // so that the connection can be used again
	if err = errors.Join(answer.Body.Close(), ignoreEOF(err)); err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("answered with %s", answer.Status)
	}
	return nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
