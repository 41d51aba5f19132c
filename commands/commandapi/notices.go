package commandapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

// ResentView says that something is sent again.
type ResentView struct {
	OrderID uuid.UUID `json:"order_id" format:"uuid"`
	Notice  uuid.UUID `json:"notice" format:"uuid"`
}

// ResentAnswer is the answer to a request to send something again.
type ResentAnswer struct {
	Position string `header:"Ledger-Position" doc:"A query with wait_for of this sees that it was asked for"`
	Replayed string `header:"Idempotent-Replayed" doc:"true when the same request was carried out before"`
	Body     ResentView
}

type resendInput struct {
	OnOrder
	Notice string `path:"notice" doc:"The notice's id, as the order's timeline has it"`
}

func (s *server) registerNotices() {
	op := huma.Operation{
		OperationID: "resend-notification", Method: http.MethodPost, Path: "/v1/orders/{id}/notifications/{notice}/resend",
		Tags: []string{"orders"}, Summary: "Send again what somebody was told", DefaultStatus: http.StatusAccepted, SkipValidateParams: true,
		Description: "Sends an e-mail or a message again, as a new one; or one that could not be delivered. What came of it is in the " +
			"order's timeline. Permission: notify (roles clerk, manager, admin).",
	}
	codes := []domain.Code{domain.OrderNotFound, commands.NoticeNotFound, commands.NotNotified}
	register(s, op, document[None]{codes: codes}, s.resend)
}

func (s *server) resend(ctx context.Context, in *resendInput) (*ResentAnswer, error) {
	var r commands.Request
	var err error
	if r.Actor, err = permit(ctx, domain.PermNotify); err != nil {
		return nil, err
	}
	if r.CommandID, err = in.Command(r.Actor); err != nil {
		return nil, err
	}
	if r.OrderID, err = in.order(); err != nil {
		return nil, err
	}
	if err := in.decode(&None{}); err != nil {
		return nil, err
	}
	notice, err := uuid.Parse(in.Notice)
	if err != nil || len(in.Notice) != len(notice.String()) {
		notice = uuid.Nil // nobody was told of that
	}
	r.RequestHash = hashOf("resend " + notice.String())
	kept, err := s.Notices.Resend(ctx, r, notice)
	if err != nil {
		return nil, err
	}
	return &ResentAnswer{
		Position: decimal(kept.Position), Replayed: flag(kept.Replayed), Body: ResentView{OrderID: r.OrderID, Notice: notice},
	}, nil
}

// correctTracking corrects the numbers and, if that is asked for, tells the customer. Asked again after a crash between the two it
// does what is left.
func (s *server) correctTracking(ctx context.Context, r commands.Request, b TrackingBody) (commands.Result, error) {
	if !b.Resend {
		return s.Handler.Handle(ctx, r)
	}
	if s.Notices == nil {
		return commands.Result{}, &domain.Rejection{Code: commands.NotNotified, Message: "Nobody is told of shipments here."}
	}
	if err := s.Notices.Tells(ctx, commands.ShippedNotice); err != nil {
		return commands.Result{}, err
	}
	r.RequestHash = hashOf(r.RequestHash + " and resend")
	res, err := s.Handler.Handle(ctx, r)
	if err != nil {
		return res, err
	}
	again := r
	again.CorrelationID, again.CausationID = r.CommandID.String(), res.EventID
	kept, err := s.Notices.ResendShipped(ctx, again)
	res.Position = max(res.Position, kept.Position)
	return res, err
}

func hashOf(what string) string {
	sum := sha256.Sum256([]byte(what))
	return hex.EncodeToString(sum[:])
}
