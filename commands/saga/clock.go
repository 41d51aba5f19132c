package saga

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

// clockStopped are the rejections by which the rules say that a clock was stopped before anybody recorded that it ran out.
var clockStopped = []domain.Code{domain.AlreadyAccepted, domain.AlreadyCancelled}

// followClock records that a clock ran out, unless somebody stopped it meanwhile: then the log says so, too.
func (s *Saga) followClock(ctx context.Context, c Clock) error {
	missed := domain.RecordConfirmationMissed{Now: s.cfg.Now()}
	_, err := s.cfg.Handler.Handle(ctx, commands.Request{
		OrderID: c.Order, Command: missed, CommandID: commandID(c.Order, missed), Actor: actor,
	})
	var no *domain.Rejection
	if errors.As(err, &no) && slices.Contains(clockStopped, no.Code) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("record that the confirmation was missed: %w", err)
	}
	return nil
}
