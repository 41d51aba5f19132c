package commandapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// ErrForbidden means that the actor's role does not have the permission that an act needs.
var ErrForbidden = errors.New("the role does not permit this")

// The codes of problems that are not the domain's.
const (
	CodeKeyRequired        = "idempotency_key_required"
	CodeKeyInvalid         = "idempotency_key_invalid"
	CodeKeyReused          = "idempotency_key_reused"
	CodeVersionRequired    = "version_required"
	CodeVersionStale       = "version_stale"
	CodeBadIfMatch         = "bad_if_match"
	CodeUnauthenticated    = "unauthenticated"
	CodeForbidden          = "forbidden"
	CodeTooLarge           = "too_large"
	CodeUnsupportedMedia   = "unsupported_media_type"
	CodeRateLimited        = "rate_limited"
	CodePaymentRefused     = "payment_refused"
	CodePaymentUnavailable = "payment_provider_unavailable"
	CodeUnavailable        = "unavailable"
	CodeInternal           = "internal"
	CodeTimeout            = "request_timeout"
	CodeBadRequest         = "bad_request"
	CodeBadQuery           = "bad_query"
	CodeMethodNotAllowed   = "method_not_allowed"
	CodeNotFound           = "not_found"
)

// Problem is the answer to a request that was not carried out (RFC 9457). It is an error, and huma answers it as it is.
type Problem struct {
	Type   string             `json:"type" format:"uri" example:"about:blank"`
	Title  string             `json:"title" doc:"The status in words" example:"Conflict"`
	Status int                `json:"status" example:"409"`
	Detail string             `json:"detail" doc:"What to do, for a person"`
	Code   string             `json:"code" doc:"Stable name, for programs" example:"not_accepted"`
	Errors []domain.Violation `json:"errors,omitempty" required:"false" doc:"What is wrong where"`
	Other  string             `json:"other_order,omitempty" required:"false" doc:"The id of the other order that is in the way, such as the one that has the reference already"`

	// RetryAfter, when above zero, is answered as the Retry-After header, in seconds, rounded up.
	RetryAfter time.Duration `json:"-"`
	cause      error         // what lies behind an internal problem; logged, never answered
}

// New returns a problem with a status, a stable code, and a sentence for a person.
func New(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// BadQuery is the one answer to queries whose parameters can't be answered: each violation names one.
func BadQuery(wrong ...domain.Violation) *Problem {
	detail := "The query can't be answered."
	for _, v := range wrong {
		detail += fmt.Sprintf(" The parameter %s: %s.", v.Field, v.Message)
	}
	p := New(http.StatusBadRequest, CodeBadQuery, detail)
	p.Errors = wrong
	return p
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// Unwrap returns what lies behind the problem.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type of problems.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders are the headers that go with the problem.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		h["Www-Authenticate"] = []string{`Bearer realm="orderledger"`}
	}
	return h
}

// Write answers the problem where huma is not at hand.
func (p *Problem) Write(w http.ResponseWriter) {
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone when this fails
}

var kindStatus = map[domain.Kind]int{
	domain.Rule: http.StatusConflict, domain.Invalid: http.StatusUnprocessableEntity,
	domain.Malformed: http.StatusBadRequest, domain.Missing: http.StatusNotFound,
}

// From is the one table from errors to problems. What it doesn't know is internal: its text is not answered.
func From(err error) *Problem {
	var (
		problem  *Problem
		rejected *domain.Rejection
		stale    *commands.StaleError
		refused  *commands.PaymentRefusal
		conflict *eventstore.ConflictError
		status   huma.StatusError
	)
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &rejected):
		p := New(kindStatus[rejected.Kind], string(rejected.Code), rejected.Message)
		p.Errors = rejected.Violations
		if rejected.Other != uuid.Nil {
			p.Other = rejected.Other.String()
		}
		return p
	case errors.As(err, &stale) && stale.Actual == 0: // no version is the right one of an order that isn't there
		return From(domain.Reject(domain.OrderNotFound))
	case errors.As(err, &stale):
		return New(http.StatusPreconditionFailed, CodeVersionStale, "Somebody changed the order meanwhile: "+stale.Error()+".")
	case errors.Is(err, commands.ErrKeyReused):
		return New(http.StatusUnprocessableEntity, CodeKeyReused,
			"This Idempotency-Key was used before for another request. Use a new key for a new request.")
	case errors.As(err, &refused):
		return New(http.StatusConflict, CodePaymentRefused, "The payment provider refused: "+refused.Message)
	case errors.Is(err, commands.ErrPaymentUnknown):
		return later(CodePaymentUnavailable, 5*time.Second, "The payment provider gave no answer. Nothing was recorded; send the same request again.", err)
	case errors.Is(err, eventstore.ErrTooLarge):
		return New(http.StatusRequestEntityTooLarge, CodeTooLarge, "What was sent is larger than the log takes.")
	case errors.Is(err, access.ErrUnauthenticated):
		return New(http.StatusUnauthorized, CodeUnauthenticated, "Send a valid API token: Authorization: Bearer olt_…")
	case errors.Is(err, ErrForbidden):
		return New(http.StatusForbidden, CodeForbidden, "Your role does not permit this.")
	case errors.Is(err, eventstore.ErrUnavailable), errors.As(err, &conflict),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return later(CodeUnavailable, time.Second, "The ledger can't be reached now. Send the same request again, with the same Idempotency-Key.", err)
	case errors.As(err, &status) && status.GetStatus() < http.StatusInternalServerError:
		return New(status.GetStatus(), codeOf(status.GetStatus()), status.Error())
	}
	p := New(http.StatusInternalServerError, CodeInternal, "Something went wrong inside the ledger. It is logged.")
	p.cause = err
	return p
}

func later(code string, after time.Duration, detail string, cause error) *Problem {
	p := New(http.StatusServiceUnavailable, code, detail)
	p.RetryAfter, p.cause = after, cause
	return p
}

// Answer is From for a request: what a person must look into is logged with the request's id, which the answer names.
func Answer(ctx context.Context, log *slog.Logger, err error) *Problem {
	p := From(err)
	if p.Status < http.StatusInternalServerError || ctx.Err() != nil {
		return p
	}
	id := RequestIDFrom(ctx)
	level := slog.LevelError
	if p.Status == http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "request failed", "request_id", id, "code", p.Code, "error", err)
	if p.Code == CodeInternal && id != "" {
		named := *p
		named.Detail = "Something went wrong inside the ledger. It is logged under the request id " + id + "."
		return &named
	}
	return p
}
