package sender_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/orderledger/orderledger/commands/outhooks/sender"
)

func secret(t *testing.T, fill byte) sender.Secret {
	t.Helper()
	s, err := sender.NewSecret([]byte(strings.Repeat(string(fill), 32)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Who knows the old secret or the new one can verify a message, by the library of Standard Webhooks; nobody else can.
func TestSignaturesAreThoseOfStandardWebhooks(t *testing.T) {
	now, body := time.Now(), []byte(`{"a":1}`)
	current, old := secret(t, 'n'), secret(t, 'o')
	headers := http.Header{}
	headers.Set(sender.HeaderID, "evt_1")
	headers.Set(sender.HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
	headers.Set(sender.HeaderSignature, sender.Sign("evt_1", now, body, current, old))
	for _, s := range []sender.Secret{current, old} {
		hook, err := standardwebhooks.NewWebhook(s.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if err := hook.Verify(body, headers); err != nil {
			t.Error(err)
		}
		if hook.Verify([]byte(`{"a":2}`), headers) == nil {
			t.Error("another body is verified")
		}
	}
	stranger, err := standardwebhooks.NewWebhook(secret(t, 's').Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if stranger.Verify(body, headers) == nil {
		t.Error("a stranger's secret is verified")
	}
	// The example of the specification, whose secret and signature are public.
	s, err := sender.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	if got := sender.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`), s); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signature %s", got)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	s := secret(t, 'x')
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%v", []sender.Secret{s})} {
		if strings.Contains(text, "eHh4") || strings.Contains(text, "xxx") || strings.Contains(text, "0x78") {
			t.Errorf("it prints as %s", text)
		}
	}
	if back, err := sender.ParseSecret(s.Reveal()); err != nil || back.Reveal() != s.Reveal() {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "whsec_", "whsec_c2hvcnQ=", "sk_live_1", "whsec_?", "whsec_" + strings.Repeat("QUFB", 30)} {
		if _, err := sender.ParseSecret(bad); err == nil || (len(bad) > 6 && strings.Contains(err.Error(), bad[6:])) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
