package natsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/domain"
)

// sent are the headers of requests that are handed on, and Authorization.
var sent = []string{"Idempotency-Key", "If-Match", "Prefer"}

// answered are the headers of answers that are handed on.
var answered = []string{
	"Content-Type", "Ledger-Position", "ETag", "Idempotent-Replayed", "Preference-Applied", "Location", "Retry-After", "Request-Id",
}

// headers are a message's, by HTTP's rule that their names have no case.
func headers(m *nats.Msg) http.Header {
	h := http.Header{}
	for name, values := range m.Header {
		key := textproto.CanonicalMIMEHeaderKey(name)
		h[key] = append(h[key], values...)
	}
	return h
}

// request is the HTTP request that a message asks for. What can't be one is a problem.
func (o operation) request(ctx context.Context, given http.Header, payload []byte) (*http.Request, error) {
	if len(payload) > commandapi.MaxBody {
		return nil, commandapi.New(http.StatusRequestEntityTooLarge, commandapi.CodeTooLarge,
			fmt.Sprintf("The request is larger than %d bytes.", commandapi.MaxBody))
	}
	path, query, body := o.path, url.Values{}, payload
	if o.media != jsonLines {
		members, err := split(payload)
		if err != nil {
			return nil, err
		}
		if path, members, err = o.fill(members); err != nil {
			return nil, err
		}
		if o.method == http.MethodGet {
			if query, err = queryOf(members); err != nil {
				return nil, err
			}
			body = nil
		} else {
			body = join(members)
		}
	}
	r, err := http.NewRequestWithContext(ctx, o.method, path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.URL.RawQuery = query.Encode()
	for _, name := range sent {
		if values := given[name]; len(values) > 0 {
			r.Header[name] = values
		}
	}
	if o.media != "" {
		r.Header.Set("Content-Type", o.media)
	}
	return r, nil
}

// member is one member of an object, as it was written.
type member struct {
	name  string
	value json.RawMessage
}

// split takes an object apart; no bytes are the empty one. What is wrong inside its members is found later.
func split(payload []byte) ([]member, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	malformed := func(err error) error {
		return &domain.Rejection{
			Code: domain.MalformedJSON, Kind: domain.Malformed, Message: fmt.Sprintf("The request is not one JSON object: %v.", err),
		}
	}
	if !utf8.Valid(payload) {
		return nil, malformed(errors.New("it is not UTF-8"))
	}
	if !json.Valid(payload) {
		var v any
		err := json.Unmarshal(payload, &v)
		return nil, malformed(err)
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, malformed(fmt.Errorf("it begins with %q", firstOf(payload)))
	}
	var members []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, malformed(err)
		}
		m := member{name: name.(string)}
		if err := d.Decode(&m.value); err != nil {
			return nil, malformed(err)
		}
		members = append(members, m)
	}
	return members, nil // and nothing is behind it: it is valid
}

func firstOf(payload []byte) string {
	if payload = bytes.TrimSpace(payload); len(payload) > 0 {
		return string(payload[:1])
	}
	return ""
}

// join is split's way back.
func join(members []member) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(m.name) // a string always can
		b.Write(name)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// fill puts the members that belong into the path there, and gives back the others.
func (o operation) fill(members []member) (path string, rest []member, err error) {
	values := map[string]string{}
	for _, m := range members {
		name, ok := o.inPath[m.name]
		if !ok {
			rest = append(rest, m)
			continue
		}
		if _, twice := values[name]; twice {
			return "", nil, domain.RejectField("/"+m.name, domain.DuplicateField, "It stands there twice.")
		}
		var value string
		if err := json.Unmarshal(m.value, &value); err != nil {
			return "", nil, domain.RejectField("/"+m.name, domain.WrongType, "It must be a text.")
		}
		values[name] = value
	}
	path = o.path
	for name, theirs := range o.inPath {
		if values[theirs] == "" {
			return "", nil, domain.RejectField("/"+name, domain.RequiredField, "Say which one is meant, in the request's "+name+".")
		}
		value := values[theirs]
		if !plain.MatchString(value) {
			value = "-" // nothing has this id, and a path stays a path
		}
		path = strings.ReplaceAll(path, "{"+theirs+"}", value)
	}
	return path, rest, nil
}

var plain = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// queryOf are the members as a query's parameters.
func queryOf(members []member) (url.Values, error) {
	query := url.Values{}
	for _, m := range members {
		d := json.NewDecoder(bytes.NewReader(m.value))
		d.UseNumber()
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		switch v := value.(type) {
		case nil: // as much as leaving it out
		case string:
			query.Add(m.name, v)
		case json.Number:
			query.Add(m.name, v.String())
		case bool:
			query.Add(m.name, fmt.Sprint(v))
		default:
			return nil, commandapi.BadQuery(domain.Violation{Field: m.name, Code: domain.WrongType, Message: "must be a text, a number, true or false"})
		}
	}
	return query, nil
}
