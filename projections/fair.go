package projections

import (
	"context"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/share"
)

// Limits of lists that are read at once. One reader may have half of either: as many as go on in the read model at once, so that who comes
// next waits for one of them and not for all.
const (
	listsRead    = 8
	listsWaiting = 1024
)

// Fairly is a reader whose lists and searches, which cost the most, are read in turns: a reader who asks for many holds up those who ask
// for few by no more than the one that is being read. Who asks is the context's actor. Its errors are the reader's, and share.ErrYours
// and share.ErrNone when too many wait.
func Fairly(r Reader) Reader {
	return fairReader{r, share.NewRoom(listsRead, listsWaiting, 0)}
}

type fairReader struct {
	Reader
	room *share.Room
}

func inTurn[T any](ctx context.Context, room *share.Room, read func() (T, error)) (result T, err error) {
	p, err := room.Enter(domain.ActorFrom(ctx).ID, 0)
	if err != nil {
		return result, err
	}
	if err := p.Wait(ctx); err != nil {
		return result, err
	}
	defer p.Leave()
	return read()
}

// List implements Reader.
func (f fairReader) List(ctx context.Context, q Query) (Page, error) {
	return inTurn(ctx, f.room, func() (Page, error) { return f.Reader.List(ctx, q) })
}

// Named implements Reader.
func (f fairReader) Named(ctx context.Context, text string) ([]domain.Order, error) {
	return inTurn(ctx, f.room, func() ([]domain.Order, error) { return f.Reader.Named(ctx, text) })
}

// Parked implements Reader.
func (f fairReader) Parked(ctx context.Context, cursor string, limit int) (Page, error) {
	return inTurn(ctx, f.room, func() (Page, error) { return f.Reader.Parked(ctx, cursor, limit) })
}

// Obligations implements Reader.
func (f fairReader) Obligations(ctx context.Context, q ObligationQuery) (ObligationPage, error) {
	return inTurn(ctx, f.room, func() (ObligationPage, error) { return f.Reader.Obligations(ctx, q) })
}

// Recorded implements Reader.
func (f fairReader) Recorded(ctx context.Context, q RecordedQuery) (RecordedPage, error) {
	return inTurn(ctx, f.room, func() (RecordedPage, error) { return f.Reader.Recorded(ctx, q) })
}
