// Package esdbserver is an EventStoreDB for tests: ordinary gRPC on the client module's public stubs, over a log in memory. It does
// what the real server does where a client can tell the difference, and fails as a test tells it to. It knows nothing of this
// project but the protocol, so that it can be judged by itself, and the real client is what its own tests speak to it with.
//
// A Log holds the events and outlives the nodes that serve it. Start serves it from one node, StartCluster from several, of which
// one leads. Faults make a node's answers fail; Proxy puts the same faults before any server, a real one too.
//
// # What is as in the real server
//
//   - Appends at an expected revision, whose refusal is answered in-band; a repeated append of the same event ids at the same
//     expected revision is a success, and adds nothing, however long ago the first was; other ids there are refused. At any revision
//     repeats are recognised by what a leader remembers: see recent.
//   - Appends of many streams in one call (batch append), carried out in the order that they come in; one that is refused does not
//     keep those behind it from being carried out.
//   - $all, with positions that grow by the size of what is written. The server's own events ($metadata, links) stand there too,
//     and so do events that their stream's metadata hide, until a scavenge.
//   - Streams' metadata ($maxCount, $tb), soft deletion, after which a stream begins again behind the revisions that it had, and
//     tombstones.
//   - Subscriptions: a confirmation first, then events, a checkpoint after so many events that a filter passes over, and a message
//     when the end is reached.
//   - Errors with their trailers: not-leader with the leader's address, stream-deleted, wrong-expected-version, access-denied,
//     maximum-append-size-exceeded.
//   - Gossip, server features, sign-in by user and password, TLS.
//
// # What is not here
//
// Persistent subscriptions, projections (but their links: see Log.Link), access control lists beyond one user,
// $maxAge, scavenging, replication that takes time.
package esdbserver
