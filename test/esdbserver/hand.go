package esdbserver

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// What a test does to the log by hand, behind the back of every client.

// Remove takes the event with this commit position out of the log: no read shows it any more. It says whether there was one.
func (l *Log) Remove(commit uint64) bool {
	return l.change(commit, func(r *record) { r.gone = true })
}

// Flip changes one bit of an event's data. It says whether there was such an event.
func (l *Log) Flip(commit uint64) bool {
	return l.change(commit, func(r *record) {
		r.data = bytes.Clone(r.data)
		r.data[len(r.data)/2] ^= 1
	})
}

// change puts another record in the place of one: readers may hold what was there.
func (l *Log) change(commit uint64, how func(*record)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range l.records {
		if r.at.Commit == commit {
			other := *r
			how(&other)
			l.records[i] = &other
			all := l.streams[r.stream]
			all[slices.Index(all, r)] = &other
			return true
		}
	}
	return false
}

// Truncate takes the log back to what it was before this commit position, as a server does that is restored or loses its last
// writes.
func (l *Log) Truncate(commit uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.records
	l.records, l.streams, l.size, l.recent = nil, map[string][]*record{}, commit, recent{}
	for _, r := range all {
		if r.at.Commit < commit {
			l.records = append(l.records, r)
			l.streams[r.stream] = append(l.streams[r.stream], r)
		}
	}
}

// Events is how many events a stream has ever been given.
func (l *Log) Events(stream string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.streams[stream])
}

// Write appends an event as somebody else's program would, at whatever revision.
func (l *Log) Write(stream, kind, data, meta string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(stream, []proposed{{id: uuid.New(), kind: kind, json: true, data: []byte(data), meta: []byte(meta)}})
}

// Link writes the links of the system projections $by_category and $by_event_type for all events that have none yet.
func (l *Log) Link() {
	l.mu.Lock()
	defer l.mu.Unlock()
	linked := len(l.streams["$projections-$links"])
	for _, r := range l.records {
		if strings.HasPrefix(r.stream, "$") || r.gone {
			continue
		}
		if linked--; linked >= 0 {
			continue
		}
		to := fmt.Appendf(nil, "%d@%s", r.revision, r.stream)
		category, _, _ := strings.Cut(r.stream, "-")
		for _, stream := range []string{"$ce-" + category, "$et-" + r.kind, "$projections-$links"} {
			l.add(stream, []proposed{{id: uuid.New(), kind: "$>", data: to}})
		}
	}
}

// Last is the commit position of the last event of $all.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records[len(l.records)-1].at.Commit
}

// Streams are the names of the streams that begin so, and have or had events.
func (l *Log) Streams(prefix string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for name := range l.streams {
		if strings.HasPrefix(name, prefix) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}
