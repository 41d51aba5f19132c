// Package signin lets people in through a browser: a session, begun with an API token or by an OpenID Connect provider, is a sealed
// cookie. Nothing is kept of it here but what was ended, so a session survives restarts and holds for every process that has the key. A
// session by token holds the token's id, and the token is looked at with every request: a revoked one ends its sessions.
package signin
