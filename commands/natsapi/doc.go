// Package natsapi is the API on NATS: a service of request and reply as the nats CLI's micro commands know it. It translates a
// request into one to the HTTP API's own handler, and its answer back, so that rules, checks and answers are the same in both.
//
// The service is called orderledger; its subjects are <ledger>.cmd.<verb>. A request is one JSON object, which holds what HTTP has in
// the path (order_id, notice), in the query and in the body; headers are HTTP's. An answer below 400 has HTTP's body; others have the
// problem, with the status in Nats-Service-Error-Code.
package natsapi
