package esdbserver

import "github.com/google/uuid"

// recentBytes is what the server's memory of ids may hold.
const recentBytes = 8 << 20

// recent is what a leader remembers of the events that it wrote, by their ids. Appends at any revision are recognised by it alone; those
// at an exact one are looked for in their stream, and so for ever. It begins empty when a node starts or takes the lead. An id that
// another stream got first is that stream's until it is forgotten: repeats in the second one are not recognised.
type recent struct {
	places map[uuid.UUID]place
	order  []uuid.UUID // oldest first
	size   int
}

// place is where an event stands.
type place struct {
	stream   string
	revision uint64
}

func (p place) size() int { return 28 + 2*len(p.stream) }

// put remembers an event, and forgets the oldest when there is no room.
func (r *recent) put(id uuid.UUID, p place) {
	if r.places == nil {
		r.places = map[uuid.UUID]place{}
	}
	for r.size > recentBytes && len(r.order) > 0 {
		oldest := r.order[0]
		r.order = r.order[1:]
		if old, ok := r.places[oldest]; ok {
			r.size -= old.size()
			delete(r.places, oldest)
		}
	}
	r.size += p.size()
	r.order = append(r.order, id)
	if _, ok := r.places[id]; !ok {
		r.places[id] = p
	}
}

// knows says how many of these events, from the first on, a stream was given, and the revision of the last of them.
func (r *recent) knows(stream string, events []proposed) (n int, revision uint64) {
	for _, e := range events {
		p, ok := r.places[e.id]
		if !ok || p.stream != stream {
			return n, revision
		}
		n, revision = n+1, p.revision
	}
	return n, revision
}

// forget is what happens when a node starts or takes the lead.
func (l *Log) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent = recent{}
}
