// Package memstore keeps the log in memory: the reference implementation of eventstore.Store, and what tests run on. It
// promises nothing about durability. Its faults (faults.go) let a test see what a caller does when a log misbehaves.
package memstore
