// Package client is the ledger's Go client: one method for each command and query of the HTTP API, typed, and retrying
// safely. It speaks to a server alone and knows nothing of stores, so others can build on it as the command line does.
package client
