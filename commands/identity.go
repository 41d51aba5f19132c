package commands

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

var commandNamespace = uuid.MustParse("0b2f7f0e-94c5-5d0a-8a5e-3f1c7f5b9d42")

// CommandID is the id of the command that an actor names by an idempotency key. Keys of different actors are different.
func CommandID(actor, key string) uuid.UUID {
	return uuid.NewSHA1(commandNamespace, []byte(actor+"\x00"+key))
}

// EventID is the id of the event that a command makes in a stream: a repeated append is recognised for ever.
func EventID(command uuid.UUID, stream string) uuid.UUID {
	return uuid.NewSHA1(command, []byte(stream))
}

// ShortIDLength is that of ShortID.
const ShortIDLength = 16

// ShortID is the id of what a command makes that is no order, such as a token: so asking again can't make two. It is hexadecimal.
func ShortID(kind string, command uuid.UUID) string {
	sum := sha256.Sum256(append([]byte("orderledger "+kind+"\n"), command[:]...))
	return hex.EncodeToString(sum[:ShortIDLength/2])
}

// IsShortID says whether an id may be a ShortID.
func IsShortID(id string) bool {
	return len(id) == ShortIDLength && strings.Trim(id, "0123456789abcdef") == ""
}

// Hash identifies what was asked: SHA-256, in hex, over the verb, the order and the command's fields.
func Hash(verb domain.Verb, order uuid.UUID, c domain.Command) (string, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write([]byte(string(verb) + "\n" + order.String() + "\n"))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)), nil
}
