package eventstore

import (
	"bytes"
	"errors"
	"testing"

	"github.com/orderledger/orderledger/domain"
)

// Every older schema of every type can be read: there is an upcaster for each step, and none for steps that don't exist.
func TestUpcastersAreComplete(t *testing.T) {
	for name, e := range entries {
		for v := 1; v < e.schema; v++ {
			if e.upcast[v] == nil {
				t.Errorf("%s: no upcaster from schema %d", name, v)
			}
		}
		if len(e.upcast) != e.schema-1 {
			t.Errorf("%s: %d upcasters for schema %d", name, len(e.upcast), e.schema)
		}
	}
}

// An old form is read step by step through its upcasters, and what is stored stays as it is.
func TestOldSchemasAreUpcast(t *testing.T) {
	today := entries["ReversalRecorded"]
	t.Cleanup(func() { entries["ReversalRecorded"] = today })
	newer := plain[domain.ReversalRecorded](3)
	rename := func(from, to string) func([]byte) ([]byte, error) {
		return func(data []byte) ([]byte, error) {
			if !bytes.Contains(data, []byte(from)) {
				return nil, errors.New("no " + from)
			}
			return bytes.Replace(data, []byte(from), []byte(to), 1), nil
		}
	}
	newer.upcast = map[int]func([]byte) ([]byte, error){1: rename("ref", "reference"), 2: rename("reference", "external_reference")}
	entries["ReversalRecorded"] = newer

	for schema, data := range map[int]string{1: `{"ref":"CN-1"}`, 2: `{"reference":"CN-1"}`, 3: `{"external_reference":"CN-1"}`} {
		sealed, _, err := Seal("order-1", 0, Event{Type: "ReversalRecorded", Data: []byte(data)}, Envelope{Schema: schema})
		if err != nil {
			t.Fatal(err)
		}
		r := Recorded{Event: sealed, Stream: "order-1"}
		e, env, err := Codec{}.Decode(r)
		if err != nil || e != (domain.ReversalRecorded{ExternalReference: "CN-1"}) || env.Schema != schema {
			t.Errorf("schema %d: %+v, %+v, %v", schema, e, env, err)
		}
		if string(r.Data) != data {
			t.Errorf("schema %d: what is stored became %s", schema, r.Data)
		}
		if _, err := Verify(r, ""); err != nil {
			t.Error(err)
		}
	}
	if got := (Codec{}).Schema(domain.ReversalRecorded{}); got != 3 {
		t.Errorf("written as schema %d", got)
	}
	sealed, _, err := Seal("order-1", 0, Event{Type: "ReversalRecorded", Data: []byte(`{}`)}, Envelope{Schema: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := (Codec{}).Decode(Recorded{Event: sealed}); !errors.Is(err, ErrBroken) {
		t.Errorf("an upcaster that fails: %v, want ErrBroken", err)
	}
}
