// Package stripesim is a stateful Stripe for demos and tests: enough of Stripe's HTTP API (version 2023-10-16) for an order
// ledger that holds, takes, lets go and gives back card payments, so that the real stripe-go client can't tell the difference.
//
// What it serves: PaymentIntents (create with confirm, retrieve, list, update, capture, cancel), charges (retrieve, list),
// refunds (create, retrieve, list), disputes (retrieve, list, update, close), events (retrieve, list) and the account; Stripe's
// object and error shapes; idempotency keys with the parameter check, stored answers, 409 while in flight, and pruning after 24
// hours.
//
// Time is WithClock's. As it goes by, holds end after seven days, refunds settle or fail, disputes open and are decided: each at
// its own time, seen by whoever looks next (see Advance). With WithRand as well, the same requests get the same answers.
//
// Every change makes Stripe's events, in the same transaction. They are listed like Stripe's, and are signed and delivered by a
// Deliverer, or by a test that wants them twice, late, out of order or never (see Delivery). What people do at Stripe itself,
// past the ledger, is Sim.Dashboard's; what goes wrong on the way is Sim.Fail's.
//
// Beside Stripe's paths it keeps its own journal (GET /_sim/journal, and Sim.Journal): one line for every movement of money
// that was really executed, and by whom, whatever its caller was told. It is the independent witness of the ledger's tests.
//
// Payment methods: Stripe's test ones (pm_card_visa, pm_card_chargeDeclinedInsufficientFunds, pm_card_refundFail,
// pm_card_createDispute …; see cards.go), and some of the simulator's own, such as pm_card_captureDeclined: it authorizes, and
// every capture of it is declined while the hold stays.
//
// Known to be simpler than Stripe: one account, one webhook endpoint; no customers, no separate confirmation, no 3-D Secure; one
// minimum amount (50) and one maximum (99999999) for every currency; letting a hold go makes no Refund object, though it tells of
// charge.refunded; one dispute for a charge, without fees and balance transactions; events have no previous_attributes.
package stripesim
