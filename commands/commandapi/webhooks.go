package commandapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orderledger/orderledger/commands/outhooks"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// CodeKeyLost is the code of the problem that an endpoint's secret can't be derived any more.
const CodeKeyLost = "signing_key_lost"

// WebhookDeps is what the endpoints about webhooks that go out need. Only Logger may be left out.
type WebhookDeps struct {
	Endpoints *outhooks.Endpoints
	Runner    *outhooks.Runner
	Logger    *slog.Logger
}

// EndpointBody asks for an endpoint.
type EndpointBody struct {
	URL          string   `json:"url" minLength:"1" maxLength:"2048" doc:"https://…; addresses that are not public are refused, unless the ledger's operator allows them"`
	Types        []string `json:"types,omitempty" required:"false" nullable:"false" maxItems:"100" doc:"Event types of orders, such as Shipped; without any, or *, all"`
	Manufacturer string   `json:"manufacturer,omitempty" required:"false" maxLength:"63" doc:"Of this manufacturer's orders alone"`
	CustomerData bool     `json:"include_customer_data,omitempty" required:"false" doc:"With customer data, addresses and note texts"`
}

// EndpointView is an endpoint as the API shows it.
type EndpointView struct {
	ID           string         `json:"id"`
	URL          string         `json:"url"`
	Types        []string       `json:"types" nullable:"false"`
	Manufacturer string         `json:"manufacturer" doc:"Empty: of all"`
	CustomerData bool           `json:"include_customer_data"`
	State        outhooks.State `json:"state" enum:"active,parked,disabled,removed"`
	CreatedAt    time.Time      `json:"created_at"`
	// Secret is shown where one is made.
	Secret      string            `json:"secret,omitempty" required:"false" doc:"What the endpoint verifies messages with (whsec_…); shown when it is made, and to the same request asked again"`
	OldUntil    *time.Time        `json:"old_secret_until" doc:"Until when the secret before signs, too"`
	DisabledFor string            `json:"disabled_because,omitempty" required:"false"`
	Parked      *EndpointTrouble  `json:"parked" doc:"The delivery that waits for a person's decision; nothing behind it is sent"`
	Failing     *EndpointTrouble  `json:"failing" doc:"The delivery that has failed and is tried again"`
	Progress    *EndpointProgress `json:"progress,omitempty" required:"false" doc:"Of the process that answers; in a list alone"`
}

// EndpointTrouble is a delivery that does not succeed.
type EndpointTrouble struct {
	_ struct{} `nullable:"true"`

	EventID  string     `json:"event_id,omitempty" required:"false"`
	Stream   string     `json:"stream,omitempty" required:"false"`
	Since    time.Time  `json:"since" doc:"The first attempt"`
	Attempts int        `json:"attempts"`
	Reason   string     `json:"reason" doc:"Why the last attempt failed"`
	Next     *time.Time `json:"next" doc:"When it is tried again"`
}

// EndpointProgress is how far a process is with an endpoint.
type EndpointProgress struct {
	Position   eventstore.Position `json:"position" doc:"Up to which the endpoint is told of everything"`
	Delivered  int64               `json:"delivered" doc:"Since the process started"`
	Failed     int64               `json:"failed" doc:"Attempts, since the process started"`
	LastAt     *time.Time          `json:"last_at" doc:"The last attempt"`
	LastStatus int                 `json:"last_status" doc:"What was answered; 0 for no answer"`
}

// EndpointAnswer is the answer to a command on an endpoint.
type EndpointAnswer struct {
	Position string `header:"Ledger-Position" doc:"A list with wait_for of this sees the change"`
	Replayed string `header:"Idempotent-Replayed" doc:"true when the same request was carried out before"`
	Cache    string `header:"Cache-Control"`
	Body     EndpointView
}

// EndpointList lists the endpoints that are not removed.
type EndpointList struct {
	Data []EndpointView `json:"data" nullable:"false"`
}

// TestView says what an endpoint answered to a test.
type TestView struct {
	OK       bool    `json:"ok" doc:"It answered 2xx"`
	Status   int     `json:"status" doc:"0 for no answer"`
	Answer   string  `json:"answer" doc:"The beginning of what it answered"`
	Error    string  `json:"error,omitempty" required:"false" doc:"Why there was no answer"`
	Duration float64 `json:"seconds"`
}

type testAnswer struct {
	Cache string `header:"Cache-Control"`
	Body  TestView
}

type endpointInput struct {
	Keyed
	ID string `path:"id" maxLength:"64" doc:"The endpoint's id"`
}

type endpointsInput struct {
	WaitFor uint64 `query:"wait_for" doc:"The Ledger-Position of a command whose effect the answer must show"`
}

type endpointsOutput struct{ Body EndpointList }

type webhookServer struct {
	*server
	WebhookDeps
}

const webhookTag = "webhooks"

// RegisterWebhooks adds the endpoints about webhooks that go out. They expect the actor in the request's context.
func RegisterWebhooks(api huma.API, d WebhookDeps) {
	Install()
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	s := &webhookServer{&server{Deps: Deps{Logger: d.Logger}, api: api}, d}
	add := huma.Operation{
		OperationID: "add-webhook-endpoint", Method: http.MethodPost, Path: "/v1/webhook-endpoints", Tags: []string{webhookTag},
		Summary: "Have events sent to a system", DefaultStatus: http.StatusCreated, SkipValidateParams: true,
		Description: "From now on what happens to orders is sent to the URL: CloudEvents, signed as Standard Webhooks say, in order, at least once. Role admin.",
	}
	register(s.server, add, document[EndpointBody]{required: true, codes: []domain.Code{outhooks.TooManyEndpoints}}, s.add)
	one := []domain.Code{outhooks.EndpointNotFound}
	s.command("rotate", "Give an endpoint a new secret", "The old one signs, too, for 24 hours.", one, s.Endpoints.Rotate)
	s.command("enable", "Let a disabled endpoint go on", "It is told of what it has missed, first.", one, s.Endpoints.Enable)
	s.command("disable", "Send an endpoint nothing until it is enabled", "What happens meanwhile is sent then.", one, s.Endpoints.Disable)
	s.command("remove", "Remove an endpoint", "It is never told of anything again.", one, s.Endpoints.Remove)
	parked := []domain.Code{outhooks.EndpointNotFound, outhooks.NothingParked}
	s.command("retry", "Send a parked delivery again", "It is tried for three days, as at first.", parked, s.resume(eventstore.RetryDelivery))
	s.command("skip", "Go on behind a parked delivery", "The endpoint is never told of that event.", parked, s.resume(eventstore.SkipDelivery))
	test := endpointOperation("test", "Send a test message to an endpoint, once", "Its type is orderledger.test. It leaves nothing in the log, and is sent each time it is asked for.")
	register(s.server, test, document[None]{codes: []domain.Code{outhooks.EndpointNotFound, CodeKeyLost}}, s.test)
	s.registerList(api)
}

func endpointOperation(verb, summary, description string) huma.Operation {
	return huma.Operation{
		OperationID: verb + "-webhook-endpoint", Method: http.MethodPost, Path: "/v1/webhook-endpoints/{id}/" + verb, Tags: []string{webhookTag},
		Summary: summary, DefaultStatus: http.StatusOK, SkipValidateParams: true, Description: description + " Role admin.",
	}
}

func (s *webhookServer) resume(d eventstore.Redelivery) func(context.Context, outhooks.Request, string) (outhooks.Change, error) {
	return func(ctx context.Context, r outhooks.Request, id string) (outhooks.Change, error) {
		return s.Endpoints.Resume(ctx, r, id, d)
	}
}

// command adds a command on one endpoint that needs nothing said.
func (s *webhookServer) command(
	verb, summary, description string, codes []domain.Code, carryOut func(context.Context, outhooks.Request, string) (outhooks.Change, error),
) {
	register(s.server, endpointOperation(verb, summary, description), document[None]{codes: codes}, func(ctx context.Context, in *endpointInput) (*EndpointAnswer, error) {
		r, err := s.request(ctx, &in.Keyed, &None{})
		if err != nil {
			return nil, err
		}
		return answerEndpoint(carryOut(ctx, r, in.ID))
	})
}

// request reads who asks, by which key, and what.
func (s *webhookServer) request(ctx context.Context, in *Keyed, body any) (outhooks.Request, error) {
	actor, err := permit(ctx, domain.PermWebhooks)
	if err != nil {
		return outhooks.Request{}, err
	}
	command, err := in.Command(actor)
	if err != nil {
		return outhooks.Request{}, err
	}
	return outhooks.Request{Command: command, Actor: actor}, in.decode(body)
}

func (s *webhookServer) add(ctx context.Context, in *struct{ Keyed }) (*EndpointAnswer, error) {
	var body EndpointBody
	r, err := s.request(ctx, &in.Keyed, &body)
	if err != nil {
		return nil, err
	}
	return answerEndpoint(s.Endpoints.Add(ctx, r, outhooks.Addition(body)))
}

func (s *webhookServer) test(ctx context.Context, in *endpointInput) (*testAnswer, error) {
	r, err := s.request(ctx, &in.Keyed, &None{})
	if err != nil {
		return nil, err
	}
	a, why, err := s.Runner.Test(ctx, r.Command, in.ID)
	if errors.Is(err, outhooks.ErrKeyLost) {
		return nil, New(http.StatusConflict, CodeKeyLost, "The endpoint's "+err.Error()[len("the "):]+".")
	}
	if err != nil {
		return nil, err
	}
	v := TestView{OK: why == nil && a.OK(), Status: a.Status, Answer: a.Excerpt, Duration: a.Took.Seconds()}
	if why != nil {
		v.Error = why.Error()
	}
	return &testAnswer{Cache: "no-store", Body: v}, nil
}

func (s *webhookServer) registerList(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-webhook-endpoints", Method: http.MethodGet, Path: "/v1/webhook-endpoints", Tags: []string{webhookTag},
		Summary: "Whom events are sent to, and how far that is", RejectUnknownQueryParameters: true,
		Description: "Progress is that of the process that answers. Role admin.",
	}, func(ctx context.Context, in *endpointsInput) (*endpointsOutput, error) {
		out, err := s.list(ctx, in)
		if err != nil {
			return nil, s.fail(ctx, err)
		}
		return out, nil
	})
}

// listPatience bounds how long a list waits for a position.
const listPatience = 5 * time.Second

func (s *webhookServer) list(ctx context.Context, in *endpointsInput) (*endpointsOutput, error) {
	if _, err := permit(ctx, domain.PermWebhooks); err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	err := s.Runner.WaitFor(waiting, eventstore.Position(in.WaitFor))
	if errors.Is(err, outhooks.ErrStopped) {
		return nil, later(CodeUnavailable, time.Second, "Webhooks don't run now, so it is not known what endpoints there are.", err)
	}
	if err != nil {
		return nil, err
	}
	out := &endpointsOutput{Body: EndpointList{Data: []EndpointView{}}}
	for _, st := range s.Runner.List() {
		out.Body.Data = append(out.Body.Data, viewStanding(st))
	}
	return out, nil
}

func answerEndpoint(c outhooks.Change, err error) (*EndpointAnswer, error) {
	if err != nil {
		return nil, err
	}
	v := viewEndpoint(c.Endpoint)
	v.Secret = c.Secret
	return &EndpointAnswer{Position: decimal(c.Position), Replayed: flag(c.Replayed), Cache: "no-store", Body: v}, nil
}

func viewEndpoint(e outhooks.Endpoint) EndpointView {
	v := EndpointView{
		ID: e.ID, URL: e.URL, Types: e.Types, Manufacturer: e.Manufacturer, CustomerData: e.CustomerData, State: e.State(), CreatedAt: e.Created,
	}
	if len(e.Generations) > 1 {
		v.OldUntil = &e.Generations[1].Until
	}
	if e.Disabled != nil {
		v.DisabledFor = e.Disabled.Reason
	}
	if p := e.Parked; p != nil {
		v.Parked = &EndpointTrouble{EventID: p.Event.ID.String(), Stream: p.Event.Stream, Since: p.Since, Attempts: p.Attempts, Reason: p.Reason}
	}
	return v
}

func viewStanding(st outhooks.Standing) EndpointView {
	v := viewEndpoint(st.Endpoint)
	v.Progress = &EndpointProgress{Position: st.At, Delivered: st.Delivered, Failed: st.Failed, LastStatus: st.LastStatus}
	if !st.LastAt.IsZero() {
		v.Progress.LastAt = &st.LastAt
	}
	if st.Attempts > 0 && st.Parked == nil {
		v.Failing = &EndpointTrouble{Since: st.Since, Attempts: st.Attempts, Reason: st.Reason}
		if !st.Next.IsZero() {
			v.Failing.Next = &st.Next
		}
	}
	return v
}
