package notify

import (
	"fmt"
	"maps"
	"slices"

	"github.com/orderledger/orderledger/commands/follow"
)

// snapshotVersion is that of the file's form and of React. Another one is not read: the log is folded from its beginning.
const snapshotVersion = 1

// snapshot is the state up to a checkpoint.
type snapshot struct {
	follow.Mark
	Rules []string `json:"rules"` // the kinds that the state was folded with
	State State    `json:"state"`
}

// loadSnapshot reads the file; the zero snapshot and why, when it can't be used. No file, or no path, is no error.
func loadSnapshot(path string, rules []string) (snapshot, error) {
	s, err := follow.Load[snapshot](path, snapshotVersion)
	if err != nil {
		return snapshot{}, err
	}
	if s.Version != 0 && !slices.Equal(s.Rules, rules) {
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
