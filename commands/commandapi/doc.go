// Package commandapi lets commands in over HTTP: the POST endpoints with their OpenAPI description, the one table from errors
// to problems (RFC 9457), and the middleware that says who asks and how often they may. What a command does is the Handler's;
// what is only read is projections/queryapi's; the mux and its order of middleware are cmd/app's.
package commandapi
