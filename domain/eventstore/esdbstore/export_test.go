package esdbstore

import "time"

// SetSilence lets the subscriptions of a store ask sooner whether they miss something.
func SetSilence(s *Store, d time.Duration) { s.silence = d }
