package esdbstore

import (
	"hash/maphash"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// revisionsKept bounds how many streams a subscription remembers. That many take 27 MB (BenchmarkRevisions); what is forgotten costs a
// question to the server. A copy of a ledger of which half as many orders are worked on beside each other asks for none.
const revisionsKept = 1 << 19

// revisions remembers the last revisions of streams: at least of the half of revisionsKept that were used last. Names are kept as
// hashes of 128 bits, which are as good as they are and a quarter of their size.
type revisions struct {
	seeds      [2]maphash.Seed
	young, old map[[2]uint64]eventstore.Revision // what is used moves to the young; when they are half of all, the old are forgotten
}

func newRevisions() *revisions {
	return &revisions{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, young: map[[2]uint64]eventstore.Revision{}}
}

func (r *revisions) key(stream string) [2]uint64 {
	return [2]uint64{maphash.String(r.seeds[0], stream), maphash.String(r.seeds[1], stream)}
}

// get returns a stream's last revision, if it is remembered.
func (r *revisions) get(stream string) (eventstore.Revision, bool) {
	k := r.key(stream)
	if rev, ok := r.young[k]; ok {
		return rev, true
	}
	rev, ok := r.old[k]
	return rev, ok
}

func (r *revisions) set(stream string, rev eventstore.Revision) {
	k := r.key(stream)
	r.young[k] = rev
	delete(r.old, k)
	if len(r.young) >= revisionsKept/2 {
		r.young, r.old = map[[2]uint64]eventstore.Revision{}, r.young
	}
}
