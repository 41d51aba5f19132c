package stripesim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// call is one request on its way through the simulator.
type call struct {
	ctx       context.Context
	requestID string
	key       string // the idempotency key of a POST, or empty
	path      string
	id        string // of the object named in the path, or empty
	params    params
	actor     Actor

	// Set when its transaction begins.
	sim *Sim
	db  *store
	now time.Time
}

// endpoint does a call's work and gives the object to answer with, or an *apiError. Any other error undoes the work.
type endpoint func(c *call) (any, error)

var endpoints = map[string]endpoint{
	"GET account":                       (*call).getAccount,
	"POST payment_intents":              (*call).createIntent,
	"GET payment_intents":               (*call).listIntents,
	"GET payment_intents/{id}":          (*call).getIntent,
	"POST payment_intents/{id}":         (*call).updateIntent,
	"POST payment_intents/{id}/capture": (*call).captureIntent,
	"POST payment_intents/{id}/cancel":  (*call).cancelIntent,
	"GET charges":                       (*call).listCharges,
	"GET charges/{id}":                  (*call).getCharge,
	"POST refunds":                      (*call).createRefund,
	"GET refunds":                       (*call).listRefunds,
	"GET refunds/{id}":                  (*call).getRefund,
	"GET disputes":                      (*call).listDisputes,
	"GET disputes/{id}":                 (*call).getDispute,
	"POST disputes/{id}":                (*call).updateDispute,
	"POST disputes/{id}/close":          (*call).closeDispute,
	"GET events":                        (*call).listEvents,
	"GET events/{id}":                   (*call).getEvent,
}

// answer is what a request is answered with.
type answer struct {
	status     int
	body       []byte
	retryAfter string // the header, or empty
	original   string // the request id that was first answered so, when this is a replay
}

func errorAnswer(e *apiError, requestID string) (answer, error) {
	e.RequestLogURL = "https://dashboard.stripe.com/test/logs/" + requestID
	body, err := json.Marshal(errorBody{e})
	return answer{status: e.status, body: body, retryAfter: e.retryAfter}, err
}

func (s *Sim) serveAPI(w http.ResponseWriter, r *http.Request) {
	c := &call{ctx: r.Context(), requestID: "req_" + s.ids.next(14), path: r.URL.Path, actor: ActorAPI}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	a, fault, err := s.respond(c, r)
	var problem *apiError
	if errors.As(err, &problem) {
		a, err = errorAnswer(problem, c.requestID)
	}
	if err != nil {
		s.log.Error("stripesim failed", "request", c.requestID, "path", c.path, "error", err)
		a, _ = errorAnswer(serverError(), c.requestID)
	}
	switch fault {
	case DropBefore, DropAfter:
		cut()
	case Truncated:
		a.body = a.body[:len(a.body)/2]
	case Garbled:
		a.body = []byte("<html><body>Bad gateway</body></html>")
	}
	c.write(w, r, a)
}

func (c *call) write(w http.ResponseWriter, r *http.Request, a answer) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Request-Id", c.requestID)
	h.Set("Stripe-Version", APIVersion)
	if key := r.Header.Get("Idempotency-Key"); key != "" && r.Method == http.MethodPost {
		h.Set("Idempotency-Key", key)
	}
	if a.original != "" {
		h.Set("Idempotent-Replayed", "true")
		h.Set("Original-Request", a.original)
	}
	if a.retryAfter != "" {
		h.Set("Retry-After", a.retryAfter)
	}
	switch a.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="Stripe"`)
	case http.StatusConflict, http.StatusTooManyRequests:
		h.Set("Stripe-Should-Retry", "true")
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that has gone needs no answer
}

// respond answers a request, and says which fault is left to do to the answer.
func (s *Sim) respond(c *call, r *http.Request) (answer, Kind, error) {
	if err := authenticate(r); err != nil {
		return answer{}, None, err
	}
	work, err := c.understand(r)
	if err != nil {
		return answer{}, None, err
	}
	fault := s.faultFor(Request{Method: r.Method, Path: c.path, IdempotencyKey: c.key, PaymentIntent: c.intentNamed()})
	a, err := s.execute(c, work, fault)
	if err == nil && !s.wait(fault.HoldAnswer) {
		err = errClosed
	}
	return a, fault.Kind, err
}

var errClosed = errors.New("stripesim is closed")

// execute does the work once for each idempotency key.
func (s *Sim) execute(c *call, work endpoint, fault Fault) (answer, error) {
	if fault.Hold == nil && fault.executesNothing() { // it has not come as far as its key
		return answer{}, fault.before(c.key)
	}
	if c.key != "" {
		if !s.flight.enter(c.key) {
			return answer{}, keyInUse(c.key)
		}
		defer s.flight.leave(c.key)
	}
	if !s.wait(fault.Hold) {
		return answer{}, errClosed
	}
	if fault.executesNothing() {
		return answer{}, fault.before(c.key)
	}
	var a answer
	err := s.transact(c, func() (err error) {
		a, err = c.once(work, fault.Kind == ErrorAfter)
		return err
	})
	return a, err
}

// once answers from what is kept under the key, or does the work and keeps its answer. A broken call's answer is 500.
func (c *call) once(work endpoint, broken bool) (answer, error) {
	if a, found, err := c.replay(); found || err != nil {
		return a, err
	}
	object, err := work(c)
	var problem *apiError
	if err != nil && !errors.As(err, &problem) {
		return answer{}, err
	}
	keep := problem == nil || problem.executed
	if broken && keep {
		problem = serverError()
	}
	a := answer{status: http.StatusOK}
	if problem != nil {
		a, err = errorAnswer(problem, c.requestID)
	} else {
		a.body, err = json.Marshal(object)
	}
	if err != nil {
		return answer{}, err
	}
	if keep {
		err = c.keep(a)
	}
	return a, err
}

// authenticate wants a secret test key, as a bearer token or as the user of basic authentication.
func authenticate(r *http.Request) error {
	key, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		key, _, _ = r.BasicAuth()
	}
	var e *apiError
	switch {
	case key == "":
		e = newError(http.StatusUnauthorized, "invalid_request_error", "", "You did not provide an API key. You need to provide your API key "+
			"in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').")
	case !strings.HasPrefix(key, "sk_test_") && !strings.HasPrefix(key, "rk_test_"):
		e = newError(http.StatusUnauthorized, "invalid_request_error", "", "Invalid API Key provided: "+key[:min(len(key), 8)]+"****")
	default:
		return nil
	}
	return e
}

// understand finds the endpoint and reads the parameters.
func (c *call) understand(r *http.Request) (endpoint, error) {
	if v := r.Header.Get("Stripe-Version"); v != "" && v != APIVersion {
		return nil, invalid("", "", "Invalid Stripe API version: "+v+". This simulator speaks "+APIVersion+".")
	}
	segments := strings.Split(strings.TrimPrefix(c.path, "/v1/"), "/")
	if len(segments) > 1 {
		c.id, segments[1] = segments[1], "{id}"
	}
	work := endpoints[r.Method+" "+strings.Join(segments, "/")]
	if work == nil || !strings.HasPrefix(c.path, "/v1/") {
		e := invalid("", "", fmt.Sprintf("Unrecognized request URL (%s: %s). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.", r.Method, c.path))
		e.status = http.StatusNotFound
		return nil, e
	}
	if r.Method == http.MethodPost {
		if c.key = strings.TrimSpace(r.Header.Get("Idempotency-Key")); len(c.key) > maxKeyLength {
			return nil, invalid("", "", "Idempotency keys can have up to 255 characters.")
		}
	}
	var err error
	c.params, err = readParams(r)
	return work, err
}

// intentNamed is the PaymentIntent that a request is about, as far as the request itself says.
func (c *call) intentNamed() string {
	if strings.HasPrefix(c.id, "pi_") {
		return c.id
	}
	return c.params.text("payment_intent")
}

const accountID = "acct_1StripeSim000001"

func (c *call) getAccount() (any, error) {
	if err := c.params.only("expand"); err != nil {
		return nil, err
	}
	return map[string]any{
		"id": accountID, "object": "account", "business_type": nil, "capabilities": map[string]string{"card_payments": "active"},
		"charges_enabled": true, "country": "US", "created": 1577836800, "default_currency": "usd", "details_submitted": true,
		"email": "sandbox@example.com", "metadata": map[string]string{}, "payouts_enabled": true, "type": "standard",
	}, nil
}
