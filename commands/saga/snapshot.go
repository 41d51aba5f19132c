package saga

import (
	"maps"
	"slices"
	"strings"

	"github.com/orderledger/orderledger/commands/follow"
)

// snapshotVersion is that of the file's form and of React. Another one is not read: the log is folded from its beginning.
const snapshotVersion = 3

// snapshot is the state up to a checkpoint.
type snapshot struct {
	follow.Mark
	Open   []Effect `json:"open"`
	Holds  []Hold   `json:"holds"`
	Clocks []Clock  `json:"clocks"`
	Hints  []Hint   `json:"hints"`
	Swept  swept    `json:"swept"`
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
