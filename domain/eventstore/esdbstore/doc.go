// Package esdbstore keeps the log in EventStoreDB or KurrentDB, in servers of their own. It holds what is needed to keep the
// promises of eventstore.Store there, and nothing about orders.
//
// # Layout
//
// A stream of the ledger is the server's stream of the same name, so that its pages, its projections ($ce-order, $et-Shipped) and
// other clients read the ledger as it is. That is so for the ledger of the default name, orderledger. Another ledger's streams have
// its name before them, with dots for its dashes: order-<id> of the ledger eu-west is eu.west.order-<id>, in $ce-eu.west.order. So
// ledgers share a server without seeing each other, and so do other programs, as long as their streams don't begin with one of
// the ledger's categories; one that does stops the reading of the log, since an event that is not understood must not be passed over.
//
// An event's id, type and data are the server's. Its envelope is the server's metadata, in the bytes that were sealed, with
// $correlationId and $causationId behind them, the names by which the server's own tools follow what caused what. They are taken off
// again when the event is read: whoever verifies hashes from the server's own data must do that, too.
//
// # Positions
//
// A position is the commit position in $all. It rises strictly from one of the ledger's events to the next, because each is
// appended by itself. It is a number of bytes in the server's file, so positions have holes, and one that is in a checkpoint must
// be that of an event: what is not there any more is eventstore.ErrGap. Head is the position of the ledger's last event, not of
// the server's; it is found by reading $all backwards, each time no further than to where it was read before, by this store or, as the
// stream "head" (with the ledger's name before it) says, by another one. Where neither is, as at first, it goes back to the ledger's
// last event; one that is cut short goes on where it was. The reads that the protocol filters are of no use for this: some servers end
// them early.
//
// # Writing
//
// Every append expects a revision or no stream, never any. The server recognises the ids of a repeated append and answers it as
// the first time, without saying so; so what stands at the event's place is read after each append, and that is what is
// returned. The same reading settles an answer that was lost, and a refusal. An append may always be repeated.
//
// The protocol has no append to several streams, so a batch is not atomic: see eventstore.Store. It does have many appends in one call
// (batch append), which the server carries out one behind the other without answers between them. The client library leaves that out, so
// AppendInOrder, which copies use, has a connection of its own to the leader.
//
// # Reading
//
// Everything is asked of the leader, so that what was appended is seen. A stream's revisions must follow each other from 0 on; where
// they don't, or metadata hide events ($tb, $maxCount, deletion), that is eventstore.ErrGap. A subscription follows $all, filtered
// by the ledger's categories, and checks that each event is the next of its stream; for streams that it does not remember it
// asks for the one before. The last event of a stream, taken out where nothing follows, is not missed.
package esdbstore
