// Package stripepay is the ledger's payment port (commands.Payments, commands.PaymentLists) over stripe-go: one method call is
// one act at Stripe, asked for once. Retrying, and finding out what became of an act whose answer was lost, is the caller's
// business; so nothing here repeats an act: not stripe-go, whose retries are off, and not net/http, which would silently send a
// POST again when it carries an idempotency key. What is said of money is converted between the ledger's minor units and
// Stripe's in money.go.
//
// Webhook is the other direction: the endpoint where Stripe's events come in, up to their being stored. The simulator that
// stands in for Stripe is in stripesim beside it.
package stripepay
