package outhooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// ErrStopped means that the runner does not run, so that nothing is known of endpoints that change.
var ErrStopped = errors.New("webhooks: the runner has stopped")

// Standing is an endpoint and how far this process is with it.
type Standing struct {
	Endpoint
	// At is the position up to which the endpoint is told of everything.
	At eventstore.Position
	// Attempts counts how often the delivery under way has failed, since when, and why the last time; 0 when it has not. Next is when it
	// is tried again.
	Attempts int
	Since    time.Time
	Reason   string
	Next     time.Time
	// Delivered and Failed count attempts of this process; LastAt and LastStatus are those of the last, status 0 for no answer.
	Delivered, Failed int64
	LastAt            time.Time
	LastStatus        int
}

// List are the endpoints that are not removed, oldest first.
func (r *Runner) List() []Standing {
	var all []Standing
	for _, e := range r.cfg.Endpoints.alive() {
		all = append(all, r.standing(e))
	}
	slices.SortFunc(all, func(a, b Standing) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return all
}

func (r *Runner) standing(e Endpoint) Standing {
	s := Standing{Endpoint: e}
	r.mu.Lock()
	w := r.workers[e.ID]
	r.mu.Unlock()
	if w == nil {
		return s
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.told
	s.At, s.Delivered, s.Failed, s.LastAt, s.LastStatus = t.at, t.delivered, t.failed, t.lastAt, t.lastStatus
	if t.failing.Event != uuid.Nil && t.failing.Round == e.Round {
		s.Attempts, s.Since, s.Reason, s.Next = t.failing.Attempts, t.failing.Since, t.failing.Reason, t.next
	}
	return s
}

// WaitFor returns when List knows of all that the log says of endpoints up to a position. Errors: ErrStopped, the context's.
func (r *Runner) WaitFor(ctx context.Context, position eventstore.Position) error {
	return r.wait(ctx, func() bool { return r.at >= position })
}

// wait returns when a condition, looked at under the lock, is met.
func (r *Runner) wait(ctx context.Context, met func() bool) error {
	for {
		r.mu.Lock()
		done, stopped, moved := met(), r.stopped, r.moved
		r.mu.Unlock()
		if done {
			return nil
		}
		if stopped {
			return ErrStopped
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Ready is nil when the runner knows the endpoints as they were when it began, and runs. An endpoint that can't be reached, or is
// parked, is no reason not to be ready: see Remarks.
func (r *Runner) Ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil:
		return r.err
	case r.stopped:
		return ErrStopped
	case !r.caughtUp:
		return errors.New("webhooks: catching up with the log")
	}
	return nil
}

// Remarks say what about endpoints a person should know, each in a sentence.
func (r *Runner) Remarks() []string {
	var all []string
	for _, s := range r.List() {
		switch {
		case s.Parked != nil && s.Disabled == nil:
			all = append(all, fmt.Sprintf("webhooks: endpoint %s waits for a person: a delivery is parked since %s", s.ID, s.Parked.At.UTC().Format(time.RFC3339)))
		case s.Disabled != nil:
			all = append(all, fmt.Sprintf("webhooks: endpoint %s is disabled: %s", s.ID, s.Disabled.Reason))
		case s.Attempts > 1:
			all = append(all, fmt.Sprintf("webhooks: endpoint %s fails since %s: %s", s.ID, s.Since.UTC().Format(time.RFC3339), s.Reason))
		}
	}
	return all
}

// TestType is the type of the message that Test sends.
const TestType = TypePrefix + "test"

// TestData is what a test message says.
type TestData struct {
	Endpoint string `json:"endpoint"`
	Message  string `json:"message"`
}

// Test sends a message that tells of nothing to an endpoint, once, whatever its state, and says what was answered. It leaves nothing in
// the log; sent again for the same command, it has the same id. Errors: a rejection EndpointNotFound, ErrKeyLost,
// eventstore.ErrUnavailable; that the endpoint did not answer is no error, but why.
func (r *Runner) Test(ctx context.Context, command uuid.UUID, id string) (a sender.Answer, why, err error) {
	e, err := r.cfg.Endpoints.read(ctx, id)
	if err != nil {
		return a, nil, err
	}
	if !e.exists() || e.Removed {
		return a, nil, notFound()
	}
	secrets, err := r.cfg.Endpoints.keys.secrets(e, r.cfg.Now())
	if err != nil {
		return a, nil, err
	}
	m, err := write(CloudEvent{
		ID: uuid.NewSHA1(command, []byte("webhook test "+id)).String(), Source: r.cfg.Source, Type: TestType, Time: r.cfg.Now().UTC().Truncate(time.Microsecond),
		Data: TestData{Endpoint: id, Message: "This is a test. Nothing happened."},
	})
	if err != nil {
		return a, nil, err
	}
	a, why = r.cfg.Poster.Post(ctx, e.URL, m, secrets...)
	if ctx.Err() != nil {
		return a, nil, ctx.Err()
	}
	return a, why, nil
}
