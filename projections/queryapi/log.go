package queryapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// LogLine is one line of GET /v1/log: an event as the log holds it. Data and Meta are the stored bytes, in base64, so that
// they survive whatever is in them.
type LogLine struct {
	Position eventstore.Position `json:"position"`
	Stream   string              `json:"stream"`
	Revision eventstore.Revision `json:"revision"`
	ID       uuid.UUID           `json:"id"`
	Type     string              `json:"type"`
	Data     []byte              `json:"data"`
	Meta     []byte              `json:"meta"`
}

// Recorded is the event that the line tells of.
func (l LogLine) Recorded() eventstore.Recorded {
	return eventstore.Recorded{
		Event:  eventstore.Event{ID: l.ID, Type: l.Type, Data: l.Data, Meta: l.Meta},
		Stream: l.Stream, Revision: l.Revision, Position: l.Position,
	}
}

type logInput struct {
	After  uint64 `query:"after" doc:"Events after this position; without it all"`
	Follow bool   `query:"follow" doc:"Go on with new events; without it the answer ends where the log ended when it was asked"`
}

func (a *api) log(ctx context.Context, in *logInput) (*huma.StreamResponse, error) {
	if _, err := allow(ctx, domain.PermLog); err != nil {
		return nil, err
	}
	after := eventstore.Position(in.After)
	head, release, err := a.open(ctx, &after)
	if err != nil {
		return nil, err
	}
	sub, err := a.Log.Subscribe(ctx, after)
	if err != nil {
		release()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer release()
		defer func() { _ = sub.Close() }() // only read from: closing it has nothing to lose
		hc.SetHeader("Content-Type", "application/x-ndjson")
		hc.SetHeader("Cache-Control", "no-store")
		hc.SetHeader("Ledger-Position", strconv.FormatUint(uint64(head), 10)) // where the log ended when it was asked
		hc.SetStatus(http.StatusOK)
		if after == head && !in.Follow {
			return
		}
		run(a, hc, feed[eventstore.Recorded]{
			next: func(ctx context.Context) ([]eventstore.Recorded, error) { return sub.Next(ctx, batchSize) },
			send: func(s sink, batch []eventstore.Recorded) (more bool, err error) {
				if !in.Follow {
					batch = slices.DeleteFunc(batch, func(r eventstore.Recorded) bool { return r.Position > head })
					more = len(batch) > 0 && batch[len(batch)-1].Position < head
				}
				return more || in.Follow, s.send(func() error { return writeLog(s, batch) })
			},
			quiet: func(sink) error { return nil },
		})
	}}, nil
}

func writeLog(s sink, batch []eventstore.Recorded) error {
	w := bufio.NewWriter(s)
	lines := json.NewEncoder(w)
	for _, r := range batch {
		if err := lines.Encode(LogLine{
			Position: r.Position, Stream: r.Stream, Revision: r.Revision, ID: r.ID, Type: r.Type, Data: r.Data, Meta: r.Meta,
		}); err != nil {
			return err
		}
	}
	return w.Flush()
}
