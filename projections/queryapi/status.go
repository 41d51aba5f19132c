package queryapi

import (
	"context"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

// TokenList lists the API tokens.
type TokenList struct {
	Data []projections.Token `json:"data" nullable:"false"`
}

type tokensOutput struct{ Body TokenList }

func (a *api) tokens(ctx context.Context, in *After) (*tokensOutput, error) {
	if _, err := allow(ctx, domain.PermTokens); err != nil {
		return nil, err
	}
	if err := a.reached(ctx, *in); err != nil {
		return nil, err
	}
	tokens, err := a.Reader.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	return &tokensOutput{Body: TokenList{Data: append([]projections.Token{}, tokens...)}}, nil
}

// ProjectionList says how far the projectors are.
type ProjectionList struct {
	Data []projections.Status `json:"data" nullable:"false"`
}

type projectionsOutput struct{ Body ProjectionList }

func (a *api) projections(ctx context.Context, _ *struct{}) (*projectionsOutput, error) {
	if _, err := allow(ctx, domain.PermRead); err != nil {
		return nil, err
	}
	status, err := a.Status(ctx)
	if err != nil {
		return nil, err
	}
	return &projectionsOutput{Body: ProjectionList{Data: append([]projections.Status{}, status...)}}, nil
}
