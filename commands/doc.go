// Package commands holds everything that changes the ledger. The Handler loads an order, lets the domain decide, and
// appends; a command's identity is kept in the log itself, so asking again is safe for ever. Its subfolders let commands in
// (commandapi, client), carry out what orders ask of the outside world (saga, stripepay), compare the ledger with it
// (reconcile) and keep who may ask (access). Nothing here reads a projection.
package commands
