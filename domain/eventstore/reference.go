package eventstore

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"github.com/orderledger/orderledger/domain"
)

// ReferenceClaimed: an entry or a reversal in the business system belongs to this order and to no other; the only event of its
// stream (see ReferenceStream), appended together with the order's own event that records it.
type ReferenceClaimed struct {
	OrderID   uuid.UUID             `json:"order_id"`
	Kind      domain.ObligationKind `json:"kind"`
	Reference string                `json:"reference"` // as it was written
}

// EventType is the event's name in the log.
func (ReferenceClaimed) EventType() string { return "ReferenceClaimed" }

// ReferenceStream is the name of the stream by which a reference is claimed: of each kind by itself, since a business system
// may well number entries and reversals alike. It stands among the claims of payments, a category that every log has. The
// name is a hash, since references are free text; what people would take for the same reference has the same name.
func ReferenceStream(kind domain.ObligationKind, reference string) string {
	sum := sha256.Sum256([]byte(sameReference(reference)))
	return "payment-" + string(kind) + "-" + hex.EncodeToString(sum[:])
}

// sameReference is what references have in common that differ in how they were typed or pasted alone: in case, in the width of
// their letters, in which dash or how much white space they hold, and in characters that can't be seen. It is frozen: with
// another one, what was claimed before would be free again.
func sameReference(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Pd, r), r == '\u2212': // dashes, and the minus sign
			return '-'
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r), unicode.IsControl(r):
			return -1
		}
		return r
	}, norm.NFKC.String(s))
	return strings.Join(strings.Fields(norm.NFKC.String(strings.ToLower(s))), " ")
}
