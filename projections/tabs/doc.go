// Package tabs is the read model of the orders in SQLite: a row for each order, the exact numbers of orders in the six tabs,
// search, and API tokens. Rows, counts and checkpoint change in one transaction, so every event is applied exactly once.
//
// Every order belongs to a facet: one of the few combinations of tab, status, payment, manufacturer, badges and so on that
// occur. A filter is a set of facets; a sorted list is the merge of what an index on (facet, column) yields for each of
// them, so a page costs the same for every filter and sort. Counts are sums over facets.
//
// An empty file is filled without indexes on orders, without the search index and without syncing; CaughtUp makes up for
// all three, and a file that was left before is begun anew. Until then a DB
// answers queries, slowly, and search finds by walking; the projector reports that it is not ready.
//
// The file holds nothing that the log doesn't: it may be deleted at any time. One of another form is built anew.
package tabs
