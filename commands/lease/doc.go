// Package lease decides which one of the processes that work on a log acts on the outside: asks Stripe, tells people, sends webhooks.
// The others stand by and know the log, so that one of them goes on within seconds. Nothing that is right depends on it: every answer
// is recorded at an expected revision, and Stripe is asked with the same key by whoever asks. It saves work, and repeats.
//
// The holder renews its record in the store every Renew. It stops acting when it has not managed to for Keep, counted from when it
// asked the last time; another takes over when it has seen the record stand still for Patience, which is longer. Both go by their
// own monotonic clocks, so no two machines' clocks are ever compared.
//
// A record that somebody deletes is written again by its holder, within its turn. Others wait for it as for one that stands still, and so
// does a process that starts where there is none, unless nobody has worked on the log yet.
package lease
