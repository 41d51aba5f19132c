package notify

import (
	"os"
	"path/filepath"
	"testing"
)

// kept is a snapshot as it lies on disks. Its form is frozen: a change of it is a new version.
const kept = `{"version":1,"before":6,"checkpoint":7,"event":"00000000-0000-4000-8000-000000000007","rules":["customer.shipped [Shipped]"],` +
	`"state":{"On":{"customer.shipped":true},"History":86400000000000,` +
	`"Orders":{"00000000-0000-4000-8000-000000000002":[` + notice + `]},` +
	`"Batches":{"00000000-0000-4000-8000-000000000003":[` + notice + `]},"Open":1}}`

const notice = `{"id":"00000000-0000-4000-8000-000000000001","kind":"customer.shipped",` +
	`"order":"00000000-0000-4000-8000-000000000002","event":"00000000-0000-4000-8000-000000000005",` +
	`"request":"00000000-0000-4000-8000-000000000006","as_of":6,"at":"2026-03-01T12:00:00Z","due":"2026-03-01T13:00:00Z",` +
	`"batch":"00000000-0000-4000-8000-000000000003"}`

func TestSnapshotForm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify.json")
	if err := os.WriteFile(path, []byte(kept), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := loadSnapshot(path, []string{"customer.shipped [Shipped]"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loadSnapshot(path, []string{"customer.shipped [Placed]"}); err == nil {
		t.Error("a snapshot that was made with other kinds is taken")
	}
	again := filepath.Join(t.TempDir(), "notify.json")
	if err := s.save(again, s.State); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(again); err != nil || string(b) != kept {
		t.Errorf("got  %s (%v)\nwant %s", b, err, kept)
	}
}
