package commandapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/domain"
)

var errSecret = errors.New("the password of the database is swordfish")

// Every bad input has its status and code, and appends nothing.
func TestBadInputHasItsCodeAndAppendsNothing(t *testing.T) {
	e := newEnv(t)
	v := e.accepted("1", "card")
	account := e.accepted("2", "account")
	head := e.head()
	set := func(key string, value any) func(map[string]any) { return func(m map[string]any) { m[key] = value } }
	placed := func(edit ...func(map[string]any)) string { return order("9", "card", edit...) }
	tests := []struct {
		name, path, body string
		headers          []string
		status           int
		code             string
	}{
		{"no key", "/v1/orders", placed(), []string{"Idempotency-Key", ""}, 400, "idempotency_key_required"},
		{"a key with spaces", "/v1/orders", placed(), []string{"Idempotency-Key", "a b"}, 400, "idempotency_key_invalid"},
		{"a key that is too long", "/v1/orders", placed(), []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "idempotency_key_invalid"},
		{"a key beyond ASCII", "/v1/orders", placed(), []string{"Idempotency-Key", "schlüssel"}, 400, "idempotency_key_invalid"},
		{"no type", "/v1/orders", placed(), []string{"Content-Type", ""}, 415, "unsupported_media_type"},
		{"another type", "/v1/orders", placed(), []string{"Content-Type", "text/plain"}, 415, "unsupported_media_type"},
		{"a form", "/v1/orders", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
		{"another charset", "/v1/orders", placed(), []string{"Content-Type", "application/json; charset=utf-16"}, 415, "unsupported_media_type"},
		{"packed", "/v1/orders", placed(), []string{"Content-Encoding", "gzip"}, 415, "unsupported_media_type"},
		{"JSON for an import", "/v1/imports", placed(), nil, 415, "unsupported_media_type"},
		{"an empty import", "/v1/imports", "", []string{"Content-Type", "text/csv"}, 415, "unsupported_media_type"},
		{"too large", "/v1/orders", strings.Repeat(" ", commandapi.MaxBody) + "{}", nil, 413, "too_large"},
		{"too large an import", "/v1/imports", strings.Repeat(" ", commandapi.MaxBody+1), []string{"Content-Type", "application/x-ndjson"}, 413, "too_large"},
		{"too many lines", "/v1/imports", strings.Repeat("{}\n", 1001), []string{"Content-Type", "application/x-ndjson"}, 413, "too_large"},

		{"unknown field", "/v1/orders", placed(set("colour", "red")), nil, 422, "unknown_field"},
		{"wrong type", "/v1/orders", placed(set("total", "1200")), nil, 422, "wrong_type"},
		{"a fraction of a cent", "/v1/orders", placed(set("total", 1200.5)), nil, 422, "wrong_type"},
		{"totals", "/v1/orders", placed(set("total", 1201)), nil, 422, "totals_mismatch"},
		{"no lines", "/v1/orders", placed(set("lines", []any{})), nil, 422, "required"},
		{"nothing", "/v1/orders", "", nil, 422, "required"},
		{"currency", "/v1/orders", placed(set("currency", "XXX1")), nil, 422, "unknown_currency"},
		{"a card number", "/v1/orders", placed(set("shipping_method", "4242 4242 4242 4242")), nil, 422, "card_number_refused"},
		{"a card", "/v1/orders", placed(set("payment", map[string]any{"method": "card", "number": "4242424242424242"})), nil, 422, "card_number_refused"},
		{"no PaymentIntent", "/v1/orders", placed(set("payment", map[string]any{"method": "card"})), nil, 422, "payment_intent_required"},
		{"no account", "/v1/orders", order("9", "account", set("customer", map[string]any{"name": "x"})), nil, 422, "account_number_required"},
		{"another amount than is held", "/v1/orders", placed(set("tax", 1), set("total", 1201)), nil, 409, "amount_mismatch"},

		{"no such order", nobody + "/accept", "", nil, 404, "order_not_found"},
		{"no such order, with a version", nobody + "/cancel", "", []string{"If-Match", `"1"`}, 404, "order_not_found"},
		{"no id", "/v1/orders/10248/accept", "", nil, 404, "order_not_found"},
		{"an id in braces", "/v1/orders/{" + v.ID.String() + "}/accept", "", nil, 404, "order_not_found"},
		{"not captured", path(v, domain.VerbRefund), "", []string{"If-Match", `"2"`}, 409, "not_captured"},
		{"not shipped", path(v, domain.VerbTracking), `{"tracking":[]}`, nil, 409, "not_shipped"},
		{"not finished", path(v, domain.VerbArchive), "", nil, 409, "not_finished"},
		{"no reversal owed", path(account, domain.VerbReversal), `{"external_reference":"x"}`, nil, 409, "no_reversal_owed"},
		{"no card", path(account, domain.VerbReauthorize), "", nil, 409, "not_a_card_order"},
		{"no reference", path(account, domain.VerbCapture), "", []string{"If-Match", `"2"`}, 422, "external_reference_required"},
		{"a reference where money is held", path(v, domain.VerbCapture), `{"external_reference":"INV-1"}`, []string{"If-Match", `"2"`}, 422, "bad_value"},
		{"a long reference", path(account, domain.VerbCapture), `{"external_reference":"` + strings.Repeat("x", 201) + `"}`, []string{"If-Match", `"2"`}, 422, "too_long"},
		{"a long reason", path(v, domain.VerbCancel), `{"reason":"` + strings.Repeat("x", 501) + `"}`, []string{"If-Match", `"2"`}, 422, "too_long"},
		{"a reason with a bell", path(v, domain.VerbCancel), `{"reason":"\u0007"}`, []string{"If-Match", `"2"`}, 422, "bad_value"},
		{"an amount to refund", path(v, domain.VerbRefund), `{"amount":5}`, []string{"If-Match", `"2"`}, 422, "unknown_field"},
		{"an empty note", path(v, domain.VerbNote), "", nil, 422, "text_required"},
		{"a long note", path(v, domain.VerbNote), `{"text":"` + strings.Repeat("x", 4001) + `"}`, nil, 422, "too_long"},
		{"a card number in a note", path(v, domain.VerbNote), `{"text":"pan 4242-4242-4242-4242"}`, nil, 422, "card_number_refused"},
		{"tracking without a number", path(v, domain.VerbShip), `{"tracking":[{"carrier":"ups"}]}`, []string{"If-Match", `"2"`}, 422, "required"},
		{"a field twice", path(v, domain.VerbNote), `{"text":"a","text":"b"}`, nil, 422, "duplicate_field"},
		{"another case", path(v, domain.VerbNote), `{"Text":"a"}`, nil, 422, "unknown_field"},
		{"a body where none belongs", path(v, domain.VerbAccept), `{"force":true}`, nil, 422, "unknown_field"},

		{"a token without a name", "/v1/tokens", `{"role":"clerk"}`, nil, 422, "bad_value"},
		{"a token of the ledger's own", "/v1/tokens", `{"name":"Saga","role":"clerk"}`, nil, 422, "bad_value"},
		{"a token of no role", "/v1/tokens", `{"name":"x","role":"system"}`, nil, 422, "bad_value"},
		{"no such token", "/v1/tokens/0123456789abcdef/revoke", "", nil, 404, "token_not_found"},
		{"no token's id", "/v1/tokens/a.b/revoke", "", nil, 404, "token_not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e.post(tt.path, tt.body, tt.headers...).want(t, tt.status, tt.code)
			if e.head() != head {
				t.Fatalf("the head moved from %d to %d", head, e.head())
			}
		})
	}
}

// Whatever is not one JSON object is malformed, on every endpoint.
func TestMalformedBodies(t *testing.T) {
	e := newEnv(t)
	v := e.accepted("1", "card")
	head := e.head()
	paths := []string{"/v1/orders", "/v1/tokens", path(v, domain.VerbAccept), path(v, domain.VerbNote), path(v, domain.VerbShip)}
	bodies := []string{
		" ", "{", "}", "[]", "[{}]", "null", "true", "1", `"x"`, "{}{}", "{} x", `{"text"}`, `{"text":}`, `{"text":"a",}`, `{'text':'a'}`,
		`{"text":"a"`, `{text:"a"}`, `{"text":"\x"}`, `{"text":"` + "\n" + `"}`, `{"text":NaN}`, `{"text":01}`, "\ufeff{}", "\x00", "\xff\xfe{}",
		`{"text":"` + "\xc3\x28" + `"}`, strings.Repeat(`{"text":`, 100), strings.Repeat("[", 100_000), `{"a":` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + "}",
		"<order/>", "text=a", "{}\x00", "// a comment\n{}",
	}
	for _, p := range paths {
		for _, body := range bodies {
			r := e.post(p, body, "If-Match", `"2"`)
			if r.StatusCode != http.StatusBadRequest || r.code() != "malformed_json" {
				t.Errorf("%s %.40q: %d %s", p, body, r.StatusCode, r.body)
			}
		}
	}
	if e.head() != head {
		t.Error("a malformed body moved the head")
	}
}

func TestLargestBodyIsTaken(t *testing.T) {
	e := newEnv(t)
	body := order("1", "account")
	body += strings.Repeat(" ", commandapi.MaxBody-len(body))
	e.post("/v1/orders", body).want(t, http.StatusCreated, "")
}

func TestTypeWithItsCharsetIsTaken(t *testing.T) {
	e := newEnv(t)
	e.post("/v1/orders", order("1", "account"), "Content-Type", "application/json; charset=UTF-8").want(t, http.StatusCreated, "")
}

func TestTheOrderThatHasTheReferenceIsNamed(t *testing.T) {
	e := newEnv(t)
	first, second := e.accepted("1", "account"), e.accepted("2", "account")
	entry := func(v domain.View, reference, key string) reply {
		return e.post(path(v, domain.VerbCapture), `{"external_reference":"`+reference+`"}`, "If-Match", `"2"`, "Idempotency-Key", key)
	}
	entry(first, "INV-1", "k").want(t, http.StatusOK, "")
	refused := entry(second, " inv-1", "k")
	refused.want(t, http.StatusConflict, "reference_used")
	var p commandapi.Problem
	if err := json.Unmarshal(refused.body, &p); err != nil {
		t.Fatal(err)
	}
	if p.Other != first.ID.String() || !strings.Contains(p.Detail, "order 1 of "+first.Manufacturer) {
		t.Errorf("%+v", p)
	}
	entry(first, "INV-1", "k").want(t, http.StatusOK, "")
	entry(second, "INV-2", "k").want(t, http.StatusOK, "")
}
