package main

import (
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/orderledger/orderledger/cmd/app"
)

// signInFlags are those of who is let in by a browser.
func signInFlags(f *pflag.FlagSet, d app.Config) {
	f.Duration("session-life", d.SessionLife, "how long somebody who signed in with a browser stays so")
	f.String("oidc-issuer", d.OIDC.Issuer, "OpenID Connect provider that vouches for people, such as https://login.example/realms/parts (default nobody)")
	f.String("oidc-client-id", d.OIDC.ClientID, "what the provider knows the ledger by")
	f.String("oidc-client-secret-file", d.OIDC.Secret, "file that holds the client's secret (default a public client)")
	f.String("oidc-role-claim", d.OIDC.RoleClaim, "claim of the ID token that roles come from; dots lead into objects")
	f.String("oidc-roles", d.OIDC.Roles, "which values of the claim give which role, such as admin=ledger-admins,clerk=counter")
}

func readOIDC(k *koanf.Koanf) app.OIDC {
	return app.OIDC{
		Issuer: k.String("oidc-issuer"), ClientID: k.String("oidc-client-id"), Secret: k.String("oidc-client-secret-file"),
		RoleClaim: k.String("oidc-role-claim"), Roles: k.String("oidc-roles"),
	}
}
