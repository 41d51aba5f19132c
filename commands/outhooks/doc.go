// Package outhooks tells other people's systems what happens to orders: webhooks that go out. Whom to tell is in the log: an endpoint
// is a stream endpoint-<id>. What is told are the log's events in their public form, as CloudEvents, signed as Standard Webhooks say
// (see the package sender).
//
//   - Endpoints adds, removes and changes endpoints, for people.
//   - Runner follows the log and delivers. It alone holds the port by which something is sent: folding the log again, an audit or a
//     rebuilt read model can reach nobody.
//
// What is promised to an endpoint: every event that it wants, from the one behind its EndpointAdded on, in the order of the log, one
// at a time, at least once. A repeated delivery has the same webhook-id, by which the endpoint knows it. Only 2xx is success. What
// fails is tried again for three days, less and less often, and meanwhile nothing behind it is sent; then it is parked until a person
// decides. 410 Gone disables the endpoint. Endpoints don't wait for each other.
//
// How far an endpoint is stands in a file, saved after each delivery: a crash repeats one delivery at the most. Files may be deleted.
// The log itself says now and then how far an endpoint is (EndpointDelivered: every RecordEvery deliveries and when the runner stops),
// so without its file an endpoint is told again of RecordEvery events at the most, and never of its whole history.
//
// Of several processes on one log one delivers at a time (see follow.Turn). Another that goes on without the first one's files goes by
// what the log says, which is told after RecordAfter then. Two that deliver at once, as when one does not know yet that its turn is
// over, tell endpoints things twice, and out of step. What makes that right is the webhook-id.
//
// Secrets are not in the log. They are derived from a key file, which a restore needs as it needs the log (see Keyring).
//
// Stripe's webhooks, which come in, are not in this package.
package outhooks
