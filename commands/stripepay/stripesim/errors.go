package stripesim

import (
	"fmt"
	"net/http"
)

// apiError is an answer that is not 200. Its exported fields are Stripe's error object.
type apiError struct {
	Charge        string         `json:"charge,omitempty"`
	Code          string         `json:"code,omitempty"`
	DeclineCode   string         `json:"decline_code,omitempty"`
	DocURL        string         `json:"doc_url,omitempty"`
	Message       string         `json:"message"`
	Param         string         `json:"param,omitempty"`
	PaymentIntent *paymentIntent `json:"payment_intent,omitempty"`
	RequestLogURL string         `json:"request_log_url,omitempty"`
	Type          string         `json:"type"`

	status     int
	retryAfter string // the header, or empty
	// executed says that the endpoint had begun its work, so that the answer is kept under the idempotency key. Requests that
	// fail validation or name what doesn't exist are not kept: they may be sent again with the same key.
	executed bool
}

func (e *apiError) Error() string { return e.Message }

// errorBody is the JSON around an apiError.
type errorBody struct {
	Error *apiError `json:"error"`
}

func newError(status int, kind, code, message string) *apiError {
	e := &apiError{Type: kind, Code: code, Message: message, status: status}
	if code != "" {
		e.DocURL = "https://stripe.com/docs/error-codes/" + dashed(code)
	}
	return e
}

func dashed(code string) string {
	b := []byte(code)
	for i := range b {
		if b[i] == '_' {
			b[i] = '-'
		}
	}
	return string(b)
}

// invalid is a request that could not be understood; param and code may be empty.
func invalid(param, code, message string) *apiError {
	e := newError(http.StatusBadRequest, "invalid_request_error", code, message)
	e.Param = param
	return e
}

func missingParam(param string) *apiError {
	return invalid(param, "parameter_missing", "Missing required param: "+param+".")
}

// notFound answers for an object named in the path.
func notFound(kind, param, id string) *apiError {
	e := invalid(param, "resource_missing", fmt.Sprintf("No such %s: '%s'", kind, id))
	e.status = http.StatusNotFound
	return e
}

// unexpectedState is the answer to an act that the PaymentIntent's status forbids; it shows the PaymentIntent.
func unexpectedState(pi paymentIntent, message string) *apiError {
	e := invalid("", "payment_intent_unexpected_state", message)
	e.PaymentIntent, e.executed = &pi, true
	return e
}

// cardError is the issuer's no.
func cardError(d *decline, charge string) *apiError {
	e := newError(http.StatusPaymentRequired, "card_error", d.code, d.message)
	e.DeclineCode, e.Charge, e.executed = d.declineCode, charge, true
	return e
}
