package commandapi

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orderledger/orderledger/domain"
)

var statusCodes = map[int]string{
	http.StatusUnauthorized: CodeUnauthenticated, http.StatusForbidden: CodeForbidden, http.StatusNotFound: CodeNotFound,
	http.StatusMethodNotAllowed: CodeMethodNotAllowed, http.StatusNotAcceptable: "not_acceptable",
	http.StatusRequestTimeout: CodeTimeout, http.StatusConflict: "conflict",
	http.StatusRequestEntityTooLarge: CodeTooLarge, http.StatusUnsupportedMediaType: CodeUnsupportedMedia,
	http.StatusTooManyRequests: CodeRateLimited, http.StatusServiceUnavailable: CodeUnavailable,
}

// codeOf is the code of a problem of which only the status is known.
func codeOf(status int) string {
	if code, ok := statusCodes[status]; ok {
		return code
	}
	if status >= http.StatusInternalServerError {
		return CodeInternal
	}
	return CodeBadRequest
}

var installed sync.Once

// Install makes huma answer its own errors, such as a parameter out of range, as Problems. huma keeps this in global
// variables, so it holds for the whole process; Register calls it, and calling it again does nothing.
func Install() {
	installed.Do(func() {
		huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
			return fromHuma(status, message, errs)
		}
		huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
			if status == http.StatusInternalServerError && len(errs) == 1 { // an error that a handler returned as it was
				return Answer(ctx.Context(), slog.Default(), errs[0])
			}
			return fromHuma(status, message, errs)
		}
	})
}

func fromHuma(status int, message string, errs []error) *Problem {
	if status >= http.StatusInternalServerError {
		message = "Something went wrong inside the ledger. It is logged." // huma's message may speak of the inside
		errs = nil
	}
	p := New(status, codeOf(status), message)
	for _, err := range errs {
		v := domain.Violation{Code: domain.BadValue}
		if d, ok := err.(huma.ErrorDetailer); ok {
			v.Field, v.Message = d.ErrorDetail().Location, d.ErrorDetail().Message
		} else if err != nil {
			v.Message = err.Error()
		}
		p.Errors = append(p.Errors, v)
	}
	if status == http.StatusUnprocessableEntity && allInQuery(p.Errors) {
		return BadQuery(p.Errors...)
	}
	return p
}

// allInQuery says whether all that is wrong is in query parameters, and then names each as it is written there.
func allInQuery(wrong []domain.Violation) bool {
	for _, v := range wrong {
		if !strings.HasPrefix(v.Field, inQuery) {
			return false
		}
	}
	for i := range wrong {
		wrong[i].Field = strings.TrimPrefix(wrong[i].Field, inQuery)
	}
	return len(wrong) > 0
}

// inQuery is how huma says that something is wrong with a query parameter.
const inQuery = "query."
