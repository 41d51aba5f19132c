package commandapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
)

// MaxBody is the largest body that is read, in bytes.
const MaxBody = 1 << 20

// MaxWait is the longest that a request waits for Stripe's answer.
const MaxWait = 30 * time.Second

// bodyTimeout bounds how long a client may take to send its body.
const bodyTimeout = 10 * time.Second

// Keyed is what every POST brings along.
type Keyed struct {
	Key string `header:"Idempotency-Key" required:"true" minLength:"1" maxLength:"255" pattern:"^[!-~]+$" doc:"Names the request: the same key and body are carried out once, for ever, and answered as the first time; another body is refused. A key belongs to the actor who sends it and, for a command on an order, to that order: on another order it is another key. Of placements it is the actor's alone, places one order, and is used up on that order, too" example:"4f2c1c1e-accept"`

	http huma.Context
}

// Resolve keeps what the request is read from.
func (k *Keyed) Resolve(ctx huma.Context) []error {
	k.http = ctx
	return nil
}

// Command is the id of the command that an actor names by its key; 400 idempotency_key_required when there is none, and
// idempotency_key_invalid for one that is none.
func (k *Keyed) Command(a domain.Actor) (uuid.UUID, error) {
	switch {
	case k.Key == "":
		return uuid.Nil, New(http.StatusBadRequest, CodeKeyRequired,
			"Send an Idempotency-Key header: a new one for a new request, the same one to repeat a request.")
	case len(k.Key) > 255 || strings.ContainsFunc(k.Key, func(r rune) bool { return r < '!' || r > '~' }):
		return uuid.Nil, New(http.StatusBadRequest, CodeKeyInvalid,
			"The Idempotency-Key must be 1 to 255 visible ASCII characters without spaces.")
	}
	return commands.CommandID(a.ID, k.Key), nil
}

// body reads the body, which must be of one of these media types and UTF-8; a body of no bytes needs no type.
func (k *Keyed) body(types ...string) ([]byte, error) {
	if k.http.Header("Content-Encoding") != "" {
		return nil, New(http.StatusUnsupportedMediaType, CodeUnsupportedMedia, "Send the body without a Content-Encoding.")
	}
	if err := k.http.SetReadDeadline(time.Now().Add(bodyTimeout)); err == nil {
		// A deadline that fires later would be taken for the client's going away.
		defer func() { _ = k.http.SetReadDeadline(time.Time{}) }()
	}
	b, err := io.ReadAll(io.LimitReader(k.http.BodyReader(), MaxBody+1))
	if tooLarge := (*http.MaxBytesError)(nil); len(b) > MaxBody || errors.As(err, &tooLarge) {
		return nil, New(http.StatusRequestEntityTooLarge, CodeTooLarge, fmt.Sprintf("The body is larger than %d bytes.", MaxBody))
	}
	if err != nil {
		if slow := net.Error(nil); errors.As(err, &slow) && slow.Timeout() {
			return nil, New(http.StatusRequestTimeout, CodeTimeout, "The body took too long to arrive.")
		}
		return nil, New(http.StatusBadRequest, CodeBadRequest, "The body could not be read.")
	}
	if len(b) == 0 && k.http.Header("Content-Type") == "" {
		return nil, nil
	}
	media, params, err := mime.ParseMediaType(k.http.Header("Content-Type"))
	charset := params["charset"]
	if err != nil || !slices.Contains(types, media) || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return nil, New(http.StatusUnsupportedMediaType, CodeUnsupportedMedia, "Send the body as "+strings.Join(types, " or ")+", in UTF-8.")
	}
	return b, nil
}

// decode reads the body as one JSON object; no body is the empty object.
func (k *Keyed) decode(into any) error {
	b, err := k.body("application/json")
	if err != nil {
		return err
	}
	if len(b) == 0 {
		b = []byte("{}")
	}
	return decodeJSON(b, into)
}

func decodeJSON(b []byte, into any) error {
	if !utf8.Valid(b) {
		return &domain.Rejection{Code: domain.MalformedJSON, Kind: domain.Malformed, Message: "The body is not UTF-8."}
	}
	return domain.DecodeJSON(b, into)
}

// OnOrder is what every command on an order brings along.
type OnOrder struct {
	Keyed
	ID      string `path:"id" format:"uuid" doc:"The order's id"`
	IfMatch string `header:"If-Match" doc:"The version that you looked at, in quotes, as ETag gave it; required by capture, ship, refund and cancel" example:"\"3\""`
	Prefer  string `header:"Prefer" doc:"wait=N waits up to N seconds, at most 30, for the payment provider's answer" example:"wait=10"`
}

func (r *OnOrder) order() (uuid.UUID, error) {
	id, err := uuid.Parse(r.ID)
	if err != nil || len(r.ID) != len(id.String()) {
		return uuid.Nil, domain.Reject(domain.OrderNotFound)
	}
	return id, nil
}

// version is the version that the caller looked at; nil when it doesn't say and needn't.
func (r *OnOrder) version(required bool) (*int, error) {
	if r.IfMatch == "" {
		if required {
			return nil, New(http.StatusPreconditionRequired, CodeVersionRequired,
				"Send the version that you looked at: If-Match with the order's ETag.")
		}
		return nil, nil
	}
	n := len(r.IfMatch)
	if n > 2 && r.IfMatch[0] == '"' && r.IfMatch[n-1] == '"' {
		if v, err := strconv.ParseUint(r.IfMatch[1:n-1], 10, 31); err == nil && strconv.FormatUint(v, 10) == r.IfMatch[1:n-1] {
			version := int(v)
			return &version, nil
		}
	}
	return nil, New(http.StatusBadRequest, CodeBadIfMatch, `If-Match must be one version in quotes, such as "3".`)
}

// wait is how long the caller wants to wait for an answer. A preference that can't be read is ignored, as RFC 7240 wants it.
func (r *OnOrder) wait() time.Duration {
	for p := range strings.SplitSeq(r.Prefer, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		value, _, _ = strings.Cut(value, ";")
		if n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31); err == nil {
			return min(time.Duration(n)*time.Second, MaxWait)
		}
	}
	return 0
}
