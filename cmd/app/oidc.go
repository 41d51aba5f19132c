package app

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/orderledger/orderledger/commands/access/signin"
)

// OIDC says who else vouches for people: the flags of `serve` that begin with oidc.
type OIDC struct {
	Issuer    string // empty: nobody
	ClientID  string
	Secret    string // file that holds the client's secret; empty for a public client
	RoleClaim string
	Roles     string // ROLE=VALUE,…: see signin.ParseRoles
}

func (o OIDC) validate() error {
	if o.Issuer == "" {
		if o.ClientID != "" || o.Secret != "" || o.Roles != "" {
			return errors.New("--oidc-client-id, --oidc-client-secret-file, --oidc-roles: name the provider with --oidc-issuer")
		}
		return nil
	}
	var errs []error
	if err := signin.CheckIssuer(o.Issuer); err != nil {
		errs = append(errs, fmt.Errorf("--oidc-issuer %q: %w", o.Issuer, err))
	}
	if o.ClientID == "" {
		errs = append(errs, errors.New("--oidc-issuer: name the client that the provider knows the ledger by with --oidc-client-id"))
	}
	if o.RoleClaim == "" {
		errs = append(errs, errors.New("--oidc-role-claim: name the claim that people's roles come from"))
	}
	if _, err := signin.ParseRoles(o.Roles); err != nil {
		errs = append(errs, fmt.Errorf("--oidc-roles: %w", err))
	}
	return errors.Join(errs...)
}

func (o OIDC) provider(log *slog.Logger) (*signin.OIDC, error) {
	roles, err := signin.ParseRoles(o.Roles)
	if err != nil {
		return nil, err
	}
	c := signin.OIDCConfig{Issuer: o.Issuer, ClientID: o.ClientID, RoleClaim: o.RoleClaim, Roles: roles, Logger: log}
	if o.Secret != "" {
		if c.ClientSecret, err = readKey(o.Secret, log); err != nil {
			return nil, fmt.Errorf("--oidc-client-secret-file: %w", err)
		}
	}
	return signin.NewOIDC(c)
}
