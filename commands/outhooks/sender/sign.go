package sender

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The headers of a message.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// Secret is what messages are signed with: 24 to 64 bytes. It prints as nothing that could be used.
type Secret struct{ key []byte }

const (
	secretPrefix         = "whsec_"
	minSecret, maxSecret = 24, 64
)

// NewSecret makes a secret of bytes.
func NewSecret(key []byte) (Secret, error) {
	if len(key) < minSecret || len(key) > maxSecret {
		return Secret{}, fmt.Errorf("a signing secret has %d to %d bytes, not %d", minSecret, maxSecret, len(key))
	}
	return Secret{append([]byte(nil), key...)}, nil
}

// ParseSecret reads a secret as Standard Webhooks write it: whsec_ and base64. The error does not quote it.
func ParseSecret(s string) (Secret, error) {
	body, ok := strings.CutPrefix(s, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(body)
	if !ok || err != nil {
		return Secret{}, errors.New("a signing secret is whsec_ and base64")
	}
	return NewSecret(key)
}

// Reveal writes the secret as its receiver needs it.
func (s Secret) Reveal() string { return secretPrefix + base64.StdEncoding.EncodeToString(s.key) }

// String hides the secret from logs.
func (s Secret) String() string { return secretPrefix + "…" }

// GoString hides the secret from %#v, too.
func (s Secret) GoString() string { return s.String() }

// Sign is the signature header of a message: one signature for each secret, the current one first.
func Sign(id string, at time.Time, body []byte, secrets ...Secret) string {
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		h := hmac.New(sha256.New, s.key)
		h.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		h.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	return strings.Join(signatures, " ")
}
