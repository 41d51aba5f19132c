package outhooks

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

var update = flag.Bool("update", false, "rewrite testdata/public.txt; its diff is what strangers are told from then on")

// What strangers are told of each event of an order stands in testdata/public.txt, for review: made of the events that the codec's
// golden files hold, in which every field is set. A new event type, or a new field, shows there.
func TestPublicForm(t *testing.T) {
	var text strings.Builder
	for _, name := range eventstore.OrderTypes() {
		file, err := os.ReadFile(filepath.Join("..", "..", "domain", "eventstore", "testdata", "events", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var stored struct{ Data, Meta json.RawMessage }
		if err := json.Unmarshal(file, &stored); err != nil {
			t.Fatal(err)
		}
		e, _, err := eventstore.Codec{}.Decode(eventstore.Recorded{Event: eventstore.Event{Type: name, Data: stored.Data, Meta: stored.Meta}})
		if err != nil {
			t.Fatal(err)
		}
		strangers, err := public(e, false)
		if err != nil {
			t.Fatal(err)
		}
		trusted, err := public(e, true)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(name + " " + string(strangers) + "\n")
		for _, word := range wordsOf(e) {
			if strings.Contains(string(strangers), word) || !strings.Contains(string(trusted), word) {
				t.Errorf("%s: %q in %s\nand in %s", name, word, strangers, trusted)
			}
		}
	}
	path := filepath.Join("testdata", "public.txt")
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != text.String() {
		t.Errorf("%v; told now:\n%s", err, &text)
	}
}

// wordsOf are what an event says of a person.
func wordsOf(e domain.Event) []string {
	switch e := e.(type) {
	case domain.Placed:
		p := e.Personal
		return []string{
			p.Customer.ID, p.Customer.Name, p.Customer.Company, p.Customer.Email, p.Customer.Phone, p.Customer.AccountNumber,
			p.BillingAddress.Line1, p.BillingAddress.City, p.ShippingAddress.Line1, p.ShippingAddress.PostalCode, e.Authorization.Brand, e.Authorization.Last4,
		}
	case domain.NoteAdded:
		return []string{"Call before noon."}
	}
	return nil
}
