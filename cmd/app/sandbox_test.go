package app

import (
	"io"
	"testing"
)

// A sandbox that runs elsewhere is not asked to send anything, and knows no secret but one that is given to both.
func TestWhoseWebhooks(t *testing.T) {
	for _, c := range []struct {
		name, url, secret string
		own               bool
		secrets           int
	}{
		{name: "our own", own: true, secrets: 1},
		{name: "our own, a secret given", secret: "whsec_current_one", own: true, secrets: 1},
		{name: "elsewhere", url: "http://127.0.0.1:1"},
		{name: "elsewhere, a secret given", url: "http://127.0.0.1:1", secret: "whsec_current_one", secrets: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := inMemory(t)
			config.SandboxURL = c.url
			if c.secret != "" {
				config.StripeWebhookSecret = secretFile(t, 0o600, c.secret)
			}
			a, err := New(t.Context(), config, io.Discard, Hooks{})
			if err != nil {
				t.Fatal(err)
			}
			defer a.close()
			if (a.stripe.sandbox != nil) != c.own || len(a.stripe.secrets) != c.secrets {
				t.Errorf("a sandbox of our own: %v, %d secrets", a.stripe.sandbox != nil, len(a.stripe.secrets))
			}
			if c.secret != "" && a.stripe.secrets[0] != c.secret {
				t.Error("another secret than the one that was given")
			}
		})
	}
}
