package app

import "testing"

// Servers below 2.12.6 hand on what a client says of its account.
func TestSaysAccounts(t *testing.T) {
	for version, want := range map[string]bool{
		"2.12.5": false, "2.11.20": false, "2.9.99": false, "1.4.1": false, "": false, "next": false,
		"2.12.6": true, "2.12.10": true, "2.13.0-RC.1": true, "2.15.2": true, "3.0.0": true,
	} {
		if saysAccounts(version) != want {
			t.Errorf("%q: %v, want %v", version, !want, want)
		}
	}
}
