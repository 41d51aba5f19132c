package esdbserver

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// deleted is the revision of a tombstone, and $tb of a stream that was deleted softly.
const deleted = math.MaxInt64

// Position is a place in $all.
type Position struct{ Commit, Prepare uint64 }

// less is the order of $all.
func (p Position) less(q Position) bool {
	return p.Commit < q.Commit || (p.Commit == q.Commit && p.Prepare < q.Prepare)
}

// record is one event in the log.
type record struct {
	at         Position
	stream     string
	revision   uint64
	id         uuid.UUID
	kind       string // event type
	json       bool
	created    time.Time
	data, meta []byte
	gone       bool // taken out by a test
}

// proposed is an event on its way into the log.
type proposed struct {
	id         uuid.UUID
	kind       string
	json       bool
	data, meta []byte
}

// sizeOnDisk is what the server counts against its limit of an append.
func (p proposed) sizeOnDisk() int { return len(p.data) + len(p.meta) + 2*len(p.kind) }

// Log is the events of a server. It survives the nodes that serve it.
type Log struct {
	mu      sync.Mutex
	records []*record // in the order of $all
	streams map[string][]*record
	size    uint64 // where the next record is written
	commits bool   // a commit record follows each append
	recent  recent
	grown   chan struct{} // closed, and replaced, when the log grows
}

// NewLog returns the log of a new server, which is not empty: the server writes of itself.
func NewLog() *Log {
	l := &Log{streams: map[string][]*record{}, grown: make(chan struct{})}
	l.add("$epoch-information", []proposed{{id: uuid.New(), kind: "$EpochInformation", json: true, data: []byte("{}")}})
	return l
}

// CommitRecords lets a record of its own commit each append from now on, as old servers wrote: then commit and prepare position
// differ, and the events of one append share a commit position.
func (l *Log) CommitRecords() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commits = true
}

// expectation is what an append or a deletion expects of a stream.
type expectation struct {
	kind     expectationKind
	revision uint64
}

type expectationKind int

const (
	expectRevision expectationKind = iota
	expectNoStream
	expectAny
	expectExists
)

func (e expectation) String() string {
	return [...]string{strconv.FormatUint(e.revision, 10), "no stream", "any", "exists"}[e.kind]
}

// wrongVersion says that a stream is not as it was expected; current is nil when it has no events.
type wrongVersion struct {
	stream  string
	current *uint64
}

func (w *wrongVersion) Error() string { return "wrong expected version of " + w.stream }

// streamDeleted says that a stream has a tombstone.
type streamDeleted struct{ stream string }

func (d *streamDeleted) Error() string { return "Event stream '" + d.stream + "' is deleted." }

// written says where an append, or the one that it repeats, ended.
type written struct {
	revision uint64
	at       Position
	nowhere  bool // what is repeated can't be read any more, and so has no place
}

// append adds events to a stream as the server's CheckCommit decides.
func (l *Log) append(stream string, want expectation, events []proposed) (written, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.streams[stream]
	if tombstoned(all) {
		return written{}, &streamDeleted{stream}
	}
	last := int64(len(all)) - 1
	wrong := &wrongVersion{stream: stream}
	if last >= 0 {
		current := uint64(last)
		wrong.current = &current
	}
	hidden := l.softlyDeleted(stream)
	expected := int64(-1)
	switch want.kind {
	case expectExists, expectAny:
		if want.kind == expectExists && hidden {
			return written{}, &streamDeleted{stream}
		}
		if want.kind == expectExists && last < 0 && len(l.streams["$$"+stream]) == 0 {
			return written{}, wrong
		}
		switch known, revision := l.recent.knows(stream, events); {
		case known == len(events) && known > 0:
			return l.repeated(stream, revision), nil
		case known > 0:
			return written{}, wrong
		}
		expected = last
	case expectRevision:
		expected = int64(want.revision)
	}
	switch {
	case expected > last:
		return written{}, wrong
	case expected < last:
		switch n := standing(all, expected, events); {
		case n == len(events) && n > 0:
			return l.repeated(stream, uint64(expected)+uint64(n)), nil
		case n > 0 || want.kind != expectNoStream || !hidden:
			return written{}, wrong
		}
	}
	if hidden { // it begins again behind what it had
		l.setTruncateBefore(stream, last+1)
	}
	r := l.add(stream, events)
	return written{revision: r.revision, at: r.at}, nil
}

// repeated is the answer to an append whose last event stands at a revision. The lock is held.
func (l *Log) repeated(stream string, revision uint64) written {
	if int64(revision) < l.first(stream) {
		return written{revision: revision, nowhere: true}
	}
	return written{revision: revision, at: l.streams[stream][revision].at}
}

// standing says how many of these events, from the first on, stand behind a revision already.
func standing(all []*record, expected int64, events []proposed) int {
	for i, e := range events {
		if at := expected + 1 + int64(i); at >= int64(len(all)) || all[at].id != e.id {
			return i
		}
	}
	return len(events)
}

func tombstoned(all []*record) bool {
	return len(all) > 0 && all[len(all)-1].kind == "$streamDeleted"
}

// add writes events at a stream's end, and returns the last. Without events it returns what the stream ends with. The lock is held.
func (l *Log) add(stream string, events []proposed) *record {
	all := l.streams[stream]
	first := len(l.records)
	for _, e := range events {
		r := &record{
			at: Position{Commit: l.size, Prepare: l.size}, stream: stream, revision: uint64(len(all)), id: e.id, kind: e.kind,
			json: e.json, created: time.Now(), data: slices.Clone(e.data), meta: slices.Clone(e.meta),
		}
		if e.kind == "$streamDeleted" {
			r.revision = deleted
		}
		l.size += uint64(e.sizeOnDisk() + len(stream) + 100)
		l.records, all = append(l.records, r), append(all, r)
		l.recent.put(e.id, place{stream, r.revision})
	}
	if l.commits {
		for _, r := range l.records[first:] {
			r.at.Commit = l.size
		}
		l.size += 60
	}
	l.streams[stream] = all
	close(l.grown)
	l.grown = make(chan struct{})
	if len(all) == 0 {
		return &record{}
	}
	return all[len(all)-1]
}

// metadata is what a stream's metadata say. The lock is held.
func (l *Log) metadata(stream string) (m struct {
	MaxCount       *int64 `json:"$maxCount"`
	TruncateBefore int64  `json:"$tb"`
},
) {
	if strings.HasPrefix(stream, "$$") {
		one := int64(1)
		m.MaxCount = &one
		return m
	}
	if all := l.streams["$$"+stream]; len(all) > 0 {
		_ = json.Unmarshal(all[len(all)-1].data, &m) // what can't be read holds nothing, as in the server
	}
	return m
}

func (l *Log) softlyDeleted(stream string) bool {
	return len(l.streams[stream]) > 0 && l.metadata(stream).TruncateBefore == deleted
}

// setTruncateBefore writes the metadata that hide the events before a revision. The lock is held.
func (l *Log) setTruncateBefore(stream string, revision int64) {
	l.add("$$"+stream, []proposed{{
		id: uuid.New(), kind: "$metadata", json: true, data: fmt.Appendf(nil, `{"$tb":%d}`, revision),
	}})
}

// delete hides what a stream has, or ends it for ever with a tombstone.
func (l *Log) delete(stream string, want expectation, forEver bool) (Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.streams[stream]
	if tombstoned(all) {
		return Position{}, &streamDeleted{stream}
	}
	last := int64(len(all)) - 1
	fits := want.kind == expectAny || (want.kind == expectExists && last >= 0) || (want.kind == expectNoStream && last < 0) ||
		(want.kind == expectRevision && int64(want.revision) == last)
	if !fits {
		wrong := &wrongVersion{stream: stream}
		if last >= 0 {
			current := uint64(last)
			wrong.current = &current
		}
		return Position{}, wrong
	}
	if forEver {
		return l.add(stream, []proposed{{id: uuid.New(), kind: "$streamDeleted"}}).at, nil
	}
	l.setTruncateBefore(stream, deleted)
	return l.records[len(l.records)-1].at, nil
}

// first is the revision of the first event of a stream that its metadata let one read. The lock is held.
func (l *Log) first(stream string) int64 {
	m := l.metadata(stream)
	if m.MaxCount != nil {
		return max(m.TruncateBefore, int64(len(l.streams[stream]))-*m.MaxCount)
	}
	return m.TruncateBefore
}

// visible are the events of a stream that may be read, oldest first; false when there are none or never were.
func (l *Log) visible(stream string) ([]*record, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.streams[stream]
	if tombstoned(all) {
		return nil, false, &streamDeleted{stream}
	}
	first := l.first(stream)
	if first >= int64(len(all)) {
		return nil, false, nil
	}
	seen := make([]*record, 0, int64(len(all))-first)
	for _, r := range all[first:] {
		if !r.gone {
			seen = append(seen, r)
		}
	}
	return seen, true, nil
}

// page is the log behind its first n records, at most so many, and a channel that is closed when there are more.
func (l *Log) page(n, most int) ([]*record, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := min(n, len(l.records))
	return slices.Clone(l.records[from:min(from+most, len(l.records))]), l.grown
}

// length is how many records there are.
func (l *Log) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.records)
}

// find returns how many records lie before a place. An impossible place, where nothing was ever written, is an error.
func (l *Log) find(p Position) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, _ := slices.BinarySearchFunc(l.records, p, func(r *record, p Position) int {
		switch {
		case r.at.less(p):
			return -1
		case p.less(r.at):
			return 1
		}
		return 0
	})
	boundary := p.Commit >= l.size
	for i := max(n-1, 0); i < min(n+1, len(l.records)); i++ {
		boundary = boundary || l.records[i].at.Commit == p.Commit || l.records[i].at.Prepare == p.Commit
	}
	if !boundary {
		return 0, fmt.Errorf("log record at actual pos %d has a bad length: no record begins there", p.Commit)
	}
	return n, nil
}

// resolve returns the event that a link points to; nil when it is none, or its event is gone.
func (l *Log) resolve(link *record) *record {
	revision, stream, ok := strings.Cut(string(link.data), "@")
	if link.kind != "$>" || !ok {
		return nil
	}
	n, err := strconv.Atoi(revision)
	if err != nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if all := l.streams[stream]; n < len(all) && !all[n].gone {
		return all[n]
	}
	return nil
}
