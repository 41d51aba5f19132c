// Package maker tells manufacturers that an order was not confirmed in time: the order confirmation failure message. It is one kind
// of notice, which package notify promises to tell once, by receipt, and to try for three days; and one channel, which takes the way
// that the configuration names for the manufacturer: an e-mail, a signed POST, or a message on a subject of NATS.
//
// To programs it is a CloudEvent in structured mode, of type orderledger.manufacturer.confirmation_missed; its id is the notice's,
// so that one that is sent again is recognised. It holds nothing of the customer.
package maker
