// Package outevents publishes what happens to orders on NATS, for other people's programs: a CloudEvent on <ledger>.public.<type> for
// each event of an order, in the public form that outhooks gives it. A JetStream stream keeps them for a while.
package outevents
