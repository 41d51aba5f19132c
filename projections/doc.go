// Package projections holds everything that is only read. A Projector follows the log and keeps a read model up to date;
// its subfolders hold the read model of the six tabs, the queries over HTTP, the pages and the audit. Nothing here changes
// the ledger, and nothing here can't be rebuilt from the log.
package projections
