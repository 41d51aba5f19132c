package client

import (
	"context"
	"net/url"
	"time"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// NewEndpoint asks for an endpoint that events are sent to.
type NewEndpoint struct {
	URL          string   `json:"url"`
	Types        []string `json:"types,omitempty"`        // event types of orders, such as Shipped; none for all
	Manufacturer string   `json:"manufacturer,omitempty"` // of this one's orders alone
	// CustomerData: with customer data, addresses and note texts.
	CustomerData bool `json:"include_customer_data,omitempty"`
}

// Endpoint is somebody else's system that events are sent to.
type Endpoint struct {
	ID           string    `json:"id"`
	URL          string    `json:"url"`
	Types        []string  `json:"types"`
	Manufacturer string    `json:"manufacturer"`
	CustomerData bool      `json:"include_customer_data"`
	State        string    `json:"state"` // active, parked, disabled or removed
	CreatedAt    time.Time `json:"created_at"`
	// Secret is what the endpoint verifies messages with; of AddEndpoint and RotateEndpoint alone.
	Secret      string            `json:"secret,omitempty"`
	OldUntil    *time.Time        `json:"old_secret_until"` // until when the secret before signs, too
	DisabledFor string            `json:"disabled_because,omitempty"`
	Parked      *EndpointTrouble  `json:"parked"`             // the delivery that waits for a person's decision
	Failing     *EndpointTrouble  `json:"failing"`            // the delivery that has failed and is tried again
	Progress    *EndpointProgress `json:"progress,omitempty"` // of the process that answered; in a list alone

	Position eventstore.Position `json:"-"` // of a command
	Replayed bool                `json:"-"`
}

// EndpointTrouble is a delivery that does not succeed.
type EndpointTrouble struct {
	EventID  string     `json:"event_id,omitempty"`
	Stream   string     `json:"stream,omitempty"`
	Since    time.Time  `json:"since"`
	Attempts int        `json:"attempts"`
	Reason   string     `json:"reason"`
	Next     *time.Time `json:"next"`
}

// EndpointProgress is how far a process is with an endpoint.
type EndpointProgress struct {
	Position   eventstore.Position `json:"position"`
	Delivered  int64               `json:"delivered"`
	Failed     int64               `json:"failed"`
	LastAt     *time.Time          `json:"last_at"`
	LastStatus int                 `json:"last_status"`
}

// EndpointTest is what an endpoint answered to a test. Status is 0 when it did not answer; Error says why.
type EndpointTest struct {
	OK      bool    `json:"ok"`
	Status  int     `json:"status"`
	Answer  string  `json:"answer"`
	Error   string  `json:"error,omitempty"`
	Seconds float64 `json:"seconds"`
}

const endpoints = "/v1/webhook-endpoints"

// AddEndpoint has events sent to a system, from now on. Its answer holds the secret that it verifies them with.
func (c *Client) AddEndpoint(ctx context.Context, e NewEndpoint, opts ...Option) (Endpoint, error) {
	return c.endpoint(ctx, endpoints, e, opts)
}

// RotateEndpoint gives an endpoint a new secret; the old one signs, too, for 24 hours.
func (c *Client) RotateEndpoint(ctx context.Context, id string, opts ...Option) (Endpoint, error) {
	return c.onEndpoint(ctx, id, "rotate", opts)
}

// EnableEndpoint lets a disabled endpoint go on where it was.
func (c *Client) EnableEndpoint(ctx context.Context, id string, opts ...Option) (Endpoint, error) {
	return c.onEndpoint(ctx, id, "enable", opts)
}

// DisableEndpoint sends an endpoint nothing until it is enabled.
func (c *Client) DisableEndpoint(ctx context.Context, id string, opts ...Option) (Endpoint, error) {
	return c.onEndpoint(ctx, id, "disable", opts)
}

// RemoveEndpoint ends an endpoint for good. Removing it again is a success.
func (c *Client) RemoveEndpoint(ctx context.Context, id string, opts ...Option) (Endpoint, error) {
	return c.onEndpoint(ctx, id, "remove", opts)
}

// RetryDelivery sends an endpoint's parked delivery again, for as long as at first.
func (c *Client) RetryDelivery(ctx context.Context, id string, opts ...Option) (Endpoint, error) {
	return c.onEndpoint(ctx, id, "retry", opts)
}

// SkipDelivery goes on behind an endpoint's parked delivery, of which it is never told.
func (c *Client) SkipDelivery(ctx context.Context, id string, opts ...Option) (Endpoint, error) {
	return c.onEndpoint(ctx, id, "skip", opts)
}

// TestEndpoint sends a test message to an endpoint, once, and says what it answered. That it did not take it is no error.
func (c *Client) TestEndpoint(ctx context.Context, id string, opts ...Option) (EndpointTest, error) {
	r, err := c.command(endpoints+"/"+url.PathEscape(id)+"/test", nothing{}, opts)
	if err != nil {
		return EndpointTest{}, err
	}
	var t EndpointTest
	_, _, err = c.send(ctx, r, &t)
	return t, err
}

// Endpoints lists whom events are sent to, as of waitFor or later.
func (c *Client) Endpoints(ctx context.Context, waitFor eventstore.Position) ([]Endpoint, error) {
	var out struct {
		Data []Endpoint `json:"data"`
	}
	err := c.get(ctx, endpoints, after(waitFor), &out)
	return out.Data, err
}

func (c *Client) onEndpoint(ctx context.Context, id, verb string, opts []Option) (Endpoint, error) {
	return c.endpoint(ctx, endpoints+"/"+url.PathEscape(id)+"/"+verb, nothing{}, opts)
}

func (c *Client) endpoint(ctx context.Context, path string, body any, opts []Option) (Endpoint, error) {
	r, err := c.command(path, body, opts)
	if err != nil {
		return Endpoint{}, err
	}
	var e Endpoint
	header, _, err := c.send(ctx, r, &e)
	if err != nil {
		return Endpoint{}, err
	}
	e.Position, e.Replayed = about(header)
	return e, nil
}
