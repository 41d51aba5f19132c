package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// SandboxPaymentMethod is what orders without a PaymentIntent are authorized with, in the sandbox and in Stripe's test mode.
const SandboxPaymentMethod = "pm_card_visa"

// Placer takes orders in: it looks at their payments, computes the manufacturer's clock, and lets the Handler decide.
type Placer struct {
	Handler  *Handler
	Payments Payments
	// Calendars are the manufacturers' by their names; Calendar is that of all others.
	Calendars map[string]Calendar
	Calendar  Calendar
	// Authorize lets orders without a PaymentIntent be authorized on the way in: in the sandbox and in test mode only.
	Authorize bool
}

// PlaceRequest is one order that comes in.
type PlaceRequest struct {
	Intake domain.Intake
	// CommandID identifies the request (see CommandID); the same id with another order is refused as ErrKeyReused.
	CommandID     uuid.UUID
	Actor         domain.Actor
	CorrelationID string
	// MayAuthorize lets a card order without a PaymentIntent be authorized now, if the Placer does that.
	MayAuthorize bool
}

// Outcome is what came of one order of many.
type Outcome struct {
	OrderID uuid.UUID
	Result  Result
	Err     error
}

// Place takes one order in. The same order with the same content is answered as the first time, with Result.Replayed.
// Errors: as Handler.Handle, and those of Payments; nothing was appended then.
func (p *Placer) Place(ctx context.Context, r PlaceRequest) (Result, error) {
	if err := r.Intake.Check(); err != nil {
		return Result{}, err
	}
	key := eventstore.PlacementKeyStream(r.CommandID)
	// A placement is answered with the order as it was placed, whenever it is asked.
	reserved := eventstore.KeyReserved{OrderID: r.Intake.ID(), RequestHash: r.Intake.Hash(), Version: 1}
	kept, used, err := p.Handler.reserved(ctx, key)
	if err != nil {
		return Result{}, err
	}
	if used && kept != reserved {
		return Result{}, ErrKeyReused
	}
	req, err := p.prepare(ctx, r)
	if err != nil {
		return Result{}, err
	}
	req.Claims = append([]Claim{{Stream: key, Event: reserved, Taken: ErrKeyReused}}, req.Claims...)
	res, err := p.Handler.Handle(ctx, req)
	if err != nil || res.Event != nil {
		return res, err
	}
	// Placed before with the same content, under another key.
	if !used {
		if err := p.reserve(ctx, req, key, reserved); err != nil {
			return Result{}, err
		}
	}
	return p.Handler.replay(ctx, req.OrderID, 0)
}

// reserve keeps the key of a placement that changed nothing: as a placement's, and as one that was used on this order. The
// former comes last, so that it says that both are kept.
func (p *Placer) reserve(ctx context.Context, r Request, key string, want eventstore.KeyReserved) error {
	for _, stream := range []string{eventstore.KeyStream(r.CommandID, r.OrderID), key} {
		if kept, _, err := p.Handler.reserve(ctx, stream, r, want.Version); err != nil {
			return err
		} else if kept != want {
			return ErrKeyReused
		}
	}
	return nil
}

// prepare checks an order and finds out what Stripe says of its payment, unless the order is known already.
func (p *Placer) prepare(ctx context.Context, r PlaceRequest) (Request, error) {
	if err := r.Intake.Check(); err != nil {
		return Request{}, err
	}
	id := r.Intake.ID()
	req := Request{
		OrderID: id, CommandID: r.CommandID, RequestHash: r.Intake.Hash(), Actor: r.Actor, CorrelationID: r.CorrelationID,
	}
	calendar, own := p.Calendars[r.Intake.Manufacturer]
	if !own {
		calendar = p.Calendar
	}
	place := domain.Place{Intake: r.Intake, Confirm: calendar.ConfirmBy(p.Handler.now())}
	known, _, err := p.Handler.Load(ctx, id)
	var rejected *domain.Rejection
	if err != nil && !errors.As(err, &rejected) {
		return Request{}, err
	}
	if !known.Exists() && r.Intake.Payment.Method == domain.Card {
		place.Authorization, err = p.authorization(ctx, r, id)
		if err != nil {
			return Request{}, err
		}
		req.Claims = claimOf(place.Authorization, id)
	}
	req.Command = place
	return req, nil
}

// claimOf claims a PaymentIntent for an order, unless Stripe's own metadata ties it to the order.
func claimOf(a domain.Authorization, id uuid.UUID) []Claim {
	if a.OrderID != "" {
		return nil
	}
	return []Claim{{
		Stream: eventstore.PaymentStream(a.PaymentIntent), Event: eventstore.PaymentClaimed{OrderID: id},
		Taken: domain.Reject(domain.PaymentInUse),
	}}
}

func (p *Placer) authorization(ctx context.Context, r PlaceRequest, id uuid.UUID) (domain.Authorization, error) {
	var pi PaymentIntent
	var err error
	switch given := r.Intake.Payment.PaymentIntent; {
	case given != "":
		pi, err = p.Payments.Read(ctx, given)
	case p.Authorize && r.MayAuthorize:
		pi, err = p.Payments.Authorize(ctx, PaymentRequest{
			Key: "orderledger-authorize-" + id.String(), OrderID: id.String(), Request: r.CommandID.String(),
			Amount: r.Intake.Total, Currency: string(r.Intake.Currency),
		}, SandboxPaymentMethod)
	default:
		return domain.Authorization{}, domain.RejectField("/payment/payment_intent", domain.PaymentIntentRequired,
			"Card orders need the PaymentIntent that holds the funds.")
	}
	return authorizationOf(pi), err
}

func authorizationOf(pi PaymentIntent) domain.Authorization {
	held := pi.Capturable
	if pi.Status != "requires_capture" {
		held = pi.Amount
	}
	return domain.Authorization{
		PaymentIntent: pi.ID, Status: pi.Status, Amount: held, Currency: domain.Currency(pi.Currency),
		Brand: pi.Brand, Last4: pi.Last4, CaptureBefore: pi.CaptureBefore, OrderID: pi.OrderID,
	}
}

// authorizeAtOnce bounds how many orders of a batch are authorized side by side.
const authorizeAtOnce = 8

// PlaceMany takes up to eventstore.MaxBatch orders in, in one append for all that are new and acceptable. Each order has its own
// outcome, also where a store adds them one by one and does not get through; one bad order doesn't hold up the others. Asking again
// places nothing twice.
func (p *Placer) PlaceMany(ctx context.Context, rs []PlaceRequest) []Outcome {
	out := make([]Outcome, len(rs))
	reqs := make([]Request, len(rs))
	first := map[uuid.UUID]int{}
	g := errgroup.Group{}
	g.SetLimit(authorizeAtOnce)
	for i, r := range rs {
		out[i].OrderID = r.Intake.ID()
		if _, twice := first[out[i].OrderID]; twice {
			continue // decided after its twin
		}
		first[out[i].OrderID] = i
		g.Go(func() error {
			reqs[i], out[i].Err = p.prepare(ctx, r)
			return nil
		})
	}
	_ = g.Wait() // outcomes hold the errors
	p.appendNew(ctx, reqs, out)
	for i, r := range rs {
		if out[i].Err == nil && out[i].Result.Position == 0 {
			out[i].Result, out[i].Err = p.one(ctx, r)
		}
	}
	return out
}

// newcomer is an order that is new, on its way into the log.
type newcomer struct {
	at     int // its place in the request
	order  uuid.UUID
	event  domain.Event
	sealed eventstore.Event
	env    eventstore.Envelope
}

// placed is the outcome of an order once its event stands. False: another event stood there already.
func (p *Placer) placed(n newcomer, rec eventstore.Recorded, out []Outcome) bool {
	if !rec.Holds(n.sealed) {
		return false
	}
	f := (&folded{revision: eventstore.NoStream}).evolve(rec, n.event, n.env)
	p.Handler.cache.Add(n.order, f)
	out[n.at].Result = Result{Order: f.order, Event: n.event, EventID: rec.ID, Position: rec.Position}
	return true
}

// appendNew appends all orders that are new and have no claims of their own, at once. What it leaves open is done one by one.
func (p *Placer) appendNew(ctx context.Context, reqs []Request, out []Outcome) {
	var batch []eventstore.Proposed
	var all []newcomer
	for i, r := range reqs {
		if out[i].Err != nil || r.Command == nil || len(r.Claims) > 0 || p.Handler.cached(r.OrderID).order.Exists() {
			continue
		}
		stream := eventstore.OrderStream(r.OrderID)
		event, err := domain.Decide(domain.Order{}, r.Command)
		if err != nil {
			out[i].Err = err
			continue
		}
		sealed, env, err := p.Handler.seal(stream, 0, "", event, r)
		if err != nil {
			out[i].Err = err
			continue
		}
		batch = append(batch, eventstore.Proposed{Stream: stream, Expected: eventstore.NoStream, Event: sealed})
		all = append(all, newcomer{at: i, order: r.OrderID, event: event, sealed: sealed, env: env})
	}
	if len(batch) == 0 {
		return
	}
	recorded, err := p.Handler.log.AppendMany(ctx, batch)
	if err != nil {
		p.partOf(ctx, all, err, out)
		return
	}
	for n, rec := range recorded {
		p.placed(all[n], rec, out)
	}
}

// partOf finds out which orders of a batch stand although it failed: not every store adds all or none. A conflict means that
// somebody placed one of them meanwhile; then the others are left open, to be placed one by one.
func (p *Placer) partOf(ctx context.Context, all []newcomer, failed error, out []Outcome) {
	conflict := (*eventstore.ConflictError)(nil)
	goOn := errors.As(failed, &conflict)
	readable := true
	for _, n := range all {
		if readable {
			var stands bool
			var err error
			if stands, err = p.stands(ctx, n, out); stands {
				continue
			}
			readable = err == nil
		}
		if !goOn || !readable {
			out[n.at].Err = fmt.Errorf("place %d orders: %w", len(all), failed)
		}
	}
}

// stands says whether an order's event stands as it was to be appended, and notes the outcome if so.
func (p *Placer) stands(ctx context.Context, n newcomer, out []Outcome) (bool, error) {
	for rec, err := range p.Handler.log.ReadStream(ctx, eventstore.OrderStream(n.order), eventstore.NoStream) {
		return err == nil && p.placed(n, rec, out), err
	}
	return false, nil
}

// one places an order that is not in the batch's atomic append.
func (p *Placer) one(ctx context.Context, r PlaceRequest) (Result, error) {
	req, err := p.prepare(ctx, r)
	if err != nil {
		return Result{}, err
	}
	res, err := p.Handler.Handle(ctx, req)
	if err == nil && res.Event == nil {
		res.Replayed = true
	}
	return res, err
}

// ReauthorizeRequest asks for a new hold in the place of one that is gone.
type ReauthorizeRequest struct {
	Request
	// PaymentIntent holds the funds anew; empty lets the Placer authorize, where it may.
	PaymentIntent string
}

// Reauthorize puts a new hold on an order whose hold is gone or could not be captured. What is left of the old one is let go
// first. Errors: as Handler.Handle, and those of Payments.
func (p *Placer) Reauthorize(ctx context.Context, r ReauthorizeRequest) (Result, error) {
	o, _, err := p.Handler.Load(ctx, r.OrderID)
	if err != nil {
		return Result{}, err
	}
	if res, found, err := p.Handler.asked(ctx, r.Request); found || err != nil {
		return res, err // before anything is asked of Stripe, and a hold let go
	}
	r.Command = domain.Reauthorize{Authorization: domain.Authorization{PaymentIntent: r.PaymentIntent}}
	replaceable := o.Method == domain.Card && o.CancelledAt == nil && !o.Captured() && o.Pending.Act == "" &&
		(o.HoldExpired || o.CaptureFailed)
	if !replaceable { // the rules say why not, or that this very request was carried out before
		return p.Handler.Handle(ctx, r.Request)
	}
	pi, err := p.newHold(ctx, r, o)
	if err != nil {
		return Result{}, err
	}
	a := authorizationOf(pi)
	r.Command, r.Claims = domain.Reauthorize{Authorization: a}, claimOf(a, r.OrderID)
	if _, err := domain.Decide(o, r.Command); err != nil {
		return Result{}, err // the old hold stays while the new one is not good
	}
	if err := p.letOldHoldGo(ctx, o, pi.ID); err != nil {
		return Result{}, err
	}
	return p.Handler.Handle(ctx, r.Request)
}

func (p *Placer) newHold(ctx context.Context, r ReauthorizeRequest, o domain.Order) (PaymentIntent, error) {
	switch {
	case r.PaymentIntent != "":
		return p.Payments.Read(ctx, r.PaymentIntent)
	case p.Authorize:
		return p.Payments.Authorize(ctx, PaymentRequest{
			Key: "orderledger-authorize-" + r.CommandID.String(), OrderID: r.OrderID.String(), Request: r.CommandID.String(),
			Amount: o.Total, Currency: string(o.Currency),
		}, SandboxPaymentMethod)
	}
	return PaymentIntent{}, domain.RejectField("/payment_intent", domain.PaymentIntentRequired,
		"Send the new PaymentIntent that holds the funds.")
}

// letOldHoldGo releases a hold whose capture failed, so that the customer is not held twice. A hold that is gone is left alone.
func (p *Placer) letOldHoldGo(ctx context.Context, o domain.Order, replacement string) error {
	if o.Hold.PaymentIntent == replacement {
		return nil
	}
	old, err := p.Payments.Read(ctx, o.Hold.PaymentIntent)
	if err != nil {
		return err
	}
	if old.Status == "succeeded" || old.Received > 0 {
		return domain.Reject(domain.AlreadyCaptured)
	}
	if old.Status != "requires_capture" {
		return nil
	}
	_, err = p.Payments.Release(ctx, PaymentRequest{
		Key: "orderledger-replace-" + o.Hold.PaymentIntent, OrderID: o.ID.String(), PaymentIntent: o.Hold.PaymentIntent,
		Amount: o.Total, Currency: string(o.Currency),
	})
	return err
}
