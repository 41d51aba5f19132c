package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/commands/notify/letter"
	"github.com/orderledger/orderledger/commands/notify/post"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// mailbox lets the pages show e-mails, and send one again: as the API does.
type mailbox struct{ app *App }

// Resend implements dashboard.Mail.
func (m mailbox) Resend(ctx context.Context, order, notice uuid.UUID, key string) (eventstore.Position, error) {
	actor := domain.ActorFrom(ctx)
	if !actor.Role.May(domain.PermNotify) {
		return 0, queryapi.ErrForbidden
	}
	sum := sha256.Sum256([]byte("resend " + notice.String()))
	kept, err := m.app.notices().Resend(ctx, commands.Request{
		OrderID: order, CommandID: commands.CommandID(actor.ID, key), RequestHash: hex.EncodeToString(sum[:]), Actor: actor,
	}, notice)
	return kept.Position, err
}

// HasOutbox implements dashboard.Mail.
func (m mailbox) HasOutbox() bool { return m.app.telling.outbox != nil }

// Outbox implements dashboard.Mail.
func (m mailbox) Outbox(limit int) ([]dashboard.Letter, int, error) {
	stored, count, err := m.app.telling.outbox.List(limit)
	list := make([]dashboard.Letter, len(stored))
	for i, s := range stored {
		list[i] = letterOf(s)
	}
	return list, count, err
}

// Letter implements dashboard.Mail.
func (m mailbox) Letter(id string) (dashboard.Letter, error) {
	s, err := m.app.telling.outbox.Message(id)
	if errors.Is(err, post.ErrNoMessage) {
		return dashboard.Letter{}, &domain.Rejection{Code: commandapi.CodeNotFound, Kind: domain.Missing, Message: "The outbox holds no such e-mail."}
	}
	return letterOf(s), err
}

func letterOf(s post.Stored) dashboard.Letter {
	return dashboard.Letter{
		ID: s.ID, MessageID: s.MessageID, From: s.From, To: s.To, Subject: s.Subject, Text: s.Text, HTML: s.HTML, At: s.At,
	}
}

// Previews implements dashboard.Mail.
func (m mailbox) Previews() []string { return letter.Names }

// Preview implements dashboard.Mail.
func (m mailbox) Preview(name string, o domain.Order) (dashboard.Letter, error) {
	msg, err := m.app.telling.writer.Preview(name, o, m.app.now())
	if errors.Is(err, letter.ErrNoTemplate) {
		return dashboard.Letter{}, &domain.Rejection{
			Code: commandapi.CodeNotFound, Kind: domain.Missing, Message: "There is no such e-mail. There are: " + strings.Join(letter.Names, ", ") + ".",
		}
	}
	return dashboard.Letter{To: recipients(msg), Subject: msg.Subject, Text: msg.Text, HTML: msg.HTML}, err
}

func recipients(m notify.Message) string {
	var list []string
	for _, to := range m.To {
		list = append(list, strings.TrimSpace(to.Name+" <"+to.Address+">"))
	}
	return strings.Join(list, ", ")
}

// EmailView is an e-mail as it would be sent.
type EmailView struct {
	Template string `json:"template"`
	To       string `json:"to" doc:"Empty when the order names no address"`
	Subject  string `json:"subject"`
	Text     string `json:"text"`
	HTML     string `json:"html"`
}

type previewInput struct {
	ID       string `path:"id" doc:"The order's id"`
	Template string `path:"template" doc:"placed-card, placed-account, shipped, cancelled-card, cancelled-account, refunded, accepted, captured, archived or dealer"`
}

type previewAnswer struct{ Body EmailView }

// registerPreview adds the e-mails as they would be sent.
func (a *App) registerPreview(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "preview-notification", Method: http.MethodGet, Path: "/v1/orders/{id}/notifications/preview/{template}", Tags: []string{"queries"},
		Summary: "An e-mail about an order as it is; it is not sent", RejectUnknownQueryParameters: true,
	}, func(ctx context.Context, in *previewInput) (*previewAnswer, error) {
		if !domain.ActorFrom(ctx).Role.May(domain.PermRead) {
			return nil, commandapi.From(commandapi.ErrForbidden)
		}
		id, err := uuid.Parse(in.ID)
		if err != nil {
			return nil, a.problem(domain.Reject(domain.OrderNotFound))
		}
		o, _, err := a.handler.Load(ctx, id)
		if err != nil {
			return nil, a.problem(err)
		}
		l, err := mailbox{a}.Preview(in.Template, o)
		if err != nil {
			return nil, a.problem(err)
		}
		return &previewAnswer{Body: EmailView{Template: in.Template, To: l.To, Subject: l.Subject, Text: l.Text, HTML: l.HTML}}, nil
	})
}
