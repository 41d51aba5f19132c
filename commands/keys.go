package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// A request that changes nothing leaves no event in its order's stream by which it could be recognised. Its key is kept in a
// stream of its own, so that the same request is answered as it was then, whatever has become of the order.

// asked answers a request that was asked before, if it was.
func (h *Handler) asked(ctx context.Context, r Request) (res Result, found bool, err error) {
	f, err := h.refresh(ctx, r.OrderID, h.cached(r.OrderID))
	if err != nil {
		return Result{}, false, err
	}
	if res, found, err = h.carriedOut(ctx, f, r); found || r.RequestHash == "" {
		return res, found, err
	}
	return h.recall(ctx, r)
}

// recall answers a request that was asked before and changed nothing.
func (h *Handler) recall(ctx context.Context, r Request) (res Result, found bool, err error) {
	kept, found, err := h.reserved(ctx, eventstore.KeyStream(r.CommandID, r.OrderID))
	if err != nil || !found {
		return Result{}, false, err
	}
	res, err = h.asThen(ctx, r, kept)
	return res, true, err
}

// asThen is the order as it was when a request changed nothing.
func (h *Handler) asThen(ctx context.Context, r Request, kept eventstore.KeyReserved) (Result, error) {
	if kept.RequestHash != r.RequestHash {
		return Result{}, ErrKeyReused
	}
	res, err := h.replay(ctx, r.OrderID, eventstore.Revision(kept.Version-1))
	res.Event, res.EventID = nil, uuid.Nil
	return res, err
}

// remember keeps the key of a request that changes nothing of an order as f has it, and answers it. Nothing is answered before
// the key is durable, so a process that dies between leaves either nothing or the key.
//
// Of the same request asked twice at once, one may find the act done and the other, because somebody undid it meanwhile, not.
// The event counts then, for all who ask later: so the order is read again once the key is kept. If it still stands as in f,
// everybody who finds it changed later finds the key, too, since that is looked up after the order was read. If it does not, a
// twin that looked for the key just before it was kept may still append; the two answers differ, and the event stands once.
func (h *Handler) remember(ctx context.Context, f *folded, r Request) (Result, error) {
	kept, made, err := h.reserve(ctx, eventstore.KeyStream(r.CommandID, r.OrderID), r, f.order.Version)
	if err != nil {
		return Result{}, err
	}
	if !made {
		return h.asThen(ctx, r, kept)
	}
	now, err := h.refresh(ctx, r.OrderID, f)
	if err != nil {
		return Result{}, err
	}
	if res, found, err := h.carriedOut(ctx, now, r); found {
		return res, err
	}
	return Result{Order: f.order, Position: f.position}, nil
}

// reserve keeps a key, or returns what it was kept for before.
func (h *Handler) reserve(ctx context.Context, stream string, r Request, version int) (_ eventstore.KeyReserved, made bool, err error) {
	want := eventstore.KeyReserved{OrderID: r.OrderID, RequestHash: r.RequestHash, Version: version}
	_, _, err = h.appender().Append(ctx, stream, eventstore.NoStream, want, r.envelope(""))
	if conflict := (*eventstore.ConflictError)(nil); err == nil {
		return want, true, nil
	} else if !errors.As(err, &conflict) {
		return eventstore.KeyReserved{}, false, err
	}
	kept, found, err := h.reserved(ctx, stream)
	if err == nil && !found {
		err = fmt.Errorf("%w: %s has lost its event", eventstore.ErrGap, stream)
	}
	return kept, false, err
}

// reserved is what a key is kept for.
func (h *Handler) reserved(ctx context.Context, stream string) (kept eventstore.KeyReserved, found bool, err error) {
	for r, err := range h.log.ReadStream(ctx, stream, eventstore.NoStream) {
		if err != nil {
			return eventstore.KeyReserved{}, false, err
		}
		e, _, err := h.codec.Decode(r)
		if err != nil {
			return eventstore.KeyReserved{}, false, err
		}
		if kept, found = e.(eventstore.KeyReserved); !found {
			return eventstore.KeyReserved{}, false, fmt.Errorf("%w: %s holds a %s", eventstore.ErrBroken, stream, r.Type)
		}
	}
	return kept, found, nil
}
