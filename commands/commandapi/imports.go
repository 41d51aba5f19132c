package commandapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// LineResult is what came of one line of an import.
type LineResult struct {
	Line    int                `json:"line" doc:"The line's number, from 1"`
	OrderID string             `json:"order_id,omitempty" required:"false" format:"uuid"`
	Status  string             `json:"status" enum:"placed,exists,rejected"`
	Code    string             `json:"code,omitempty" required:"false" doc:"Why it was rejected, as in problems"`
	Message string             `json:"message,omitempty" required:"false" doc:"What to do, for a person"`
	Errors  []domain.Violation `json:"errors,omitempty" required:"false" doc:"What is wrong where"`
}

// What came of a line.
const (
	LinePlaced   = "placed"   // by this request, now or when it was sent before
	LineExists   = "exists"   // placed by another request, with the same content
	LineRejected = "rejected" // not placed
)

// ImportResult says what came of every line of an import that is not empty.
type ImportResult struct {
	Results  []LineResult        `json:"results" nullable:"false"`
	Position eventstore.Position `json:"position" doc:"A query with wait_for of this sees all these orders"`
}

// ImportAnswer is the answer to an import.
type ImportAnswer struct {
	Position string `header:"Ledger-Position" doc:"A query with wait_for of this sees all these orders"`
	Replayed string `header:"Idempotent-Replayed" doc:"true when all the orders were placed by the same request before"`
	Body     ImportResult
}

type importInput struct {
	Keyed
}

func (s *server) registerImports() {
	op := huma.Operation{
		OperationID: "import-orders", Method: http.MethodPost, Path: "/v1/imports", Tags: []string{"orders"},
		Summary: "Place orders in bulk", DefaultStatus: http.StatusOK, SkipValidateParams: true,
		Description: fmt.Sprintf("One order a line, at most %d; every line has its own result, and bad lines don't hold up good "+
			"ones. In the sandbox and in Stripe's test mode card orders without a PaymentIntent are authorized on the way in. "+
			"Sending it again places nothing twice. Permission: place.", eventstore.MaxBatch),
	}
	register(s, op, document[domain.Intake]{media: "application/x-ndjson", codes: []domain.Code{CodePaymentUnavailable}}, s.importOrders)
}

func (s *server) importOrders(ctx context.Context, in *importInput) (*ImportAnswer, error) {
	actor, err := permit(ctx, domain.Permission(domain.VerbPlace))
	if err != nil {
		return nil, err
	}
	command, err := in.Command(actor)
	if err != nil {
		return nil, err
	}
	body, err := in.body("application/x-ndjson", "application/jsonl")
	if err != nil {
		return nil, err
	}
	batch, err := readLines(body)
	if err != nil {
		return nil, err
	}
	for i := range batch.requests {
		r := &batch.requests[i]
		id := r.Intake.ID()
		r.CommandID, r.Actor, r.MayAuthorize = uuid.NewSHA1(command, id[:]), actor, true
	}
	return batch.place(ctx, s)
}

// lines is an import: the results so far, the orders to place, and where each one's result goes.
type lines struct {
	results  []LineResult
	requests []commands.PlaceRequest
	at       []int
}

func readLines(body []byte) (*lines, error) {
	l := &lines{results: []LineResult{}}
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(body, []byte("\ufeff"))) { // some programs mark UTF-8 so
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(l.results) == eventstore.MaxBatch {
			return nil, New(http.StatusRequestEntityTooLarge, CodeTooLarge,
				fmt.Sprintf("More than %d lines. Send them in several requests.", eventstore.MaxBatch))
		}
		result := LineResult{Line: number}
		var intake domain.Intake
		if err := decodeJSON(line, &intake); err != nil {
			result.reject(From(err))
		} else {
			l.requests = append(l.requests, commands.PlaceRequest{Intake: intake})
			l.at = append(l.at, len(l.results))
		}
		l.results = append(l.results, result)
	}
	return l, nil
}

func (r *LineResult) reject(p *Problem) {
	r.Status, r.Code, r.Message, r.Errors = LineRejected, p.Code, p.Detail, p.Errors
}

// place carries the import out. When the log can't be reached the whole request fails: sent again, it goes on where it was.
func (l *lines) place(ctx context.Context, s *server) (*ImportAnswer, error) {
	var outcomes []commands.Outcome
	if len(l.requests) > 0 {
		outcomes = s.Placer.PlaceMany(ctx, l.requests)
	}
	position, placed, replayed := eventstore.Position(0), 0, 0
	for i, o := range outcomes {
		r := &l.results[l.at[i]]
		if o.Err != nil {
			if errors.Is(o.Err, eventstore.ErrUnavailable) || ctx.Err() != nil {
				return nil, o.Err
			}
			if errors.Is(o.Err, commands.ErrKeyReused) { // a line's key is its order's own, which stands with other content
				o.Err = domain.Reject(domain.OrderExists)
			}
			r.reject(Answer(ctx, s.Logger, o.Err))
			continue
		}
		r.OrderID, r.Status = o.OrderID.String(), LinePlaced
		if o.Result.Event == nil {
			r.Status = LineExists
		}
		placed++
		if o.Result.Replayed && o.Result.Event != nil {
			replayed++
		}
		position = max(position, o.Result.Position)
	}
	return &ImportAnswer{
		Position: decimal(position), Replayed: flag(placed > 0 && replayed == placed),
		Body: ImportResult{Results: l.results, Position: position},
	}, nil
}
