// Package sender sends one message to somebody else's HTTP endpoint: signed as Standard Webhooks say, and by a client that can't be
// led into the network that the ledger runs in. What is sent, to whom, and how often it is tried, is its callers'.
//
// A message carries the headers webhook-id, webhook-timestamp and webhook-signature. The signature is "v1," and, in base64, the
// HMAC-SHA256 over id.timestamp.body; there is one for each secret, so that a receiver may know the old one or the new one. A
// message that is sent again has the same id, by which its receiver recognises it, and a new timestamp.
//
// Addresses that are not on the public internet are refused when a URL is checked, and again at each connection, after the name was
// resolved: a name that resolves to another address the second time gains nothing. No redirect is followed and no proxy is used.
package sender
