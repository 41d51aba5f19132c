package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Answer is what came of a command on an order.
type Answer struct {
	// Order is the order after the command; for a repeated request, as it was after the first time.
	Order domain.View
	// Position is what a query's WaitFor takes, to see at least this.
	Position eventstore.Position
	// Replayed says that the same request was carried out before.
	Replayed bool
	// Pending says that the payment provider has still to answer; Order.Pending says what.
	Pending bool
}

func (c *Client) onOrder(ctx context.Context, path string, body any, opts []Option) (Answer, error) {
	r, err := c.command(path, body, opts)
	if err != nil {
		return Answer{}, err
	}
	var a Answer
	header, status, err := c.send(ctx, r, &a.Order)
	if err != nil {
		return Answer{}, err
	}
	a.Position, a.Replayed = about(header)
	a.Pending = status == http.StatusAccepted
	return a, nil
}

func about(h http.Header) (eventstore.Position, bool) {
	n, err := strconv.ParseUint(h.Get("Ledger-Position"), 10, 64)
	if err != nil {
		n = 0 // nothing to wait for
	}
	return eventstore.Position(n), h.Get("Idempotent-Replayed") == "true"
}

func (c *Client) act(ctx context.Context, id uuid.UUID, verb domain.Verb, body any, opts []Option) (Answer, error) {
	return c.onOrder(ctx, "/v1/orders/"+id.String()+"/"+string(verb), body, opts)
}

func (c *Client) actAt(ctx context.Context, id uuid.UUID, version int, verb domain.Verb, body any, opts []Option) (Answer, error) {
	return c.act(ctx, id, verb, body, append([]Option{IfVersion(version)}, opts...))
}

type (
	nothing   struct{}
	reference struct {
		ExternalReference string `json:"external_reference,omitempty"`
	}
	reason struct {
		Reason string `json:"reason,omitempty"`
	}
	tracking struct {
		Tracking []domain.Tracking `json:"tracking"`
		Resend   bool              `json:"resend,omitempty"`
	}
	shipment struct {
		Tracking []domain.Tracking `json:"tracking,omitempty"`
	}
	note struct {
		Text string `json:"text"`
	}
	hold struct {
		PaymentIntent string `json:"payment_intent,omitempty"`
	}
	resume struct {
		Decision  domain.Decision `json:"decision"`
		Evidence  string          `json:"evidence,omitempty"`
		Reference string          `json:"reference,omitempty"`
	}
)

// Place brings an order in. The same order with the same content is answered as the first time.
func (c *Client) Place(ctx context.Context, in domain.Intake, opts ...Option) (Answer, error) {
	return c.onOrder(ctx, "/v1/orders", in, opts)
}

// PlaceJSON is Place for an order that is JSON already: the server says what is wrong with it.
func (c *Client) PlaceJSON(ctx context.Context, order []byte, opts ...Option) (Answer, error) {
	return c.onOrder(ctx, "/v1/orders", order, opts)
}

// Accept confirms an order.
func (c *Client) Accept(ctx context.Context, id uuid.UUID, opts ...Option) (Answer, error) {
	return c.act(ctx, id, domain.VerbAccept, nothing{}, opts)
}

// Capture takes the held money of an order at this version; on account it records the entry, which needs its reference.
func (c *Client) Capture(ctx context.Context, id uuid.UUID, version int, externalReference string, opts ...Option) (Answer, error) {
	return c.actAt(ctx, id, version, domain.VerbCapture, reference{externalReference}, opts)
}

// Ship sends an order at this version off; money that is only held is captured first.
func (c *Client) Ship(ctx context.Context, id uuid.UUID, version int, parcels []domain.Tracking, opts ...Option) (Answer, error) {
	return c.actAt(ctx, id, version, domain.VerbShip, shipment{parcels}, opts)
}

// Refund gives the whole amount of an order at this version back.
func (c *Client) Refund(ctx context.Context, id uuid.UUID, version int, why string, opts ...Option) (Answer, error) {
	return c.actAt(ctx, id, version, domain.VerbRefund, reason{why}, opts)
}

// Cancel calls an order at this version off and lets its money go.
func (c *Client) Cancel(ctx context.Context, id uuid.UUID, version int, why string, opts ...Option) (Answer, error) {
	return c.actAt(ctx, id, version, domain.VerbCancel, reason{why}, opts)
}

// CorrectTracking replaces the tracking numbers of a shipped order.
func (c *Client) CorrectTracking(ctx context.Context, id uuid.UUID, parcels []domain.Tracking, opts ...Option) (Answer, error) {
	if parcels == nil {
		parcels = []domain.Tracking{}
	}
	return c.act(ctx, id, domain.VerbTracking, tracking{Tracking: parcels}, opts)
}

// CorrectTrackingAndTell replaces the tracking numbers of a shipped order, and sends the customer the e-mail of the shipment again.
func (c *Client) CorrectTrackingAndTell(ctx context.Context, id uuid.UUID, parcels []domain.Tracking, opts ...Option) (Answer, error) {
	if parcels == nil {
		parcels = []domain.Tracking{}
	}
	return c.act(ctx, id, domain.VerbTracking, tracking{Tracking: parcels, Resend: true}, opts)
}

// Archive puts a finished order out of the way.
func (c *Client) Archive(ctx context.Context, id uuid.UUID, opts ...Option) (Answer, error) {
	return c.act(ctx, id, domain.VerbArchive, nothing{}, opts)
}

// Unarchive puts it back in its tab.
func (c *Client) Unarchive(ctx context.Context, id uuid.UUID, opts ...Option) (Answer, error) {
	return c.act(ctx, id, domain.VerbUnarchive, nothing{}, opts)
}

// AddNote adds a private note.
func (c *Client) AddNote(ctx context.Context, id uuid.UUID, text string, opts ...Option) (Answer, error) {
	return c.act(ctx, id, domain.VerbNote, note{text}, opts)
}

// RecordReversal records the reversal of a refunded or cancelled order on account.
func (c *Client) RecordReversal(ctx context.Context, id uuid.UUID, externalReference string, opts ...Option) (Answer, error) {
	return c.act(ctx, id, domain.VerbReversal, reference{externalReference}, opts)
}

// Reauthorize replaces a hold that is gone. Without a PaymentIntent the sandbox and Stripe's test mode make one.
func (c *Client) Reauthorize(ctx context.Context, id uuid.UUID, paymentIntent string, opts ...Option) (Answer, error) {
	return c.act(ctx, id, domain.VerbReauthorize, hold{paymentIntent}, opts)
}

// Resume decides about a parked money operation: see Parked, which says what can be decided, and domain.Decision for what
// each decision does. Adopt wants evidence, settle a reference. IfVersion makes sure that nobody else has decided meanwhile.
func (c *Client) Resume(ctx context.Context, id uuid.UUID, d domain.Resume, opts ...Option) (Answer, error) {
	return c.act(ctx, id, domain.VerbResume, resume(d), opts)
}
