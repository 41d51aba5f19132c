package commandapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/domain"
)

// TokenBody asks for a token.
type TokenBody struct {
	Name string      `json:"name" minLength:"1" maxLength:"64" doc:"Under which its holder acts"`
	Role domain.Role `json:"role" enum:"viewer,clerk,manager,auditor,store,admin"`
}

// TokenView is a token that was made or revoked.
type TokenView struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"`
	Role    domain.Role `json:"role"`
	Revoked bool        `json:"revoked"`
	Secret  string      `json:"secret,omitempty" required:"false" doc:"Shown once, when the token is made; a repeated request does not get it"`
}

// TokenAnswer is the answer to a command on a token.
type TokenAnswer struct {
	Position string `header:"Ledger-Position" doc:"A query with wait_for of this sees the change"`
	Replayed string `header:"Idempotent-Replayed" doc:"true when the same request was carried out before"`
	Cache    string `header:"Cache-Control"`
	Body     TokenView
}

type tokenInput struct {
	Keyed
}

type revokeInput struct {
	Keyed
	ID string `path:"id" doc:"The token's id"`
}

func (s *server) registerTokens() {
	create := huma.Operation{
		OperationID: "create-token", Method: http.MethodPost, Path: "/v1/tokens", Tags: []string{"tokens"},
		Summary: "Create an API token", DefaultStatus: http.StatusCreated, SkipValidateParams: true,
		Description: "The secret is shown here and never again: the ledger keeps its hash. Role admin.",
	}
	register(s, create, document[TokenBody]{required: true}, s.createToken)
	revoke := huma.Operation{
		OperationID: "revoke-token", Method: http.MethodPost, Path: "/v1/tokens/{id}/revoke", Tags: []string{"tokens"},
		Summary: "Revoke an API token", DefaultStatus: http.StatusOK, SkipValidateParams: true,
		Description: "From now on the token is worth nothing; other processes on the log know it within 5 seconds. Role admin.",
	}
	register(s, revoke, document[None]{codes: []domain.Code{access.TokenNotFound}}, s.revokeToken)
}

func (s *server) createToken(ctx context.Context, in *tokenInput) (*TokenAnswer, error) {
	actor, err := permit(ctx, domain.PermTokens)
	if err != nil {
		return nil, err
	}
	command, err := in.Command(actor)
	if err != nil {
		return nil, err
	}
	var body TokenBody
	if err := in.decode(&body); err != nil {
		return nil, err
	}
	c, err := s.Tokens.CreateOnce(ctx, command, actor, body.Name, body.Role)
	if err != nil {
		return nil, err
	}
	return &TokenAnswer{
		Position: decimal(c.Position), Replayed: flag(c.Replayed), Cache: "no-store",
		Body: TokenView{ID: c.ID, Name: c.Name, Role: c.Role, Secret: c.Secret},
	}, nil
}

func (s *server) revokeToken(ctx context.Context, in *revokeInput) (*TokenAnswer, error) {
	actor, err := permit(ctx, domain.PermTokens)
	if err != nil {
		return nil, err
	}
	command, err := in.Command(actor)
	if err != nil {
		return nil, err
	}
	if err := in.decode(&None{}); err != nil {
		return nil, err
	}
	r, err := s.Tokens.RevokeOnce(ctx, command, actor, in.ID)
	if err != nil {
		return nil, err
	}
	return &TokenAnswer{
		Position: decimal(r.Position), Replayed: flag(r.Replayed), Cache: "no-store",
		Body: TokenView{ID: r.ID, Name: r.Name, Role: r.Role, Revoked: true},
	}, nil
}
