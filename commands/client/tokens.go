package client

import (
	"context"
	"net/url"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Token is an API token.
type Token struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"`
	Role    domain.Role `json:"role"`
	Created time.Time   `json:"created_at"`
	Revoked *time.Time  `json:"revoked_at"` // nil while it is alive
}

// NewToken is a token that was made. Secret is shown this once; it is empty when Replayed, since the ledger keeps its hash
// alone: revoke that token and make another.
type NewToken struct {
	ID       string              `json:"id"`
	Name     string              `json:"name"`
	Role     domain.Role         `json:"role"`
	Secret   string              `json:"secret"`
	Position eventstore.Position `json:"-"`
	Replayed bool                `json:"-"`
}

// CreateToken makes a token whose holder acts under its name.
func (c *Client) CreateToken(ctx context.Context, name string, role domain.Role, opts ...Option) (NewToken, error) {
	body := struct {
		Name string      `json:"name"`
		Role domain.Role `json:"role"`
	}{name, role}
	r, err := c.command("/v1/tokens", body, opts)
	if err != nil {
		return NewToken{}, err
	}
	var t NewToken
	header, _, err := c.send(ctx, r, &t)
	if err != nil {
		return NewToken{}, err
	}
	t.Position, t.Replayed = about(header)
	return t, nil
}

// RevokeToken makes a token worth nothing. Revoking it again is a success.
func (c *Client) RevokeToken(ctx context.Context, id string, opts ...Option) (eventstore.Position, error) {
	r, err := c.command("/v1/tokens/"+url.PathEscape(id)+"/revoke", nothing{}, opts)
	if err != nil {
		return 0, err
	}
	var revoked Token
	header, _, err := c.send(ctx, r, &revoked)
	if err != nil {
		return 0, err
	}
	position, _ := about(header)
	return position, nil
}

// Tokens lists the tokens, as of waitFor or later, without their secrets.
func (c *Client) Tokens(ctx context.Context, waitFor eventstore.Position) ([]Token, error) {
	var out struct {
		Data []Token `json:"data"`
	}
	err := c.get(ctx, "/v1/tokens", after(waitFor), &out)
	return out.Data, err
}
