// Package queryapi answers the ledger's GET endpoints: orders, tabs, timelines, the stream of changes and the log itself. It
// decides who may see what; who is asking is set by the server before it (domain.WithActor). It changes nothing.
package queryapi
