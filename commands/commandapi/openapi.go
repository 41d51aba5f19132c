package commandapi

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/domain"
)

// document is what the OpenAPI document says of an endpoint beside what huma sees in its types: bodies are read here, not by
// huma, so that what is wrong with one has the ledger's own codes. B is the body.
type document[B any] struct {
	media     string // of the body; empty is JSON
	required  bool
	pending   bool // it can be answered 202
	versioned bool // If-Match is required
	codes     []domain.Code
}

// everywhere are the codes that every POST can be answered with.
var everywhere = []domain.Code{
	CodeKeyRequired, CodeKeyInvalid, CodeBadRequest, domain.MalformedJSON, CodeUnauthenticated, CodeForbidden, CodeTimeout, CodeTooLarge,
	CodeUnsupportedMedia, CodeKeyReused, domain.UnknownField, domain.DuplicateField, domain.WrongType, domain.RequiredField,
	domain.BadValue, domain.TooLong, domain.CardNumberRefused, CodeRateLimited, CodeInternal, CodeUnavailable,
}

var placeCodes = []domain.Code{
	domain.OrderExists, domain.NotAuthorized, domain.AmountMismatch, domain.PaymentInUse, CodePaymentRefused,
	domain.TotalsMismatch, domain.UnknownCurrency, domain.AccountNumberRequired, domain.PaymentIntentRequired,
	CodePaymentUnavailable,
}

func actCodes(versioned bool, own ...domain.Code) []domain.Code {
	codes := append([]domain.Code{domain.OrderNotFound, CodeBadIfMatch, CodeVersionStale}, own...)
	if versioned {
		codes = append(codes, CodeVersionRequired)
	}
	return codes
}

// codeStatus is the status that a code is answered with, for those that are not the rules' (409).
var codeStatus = map[domain.Code]int{
	CodeKeyRequired: 400, CodeKeyInvalid: 400, CodeBadRequest: 400, domain.MalformedJSON: 400, CodeBadIfMatch: 400,
	CodeUnauthenticated: 401, CodeForbidden: 403, domain.OrderNotFound: 404, access.TokenNotFound: 404, commands.NoticeNotFound: 404, CodeTimeout: 408,
	CodeVersionStale: 412, CodeTooLarge: 413, CodeUnsupportedMedia: 415,
	CodeKeyReused: 422, domain.UnknownField: 422, domain.DuplicateField: 422, domain.WrongType: 422,
	domain.RequiredField: 422, domain.BadValue: 422, domain.TooLong: 422, domain.CardNumberRefused: 422,
	domain.TotalsMismatch: 422, domain.UnknownCurrency: 422, domain.AccountNumberRequired: 422,
	domain.PaymentIntentRequired: 422, domain.ReferenceRequired: 422, domain.TextRequired: 422,
	domain.EvidenceRequired: 422,
	CodeVersionRequired:     428, CodeRateLimited: 429, CodeInternal: 500, CodePaymentUnavailable: 503, CodeUnavailable: 503,
}

// register adds one endpoint. Errors of the handler become problems here.
func register[B, I, O any](s *server, op huma.Operation, d document[B], handle func(context.Context, *I) (*O, error)) {
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.fail(ctx, err)
		}
		return out, nil
	})
	path := s.api.OpenAPI().Paths[op.Path]
	if path == nil || path.Post == nil {
		return // the API documents its operations elsewhere
	}
	d.complete(s.api, path.Post)
}

// complete adds to huma's description of an operation its body and all that it can be answered with.
func (d document[B]) complete(api huma.API, op *huma.Operation) {
	schemas := api.OpenAPI().Components.Schemas
	if d.media == "" {
		body := schemas.Schema(reflect.TypeFor[B](), true, op.OperationID+"-body")
		op.RequestBody = &huma.RequestBody{
			Required: d.required, Content: map[string]*huma.MediaType{"application/json": {Schema: body}},
		}
	} else {
		op.RequestBody = &huma.RequestBody{
			Required:    true,
			Description: "Lines of JSON, each a " + reflect.TypeFor[B]().Name() + ".",
			Content:     map[string]*huma.MediaType{d.media: {Schema: &huma.Schema{Type: huma.TypeString}}},
		}
	}
	for _, p := range op.Parameters {
		if p.Name == "If-Match" {
			p.Required = d.versioned
		}
	}
	if done := op.Responses["200"]; d.pending && done != nil {
		later := *done
		later.Description = "Accepted: the payment provider has still to answer; pending says what."
		op.Responses["202"] = &later
	}
	problem := schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	byStatus := map[int][]string{}
	for _, code := range slices.Concat(everywhere, d.codes) {
		status := codeStatus[code]
		if status == 0 {
			status = http.StatusConflict
		}
		byStatus[status] = append(byStatus[status], string(code))
	}
	for status, codes := range byStatus {
		op.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status) + ": " + strings.Join(codes, ", "),
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: problem}},
		}
	}
}
