package saga

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/orderledger/orderledger/commands/follow"
)

// kept is a snapshot as it lies on disks. Its form is frozen: a change of it is a new version.
const kept = `{"version":3,"before":6,"checkpoint":7,"event":"00000000-0000-4000-8000-000000000007",` +
	`"open":[{"order":"00000000-0000-4000-8000-000000000001","kind":"refund","request":"00000000-0000-4000-8000-000000000005",` +
	`"since":"2026-03-01T12:00:00Z","correlation":"c","payment_intent":"pi_1","charge":"ch_1","amount":4711,"currency":"USD",` +
	`"refund":"re_1"}],` +
	`"holds":[{"order":"00000000-0000-4000-8000-000000000002","payment_intent":"pi_2","until":"2026-03-08T12:00:00Z"}],` +
	`"clocks":[{"order":"00000000-0000-4000-8000-000000000003","until":"2026-03-02T12:00:00Z"}],` +
	`"hints":[{"id":"evt_1","type":"charge.refunded","payment_intent":"pi_1","event":"00000000-0000-4000-8000-000000000006",` +
	`"at":"2026-03-01T12:00:00Z"}],"swept":{"events":"2026-03-01T11:00:00Z"}}`

func TestSnapshotForm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "saga.json")
	if err := os.WriteFile(path, []byte(kept), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := follow.Load[snapshot](path, snapshotVersion)
	if err != nil {
		t.Fatal(err)
	}
	state, watched := s.folded()
	if len(state) != 1 || len(watched.Holds) != 1 || len(watched.Clocks) != 1 || len(watched.Hints) != 1 {
		t.Errorf("%+v, %+v", state, watched)
	}
	again := filepath.Join(t.TempDir(), "saga.json")
	if err := s.save(again, state, watched); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(again); err != nil || string(b) != kept {
		t.Errorf("got  %s (%v)\nwant %s", b, err, kept)
	}
}
