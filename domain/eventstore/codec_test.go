package eventstore_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

func TestDecodeRefusesWhatItDoesNotKnow(t *testing.T) {
	good := seal(t, eventstore.Codec{}, domain.Accepted{})
	meta := func(from, to string) eventstore.Recorded {
		r := good
		r.Meta = bytes.Replace(r.Meta, []byte(from), []byte(to), 1)
		return r
	}
	of := func(typ string) eventstore.Recorded { r := good; r.Type = typ; return r }
	data := func(typ, data string) eventstore.Recorded { r := of(typ); r.Data = []byte(data); return r }
	for _, tt := range []struct {
		name string
		r    eventstore.Recorded
		want error
	}{
		{"a type of a later program", of("Teleported"), eventstore.ErrUnknownType},
		{"a schema of a later program", meta(`"schema":1`, `"schema":2`), eventstore.ErrUnknownType},
		{"no schema", meta(`"schema":1`, `"schema":0`), eventstore.ErrUnknownType},
		{"a schema that is none", meta(`"schema":1`, `"schema":-1`), eventstore.ErrUnknownType},
		{"meta that is no JSON", meta(`{"schema"`, `"schema"`), eventstore.ErrBroken},
		{"meta of other types", meta(`"schema":1`, `"schema":"1"`), eventstore.ErrBroken},
		{"data that is no JSON", data("Placed", `{"total":`), eventstore.ErrBroken},
		{"data of other types", data("Placed", `{"total":"1"}`), eventstore.ErrBroken},
	} {
		_, _, err := eventstore.Codec{}.Decode(tt.r)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if errors.Is(err, eventstore.ErrUnknownType) && !strings.Contains(err.Error(), "position 17") {
			t.Errorf("%s: the error does not name the place: %v", tt.name, err)
		}
	}
}

// Whatever byte of a stored event changes, in its data, meta, type, id or place, Verify sees it.
func TestVerifySeesEveryChangedByte(t *testing.T) {
	for _, e := range []domain.Event{examples[0], domain.Accepted{}, domain.NoteAdded{NoteID: request}} {
		good := seal(t, eventstore.Codec{}, e)
		if _, err := eventstore.Verify(good, envelope.Prev); err != nil {
			t.Fatal(err)
		}
		try := func(what string, r eventstore.Recorded) {
			t.Helper()
			if _, err := eventstore.Verify(r, envelope.Prev); !errors.Is(err, eventstore.ErrBroken) {
				t.Errorf("%s %s: %v, want ErrBroken", e.EventType(), what, err)
			}
		}
		for bit := range 8 {
			for i := range good.Data {
				r := good
				r.Data = flipped(good.Data, i, bit)
				try("data", r)
			}
			for i := range good.Meta {
				r := good
				r.Meta = flipped(good.Meta, i, bit)
				try("meta", r)
			}
			for i := range good.ID {
				r := good
				r.ID[i] ^= 1 << bit
				try("id", r)
			}
			for i := range good.Type {
				r := good
				r.Type = string(flipped([]byte(good.Type), i, bit))
				try("type", r)
			}
		}
		for name, change := range map[string]func(*eventstore.Recorded){
			"stream":         func(r *eventstore.Recorded) { r.Stream = eventstore.OrderStream(uuid.Nil) },
			"revision":       func(r *eventstore.Recorded) { r.Revision++ },
			"data cut":       func(r *eventstore.Recorded) { r.Data = r.Data[:len(r.Data)-1] },
			"meta cut":       func(r *eventstore.Recorded) { r.Meta = r.Meta[:len(r.Meta)-1] },
			"no meta":        func(r *eventstore.Recorded) { r.Meta = nil },
			"empty meta":     func(r *eventstore.Recorded) { r.Meta = []byte("{}") },
			"a blank":        func(r *eventstore.Recorded) { r.Meta = append(slices.Clone(r.Meta), ' ') },
			"data in meta":   func(r *eventstore.Recorded) { r.Data, r.Meta = r.Meta, r.Data },
			"a second hash":  func(r *eventstore.Recorded) { r.Meta = slices.Insert(slices.Clone(r.Meta), 1, []byte(`"hash":"",`)...) },
			"nothing inside": func(r *eventstore.Recorded) { r.Data = []byte("{}x") },
		} {
			r := good
			change(&r)
			try(name, r)
		}
	}
}

func flipped(b []byte, i, bit int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1 << bit
	return b
}

// A hash vouches for all events before it: none can be left out, put in or exchanged.
func TestVerifyFollowsTheChain(t *testing.T) {
	stream := eventstore.OrderStream(order)
	var log []eventstore.Recorded
	prev := ""
	for i, e := range []domain.Event{examples[0], domain.Accepted{}, domain.Archived{}} {
		encoded, err := eventstore.Codec{}.Encode(stream, e)
		if err != nil {
			t.Fatal(err)
		}
		encoded.ID = uuid.NewSHA1(order, []byte{byte(i)})
		sealed, hash, err := eventstore.Seal(stream, eventstore.Revision(i), encoded, eventstore.Envelope{
			Schema: 1, OccurredAt: at, Prev: prev, Hash: "is ignored",
		})
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, eventstore.Recorded{Event: sealed, Stream: stream, Revision: eventstore.Revision(i)})
		got, err := eventstore.Verify(log[i], prev)
		if err != nil || got != hash {
			t.Fatalf("event %d: %q, %v; want %q", i, got, err, hash)
		}
		prev = hash
	}
	if _, err := eventstore.Verify(log[2], ""); !errors.Is(err, eventstore.ErrBroken) {
		t.Errorf("the first event gone: %v", err)
	}
	first, err := eventstore.Verify(log[0], "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eventstore.Verify(log[2], first); !errors.Is(err, eventstore.ErrBroken) {
		t.Errorf("an event left out: %v", err)
	}
}

func TestSealKeepsInstantsInUTC(t *testing.T) {
	e := eventstore.Event{ID: request, Type: "Accepted", Data: []byte("{}")}
	env := envelope
	env.OccurredAt = at.In(time.FixedZone("", 3600))
	east, eastHash, err := eventstore.Seal("order-1", 0, e, env)
	if err != nil {
		t.Fatal(err)
	}
	utc, utcHash, err := eventstore.Seal("order-1", 0, e, envelope)
	if err != nil || eastHash != utcHash || !bytes.Equal(east.Meta, utc.Meta) {
		t.Errorf("%s %v\n%s", east.Meta, err, utc.Meta)
	}
}

// vault seals personal data the way a key per customer would.
type vault struct {
	subjects []string
	erased   bool
}

func (v *vault) seal(subject string, personal json.RawMessage) (json.RawMessage, error) {
	v.subjects = append(v.subjects, subject)
	return json.Marshal("sealed:" + base64.StdEncoding.EncodeToString(personal))
}

var errErased = errors.New("the key is gone")

func (v *vault) open(subject string, stored json.RawMessage) (json.RawMessage, error) {
	v.subjects = append(v.subjects, subject)
	if v.erased {
		return nil, errErased
	}
	var s string
	if err := json.Unmarshal(stored, &s); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "sealed:"))
}

func TestPersonalDataIsSealedBeforeHashing(t *testing.T) {
	v := &vault{}
	codec := eventstore.Codec{Seal: v.seal, Open: v.open}
	stream := eventstore.OrderStream(order)
	for _, e := range []domain.Event{examples[0], domain.NoteAdded{NoteID: request, Personal: domain.NoteText{Text: "Paul is ill"}}} {
		v.subjects, v.erased = nil, false
		r := seal(t, codec, e)
		if bytes.Contains(r.Data, []byte("Paul")) || !bytes.Contains(r.Data, []byte(`"personal":"sealed:`)) {
			t.Errorf("%s is stored in the clear: %s", r.Type, r.Data)
		}
		if _, err := eventstore.Verify(r, envelope.Prev); err != nil {
			t.Errorf("the hash is not over what is stored: %v", err)
		}
		back, _, err := codec.Decode(r)
		if err != nil || !equalJSON(t, back, e) {
			t.Errorf("opened: %+v, %v", back, err)
		}
		if !slices.Equal(v.subjects, []string{stream, stream}) {
			t.Errorf("subjects %v", v.subjects)
		}
		v.erased = true
		if _, _, err := codec.Decode(r); !errors.Is(err, errErased) {
			t.Errorf("erased: %v", err)
		}
		if _, err := eventstore.Verify(r, envelope.Prev); err != nil {
			t.Errorf("after erasing, the chain does not hold: %v", err)
		}
	}
	v.subjects = nil
	if r := seal(t, codec, domain.Accepted{}); string(r.Data) != "{}" || len(v.subjects) != 0 {
		t.Errorf("an event without personal data was sealed: %s", r.Data)
	}
}

func TestSealingThatFailsWritesNothing(t *testing.T) {
	codec := eventstore.Codec{Seal: func(string, json.RawMessage) (json.RawMessage, error) { return nil, errErased }}
	if e, err := codec.Encode("order-1", examples[0]); !errors.Is(err, errErased) || e.Data != nil {
		t.Errorf("%s, %v", e.Data, err)
	}
}

func equalJSON(t *testing.T, a, b any) bool {
	t.Helper()
	x, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(x, y)
}

func TestOrderOf(t *testing.T) {
	if id, ok := eventstore.OrderOf(eventstore.OrderStream(order)); !ok || id != order {
		t.Errorf("%s, %t", id, ok)
	}
	for _, stream := range []string{
		"", "order-", "order-1", "notice-" + order.String(), "order-" + strings.ReplaceAll(order.String(), "-", ""),
		"order-" + strings.Repeat("z", 36), "order-{" + order.String()[:34] + "}",
	} {
		if id, ok := eventstore.OrderOf(stream); ok {
			t.Errorf("%q is taken for order %s", stream, id)
		}
	}
}
