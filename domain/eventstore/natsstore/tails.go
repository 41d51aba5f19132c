package natsstore

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// tail is a stream's last event: its revision, and its JetStream sequence, which guards the next append.
type tail struct {
	revision eventstore.Revision
	seq      uint64
}

// noTail is the tail of a stream without events.
var noTail = tail{revision: eventstore.NoStream}

// tailAt is the tail of a stream that ends with an event.
func tailAt(r eventstore.Recorded) tail {
	return tail{revision: r.Revision, seq: uint64(r.Position)}
}

// tailsKept bounds the cache; an entry takes about 200 bytes.
const tailsKept = 1 << 16

// tails remembers the tails of streams in use. It may be behind the log, when somebody else writes, but never ahead.
type tails struct {
	mu  sync.Mutex
	lru *simplelru.LRU[string, tail]
}

func newTails() (*tails, error) {
	lru, err := simplelru.NewLRU[string, tail](tailsKept, nil)
	return &tails{lru: lru}, err
}

func (t *tails) get(stream string) (tail, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lru.Get(stream)
}

// saw notes where a stream ends. Answers may arrive out of order: the latest event wins.
func (t *tails) saw(stream string, at tail) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.lru.Peek(stream); at.seq > 0 && (!ok || known.seq < at.seq) {
		t.lru.Add(stream, at)
	}
}
