//go:build !linux

package natsstore

// barrierNote says why the durability group is not to be had on this system.
const barrierNote = "group needs syncfs, which this system lacks; each event is synced alone"

// openBarrier has no barrier to offer.
func openBarrier(string) (run func() error, closeDir func() error, err error) { return nil, nil, nil }
