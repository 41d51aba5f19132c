// Package natsstore keeps the log in NATS JetStream: in a server inside this process (OpenEmbedded) or in one that is
// reached by URL (Connect). It holds what both need to keep the promises of eventstore.Store, and nothing about orders.
//
// # Layout
//
// A ledger is one JetStream stream of the ledger's name. An event stream category-id is one literal subject,
// <ledger>.<category>.<id>, for a fixed list of categories; so <ledger>.public.* and the request subjects of the ledger are
// never caught. An event's position is its JetStream sequence. Nothing is ever deleted, so sequences have no holes, and a
// hole that shows is an incident: eventstore.ErrGap.
//
// # Stored form
//
// The headers Event-Id, Event-Type and Event-Revision say which event it is. The body is two lines: Data, a line feed, Meta.
// Both are JSON without line breaks, so every byte survives, which a header would not promise: clients trim a header's
// value. The server keeps the header Nats-Expected-Last-Subject-Sequence too; nothing here reads it.
//
// # Writing
//
// Nats-Expected-Last-Subject-Sequence guards every append. It wants the sequence of the subject's last message, not a
// revision; a bounded cache knows it for streams in use. When the server refuses, or an answer is lost, the truth is read: the
// same event id at the place it would get is a success, anything else there a conflict. Repeating a guarded append is safe, so
// a lost answer is resolved by repeating. Of a batch, which is applied as a whole or not at all, only the first event of each
// stream needs the guard.
//
// # Durability
//
// With Group, the server writes each event to its file and acknowledges without fsync; then one barrier (syncfs on the data
// folder) makes everything durable that was acknowledged before it began, and only then writers are answered, readers and
// subscribers given the events, and Head moved. A barrier that fails is the end: nothing more is acknowledged, and OnFatal
// is called so that the program stops. With Strict the server calls fsync for each event before it acknowledges. An external
// server guarantees what its own settings say.
//
// # In a cluster
//
// The leader acknowledges an event when most servers have it, and each server holds it from then on: no reader or subscriber
// sees an event that could still be lost with one server. But any server may be behind: a follower by a moment; and a leader
// that was cut off from the others, for up to twenty seconds, by all that happened meanwhile. Therefore:
//
//   - A stream is read from any server by direct get, up to the end that the leader says, and at least as far as this process
//     knows; so a process reads what it appended. Another process, whose server was cut off together with the old leader, may
//     read an older end for those seconds. What it decides from that can't be appended. A server that is cut off is still handed
//     direct gets until the others notice; after one that is lost, the leader is asked for the rest of that stream, event by event.
//     Not for longer: every server queues what the leader is asked, and one that is asked too much drops it.
//   - The end of the log, a gap, and that a writer expects more than there is, are believed only of a leader that stays in
//     touch with most of its followers for two seconds. From others it is ErrUnavailable.
//   - An append that is not acknowledged in two seconds, and a short question that is not answered in one, are repeated for ten; and
//     when the server has been of no use for five, another one is tried. After a leader's death the others take four to nine
//     seconds to choose the next one, which can't be made shorter from here.
//   - 10164 (another append to the subject is not decided yet) means again, with the same expectation; 10071 (the subject's last
//     message is another one) means that the truth is read, as it is whenever an answer is lost.
//   - A new append never stands before what the process has seen. One that does shows that the cluster has lost events, and the
//     store is of no use from then on.
package natsstore
