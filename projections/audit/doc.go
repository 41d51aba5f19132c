// Package audit answers questions about the ledger from the log alone: is every stored byte what was once written, and could
// the rules have made every event (Verify); how did one order come about (Timeline); how did the six tabs stand at a
// position or an instant (Replay). It only reads, and trusts no read model. Comparing read models with the log, proofs and
// exports belong here too; repairing anything does not.
package audit
