package stripepay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/stripe/stripe-go/v76"
)

// permission is how Stripe names what a restricted key lacks.
var permission = regexp.MustCompile(`\brak_[a-z_]{1,80}\b`)

var errNotUnderstood = errors.New("the answer is not what was asked for")

// classify turns stripe-go's error into one of the port's two. last is the answer as far as it came, or nil.
func classify(err error, last *stripe.APIResponse) error {
	var answered *stripe.Error
	if errors.As(err, &answered) {
		return classifyAnswer(answered)
	}
	u := &commands.PaymentUnknown{Reason: commands.UnknownNetwork, Cause: err}
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		u.Reason = commands.UnknownCancelled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		u.Reason = commands.UnknownTimeout
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF):
	default:
		// stripe-go could not make sense of the body, and its error quotes it.
		u.Reason, u.Cause = commands.UnknownUnreadable, errNotUnderstood
	}
	if last != nil {
		u.Status, u.RequestID = last.StatusCode, last.RequestID
	}
	return u
}

// classifyAnswer tells a definite refusal from an answer that leaves the act open. Only 400, 402 and 404 are definite.
func classifyAnswer(e *stripe.Error) error {
	u := &commands.PaymentUnknown{Reason: commands.UnknownServer, Status: e.HTTPStatusCode, Code: string(e.Code), RequestID: e.RequestID}
	if e.LastResponse != nil {
		if seconds, err := strconv.ParseUint(e.LastResponse.Header.Get("Retry-After"), 10, 16); err == nil {
			u.RetryAfter = time.Duration(seconds) * time.Second
		}
	}
	switch {
	case e.Code == stripe.ErrorCodeIdempotencyKeyInUse, e.HTTPStatusCode == http.StatusConflict:
		u.Reason = commands.UnknownInFlight
		return u
	case e.HTTPStatusCode == http.StatusUnauthorized, e.HTTPStatusCode == http.StatusForbidden:
		u.Reason = commands.UnknownCredentials
		if missing := permission.FindString(e.Msg); missing != "" {
			u.Cause = fmt.Errorf("the key lacks the permission %s", missing)
		}
		return u
	case e.HTTPStatusCode == http.StatusTooManyRequests, e.Code == stripe.ErrorCodeRateLimit, e.Code == stripe.ErrorCodeLockTimeout:
		u.Reason = commands.UnknownRateLimit
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
