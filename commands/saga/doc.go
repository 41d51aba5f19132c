// Package saga makes Stripe agree with the ledger. The ledger is the queue: a request is an event, Stripe is asked with a key
// that is derived from that event, and the answer is recorded by a command. So a crash anywhere leaves either nothing, or a
// request that is picked up again.
//
// The package has a pure core and a runner around it:
//
//   - React folds the log into the effects that were asked for and not answered, at most one for each order. It has no ports,
//     so replaying a log can't reach anybody. Judge says what an effect has come to when Stripe's truth is known.
//   - Watched folds it into what is watched beside: what Stripe told, holds that run out, and the manufacturers' clocks.
//   - Saga.Run follows the log, and holds the ports. It acts only after it has caught up with the log as it was when it began.
//
// What is never done: believing a request without a definite answer (the truth is read before it is repeated), sending a key
// that is near the end of Stripe's memory of it (the effect is parked for a person), asking with other parameters under the
// same key. Several processes may run sagas on one log: keys and expected revisions make that safe, though not cheaper.
//
// A manufacturer's clock needs nothing of Stripe. It is here since it is what a hold is: a timer that Placed sets and other events
// take away, over the same fold, snapshot, heap and workers. It is recorded at the order's expected revision, so a clerk who accepts
// in the same instant is either in time or late, and never both.
//
// E-mails and messages don't belong here, nor does Stripe's webhook.
package saga
