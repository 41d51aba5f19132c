package eventstore_test

import (
	"strings"
	"testing"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// The names are frozen, too: a log holds them.
func TestReferenceStreamIsFrozen(t *testing.T) {
	for _, c := range []struct {
		kind            domain.ObligationKind
		reference, want string
	}{
		{domain.OwesEntry, "INV-1001", "payment-entry-72cb3f2e6c9e79b20a9dd32f5696612876f4dbc70aa2959ee2422ed7a3ac5bf0"},
		{domain.OwesReversal, "Gutschrift Nº 7 – März", "payment-reversal-86c59266af559284413e71a48bb55a7ea8a74e9a3404d24b9c6421ebc5a20ec1"},
	} {
		got := eventstore.ReferenceStream(c.kind, c.reference)
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.reference, got, c.want)
		}
		if _, _, err := eventstore.CheckStream(got); err != nil {
			t.Error(err)
		}
	}
}

func TestReferencesThatPeopleTakeForTheSame(t *testing.T) {
	name := func(s string) string { return eventstore.ReferenceStream(domain.OwesEntry, s) }
	for _, same := range [][]string{
		{
			"INV-1 a", " inv-1 A ", "Inv–1  a", "INV\u20111\u00a0a", "INV\u22121\ta", "ＩＮＶ－１　ａ", "IN\u00adV-1\u200b a\ufeff", "INV-1 a\r\n", "INV-1\x00 a",
		},
		{"März 7", "Ma\u0308rz 7", "MÄRZ 7"},
	} {
		for _, s := range same {
			if name(s) != name(same[0]) {
				t.Errorf("%q is not taken for %q", s, same[0])
			}
		}
	}
	seen := map[string]string{}
	for _, s := range []string{"INV-1", "INV1", "INV 1", "INV-10", "INV-01", "INV/1", "INV_1", "1", "١", "Marz 7", "März 7", strings.Repeat("9", 200)} {
		if before, ok := seen[name(s)]; ok {
			t.Errorf("%q is taken for %q", s, before)
		}
		seen[name(s)] = s
	}
	if name("1") == eventstore.ReferenceStream(domain.OwesReversal, "1") {
		t.Error("an entry's number can't be a reversal's")
	}
}
