package saga

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/domain"
)

// task is one attempt at a job.
type task struct {
	key       string
	effect    Effect
	hint      Hint
	hold      Hold
	clock     Clock
	readFirst bool // somebody may have asked before: look at the truth before asking
	tries     tries
}

// tries are the attempts at one request, for the person who looks at it when it is parked.
type tries struct {
	n        int
	requests []string // Stripe's request ids, the last few
}

// maxRequests bounds how many of Stripe's request ids are kept for one request.
const maxRequests = 20

func (t *tries) asked(id string) {
	if id == "" || slices.Contains(t.requests, id) {
		return
	}
	t.requests = append(slices.Clip(t.requests), id)
	t.requests = t.requests[max(0, len(t.requests)-maxRequests):]
}

// outcome is what came of an attempt.
type outcome struct {
	key     string
	request uuid.UUID // of an effect
	// answered says that what was to be recorded is in the log; the log will say so. Otherwise it is to be looked at again:
	// soon, or as slowly as one follows what Stripe takes days for.
	answered, slow bool
	pause          time.Duration // before which looking again is no use
	err            error         // why it must be looked at again, for people
	tries          tries
}

// notShown is why an effect is parked whose truth can't be known: often the key is of another account, or of the other mode.
const notShown = "Stripe does not show the payment, so nothing was recorded: "

var errAtWork = errors.New("stripe works on it")

// actor is who records answers.
var actor = domain.Actor{ID: "saga", Role: domain.System, Via: domain.ViaSaga}

// attempt makes one attempt. It asks Stripe at most once for an act, and never before it has looked, if somebody may have
// asked before.
func (s *Saga) attempt(ctx context.Context, t task) outcome {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	a := &attempt{saga: s, effect: t.effect, outcome: outcome{key: t.key, request: t.effect.Request, tries: t.tries}}
	a.tries.n++
	var err error
	switch {
	case t.hint.ID != "":
		err = s.followHint(ctx, t.hint)
	case t.hold.PaymentIntent != "":
		err = s.followHold(ctx, t.hold)
	case t.clock.Order != uuid.Nil:
		err = s.followClock(ctx, t.clock)
	default:
		err = a.run(ctx, t.readFirst)
	}
	a.answered, a.err = err == nil, err
	a.slow = errors.Is(err, errAtWork)
	if a.pause = notNow(err); a.pause > 0 {
		a.tries.n-- // nobody was asked
	}
	if err != nil && !a.slow && ctx.Err() == nil {
		s.cfg.Logger.Warn("saga: not done yet", "job", a.key, "effect", a.effect.Kind, "request", a.request,
			"attempt", a.tries.n, "error", err)
	}
	return a.outcome
}

// notNow is how long Stripe takes no questions, from anybody: it was asked too often, or refuses the key. 0 when it does.
func notNow(err error) time.Duration {
	var unknown *commands.PaymentUnknown
	if !errors.As(err, &unknown) || (unknown.Reason != commands.UnknownRateLimit && unknown.Reason != commands.UnknownCredentials) {
		return 0
	}
	return max(unknown.RetryAfter, time.Second)
}

// attempt is the state of one attempt.
type attempt struct {
	saga   *Saga
	effect Effect
	outcome
}

func (a *attempt) run(ctx context.Context, readFirst bool) error {
	e := a.effect
	switch {
	case e.Captured && e.Decision == domain.Abandon: // neither is it a failure, nor may it be called shipped
		return a.park(ctx, "The payment is captured, so the shipment can't be given up here. Retry completes it without asking Stripe.")
	case e.Captured:
		return a.record(ctx, domain.CompleteShipment{Request: e.Request})
	}
	tooOld := a.saga.cfg.Now().Sub(e.Since) >= a.saga.cfg.KeyLife
	if readFirst || tooOld || e.Refund != "" || e.Decision != "" {
		verdict, _, err := a.read(ctx)
		var no *commands.PaymentRefusal
		switch refused := errors.As(err, &no); {
		case err != nil && !refused:
			return err
		case refused && e.Decision != domain.Abandon && e.Decision != domain.Settle:
			return a.park(ctx, notShown+no.Message)
		case !verdict.Wait && e.Decision == domain.Settle && (verdict.Open() || verdict.Stuck != ""):
			return a.record(ctx, append(verdict.Record, e.settled())...)
		case e.Decision == domain.Abandon && (verdict.Open() || verdict.Lost):
			return a.record(ctx, e.abandoned())
		case !verdict.Open():
			return a.settle(ctx, verdict)
		case e.Decision == domain.Adopt:
			return a.park(ctx, "Stripe does not show that it was done, so there is nothing to adopt.")
		case tooOld:
			return a.park(ctx, "It was not done within the time for which Stripe remembers a request.")
		}
	}
	return a.ask(ctx)
}

// read looks at the truth.
func (a *attempt) read(ctx context.Context) (Verdict, commands.PaymentIntent, error) {
	pi, err := a.saga.cfg.Payments.Read(ctx, a.effect.PaymentIntent)
	a.heard(pi.RequestID, err)
	if err != nil {
		return Verdict{}, pi, fmt.Errorf("read the payment: %w", err)
	}
	return Judge(a.effect, pi), pi, nil
}

// heard keeps Stripe's request id.
func (a *attempt) heard(id string, err error) {
	var no *commands.PaymentRefusal
	if errors.As(err, &no) {
		id = no.RequestID
	}
	a.tries.asked(id)
}

// ask asks Stripe for the act and records what it says.
func (a *attempt) ask(ctx context.Context) error {
	if !a.saga.cfg.Turn.Mine() { // it was held up, and another process may be at it
		return follow.ErrTurnOver
	}
	verdict, err := a.call(ctx)
	var no *commands.PaymentRefusal
	switch {
	case errors.As(err, &no):
		return a.refused(ctx, no)
	case err != nil:
		return err
	case verdict.Open():
		return errors.New("stripe accepted the request, but its answer does not show it done")
	}
	return a.settle(ctx, verdict)
}

func (a *attempt) call(ctx context.Context) (Verdict, error) {
	payments, request := a.saga.cfg.Payments, a.effect.request()
	switch a.effect.Kind {
	case Refund, Return:
		r, err := payments.Refund(ctx, request)
		a.heard(r.RequestID, err)
		if err != nil {
			return Verdict{}, fmt.Errorf("refund: %w", err)
		}
		r.Request = request.Request // it is this effect's own, even where metadata were not given back
		return judgeRefunds(a.effect, []commands.PaymentRefund{r}), nil
	case Release:
		pi, err := payments.Release(ctx, request)
		a.heard(pi.RequestID, err)
		if err != nil {
			return Verdict{}, fmt.Errorf("release: %w", err)
		}
		return Judge(a.effect, pi), nil
	default:
		pi, err := payments.Capture(ctx, request)
		a.heard(pi.RequestID, err)
		if err != nil {
			return Verdict{}, fmt.Errorf("capture: %w", err)
		}
		return Judge(a.effect, pi), nil
	}
}

// refused finds out whether Stripe refused because it is done already, and otherwise records the refusal.
func (a *attempt) refused(ctx context.Context, no *commands.PaymentRefusal) error {
	verdict, truth, err := a.read(ctx)
	var unread *commands.PaymentRefusal
	switch {
	case errors.As(err, &unread):
		return a.park(ctx, notShown+unread.Message)
	case err != nil:
		return err
	case !verdict.Open():
		return a.settle(ctx, verdict)
	}
	if no.Type == "idempotency_error" {
		return a.park(ctx, "Stripe saw the request's key with other parameters, which is a bug of this program: "+no.Message)
	}
	return a.record(ctx, a.effect.refused(no, truth)...)
}

// settle records a verdict.
func (a *attempt) settle(ctx context.Context, v Verdict) error {
	if v.Stuck != "" {
		if err := a.park(ctx, v.Stuck); err != nil {
			return err
		}
	}
	if err := a.record(ctx, v.Record...); err != nil {
		return err
	}
	if v.Wait {
		return errAtWork
	}
	return nil
}

// parkable are rejections that asking again won't change: the truth doesn't fit the order.
var parkable = []domain.Code{
	domain.AmountMismatch, domain.NotAccepted, domain.OperationInFlight, domain.NotACardOrder, domain.OrderNotFound,
}

// record gives recording commands, one after the other. When it returns without an error, all of them are in the log, or were.
func (a *attempt) record(ctx context.Context, cs ...domain.Command) error {
	for _, c := range cs {
		err := a.handle(ctx, c)
		var no *domain.Rejection
		switch {
		case errors.As(err, &no) && slices.Contains(parkable, no.Code), errors.Is(err, commands.ErrKeyReused):
			return a.park(ctx, fmt.Sprintf("The ledger can't record Stripe's answer (%s): %v", c.CommandName(), err))
		case err != nil:
			// The order awaits another answer: the log will tell, and until then this is looked at again.
			return fmt.Errorf("record %s: %w", c.CommandName(), err)
		}
	}
	return nil
}

func (a *attempt) park(ctx context.Context, reason string) error {
	if r := []rune(reason); len(r) > domain.MaxReason {
		reason = string(r[:domain.MaxReason])
	}
	err := a.handle(ctx, domain.Park{
		Request: a.effect.Request, Reason: reason, Attempts: a.tries.n, StripeRequests: a.tries.requests,
	})
	if err != nil {
		return fmt.Errorf("park: %w", err)
	}
	a.saga.cfg.Logger.Error("saga: parked, a person must look", "order", a.effect.Order, "effect", a.effect.Kind,
		"request", a.request, "reason", reason, "stripe_requests", strings.Join(a.tries.requests, " "))
	return nil
}

// handle gives one command. Its id follows from what it answers, so that recording the same again is recognised for ever.
func (a *attempt) handle(ctx context.Context, c domain.Command) error {
	e := a.effect
	_, err := a.saga.cfg.Handler.Handle(ctx, commands.Request{
		OrderID: e.Order, Command: c, CommandID: commandID(e.Order, c), Actor: actor,
		CorrelationID: e.Correlation, CausationID: e.Request,
	})
	return err
}

// attemptTimeout bounds one attempt: two requests to Stripe and what is recorded.
const attemptTimeout = 3 * time.Minute
