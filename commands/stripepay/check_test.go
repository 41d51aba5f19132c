package stripepay_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

const accountJSON = `{"id":"acct_1","object":"account","charges_enabled":true}`

func lacks(permission string) string {
	return fmt.Sprintf(`{"error":{"type":"invalid_request_error","message":"The provided key 'rk_test_***' does not have the required `+
		`permissions. Having the '%s' permission would allow this request to continue."}}`, permission)
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, path string // what is answered otherwise
		status     int
		body       string
		version    string
		remark     string // in the only one
		wrong      string // in the error
		shut       bool   // the client asks no more
	}{
		{name: "as it should be"},
		{name: "can't charge", path: "account", status: 200, body: `{"id":"acct_1","object":"account","charges_enabled":false}`, remark: "acct_1 can't charge"},
		{name: "says nothing of charging", path: "account", status: 200, body: `{"id":"acct_1","object":"account"}`},
		{name: "another version", path: "account", status: 200, body: accountJSON, version: "2030-01-01.later", remark: "version 2030-01-01.later, and 2023-10-16 was"},
		{name: "may not read the account", path: "account", status: 403, body: lacks("rak_accounts_kyc_basic_read"), remark: "may not read its account"},
		{name: "a key of nobody's", path: "account", status: 401, body: `{"error":{"type":"invalid_request_error","message":"Invalid API Key"}}`, wrong: "doesn't take the key", shut: true},
		{name: "may not read payments", path: "payment_intents", status: 403, body: lacks("rak_payment_intent_read"), wrong: "permission rak_payment_intent_read", shut: true},
		{name: "may not read disputes", path: "disputes", status: 403, body: lacks("rak_dispute_read"), wrong: "permission rak_dispute_read", shut: true},
		{name: "may not read refunds", path: "refunds", status: 403, body: lacks(""), wrong: "give it a permission", shut: true},
		{name: "may not read events", path: "events", status: 403, body: lacks("rak_event_read"), wrong: "may not read events", shut: true},
		{
			name: "whose money", path: "payment_intents", status: 200,
			body: `{"object":"list","data":[` + strings.Replace(intentJSON(1), `"livemode":false`, `"livemode":true`, 1) + `]}`, wrong: "livemode true, and the ledger runs in sandbox mode",
		},
		{name: "a no", path: "events", status: 400, body: `{"error":{"type":"invalid_request_error","message":"Nobody lists here."}}`, wrong: "events: Nobody lists here (request"},
	} {
		s, client := stocked(t, map[string][]string{"/v1/payment_intents": {intentJSON(2), intentJSON(1)}})
		s.answer = func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case r.URL.Path == "/v1/"+c.path && c.path != "":
				w.Header().Set("Stripe-Version", c.version)
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			case r.URL.Path == "/v1/account":
				w.Header().Set("Stripe-Version", r.Header.Get("Stripe-Version"))
				_, _ = w.Write([]byte(accountJSON))
			default:
				return false
			}
			return true
		}
		remarks, err := client.Check(t.Context())
		said := strings.Join(remarks, "\n")
		if len(remarks) > 1 || !strings.Contains(said, c.remark) || (c.remark == "") != (said == "") {
			t.Errorf("%s: remarks %q", c.name, remarks)
		}
		var wrong *stripepay.SetupError
		if (err == nil) != (c.wrong == "") || (err != nil && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), c.wrong))) {
			t.Errorf("%s: %v", c.name, err)
		}
		if (client.Health() != nil) != c.shut {
			t.Errorf("%s: health %v", c.name, client.Health())
		}
		for _, u := range s.asked[1:] {
			if u.Query().Get("limit") != "1" {
				t.Errorf("%s: %s", c.name, u)
			}
		}
	}
}

func TestCheckWithoutAnAnswer(t *testing.T) {
	s, client := stocked(t, nil)
	s.answer = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }
	_, err := client.Check(t.Context())
	if wrong := (*stripepay.SetupError)(nil); errors.As(err, &wrong) || !errors.Is(err, commands.ErrPaymentUnknown) {
		t.Errorf("%v", err)
	}
}

// A simulator without disputes says so, and all that comes before them is well.
func TestCheckOfTheSimulatorsAccount(t *testing.T) {
	sim := simtest.Start(t)
	hold(t, sim, "pm_card_visa")
	remarks, err := sim.Payments.Check(t.Context())
	if wrong := (*stripepay.SetupError)(nil); len(remarks) != 0 || (err != nil && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), "disputes"))) {
		t.Errorf("%q, %v", remarks, err)
	}
}
