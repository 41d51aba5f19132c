package audit

import (
	"context"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// WalkKeeping is Walk with few tails in memory.
func WalkKeeping(ctx context.Context, tails int, log StreamLog, see func(eventstore.Recorded) error) (Walked, error) {
	end, err := log.Head(ctx)
	if err != nil {
		return Walked{}, err
	}
	return walk(ctx, log, end, tails, see)
}
