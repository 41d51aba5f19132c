// Package dashboard is the ledger's web pages for clerks: plain HTML that the server renders, complete without JavaScript. It
// shows what the read model and the log tell, offers the acts that the rules and the clerk's role allow now, asks before
// money moves, and hands acts to Acts. It decides nothing itself; who is asking is set by the server before it.
package dashboard
