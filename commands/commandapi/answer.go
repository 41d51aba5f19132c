package commandapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// OrderAnswer is the answer to a command on an order.
type OrderAnswer struct {
	Status   int
	Position string `header:"Ledger-Position" doc:"A query with wait_for of this sees at least what this answer says"`
	Replayed string `header:"Idempotent-Replayed" doc:"true when the same request was carried out before"`
	ETag     string `header:"ETag" doc:"The order's version, for If-Match"`
	Applied  string `header:"Preference-Applied" doc:"The wait that was granted"`
	Location string `header:"Location" doc:"Where the order is; of a placed one"`
	Body     domain.View
}

// answer is the answer to a command on an order that was carried out, after waiting for the payment provider if the caller
// wants that. Only an act that asks the provider is answered 202, and waits: a note on an order whose capture is in flight is
// decided.
func (s *server) answer(ctx context.Context, res commands.Result, asks bool, wait time.Duration) (*OrderAnswer, error) {
	order, position := res.Order, res.Position
	if asks && wait > 0 && order.Pending.Act != "" {
		var err error
		if order, position, err = s.settled(ctx, order.ID, order.Version, wait); err != nil {
			return nil, err
		}
	}
	a := &OrderAnswer{
		Status: http.StatusOK, Position: decimal(position), Replayed: flag(res.Replayed),
		ETag: `"` + strconv.Itoa(order.Version) + `"`, Body: domain.Render(order, s.Now()),
	}
	if asks && order.Pending.Act != "" {
		a.Status = http.StatusAccepted
	}
	if wait > 0 {
		a.Applied = fmt.Sprintf("wait=%d", int(wait.Seconds()))
	}
	return a, nil
}

// settled returns an order as it was at the first version, from the given one on, at which no money act was in flight or the
// one that was waited for a person; or as it is when the time is up. A repeated request so gets the same answer as the first.
func (s *server) settled(ctx context.Context, id uuid.UUID, from int, wait time.Duration) (domain.Order, eventstore.Position, error) {
	patience, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var order domain.Order
	var position eventstore.Position
	revision := eventstore.NoStream
	for {
		for r, err := range s.Log.ReadStream(ctx, eventstore.OrderStream(id), revision) {
			if err != nil {
				return domain.Order{}, 0, err
			}
			e, env, err := s.Codec.Decode(r)
			if err != nil {
				return domain.Order{}, 0, err
			}
			order, position, revision = domain.Evolve(order, e, eventstore.Stamp(r.Event, env)), r.Position, r.Revision
			if order.Version >= from && (order.Pending.Act == "" || order.Pending.Parked) {
				return order, position, nil
			}
		}
		err := s.Await(patience, id, order.Version)
		switch {
		case ctx.Err() != nil:
			return domain.Order{}, 0, ctx.Err()
		case patience.Err() != nil:
			return order, position, nil
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return domain.Order{}, 0, err
		}
	}
}

func decimal(p eventstore.Position) string { return strconv.FormatUint(uint64(p), 10) }

// flag is how a header says yes; it is left out otherwise.
func flag(b bool) string {
	if b {
		return "true"
	}
	return ""
}
