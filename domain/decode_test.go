package domain_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/domain"
)

func TestDecodeJSON(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 30) + "1" + strings.Repeat("}", 30)
	for _, tt := range []struct{ name, body, want string }{
		{"nothing", ``, "malformed_json"},
		{"a half", `{"total":1`, "malformed_json"},
		{"no object", `[1]`, "malformed_json"},
		{"a number", `1`, "malformed_json"},
		{"null", `null`, "malformed_json"},
		{"two objects", `{} {}`, "malformed_json"},
		{"garbage behind", `{}x`, "malformed_json"},
		{"a comma too much", `{"total":1,}`, "malformed_json"},
		{"no quotes", `{total:1}`, "malformed_json"},
		{"wrong brackets", `{"lines":[}`, "malformed_json"},
		{"too deep", `{"customer":` + deep + `}`, "malformed_json"},
		{"an empty object", `{}`, "<nil>"},
		{"null is no value", `{"total":null,"lines":null,"placed_at":null,"customer":null}`, "<nil>"},
		{"an unknown field", `{"totl":1}`, "unknown_field /totl=unknown_field"},
		{"another case is another name", `{"Total":1}`, "unknown_field /Total=unknown_field"},
		{"a field with a slash", `{"a/b~c":1}`, "unknown_field /a~1b~0c=unknown_field"},
		{"an unknown field within", `{"lines":[{"sku":"a"},{"colour":"red"}]}`, "unknown_field /lines/1/colour=unknown_field"},
		{"an unknown object is named once", `{"gift":{"wrap":{"paper":1}}}`, "unknown_field /gift=unknown_field"},
		{"twice", `{"total":1,"total":2}`, "duplicate_field /total=duplicate_field"},
		{"twice by an escape", `{"total":1,"\u0074otal":2}`, "duplicate_field /total=duplicate_field"},
		{"money as a text", `{"total":"1"}`, "wrong_type /total=wrong_type"},
		{"money as a float", `{"total":1.5}`, "wrong_type /total=wrong_type"},
		{"money with an exponent", `{"total":1e3}`, "wrong_type /total=wrong_type"},
		{"money beyond int64", `{"total":9223372036854775808}`, "wrong_type /total=wrong_type"},
		{"a float beyond all", `{"lines":[{"discount_percent":1e999}]}`, "wrong_type /lines/0/discount_percent=wrong_type"},
		{"a text as a number", `{"order_number":10248}`, "wrong_type /order_number=wrong_type"},
		{"a truth for a text", `{"currency":true}`, "wrong_type /currency=wrong_type"},
		{"an object for a list", `{"lines":{}}`, "wrong_type /lines=wrong_type"},
		{"a list for an object", `{"customer":[]}`, "wrong_type /customer=wrong_type"},
		{"a text for an object", `{"customer":"Paul"}`, "wrong_type /customer=wrong_type"},
		{"an object for an instant", `{"placed_at":{}}`, "wrong_type /placed_at=wrong_type"},
		{"a day for an instant", `{"placed_at":"1996-07-04"}`, "wrong_type /placed_at=wrong_type"},
		{"no such day", `{"placed_at":"1996-02-30T00:00:00Z"}`, "wrong_type /placed_at=wrong_type"},
		{"card data", `{"payment":{"card":{"number":"4242424242424242","cvc":"123"}}}`, "card_number_refused /payment/card=card_number_refused"},
		{"a security code", `{"payment":{"CVC":"123"}}`, "card_number_refused /payment/CVC=card_number_refused"},
		{"a name that is a card number", `{"4242424242424242":{"x":1}}`, "card_number_refused /…=card_number_refused"},
		{"all that is wrong", `{"a":1,"total":"x","card_number":"1"}`, "card_number_refused /a=unknown_field /total=wrong_type /card_number=card_number_refused"},
	} {
		var in domain.Intake
		err := domain.DecodeJSON([]byte(tt.body), &in)
		if got := violations(err); got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.name, got, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "4242") {
			t.Errorf("%s: the card number is repeated: %v", tt.name, err)
		}
	}
}

// FuzzDecodeJSON: whatever comes in, there is an answer with a code, and what is taken is what encoding/json takes.
// go test ./domain -fuzz FuzzDecodeJSON
func FuzzDecodeJSON(f *testing.F) {
	good, err := os.ReadFile(filepath.Join("testdata", "intake.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, s := range []string{
		`{}`, `{"total":1,}`, `{"lines":[{"quantity":-0}]}`, `{"placed_at":"2006-01-02T15:04:05+24:00"}`, `{"customer":{"name":"\ud800"}}`,
		`{"4242424242424242":1}`, `{"total":1e2}`, "\xef\xbb\xbf{}", `{"a":1}{`, `{"placed_at":"2006-01-02T15:04:05,1Z"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in domain.Intake
		err := domain.DecodeJSON(body, &in)
		c := code(err)
		switch {
		case err != nil && (c == "" || strings.HasPrefix(string(c), "not a rejection")):
			t.Fatalf("no code: %v", err)
		case !json.Valid(body) && c != domain.MalformedJSON:
			t.Fatalf("not JSON, and the code is %q", c)
		case err != nil:
			return
		}
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		var plain domain.Intake
		if err := d.Decode(&plain); err != nil {
			t.Fatalf("taken, but not by encoding/json: %v", err)
		}
		if c := code(in.Check()); strings.HasPrefix(string(c), "not a rejection") {
			t.Fatal(c)
		}
		if in.Hash() != plain.Hash() {
			t.Fatal("the same body has two hashes")
		}
	})
}
