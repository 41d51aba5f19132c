// Package logcopy copies a log into another store: the same streams with the same events, byte for byte, in the same order.
// What a copy holds already is its only checkpoint, so one that was stopped anywhere goes on when it is started again.
// Choosing and opening stores does not belong here, nor does changing an event on the way.
package logcopy
