package stripepay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/stripe/stripe-go/v76"
)

// Reason says why there is no definite answer.
type Reason string

// The reasons.
const (
	Timeout     Reason = "timeout"     // the request's time was over
	Cancelled   Reason = "cancelled"   // the caller gave up
	Network     Reason = "network"     // no connection, or it was cut
	ServerError Reason = "server"      // 5xx
	RateLimited Reason = "rate_limit"  // 429
	Credentials Reason = "credentials" // 401 or 403: nothing will work until a person acts
	InFlight    Reason = "in_flight"   // 409: the same key is being worked on
	Unreadable  Reason = "unreadable"  // an answer that makes no sense
)

// UnknownError is a request without a definite answer. It wraps commands.ErrPaymentUnknown, and the cause if there is one.
type UnknownError struct {
	Reason     Reason
	Status     int // HTTP status, 0 when there was none
	Code       string
	RequestID  string
	RetryAfter time.Duration // what Stripe asked for, 0 when it didn't
	Cause      error         // may be nil; never holds a body
}

func (e *UnknownError) Error() string {
	s := fmt.Sprintf("%v: %s", commands.ErrPaymentUnknown, e.Reason)
	if e.Status != 0 {
		s += fmt.Sprintf(" (%d %s, request %s)", e.Status, e.Code, e.RequestID)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives commands.ErrPaymentUnknown and the cause.
func (e *UnknownError) Unwrap() []error {
	if e.Cause == nil {
		return []error{commands.ErrPaymentUnknown}
	}
	return []error{commands.ErrPaymentUnknown, e.Cause}
}

var errNotUnderstood = errors.New("the answer is not what was asked for")

// classify turns stripe-go's error into one of the port's two. last is the answer as far as it came, or nil.
func classify(err error, last *stripe.APIResponse) error {
	var answered *stripe.Error
	if errors.As(err, &answered) {
		return classifyAnswer(answered)
	}
	u := &UnknownError{Reason: Network, Cause: err}
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		u.Reason = Cancelled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		u.Reason = Timeout
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF):
	default:
		// stripe-go could not make sense of the body, and its error quotes it.
		u.Reason, u.Cause = Unreadable, errNotUnderstood
	}
	if last != nil {
		u.Status, u.RequestID = last.StatusCode, last.RequestID
	}
	return u
}

// classifyAnswer tells a definite refusal from an answer that leaves the act open. Only 400, 402 and 404 are definite.
func classifyAnswer(e *stripe.Error) error {
	u := &UnknownError{Reason: ServerError, Status: e.HTTPStatusCode, Code: string(e.Code), RequestID: e.RequestID}
	if e.LastResponse != nil {
		if seconds, err := strconv.ParseUint(e.LastResponse.Header.Get("Retry-After"), 10, 16); err == nil {
			u.RetryAfter = time.Duration(seconds) * time.Second
		}
	}
	switch {
	case e.Code == stripe.ErrorCodeIdempotencyKeyInUse, e.HTTPStatusCode == http.StatusConflict:
		u.Reason = InFlight
		return u
	case e.HTTPStatusCode == http.StatusUnauthorized, e.HTTPStatusCode == http.StatusForbidden:
		u.Reason = Credentials
		return u
	case e.HTTPStatusCode == http.StatusTooManyRequests, e.Code == stripe.ErrorCodeRateLimit, e.Code == stripe.ErrorCodeLockTimeout:
		u.Reason = RateLimited
		return u
	case e.Type == stripe.ErrorTypeAPI, e.HTTPStatusCode >= http.StatusInternalServerError:
		return u
	}
	switch e.HTTPStatusCode {
	case http.StatusBadRequest, http.StatusPaymentRequired, http.StatusNotFound:
		return &commands.PaymentRefusal{
			Status: e.HTTPStatusCode, Type: string(e.Type), Code: string(e.Code), DeclineCode: string(e.DeclineCode),
			Message: e.Msg, RequestID: e.RequestID,
		}
	}
	return u
}

// unexpected is an answer of 200 that is not the object that was asked for.
func unexpected(last *stripe.APIResponse) error {
	return classify(errNotUnderstood, last)
}

// refuse is a refusal that this side gives, before Stripe is asked.
func refuse(code, message string) error {
	return &commands.PaymentRefusal{Status: http.StatusBadRequest, Type: "invalid_request_error", Code: code, Message: message}
}
