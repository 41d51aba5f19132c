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
package natsstore
