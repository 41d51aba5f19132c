package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// Resend sends again what somebody was told of an order, or could not be told. The notice's id stands in the order's timeline.
func (c *Client) Resend(ctx context.Context, order, notice uuid.UUID, opts ...Option) (eventstore.Position, error) {
	r, err := c.command("/v1/orders/"+order.String()+"/notifications/"+notice.String()+"/resend", nothing{}, opts)
	if err != nil {
		return 0, err
	}
	header, _, err := c.send(ctx, r, nil)
	position, _ := about(header)
	return position, err
}

// Email is an e-mail as it would be sent.
type Email struct {
	Template string `json:"template"`
	To       string `json:"to"`
	Subject  string `json:"subject"`
	Text     string `json:"text"`
	HTML     string `json:"html"`
}

// Preview is an e-mail about an order as it is, which is not sent.
func (c *Client) Preview(ctx context.Context, template string, order uuid.UUID) (Email, error) {
	var e Email
	path := "/v1/orders/" + order.String() + "/notifications/preview/" + url.PathEscape(template)
	_, _, err := c.send(ctx, &call{method: http.MethodGet, path: path, header: http.Header{}}, &e)
	return e, err
}
