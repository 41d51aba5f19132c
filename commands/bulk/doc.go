// Package bulk carries one act out on many orders: a job. A job is a stream job-<id> of the log, so it is audited, every process
// knows it, and nothing but the log need survive for it to go on. Each act is an ordinary command of the job's maker, under the
// rules and the role that stand at that moment, with a key that is derived from the job and the order: whatever is done again after
// a crash, or by two processes at once, is recognised and done once.
//
// Money is never given back in bulk: Verbs says what can be done. Who may see a job is the caller's to say.
package bulk
