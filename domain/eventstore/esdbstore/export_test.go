package esdbstore

import "time"

// SetSilence lets the subscriptions of a store ask sooner whether they miss something.
func SetSilence(s *Store, d time.Duration) { s.silence = d }

// SetMarkEvery lets a store mark the ledger's end behind so many bytes of others' events.
func SetMarkEvery(s *Store, bytes uint64) { s.markEvery = bytes }
