package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// snapshotVersion is that of the file's form and of React. Another one is not read: the log is folded from its beginning.
const snapshotVersion = 1

// snapshot is the state up to a checkpoint. It only saves time: without it the log is folded from its beginning.
type snapshot struct {
	Version int `json:"version"`
	// Checkpoint is the position of the last event in the state, and Event its id; Before is the position before it. Reading
	// that event again shows whether this is a snapshot of the log at hand.
	Before     eventstore.Position `json:"before"`
	Checkpoint eventstore.Position `json:"checkpoint"`
	Event      uuid.UUID           `json:"event"`
	Rules      []string            `json:"rules"` // the kinds that the state was folded with
	State      State               `json:"state"`
}

// loadSnapshot reads the file; the zero snapshot and why, when it can't be used. No file, or no path, is no error.
func loadSnapshot(path string, rules []string) (snapshot, error) {
	if path == "" {
		return snapshot{}, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return snapshot{}, nil
	}
	if err != nil {
		return snapshot{}, err
	}
	var s snapshot
	if err := json.Unmarshal(b, &s); err != nil {
		return snapshot{}, fmt.Errorf("%s: %w", path, err)
	}
	if s.Version != snapshotVersion {
		return snapshot{}, fmt.Errorf("%s: version %d, not %d", path, s.Version, snapshotVersion)
	}
	if !slices.Equal(s.Rules, rules) {
		return snapshot{}, fmt.Errorf("%s: it was made with other kinds of notices", path)
	}
	return s, nil
}

// save replaces the file at once: a reader, or a crash, finds the old one or the new one.
func (s snapshot) save(path string, st State) error {
	s.Version, s.State = snapshotVersion, st
	return follow.Save(path, s)
}

// rulesOf names what a state is folded with: the kinds, and the types of events that they know.
func rulesOf(kinds []Kind) (names []string) {
	for _, k := range kinds {
		names = append(names, fmt.Sprint(k.Name, " ", slices.Sorted(maps.Keys(k.When))))
	}
	return names
}
