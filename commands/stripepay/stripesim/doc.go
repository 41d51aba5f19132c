// Package stripesim is a stateful Stripe for demos and tests: enough of Stripe's HTTP API (version 2023-10-16) for an order
// ledger that holds, takes, lets go and gives back card payments, so that the real stripe-go client can't tell the difference.
//
// What it serves: PaymentIntents (create with confirm, retrieve, list, update, capture, cancel), charges (retrieve, list),
// refunds (create, retrieve, list) and the account; Stripe's object and error shapes; idempotency keys with the parameter
// check, stored answers, 409 while in flight, and pruning after 24 hours. A hold ends seven days after it was made: the
// PaymentIntent is canceled ("automatic") when it is next looked at.
//
// Beside Stripe's paths it keeps its own journal (GET /_sim/journal, and Sim.Journal): one line for every movement of money
// that was really executed, whatever its caller was told. It is the independent witness of the ledger's tests.
//
// Payment methods: Stripe's test ones (pm_card_visa, pm_card_chargeDeclinedInsufficientFunds, pm_card_refundFail,
// pm_card_pendingRefund …; see cards.go), and one of the simulator's own: pm_card_captureDeclined authorizes, and every
// capture of it is declined while the hold stays.
//
// Known to be simpler than Stripe: one account; no customers, no separate confirmation, no 3-D Secure; one minimum amount (50)
// and one maximum (99999999) for every currency; releasing a hold makes no Refund object. Webhooks, disputes, faults that
// unfold over time and a clock under control belong here too, and are not here yet.
package stripesim
