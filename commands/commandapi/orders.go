package commandapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

// The bodies of commands on orders.
type (
	// None is the body of commands that need nothing said.
	None struct{}
	// CaptureBody is the body of capture.
	CaptureBody struct {
		ExternalReference string `json:"external_reference,omitempty" required:"false" maxLength:"200" doc:"The entry's reference in the business system; required on account, and only there"`
	}
	// ShipBody is the body of ship.
	ShipBody struct {
		Tracking []domain.Tracking `json:"tracking,omitempty" required:"false" maxItems:"20" nullable:"false"`
	}
	// TrackingBody is the body of tracking.
	TrackingBody struct {
		Tracking []domain.Tracking `json:"tracking" maxItems:"20" nullable:"false" doc:"Replaces what is there"`
		Resend   bool              `json:"resend,omitempty" required:"false" doc:"Also send the customer the e-mail of the shipment again, with these numbers"`
	}
	// ReasonBody is the body of refund and cancel. No amount: a refund is always of the whole order.
	ReasonBody struct {
		Reason string `json:"reason,omitempty" required:"false" maxLength:"500"`
	}
	// NoteBody is the body of notes.
	NoteBody struct {
		Text string `json:"text" minLength:"1" maxLength:"4000"`
	}
	// ReversalBody is the body of reversal.
	ReversalBody struct {
		ExternalReference string `json:"external_reference" minLength:"1" maxLength:"200" doc:"The reversal's reference in the business system"`
	}
	// ReauthorizeBody is the body of reauthorize.
	ReauthorizeBody struct {
		PaymentIntent string `json:"payment_intent,omitempty" required:"false" maxLength:"200" doc:"Holds the funds anew; in the sandbox and in test mode it may be left out"`
	}
	// ResumeBody is the body of resume.
	ResumeBody struct {
		Decision  domain.Decision `json:"decision" enum:"retry,adopt,settle,abandon"`
		Evidence  string          `json:"evidence,omitempty" required:"false" maxLength:"500" doc:"What the decision rests on; adopt wants the id at Stripe that shows it"`
		Reference string          `json:"reference,omitempty" required:"false" maxLength:"200" doc:"settle: the transfer, receipt or entry by which it was settled outside Stripe"`
	}
)

// maxReference bounds a reference in somebody else's books, in characters.
const maxReference = domain.MaxReference

type placeInput struct {
	Keyed
}

func (s *server) registerPlace() {
	op := huma.Operation{
		OperationID: "place-order", Method: http.MethodPost, Path: "/v1/orders", Tags: []string{"orders"},
		Summary: "Place an order", DefaultStatus: http.StatusCreated, SkipValidateParams: true,
		Description: "Takes an order in. Placing it again with the same content is answered as the first time, with " +
			"Idempotent-Replayed. Permission: place (roles store and admin).",
	}
	register(s, op, document[domain.Intake]{required: true, codes: placeCodes}, s.place)
}

func (s *server) place(ctx context.Context, in *placeInput) (*OrderAnswer, error) {
	actor, err := permit(ctx, domain.Permission(domain.VerbPlace))
	if err != nil {
		return nil, err
	}
	command, err := in.Command(actor)
	if err != nil {
		return nil, err
	}
	var intake domain.Intake
	if err := in.decode(&intake); err != nil {
		return nil, err
	}
	res, err := s.Placer.Place(ctx, commands.PlaceRequest{Intake: intake, CommandID: command, Actor: actor})
	if err != nil {
		return nil, err
	}
	a, err := s.answer(ctx, res, false, 0)
	if err != nil {
		return nil, err
	}
	a.Status, a.Location = http.StatusCreated, "/v1/orders/"+res.Order.ID.String()
	return a, nil
}

// act describes the endpoint of one command on an order, whose body is a B.
type act[B any] struct {
	verb        domain.Verb
	summary     string
	description string
	versioned   bool // If-Match is required
	required    bool // a body is
	codes       []domain.Code
	command     func(body B, id uuid.UUID) (domain.Command, error)
	// carryOut, when given, stands in for Handler.Handle.
	carryOut func(ctx context.Context, r commands.Request, body B) (commands.Result, error)
}

func registerAct[B any](s *server, a act[B]) {
	op := huma.Operation{
		OperationID: string(a.verb) + "-order", Method: http.MethodPost, Path: "/v1/orders/{id}/" + string(a.verb),
		Tags: []string{"orders"}, Summary: a.summary, DefaultStatus: http.StatusOK, SkipValidateParams: true,
		Description: a.description + " Permission: " + string(a.verb) + ".",
	}
	if a.carryOut == nil {
		a.carryOut = func(ctx context.Context, r commands.Request, _ B) (commands.Result, error) {
			return s.Handler.Handle(ctx, r)
		}
	}
	codes := actCodes(a.versioned, a.codes...)
	asks := a.versioned || a.verb == domain.VerbResume
	register(s, op, document[B]{required: a.required, pending: asks, versioned: a.versioned, codes: codes}, func(ctx context.Context, in *OnOrder) (*OrderAnswer, error) {
		r, body, err := ask(ctx, a, in)
		if err != nil {
			return nil, err
		}
		res, err := a.carryOut(ctx, r, body)
		if err != nil {
			return nil, err
		}
		return s.answer(ctx, res, asks, in.wait())
	})
}

// ask reads a request on an order: who, which, what. Nothing of the order has been looked at yet.
func ask[B any](ctx context.Context, a act[B], in *OnOrder) (r commands.Request, body B, err error) {
	if r.Actor, err = permit(ctx, domain.Permission(a.verb)); err != nil {
		return r, body, err
	}
	if r.CommandID, err = in.Command(r.Actor); err != nil {
		return r, body, err
	}
	if r.OrderID, err = in.order(); err != nil {
		return r, body, err
	}
	if r.IfVersion, err = in.version(a.versioned); err != nil {
		return r, body, err
	}
	if err = in.decode(&body); err != nil {
		return r, body, err
	}
	if r.Command, err = a.command(body, r.CommandID); err != nil {
		return r, body, err
	}
	r.RequestHash, err = commands.Hash(a.verb, r.OrderID, r.Command)
	return r, body, err
}
