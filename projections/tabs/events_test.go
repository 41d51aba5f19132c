package tabs

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// What is packed comes out byte for byte, whatever it is; and it is much smaller where it is what the log holds.
func TestPack(t *testing.T) {
	var all []eventstore.Event
	var p packer
	golden, err := filepath.Glob("../../domain/eventstore/testdata/events/*.json")
	if err != nil || len(golden) == 0 {
		t.Fatal(golden, err)
	}
	for _, name := range golden {
		stored, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var parts struct{ Data, Meta json.RawMessage }
		if err := json.Unmarshal(stored, &parts); err != nil {
			t.Fatal(err)
		}
		e := eventstore.Event{Type: strings.TrimSuffix(filepath.Base(name), ".json"), Data: parts.Data, Meta: parts.Meta}
		if size := len(p.pack(e)); 2*size > len(e.Type)+len(e.Data)+len(e.Meta) {
			t.Errorf("%s of %d bytes takes %d", e.Type, len(e.Data)+len(e.Meta), size)
		}
		all = append(all, e)
	}
	digits := strings.Repeat("0123456789abcdef", 4)
	for _, meta := range []string{
		``, `{}`, `,"prev":"","hash":"` + digits + `"}`, `{"schema":1,"prev":"` + digits + `","hash":"` + digits + `"}`,
		`{"schema":1,"prev":"","hash":"` + strings.ToUpper(digits) + `"}`, `{"prev":"` + digits + digits + `","hash":""}`,
		`{"schema":1,"prev":"` + digits[1:] + `","hash":"` + digits + `"}`, `{"schema":1,"prev":"","hash":"` + digits[1:] + `g"}`,
		`{"hash":"` + digits + `"}`, `{"schema":1,"prev": "","hash":"` + digits + `"}`, strings.Repeat(`"`, 300),
	} {
		all = append(all, eventstore.Event{Type: "Accepted", Meta: []byte(meta), Data: []byte(strings.Repeat(`{"x":"é"}`, len(meta)*len(meta)))})
	}
	for _, e := range all {
		e.ID = uuid.NewSHA1(uuid.Nil, e.Meta)
		got, err := unpack(p.pack(e))
		if err != nil || got.ID != e.ID || got.Type != e.Type || !bytes.Equal(got.Data, e.Data) || !bytes.Equal(got.Meta, e.Meta) {
			t.Errorf("%s %.200s came out as %s %.200s, %v", e.Type, e.Meta, got.Type, got.Meta, err)
		}
	}
}

func TestUnpackDamaged(t *testing.T) {
	var p packer
	whole := p.pack(eventstore.Event{Type: "Accepted", Data: []byte("{}"), Meta: []byte(`{"schema":1}`)})
	for _, damaged := range [][]byte{nil, whole[:16], whole[:17], append(bytes.Clone(whole[:16]), 9), whole[:len(whole)-3]} {
		if e, err := unpack(damaged); err == nil {
			t.Errorf("%x was read as %+v", damaged, e)
		}
	}
}
