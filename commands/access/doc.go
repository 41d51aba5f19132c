// Package access keeps who may ask: API tokens, each a stream access-<token id> of the log, so that they are audited and
// every process on the log knows them. It knows tokens and their roles; what a role may do is the domain's, and how a token
// comes in over HTTP is commandapi's.
package access
