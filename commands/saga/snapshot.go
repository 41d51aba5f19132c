package saga

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// snapshotVersion is that of the file's form and of React. Another one is not read: the log is folded from its beginning.
const snapshotVersion = 3

// snapshot is the state up to a checkpoint. It only saves time: without it the log is folded from its beginning.
type snapshot struct {
	Version int `json:"version"`
	// Checkpoint is the position of the last event in the state, and Event its id; Before is the position before it. Reading
	// that event again shows whether this is a snapshot of the log at hand.
	Before     eventstore.Position `json:"before"`
	Checkpoint eventstore.Position `json:"checkpoint"`
	Event      uuid.UUID           `json:"event"`
	Open       []Effect            `json:"open"`
	Holds      []Hold              `json:"holds"`
	Clocks     []Clock             `json:"clocks"`
	Hints      []Hint              `json:"hints"`
	Swept      swept               `json:"swept"`
}

// loadSnapshot reads the file; the zero snapshot and why, when it can't be used. No file, or no path, is no error.
func loadSnapshot(path string) (snapshot, error) {
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
	return s, nil
}

func (s snapshot) folded() (State, Watched) {
	st, w := State{}, newWatched()
	for _, e := range s.Open {
		st[e.Order] = e
	}
	for _, h := range s.Holds {
		w.Holds[h.Order] = h
	}
	for _, c := range s.Clocks {
		w.Clocks[c.Order] = c
	}
	for _, h := range s.Hints {
		w.Hints[h.ID] = h
	}
	return st, w
}

// save replaces the file at once: a reader, or a crash, finds the old one or the new one.
func (s snapshot) save(path string, st State, w Watched) error {
	s.Version = snapshotVersion
	s.Open = slices.SortedFunc(maps.Values(st), func(a, b Effect) int { return slices.Compare(a.Order[:], b.Order[:]) })
	s.Holds = sortedHolds(w.Holds)
	s.Clocks = slices.SortedFunc(maps.Values(w.Clocks), func(a, b Clock) int { return slices.Compare(a.Order[:], b.Order[:]) })
	s.Hints = slices.SortedFunc(maps.Values(w.Hints), func(a, b Hint) int { return strings.Compare(a.ID, b.ID) })
	return follow.Save(path, s)
}
