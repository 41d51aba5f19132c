package test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands/access/signin/oidctest"
	"github.com/orderledger/orderledger/test/browser"
	"github.com/orderledger/orderledger/test/testenv"
)

// tokenOf makes a token while the ledger still lets its own machine in.
func tokenOf(t *testing.T, api testenv.Client, name, role string) (secret, id string) {
	t.Helper()
	body := []byte(`{"name":"` + name + `","role":"` + role + `"}`)
	a, err := api.Call(t.Context(), http.MethodPost, "/v1/tokens", "application/json", body, "Idempotency-Key", "make-"+name)
	if err != nil || a.Status/100 != 2 {
		t.Fatalf("token: %v %d %s", err, a.Status, a.Body)
	}
	var made struct{ ID, Secret string }
	if err := json.Unmarshal(a.Body, &made); err != nil || made.Secret == "" {
		t.Fatalf("token: %v %s", err, a.Body)
	}
	return made.Secret, made.ID
}

// People come in with a token, without JavaScript, too, see on every page who they are, and go out; a revoked token puts them out.
func TestSignInWithAToken(t *testing.T) {
	browser.Find(t)
	ledger := testenv.Start(t, testenv.Config(t, "memory"), app.Hooks{})
	api := testenv.Client{URL: ledger.URL}
	secret, id := tokenOf(t, api, "vera", "viewer")

	p := browser.Open(t, ledger.URL)
	p.Open("/sign-in?back=//evil.example/")
	p.Reads("header .name", "local")
	p.Check("sign-in")
	p.Fill(`input[name="token"]`, "olt_wrong")
	if status := p.Follow(`main form button`); status != http.StatusUnauthorized {
		t.Errorf("a wrong token: %d", status)
	}
	p.Reads("main", "not the token of anybody")
	p.Check("sign-in-refused")
	p.WithoutJavaScript()
	p.Open("/sign-in?back=/parked")
	p.Fill(`input[name="token"]`, secret)
	p.Follow(`main form button`)
	p.Reads("h1", "Waiting for a decision")
	p.Reads("header .name", "vera (viewer)")
	p.Open("/sign-in?back=//evil.example/")
	if got := p.Value(`main input[name="back"]`); got != "/" {
		t.Errorf("leads back to %q", got)
	}
	p.Open("/orders")
	p.Click("details.menu summary")
	p.Follow(`form[action="/sign-out"] button`)
	p.Reads("main", "You are signed out.")
	p.Reads("header .name", "local")

	p.Open("/sign-in?back=/orders")
	p.Fill(`input[name="token"]`, secret)
	p.Follow(`main form button`)
	p.Reads("header .name", "vera")
	if a, err := api.Call(t.Context(), http.MethodPost, "/v1/tokens/"+id+"/revoke", "application/json", []byte("{}"), "Idempotency-Key", "revoke"); err != nil || a.Status/100 != 2 {
		t.Fatalf("revoke: %v %s", err, a.Body)
	}
	if status := p.Open("/orders?tab=paid"); status != http.StatusUnauthorized {
		t.Errorf("with a revoked token: %d", status)
	}
	p.Reads("main", "Your session is over.")
	p.Reads("header .name", "Nobody is signed in")
	if got := p.Value(`main input[name="back"]`); got != "/orders?tab=paid" {
		t.Errorf("leads back to %q", got)
	}
}

// People come in by OpenID Connect with the role that their claim stands for; who has none is told so.
func TestSignInWithAProvider(t *testing.T) {
	browser.Find(t)
	provider := oidctest.New(t)
	c, file := testenv.Config(t, "memory"), filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(oidctest.ClientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.OIDC = app.OIDC{
		Issuer: provider.URL, ClientID: oidctest.ClientID, Secret: file, RoleClaim: "groups", Roles: "auditor=books",
	}
	ledger := testenv.Start(t, c, app.Hooks{})
	p := browser.Open(t, ledger.URL)
	p.Open("/sign-in?back=/obligations")
	p.Check("sign-in-provider")
	provider.Is(map[string]any{"email": "eve@example.com", "email_verified": true, "groups": []string{"others"}})
	if status := p.Follow("main a.primary"); status != http.StatusForbidden {
		t.Errorf("without a role: %d", status)
	}
	p.Reads("main", "as eve@example.com, but no role in this ledger was given to you")
	provider.Is(map[string]any{"email": "ada@example.com", "email_verified": true, "groups": []string{"books"}})
	p.Open("/sign-in?back=/obligations")
	p.Follow("main a.primary")
	p.Reads("h1", "On account")
	p.Reads("header .name", "ada@example.com (auditor)")
	p.Sound()
}
