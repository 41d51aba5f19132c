package audit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/audit"
)

func TestReferencesAreRecordedByWhoClaimedThem(t *testing.T) {
	command, another := uuid.NewSHA1(uuid.Nil, []byte("a")), uuid.NewSHA1(uuid.Nil, []byte("b"))
	entry := domain.Capture{ExternalReference: "INV-1"}
	claims := func(order uuid.UUID, reference string) (string, domain.Event) {
		return eventstore.ReferenceStream(domain.OwesEntry, reference),
			eventstore.ReferenceClaimed{OrderID: order, Kind: domain.OwesEntry, Reference: reference}
	}
	for name, c := range map[string]struct {
		then func(b *book, one, two uuid.UUID)
		why  string // empty: nothing is wrong
	}{
		"claimed and recorded": {func(b *book, one, _ uuid.UUID) {
			b.command = command
			b.claim(t)(claims(one, "INV-1"))
			b.must(t, one, entry)
		}, ""},
		"recorded before there were claims": {func(b *book, one, two uuid.UUID) {
			b.must(t, one, entry)
			b.must(t, two, entry)
		}, ""},
		"claimed by another order": {func(b *book, one, two uuid.UUID) {
			b.command = command
			b.claim(t)(claims(one, "inv-1"))
			b.must(t, one, entry)
			b.command = another
			b.must(t, two, entry)
		}, "is claimed by order " + domain.OrderID("acme", "1").String()},
		"claimed by another command": {func(b *book, one, _ uuid.UUID) {
			b.command = command
			b.claim(t)(claims(one, "INV-1"))
			b.command = another
			b.must(t, one, entry)
		}, "is claimed by another command"},
		"claimed and never recorded": {func(b *book, one, _ uuid.UUID) {
			b.claim(t)(claims(one, "INV-1"))
		}, "has not recorded"},
	} {
		b := newBook()
		one, two := b.place(t, "1", domain.Account), b.place(t, "2", domain.Account)
		b.must(t, one, domain.Accept{})
		b.must(t, two, domain.Accept{})
		c.then(b, one, two)
		_, err := audit.Verify(t.Context(), b.store, audit.Options{})
		d := (*audit.Difference)(nil)
		switch found := errors.As(err, &d); {
		case c.why == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.why != "" && (!found || d.Kind != audit.BadRule || !strings.Contains(d.Why, c.why)):
			t.Errorf("%s: error %v, want a difference about %q", name, err, c.why)
		}
	}
}

func (b *book) claim(t *testing.T) func(stream string, e domain.Event) {
	return func(stream string, e domain.Event) { b.write(t, stream, e) }
}
